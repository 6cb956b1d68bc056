r"""ln P(E) as a smooth curve: splines with a penalty, fitted to the counts of all runs (kernel).

The counts of bin j are those of Poisson's law about :math:`D_j\, e^{b E_j} P_b(E_j)` with the
mixture D of the runs, and

.. math:: \ln P_b(E) = \sum_k \theta_k B_k(E), \qquad
          \text{penalty}\; \tfrac{\lambda}{2} \sum_k (\Delta^3 \theta_k)^2,

with cubic B-splines. A quadratic, which is one phase with normal fluctuations, costs nothing.
The other blocks of the series predict a fifth of them best with some lambda, so that correlations
of samples count; a hundredth of it is taken. What predicts best levels peaks and valleys by twice
their error (two normal phases, five deviations apart); a hundredth of it by a tenth of the error,
which is 1.6 times as large. Eilers and Marx, doi 10.1214/ss/1038425655.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.interpolate import BSpline
from scipy.special import logsumexp

from physbatch.scaling.reweighting.equations import Solution
from physbatch.scaling.reweighting.means import Redrawn, redrawn
from physbatch.scaling.reweighting.runs import SizeRuns
from physbatch.typing import FloatArray, IntArray

#: Most width of bins and distance of knots, in the smallest standard deviation of a run. That of
#: a run with both phases says little of the width of a phase: at least so many of either.
_BIN, _KNOTS = 0.125, 0.4
_LEAST_BINS, _LEAST_KNOTS = 400, 50
_MOST_BINS, _MOST_KNOTS = 2000, 120
#: Parts of a knot's distance in which the curve is drawn.
_FINER = 16
_PENALTIES = np.geomspace(1e8, 1e-1, 19)
#: By which the penalty is smaller for the rougher curve, of which the systematic error is.
ROUGHER = 30.0
#: Part of the penalty that predicts best, which is taken.
_PART = 0.01
_FOLDS = 5
_STEPS, _SETTLED, _LONGEST = 60, 1e-7, 2.0


def _scale(runs: SizeRuns, part: float, least: int, most: int) -> float:
    """A part of the smallest spread of a run, such that a number of them cover all energies."""
    span = float(np.ptp(runs.energy))
    return max(min(part * float(np.sqrt(runs.variance.min())), span / least), span / most)


class EnergyGrid(NamedTuple):
    """Bins of equal width over all energies, empty ones as well."""

    centre: FloatArray  # shape (n,)
    width: float
    bin_of: IntArray  # of every energy of the runs

    def counted(self, histograms: FloatArray) -> FloatArray:
        """Histograms over the energies of the runs, (n_energy, m), in these bins, (m, n)."""
        out = np.zeros((self.centre.size, histograms.shape[1]))
        np.add.at(out, self.bin_of, histograms)
        return out.T


def energy_grid(runs: SizeRuns) -> EnergyGrid:
    """Bins of the energies of the runs; where these are levels, each bin has as many of them."""
    energy = runs.energy
    (low, unit), high = runs.bins, float(energy.max())
    width = _scale(runs, _BIN, _LEAST_BINS, _MOST_BINS)
    level = unit or float(np.diff(np.sort(energy)).min())
    steps = (energy - low) / level
    levels = (high - low) / level < 1e7 and float(np.abs(steps - np.round(steps)).max()) < 1e-4
    if levels or unit:  # each bin has as many of them
        width = level * max(1.0, round(width / level))
    if levels:
        low -= 0.5 * level
    bin_of = np.floor((energy - low) / width + 1e-9).astype(np.int64)
    centre = low + width * (np.arange(int(bin_of.max()) + 1.0) + 0.5)
    return EnergyGrid(np.asarray(centre, dtype=np.float64), width, bin_of)


class Smoother(NamedTuple):
    """Splines over a grid, and what is fitted to counts there."""

    grid: EnergyGrid
    inverse: float  # b of the curves
    basis: FloatArray  # shape (n, n_knot)
    penalty: FloatArray  # shape (n_knot, n_knot)
    fine: FloatArray  # where curves are drawn, shape (n_fine,)
    fine_basis: FloatArray  # shape (n_fine, n_knot)

    def offsets(self, runs: SizeRuns, solution: Solution, many: Redrawn) -> FloatArray:
        """ln of D exp(b E) in every bin, for every resample, shape (m, n)."""
        counts = np.log(many.rows / (2.0 * runs.time)) + solution.free_energies + many.free
        tilt = np.outer(runs.inverse - self.inverse, self.grid.centre)
        return np.asarray(logsumexp(counts[:, :, None] - tilt, axis=1))

    def fitted(
        self, counts: FloatArray, offsets: FloatArray, penalty: float, start: FloatArray
    ) -> FloatArray:
        """Coefficients for counts of shape (m, n), by Newton's steps from a start."""
        theta = np.broadcast_to(start, (len(counts), start.shape[-1])).copy()
        matrix = penalty * self.penalty + 1e-9 * np.eye(len(self.penalty))
        for _ in range(_STEPS):
            mean = np.exp(np.minimum(offsets + theta @ self.basis.T, 50.0))
            slope = (counts - mean) @ self.basis - theta @ matrix
            bend = (self.basis.T * mean[:, None, :]) @ self.basis + matrix
            step = np.linalg.solve(bend, slope[..., None])[..., 0]
            longest = np.abs(step @ self.basis.T).max(axis=1, keepdims=True)
            theta += step * np.minimum(1.0, _LONGEST / np.maximum(longest, 1e-300))
            if float(longest.max()) < _SETTLED:
                break
        return theta

    def curves(self, theta: FloatArray) -> FloatArray:
        """ln P_b up to a constant on the fine grid, shape (m, n_fine)."""
        return np.asarray(theta @ self.fine_basis.T)


