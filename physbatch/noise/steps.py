"""Steps to a target at every learning rate and batch size of a dataset, and their bootstrap."""

import math
from typing import NamedTuple

import numpy as np
import xarray as xr

from physbatch.dataset import STATUS_MISSING, STATUS_OK, batch_sizes, control_dim
from physbatch.errors import AnalysisError
from physbatch.noise.plane import squeezed_to
from physbatch.scaling.statistics.resampling import bootstrap_counts
from physbatch.study.model import Study
from physbatch.typing import FloatArray

_WHERE = "critical batch"


class StepCurve(NamedTuple):
    """Steps to the target and the best learning rate, shape (..., n_batch_size)."""

    steps: FloatArray
    learning_rate: FloatArray


def cells_of(data: xr.Dataset) -> tuple[xr.Dataset, FloatArray, FloatArray]:
    """Cells by (learning rate, batch size, replica), the batch sizes, and the rates (or nan)."""
    control = control_dim(data)
    if data.sizes["size"] > 1:
        raise AnalysisError(
            f"{data.sizes['size']} sizes",
            where=_WHERE,
            remedy="select one: isel(size=[0]), or --size N on the command line",
        )
    m = np.asarray(batch_sizes(data).isel(size=0).values, dtype=np.float64).ravel()
    at = squeezed_to(data, ("size", control, "learning_rate", "replica"), _WHERE).isel(size=0)
    rates = np.array([math.nan])
    if "learning_rate" in at["success"].dims:
        rates = np.asarray(at["learning_rate"].values, dtype=np.float64)
    else:
        at = at.expand_dims("learning_rate")
    at = at.transpose("learning_rate", control, "replica", ...)
    # A table of controls by size leaves cells without replicas.
    run = (at["status"].values != STATUS_MISSING).any(axis=(0, 2))
    if not run.any():
        raise AnalysisError("no cell has been simulated", where=_WHERE)
    return at.isel({control: np.flatnonzero(run)}), m[run], rates


def _weights(replicas: int, resamples: int, rng: np.random.Generator) -> FloatArray:
    """Weights of the replicas of one cell: first all alike, then those of resamples."""
    counts = bootstrap_counts(rng, replicas, resamples) / replicas
    return np.concatenate((np.full((1, replicas), 1.0 / replicas), counts))


def crossings(
    cells: xr.Dataset,
    m: FloatArray,
    target: float,
    resamples: int,
    rng: np.random.Generator,
    *,
    relative: bool,
) -> FloatArray:
    """Step when the mean error falls below the target, (resample, rate, batch); inf if never."""
    times = np.asarray(cells["time"].values, dtype=np.float64)
    errors = np.asarray(cells["generalization_error"].values, dtype=np.float64)
    errors = np.where(np.isfinite(errors), errors, np.inf)
    of_samples = _counts_samples(cells)
    steps = np.full((resamples + 1, *errors.shape[:2]), np.inf)
    for cell in np.ndindex(*errors.shape[:2]):
        time = np.ceil(times / m[cell[1]] - 1e-9) if of_samples else times
        time, looks = np.unique(time, return_index=True)
        weights = _weights(errors.shape[2], resamples, rng)
        with np.errstate(invalid="ignore", over="ignore"):  # inf times 0: left out of a resample
            mean = weights @ errors[cell][:, looks]
        mean = np.where(np.isnan(mean), np.inf, mean)
        aim = target * mean[:, 0] if relative else np.full(len(mean), target)
        steps[(slice(None), *cell)] = _falls(time, mean, aim)
    return steps


def _falls(time: FloatArray, mean: FloatArray, targets: FloatArray) -> FloatArray:
    """Where curves (curve, time) first fall below targets, interpolated in their logarithms."""
    below = mean < targets[:, None]
    first = below.argmax(axis=1)
    row, before = np.arange(len(mean)), np.maximum(first - 1, 0)
    high, low = mean[row, before], mean[row, first]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.log(high / targets) / np.log(high / low)
    share = np.where((first > 0) & np.isfinite(share), share, 1.0)
    step = time[before] + share * (time[first] - time[before])
    return np.where(below.any(axis=1), step, np.inf)


def _counts_samples(cells: xr.Dataset) -> bool:
    """Whether the times of a dataset count samples."""
    text = cells.attrs.get("study")
    if text is None:
        return False
    return Study.from_json(str(text), where=_WHERE).measurement.unit == "samples"


def passages(cells: xr.Dataset, resamples: int, rng: np.random.Generator) -> FloatArray:
    """Median first passage, (resample, rate, batch); inf where fewer than half have passed."""
    upper = np.asarray(cells["first_passage"].values, dtype=np.float64)
    lower = np.asarray(cells["first_passage_lower"].values, dtype=np.float64)
    passed = (np.asarray(cells["status"].values) == STATUS_OK) & np.isfinite(upper)
    steps = np.full((resamples + 1, *upper.shape[:2]), np.inf)
    for cell in np.ndindex(*upper.shape[:2]):
        weights = _weights(upper.shape[2], resamples, rng)
        rows = passed[cell]
        ends, order = np.unique(upper[cell][rows], return_inverse=True)
        if not ends.size:
            continue
        starts = np.full(ends.shape, -np.inf)
        np.maximum.at(starts, order, lower[cell][rows])
        parts = weights[:, rows] @ (order[:, None] == np.arange(len(ends)))
        shares = np.cumsum(parts, axis=1)
        column = (shares >= 0.5 - 1e-9).argmax(axis=1)
        row = np.arange(len(shares))
        with np.errstate(divide="ignore", invalid="ignore"):  # fewer than half have passed
            part = (0.5 - (shares - parts)[row, column]) / parts[row, column]
        # Between two looks at steps a and b it was one of a + 1, ..., b, evenly.
        middle = starts[column] + (ends - starts)[column] * part + 0.5
        steps[(slice(None), *cell)] = np.where(shares[:, -1] >= 0.5 - 1e-9, middle, np.inf)
    return steps


def best_steps(steps: FloatArray, rates: FloatArray) -> StepCurve:
    """The least steps over the learning rates, by a parabola in logarithms.

    It goes through the rates around the best one with at most twice its steps, five at most: the
    lowest of several noisy numbers alone would be too low.
    """
    best = steps.argmin(axis=1)
    least = np.take_along_axis(steps, best[:, None], axis=1)[:, 0]
    chosen = rates[best]
    for row, column in np.ndindex(*best.shape):
        k, curve = int(best[row, column]), steps[row, :, column]
        if not 0 < k < len(rates) - 1 or not 0 < curve[k] < np.inf:
            continue
        near = np.isfinite(curve) & (curve < 2 * curve[k])
        first, last = k, k
        for _ in range(2):
            first -= int(first > 0 and near[first - 1])
            last += int(last < len(near) - 1 and near[last + 1])
        if last - first < 2:
            continue
        use = slice(first, last + 1)
        x, y = np.log(rates[use] / rates[k]), np.log(curve[use] / curve[k])
        curvature, slope, level = np.polyfit(x, y, 2)
        if curvature > 0:
            vertex = float(np.clip(-slope / (2 * curvature), x[0], x[-1]))
            chosen[row, column] = rates[k] * math.exp(vertex)
            least[row, column] *= math.exp(level + slope * vertex + curvature * vertex**2)
    return StepCurve(least, chosen)
