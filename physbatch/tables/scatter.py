"""What the scatter of points about their neighbours says of their errors.

The value of a point is predicted by the quadratic through the two neighbours on either side. For
independent points with right errors the squared residual over its variance has mean 1; it is more
where the curve bends within five points, and far less for points that move together.
"""

from typing import NamedTuple

import numpy as np
import scipy

from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray, IntArray

#: Chance level at which points are taken as correlated, and the roughness it must stay below.
_LEVEL = 1e-6
_SMOOTH = 0.5
#: Fewer residuals do not give errors: they would be known to a third at best.
_LEAST_RESIDUALS = 10
#: A residual counts as at most so many deviations: curves bend, and single values may be wrong.
_FAR = 2.0
#: Mean of min(z^2, 4) for a normal z.
_SHARE = 0.920535


class _Residuals(NamedTuple):
    """Deviations of points from the quadratic through four neighbours."""

    value: FloatArray
    weights: FloatArray  # of the neighbours, shape (n, 4)
    rows: IntArray  # of the five points, shape (n, 5), the middle third


def _residuals(control: FloatArray, values: FloatArray, step: int) -> _Residuals:
    """At every `step`-th inner point of one size, whose controls are sorted."""
    rows = np.arange(0, len(control) - 4, step)[:, None] + np.arange(5)
    x = control[rows] - control[rows[:, 2:3]]
    x = x / np.abs(x).max(axis=1, keepdims=True, initial=0.0)
    neighbours = [0, 1, 3, 4]
    design = x[:, neighbours, None] ** np.arange(3)
    weights = np.linalg.pinv(design)[:, 0]  # value at the middle
    y = values[rows]
    return _Residuals(y[:, 2] - (weights * y[:, neighbours]).sum(axis=1), weights, rows)


def roughness(table: ScalingTable, observable: str) -> tuple[float, int]:
    """Mean square of local residuals in units of their errors, and how many there are.

    It is nan if no size has five points; every third residual is taken, as these are about
    independent of each other.
    """
    squares = []
    for size in table.sizes:
        of_size = np.flatnonzero(table.size == size)
        local = _residuals(table.control[of_size], table.values[observable][of_size], 3)
        variance = table.errors[observable][of_size][local.rows] ** 2
        expected = variance[:, 2] + (local.weights**2 * variance[:, [0, 1, 3, 4]]).sum(axis=1)
        squares.append(local.value**2 / expected)
    every = np.concatenate(squares)
    return (float(every.mean()), every.size) if every.size else (float("nan"), 0)


def too_smooth(mean_square: float, count: int) -> bool:
    """Whether points of this roughness visibly move together: chance is excluded."""
    if count < 5 or mean_square > _SMOOTH:
        return False
    return bool(scipy.stats.chi2.cdf(mean_square * count, count) <= _LEVEL)


class ErrorLevel(NamedTuple):
    """Errors that were estimated, all alike or in proportion to the values."""

    errors: FloatArray
    text: str


def scatter_errors(size: FloatArray, control: FloatArray, values: FloatArray) -> ErrorLevel | None:
    """Errors of values that come without, from their scatter about their neighbours.

    One level for all sizes: either the same absolute error everywhere or, where that is likelier
    and no value changes sign, the same relative error. On real curves it is the median error
    within about a third, more where curves bend strongly between neighbouring points.

    Parameters
    ----------
    size, control, values : ndarray, shape (n_point,)
        Sorted by size and then by control.

    Returns
    -------
    ErrorLevel or None
        None where fewer than ten points have two neighbours on either side, or nothing scatters.
    """
    deviations, means = [], []
    for only in np.unique(size):
        rows = np.flatnonzero(size == only)
        local = _residuals(control[rows], values[rows], 1)
        deviations.append(local.value / np.sqrt(1.0 + (local.weights**2).sum(axis=1)))
        means.append(np.abs(values[rows][local.rows]).mean(axis=1))
    deviation, mean = np.concatenate(deviations), np.concatenate(means)
    if deviation.size < _LEAST_RESIDUALS:
        return None
    level = _spread(deviation)
    smallest = float(np.finfo(np.float64).eps * np.abs(values).max())
    if not level > 10.0 * smallest:  # a straight line, up to rounding
        return None
    words = f"from the scatter of {deviation.size} points about their neighbours"
    if np.all(values > 0) or np.all(values < 0):
        relative = _spread(deviation / mean)
        # Likelihoods of normal deviations, each at its own level.
        if np.log(relative) + float(np.log(mean).mean()) < np.log(level):
            return ErrorLevel(
                relative * np.abs(values), f"errors of {100 * relative:.2g} %, {words}"
            )
    return ErrorLevel(np.full(len(values), level), f"errors of {level:.2g}, {words}")


def _spread(deviation: FloatArray) -> float:
    """Standard deviation about 0 that far values hardly move (proposal 2 of Huber)."""
    square = float(np.mean(deviation**2))
    for _ in range(100):
        last = square
        square = float(np.minimum(deviation**2, _FAR**2 * square).mean()) / _SHARE
        if square >= last * (1.0 - 1e-6):
            break
    return float(np.sqrt(square))
