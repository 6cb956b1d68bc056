"""Soft committees in the limit N -> infinity: generalisation error and equations of motion.

Student y = sum_i g(w_i.x/sqrt N), teacher y* = sum_n g(w*_n.x/sqrt N), g(u) = erf(u/sqrt 2),
Gaussian inputs, a fresh batch of m samples for every step of SGD at learning rate eta. With
overlaps Q = w w'/N, R = w w*'/N, T = w* w*'/N and alpha = samples/N,

    dR_in/dalpha = c <delta_i rho_n>,
    dQ_ik/dalpha = c (<delta_i lambda_k> + <delta_k lambda_i>) + c^2 <delta_i delta_k>,

where delta_i = (y* - y) g'(lambda_i) and c = eta/m: at fixed m only the ratio eta/m matters.
All averages are closed forms. D. Saad and S. A. Solla, Phys. Rev. E 52 (1995) 4225,
doi 10.1103/PhysRevE.52.4225.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import integrate

from physbatch.errors import AnalysisError
from physbatch.typing import FloatArray

Array = npt.NDArray[Any]


def _joint(student_overlap: Array, teacher_overlap: Array, teacher_teacher: Array) -> Array:
    """Covariance of the fields (lambda, rho), shape (..., K + M, K + M)."""
    mixed = np.swapaxes(teacher_overlap, -1, -2)
    shape = (*teacher_overlap.shape[:-2], *teacher_teacher.shape[-2:])
    teachers = np.broadcast_to(teacher_teacher, shape)
    return np.block([[student_overlap, teacher_overlap], [mixed, teachers]])


def _output_products(covariance: Array, activation: str) -> Array:
    """<g(x_a) g(x_b)> for all pairs of fields."""
    squares = np.diagonal(covariance, axis1=-2, axis2=-1)
    if activation == "linear":
        return covariance
    if activation == "erf":
        lengths = np.sqrt(1 + squares)
        cosines = covariance / (lengths[..., :, None] * lengths[..., None, :])
        return np.asarray(2 / np.pi * np.arcsin(cosines))
    if activation == "relu":
        lengths = np.sqrt(squares[..., :, None] * squares[..., None, :])
        cosines = np.clip(covariance / np.where(lengths > 0, lengths, 1), -1, 1)
        angles = np.arccos(cosines)
        return np.asarray(lengths * (np.sin(angles) + (np.pi - angles) * cosines) / (2 * np.pi))
    raise AnalysisError(
        f"activation {activation!r}", where="committee", remedy="use erf, relu or linear"
    )


def generalization_error(
    student_overlap: FloatArray,
    teacher_overlap: FloatArray,
    teacher_teacher: FloatArray,
    activation: str = "erf",
) -> FloatArray:
    """Generalisation error <(y - y*)^2>/2 from Q (..., K, K), R (..., K, M) and T (..., M, M).

    For erf, (1/pi) [sum_ik asin(Q_ik/sqrt((1 + Q_ii)(1 + Q_kk))) + the same for T - 2 sum_in
    asin(R_in/sqrt((1 + Q_ii)(1 + T_nn)))]; for relu the arc-cosine kernel (Cho and Saul, NIPS 22
    (2009) 342); also linear. Accurate within 1e-15 of the sums' terms: below 1e-12 use the
    projected engine's.

    >>> float(generalization_error(np.eye(1), np.zeros((1, 1)), np.eye(1)).round(6))
    0.333333
    """
    students = student_overlap.shape[-1]
    covariance = _joint(student_overlap, teacher_overlap, teacher_teacher)
    sign = np.where(np.arange(covariance.shape[-1]) < students, 1.0, -1.0)
    return np.asarray(sign @ _output_products(covariance, activation) @ sign / 2)


def random_student_error(
    students: int, teachers: int, activation: str = "erf", teacher_teacher: FloatArray | None = None
) -> float:
    """Generalisation error of a student with Q = I and R = 0, the random one for N -> infinity."""
    teacher = np.eye(teachers) if teacher_teacher is None else teacher_teacher
    return float(
        generalization_error(np.eye(students), np.zeros((students, teachers)), teacher, activation)
    )


def _triple(c: Array, x: Array, y: Array, z: Array) -> Array:
    """I3 = <g'(x) y g(z)> for fields with indices x, y, z of the covariance c."""
    root = np.sqrt((1 + c[x, x]) * (1 + c[z, z]) - c[x, z] ** 2)
    return np.asarray(
        2 / np.pi * (c[y, z] * (1 + c[x, x]) - c[x, y] * c[x, z]) / (root * (1 + c[x, x]))
    )


