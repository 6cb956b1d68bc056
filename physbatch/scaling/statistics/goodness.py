"""Goodness of fit of success curves with few counts."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import stats

from physbatch.scaling.statistics.success_fits import binomial_deviance, fit_logistic, logistic
from physbatch.typing import FloatArray

__all__ = ["deviance_p_value"]


def deviance_p_value(
    deviance: float, control: FloatArray, trials: npt.ArrayLike, m_c: float, width: float
) -> float:
    """Probability of a larger deviance if the fitted curve is the truth.

    With few expected successes or failures the deviance is far from chi-squared. So its mean
    and variance under the binomial laws are summed exactly, the two fitted parameters taken
    off (mean 2, variance 4), and a gamma law with these two moments is used. Where that gives
    less than 0.02 the tail matters, and the value comes from 4000 simulated and fitted data
    sets instead (fixed seed).

    Parameters
    ----------
    deviance : float
        Deviance of the fit.
    control, trials : array_like, shape (n_control,)
        Control and trials.
    m_c, width : float
        Parameters of the fit.

    Returns
    -------
    float
        The p-value; nan if no degree of freedom is left.
    """
    c, n = np.asarray(control, dtype=np.float64), np.asarray(trials, dtype=np.int64)
    if c.size <= 2:
        return math.nan
    z = (c - m_c) / width
    probability = logistic(z)
    mean, variance = -2.0, -4.0
    for count, p, log_odds in zip(n, probability, z, strict=True):
        k = np.arange(count + 1)
        law = stats.binom.pmf(k, count, p)
        d = binomial_deviance(k, count, np.full(k.shape, log_odds))
        mean += float(law @ d)
        variance += float(law @ d**2 - (law @ d) ** 2)
    mean, variance = max(mean, 0.05), max(variance, 0.1)
    approximate = float(stats.gamma.sf(deviance, mean**2 / variance, scale=variance / mean))
    if approximate >= 0.02:
        return approximate
    generator = np.random.default_rng(2718)
    drawn = generator.binomial(n, probability, size=(4000, c.size))
    simulated = fit_logistic(c, drawn, n).deviance
    # Data sets that a step separates have no finite maximum and a deviance of almost 0.
    larger = int(np.sum(np.nan_to_num(simulated, nan=0.0) >= deviance * (1.0 - 1e-9)))
    return float((1.0 + larger) / (1.0 + drawn.shape[0]))
