r"""Two phases of a curve ln P(E): equal heights, the valley between, and equal weights (kernel).

:math:`\ln P_{b'}(E) = \ln P_b(E) - (b' - b) E`, so that both peaks are as high where b' - b is the
slope of the line that touches the curve twice; the valley is the largest distance from that line.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from physbatch.typing import FloatArray

_STEPS = 40
_SETTLED = 1e-12  # of the difference of the heights or weights
_LONGEST = 5.0  # step of ln of the ratio of the weights


class EqualHeights(NamedTuple):
    """Where both peaks are as high, for every curve; nan where there are no two peaks."""

    tilt: FloatArray  # b' - b, shape (m,)
    low: FloatArray  # energies of the peaks and of the valley
    valley: FloatArray
    high: FloatArray
    barrier: FloatArray  # ln(P_max/P_min)


class EqualWeights(NamedTuple):
    """Where the weights of both phases have the ratio that is asked for."""

    inverse: FloatArray  # b, shape (m,)
    low: FloatArray  # mean energies of the phases
    high: FloatArray


def widest_valley(x: FloatArray, curve: FloatArray) -> tuple[float, int] | None:
    """Slope of the line over the deepest valley of a curve and where that is, None if it has none.

    >>> x = np.linspace(-2.0, 2.0, 401)
    >>> widest_valley(x, -((x**2 - 1.0) ** 2) + 0.5 * x)
    (0.5, 200)
    """
    hull: list[int] = []
    for i in range(x.size):
        while len(hull) > 1 and _turns_up(x, curve, hull[-2], hull[-1], i):
            hull.pop()
        hull.append(i)
    at = np.array(hull)
    gap = np.interp(x, x[at], curve[at]) - curve
    deepest = int(np.argmax(gap))
    if not gap[deepest] > 0.0:
        return None
    right = int(np.searchsorted(at, deepest))
    i, j = at[right - 1], at[right]
    return round(float((curve[j] - curve[i]) / (x[j] - x[i])), 12), deepest


def _turns_up(x: FloatArray, y: FloatArray, i: int, j: int, k: int) -> bool:
    return bool((y[j] - y[i]) * (x[k] - x[i]) <= (y[k] - y[i]) * (x[j] - x[i]))


def equal_heights(x: FloatArray, curves: FloatArray, tilt: float, valley: int) -> EqualHeights:
    """Equal heights of curves of shape (m, n), from a start of all."""
    tilts = np.full(len(curves), tilt)
    rows = np.arange(len(curves))
    for _ in range(_STEPS):
        tilted = curves - tilts[:, None] * x
        i = np.argmax(tilted[:, : valley + 1], axis=1)
        j = valley + np.argmax(tilted[:, valley:], axis=1)
        (low, left), (high, right) = (_vertex(x, tilted, at) for at in (i, j))
        with np.errstate(divide="ignore", invalid="ignore"):
            step = (right - left) / (high - low)
        tilts = tilts + np.nan_to_num(step)
        if float(np.abs(right - left).max()) < _SETTLED:
            break
    between = (np.arange(x.size) >= i[:, None]) & (np.arange(x.size) <= j[:, None])
    k = np.argmin(np.where(between, tilted, np.inf), axis=1)
    bottom, lowest = _vertex(x, tilted, k)
    two = (i > 0) & (i < k) & (k < j) & (j < x.size - 1)
    blank = np.where(two, 0.0, np.nan)[rows]
    height = 0.5 * (left + right)
    return EqualHeights(
        tilts + blank, low + blank, bottom + blank, high + blank, height - lowest + blank
    )


def _vertex(x: FloatArray, curves: FloatArray, at: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Place and height of the extremum of the parabola through three points about each."""
    middle = np.clip(at, 1, x.size - 2).astype(np.int64)
    rows = np.arange(len(curves))
    before, here, after = (curves[rows, middle + k] for k in (-1, 0, 1))
    bend = before - 2.0 * here + after
    safe = np.where(bend == 0.0, 1.0, bend)
    move = np.clip(np.where(bend == 0.0, 0.0, 0.5 * (before - after) / safe), -1.0, 1.0)
    value = here - 0.25 * (before - after) * move
    return x[middle] + move * (x[1] - x[0]), value


def equal_weights(
    energy: FloatArray,
    logs: FloatArray,
    split: FloatArray,
    start: FloatArray,
    ratio: float,
) -> EqualWeights:
    """Where the energies below `split` have `ratio` times the weight of those above.

    Parameters
    ----------
    energy : ndarray, shape (n,)
        Energies.
    logs : ndarray, shape (m, n)
        ln of the density of states; -inf where nothing was seen.
    split, start : ndarray, shape (m,)
        The energy between the phases, and b to start from.
    """
    inverse = start.copy()
    below = energy < split[:, None]
    parts = [np.where(side, logs, -np.inf) for side in (below, ~below)]
    for _ in range(_STEPS):
        tilt = inverse[:, None] * energy
        with np.errstate(invalid="ignore", divide="ignore"):  # of curves without two peaks
            weights = [logsumexp(part - tilt, axis=1, keepdims=True) for part in parts]
            low, high = (
                np.sum(np.exp(part - tilt - weight) * energy, axis=1)
                for part, weight in zip(parts, weights, strict=True)
            )
            miss = (weights[0] - weights[1])[:, 0] - np.log(ratio)
            inverse = inverse - np.clip(miss, -_LONGEST, _LONGEST) / (high - low)
        if not np.any(np.abs(miss) > _SETTLED):
            break
    return EqualWeights(inverse, low, high)
