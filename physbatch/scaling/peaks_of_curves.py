"""Peaks of the curve of every size: their heights and positions, with errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from physbatch.errors import AnalysisError
from physbatch.scaling.exponents import ScalingFit, fit_critical_control, fit_law
from physbatch.scaling.local_fits import (
    average_resampled,
    covariance_block,
    half_widths,
    local_fit,
    looks_correlated,
    nearest_roots,
    resampled_values,
)
from physbatch.scaling.power_laws import Form, law
from physbatch.scaling.records import Record
from physbatch.scaling.results import Estimate, flag_names
from physbatch.scaling.table import ScalingTable

__all__ = ["Peaks", "find_peaks"]

FloatArray = npt.NDArray[np.float64]

_ACCEPTABLE = 1e-3  # chi-squared probability, as in `extrapolate`
_LENGTH = 7  # coefficients of a local polynomial of degree 6
_CLEAR = 4.0  # standard errors by which a peak stands above both ends of the data


@dataclass(frozen=True, eq=False, repr=False)
class Peaks(Record):
    """Height and position of the peak at every size; nan where there is none."""

    axes: ClassVar[dict[str, tuple[str, ...]]] = dict.fromkeys(
        (
            *("size", "position", "position_stderr", "position_systematic"),
            *("height", "height_stderr", "height_systematic"),
        ),
        ("size",),
    )

    observable: str
    dimension: str
    size: FloatArray
    position: FloatArray
    position_stderr: FloatArray
    position_systematic: FloatArray
    height: FloatArray
    height_stderr: FloatArray
    height_systematic: FloatArray
    flags: tuple[str, ...]

    def __repr__(self) -> str:
        known = int(np.isfinite(self.height).sum())
        names = f" [{', '.join(flag_names(self.flags))}]" if self.flags else ""
        return f"Peaks({self.observable}: {known} of {self.size.size} sizes){names}"

    def stated(self) -> dict[str, Estimate]:
        """Position and height at every size."""
        columns = {
            "position": (self.position, self.position_stderr, self.position_systematic),
            "height": (self.height, self.height_stderr, self.height_systematic),
        }
        return {
            f"{name} ({self.dimension} = {size:g})": Estimate(float(v[i]), float(e[i]), float(s[i]))
            for i, size in enumerate(self.size)
            for name, (v, e, s) in columns.items()
        }

    def fit_heights(self, forms: Sequence[Form] = (law("power"), law("corrected"))) -> ScalingFit:
        """Heights against size, A N^b: b = zeta/nu."""
        errors = np.hypot(self.height_stderr, self.height_systematic)
        variables = (self.dimension,)
        return fit_law(
            self.size, self.height, errors, forms, quantity="height", variables=variables
        )

    def fit_positions(self) -> ScalingFit:
        """Positions against size, c_c + a N^-phi: phi = 1/nu up to corrections."""
        errors = np.hypot(self.position_stderr, self.position_systematic)
        return fit_critical_control(
            self.size, self.position, errors, dimension=self.dimension, quantity="position"
        )


def find_peaks(
    table: ScalingTable,
    observable: str,
    *,
    minimum: bool = False,
    resamples: int = 500,
    seed: int = 0,
) -> Peaks:
    """Find the peak of an observable at every size.

    Polynomials of degree 2 to 6 are fitted around the largest value in nested windows; height
    and position are averages with the weights exp(-AIC/2), their systematic errors the spread,
    their statistical ones a bootstrap of the replicas or the errors.

    Parameters
    ----------
    table : ScalingTable
        Data.
    observable : str
        Which.
    minimum : bool
        Look for the lowest point.
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    Peaks
        Flags: ``at_edge`` (the largest value is the first or the last, or the peak does not
        stand out of both ends by 4 standard errors), ``no_peak`` (no acceptable polynomial has
        one), ``not_resolved`` (resampled curves do not always have one), ``correlated_points`` (too
        smooth for independent errors: the height's error is that of one point).

    Examples
    --------
    >>> sizes = np.repeat([16.0, 32.0], 21)
    >>> c = np.tile(np.linspace(-1, 1, 21), 2)
    >>> y = sizes / (1.0 + c**2)
    >>> find_peaks(ScalingTable(sizes, c, {"y": y}, {"y": 0.01 * sizes}), "y").height.round(0)
    array([16., 32.])
    """
    if observable not in table.observables:
        raise AnalysisError(f"no observable {observable!r}", remedy=f"of {table.observables}")
    table = table.only(observable).checked(
        minimum_sizes=1, minimum_points=1, where=table.source or "peaks"
    )
    sign = -1.0 if minimum else 1.0
    values, errors = sign * table.values[observable], table.errors[observable]
    covariance, samples = table.covariance.get(observable), table.samples.get(observable)
    places = [np.flatnonzero(table.size == size) for size in table.sizes]
    blocks = [covariance_block(errors, covariance, at) for at in places]
    mirrored = None if samples is None else [sign * one for one in samples]
    generator = np.random.default_rng([seed, 32])
    drawn = resampled_values(values, errors, covariance, mirrored, resamples, generator)
    rows, flags = [], []
    for size, at, block in zip(table.sizes, places, blocks, strict=True):
        if covariance is None and looks_correlated(table.control[at], values[at], errors[at]):
            drawn[:, at] += np.outer(generator.standard_normal(resamples), errors[at])
            flags.append(f"correlated_points: too smooth at {table.size_name} = {size:g}")
        position, height, why = _peak(table.control[at], values[at], block, drawn[:, at])
        rows.append([size, *position, sign * height[0], *height[1:]])
        flags += [f"{why} at {table.size_name} = {size:g}"] if why else []
    columns = dict(zip(Peaks.axes, np.array(rows, dtype=np.float64).T, strict=True))
    return Peaks(observable=observable, dimension=table.dimension, flags=tuple(flags), **columns)


def _peak(
    control: FloatArray, y: FloatArray, covariance: FloatArray, drawn: FloatArray
) -> tuple[tuple[float, ...], tuple[float, ...], str]:
    """Position and height, each with statistical and systematic error, or why not."""
    nothing = (math.nan,) * 3
    top = int(np.argmax(y))
    error = np.sqrt(np.diag(covariance))
    if top in (0, len(y) - 1) or any(
        y[top] - y[end] < _CLEAR * math.hypot(error[top], error[end]) for end in (0, -1)
    ):
        return nothing, nothing, "at_edge: the peak does not stand out of both ends of the data"
    found = []
    for half in half_widths(control, float(control[top])):
        for degree in range(2, _LENGTH):
            fit = local_fit(control, y, covariance, float(control[top]), half, degree)
            if fit is not None and fit.p_value > _ACCEPTABLE:
                start = _summit(fit.coefficients(y, _LENGTH))
                found += [(fit, start)] if math.isfinite(start) else []
    if not found:
        return nothing, nothing, "no_peak: no polynomial of degree 2 to 6 describes one"
    aic = np.array([fit.aic for fit, _ in found])
    weights = np.exp(-0.5 * (aic - aic.min()))
    keep = np.flatnonzero(weights > 1e-3)
    weights = weights[keep] / weights[keep].sum()
    power = np.arange(_LENGTH)
    central, spread = [], []
    for fit, start in (found[k] for k in keep):
        curve, curves = fit.coefficients(y, _LENGTH), fit.coefficients(drawn, _LENGTH)
        u = nearest_roots((curves * power)[:, 1:], start)
        central.append((fit.centre + fit.half * start, float(curve @ start**power)))
        heights = np.sum(curves * u[:, None] ** power, axis=-1)
        spread.append((fit.centre + fit.half * u, heights))
    middle = np.array(central).T  # (position or height, fit)
    drawn_positions, drawn_heights = np.array(spread).swapaxes(0, 1)
    position_drawn, kept = average_resampled(drawn_positions, weights)
    if kept.sum() < 0.5:
        return nothing, nothing, "not_resolved: resampled curves do not always have a peak"
    weights = kept / kept.sum()
    both = np.array([position_drawn, average_resampled(drawn_heights, weights)[0]])
    mean = middle @ weights
    systematic = np.sqrt(((middle - mean[:, None]) ** 2) @ weights)
    errors = np.nanstd(both, axis=1)
    position, height = (tuple(map(float, (mean[q], errors[q], systematic[q]))) for q in (0, 1))
    return position, height, ""


def _summit(coefficients: FloatArray) -> float:
    """Where the polynomial is largest within its window, nan if that is at an end."""
    slope = np.polynomial.polynomial.polyder(coefficients)
    roots = np.polynomial.polynomial.polyroots(np.trim_zeros(slope, "b"))
    real = roots[(np.abs(roots.imag) < 1e-9) & (np.abs(roots.real) <= 1.0)].real
    ends = np.concatenate([real, [-1.0, 1.0]])
    best = int(np.argmax(np.polynomial.polynomial.polyval(ends, coefficients)))
    return float(ends[best]) if best < len(real) else math.nan
