"""Windows: which sizes and how far from c_c the scaling form is asked to hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from physbatch.scaling.data_collapse.form import ScalingForm
from physbatch.tables.table import ScalingTable
from physbatch.typing import BoolArray, FloatArray

__all__ = ["Window", "shared_fraction", "windows"]


#: Fractions of the points, by distance |x|, that a window keeps.
FRACTIONS = (1.0, 0.7, 0.45, 0.3, 0.2)
#: A window needs this many sizes, and points of each.
LEAST_SIZES = 3
LEAST_POINTS = 3


class Window(NamedTuple):
    """Smallest size, and the fraction of points nearest to c_c in the scaling variable."""

    size_min: float
    fraction: float


def windows(table: ScalingTable) -> Iterator[Window]:
    """All windows to try, the whole table first."""
    sizes = table.sizes
    for size_min in sizes[: max(len(sizes) - LEAST_SIZES + 1, 1)]:
        for fraction in FRACTIONS:
            yield Window(float(size_min), fraction)


def inside(
    window: Window, form: ScalingForm, vector: FloatArray, table: ScalingTable
) -> BoolArray | None:
    """Points of the table in a window, for given exponents; None if too few are left."""
    x = np.abs(form.rescale(vector, table, form.observables[0]).x)
    large = table.size >= window.size_min
    keep = large & (x <= np.quantile(x[large], window.fraction))
    counts = [int((keep & (table.size == size)).sum()) for size in np.unique(table.size[large])]
    enough = len(counts) >= LEAST_SIZES or window.fraction == 1.0
    if not enough or min(counts) < (LEAST_POINTS if window.fraction < 1 else 1):
        return None
    return np.asarray(keep, dtype=bool)


def shared_fraction(size: FloatArray, x: FloatArray) -> float:
    """Fraction of the points whose x lies within the range of x of another size.

    Parameters
    ----------
    size, x : ndarray, shape (n,)
        Size and scaling variable of each point.

    Returns
    -------
    float
        Near 1 for a real collapse; 0 if each size has its own stretch of x, where anything
        collapses.

    Examples
    --------
    >>> import numpy as np
    >>> shared_fraction(np.array([1.0, 1, 2, 2]), np.array([0.0, 1, 0.5, 3]))
    0.5
    """
    sizes = np.unique(size)
    lows = np.array([x[size == one].min() for one in sizes])
    highs = np.array([x[size == one].max() for one in sizes])
    inside_of = (x[:, None] >= lows) & (x[:, None] <= highs) & (size[:, None] != sizes)
    return float(inside_of.any(axis=1).mean())
