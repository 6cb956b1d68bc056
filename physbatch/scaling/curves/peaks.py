"""Peaks of the curve of every size: their heights and positions, with errors."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import numpy as np

from physbatch.errors import AnalysisError
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag, bracketed
from physbatch.results.flags import (
    AT_EDGE,
    CORRELATED_POINTS,
    NO_PEAK,
    NOT_RESOLVED,
    ON_ERRORS,
    SEVERAL_PEAKS,
)
from physbatch.results.record import Record, result
from physbatch.scaling.curves.local_fits import (
    MOST_POINTS,
    LocalFit,
    SizeCurve,
    average_resampled,
    curves_of_sizes,
    half_widths,
    local_fit,
    nearest_roots,
)
from physbatch.scaling.laws.fits import ScalingFit, fit_law
from physbatch.scaling.laws.power_laws import Law, law
from physbatch.scaling.laws.size_laws import fit_critical_control
from physbatch.tables.binning import binned
from physbatch.tables.make import checked
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

_ACCEPTABLE = 1e-2  # chi-squared probability of a polynomial
_LENGTH = 8  # coefficients of the one of degree 7
_APART = 5.0  # statistical errors: beyond, the systematic one is that of several peaks
_CLEAR = 4.0  # standard errors by which a peak stands above both ends of the data


@result("peaks")
@dataclass(frozen=True, eq=False, repr=False)
class Peaks(Record):
    """Height and position of the peak at every size; nan where there is none."""

    main_dim: ClassVar[str] = "size"

    observable: str
    dimension: str
    size: FloatArray
    position: FloatArray
    position_stderr: FloatArray
    position_systematic: FloatArray
    height: FloatArray
    height_stderr: FloatArray
    height_systematic: FloatArray
    flags: tuple[Flag, ...]

    def __repr__(self) -> str:
        known = int(np.isfinite(self.height).sum())
        names = bracketed(self.flags)
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

    def fit_heights(self, laws: Sequence[Law] = (law("power"), law("corrected"))) -> ScalingFit:
        """Heights against size, A N^b: b = zeta/nu."""
        errors = np.hypot(self.height_stderr, self.height_systematic)
        variables = (self.dimension,)
        return fit_law(self.size, self.height, errors, laws, quantity="height", variables=variables)

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

    Polynomials of degree 2 to 6 are fitted around the largest value in nested windows. Where one
    is accepted (p > 0.01), height and position are taken from the polynomial of the next degree
    in the same window, which removes the bias of the chosen degree to leading order (Calonico,
    Cattaneo and Titiunik 2014). They are averaged with the weights exp(-AIC/2) of the accepted
    ones. The statistical error is a bootstrap of the replicas or the errors; the systematic one
    holds the spread over windows and degrees, and what the last degree changed as far as noise
    does not explain it.

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
        one), ``not_resolved`` (resampled curves do not always have one), ``several_peaks`` (fits
        that describe the data have peaks apart by more than 5 statistical errors: the position
        is their mean, its systematic error their spread), ``correlated_points`` (too smooth for
        independent errors: the height's error is that of one point).

    References
    ----------
    Calonico, Cattaneo and Titiunik, Econometrica 82 (2014) 2295, doi 10.3982/ECTA11757.

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
    table = checked(
        table.only(observable), minimum_sizes=1, minimum_points=1, where=table.source or "peaks"
    )
    table = binned(table, MOST_POINTS * table.sizes.size)
    sign = -1.0 if minimum else 1.0
    if minimum:
        samples = [-sample for sample in table.samples.get(observable, ())]
        table = replace(
            table,
            values={observable: -table.values[observable]},
            samples={observable: tuple(samples)} if samples else {},
        )
    rows, flags = [], [flag for flag in table.flags if flag.kind in ON_ERRORS]
    curves = curves_of_sizes(table, observable, resamples, np.random.default_rng([seed, 32]))
    for size, curve in curves.items():
        where = f"{table.size_name} = {size:g}"
        if curve.correlated:
            flags.append(CORRELATED_POINTS(f"too smooth at {where}"))
        position, height, why = _peak(curve)
        rows.append([size, *position, sign * height[0], *height[1:]])
        flags += [why.at(where)] if why else []
    return Peaks.of_rows(rows, observable=observable, dimension=table.dimension, flags=tuple(flags))


class _Candidate(NamedTuple):
    """A polynomial that describes a window, and the one of the next degree, which has the peak.

    Data that accept a polynomial do not rule out that the next power moves its peak by as much
    as the noise does: this bias of the chosen degree is taken off by the next one, whose larger
    statistical error pays for it.
    """

    accepted: LocalFit
    estimate: LocalFit
    summit: float  # of the estimate, in units of the half width
    accepted_summit: float


class _Reading(NamedTuple):
    """(position, height) of the peak that a candidate sees."""

    central: FloatArray  # shape (2,)
    drawn: FloatArray  # shape (2, resamples), nan where a resample has no peak
    bias: FloatArray  # shape (2,): change by the last degree, as far as it is no noise


def _peak(curve: SizeCurve) -> tuple[tuple[float, ...], tuple[float, ...], Flag | None]:
    """Position and height, each with statistical and systematic error, or why not."""
    nothing, y = (math.nan,) * 3, curve.y
    top = int(np.argmax(y))
    error = np.sqrt(np.diag(curve.covariance))
    if top in (0, len(y) - 1) or any(
        y[top] - y[end] < _CLEAR * math.hypot(error[top], error[end]) for end in (0, -1)
    ):
        return nothing, nothing, AT_EDGE("the peak does not stand out of both ends of the data")
    candidates = _candidates(curve, float(curve.control[top]))
    if not candidates:
        why = NO_PEAK("no polynomial of degree 2 to 6 describes one, or too few points tell")
        return nothing, nothing, why
    aic = np.array([candidate.accepted.aic for candidate in candidates])
    weights = np.exp(-0.5 * (aic - aic.min()))
    keep = np.flatnonzero(weights > 1e-3)
    readings = [_read(candidates[k], y, curve.resampled) for k in keep]
    drawn_positions, drawn_heights = np.stack([reading.drawn for reading in readings], axis=1)
    position_drawn, kept = average_resampled(drawn_positions, weights[keep] / weights[keep].sum())
    if kept.sum() < 0.5:
        return nothing, nothing, NOT_RESOLVED("resampled curves do not always have a peak")
    weights = kept / kept.sum()
    both = np.array([position_drawn, average_resampled(drawn_heights, weights)[0]])
    central = np.stack(
        [reading.central for reading in readings], axis=1
    )  # (position or height, fit)
    bias = np.stack([reading.bias for reading in readings], axis=1)
    mean = central @ weights
    systematic = np.sqrt(((central - mean[:, None]) ** 2 + bias**2) @ weights)
    errors = np.nanstd(both, axis=1)
    position, height = (tuple(map(float, (mean[q], errors[q], systematic[q]))) for q in (0, 1))
    if systematic[0] > _APART * errors[0]:
        why = SEVERAL_PEAKS("polynomials that describe the data have peaks far apart")
        return position, height, why
    return position, height, None


def _candidates(curve: SizeCurve, centre: float) -> list[_Candidate]:
    """Windows and degrees that the data accept, where the next degree has a peak as well."""
    control, y, covariance = curve.control, curve.y, curve.covariance
    candidates = []
    for half in half_widths(control, centre):
        fits = [local_fit(control, y, covariance, centre, half, d) for d in range(2, _LENGTH)]
        for accepted, estimate in itertools.pairwise(fits):
            if accepted is None or estimate is None or accepted.p_value <= _ACCEPTABLE:
                continue
            summit = _summit(estimate.coefficients(y, _LENGTH))
            nearest = nearest_roots(_slope(accepted.coefficients(y[None], _LENGTH)), summit)
            if math.isfinite(nearest[0]):
                candidates.append(_Candidate(accepted, estimate, summit, float(nearest[0])))
    return candidates


def _read(candidate: _Candidate, y: FloatArray, drawn: FloatArray) -> _Reading:
    """Position and height in the data and in the resamples."""
    accepted, estimate, summit, accepted_summit = candidate
    of_data = _positions_and_heights(estimate, y[None], summit)
    of_drawn = _positions_and_heights(estimate, drawn, summit)
    step = _positions_and_heights(accepted, y[None], accepted_summit) - of_data
    steps = _positions_and_heights(accepted, drawn, accepted_summit) - of_drawn
    noise = np.nanvar(steps, axis=1) if np.isfinite(steps).any() else np.inf
    bias = np.sqrt(np.maximum(step[:, 0] ** 2 - noise, 0.0))
    return _Reading(of_data[:, 0], of_drawn, bias)


def _positions_and_heights(fit: LocalFit, curves: FloatArray, start: float) -> FloatArray:
    """Of the peak next to a start, for data of shape (n, n_point): shape (2, n)."""
    coefficients = fit.coefficients(curves, _LENGTH)
    u = nearest_roots(_slope(coefficients), start)
    heights = np.sum(coefficients * u[:, None] ** np.arange(_LENGTH), axis=-1)
    return np.array([fit.centre + fit.half * u, heights])


def _slope(coefficients: FloatArray) -> FloatArray:
    """Coefficients of the derivatives, shape (n, length - 1)."""
    return np.asarray((coefficients * np.arange(_LENGTH))[:, 1:])


def _summit(coefficients: FloatArray) -> float:
    """Where the polynomial is largest within its window, nan if that is at an end."""
    slope = np.polynomial.polynomial.polyder(coefficients)
    roots = np.polynomial.polynomial.polyroots(np.trim_zeros(slope, "b"))
    real = roots[(np.abs(roots.imag) < 1e-9) & (np.abs(roots.real) <= 1.0)].real
    ends = np.concatenate([real, [-1.0, 1.0]])
    best = int(np.argmax(np.polynomial.polynomial.polyval(ends, coefficients)))
    return float(ends[best]) if best < len(real) else math.nan