def _quadruple(c: Array, x: Array, y: Array, u: Array, v: Array) -> Array:
    """I4 = <g'(x) g'(y) g(u) g(v)>."""
    a, b, xy = 1 + c[x, x], 1 + c[y, y], c[x, y]
    first = a * b - xy**2

    def narrowed(s: Array, t: Array) -> Array:
        """Covariance of s and t under the law that g'(x) g'(y) narrows, times `first`."""
        return np.asarray(
            first * c[s, t]
            - a * c[y, s] * c[y, t]
            - b * c[x, s] * c[x, t]
            + xy * (c[x, s] * c[y, t] + c[x, t] * c[y, s])
        )

    ratio = narrowed(u, v) / np.sqrt((first + narrowed(u, u)) * (first + narrowed(v, v)))
    return np.asarray(4 / np.pi**2 * np.arcsin(ratio) / np.sqrt(first))


def equations_of_motion(
    student_overlap: Array,
    teacher_overlap: Array,
    teacher_teacher: Array,
    rate: float,
    label_noise: float = 0.0,
) -> tuple[Array, Array]:
    """dQ/dalpha and dR/dalpha of the erf committee, alpha = samples/N, at `rate` c = eta/m.

    Q (K, K), R (K, M) and T (M, M) are real or complex; `label_noise` is the variance of the
    Gaussian noise on the teacher's output.
    """
    first, second = _drift_and_noise(student_overlap, teacher_overlap, teacher_teacher, label_noise)
    students = student_overlap.shape[0]
    pull = first[:, :students]
    return rate * (pull + pull.T) + rate**2 * second, rate * first[:, students:]


def _drift_and_noise(q: Array, r: Array, t: Array, label_noise: float) -> tuple[Array, Array]:
    """<delta_i x_a> for every field x_a, shape (K, K + M), and <delta_i delta_k>."""
    c = _joint(q, r, t)
    students, units = r.shape[0], c.shape[0]
    sign = np.where(np.arange(units) < students, -1.0, 1.0)
    i, a, e = np.ix_(range(students), range(units), range(units))
    first = (sign * _triple(c, i, a, e)).sum(axis=-1)
    i, k, e, f = np.ix_(range(students), range(students), range(units), range(units))
    second = (sign[:, None] * sign * _quadruple(c, i, k, e, f)).sum(axis=(-1, -2))
    if label_noise:
        squares = 1 + np.diagonal(q)
        narrow = np.sqrt(squares[:, None] * squares - q**2)
        second = second + label_noise * 2 / np.pi / narrow
    return first, second


@dataclass(frozen=True)
class CommitteeCurve:
    """A solution of the equations of motion; the error is that without label noise."""

    alpha: FloatArray
    student_overlap: FloatArray
    teacher_overlap: FloatArray
    generalization_error: FloatArray


def integrate_equations(
    student_overlap: FloatArray,
    teacher_overlap: FloatArray,
    teacher_teacher: FloatArray,
    rate: float,
    alpha: FloatArray,
    label_noise: float = 0.0,
) -> CommitteeCurve:
    """Solve the equations of motion from the start Q (K, K) and R (K, M), at `rate` c = eta/m.

    The solution is given at the increasing times `alpha` = samples/N >= 0. AnalysisError if the
    integrator does not reach the last one.

    >>> curve = integrate_equations(
    ...     np.eye(1), np.array([[0.1]]), np.eye(1), 1.0, np.array([0.0, 30.0])
    ... )
    >>> bool(curve.generalization_error[1] < 1e-5)
    True
    """
    students, teachers = teacher_overlap.shape
    upper = np.triu_indices(students)

    def unpack(values: FloatArray) -> tuple[FloatArray, FloatArray]:
        q = np.zeros((students, students))
        q[upper] = values[: len(upper[0])]
        q.T[upper] = values[: len(upper[0])]
        return q, values[len(upper[0]) :].reshape(students, teachers)

    def velocity(_: float, values: FloatArray) -> FloatArray:
        q, r = unpack(values)
        velocity_q, velocity_r = equations_of_motion(q, r, teacher_teacher, rate, label_noise)
        return np.concatenate([velocity_q[upper], velocity_r.ravel()])

    start = np.concatenate([student_overlap[upper], teacher_overlap.ravel()])
    solution = integrate.solve_ivp(
        velocity,
        (0.0, float(alpha[-1])),
        start,
        method="DOP853",
        t_eval=alpha,
        rtol=1e-10,
        atol=1e-10,
    )
    if not solution.success:
        raise AnalysisError(
            f"the equations of motion were not solved: {solution.message}",
            where="committee",
            remedy="use a smaller rate or a shorter time",
        )
    states = [unpack(values) for values in solution.y.T]
    q = np.array([state[0] for state in states])
    r = np.array([state[1] for state in states])
    return CommitteeCurve(
        np.asarray(alpha, dtype=np.float64), q, r, generalization_error(q, r, teacher_teacher)
    )
