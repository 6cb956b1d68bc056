"""Two phases in the energies of the runs of one size, with errors by resampled blocks (kernel)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.results.flags import UNIMODAL
from physbatch.scaling.reweighting.energy_density import (
    ROUGHER,
    Smoother,
    best_penalty,
    make_smoother,
)
from physbatch.scaling.reweighting.means import Redrawn, drawn_blocks, redrawn, unseen_spread
from physbatch.scaling.reweighting.solved import Solved
from physbatch.scaling.reweighting.two_phases import equal_heights, equal_weights, widest_valley
from physbatch.typing import FloatArray

#: A valley is one from so many errors on.
_SIGNIFICANT = 3.0
_LOST = 0.02  # of the resamples


class Phases(NamedTuple):
    """Numbers of the two phases, and their resamples.

    Attributes
    ----------
    values : ndarray, shape (8,)
        b of equal heights, b of equal weights, barrier; mean energies of the phase of low and of
        high energy at equal weights and their difference; energies of the peaks at equal heights.
    drawn : ndarray, shape (8, resamples)
    systematic : ndarray, shape (8,)
        What a rougher curve changes beyond noise.
    problem : Flag or None
        Why there are no two phases; the values are then nan.
    """

    values: FloatArray
    drawn: FloatArray
    systematic: FloatArray
    problem: Flag | None

    def estimates(self) -> tuple[Estimate, ...]:
        """Values with their total errors."""
        if self.problem:
            return tuple(Estimate(math.nan, flags=(self.problem,)) for _ in self.values)
        rows = zip(self.values, self.drawn, self.systematic, strict=True)
        return tuple(_estimate(float(value), drawn, float(s)) for value, drawn, s in rows)


def _estimate(value: float, drawn: FloatArray, systematic: float) -> Estimate:
    if not math.isfinite(value):
        return Estimate(math.nan)
    stderr = float(drawn[np.isfinite(drawn)].std())
    return Estimate.of_total(value, math.hypot(stderr, systematic), stderr=stderr)


class Density(NamedTuple):
    """The histogram of a size: from it comes ln P(E) at any b.

    Attributes
    ----------
    smoother : Smoother
    counts, offsets : ndarray, shape (1 + resamples, n)
        Of all runs, then of the resamples.
    theta : ndarray, shape (n_knot,)
        Coefficients of the smooth curve.
    stretch : float
        By how much resamples spread too little.
    """

    smoother: Smoother
    counts: FloatArray
    offsets: FloatArray
    theta: FloatArray
    stretch: float

    def at(self, inverse: float) -> FloatArray:
        """E, ln P, its error and the smooth ln P of every bin, shape (4, n_bin).

        P is per unit of energy; ln P is nan where no sample fell.
        """
        grid = self.smoother.grid
        tilt = (inverse - self.smoother.inverse) * grid.centre
        with np.errstate(divide="ignore"):
            logs = np.log(self.counts) - self.offsets - tilt
        logs = logs - logsumexp(logs, axis=1, keepdims=True)
        known = np.isfinite(logs[0])
        counted, error = np.full((2, known.size), math.nan)
        counted[known] = logs[0, known] - math.log(grid.width)
        error[known] = self.stretch * np.exp(logs[1:, known] - logs[0, known]).std(axis=0)
        smooth = self.smoother.basis @ self.theta - tilt
        return np.stack(
            [grid.centre, counted, error, smooth - logsumexp(smooth) - math.log(grid.width)]
        )


def phases_of_size(
    solved: Solved, ratio: float, resamples: int, generator: np.random.Generator
) -> tuple[Phases, Density]:
    """The phases of a size, the lower with `ratio` times the weight of the upper."""
    runs, solution = solved.runs, solved.solution
    smoother = make_smoother(runs)
    penalty, start = best_penalty(smoother, runs, solution)
    portions = [np.ones((1, runs.block_run.size)), *drawn_blocks(runs, resamples, generator)]
    many = [redrawn(runs, solution, drawn) for drawn in portions]
    counts = np.concatenate([smoother.grid.counted(some.histograms) for some in many])
    offsets = np.concatenate([smoother.offsets(runs, solution, some) for some in many])
    theta = smoother.fitted(counts[:1], offsets[:1], penalty, start)
    density = Density(smoother, counts, offsets, theta[0], float(unseen_spread(runs)[0]))
    top = widest_valley(smoother.fine, smoother.curves(theta)[0])
    if top is None:
        return _one_phase(resamples, "ln P(E) is concave"), density
    logs = np.concatenate([_log_states(solved, some) for some in many])
    each = []
    for weight in (penalty, penalty / ROUGHER):
        curves = smoother.curves(smoother.fitted(counts, offsets, weight, theta))
        heights = equal_heights(smoother.fine, curves, *top)
        start_at = smoother.inverse + heights.tilt
        weights = equal_weights(runs.energy, logs, heights.valley, start_at, ratio)
        heat = weights.high - weights.low
        means = (weights.low, weights.high, heat)
        peaks = (heights.low, heights.high)
        each.append(np.array([start_at, weights.inverse, heights.barrier, *means, *peaks]))
    return _known(each, density.stretch), density


def _one_phase(resamples: int, words: str) -> Phases:
    nothing = np.full((8, resamples), math.nan)
    return Phases(nothing[:, 0], nothing, nothing[:, 0], UNIMODAL(words))


def _known(each: list[FloatArray], stretch: float) -> Phases:
    """Numbers of the curve, with what the rougher one changes; both (8, 1 + resamples)."""
    resamples = each[0].shape[1] - 1
    for numbers in each:
        if not np.isfinite(numbers[:, 0]).all():
            return _one_phase(resamples, "no two peaks are as high")
        lost = float(np.mean(~np.isfinite(numbers).all(axis=0)))
        if lost > _LOST:
            return _one_phase(resamples, f"{100 * lost:.0f} % of the resamples have no valley")
    numbers, rougher = map(_without_bias, each)
    drawn = numbers[:, :1] + stretch * (numbers[:, 1:] - numbers[:, :1])
    change = rougher - numbers
    beyond = change[:, 0] ** 2 - np.nanvar(change[:, 1:], axis=1)
    systematic = np.sqrt(np.maximum(beyond, 0.0))
    barrier, error = numbers[2, 0], math.hypot(np.nanstd(drawn[2]), systematic[2])
    if barrier < _SIGNIFICANT * error:
        return _one_phase(resamples, f"the valley of {barrier:.2g} has an error of {error:.2g}")
    return Phases(numbers[:, 0], drawn, systematic, None)


def _without_bias(numbers: FloatArray) -> FloatArray:
    """Numbers, (8, 1 + resamples), with the barrier less what noise adds to it.

    The highest point of a noisy curve is too high and the lowest too low: resamples show by how
    much.
    """
    out = numbers.copy()
    out[2] -= np.nanmean(numbers[2, 1:]) - numbers[2, 0]
    return out


def _log_states(solved: Solved, some: Redrawn) -> FloatArray:
    """ln of the density of states at the energies of the runs, shape (n_drawn, n_energy)."""
    with np.errstate(divide="ignore"):
        logs = np.log(some.histograms / some.mixture)
    return np.asarray((logs - solved.solution.log_mixture[:, None]).T)
