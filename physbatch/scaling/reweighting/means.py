"""Means at other controls with their covariance, by a bootstrap over blocks of the runs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from physbatch.scaling.reweighting.equations import Solution, shifted, solve, target_weights
from physbatch.scaling.reweighting.runs import SizeRuns
from physbatch.scaling.statistics.resampling import bootstrap_counts
from physbatch.typing import BoolArray, FloatArray

#: Resamples that are worked on together: what they need of memory.
_PORTION = 50
#: A control is known if this many independent samples stand behind its means ...
_LEAST_SAMPLES = 100.0
#: ... and the outermost so many samples on either side carry no more of the weight than this: more
#: of it would lie beyond the energies that were seen, and the scatter of resamples knows nothing of
#: those. At a tenth, means of normal energies were off by up to 6 errors.
_OUTERMOST, _MOST_OUTSIDE = 10.0, 0.03


class Means(NamedTuple):
    """Moments at other controls.

    Attributes
    ----------
    values : ndarray, shape (n_moment, n_target)
        Moments of all groups, in their order.
    drawn : ndarray, shape (resamples, n_moment, n_target)
        The same in the resamples, spread by what the scatter of blocks does not see.
    free_drawn : ndarray, shape (resamples, n_run)
        Free energies of the runs.
    misfit, misfit_drawn : ndarray, shape (n_run,) and (resamples, n_run)
        Mean energy of each run less that of all runs at its control.
    """

    values: FloatArray
    drawn: FloatArray
    free_drawn: FloatArray
    misfit: FloatArray
    misfit_drawn: FloatArray


def solve_runs(runs: SizeRuns, where: str) -> tuple[Solution, FloatArray]:
    """Free energies of the runs, and the histogram of all, in independent samples."""
    histogram = runs.counts @ (1.0 / (2.0 * runs.time))[runs.block_run]
    solution = solve(runs.inverse, runs.independent, runs.mean, runs.energy, histogram, where)
    return solution, np.asarray(histogram)


def effective_samples(
    weights: FloatArray, energy: FloatArray, histogram: FloatArray
) -> tuple[FloatArray, BoolArray]:
    r"""Independent samples behind the means at each target, and whether they are enough.

    :math:`(\sum_e H_e w_e)^2/\sum_e H_e w_e^2` for weights of shape (n_target, n_energy).
    """
    total = weights @ histogram
    effective = total**2 / (weights**2 @ histogram)
    enough = effective >= _LEAST_SAMPLES
    order = np.argsort(energy)
    for way in (order, order[::-1]):
        outside = np.cumsum(histogram[way]) <= _OUTERMOST
        share = weights[:, way[outside]] @ histogram[way[outside]] / total
        enough &= share <= _MOST_OUTSIDE
    return np.asarray(effective, dtype=np.float64), enough


def reweighted_means(
    runs: SizeRuns,
    solution: Solution,
    inverse: FloatArray,
    resamples: int,
    generator: np.random.Generator,
) -> Means:
    """Moments at inverse temperatures b, shape (n_target,)."""
    targets = np.concatenate([inverse, runs.inverse])
    weights = target_weights(solution, runs.energy, targets)
    whole = np.ones((1, runs.block_run.size))
    values, _, misfit = _at_weights(runs, solution, weights, inverse.size, whole)
    parts = []
    for start in range(0, resamples, _PORTION):
        count = min(_PORTION, resamples - start)
        drawn = np.empty((count, runs.block_run.size))
        for run, blocks in enumerate(runs.block_counts):
            drawn[:, runs.block_run == run] = bootstrap_counts(generator, int(blocks), count)
        parts.append(_at_weights(runs, solution, weights, inverse.size, drawn))
    moments, free, misfits = (np.concatenate(part) for part in zip(*parts, strict=True))
    stretch = _stretch(runs)
    return Means(
        values[0],
        values[0] + stretch[:, None] * (moments - values[0]),
        solution.free_energies + stretch[0] * free,
        misfit[0],
        misfit[0] + stretch[0] * (misfits - misfit[0]),
    )


def _stretch(runs: SizeRuns) -> FloatArray:
    """By how much resamples of blocks spread too little, for each moment."""
    blocks = runs.block_counts[:, None]
    return np.asarray(np.sqrt(np.mean(blocks / (blocks - 1.0) / runs.seen, axis=0)))


def _at_weights(
    runs: SizeRuns, solution: Solution, weights: FloatArray, targets: int, drawn: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Moments, changes of the free energies, and misfits, for multiplicities of the blocks."""
    inefficiency = 2.0 * runs.time
    per_run = np.zeros((runs.block_run.size, runs.control.size))
    per_run[np.arange(runs.block_run.size), runs.block_run] = 1.0
    rows = drawn @ (per_run * runs.block_samples[:, None])  # shape (n_drawn, n_run)
    scaled = (drawn / inefficiency[runs.block_run]).T
    histograms = runs.counts @ scaled  # shape (n_bin, n_drawn)
    free, mixtures = [], []
    for row, histogram in zip(rows, histograms.T, strict=True):
        counts = row / inefficiency
        change, mixture = shifted(solution.shares, counts, histogram, counts / runs.independent)
        free.append(change)
        mixtures.append(mixture)
    mixture = np.array(mixtures).T
    norm = weights @ (histograms / mixture)
    means = np.array([weights @ ((sums @ scaled) / mixture) / norm for sums in runs.sums])
    means = np.moveaxis(means, 0, -1).swapaxes(0, 1)  # shape (n_drawn, n_target, n_feature)
    moments = np.concatenate(
        [group.function(means[:, :targets, group.columns]) for group in runs.groups], axis=-1
    )
    energy = runs.groups[0].function(means[:, targets:, runs.groups[0].columns])[..., 0]
    alone = drawn @ (per_run * runs.block_energy[:, None]) / rows
    return moments.swapaxes(1, 2), np.array(free), alone - energy