def make_smoother(runs: SizeRuns) -> Smoother:
    """The splines of a size; b is the middle of its runs."""
    grid = energy_grid(runs)
    low, high = (
        float(grid.centre[end] + sign * 0.5 * grid.width) for end, sign in ((0, -1.0), (-1, 1.0))
    )
    pieces = max(int(np.ceil((high - low) / _scale(runs, _KNOTS, _LEAST_KNOTS, _MOST_KNOTS))), 4)
    knots = low + (high - low) / pieces * np.arange(-3, pieces + 4)
    third = np.diff(np.eye(pieces + 3), 3, axis=0)
    fine = np.linspace(grid.centre[0], grid.centre[-1], _FINER * pieces + 1)
    return Smoother(
        grid,
        0.5 * float(runs.inverse.min() + runs.inverse.max()),
        BSpline.design_matrix(grid.centre, knots, 3).toarray(),
        third.T @ third,
        fine,
        BSpline.design_matrix(fine, knots, 3).toarray(),
    )


def best_penalty(
    smoother: Smoother, runs: SizeRuns, solution: Solution
) -> tuple[float, FloatArray]:
    """The penalty of a size, and coefficients of all blocks near those with it."""
    number = np.concatenate([np.arange(count) for count in runs.block_counts])
    parted = (runs.block_counts >= _FOLDS)[runs.block_run]
    left_out = np.array([(number % _FOLDS == fold) & parted for fold in range(_FOLDS)], dtype=float)
    train = redrawn_counts(smoother, runs, solution, 1.0 - left_out)
    whole, offset = redrawn_counts(smoother, runs, solution, np.ones((1, number.size)))
    test = whole - train[0]
    start = _start(smoother, whole, offset)
    theta, of_all, scores = start, start, []
    every = []
    for penalty in _PENALTIES:
        of_all = smoother.fitted(whole, offset, float(penalty), of_all)
        theta = smoother.fitted(*train, float(penalty), theta)
        mean = train[1] + theta @ smoother.basis.T
        scores.append(float(np.sum(test * (mean - logsumexp(mean, axis=1, keepdims=True)))))
        every.append(of_all)
    best = int(np.argmax(scores))
    return _PART * float(_PENALTIES[best]), every[best]


def redrawn_counts(
    smoother: Smoother, runs: SizeRuns, solution: Solution, drawn: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Counts and offsets for multiplicities of the blocks."""
    many = redrawn(runs, solution, drawn)
    counts = smoother.grid.counted(many.histograms)
    return counts, smoother.offsets(runs, solution, many)


def _start(smoother: Smoother, counts: FloatArray, offsets: FloatArray) -> FloatArray:
    """Coefficients near ln of the counts, by least squares."""
    weight = counts[0] + 0.1
    target = np.log(counts[0] + 0.1) - offsets[0]
    matrix = (smoother.basis.T * weight) @ smoother.basis + smoother.penalty
    return np.asarray(np.linalg.solve(matrix, smoother.basis.T @ (weight * target)))[None]
