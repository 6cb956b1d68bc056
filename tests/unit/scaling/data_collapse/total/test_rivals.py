"""Rivals of the power law: a drift of c_c, a factor (ln N)^p, and Kosterlitz and Thouless."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from physbatch.exact.scaling_functions import planted_table
from physbatch.scaling.data_collapse.forms import make_form
from physbatch.scaling.data_collapse.forms.custom import Custom
from physbatch.scaling.data_collapse.forms.rival_forms import with_drift, with_logarithm
from physbatch.scaling.data_collapse.starts import Optima, global_optima
from physbatch.scaling.data_collapse.total.mixture import total_of, whole_nodes
from physbatch.scaling.data_collapse.total.nodes import Node, log_sum
from physbatch.scaling.data_collapse.total.objective import Corrected, Grounds
from physbatch.scaling.data_collapse.total.rivals import (
    drift_priors,
    mixed_rivals,
    other_form,
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


@pytest.mark.parametrize(
    ("fixed", "rivals"),
    [
        ({"c_c": 1.0}, {"log"}),
        ({"nu": 1.0}, {"drift", "log"}),
        ({"zeta": 0.0}, {"drift"}),
        ({"c_c": 1.0, "zeta": 0.0}, set()),
    ],
)
def test_what_is_held_has_no_rival(fixed: dict[str, float], rivals: set[str]) -> None:
    objective, _ = problem(("U",))
    form = make_form(objective.table, ["U"], fixed=fixed)
    optima = global_optima(form, objective.table)
    nodes = whole_nodes(Grounds(form, objective.table, optima.units), optima.best.vector)
    assert {node.rival for node in mixed_rivals(nodes)} == rivals
    if "nu" in fixed or "c_c" in fixed:
        assert other_form(nodes, optima).log_ratio == -np.inf


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
    size = np.repeat([8.0, 16, 32, 64], 12)
    control = np.tile(np.linspace(0.7, 1.2, 12), 4)
    x = (control - 0.9) * np.log(size / 0.5) ** 2
    error = np.full(len(x), 0.004)
    noise = error * np.random.default_rng(3).standard_normal(len(x))
    value = size**-0.125 * (1 / (1 + np.exp(x / 1.5)) + 0.1) + noise
    return ScalingTable(size, control, {"y": value}, {"y": error})


def nodes_and_optima(
    table: ScalingTable, asked: str | Custom, **options: Any
) -> tuple[list[Node], Optima]:
    """The fits of all points with a form."""
    form = make_form(table, table.observables, form=asked, **options).without_corrections()
    table = form.prepared(table)
    optima = global_optima(form, table)
    return whole_nodes(Grounds(form, table, optima.units), optima.best.vector), optima


OWN = Custom("(c - c_c)*L**a", "y*L**b")
OWN_KT = Custom("(c - c_c)*log(L/L0)**2", "y*L**b")


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("kt", "power"),
        ("kt", "log"),
        ("kt", OWN),
        ("power", "power"),
        ("power", OWN),
    ],
)
def test_kosterlitz_and_thouless_win_on_their_own_data_alone(
    kind: str, asked: str | Custom
) -> None:
    """Whether the power law was asked for, one with a logarithm, or typed formulas."""
    table = kosterlitz_thouless_table() if kind == "kt" else planted_table("Ising 2-D", (8, 16, 32))
    other = other_form(*nodes_and_optima(table, asked))
    assert other.kind == "kt"
    assert other.log_ratio > 2 if kind == "kt" else other.log_ratio < -6


@pytest.mark.parametrize("asked", ["kt", OWN_KT])
def test_a_power_law_wins_on_its_own_data_alone(asked: str | Custom) -> None:
    """Where a form of Kosterlitz and Thouless was asked for, or typed."""
    other = other_form(*nodes_and_optima(kosterlitz_thouless_table(), asked))
    assert other.kind == "power"
    assert other.log_ratio < -2
    other = other_form(*nodes_and_optima(planted_table("Ising 2-D", (8, 16, 32)), asked))
    assert other.log_ratio > 6


def activated_table(power: bool) -> ScalingTable:
    """Times that grow as exp(L^0.5 f), or as L^2 exp(f): with f of the same kind."""
    size = np.repeat([8.0, 16, 32, 64], 8)
    control = np.tile(np.linspace(0.8, 1.2, 8), 4)
    curve = 1.5 - np.tanh(1.5 * (control - 1.0) * size**0.5)
    value = size**2 * np.exp(curve) if power else np.exp(size**0.5 * curve)
    noise = 1 + 0.02 * np.random.default_rng(5).standard_normal(len(size))
    return ScalingTable(size, control, {"tau": value * noise}, {"tau": 0.02 * value})


@pytest.mark.parametrize("power", [True, False])
def test_activated_scaling_against_a_power_law(power: bool) -> None:
    """ln tau = L^psi f or tau = L^z f: the density is that of tau for both."""
    other = other_form(*nodes_and_optima(activated_table(power), "activated"))
    assert other.kind == "power"
    assert other.log_ratio > 10 if power else other.log_ratio < -10


@pytest.mark.parametrize("kind", ["drift", "log"])
def test_typed_formulas_are_widened_as_the_power_law_is(kind: str) -> None:
    """x, scale and derivatives are those of the built-in forms with a drift and a logarithm."""
    table = two_observables()
    power = make_form(table, ["m"])
    typed = make_form(table, ["m"], form=Custom("(c - c_c)*L**(1/nu)", "m*L**(-zeta/nu)"))
    wide = []
    for form in (power, typed):
        made = with_drift(form, table) if kind == "drift" else with_logarithm(form, table)
        assert made is not None
        wide.append(made)
    values = {"c_c": 1.01, "nu": 0.8, "zeta": -0.1}
    extra = [0.3, 0.2] if kind == "drift" else [0.4]
    at = [
        form.rescale(np.append(known.vector(values), extra), table, "m")
        for (form, _), known in zip(wide, (power, typed), strict=True)
    ]
    assert at[1].x == pytest.approx(at[0].x)
    assert np.diff(at[1].log_scale - at[0].log_scale) == pytest.approx(0, abs=1e-12)
    for (form, names), name in product(wide[:1], range(len(extra))):
        row = form.names.index(names[name])
        assert at[1].dx[row] == pytest.approx(at[0].dx[row])
        assert np.ptp(at[1].dlog_scale[row] - at[0].dlog_scale[row]) == pytest.approx(0, abs=1e-12)
