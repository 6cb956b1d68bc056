"""The learning rate at which the typical replica stops to learn, from measured growth."""

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy import optimize

from physbatch.dataset import STATUS_DIVERGED, STATUS_MISSING, batch_sizes, control_dim, validate
from physbatch.errors import AnalysisError
from physbatch.noise.plane import PlaneThresholds, squeezed_to
from physbatch.results.flag import Flag
from physbatch.results.flags import ABOVE_GRID, BELOW_GRID, DIVERGED, STEP
from physbatch.results.record import Record, result
from physbatch.scaling.statistics.resampling import bootstrap_indices, unbiased_spread
from physbatch.typing import FloatArray, IntArray

_NEIGHBOURS = 4  # points of the interpolation: a cubic


@result("typical threshold")
@dataclass(frozen=True, eq=False, repr=False)
class TypicalThreshold(PlaneThresholds, Record):
    """Learning rate above which the mean logarithm of the error grows, in swept units.

    Systematic errors are what the interpolation between learning rates may cost. Flags:
    ``above_grid`` (errors still shrink at the largest rate), ``below_grid`` (they grow at every
    rate), ``step`` (replicas diverge next to the threshold), ``diverged`` (replicas that
    diverged count as grown beyond all bounds).
    """


def typical_threshold(data: xr.Dataset, *, resamples: int = 300, seed: int = 0) -> TypicalThreshold:
    """Find where the error of the typical replica neither shrinks nor grows.

    The growth of a replica is ln(error at the end / error at the start), a sum over steps. Its
    mean over replicas crosses zero where <ln F> = 0, F being the factor of one step: after
    many steps almost every replica grows above this learning rate, and shrinks below. It lies
    above the mean-square threshold <F> = 1. The crossing is that of the cubic through the four
    learning rates around it, in ln eta. Its statistical error is a bootstrap over replicas; the
    systematic one is half the distance between the crossings of the two parabolas through three
    of the four points.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of the schema without label noise, swept over ``learning_rate`` and the batch
        size.
    resamples, seed : int
        Of the bootstrap.

    Raises
    ------
    AnalysisError
        If there are fewer than four learning rates, one time only, or another swept parameter.

    References
    ----------
    Masters and Luschi, arXiv 1804.07612 (2018), ask for the range of learning rates.
    """
    data = validate(data)
    control = control_dim(data)
    dims = ("size", control, "learning_rate", "replica")
    for name, least in (("learning_rate", _NEIGHBOURS), ("time", 2)):
        if data.sizes.get(name, 1) < least:
            raise AnalysisError(f"fewer than {least} values of {name}", where="typical threshold")
    at = squeezed_to(data, dims, "typical threshold")
    errors = at["generalization_error"].transpose(*dims, "time").values
    status = at["status"].transpose(*dims).values
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.log(errors[..., -1] / errors[..., 0])
    values[status == STATUS_DIVERGED] = np.inf
    values[status == STATUS_MISSING] = np.nan
    ln_rate = np.log(np.asarray(data["learning_rate"].values, dtype=np.float64))
    m = batch_sizes(data).values
    drawn = bootstrap_indices(np.random.default_rng(seed), values.shape[3], resamples)
    rows, flags = [], []
    for number, size in enumerate(data["size"].values):
        for column in range(values.shape[1]):
            crossing, why = _crossing(ln_rate, values[number, column], drawn)
            rows.append((float(size), float(m[number, column]), *crossing))
            if why:
                flags.append(why.at(f"N = {size:g}, m = {m[number, column]:g}"))
    lost = int((data["status"] == STATUS_DIVERGED).sum())
    if lost:
        flags.append(DIVERGED(f"{lost} replicas, which count as grown beyond all bounds"))
    return TypicalThreshold.of_rows(rows, flags=tuple(flags))


def _crossing(
    ln_rate: FloatArray, growth: FloatArray, drawn: IntArray
) -> tuple[tuple[float, float, float], Flag | None]:
    """Threshold, statistical and systematic error of one curve, or why there is none."""
    mean = _means(growth)
    why = _no_crossing(mean)
    if why:
        return (math.nan, math.nan, math.nan), why
    near = _around(mean)
    root = _root(ln_rate[near], mean[near])
    roots = []
    for rows in drawn:
        resampled = _means(growth[:, rows])
        if not _no_crossing(resampled):
            places = _around(resampled)
            roots.append(_root(ln_rate[places], resampled[places]))
    spread = float(unbiased_spread(np.array(roots), growth.shape[1])) if roots else math.nan
    parabolas = [
        _root(ln_rate[rows], mean[rows])
        for rows in (near[:-1], near[1:])
        if mean[rows].min() < 0 <= mean[rows[-1]]
    ]
    return (math.exp(root), math.exp(root) * spread, math.exp(root) * np.ptp(parabolas) / 2), None


def _means(growth: FloatArray) -> FloatArray:
    """Means over the replicas with data at each learning rate; nan without any."""
    there = ~np.isnan(growth)
    with np.errstate(invalid="ignore"):  # nobody there, or growth without bounds beside perfection
        return np.asarray(np.where(there, growth, 0.0).sum(axis=1) / there.sum(axis=1))


def _no_crossing(growth: FloatArray) -> Flag | None:
    """Why the growth does not cross zero within the grid; None if it does."""
    if not (growth < 0).any():
        return BELOW_GRID("errors grow at every learning rate")
    if growth[-1] < 0:
        return ABOVE_GRID("errors shrink at the largest learning rate")
    if not np.isfinite(growth[_around(growth)]).all():
        return STEP("replicas diverge or become perfect next to the threshold")
    return None


def _around(growth: FloatArray) -> IntArray:
    """The four grid points around the last change of sign."""
    last = int(np.flatnonzero(growth < 0)[-1])
    first = min(max(last - 1, 0), len(growth) - _NEIGHBOURS)
    return np.arange(first, first + _NEIGHBOURS)


def _root(x: FloatArray, y: FloatArray) -> float:
    """Where the polynomial through all points is zero, between the last change of sign."""
    last = int(np.flatnonzero(y < 0)[-1])
    centre = float(x.mean())
    coefficients = np.polyfit(x - centre, y, len(x) - 1)
    low, high = x[last] - centre, x[last + 1] - centre
    # It takes the measured values at both ends, which differ in sign (or one of them is zero).
    return centre + float(optimize.brentq(lambda u: float(np.polyval(coefficients, u)), low, high))
