"""Where the share of successes falls through one half: a logistic edge, or a step."""

from __future__ import annotations

import math

import numpy as np

from physbatch.results.flag import Flag
from physbatch.results.flags import ABOVE_GRID, NEVER_LEARNS, STEP
from physbatch.scaling.statistics.success_fits import fit_logistic, parameter_covariance
from physbatch.typing import FloatArray, IntArray

__all__ = ["falling_edge"]


def falling_edge(
    x: FloatArray, successes: IntArray, trials: IntArray
) -> tuple[tuple[float, float, float], Flag | None]:
    """Position of the edge beyond the place with the most successes.

    A logistic curve is fitted by maximum likelihood; where outcomes change from one point of
    the grid to the next, the edge lies between them.

    Parameters
    ----------
    x : ndarray, shape (n,)
        Control, ascending.
    successes, trials : ndarray of int, shape (n,)
        Counts; points without trials are left out.

    Returns
    -------
    edge : tuple of float
        Position, statistical and systematic error (half the grid's spacing for a step); nan if
        there is no edge.
    why : Flag or None
        ``never_learns``, ``above_grid``, ``step``.
    """
    nothing = (math.nan, math.nan, math.nan)
    measured = trials > 0
    x, successes, trials = x[measured], successes[measured], trials[measured]
    share = successes / trials if trials.size else np.empty(0)
    if share.size == 0 or share.max() < 0.5:
        return nothing, NEVER_LEARNS("fewer than half of the replicas succeed anywhere")
    top = int(np.flatnonzero(share == share.max())[-1])
    if share[-1] >= 0.5:
        return nothing, ABOVE_GRID("half of the replicas succeed at the end of the grid")
    x, k, n = x[top:], successes[top:], trials[top:]
    fit = fit_logistic(x, k, n)
    if bool(fit.converged[0]) and float(fit.width[0]) < 0:
        covariance = parameter_covariance(x, n, float(fit.m_c[0]), float(fit.width[0]))
        if np.all(np.isfinite(covariance)):
            return (float(fit.m_c[0]), math.sqrt(covariance[0, 0]), 0.0), None
    # Too few mixed outcomes for a curve: the edge lies between two neighbours.
    above = int(np.flatnonzero(2 * k < n)[0])
    low, high = float(x[above - 1]), float(x[above])
    return ((low + high) / 2, 0.0, (high - low) / 2), STEP("from one point to the next")
