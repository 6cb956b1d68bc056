"""Theories of discrete weights: one greedy unit, the sparse network of two layers, many legs."""

from __future__ import annotations

import math

import numpy as np

from physbatch.exact import greedy_unit
from physbatch.exact.sparse.branches import spinodal
from physbatch.exact.sparse.closure import overlap_curve
from physbatch.exact.sparse.limit import scaled_overlap, scaled_spinodal
from physbatch.exact.sparse.rates import Ties
from physbatch.study.dynamics import Greedy
from physbatch.study.model import Study
from physbatch.theory.points import Point, Prediction, Threshold, at_points

#: The closure takes minutes for each point beyond.
MOST_LEGS = 7
_FRESH = ("binary", "gaussian")


def why_not_unit(study: Study) -> str:
    """Why the exact chain of one unit does not hold, or nothing."""
    system, dynamics = study.system, study.dynamics
    if dynamics.kind not in ("greedy", "metropolis") or system.weights != "binary":
        return "weights must be binary, and moves greedy or metropolis"
    if system.depth != 1 or system.inputs.kind not in _FRESH:
        return "depth must be 1 and inputs fresh"
    if getattr(dynamics, "refresh", "") != "proposal":
        return "the batch must be fresh for every proposal (refresh = 'proposal')"
    return ""


def unit(study: Study) -> Prediction:
    """Mean overlap of independent units at the end of the run, exact at every size."""
    duration = study.measurement.measuring_times()[-1]
    dynamics = study.dynamics
    ties = dynamics.ties if isinstance(dynamics, Greedy) else "accept"

    def overlap(point: Point) -> float:
        layer = study.architecture(
            point.size, None if math.isnan(point.degree) else int(point.degree)
        ).layers[0]
        proposal = greedy_unit.transition_matrix(
            layer.fan_in,
            point.batch_size,
            ties=ties,
            temperature=None if math.isnan(point.temperature) else point.temperature,
            inputs="gaussian" if study.system.gaussian_inputs else "binary",
        )
        # Of all units one is chosen, so that each waits most of the time.
        step = np.eye(len(proposal)) + (proposal - np.eye(len(proposal))) / layer.units
        start = greedy_unit.initial_law(layer.fan_in, point.initial_overlap)
        law = start @ np.linalg.matrix_power(step, duration * layer.edges)
        return greedy_unit.overlap_and_perfect(law)[0]

    return at_points(
        study,
        overlap,
        theory="exact chain of one greedy unit",
        quantity="overlap",
        time=float(duration),
    )


def why_not_sparse(study: Study) -> str:
    """Why the theory of the sparse network does not hold, or nothing."""
    system, dynamics = study.system, study.dynamics
    for problem, holds in (
        ("moves must be greedy", isinstance(dynamics, Greedy)),
        ("weights must be binary", system.weights == "binary"),
        ("wiring must be regular", system.wiring.kind == "regular"),
        ("depth must be 2", system.depth == 2),
        ("output must be vector", system.output == "vector"),
        ("all layers must be learned", system.learned_layers == "all"),
        ("inputs must be binary and fresh", system.inputs.kind == "binary"),
        ("the student must know the wiring", system.student_wiring.kind == "teacher"),
        (
            "the batch must be fresh for every proposal (refresh = 'proposal'): one that is kept "
            "for a sweep is remembered, and no theory of that is known",
            getattr(dynamics, "refresh", "") == "proposal",
        ),
    ):
        if not holds:
            return problem
    return ""


def sparse(study: Study) -> Prediction:
    """Overlap of the star closure up to d = 7, and of the limit of many legs beyond."""
    dynamics = study.dynamics
    assert isinstance(dynamics, Greedy)
    ties: Ties = dynamics.ties
    duration = float(study.measurement.measuring_times()[-1])
    small = [degree for degree in study.degrees if degree <= MOST_LEGS]
    many = ties == "reject" and len(small) < len(study.degrees)
    known: dict[tuple[float, ...], float] = {}

    def overlap(point: Point) -> float:
        key = point.degree, point.batch_size, point.initial_overlap
        if key not in known:
            known[key] = _overlap(point, ties, duration)
        return known[key]

    thresholds = []
    for degree in study.degrees if ties == "reject" else ():
        limit = scaled_spinodal().batch_size * degree**2
        if degree in small:
            m_s = spinodal(degree).batch_size
            thresholds.append(Threshold(f"m_s, d = {degree}, star closure", m_s))
        thresholds.append(Threshold(f"m_s, d = {degree}, 1.6085 d^2", limit))
    return at_points(
        study,
        overlap,
        theory="star closure of the sparse network" if small else "sparse network with many legs",
        quantity="overlap",
        time=duration if not many else math.nan,
        thresholds=thresholds,
        assumptions=(
            "N -> infinity: a tree; loops enter as 1/N",
            *(("the readers of a hidden unit see independent outputs",) if small else ()),
            *((f"d -> infinity, stationary, beyond d = {MOST_LEGS}",) if many else ()),
        ),
    )


def _overlap(point: Point, ties: Ties, duration: float) -> float:
    degree = int(point.degree)
    if degree <= MOST_LEGS:
        start = point.initial_overlap
        curve = overlap_curve(
            degree, point.batch_size, [duration], ties=ties, initial_overlap=start
        )
        return float(curve[-1])
    return scaled_overlap(point.batch_size / degree**2) if ties == "reject" else math.nan
