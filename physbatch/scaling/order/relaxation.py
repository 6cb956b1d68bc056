"""Evidence from times: whether the mean still drifts, and whether there is an absorbing state."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import scipy
import xarray as xr
from scipy.interpolate import CubicSpline

from physbatch.dataset import STATUS_OK, control_dim
from physbatch.results.estimate import Estimate
from physbatch.results.flags import STILL_RELAXING
from physbatch.scaling.order.histograms import SIGMAS
from physbatch.scaling.order.result import DRIFTS, Evidence, silent
from physbatch.scaling.order.samples import LEAST_SIZES, OrderData
from physbatch.scaling.statistics.acceptance import ACCEPTABLE
from physbatch.typing import FloatArray

#: The last time is compared with the first one that is not earlier than this part of it.
_DECADE = 0.1
#: Chance of the drift under none, of each of two tests, below which there is one.
_LEVEL = 2e-3
#: A curve is not known better, between its controls, than to this part of its range.
_INTERPOLATION = 0.01
_LEAST_CONTROLS = 5
_SHIFTS = 301


class _Means(NamedTuple):
    """Means of one size at two times, and of the differences of the same replicas."""

    volume: float
    control: FloatArray
    early: FloatArray
    early_error: FloatArray
    late: FloatArray
    late_error: FloatArray
    change: FloatArray
    z: FloatArray  # of the change, on the scale of a normal law


def stationarity(data: OrderData) -> Evidence:
    """Whether the mean at the last time is that of a decade before, control by control.

    A mean that still moves may end in an absorbing state at one control and stay at the next
    one: the curve then sharpens with time, and what a run sees of it is no crossover. Only where
    the whole curve moves along the control by one shift nothing sharpens. Without times, an
    absorbing state (a value that most runs of the largest size take exactly, and no fewer than of
    smaller ones) leaves open whether the others relax towards it.
    """
    name = "stationarity"
    times = np.asarray(data.histories[0]["time"].values, dtype=np.float64)
    early, late = float(times[times >= _DECADE * times[-1]][0]), float(times[-1])
    if early == late:
        value = _absorbing(data)
        if math.isnan(value):
            return silent(name, "the data hold one time, and no value that absorbs")
        text = f"{data.observable} = {value:g} seems to absorb, and the data hold one time only: "
        flag = STILL_RELAXING(text + "whether the mean still drifts is not known")
        return replace(silent(name, flag.text), points_to=DRIFTS, flags=(flag,))
    means = [_means(history, early, late) for history in data.histories]
    largest = max(means, key=lambda each: float(np.abs(each.z).max(initial=0.0)))
    if not _drifts(means):
        return silent(name, f"the mean at time {late:g} is that at {early:g} at all controls")
    row = int(np.argmax(np.abs(largest.z)))
    change = Estimate(float(largest.change[row]), float(abs(largest.change[row] / largest.z[row])))
    text = f"from time {early:g} to {late:g} the mean moves by {change} at "
    text += f"{data.control_name} = {largest.control[row]:g}, N = {largest.volume:g}"
    if _moves_as_a_whole(means):
        return silent(name, f"{text}; the whole curve moves along the control and keeps its shape")
    text += ", and not at all controls alike"
    return replace(
        silent(name, text),
        points_to=DRIFTS,
        names=("change",),
        estimates=(change,),
        flags=(STILL_RELAXING(text),),
    )


def _means(history: xr.Dataset, early: float, late: float) -> _Means:
    dim = control_dim(history)
    at = history.isel(size=0).sel(time=[early, late]).transpose(dim, "replica", "time", ...)
    both = np.asarray(at["overlap"].values, dtype=np.float64)
    good = (at["status"].values == STATUS_OK) & np.isfinite(both).all(axis=-1)
    rows = [
        (control, values[keep])
        for control, values, keep in zip(history[dim].values, both, good, strict=True)
        if keep.sum() >= 2
    ]
    control = np.array([control for control, _ in rows], dtype=np.float64)
    table = np.array([_row(values) for _, values in rows]).reshape(control.size, 6)
    return _Means(float(history["size"].values[0]), control, *table.T)


def _row(values: FloatArray) -> tuple[float, ...]:
    """Both means with their errors, the mean change, and how many standard errors it is."""
    n = values.shape[0]
    mean = values.mean(axis=0)
    error = values.std(axis=0, ddof=1) / math.sqrt(n)
    change = values[:, 1] - values[:, 0]
    moved, spread = float(change.mean()), float(change.std(ddof=1)) / math.sqrt(n)
    # Where all replicas move by the same the error of the move is not known to be 0.
    spread = max(spread, abs(moved) / math.sqrt(n))
    chance = 2.0 * scipy.stats.t.sf(abs(moved) / spread, n - 1) if spread > 0.0 else 1.0
    z = math.copysign(float(scipy.stats.norm.isf(0.5 * max(chance, 1e-300))), moved)
    return float(mean[0]), float(error[0]), float(mean[1]), float(error[1]), moved, z


def _drifts(means: Sequence[_Means]) -> bool:
    """Whether the changes are more than chance: all of them, or those of one control."""
    z = np.concatenate([each.z for each in means])
    control = np.concatenate([each.control for each in means])
    together = scipy.stats.chi2.sf(np.sum(z**2), z.size)
    shared = [z[control == c].sum() / math.sqrt(np.sum(control == c)) for c in np.unique(control)]
    alone = len(shared) * 2.0 * scipy.stats.norm.sf(np.abs(shared).max())
    return bool(min(together, alone) < _LEVEL)


def _moves_as_a_whole(means: Sequence[_Means]) -> bool:
    """Whether one shift of the control makes the late curve of the early one, at every size.

    Both halves of the curve must be seen to move, in the same direction.
    """
    chi2, freedom, halves = 0.0, 0, np.zeros((2, 2))
    for each in means:
        if each.control.size < _LEAST_CONTROLS:
            return False
        curve = CubicSpline(each.control, each.early)
        span = float(np.ptp(each.control))
        shifts = np.linspace(-0.5, 0.5, _SHIFTS)[:, None] * span
        there = np.clip(each.control + shifts, each.control[0], each.control[-1])
        # Of replicas that all agree the error is not 0: a hundredth of the range at least.
        least = _INTERPOLATION * float(np.ptp(each.early))
        near = np.interp(there, each.control, each.early_error)
        terms = (each.late - curve(there)) ** 2 / (near**2 + each.late_error**2 + least**2)
        chi2 += float(terms.sum(axis=1).min())
        freedom += each.control.size - 1
        slope = math.copysign(1.0, each.early[-1] - each.early[0])
        upper = each.early > 0.5 * (each.early.min() + each.early.max())
        for side, half in enumerate((~upper, upper)):
            halves[side] += (slope * float(each.z[half].sum()), float(half.sum()))
    moved = halves[:, 0] / np.sqrt(np.maximum(halves[:, 1], 1.0))
    same = bool(np.all(moved > SIGMAS) or np.all(moved < -SIGMAS))
    return same and bool(scipy.stats.chi2.sf(chi2, freedom) > ACCEPTABLE)


def _absorbing(data: OrderData) -> float:
    """A smallest or largest value that absorbs; nan if none does."""
    every = np.concatenate([value for samples in data.sizes for value in samples.values])
    for value in (float(every.min()), float(every.max())):
        weights = [
            {
                control: (float(np.mean(values == value)), values.size)
                for control, values in zip(samples.control.tolist(), samples.values, strict=True)
            }
            for samples in data.sizes
        ]
        for control, (weight, n) in weights[-1].items():
            others = [row[control] for row in weights[:-1] if control in row]
            tolerance = SIGMAS * 0.5 / math.sqrt(n)
            if (
                weight >= 0.5
                and len(others) >= LEAST_SIZES - 1
                and all(weight > other - tolerance for other, _ in others)
            ):
                return value
    return math.nan
