"""Are neighbouring points of a size as rough as their errors say?

Many published curves come from one set of runs for a whole size (histogram reweighting,
Newman-Ziff sweeps). Their points move together: each error is right, but the points are not
independent, and a fit that takes them as independent states errors far too small.
"""

import numpy as np
import scipy

from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

#: Chance level at which points are taken as correlated, and the roughness it must stay below.
_LEVEL = 1e-6
_SMOOTH = 0.5


def roughness(table: ScalingTable, observable: str) -> tuple[float, int]:
    """Mean square of local residuals in units of their errors, and how many there are.

    At every other point of a size the value is predicted by the quadratic through the two
    neighbours on either side. For independent points the squared residual over its variance has
    mean 1 (more where the curve bends within five points); for points that move together it is far
    below. It is nan if no size has five points; the residuals are about independent of each other.
    """
    squares: list[float] = []
    for size in table.sizes:
        rows = np.flatnonzero(table.size == size)
        for start in range(0, len(rows) - 4, 3):
            five = rows[start : start + 5]
            x = table.control[five] - table.control[five[2]]
            design = np.vander(x[[0, 1, 3, 4]] / np.abs(x).max(), 3)
            weights = np.linalg.pinv(design)[2]  # value at the middle
            y, e = table.values[observable][five], table.errors[observable][five]
            residual = y[2] - weights @ y[[0, 1, 3, 4]]
            variance = e[2] ** 2 + (weights**2) @ e[[0, 1, 3, 4]] ** 2
            squares.append(float(residual**2 / variance))
    return (float(np.mean(squares)), len(squares)) if squares else (float("nan"), 0)


def correlated_covariance(table: ScalingTable, observable: str) -> tuple[FloatArray | None, float]:
    r"""Covariance of points that move together, where their roughness r shows it, and r.

    .. math:: C_{ij} = e_i e_j [r \delta_{ij} + (1 - r) e^{-(c_i - c_j)^2/2\lambda^2}]

    within one size, with the roughness r (`roughness`) and lambda a third of the range of controls
    of that size: the errors stay what they were, their common part is kept. None where the points
    are as rough as independent ones.
    """
    mean_square, count = roughness(table, observable)
    if (
        count < 5
        or mean_square > _SMOOTH
        or scipy.stats.chi2.cdf(mean_square * count, count) > _LEVEL
    ):
        return None, mean_square
    error = table.errors[observable]
    rough = max(mean_square, 1e-6)
    same = table.size[:, None] == table.size[None, :]
    ranges = np.array([np.ptp(table.control[table.size == size]) for size in table.size])
    reach = np.where(ranges > 0, ranges / 3, 1.0)
    distance = (table.control[:, None] - table.control[None, :]) / reach[:, None]
    common = np.where(same, np.exp(-0.5 * distance**2), 0.0)
    shape = (1 - rough) * common + rough * np.eye(len(error))
    return error[:, None] * error[None, :] * shape, mean_square
