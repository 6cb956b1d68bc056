"""Log posterior of exponents and curves for corrections of a given strength and power."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from physbatch.scaling.data_collapse.form import Rescaled, ScalingForm
from physbatch.scaling.data_collapse.total.likelihood import (
    BOUNDS,
    HYPERPARAMETERS,
    PRIOR_MEAN,
    Corrections,
    HyperPrior,
    Sample,
    corrected_likelihood,
    hyper_prior,
    left_out_scores,
)
from physbatch.scaling.data_collapse.total.noise import INDEPENDENT, NoiseModel, noise_covariance
from physbatch.scaling.statistics.point_noise import share_runs
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

#: Values are taken by their logarithms where their relative errors are below the first and the
#: logarithms vary by more than the second.
_LARGEST_RELATIVE = 0.2
_LEAST_RANGE = 0.3
#: Standard deviation of B a priori, and where the curve is nothing but corrections.
STRENGTH = 0.11
_STRONG = 1.2
#: ln(L_min/L0) of corrections that fall with the logarithm of the size.
_LOG_LENGTH = 1.6


class Grounds(NamedTuple):
    """What all fits of a collapse share, whatever the window and the form.

    Attributes
    ----------
    form : ScalingForm
        With the units of the fit vector.
    table : ScalingTable
        All points.
    units : tuple of float
        Unit of each observable.
    priors : mapping of name to (mean, standard deviation)
        Of free parameters, as they are fitted, that the data alone need not hold.
    noise : tuple of NoiseModel
        Of each observable; empty for independent points.
    omega : float or None
        The exponent of the corrections where it is known.
    flat : bool
        Whether every curve is constant but for its corrections.
    """

    form: ScalingForm
    table: ScalingTable
    units: tuple[float, ...]
    priors: Mapping[str, tuple[float, float]] = MappingProxyType({})
    noise: tuple[NoiseModel, ...] = ()
    omega: float | None = None
    flat: bool = False

    @property
    def strength(self) -> float:
        """Standard deviation of B, the strength of the corrections, a priori."""
        return _STRONG if self.flat else STRENGTH

    @property
    def reach(self) -> float:
        """Half the range of the controls over their middle; nan where these have two signs."""
        low, high = self.table.control.min(), self.table.control.max()
        return float((high - low) / abs(low + high)) if low * high > 0 else math.nan

    @property
    def shared(self) -> tuple[bool, ...]:
        """Of each observable, whether points share runs: their scatter is not that of errors."""
        known = (self.table.covariance.get(name) for name in self.form.observables)
        smooth = self.noise or (INDEPENDENT,) * len(self.form.observables)
        return tuple(
            model.smooth or (noise is not None and share_runs(noise))
            for noise, model in zip(known, smooth, strict=True)
        )

    def noise_covariance(self, table: ScalingTable, row: int) -> FloatArray:
        """Covariance of some points of an observable, given by its number, in its unit."""
        model = self.noise[row] if self.noise else INDEPENDENT
        noise = noise_covariance(table, self.form.observables[row], model, self.table)
        return noise / self.units[row] ** 2


class Part(NamedTuple):
    """What one observable brings to the likelihood at some vector."""

    sample: Sample
    where: Rescaled
    corrections: Corrections
    hyper: FloatArray


def sample_of(grounds: Grounds, table: ScalingTable, row: int, logarithmic: bool) -> Sample:
    """The values of an observable, given by its number, in its unit; or their logarithms."""
    observable, unit = grounds.form.observables[row], grounds.units[row]
    values = table.values[observable] / unit
    noise = grounds.noise_covariance(table, row)
    if not logarithmic:
        return Sample(values, noise, False, 0.0)
    logs = np.log(values)
    return Sample(logs, noise / np.multiply.outer(values, values), True, -float(logs.sum()))


def takes_logarithms(table: ScalingTable, observable: str) -> bool:
    """Whether the form for ln y may be compared: positive values with small relative errors."""
    values, errors = table.values[observable], table.errors[observable]
    if not (values > 0).all():
        return False
    return bool(
        (errors / values).max() < _LARGEST_RELATIVE and np.ptp(np.log(values)) > _LEAST_RANGE
    )


@dataclass(frozen=True, eq=False)
class Corrected:
    """Log posterior of exponents and hyperparameters, with corrections of given size.

    Attributes
    ----------
    grounds : Grounds
        What is fitted.
    table : ScalingTable
        The points of a window.
    logarithmic : tuple of bool
        Which observables are taken by their logarithms.
    omega, strength : float
        The exponent of the corrections and B, their standard deviation at the smallest size of all.
    """

    grounds: Grounds
    table: ScalingTable
    logarithmic: tuple[bool, ...]
    omega: float = 1.0
    strength: float = 0.0

    def corrected(self, omega: float, strength: float) -> "Corrected":
        """The same points with corrections of another size."""
        return replace(self, omega=omega, strength=strength)

    def on(self, grounds: Grounds) -> "Corrected":
        """The same fit with another form or noise."""
        return replace(self, grounds=grounds)

    def of(self, table: ScalingTable) -> "Corrected":
        """The same form for other points."""
        return replace(self, table=table)

    @property
    def form(self) -> ScalingForm:
        return self.grounds.form

    @property
    def exponents(self) -> int:
        """Number of free exponents; the rest of a vector are hyperparameters."""
        return len(self.form.names)

    @cached_property
    def hyper_priors(self) -> tuple[HyperPrior, ...]:
        """Of each observable."""
        grounds = self.grounds
        return tuple(
            hyper_prior(grounds.reach, flat=grounds.flat, exact=shared) for shared in grounds.shared
        )

    @cached_property
    def samples(self) -> tuple[Sample, ...]:
        """The data of each observable."""
        return tuple(
            sample_of(self.grounds, self.table, row, logarithmic)
            for row, logarithmic in enumerate(self.logarithmic)
        )

    @property
    def bounds(self) -> list[tuple[float, float]]:
        """Bounds of a full vector."""
        return [*self.form.bounds, *(list(BOUNDS) * len(self.form.observables))]

    def start(self, plain: FloatArray) -> FloatArray:
        """A full vector from that of a plain fit with a nugget: its exponents and its curves."""
        exponents, hyper = np.split(plain, [self.exponents])
        curves = hyper.reshape(len(self.samples), -1)
        begin = np.tile(PRIOR_MEAN, (len(self.samples), 1))
        begin[:, :3] = curves[:, :3]
        begin[:, -1] = 0.5 * np.log1p(np.exp(2 * curves[:, -1]))
        return np.concatenate([exponents, begin.ravel()])

    def noise(self, vector: FloatArray) -> FloatArray:
        """ln g of each observable."""
        return vector[self.exponents :].reshape(-1, len(HYPERPARAMETERS))[:, -1]

    def parts(self, vector: FloatArray) -> Iterator[Part]:
        """The data, rescaled coordinates, corrections and hyperparameters of each observable."""
        form, table = self.form, self.table
        exponents = vector[: self.exponents]
        rows = vector[self.exponents :].reshape(len(self.samples), -1)
        zero = form.exponents(exponents).get("c_c", form.control_middle)
        field = 2.0 * (table.control - zero) / form.control_unit
        ratio = table.size / self.grounds.table.size.min()
        if form.kind.startswith("kt"):  # corrections there fall with the logarithm of the size
            ratio = 1.0 + np.log(ratio) / _LOG_LENGTH
        factor = np.power(ratio, -self.omega)
        corrections = Corrections(self.strength, factor, field, self.grounds.flat)
        for name, sample, hyper in zip(form.observables, self.samples, rows, strict=True):
            yield Part(sample, form.rescale(exponents, table, name), corrections, hyper)

    def __call__(self, vector: FloatArray, *, gradient: bool = True) -> tuple[float, FloatArray]:
        """Log posterior (up to a constant) and its gradient."""
        count, width = self.exponents, len(HYPERPARAMETERS)
        slope = np.zeros(len(vector))
        total = 0.0
        for row, part in enumerate(self.parts(vector)):
            value, slopes = corrected_likelihood(*part, gradient=gradient)
            prior, pull = self.hyper_priors[row](part.hyper)
            total += value + prior
            slope[:count] += slopes.exponents
            if "c_c" in self.form.names:  # the fit vector has c_c in units of the controls' range
                slope[self.form.names.index("c_c")] -= 2.0 * float(slopes.field.sum())
            begin = count + row * width
            slope[begin : begin + width] = slopes.hyper + pull
        for name, (mean, deviation) in self.grounds.priors.items():
            at = self.form.names.index(name)
            pull_back = (float(vector[at]) - mean) / deviation
            total -= 0.5 * pull_back**2 + math.log(deviation * math.sqrt(2 * math.pi))
            slope[at] -= pull_back / deviation
        return total, slope

    def scores(self, vector: FloatArray) -> list[FloatArray]:
        """Each value of each observable against what all others predict for it."""
        return [left_out_scores(*part) for part in self.parts(vector)]
