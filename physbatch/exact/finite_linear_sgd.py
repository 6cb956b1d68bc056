"""Linear least squares by SGD on a finite set of samples: exact stationary covariance.

With e = w - w0 the distance to the least-squares solution and r_mu = y_mu - x_mu w0 the
residuals, a step on the batch B is

    u <- beta u - eta (H_B e - g_B),   e <- e + u,
    H_B = (1/m) sum_{mu in B} x_mu x_mu',   g_B = (1/m) sum_{mu in B} r_mu x_mu,

which is linear in (e, u) with coefficients that are independent from step to step. So the
second moments obey a closed linear equation at any eta, m and momentum: no small-noise or
continuous-time limit is taken.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from physbatch.errors import AnalysisError
from physbatch.typing import FloatArray

_TOLERANCE = 1e-13
_MOST_ITERATIONS = 20_000


@dataclass(frozen=True)
class StationaryCovariance:
    """Second moments of SGD in its stationary state: `covariance` is E[e e'], shape (N, N).

    `small_rate` is what first order in eta predicts: the solution of H C + C H = eta S_m / (1 -
    beta), with S_m the covariance of the batch gradient at w0. At beta > 0 that is the usual
    statement that momentum multiplies the noise scale by 1/(1 - beta). `excess_loss` is tr(H C)/2,
    the mean loss above its minimum.
    """

    covariance: FloatArray
    small_rate: FloatArray
    excess_loss: float


def stationary_covariance(
    inputs: FloatArray,
    targets: FloatArray,
    *,
    learning_rate: float,
    batch_size: int,
    replacement: bool,
    momentum: float = 0.0,
) -> StationaryCovariance:
    """Exact stationary covariance of linear SGD on inputs (P, N) of full rank and targets (P,).

    The loss of a sample is (y_mu - w x_mu)^2 / 2. Batches of m samples are drawn anew at each step;
    kappa = 1/m with replacement, (P - m)/(m (P - 1)) without. The second moments M of z = (e, u)
    obey

        M = A M A' + kappa eta^2 J [mean(D_mu C D_mu) + mean(r_mu^2 x_mu x_mu')] J',

    with D_mu = x_mu x_mu' - H, C = E[e e'], J = (1, 1)' and A the mean step. It is iterated from
    the solution without multiplicative noise. AnalysisError if the samples do not determine the
    weights, or the second moments diverge, so that no stationary state exists. Ziyin, Liu, Mori and
    Ueda, arXiv 2102.05375 (2021), treat the same equation.

    >>> rng = np.random.default_rng(0)
    >>> inputs = rng.normal(size=(50, 2))
    >>> state = stationary_covariance(inputs, inputs @ [1.0, 2.0] + rng.normal(size=50),
    ...                               learning_rate=0.01, batch_size=1, replacement=True)
    >>> bool(np.allclose(state.covariance, state.small_rate, rtol=0.05, atol=1e-4))
    True
    """
    count, size = inputs.shape
    curvature = inputs.T @ inputs / count
    if np.linalg.matrix_rank(inputs) < size:
        raise AnalysisError(
            f"{count} samples do not determine {size} weights",
            where="stationary_covariance",
            remedy="give more samples, or fewer inputs",
        )
    if not 1 <= batch_size <= count:
        raise AnalysisError(f"batch size {batch_size} of {count} samples", where="batch_size")
    best = np.linalg.lstsq(inputs, targets, rcond=None)[0]
    residuals = targets - inputs @ best
    kappa = 1 / batch_size
    if not replacement:
        kappa *= (count - batch_size) / (count - 1) if count > 1 else 0.0
    gradient_noise = (inputs * residuals[:, None] ** 2).T @ inputs / count
    squared_norms = np.einsum("pi,pj->pij", inputs, inputs)
    unit = np.eye(size)
    step = np.block(
        [
            [unit - learning_rate * curvature, momentum * unit],
            [-learning_rate * curvature, momentum * unit],
        ]
    )

    def noise(covariance: FloatArray) -> FloatArray:
        """kappa eta^2 times the covariance of the batch gradient at this spread of e."""
        overlap = np.einsum("pij,ij->p", squared_norms, covariance)
        multiplicative = np.einsum("p,pij->ij", overlap, squared_norms) / count
        multiplicative -= curvature @ covariance @ curvature
        both = kappa * learning_rate**2 * (multiplicative + gradient_noise)
        return np.block([[both, both], [both, both]])

    covariance = _fixed_point(step, noise, size)
    small = linalg.solve_continuous_lyapunov(
        curvature, learning_rate * kappa * gradient_noise / (1 - momentum)
    )
    return StationaryCovariance(
        covariance=covariance,
        small_rate=small,
        excess_loss=float(np.trace(curvature @ covariance)) / 2,
    )


def _fixed_point(
    step: FloatArray, noise: Callable[[FloatArray], FloatArray], size: int
) -> FloatArray:
    """E[e e'] of M = A M A' + noise(M), by iteration from 0."""
    if np.max(np.abs(np.linalg.eigvals(step))) >= 1:
        raise _diverges("the mean")
    covariance: FloatArray = np.zeros((size, size))
    previous_change = np.inf
    for iteration in range(_MOST_ITERATIONS):
        moments = linalg.solve_discrete_lyapunov(step, noise(covariance))
        change = float(np.max(np.abs(moments[:size, :size] - covariance)))
        covariance = np.asarray(moments[:size, :size], dtype=np.float64)
        scale = float(np.max(np.abs(covariance)))
        if change <= _TOLERANCE * scale or scale == 0:
            return covariance
        # The map is linear and positive: increments that grow never stop growing.
        if not np.isfinite(change) or (iteration > 50 and change > previous_change):
            raise _diverges("the variance")
        previous_change = change
    raise _diverges("the variance, to the accuracy of floating-point numbers,")


def _diverges(what: str) -> AnalysisError:
    return AnalysisError(
        f"{what} of the weights diverges",
        where="stationary_covariance",
        remedy="lower the learning rate or raise the batch size",
    )
