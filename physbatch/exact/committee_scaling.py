r"""Scaling function of the committee's active state above its threshold, one unit (K = M = 1).

For c = eta/m just above c_max the distance to the teacher Delta = |w - w*|^2/N stays finite. With
y = N Delta, x = N (c/c_max - 1) and time tau = alpha/N the slow mode obeys, to leading order in
1/N, a logistic equation with multiplicative noise,

.. math:: d \ln y = \left[A (x - x_c) - \frac{A}{S} y\right] d\tau + \sqrt{C}\, dW,

where x_c is the shift of the threshold at finite N (`finite_size_shift`), S the slope of the
stationary Delta of the equations of motion in c/c_max - 1, A = c_max^2 <s^2> and C the variance of
ln y per unit of tau. Its stationary law is a gamma law, whose mean follows from <d ln y> = 0:

.. math:: \langle y \rangle = S\, (x - x_c), \qquad
    \frac{\mathrm{var}\, y}{\langle y \rangle^2} = \frac{C}{2 A (x - x_c)}.

So Delta = f(N (c - c_c))/N with f linear above the threshold and zero below: beta = 1 and nu = 1
per volume, and the relative variance is a function of x alone, as it is at a continuous transition.
"""

from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import optimize

from physbatch.errors import AnalysisError
from physbatch.exact.committee import equations_of_motion
from physbatch.exact.committee_stability import finite_size_shift, half_noise, largest_rate
from physbatch.typing import FloatArray

_WHERE = "committee"
_LARGEST = 1.0  # Delta up to which the active state is followed


def _rate_of(distance: float) -> float:
    """c/c_max - 1 at which the stationary Delta of the equations of motion is `distance`."""

    def velocities(values: FloatArray) -> list[float]:
        excess, parallel = values * distance  # parallel = R - 1
        rate = largest_rate(1) * (1 + excess)
        student = np.array([[1 + 2 * parallel + distance]])
        velocity = equations_of_motion(student, np.array([[1 + parallel]]), np.eye(1), rate)
        return [float(part[0, 0] / distance**2) for part in velocity]

    # Close to the solution at all distances: a far guess would leave R^2 <= Q.
    guess = [1.17 / (1 + 2.9 * distance), 1.5 / (1 + 1.9 * distance)]
    root = optimize.root(velocities, guess, tol=1e-10)
    if not np.abs(root.fun).max() < 1e-6:
        raise AnalysisError(f"no stationary state at Delta = {distance:.3g}", where=_WHERE)
    return float(root.x[0] * distance)


def stationary_distance(rate: float) -> float:
    """Stationary Delta = |w - w*|^2/N of one unit at c = eta/m for N -> infinity; 0 up to c_max.

    AnalysisError if Delta is above 1.

    >>> round(stationary_distance(1.1 * largest_rate(1)), 6), stationary_distance(4.0)
    (0.113753, 0.0)
    """
    excess = rate / largest_rate(1) - 1
    if excess <= 0:
        return 0.0
    low = 0.5 * active_state_slope() * excess
    high = low
    while _rate_of(high) < excess:
        high *= 1.5
        if high > _LARGEST:
            raise AnalysisError(
                f"no stationary state with Delta up to {_LARGEST:g} at c = {rate:.4g}",
                where=_WHERE,
                remedy="use a smaller rate",
            )
    if high == low:
        low = 0.1 * high
    return float(optimize.brentq(lambda d: _rate_of(d) - excess, low, high, xtol=1e-14))


@cache
def active_state_slope() -> float:
    """S = d Delta/d(c/c_max) of the stationary state at c_max, for N -> infinity; about 0.857."""
    # Delta/excess is smooth in Delta: two steps of Richardson's extrapolation to 0.
    step = 4e-3
    coarse, middle, fine = (d / _rate_of(d) for d in (4 * step, 2 * step, step))
    once, twice = 2 * middle - coarse, 2 * fine - middle
    return (4 * twice - once) / 3


def active_state(distance: npt.ArrayLike, batch_size: float = 1) -> tuple[FloatArray, FloatArray]:
    """Mean and relative variance of N Delta at x = N (c/c_max - 1), to leading order in 1/N.

    S (x - x_c) and C/(2 A (x - x_c)) of a gamma law; 0 and nan below the threshold x_c (which the
    batch size m moves), where the perfect student is absorbing.
    """
    beyond = np.asarray(distance, dtype=np.float64) - finite_size_shift(batch_size)
    above = beyond > 0
    mean = np.where(above, active_state_slope() * beyond, 0.0)
    relative = np.divide(half_noise(), beyond, out=np.full(beyond.shape, np.nan), where=above)
    return np.asarray(mean), np.asarray(relative)
