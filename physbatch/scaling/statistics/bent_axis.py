"""A variable in which curves that change near one place and level off have the same scale."""

from typing import NamedTuple

import numpy as np

from physbatch.typing import FloatArray


class Bent(NamedTuple):
    """u = r asinh(x/r) with its derivatives."""

    u: FloatArray
    by_x: FloatArray
    by_reach: FloatArray  # by ln r


def bent(x: FloatArray, reach: float) -> Bent:
    """Bend a variable: u is x within the reach r of 0, and r ln(2 x/r) far beyond.

    >>> u = bent(np.array([0.01, 1.0, 100.0]), 1.0).u
    >>> u.round(2).tolist()
    [0.01, 0.88, 5.3]
    """
    ratio = x / reach
    root = np.hypot(1.0, ratio)
    u = reach * np.arcsinh(ratio)
    return Bent(u, 1.0 / root, u - x / root)
