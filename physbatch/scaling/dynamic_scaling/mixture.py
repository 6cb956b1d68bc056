"""Values with one total error: corrections to scaling and the earliest times averaged over.

As for the collapse in size, the strength B of the corrections and their exponent omega are summed
over, each pair with its evidence (Laplace) and a prior. A second mixture leaves the early times
out. The value is the mean of the two; half of their difference is part of the error.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from physbatch.scaling.dynamic_scaling.objective import Objective
from physbatch.scaling.dynamic_scaling.search import Optimum, on_all_points
from physbatch.tables.times import TimeTable
from physbatch.typing import FloatArray

#: Strengths in units of the curve; omega per decade of what is usual in times.
_STRENGTHS = (0.03, 0.2, 0.8)
_OMEGAS = (0.3, 0.6, 1.2)
_STRENGTH_SCALE, _OMEGA_MIDDLE, _OMEGA_WIDTH = 0.3, 0.6, 0.5
#: Fits this far below the best count for nothing.
_NEGLIGIBLE = 7.0
#: Part of ln(t_max/t_min) that the second mixture leaves out, and what it must keep.
_EARLY = 0.25
_LEAST_TIMES, _LEAST_POINTS = 5, 20


class Moments(NamedTuple):
    """Mean and covariance of the parameters as they are fitted."""

    mean: FloatArray
    covariance: FloatArray


class Total(NamedTuple):
    """The answer, and the best fit to all points."""

    moments: Moments
    plain: Moments  # of the best fit alone
    best: Optimum
    log_noise: FloatArray  # ln of the factor on the errors of each observable
    noise_deviation: FloatArray
    late_from: float  # where the second mixture begins; nan without one


class _Node(NamedTuple):
    objective: Objective
    vector: FloatArray
    covariance: FloatArray
    log_weight: float


def total_of(start: Optimum, table: TimeTable) -> Total | None:
    """Mean and covariance over corrections and windows; None where no fit has a maximum."""
    nodes = _nodes(start)
    if not nodes:
        return None
    whole = _mixed(nodes, start.objective.count)
    best = max(nodes, key=lambda node: node.log_weight)
    late, moments = math.nan, whole
    low, high = float(table.time.min()), float(table.time.max())
    first = low * (high / low) ** _EARLY
    falling = start.objective.frame.falling
    keep = table.time <= high / (high / low) ** _EARLY if falling else table.time >= first
    if np.unique(table.time[keep]).size >= _LEAST_TIMES and keep.sum() >= _LEAST_POINTS:
        part = start.objective.table
        rows = part.time <= high / (high / low) ** _EARLY if falling else part.time >= first
        known = start._replace(vector=best.vector)
        later = _nodes(on_all_points(known, part.select(rows)))
        if later:
            cut = _mixed(later, start.objective.count)
            apart = cut.mean - whole.mean
            late = float(part.time[rows].max() if falling else part.time[rows].min())
            moments = Moments(
                0.5 * (whole.mean + cut.mean),
                # Wider than the variance of a mean of two that share points, on purpose.
                0.5 * (whole.covariance + cut.covariance) + 0.25 * np.multiply.outer(apart, apart),
            )
    count = start.objective.count
    noise = _noise_rows(best.objective)
    return Total(
        moments,
        Moments(best.vector[:count], best.covariance[:count, :count]),
        start._replace(objective=best.objective, vector=best.vector, value=best.log_weight),
        best.vector[noise],
        np.sqrt(np.diag(best.covariance)[noise]),
        late,
    )


def _noise_rows(objective: Objective) -> list[int]:
    rows, row = [], objective.count
    for part in objective.parts:
        rows.append(row + part.names.index("noise"))
        row += len(part.names)
    return rows


def _nodes(start: Optimum) -> list[_Node]:
    """Fits on the grid of corrections, each begun where the last one ended."""
    climbed = []
    vector = start.vector
    for omega in _OMEGAS:
        for strength in _STRENGTHS:
            objective = start.objective.with_corrections(strength, omega)
            vector, value = objective.climb(vector)
            relative = strength / _STRENGTH_SCALE
            prior = math.log(relative) - 0.5 * relative**2
            prior -= 0.5 * (math.log(omega / _OMEGA_MIDDLE) / _OMEGA_WIDTH) ** 2
            climbed.append((value + prior, objective, vector))
    highest = max(height for height, *_ in climbed)
    nodes = []
    for height, objective, vector in climbed:
        if height < highest - _NEGLIGIBLE:
            continue
        with np.errstate(all="ignore"):
            bend = objective.curvature(vector)
        if not np.isfinite(bend).all():
            continue
        strength_of, modes = np.linalg.eigh(bend)
        if strength_of.min() <= 0.0:
            continue
        volume = -0.5 * float(np.log(strength_of).sum())
        covariance = (modes / strength_of) @ modes.T
        nodes.append(_Node(objective, vector, covariance, height + volume))
    return nodes


def _mixed(nodes: list[_Node], count: int) -> Moments:
    logs = np.array([node.log_weight for node in nodes])
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    means = np.array([node.vector[:count] for node in nodes])
    mean = weights @ means
    within = np.einsum("n,nij->ij", weights, [n.covariance[:count, :count] for n in nodes])
    between = np.einsum("n,ni,nj->ij", weights, means - mean, means - mean)
    return Moments(mean, within + between)
