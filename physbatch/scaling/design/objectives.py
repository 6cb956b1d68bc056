"""What is asked for, as a function of the errors of m_c at each size."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from scipy import stats

from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.results.flags import BAD_FIT
from physbatch.scaling.design.posterior import SuccessPosterior
from physbatch.scaling.statistics.acceptance import ACCEPTABLE
from physbatch.typing import FloatArray


def size_exponent(posteriors: Mapping[float, SuccessPosterior]) -> Estimate:
    r"""The exponent b of :math:`m_c = A N^b` from the law of m_c at each size.

    The straight line of ln m_c against ln N, each size with the mean and the variance of its law.
    The error is that of this power law; corrections to it are not in it.

    Parameters
    ----------
    posteriors : mapping
        Size -> the law of m_c there; at least two sizes.

    Returns
    -------
    Estimate
        With the flag ``bad_fit`` where the line misses the values.

    References
    ----------
    Chaloner and Verdinelli, Statist. Sci. 10 (1995) 273, doi 10.1214/ss/1177009939.

    Examples
    --------
    >>> from physbatch.scaling.design.posterior import success_posterior
    >>> counts = {50.0: [0, 30, 100, 100], 200.0: [0, 0, 50, 100]}
    >>> size_exponent({size: success_posterior([10.0, 12.0, 14.0, 16.0], k, [100] * 4)
    ...                for size, k in counts.items()})
    0.101(6)
    """
    x = np.log(np.array(list(posteriors)))
    y = np.array([float(law.marginal @ law.log_m_c) for law in posteriors.values()])
    weight = np.array([law.relative_error**-2 for law in posteriors.values()])
    centre = float(weight @ x / weight.sum())
    spread = float(weight @ (x - centre) ** 2)
    slope = float(weight @ ((x - centre) * y)) / spread
    error = math.sqrt(1.0 / spread)
    rest = y - float(weight @ y / weight.sum()) - slope * (x - centre)
    chi2, dof = float(weight @ rest**2), x.size - 2
    flags: tuple[Flag, ...] = ()
    if dof > 0 and stats.chi2.sf(chi2, dof) < ACCEPTABLE:
        flags = (BAD_FIT(f"m_c = A N^b has chi2/dof = {chi2:.1f}/{dof}: no power law"),)
    return Estimate(slope, error, interval68=(slope - error, slope + error), flags=flags)


def slope_variance(variances: Mapping[float, float], slope: float = 1.0) -> float:
    """Variance of b over the square of `slope`, from the variance of ln m_c at each size.

    Examples
    --------
    >>> round(slope_variance({1.0: 0.01, math.e: 0.01}), 12)
    0.02
    """
    x: FloatArray = np.log(np.array(list(variances)))
    weight = 1.0 / np.array(list(variances.values()))
    centre = float(weight @ x / weight.sum())
    return 1.0 / float(weight @ (x - centre) ** 2) / slope**2
