"""Mixtures of fits: moments, the price of points that are left out, windows."""

from __future__ import annotations

import math

import numpy as np
import pytest

from physbatch.scaling.data_collapse.total.mixture import moments_of, total_of, whole_nodes
from physbatch.scaling.data_collapse.total.nodes import Node, nodes_of
from tests.unit.scaling.data_collapse.total.problems import PLAIN, problem


def node(values: dict[str, float], errors: dict[str, float], log_weight: float) -> Node:
    """A fit of one observable with independent errors, as they are fitted."""
    objective, vector = problem(("m",))
    form = objective.form
    vector = np.concatenate([form.vector(values), vector[len(form.names) :]])
    slopes = form.jacobian(vector[: len(form.names)])
    covariance = 1e-12 * np.eye(len(vector))
    inverse = np.linalg.inv(slopes)
    physical = np.diag([errors[name] ** 2 for name in form.names])
    covariance[: len(form.names), : len(form.names)] = inverse @ physical @ inverse.T
    return Node(objective, vector, covariance, log_weight)


def test_moments_of_a_mixture() -> None:
    first = node(
        {"c_c": 1.0, "nu": 1.0, "zeta": -0.1}, {"c_c": 0.01, "nu": 0.03, "zeta": 0.02}, 5.0
    )
    second = node(
        {"c_c": 1.1, "nu": 1.2, "zeta": -0.1}, {"c_c": 0.02, "nu": 0.04, "zeta": 0.01}, 5.0
    )
    second = second._replace(log_weight=5.0 + math.log(3.0))
    moments = moments_of([first, second])
    assert moments["c_c"].value == pytest.approx(0.25 * 1.0 + 0.75 * 1.1)
    between = 0.25 * 0.75 * 0.1**2
    assert moments["c_c"].total == pytest.approx(
        math.sqrt(0.25 * 0.01**2 + 0.75 * 0.02**2 + between), rel=1e-5
    )
    between = 0.25 * 0.75 * 0.2**2
    assert moments["nu"].total == pytest.approx(
        math.sqrt(0.25 * 0.03**2 + 0.75 * 0.04**2 + between), rel=1e-5
    )
    # zeta/nu: errors of both, by the slopes of the ratio
    alone = moments_of([first])["zeta/nu"]
    assert alone.value == pytest.approx(-0.1)
    assert alone.total == pytest.approx(math.hypot(0.02, 0.1 * 0.03), rel=1e-5)


def test_the_whole_and_the_windows_are_averaged() -> None:
    objective, vector = problem(("U",))
    grounds = objective.grounds
    nodes = whole_nodes(grounds, np.concatenate([vector[:3], PLAIN]))
    total = total_of(nodes)
    by_window = {(cut.size_min, cut.fraction): cut for cut in total.cuts}
    assert set(by_window) >= {(8.0, 1.0), (16.0, 1.0)}
    assert sum(cut.weight for cut in total.cuts) == pytest.approx(1.0)
    whole = moments_of(nodes)
    assert whole == by_window[8.0, 1.0].moments
    for name, stated in total.moments.items():
        weights, values, errors = np.array(
            [(cut.weight, *cut.moments[name]) for cut in total.cuts]
        ).T
        mean = float(weights @ values)
        variance = float(weights @ (errors**2 + values**2)) - mean**2
        assert stated.value == pytest.approx(0.5 * (whole[name].value + mean))
        between = 0.25 * (whole[name].value - mean) ** 2
        expected = 0.5 * (whole[name].total ** 2 + variance) + between
        assert stated.total**2 == pytest.approx(expected, rel=1e-6)


def test_the_price_of_points_left_out() -> None:
    """A point that is left out counts as -ln(sqrt(2 pi) e) - 1, e with the factor of the best."""
    objective, vector = problem(("U",))
    grounds = objective.grounds
    nodes = whole_nodes(grounds, np.concatenate([vector[:3], PLAIN]))
    total = total_of(nodes)
    heights = {(cut.size_min, cut.fraction): math.log(cut.weight) for cut in total.cuts}
    keep = grounds.table.size >= 16
    factor = math.exp(float(total.best.log_noise[0]))
    errors = factor * grounds.table.errors["U"][~keep] / grounds.units[0]
    price = float((-np.log(math.sqrt(2 * math.pi) * errors) - 1.0).sum())
    window = nodes_of(total.best.objective.of(grounds.table.select(keep)), total.best.vector)
    evidence, whole = (
        np.logaddexp.reduce([fit.log_weight for fit in fits]) for fits in (list(window), nodes)
    )
    expected = evidence + price - whole
    assert heights[16.0, 1.0] - heights[8.0, 1.0] == pytest.approx(expected, abs=1e-6)
