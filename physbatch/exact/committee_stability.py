"""Plateaus and stability of the soft committee: where learning stalls and where it is lost.

With orthogonal teacher vectors (T = I) and K = M erf units the equations of motion of
`physbatch.exact.committee` have two fixed points of interest. On the *plateau* all student
units are alike; at small rates most of the learning time is spent there. In the *specialised*
state each student unit equals a teacher unit. It is stable for c = eta/m below c_max(K) =
`largest_rate`, so that learning needs m > m_c = eta/c_max(K). At finite N the threshold is
lower by a relative amount of order 1/N, see `finite_size_shift`.

D. Saad and S. A. Solla, Phys. Rev. E 52 (1995) 4225, doi 10.1103/PhysRevE.52.4225.
"""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import pi, sqrt

import numpy as np
from scipy import optimize

from physbatch.errors import AnalysisError
from physbatch.exact.committee import equations_of_motion, generalization_error
from physbatch.typing import FloatArray

_WHERE = "committee"


@dataclass(frozen=True)
class Plateau:
    """The fixed point at which all student units are alike: one Q_ik and one R_in for all pairs."""

    student_overlap: float
    teacher_overlap: float
    generalization_error: float


def plateau(units: int) -> Plateau:
    """The symmetric plateau of K = M >= 2 units, T = I, in the limit of small rates.

    Where the drift of Q and R vanishes, found numerically; AnalysisError if it was not found.

    >>> round(plateau(2).generalization_error, 7), round(plateau(3).generalization_error, 7)
    (0.0116108, 0.0202966)
    """
    if units < 2:
        raise AnalysisError(
            f"a plateau of {units} units", where=_WHERE, remedy="use two units or more"
        )
    alike = np.ones((units, units))

    def drift(values: FloatArray) -> list[float]:
        # Of first order in the rate.
        small = 1e-30
        velocity_q, velocity_r = equations_of_motion(
            values[0] * alike, values[1] * alike, np.eye(units), small
        )
        return [float(velocity_q[0, 0] / small), float(velocity_r[0, 0] / small)]

    root = optimize.root(drift, [0.5 / units, 0.5 / units], tol=1e-14)
    student, mixed = (float(value) for value in root.x)
    if np.abs(drift(root.x)).max() > 1e-12 or not (student > 0 and mixed > 0):
        raise AnalysisError(f"no plateau found for {units} units", where=_WHERE)
    error = generalization_error(student * alike, mixed * alike, np.eye(units))
    return Plateau(student, mixed, float(error))


@cache
def _jacobian_parts(units: int) -> tuple[FloatArray, FloatArray]:
    """Matrices J1 and J2 of the Jacobian c J1 + c^2 J2 at the specialised state."""
    upper = np.triu_indices(units)
    pairs = len(upper[0])
    count = pairs + units**2
    columns = []
    # Derivatives by an imaginary step, which have no rounding error to speak of.
    step = 1e-30
    for direction in range(count):
        change = np.zeros(count)
        change[direction] = 1.0
        q = np.eye(units, dtype=np.complex128)
        q[upper] += 1j * step * change[:pairs]
        q.T[upper] = q[upper]
        r = np.eye(units) + 1j * step * change[pairs:].reshape(units, units)
        rows = []
        for rate in (1.0, 2.0):
            velocity_q, velocity_r = equations_of_motion(q, r, np.eye(units), rate)
            rows.append(np.concatenate([velocity_q[upper], velocity_r.ravel()]).imag / step)
        columns.append(rows)
    slow, fast = np.array(columns).transpose(1, 2, 0)
    return (4 * slow - fast) / 2, (fast - 2 * slow) / 2


def jacobian(units: int, rate: float) -> FloatArray:
    """Jacobian of the equations of motion at Q = R = T = I, K = M, c = eta/m; shape (n, n).

    n = K (K + 1)/2 + K^2: the upper triangle of Q, then R, row by row.
    """
    first, second = _jacobian_parts(units)
    return np.asarray(rate * first + rate**2 * second)


@cache
def largest_rate(units: int) -> float:
    """c_max(K): the specialised state of K = M >= 1 units is stable for eta/m below it.

    The smallest c, up to 100, at which an eigenvalue of the Jacobian has a real part of zero. For N
    -> infinity learning therefore needs a batch larger than m_c = eta/c_max.

    >>> bool(abs(largest_rate(1) - pi * sqrt(5 / 3)) < 1e-12)
    True
    """
    if units < 1:
        raise AnalysisError(f"{units} units", where=_WHERE, remedy="use one or more")

    def growth(rate: float) -> float:
        return float(np.linalg.eigvals(jacobian(units, rate) / rate).real.max())

    grid = np.linspace(0.01, 100, 2000)
    for low, high in pairwise(grid):
        if growth(low) < 0 <= growth(high):
            return float(optimize.brentq(growth, low, high, xtol=1e-14, rtol=1e-14))
    raise AnalysisError(f"no largest rate for {units} units", where=_WHERE)


def finite_size_shift(batch_size: float) -> float:
    """N times the relative shift of the threshold in eta/m at size N, for K = M = 1, m >= 1.

    A single replica stays near the perfect state if the logarithm of its distance a = w - w* falls
    on average. To first order in 1/N, at c_max = `largest_rate(1)`,

        c_c(N)/c_max - 1 = -(1/N) [1 + 3/25 - (3/2) v + (m - 1) sqrt(5)/3],

    with s = g'(rho)^2 and v = <(c^2 s^2 - 2 c s)^2>/(c^2 <s^2>). The terms are: the fourth moment
    of the field along a; the part of a along w*, whose mean square is of order 1/N; minus half the
    variance of a step, since the mean logarithm is below the logarithm of the mean; and pairs of
    samples in a batch. Without the third term it is the mean-square threshold.

    >>> round(finite_size_shift(1), 3), round(finite_size_shift(5), 3)
    (-0.76, -3.741)
    """
    s = _slope_moments()
    # A factor rho^2 divides <s^k> by 2 k + 1.
    along = largest_rate(1) * (s[2] / 5) ** 2 / (2 * (s[1] / 3) * s[2])
    pairs = (batch_size - 1) * s[1] ** 2 / s[2]
    return -(1 + along - half_noise() + pairs)


def half_noise() -> float:
    """C/(2 A): half the variance of ln Delta per unit of tau over the growth rate's slope.

    The slope is that in c/c_max at c_max; 3 = <u^4> of the field u along w - w*.
    """
    s, rate = _slope_moments(), largest_rate(1)
    variance = 3 * (rate**4 * s[4] - 4 * rate**3 * s[3] + 4 * rate**2 * s[2])
    return variance / (2 * rate**2 * s[2])


def _slope_moments() -> list[float]:
    """<s^k> = (2/pi)^k/sqrt(2 k + 1) of s = g'(rho)^2, k = 0 to 4."""
    return [(2 / pi) ** k / sqrt(2 * k + 1) for k in range(5)]


def relu_rate(size: int, batch_size: float) -> float:
    """eta/m at which the mean square of a small deviation from a perfect relu unit starts to grow.

    Of x and -x one is active, so that even moments of the active inputs are half of those of all. A
    step d -> (1 - eta H) d with H = sum over the active x of x x'/(m N) has <H> = 1/(2 N) and <H^2>
    = [(N + 2)/(2 m) + (1 - 1/m)/4]/N^2. The factor of d^2, 1 - 2 eta <H> + eta^2 <H^2>, is 1 at
    eta/m = 4 N/(2 N + m + 3).
    """
    return 4 * size / (2 * size + batch_size + 3)
