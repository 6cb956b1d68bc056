"""Maximum likelihood of a logistic success curve, many data sets at once (kernels).

P(c) = 1 / (1 + exp(-(a + b x))), with x the control moved to its centre and scaled by its
range. In (a, b) the likelihood is concave, so damped Newton steps find its only maximum; the
matrix of second derivatives is the Fisher information, and m_c = -a/b, width = 1/b.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy

from physbatch.typing import BoolArray, FloatArray


class LogisticFit(NamedTuple):
    """Maxima of the likelihood, one per data set."""

    m_c: FloatArray  # shape (n_set,)
    width: FloatArray  # shape (n_set,)
    deviance: FloatArray  # shape (n_set,)
    converged: BoolArray  # shape (n_set,): False where there is no finite maximum


def logistic(x: npt.ArrayLike) -> FloatArray:
    """1 / (1 + exp(-x)) without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * np.asarray(x, dtype=np.float64))))


def binomial_deviance(successes: npt.ArrayLike, trials: npt.ArrayLike, z: FloatArray) -> FloatArray:
    """2 ln(L_saturated / L) of each point at log odds z; shapes broadcast.

    Written with ln(1 + exp(.)), so that it stays exact where P is within rounding of 0 or 1.
    """
    k = np.asarray(successes, dtype=np.float64)
    n = np.asarray(trials, dtype=np.float64)
    minus_log_likelihood = k * np.logaddexp(0.0, -z) + (n - k) * np.logaddexp(0.0, z)
    safe = np.maximum(n, 1.0)
    saturated = _x_log_y(k, k / safe) + _x_log_y(n - k, (n - k) / safe)
    return np.asarray(np.maximum(2.0 * (minus_log_likelihood + saturated), 0.0))


def fit_logistic(
    control: FloatArray, successes: npt.ArrayLike, trials: npt.ArrayLike, *, steps: int = 60
) -> LogisticFit:
    """Fit every row of counts.

    Parameters
    ----------
    control : ndarray, shape (n_control,)
        The control; at least two different values.
    successes, trials : array_like, shape (n_set, n_control)
        Counts.
    steps : int
        Most Newton steps.

    Returns
    -------
    LogisticFit
        Rows without a finite maximum (successes and failures separated by a control) are
        not converged, and nan.
    """
    k = np.atleast_2d(np.asarray(successes, dtype=np.float64))
    n = np.broadcast_to(np.asarray(trials, dtype=np.float64), k.shape)
    centre, scale = float(np.mean(control)), float(np.ptp(control))
    x = (np.asarray(control, dtype=np.float64) - centre) / scale
    overlapping = _has_maximum(x, k, n)
    a, b = np.zeros(k.shape[0]), np.full(k.shape[0], 4.0)
    deviance = binomial_deviance(k, n, a[:, None] + b[:, None] * x).sum(axis=-1)
    converged = np.zeros(k.shape[0], dtype=bool)
    for _ in range(steps):
        active = np.flatnonzero(overlapping & ~converged)
        if active.size == 0:
            break
        step = _newton_step(x, k[active], n[active], a[active], b[active])
        new = _damped(x, k[active], n[active], a[active], b[active], deviance[active], step)
        # The whole step counts, not the damped one: a row that cannot move is not converged.
        # Newton steps shrink quadratically, so after one of 1e-6 the error is about 1e-12.
        whole = np.maximum(np.abs(step[0]), np.abs(step[1]))
        a[active], b[active], deviance[active] = new
        converged[active] = whole <= 1e-6 * (1.0 + np.abs(b[active]) + np.abs(a[active]))
    good = converged & (np.abs(b) > 1e-12)
    slope = np.where(good, b, np.nan)
    return LogisticFit(
        centre - scale * a / slope, scale / slope, np.where(good, deviance, np.nan), good
    )


