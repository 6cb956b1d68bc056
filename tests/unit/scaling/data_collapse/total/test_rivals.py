"""Rivals of the power law: a drift of c_c, a factor (ln N)^p, and Kosterlitz and Thouless."""

from __future__ import annotations

import numpy as np
import pytest

from physbatch.exact.scaling_functions import planted_table
from physbatch.scaling.data_collapse.forms import make_form
from physbatch.scaling.data_collapse.starts import global_optima
from physbatch.scaling.data_collapse.total.mixture import total_of, whole_nodes
from physbatch.scaling.data_collapse.total.nodes import Node, log_sum
from physbatch.scaling.data_collapse.total.objective import Corrected, Grounds
from physbatch.scaling.data_collapse.total.rivals import (
    drift_priors,
    kosterlitz_thouless,
    mixed_rivals,
)
from physbatch.tables import ScalingTable
from physbatch.typing import FloatArray
from tests.unit.scaling.data_collapse.total.problems import problem, two_observables


def planted(amplitude: float) -> tuple[Corrected, FloatArray]:
    """U of a curve whose c_c moves as amplitude L^(-0.4), with small errors."""
    objective, _ = problem(("U",), points=10)
    table = objective.table
    drift = amplitude * table.size**-0.4
    x = table.size * (table.control - 1.0 - drift)
    noise = 0.0005 * np.random.default_rng(1).standard_normal(len(x))
    table.values["U"][:] = 0.2 - 0.3 * np.tanh(0.7 * x) + noise
    table.errors["U"][:] = 0.0005
    form = objective.grounds.form.without_corrections()
    return objective, global_optima(form, table).best.vector


def test_priors_of_a_drift_that_was_asked_for() -> None:
    table = two_observables()
    assert drift_priors(make_form(table, ["m"])) == {}
    assert set(drift_priors(make_form(table, ["m"], drift=True))) == {"shift", "phi"}
    held = make_form(table, ["m"], drift=True, fixed={"phi": 0.5})
    assert set(drift_priors(held)) == {"shift"}


@pytest.mark.parametrize("fixed", [{"c_c": 1.0}, {"nu": 1.0}])
def test_no_rival_where_c_c_or_nu_is_held(fixed: dict[str, float]) -> None:
    objective, vector = problem(("U",))
    form = make_form(objective.table, ["U"], fixed=fixed)
    held = objective.on(objective.grounds._replace(form=form))
    assert mixed_rivals([Node(held, vector, np.eye(len(vector)), 0.0)]) == []


def test_a_slow_drift_is_what_is_stated() -> None:
    objective, begin = planted(0.1)
    nodes = whole_nodes(objective.grounds, begin)
    rivals = mixed_rivals(nodes)
    assert {node.rival for node in rivals} == {"drift", "log"}
    # The data ask for the drift clearly, so its odds are even; for a logarithm they hardly do.
    by_kind = {kind: [n for n in rivals if n.rival == kind] for kind in ("drift", "log")}
    assert {node.log_prior for node in by_kind["drift"]} == {0.0}
    assert log_sum(by_kind["drift"]) > log_sum(by_kind["log"]) + 10
    assert {"shift", "phi"} <= set(rivals[0].objective.form.names)
    total = total_of(nodes, rivals)
    assert total.rivals["drift"] > 0.9
    assert set(total.moments) == {"c_c", "nu", "zeta", "zeta/nu"}
    stated = total.moments["c_c"]
    assert abs(stated.value - 1.0) < 4 * stated.total
    without = total_of(nodes).moments["c_c"]
    assert stated.total > without.total


def test_no_drift_has_little_weight() -> None:
    objective, begin = planted(0.0)
    nodes = whole_nodes(objective.grounds, begin)
    assert max(total_of(nodes, mixed_rivals(nodes)).rivals.values()) < 0.5


def kosterlitz_thouless_table() -> ScalingTable:
    """y = L^(-1/8) f((c - c_c) ln(L/L0)^2) with small errors."""
    size = np.repeat([8.0, 12, 16, 24, 32, 48], 14)
    control = np.tile(np.linspace(0.7, 1.2, 14), 6)
    x = (control - 0.9) * np.log(size / 0.5) ** 2
    error = np.full(len(x), 0.004)
    noise = error * np.random.default_rng(3).standard_normal(len(x))
    value = size**-0.125 * (1 / (1 + np.exp(x / 1.5)) + 0.1) + noise
    return ScalingTable(size, control, {"y": value}, {"y": error})


@pytest.mark.parametrize(("kind", "asked"), [("kt", "power"), ("kt", "log"), ("power", "power")])
def test_kosterlitz_and_thouless_win_on_their_own_data_alone(kind: str, asked: str) -> None:
    """Whether the power law was asked for, or one with a logarithm."""
    table = kosterlitz_thouless_table() if kind == "kt" else planted_table("Ising 2-D", (8, 16, 32))
    form = make_form(table, table.observables, form=asked)
    optima = global_optima(form, table)
    nodes = whole_nodes(Grounds(form, table, optima.units), optima.best.vector)
    log_ratio = kosterlitz_thouless(nodes, optima)
    assert log_ratio > 2 if kind == "kt" else log_ratio < -6
