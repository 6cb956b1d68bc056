"""Theories of stochastic gradient descent: a linear student, and the soft committee."""

from __future__ import annotations

import math

import numpy as np

from physbatch.exact import linear_sgd
from physbatch.exact.committee_stability import finite_size_shift, jacobian, largest_rate
from physbatch.study.dynamics import SGD
from physbatch.study.model import Study
from physbatch.study.system import DenseWiring, GaussianInputs
from physbatch.theory.points import Point, Prediction, Threshold, at_points, points_of


def _why_not_plain(study: Study) -> str:
    """Why it is not plain one-pass gradient descent on fresh Gaussian inputs, or nothing."""
    dynamics = study.dynamics
    if not isinstance(dynamics, SGD):
        return "dynamics must be sgd"
    plain = dynamics.momentum == 0 and dynamics.loss == "mean-square"
    if not plain or dynamics.sampling != "one-pass":
        return "sgd must be one-pass, without momentum, on the mean-square loss"
    if not isinstance(study.system.inputs, GaussianInputs):
        return "inputs must be gaussian and fresh"
    return ""


def why_not_linear(study: Study) -> str:
    """Why the laws of a linear student do not hold, or nothing."""
    system = study.system
    if system.depth != 1 or system.activation != "linear":
        return "depth must be 1 and activation linear"
    if system.wiring.kind != "dense" or system.student_wiring.kind != "teacher":
        return "wiring must be dense"
    return _why_not_plain(study)


def linear(study: Study) -> Prediction:
    """Growth of the squared error by step, and both thresholds at every size and rate."""
    scaled = study.system.field_scaling == "sqrt_fan_in"

    def rate(point: Point) -> float:
        return point.learning_rate / (point.size if scaled else 1)

    def growth(point: Point) -> float:
        return math.log(linear_sgd.mean_square_factor(rate(point), point.size, point.batch_size))

    thresholds: dict[tuple[int, float], list[Threshold]] = {}
    dynamics = study.dynamics
    fixed = isinstance(dynamics, SGD) and dynamics.learning_rate.rule == "fixed"
    for point in points_of(study) if fixed else ():
        key = point.size, point.learning_rate
        if key in thresholds:
            continue
        of = f"N = {point.size}, eta = {point.learning_rate:g}"
        m_c = linear_sgd.mean_square_threshold(rate(point), point.size)
        thresholds[key] = [Threshold("m_c of the mean square", m_c, point.size, of)]
        if math.isfinite(m_c):
            typical = linear_sgd.typical_threshold(rate(point), point.size)
            thresholds[key] += [Threshold("m_c of single students", typical, point.size, of)]
    return at_points(
        study,
        growth,
        theory="exact moments of a linear student",
        quantity="ln of the factor of the mean squared error by step, without label noise",
        thresholds=[threshold for some in thresholds.values() for threshold in some],
    )


def why_not_committee(study: Study) -> str:
    """Why the equations of the soft committee do not hold, or nothing."""
    system = study.system
    for problem, holds in (
        ("depth must be 2, with the first layer learned",
         system.depth == 2 and system.learned_layers == "first"),
        ("activation must be erf and readout linear",
         system.activation == "erf" and system.readout == "linear"),
        ("output must be scalar and wiring dense",
         system.output == "scalar" and system.wiring.kind == "dense"),
        ("field_scaling must be sqrt_fan_in", system.field_scaling == "sqrt_fan_in"),
        ("student and teacher must have as many units",
         getattr(system.student_wiring, "hidden_units", None) is None),
    ):  # fmt: skip
        if not holds:
            return problem
    return _why_not_plain(study)


def committee(study: Study) -> Prediction:
    """Growth rate of a small deviation from the perfect committee, and where it changes sign."""
    wiring, dynamics = study.system.wiring, study.dynamics
    assert isinstance(wiring, DenseWiring)
    assert isinstance(dynamics, SGD)
    units = study.architecture(max(study.grid.size), None).layers[0].units
    most = largest_rate(units)

    def growth(point: Point) -> float:
        values = np.linalg.eigvals(jacobian(units, point.learning_rate / point.batch_size))
        return float(values.real.max())

    thresholds: dict[str, Threshold] = {}
    rule = dynamics.learning_rate.rule
    for point in points_of(study) if rule != "per-sample" else ():
        base = point.learning_rate / (math.sqrt(point.batch_size) if rule == "sqrt" else 1.0)
        m_c = base / most if rule == "fixed" else (base / most) ** 2
        of = f"eta = {base:g}{' sqrt(m)' * (rule == 'sqrt')}"
        of_point = [Threshold("m_c, N -> infinity", m_c, of=of)]
        if units == 1 and rule == "fixed" and m_c >= 1:
            shifted = m_c / (1 + finite_size_shift(m_c) / point.size)
            words = f"N = {point.size}, eta = {base:g}"
            of_point.append(Threshold("m_c to order 1/N", shifted, point.size, words))
        thresholds |= {threshold.name: threshold for threshold in of_point}
    return at_points(
        study,
        growth,
        theory=f"equations of motion of the soft committee, K = {units}",
        quantity="growth rate by alpha of a small deviation from the perfect student",
        thresholds=list(thresholds.values()),
        assumptions=(
            "N -> infinity",
            *(() if study.system.teacher_vectors == "orthogonal" else ("teacher vectors have "
              "overlaps T = 1, which independent ones have for N -> infinity",)),
        ),
    )  # fmt: skip