def parameter_covariance(
    control: FloatArray, trials: npt.ArrayLike, m_c: float, width: float
) -> FloatArray:
    """Inverse Fisher information of (m_c, width), shape (2, 2); nan where it is singular."""
    x = (np.asarray(control, dtype=np.float64) - m_c) / width
    p = logistic(x)
    weight = np.asarray(trials, dtype=np.float64) * p * (1.0 - p)
    gradient = np.stack([np.full_like(x, -1.0 / width), -x / width])  # of the log odds
    information = (gradient * weight) @ gradient.T
    if not np.all(np.isfinite(information)) or np.linalg.cond(information) > 1e12:
        return np.full((2, 2), np.nan)
    return np.asarray(np.linalg.inv(information), dtype=np.float64)


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
        law = scipy.stats.binom.pmf(k, count, p)
        d = binomial_deviance(k, count, np.full(k.shape, log_odds))
        mean += float(law @ d)
        variance += float(law @ d**2 - (law @ d) ** 2)
    mean, variance = max(mean, 0.05), max(variance, 0.1)
    approximate = float(scipy.stats.gamma.sf(deviance, mean**2 / variance, scale=variance / mean))
    if approximate >= 0.02:
        return approximate
    generator = np.random.default_rng(2718)
    drawn = generator.binomial(n, probability, size=(4000, c.size))
    simulated = fit_logistic(c, drawn, n).deviance
    # Data sets that a step separates have no finite maximum and a deviance of almost 0.
    larger = int(np.sum(np.nan_to_num(simulated, nan=0.0) >= deviance * (1.0 - 1e-9)))
    return float((1.0 + larger) / (1.0 + drawn.shape[0]))


def _has_maximum(x: FloatArray, k: FloatArray, n: FloatArray) -> BoolArray:
    """Successes and failures overlap along x (Albert and Anderson 1984)."""
    succeeded, failed = k > 0, n - k > 0
    with np.errstate(invalid="ignore"):
        first_success = np.where(succeeded, x, np.inf).min(axis=-1)
        last_success = np.where(succeeded, x, -np.inf).max(axis=-1)
        first_failure = np.where(failed, x, np.inf).min(axis=-1)
        last_failure = np.where(failed, x, -np.inf).max(axis=-1)
    rising = first_success < last_failure
    falling = first_failure < last_success
    return np.asarray(rising & falling)


def _newton_step(
    x: FloatArray, k: FloatArray, n: FloatArray, a: FloatArray, b: FloatArray
) -> tuple[FloatArray, FloatArray]:
    p = logistic(a[:, None] + b[:, None] * x)
    residual = k - n * p
    weight = n * p * (1.0 - p) + 1e-300
    g0, g1 = residual.sum(axis=-1), (residual * x).sum(axis=-1)
    h00, h01, h11 = weight.sum(axis=-1), (weight * x).sum(axis=-1), (weight * x * x).sum(axis=-1)
    # The ridge keeps the step finite where the curve is a step within rounding.
    ridge = 1e-12 * (h00 + h11) + 1e-30
    h00, h11 = h00 + ridge, h11 + ridge
    determinant = h00 * h11 - h01 * h01
    return (h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant


def _damped(
    x: FloatArray,
    k: FloatArray,
    n: FloatArray,
    a: FloatArray,
    b: FloatArray,
    deviance: FloatArray,
    step: tuple[FloatArray, FloatArray],
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The step, halved in each row until the deviance does not grow."""
    length = np.ones_like(a)
    for _ in range(40):
        new_a, new_b = a + length * step[0], b + length * step[1]
        new = binomial_deviance(k, n, new_a[:, None] + new_b[:, None] * x).sum(axis=-1)
        worse = ~(new <= deviance * (1.0 + 1e-12) + 1e-12)
        if not worse.any():
            break
        length = np.where(worse, 0.5 * length, length)
    length = np.where(worse, 0.0, length)
    return a + length * step[0], b + length * step[1], np.where(worse, deviance, new)


def _x_log_y(x: FloatArray, y: FloatArray) -> FloatArray:
    return np.asarray(x * np.log(np.where(x > 0.0, y, 1.0)), dtype=np.float64)
