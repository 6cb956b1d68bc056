"""Intervals of exponents, whatever they come from: samples, refits of resampled data, two ends."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from physbatch.results.flag import Flag
from physbatch.results.flags import RESAMPLES_FAILED
from physbatch.scaling.data_collapse.form import ScalingForm
from physbatch.scaling.statistics.point_noise import correlated_covariance
from physbatch.scaling.statistics.resampling import bootstrap_means
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

#: Part of the refits that should succeed.
_LEAST_DONE = 0.95


class Interval(NamedTuple):
    """Standard error and central 68 % interval of one exponent."""

    stderr: float
    low: float
    high: float


class Uncertainties(NamedTuple):
    """Intervals beyond the curvature at the optimum, and what was found on the way.

    Attributes
    ----------
    intervals : mapping
        For each free exponent; empty where the curvature is all there is.
    flags : tuple of Flag
    samples : ndarray, shape (n_sample, n_exponent)
        Physical values to draw; may be empty.
    chains : int
        Of a Markov chain: sample i is of chain i % chains. Else 0.
    """

    intervals: Mapping[str, Interval]
    flags: tuple[Flag, ...] = ()
    samples: FloatArray = np.empty((0, 0))
    chains: int = 0


def sample_intervals(
    form: ScalingForm, vectors: FloatArray
) -> tuple[dict[str, Interval], FloatArray]:
    """Intervals of the exponents from a sample of fit vectors, and their physical values.

    Parameters
    ----------
    form : ScalingForm
        What the first components of the vectors stand for.
    vectors : ndarray, shape (n_sample, n)
        Fit vectors; hyperparameters behind the exponents are left out.

    Returns
    -------
    intervals : dict
        For each free exponent: standard deviation and central 68 % of the sample.
    samples : ndarray, shape (n_sample, n_exponent)
    """
    count = len(form.names)
    values = [form.exponents(vector[:count]) for vector in vectors]
    samples = np.array([[row[name] for name in form.names] for row in values])
    low, high = np.quantile(samples, [0.15865, 0.84135], axis=0)
    rows = zip(form.names, samples.std(axis=0, ddof=1), low, high, strict=True)
    return {name: Interval(*map(float, row)) for name, *row in rows}, samples


def from_refits(form: ScalingForm, done: Sequence[FloatArray], resamples: int) -> Uncertainties:
    """Errors from the fit vectors of refits; nan where fewer than half of them have succeeded."""
    flags: tuple[Flag, ...] = ()
    if len(done) < _LEAST_DONE * resamples:
        flags = (RESAMPLES_FAILED(f"{resamples - len(done)} of {resamples} refits failed"),)
    if len(done) < max(20, resamples // 2):
        nothing = Interval(math.nan, math.nan, math.nan)
        return Uncertainties(dict.fromkeys(form.names, nothing), flags)
    intervals, samples = sample_intervals(form, np.array(done))
    return Uncertainties(intervals, flags, samples)


def resampled_observables(
    table: ScalingTable,
    observables: Sequence[str],
    generator: np.random.Generator,
    resamples: int,
) -> list[dict[str, FloatArray]]:
    """Values of the observables in each resample.

    Replicas are resampled where the table has them, the same ones for all observables of a
    point; else noise of the stated errors or covariance is added, of points that move together
    where they visibly do.
    """
    out: list[dict[str, FloatArray]] = [{} for _ in range(resamples)]
    if all(name in table.samples for name in observables):
        for point in range(len(table.size)):
            samples = np.array([table.samples[name][point] for name in observables])
            means = bootstrap_means(generator, samples, resamples)
            for name, drawn in zip(observables, means, strict=True):
                for row, mean in enumerate(drawn):
                    out[row].setdefault(name, table.values[name].copy())[point] = mean
        return out
    for name in observables:
        noise = table.covariance.get(name)
        if noise is None:
            noise = correlated_covariance(table, name)[0]
        if noise is None:
            draws = generator.normal(size=(resamples, len(table.size))) * table.errors[name]
        else:
            strength, modes = np.linalg.eigh(noise)
            root = modes * np.sqrt(np.maximum(strength, 0.0))
            draws = generator.normal(size=(resamples, len(table.size))) @ root.T
        for row, draw in enumerate(draws):
            out[row][name] = table.values[name] + draw
    return out


def between_ends(
    end: Callable[[str, float], float], names: Sequence[str]
) -> tuple[dict[str, Interval], list[str]]:
    """Intervals from their ends, by name and side (-1 or 1), and the names that lack an end."""
    ends = {name: (end(name, -1.0), end(name, 1.0)) for name in names}
    intervals = {name: Interval((high - low) / 2, low, high) for name, (low, high) in ends.items()}
    return intervals, [name for name in names if not all(map(math.isfinite, ends[name]))]
