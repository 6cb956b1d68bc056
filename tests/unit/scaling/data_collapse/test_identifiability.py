"""Data that do not determine the exponents: no number, and a flag that says why."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from physbatch.results.flag import flag_names
from physbatch.scaling.data_collapse.forms import make_form
from physbatch.scaling.data_collapse.identifiability import c_c_beyond
from physbatch.scaling.data_collapse.methods import collapse
from physbatch.scaling.data_collapse.result import Collapse
from physbatch.scaling.data_collapse.starts import Optima, global_optima
from physbatch.tables.table import ScalingTable
from tests.physics.collapse_coverage import DataSet, planted_table
from tests.unit.scaling.data_collapse.test_methods import TRUTH, planted


def curves(
    value: Callable[[np.ndarray, np.ndarray], np.ndarray],
    low: float = 0.9,
    high: float = 1.1,
    points: int = 15,
    seed: int = 1,
) -> ScalingTable:
    """Some function of size and control at four sizes, with noise of 0.01."""
    size = np.repeat([8.0, 16.0, 32.0, 64.0], points)
    control = np.tile(np.linspace(low, high, points), 4)
    noise = 0.01 * np.random.default_rng(seed).normal(size=size.size)
    return ScalingTable(
        size, control, {"m": value(size, control) + noise}, {"m": np.full(size.size, 0.01)}
    )


def refused(result: Collapse) -> set[str]:
    """Names without a value; their errors are infinite."""
    names = {name for name, one in result.parameters.items() if math.isnan(one.value)}
    for name in names:
        assert result.parameters[name].stderr == math.inf
        assert result.parameters[name].interval68 == (-math.inf, math.inf)
    document = result.to_json()
    assert document["goodness"]["identifiable"] is (not names)
    assert all(document["parameters"][name]["interval68"] == [None, None] for name in names)
    return names


@pytest.mark.parametrize("window", ["all", "scan"])
def test_a_straight_line_through_c_c_leaves_nu_and_zeta_a_common_direction(window: str) -> None:
    """y = L^((zeta + 1)/nu) (c - c_c): only (zeta + 1)/nu is determined."""
    table = curves(lambda size, control: size**0.7 * (control - 1.0))
    result = collapse(table, window=window)
    assert {"nu", "zeta"} <= refused(result)
    assert {"flat", "at_bound"} & set(flag_names(result.flags))
    # Holding one of them makes the other known: (zeta + 1)/nu = 0.7.
    held = collapse(table, fixed={"zeta": -0.16}, window="all")
    assert refused(held) == set()
    assert abs(held.parameters["nu"].value - 1.2) < 4 * held.parameters["nu"].stderr


@pytest.mark.parametrize("fixed", [{}, {"zeta": 0.0}])
def test_curves_that_do_not_move_with_the_size(fixed: dict[str, float]) -> None:
    table = curves(lambda size, control: np.tanh((control - 1.0) / 0.03))
    for window in ("all", "scan"):
        result = collapse(table, fixed=fixed, window=window)
        assert {"c_c", "nu"} <= refused(result)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_two_transitions_within_the_controls(seed: int) -> None:
    """Curves that cross at 0.75 and at 1.25, alike up to a reflection.

    All of the seeds 0 ... 9 are called bimodal. With seed 0 no window of the whole table falls
    to the other crossing; the upper half of the controls does.
    """
    table = curves(
        lambda size, control: np.tanh(size * (control - 0.75)) * np.tanh(size * (1.25 - control)),
        0.5,
        1.5,
        41,
        seed,
    )
    result = collapse(table, fixed={"zeta": 0.0})
    assert "c_c" in refused(result)
    (words,) = (flag for flag in result.flags if flag.startswith("bimodal"))
    assert "c_c = 0.7" in words
    assert "c_c = 1.2" in words
    half = collapse(table.window(control_max=1.0), fixed={"zeta": 0.0})
    assert abs(half.parameters["c_c"].value - 0.75) < 5 * half.parameters["c_c"].total
    assert refused(half) == set()


@pytest.mark.parametrize("method", ["gp", "spline", "local-linear"])
@pytest.mark.parametrize(("low", "high"), [(1.03, 1.2), (1.1, 1.3), (0.75, 0.9)])
def test_controls_that_do_not_hold_c_c(method: str, low: float, high: float) -> None:
    table = curves(lambda size, control: np.tanh(size * (control - 1.0)), low, high)
    options: dict[str, Any] = {"errors": "quality"} if method == "local-linear" else {}
    result = collapse(table, fixed={"zeta": 0.0}, method=method, **options)
    assert result.flags
    assert not result.identifiable or set(flag_names(result.flags)) & {
        "bad_fit", "one_sided", "mostly_rejected", "thin_overlap",
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("window", ["all", "scan"])
def test_c_c_out_of_reach_is_hardly_ever_silent(window: str) -> None:
    """60 data sets of steep curves: at most 3 wrong answers without any flag."""
    silent = 0
    for seed in range(20):
        for low, high in ((1.03, 1.2), (1.1, 1.3), (0.8, 0.95)):
            table = curves(
                lambda size, control: np.tanh(size * (control - 1.0)), low, high, seed=seed
            )
            result = collapse(table, fixed={"zeta": 0.0}, window=window)
            found = result.parameters["c_c"]
            right = abs(found.value - 1.0) < 4 * found.total
            silent += not (result.flags or right)
    assert silent <= 3


@pytest.mark.parametrize(("low", "high", "seed"), [(1.03, 1.2, 7), (1.1, 1.3, 6), (1.1, 1.3, 7)])
def test_exponential_tails_do_not_pass_for_a_transition(low: float, high: float, seed: int) -> None:
    """1 - tanh x beyond c_c = 1 collapses around a wrong c_c too, with zeta = -2 instead of 0.

    These three have a good chi^2 and points on both sides of that c_c; the search beyond the
    controls finds an optimum as good.
    """
    generator = np.random.default_rng([seed, 4, int(1000 * low)])
    table = curves(lambda size, control: 1 - np.tanh(size * (control - 1.0)), low, high)
    exact = 1 - np.tanh(table.size * (table.control - 1.0))
    noise = table.errors["m"] * generator.normal(size=len(exact))
    result = collapse(replace(table, values={"m": exact + noise}), window="all")
    assert result.p_value > 1e-3
    assert flag_names(result.flags)[0] == "beyond_controls"
    assert refused(result) == {"c_c", "nu", "zeta"}


def test_controls_that_hold_c_c_leave_no_optimum_beyond() -> None:
    """The likelihood beyond is lower by e^40 at least, where e^8 is asked for."""
    for data in (DataSet("percolation 2-D", 0.03, 1), DataSet("mean field", 0.01, 2)):
        table = planted_table(data)
        form = make_form(table, ["y"])
        optima = global_optima(form, table)
        assert c_c_beyond(form, table, optima) is None
        assert c_c_beyond(form, table, raised(optima, -40.0)) is None
        flag = c_c_beyond(form, table, raised(optima, -1e9))
        assert flag is not None
        assert flag.startswith("beyond_controls: c_c = ")
        fixed = make_form(table, ["y"], fixed={"c_c": 1.0})
        assert c_c_beyond(fixed, table, raised(optima, -1e9)) is None


def raised(optima: Optima, height: float) -> Optima:
    """The best optimum alone, at another height."""
    best = replace(optima.best, value=optima.best.value + height)
    return optima._replace(different=(best,))


def test_sound_data_are_not_refused() -> None:
    """Two seeds at three levels of noise, all points: no flag at all."""
    for seed in range(2):
        for noise in (0.003, 0.01, 0.03):
            result = collapse(planted(seed, noise), window="all")
            assert result.flags == ()
            assert refused(result) == set()


def test_a_refused_nu_takes_its_exponents_along() -> None:
    table = curves(lambda size, control: size**0.7 * (control - 1.0))
    result = collapse(table, exponent="beta")
    assert math.isnan(result.named["beta"].value)
    assert math.isnan(result.named["beta_over_nu"].value)
    assert "beta = nan" in repr(result)


# --- starts -----------------------------------------------------------------------------


def test_how_many_agree_is_always_said() -> None:
    result = collapse(planted(1), window="all")
    assert f"{result.starts_agreed} of {result.starts_tried} starts agree" in repr(result)
    assert result.to_json()["starts"] == {
        "tried": result.starts_tried,
        "agreed": result.starts_agreed,
    }
    assert all(abs(result.parameters[n].value - t) < 0.1 for n, t in TRUTH.items())
