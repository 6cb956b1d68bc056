"""Are neighbouring points of a size as rough as their errors say?

Many published curves come from one set of runs for a whole size (histogram reweighting,
Newman-Ziff sweeps). Their points move together: each error is right, but the points are not
independent, and a fit that takes them as independent states errors far too small.
"""

import numpy as np

from physbatch.tables.scatter import roughness, too_smooth
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

_SHARED = 0.5  # effective number of points, beside their number, below which runs are shared


def correlated_covariance(table: ScalingTable, observable: str) -> tuple[FloatArray | None, float]:
    r"""Covariance of points that move together, where their roughness r shows it, and r.

    .. math:: C_{ij} = e_i e_j [r \delta_{ij} + (1 - r) e^{-(c_i - c_j)^2/2\lambda^2}]

    within one size, with the roughness r (`physbatch.tables.scatter`) and lambda a third of the
    range of controls of that size: the errors stay what they were, their common part is kept. None
    where the points are as rough as independent ones.
    """
    mean_square, count = roughness(table, observable)
    if not too_smooth(mean_square, count):
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


def share_runs(covariance: FloatArray) -> bool:
    r"""Whether points share runs, so that their scatter says nothing of their errors.

    Points with correlations :math:`\rho_{ij}` move in about
    :math:`n^2/\sum \rho_{ij}^2` ways. Where these are few, a covariance that was measured on as
    many points has modes that no run moved: reweighted curves scatter by a sixth of their errors,
    whatever those are.

    >>> share_runs(np.eye(3)), share_runs(np.eye(3) + 9.0)
    (False, True)
    """
    errors = np.sqrt(np.diag(covariance))
    correlation = covariance / np.multiply.outer(errors, errors)
    return bool(len(errors) < _SHARED * float((correlation**2).sum()))
