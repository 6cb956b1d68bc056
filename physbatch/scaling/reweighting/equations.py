r"""The equations of Ferrenberg and Swendsen, in logarithms.

Runs k at inverse temperatures b_k with n_k independent samples each see the energies e H_e times
in all. The free energies f_k are where

.. math:: \Phi(f) = \sum_e H_e \ln \sum_k n_k e^{f_k - b_k e} - \sum_k n_k f_k

is smallest. It is convex, so that Newton's steps end there. The estimate of the density of states
is :math:`H_e / D_e` with the mixture :math:`D_e = \sum_k n_k e^{f_k - b_k e}`. With every energy
in a bin of its own these are the equations of MBAR.

Ferrenberg and Swendsen, doi 10.1103/PhysRevLett.63.1195; Shirts and Chodera,
doi 10.1063/1.2978177.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from physbatch.errors import AnalysisError
from physbatch.typing import FloatArray

_STEPS = 100
#: A step of Newton that is so short is the last: what is left is its square.
_SETTLED = 1e-7
#: Rounding of Phi, in independent samples.
_ROUNDING = 1e-14
#: Least curvature of a free energy, in independent samples.
_FLAT = 1e-12


class Solution(NamedTuple):
    """Free energies and what they make of every energy."""

    free_energies: FloatArray  # shape (n_run,), the first is 0
    shares: FloatArray  # shape (n_energy, n_run): parts of the mixture, their sum is 1
    log_mixture: FloatArray  # shape (n_energy,): ln D_e


def solve(
    inverse: FloatArray,
    counts: FloatArray,
    means: FloatArray,
    energy: FloatArray,
    histogram: FloatArray,
    where: str = "reweighting",
) -> Solution:
    """Solve the equations for runs sorted by their inverse temperatures b.

    Parameters
    ----------
    inverse, counts, means : ndarray, shape (n_run,)
        b_k, n_k and the mean energies, from which the first guess comes: d f/d b.
    energy, histogram : ndarray, shape (n_energy,)
        e and H_e; the sum of H is that of n.

    where : str
        What the runs are called in the message.

    Raises
    ------
    physbatch.errors.AnalysisError
        If the steps do not settle: histograms hardly overlap.

    Examples
    --------
    >>> e = np.array([0.0, 1.0])  # two states each: Z = 2 (1 + exp(-b))
    >>> means, histogram = np.array([0.5, 0.268941]), np.array([1.231059, 0.768941])
    >>> solve(np.array([0.0, 1.0]), np.ones(2), means, e, histogram)[0].round(5)
    array([0.     , 0.37989])
    """
    steps = np.diff(inverse) * (means[1:] + means[:-1]) / 2.0
    guess = np.concatenate(([0.0], np.cumsum(steps)))
    parts = np.log(counts) + guess - inverse * energy[:, None]
    shares = np.exp(parts - logsumexp(parts, axis=1, keepdims=True))
    change, _ = shifted(shares, counts, histogram, np.ones(counts.size), steps=_STEPS, where=where)
    parts += change
    log_mixture = np.asarray(logsumexp(parts, axis=1))
    return Solution(guess + change, np.exp(parts - log_mixture[:, None]), log_mixture)


def shifted(
    shares: FloatArray,
    counts: FloatArray,
    histogram: FloatArray,
    ratio: FloatArray,
    *,
    steps: int = 30,
    where: str = "reweighting",
) -> tuple[FloatArray, FloatArray]:
    """How far the free energies move, and the mixture with them, for other data.

    Parameters
    ----------
    shares : ndarray, shape (n_energy, n_run)
        Parts of the mixture at some free energies and counts.
    counts, histogram : ndarray
        n_k and H_e of the data.
    ratio : ndarray, shape (n_run,)
        n_k over the counts of `shares`.
    steps : int
        Most steps of Newton.
    where : str
        What the runs are called in the message.

    Returns
    -------
    change : ndarray, shape (n_run,)
        What is added to the free energies; the first stays.
    mixture : ndarray, shape (n_energy,)
        D_e over that of `shares`.
    """
    change = np.zeros(counts.size)
    scaled = shares * ratio
    mixture = scaled.sum(axis=1)
    if counts.size == 1:
        return change, mixture
    height = _height(mixture, histogram, counts, change)
    for _ in range(steps):
        parts = scaled * np.exp(change)
        parts /= mixture[:, None]
        weighted = histogram[:, None] * parts
        slope = weighted.sum(axis=0) - counts
        bend = np.diag(weighted.sum(axis=0)) - parts.T @ weighted
        bend[np.diag_indices_from(bend)] += _FLAT
        step = np.concatenate(([0.0], -np.linalg.solve(bend[1:, 1:], slope[1:])))
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-300))
        if float(np.abs(step).max()) < _SETTLED:
            change = change + step
            return change, scaled @ np.exp(change)
        for _ in range(30):
            trial = change + step
            mixture = scaled @ np.exp(trial)
            lower = _height(mixture, histogram, counts, trial)
            if lower <= height + _ROUNDING * float(counts.sum()):
                break
            step = 0.5 * step
        change, height = trial, lower
    raise AnalysisError(
        "the free energies do not settle",
        where=where,
        remedy="histograms hardly overlap: simulate at controls between them",
    )


def _height(
    mixture: FloatArray, histogram: FloatArray, counts: FloatArray, change: FloatArray
) -> float:
    """Phi up to a constant."""
    return float(histogram @ np.log(mixture)) - float(counts @ change)


def shared_samples(solution: Solution, histogram: FloatArray) -> FloatArray:
    r"""Independent samples that runs on the two sides of each gap share, shape (n_run - 1,).

    :math:`\sum_{i \le k < j} \sum_e H_e W_{ei} W_{ej}` with the shares W: of two runs alone the
    variance of their difference of free energies is 1/s - 1/n_1 - 1/n_2.
    """
    below = np.cumsum(solution.shares, axis=1)[:, :-1]
    return np.asarray(histogram @ (below * (1.0 - below)), dtype=np.float64)


def target_weights(solution: Solution, energy: FloatArray, inverse: FloatArray) -> FloatArray:
    """exp(-b e)/D_e at other inverse temperatures, largest 1, shape (n_target, n_energy)."""
    logs = -np.outer(inverse, energy) - solution.log_mixture
    return np.asarray(np.exp(logs - logs.max(axis=1, keepdims=True)), dtype=np.float64)
