"""Means at other controls with their covariance, by a bootstrap over blocks of the runs."""

from __future__ import annotations

from collections.abc import Iterator
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
    for drawn in drawn_blocks(runs, resamples, generator):
        parts.append(_at_weights(runs, solution, weights, inverse.size, drawn))
    moments, free, misfits = (np.concatenate(part) for part in zip(*parts, strict=True))
    stretch = unseen_spread(runs)
    return Means(
        values[0],
        values[0] + stretch[:, None] * (moments - values[0]),
        solution.free_energies + stretch[0] * free,
        misfit[0],
        misfit[0] + stretch[0] * (misfits - misfit[0]),
    )


def drawn_blocks(
    runs: SizeRuns, resamples: int, generator: np.random.Generator
) -> Iterator[FloatArray]:
    """How often each block is drawn in each resample, in portions of shape (n_drawn, n_block)."""
    for start in range(0, resamples, _PORTION):
        count = min(_PORTION, resamples - start)
        drawn = np.empty((count, runs.block_run.size))
        for run, blocks in enumerate(runs.block_counts):
            drawn[:, runs.block_run == run] = bootstrap_counts(generator, int(blocks), count)
        yield drawn


def unseen_spread(runs: SizeRuns) -> FloatArray:
    """By how much resamples of blocks spread too little, for each moment."""
    blocks = runs.block_counts[:, None]
    return np.asarray(np.sqrt(np.mean(blocks / (blocks - 1.0) / runs.seen, axis=0)))


class Redrawn(NamedTuple):
    """What the equations give for multiplicities of the blocks.

    Attributes
    ----------
    rows : ndarray, shape (n_drawn, n_run)
        Rows of each run.
    scaled : ndarray, shape (n_block, n_drawn)
        Multiplicities over 2 tau.
    histograms, mixture : ndarray, shape (n_bin, n_drawn)
        In independent samples; D over that of the solution.
    free : ndarray, shape (n_drawn, n_run)
        What is added to the free energies.
    """

    rows: FloatArray
    scaled: FloatArray
    histograms: FloatArray
    mixture: FloatArray
    free: FloatArray


def redrawn(runs: SizeRuns, solution: Solution, drawn: FloatArray) -> Redrawn:
    """Solve the equations for multiplicities of the blocks, shape (n_drawn, n_block)."""
    inefficiency = 2.0 * runs.time
    rows = drawn @ (_of_runs(runs) * runs.block_samples[:, None])
    scaled = (drawn / inefficiency[runs.block_run]).T
    histograms = runs.counts @ scaled
    free, mixtures = [], []
    for row, histogram in zip(rows, histograms.T, strict=True):
        counts = row / inefficiency
        change, mixture = shifted(solution.shares, counts, histogram, counts / runs.independent)
        free.append(change)
        mixtures.append(mixture)
    return Redrawn(rows, scaled, histograms, np.array(mixtures).T, np.array(free))


def _of_runs(runs: SizeRuns) -> FloatArray:
    """1 where a block is of a run, shape (n_block, n_run)."""
    return np.asarray(runs.block_run[:, None] == np.arange(runs.control.size), dtype=np.float64)


def _at_weights(
    runs: SizeRuns, solution: Solution, weights: FloatArray, targets: int, drawn: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Moments, changes of the free energies, and misfits, for multiplicities of the blocks."""
    rows, scaled, histograms, mixture, free = redrawn(runs, solution, drawn)
    norm = weights @ (histograms / mixture)
    means = np.array([weights @ ((sums @ scaled) / mixture) / norm for sums in runs.sums])
    means = np.moveaxis(means, 0, -1).swapaxes(0, 1)  # shape (n_drawn, n_target, n_feature)
    moments = np.concatenate(
        [group.function(means[:, :targets, group.columns]) for group in runs.groups], axis=-1
    )
    energy = runs.groups[0].function(means[:, targets:, runs.groups[0].columns])[..., 0]
    alone = drawn @ (_of_runs(runs) * runs.block_energy[:, None]) / rows
    return moments.swapaxes(1, 2), free, alone - energy
