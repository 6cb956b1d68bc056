"""Where SGD of a linear student becomes unstable: on average, and for the typical replica.

One step of noiseless linear SGD multiplies the squared error by
F = 1 - 2 eta A + eta^2 B, with A = (1/m) sum_mu (x_mu e)^2 / |e|^2 and B = |g|^2 / |e|^2, g the
batch gradient. Two thresholds follow, which are different questions:

* mean square: E F = 1, eta = 2 E A / E B. Above it the *average* over replicas grows, carried
  by ever rarer replicas.
* typical: E ln F = 0. Above it *almost every* replica grows.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from physbatch.errors import AnalysisError
from physbatch.results.estimate import Estimate
from physbatch.results.flags import NO_ROOT
from physbatch.results.record import Record, result
from physbatch.typing import FloatArray


@result("linear thresholds")
@dataclass(frozen=True, eq=False, repr=False)
class LinearThresholds(Record):
    """Largest stable learning rates eta of one size and batch size.

    Attributes
    ----------
    mean_square : Estimate
        Where the mean squared error stops shrinking.
    typical : Estimate
        Where the typical replica stops shrinking; never below the mean-square threshold.
    """

    mean_square: Estimate
    typical: Estimate


def one_step_moments(
    size: int, batch_size: int, draws: int, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Independent draws of A and B for isotropic Gaussian inputs, shape (draws,).

    With ``z_mu = x_mu e / |e|`` the part of the gradient across e is a Gaussian vector of variance
    sum z^2 / m^2, so A = sum z^2 / m and B = A^2 + (A / m) chi^2_{N-1}: no vector is drawn.

    Parameters
    ----------
    size, batch_size : int
        Number of inputs N, and m.
    draws, seed : int
        How many, and their seed.
    """
    if size < 1 or batch_size < 1 or draws < 2:
        raise AnalysisError(
            f"size {size}, batch size {batch_size}, {draws} draws", where="one_step_moments"
        )
    rng = np.random.default_rng(seed)
    along = rng.chisquare(batch_size, size=draws) / batch_size
    across = rng.chisquare(size - 1, size=draws) if size > 1 else np.zeros(draws)
    return along, along**2 + along / batch_size * across


def thresholds_of_steps(along: FloatArray, squared: FloatArray) -> LinearThresholds:
    """Both thresholds from measured one-step moments.

    Parameters
    ----------
    along, squared : ndarray, shape (draws,)
        A and B of independent steps.

    Returns
    -------
    LinearThresholds
        Standard errors by linear error propagation. ``typical`` has the flag ``no_root``
        where E ln F does not change sign.

    Examples
    --------
    >>> thresholds = thresholds_of_steps(*one_step_moments(100, 10, draws=20_000, seed=1))
    >>> abs(thresholds.mean_square.value / (2 * 10 / (100 + 10 + 1)) - 1) < 0.02
    True
    """
    draws = len(along)
    ratio = 2 * float(along.mean()) / float(squared.mean())
    spread = 2 * along - ratio * squared
    mean_square = Estimate(
        ratio, float(spread.std(ddof=1)) / (math.sqrt(draws) * float(squared.mean()))
    )

    def growth(learning_rate: float) -> float:
        return float(np.mean(np.log(_factor(learning_rate, along, squared))))

    # ln E F >= E ln F (Jensen), so the typical threshold lies above; E ln F grows without bound.
    high = ratio
    for _ in range(60):
        high *= 1.5
        if growth(high) > 0:
            break
    else:
        return LinearThresholds(
            mean_square, Estimate(math.nan, flags=(NO_ROOT("typical growth stays negative"),))
        )
    low = 0.5 * ratio
    root = float(optimize.brentq(growth, low, high, xtol=1e-14 * high))
    factor = _factor(root, along, squared)
    slope = float(np.mean((2 * root * squared - 2 * along) / factor))
    error = float(np.std(np.log(factor), ddof=1)) / math.sqrt(draws) / abs(slope)
    return LinearThresholds(mean_square, Estimate(root, error))


def linear_thresholds(
    size: int, batch_size: int, *, draws: int = 200_000, seed: int = 0
) -> LinearThresholds:
    """Stable learning rates of a linear student on fresh isotropic Gaussian batches.

    The mean-square threshold is 2 m / (N + m + 1) exactly (see `physbatch.exact.linear_sgd`);
    the typical one has no closed form. Both are measured here from one-step factors, in units
    of eta; divide by m for eta_base of the per-sample rule.

    Parameters
    ----------
    size, batch_size, draws, seed : int
        As for `one_step_moments`.

    References
    ----------
    Masters and Luschi, arXiv 1804.07612 (2018), ask for the range in m; the threshold is
    that of least mean squares, Feuer and Weinstein, IEEE Trans. ASSP 33 (1985) 222,
    doi 10.1109/TASSP.1985.1164493.

    Examples
    --------
    >>> thresholds = linear_thresholds(20, 20)
    >>> 1.04 < thresholds.typical.value / thresholds.mean_square.value < 1.06
    True
    """
    return thresholds_of_steps(*one_step_moments(size, batch_size, draws, seed))


def _factor(learning_rate: float, along: FloatArray, squared: FloatArray) -> FloatArray:
    """F of each step; it is a squared length, so never below 0, whatever rounding says."""
    factor = 1 - 2 * learning_rate * along + learning_rate**2 * squared
    return np.maximum(factor, np.finfo(float).tiny)
