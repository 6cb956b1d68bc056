r"""A linear student of fresh Gaussian batches: exact laws of its squared error at any N and m.

Student and teacher are y = w.x and y* = w*.x with x ~ N(0, Lambda), labels carry noise of
variance s2, and each step takes w <- w - (eta/m) sum (y - y*) x over n samples, n = floor(m) or
floor(m) + 1 with mean m. The error e = w - w* then obeys

.. math:: e' = (1 - \eta A) e + \tfrac{\eta}{m} \sum_\mu \xi_\mu x_\mu, \qquad
    A = \tfrac1m \sum_\mu x_\mu x_\mu^T,

with independent A from step to step, so that its second moments obey a closed linear equation.
The mean of a product of random factors is ruled by rare large ones: single students learn up to
the *typical* threshold, where the mean logarithm of the factor vanishes, which lies beyond the
mean-square one.

References
----------
The moments of A are those of Wishart matrices; for learning rates and batch sizes in this model
see Bordelon and Pehlevan, "Learning curves for SGD on structured features", ICLR 2022,
arXiv 2106.02713.
"""

import math
from functools import cache

import numpy as np
import numpy.typing as npt
import scipy
from scipy import optimize

from physbatch.typing import FloatArray

#: Points of the quadrature over lengths of Gaussian vectors, and the probability left out.
_POINTS = 160
_TAIL = 1e-17


def _check(learning_rate: float, size: int, batch_size: float) -> None:
    if not learning_rate > 0:
        raise ValueError(f"learning_rate must be positive, not {learning_rate}")
    if size < 1:
        raise ValueError(f"size must be at least 1, not {size}")
    if not batch_size >= 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}")


def _spread(batch_size: float) -> float:
    """Var(n)/m^2 of the number n of samples in a batch of real size m."""
    part = batch_size - math.floor(batch_size)
    return part * (1 - part) / batch_size**2


# --- isotropic inputs -------------------------------------------------------------------


def mean_square_factor(learning_rate: float, size: int, batch_size: float) -> float:
    r"""E|e'|^2/|e|^2 of one step without label noise, for isotropic inputs.

    .. math:: 1 - 2 \eta + \eta^2 \left[\frac{N + 1}{m} + 1 + \frac{\mathrm{Var}\, n}{m^2}\right]

    with Var n = 0 for whole m. ValueError unless eta > 0, N >= 1 and m >= 1.

    >>> round(mean_square_factor(1.0, 100, 101), 12)
    1.0
    """
    _check(learning_rate, size, batch_size)
    second = (size + 1) / batch_size + 1 + _spread(batch_size)
    return 1 - 2 * learning_rate + learning_rate**2 * second


def mean_square_threshold(learning_rate: float, size: int) -> float:
    """m_c = eta (N + 1)/(2 - eta): the mean squared error shrinks for m > m_c.

    inf for eta >= 2, where no batch is large enough. Exact for whole m_c; in between the spread of
    the number of samples raises it by less than eta/(4 m_c (2 - eta)).
    """
    _check(learning_rate, size, 1)
    if learning_rate >= 2:
        return math.inf
    return learning_rate * (size + 1) / (2 - learning_rate)


def largest_learning_rate(size: int, batch_size: float) -> float:
    """eta_max = 2 m/(N + m + 1), where the mean squared error stops shrinking (whole m)."""
    _check(1.0, size, batch_size)
    return 2 * batch_size / (size + batch_size + 1 + batch_size * _spread(batch_size))


def stationary_error(
    learning_rate: float, size: int, batch_size: float, label_noise: float
) -> float:
    """Stationary E|e|^2 = eta N s2/(2 m - eta (N + m + 1)) (whole m); inf above eta_max.

    >>> stationary_error(0.5, 9, 10, label_noise=2.0)  # s2 = 2
    0.9
    """
    shrinks = 1 - mean_square_factor(learning_rate, size, batch_size)
    if shrinks <= 0:
        return math.inf
    return learning_rate**2 * size * label_noise / batch_size / shrinks


@cache
def _lengths(freedom: int) -> tuple[FloatArray, FloatArray]:
    """Points and weights for averages over the length of a Gaussian vector (chi law)."""
    if freedom == 0:
        return np.zeros(1), np.ones(1)
    law = scipy.stats.chi(freedom)
    low, high = law.ppf(_TAIL), law.isf(_TAIL)
    nodes, weights = np.polynomial.legendre.leggauss(_POINTS)
    points = (low + high) / 2 + (high - low) / 2 * nodes
    masses = weights * law.pdf(points)
    return points, masses / masses.sum()


def typical_rate(learning_rate: float, size: int, batch_size: float) -> float:
    r"""E ln(|e'|^2/|e|^2) of one step without label noise, for isotropic inputs.

    By rotation invariance the factor of a step is independent of e,

    .. math:: \frac{|e'|^2}{|e|^2} = \left(1 - \frac{\eta s}{m}\right)^2 + \frac{\eta^2 s t}{m^2},
        \qquad s \sim \chi^2_n, \quad t \sim \chi^2_{N-1},

    so |e|^2 of a single student decays as exp(t times this mean). By quadrature, to about eight
    digits for N >= 3.
    """
    _check(learning_rate, size, batch_size)
    floor = math.floor(batch_size)
    part = batch_size - floor
    across, weights = _lengths(size - 1)
    mean = 0.0
    for samples, chance in ((floor, 1 - part), (floor + 1, part)):
        if chance == 0:
            continue
        fields, masses = _lengths(samples)
        s = (fields * fields)[:, None] * learning_rate / batch_size
        t = (across * across)[None, :] * learning_rate / batch_size
        mean += chance * float(masses @ np.log((1 - s) ** 2 + s * t) @ weights)
    return mean


