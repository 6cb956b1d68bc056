"""Closed forms for one unit with Gaussian inputs in the limit of many inputs."""

import numpy as np
import numpy.typing as npt

from physbatch.typing import FloatArray


def generalization_error(overlap: npt.ArrayLike) -> FloatArray:
    """Chance arccos(R)/pi that two sign units with overlap R disagree on a Gaussian input.

    The fields of both are Gaussian with correlation R = w . w* / (|w| |w*|), at any N. Binary
    inputs obey it only when N is large: one wrong weight of three gives 0.5, not 0.392. ValueError
    outside [-1, 1]. Engel and Van den Broeck, Statistical Mechanics of Learning (2001), section
    1.3, doi 10.1017/CBO9781139164542.

    >>> float(generalization_error(0.0))
    0.5
    """
    values = np.asarray(overlap, dtype=np.float64)
    if not np.all(np.abs(values) <= 1):
        raise ValueError("an overlap is between -1 and 1")
    return np.asarray(np.arccos(values) / np.pi)


def hebb_overlap(load: npt.ArrayLike) -> FloatArray:
    r"""Overlap that the Hebb rule w = sum y x reaches with P = alpha N Gaussian patterns.

    .. math:: R = \left(1 + \frac{\pi}{2 \alpha}\right)^{-1/2}

    Each pattern adds sqrt(2/pi) along the teacher and noise across it. The rule is a sum, so the
    size of the batches in which it is done is of no consequence. ValueError for a load alpha <= 0.
    Vallet and Cailton, Phys. Rev. A 41 (1990) 3059, doi 10.1103/PhysRevA.41.3059.
    """
    values = np.asarray(load, dtype=np.float64)
    if not np.all(values > 0):
        raise ValueError("the load alpha must be positive")
    return np.asarray((1 + np.pi / (2 * values)) ** -0.5)