def typical_threshold(learning_rate: float, size: int) -> float:
    """The batch size at which single students stop learning: `typical_rate` = 0; 1 at least.

    Below `mean_square_threshold`, by a part that falls as 1/N. ValueError if no batch is large
    enough (eta >= 2).

    >>> round(typical_threshold(1.0, 100) / mean_square_threshold(1.0, 100), 3)
    0.98
    """
    if learning_rate >= 2:
        raise ValueError(f"learning_rate {learning_rate} is too large for every batch size")
    high = mean_square_threshold(learning_rate, size) + 1
    if high <= 2 or typical_rate(learning_rate, size, 1.0) <= 0:
        return 1.0
    return float(optimize.brentq(lambda m: typical_rate(learning_rate, size, m), 1.0, high))


def typical_learning_rate(size: int, batch_size: float) -> float:
    """The learning rate at which single students stop learning: `typical_rate` = 0."""
    low = largest_learning_rate(size, batch_size)
    high = 2 * low
    while typical_rate(high, size, batch_size) < 0:
        high *= 2
    return float(optimize.brentq(lambda eta: typical_rate(eta, size, batch_size), low, high))


# --- inputs with a spectrum -------------------------------------------------------------


def second_moment_map(
    learning_rate: float, spectrum: npt.ArrayLike, batch_size: float
) -> FloatArray:
    r"""How the mean squared components of e along the principal axes change: <e'^2> = M <e^2>.

    .. math:: \langle e_i'^2 \rangle = \langle e_i^2 \rangle \left[1 - 2 \eta \lambda_i
        + \eta^2 \lambda_i^2 \left(1 + \tfrac1m + \tfrac{\mathrm{Var}\, n}{m^2}\right)\right]
        + \frac{\eta^2}{m} \lambda_i \sum_j \lambda_j \langle e_j^2 \rangle

    `spectrum` are the variances lambda_i > 0 of the inputs along the axes, shape (N,). The largest
    eigenvalue of M, shape (N, N), decides about learning.
    """
    values = _checked_spectrum(spectrum)
    _check(learning_rate, len(values), batch_size)
    diagonal = 1 - 2 * learning_rate * values
    diagonal += (learning_rate * values) ** 2 * (1 + 1 / batch_size + _spread(batch_size))
    return np.diag(diagonal) + learning_rate**2 / batch_size * np.outer(values, values)


def _checked_spectrum(spectrum: npt.ArrayLike) -> FloatArray:
    values = np.asarray(spectrum, dtype=np.float64)
    if values.ndim != 1 or len(values) == 0 or not np.all(values > 0):
        raise ValueError("spectrum must be a list of positive variances")
    return values


def spectrum_threshold(learning_rate: float, spectrum: npt.ArrayLike) -> float:
    r"""The batch size above which the mean squared error shrinks, for inputs with a spectrum.

    The largest eigenvalue of `second_moment_map` is 1 where

    .. math:: \frac{\eta}{m} \sum_i \frac{\lambda_i}{2 - \eta \lambda_i (1 + 1/m)} = 1

    (whole m). inf if eta lambda_max >= 2.

    >>> round(spectrum_threshold(0.5, [1.0] * 29), 10)
    10.0
    """
    values = _checked_spectrum(spectrum)
    _check(learning_rate, len(values), 1)
    largest = learning_rate * float(values.max())
    if largest >= 2:
        return math.inf

    def excess(m: float) -> float:
        rest = 2 - learning_rate * values * (1 + 1 / m)
        return float(np.sum(learning_rate * values / rest)) / m - 1

    # Where the denominator of the largest variance vanishes the sum is infinite.
    pole = largest / (2 - largest)
    low, high = pole * (1 + 1e-12) + 1e-12, max(2 * pole, 1.0)
    while excess(high) > 0:
        high *= 2
    return float(optimize.brentq(excess, low, high))


def stationary_spectrum(
    learning_rate: float, spectrum: npt.ArrayLike, batch_size: float, label_noise: float
) -> FloatArray:
    """Stationary <e_i^2> along the principal axes; inf where there is no stationary state.

    The solution of <e^2> = M <e^2> + (eta^2 s2/m) lambda with M of `second_moment_map` and
    `label_noise` the variance s2.
    """
    values = _checked_spectrum(spectrum)
    matrix = second_moment_map(learning_rate, values, batch_size)
    if np.abs(np.linalg.eigvals(matrix)).max() >= 1:
        return np.full(len(values), math.inf)
    source = learning_rate**2 * label_noise / batch_size * values
    return np.asarray(np.linalg.solve(np.eye(len(values)) - matrix, source))
