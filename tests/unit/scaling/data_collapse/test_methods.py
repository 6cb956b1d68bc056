"""Collapse: gradients, global starts, planted answers, error bars, and honest refusals."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from physbatch.errors import AnalysisError
from physbatch.results.flag import flag_names
from physbatch.scaling.data_collapse.forms import make_form
from physbatch.scaling.data_collapse.methods import collapse
from physbatch.scaling.data_collapse.optimum import Objective, curvature
from physbatch.scaling.data_collapse.result import Collapse
from physbatch.scaling.statistics.point_noise import correlated_covariance
from physbatch.tables.binning import binned
from physbatch.tables.read import read_table
from physbatch.tables.scatter import roughness
from physbatch.tables.table import ScalingTable

TRUTH = {"c_c": 1.0, "nu": 1.0, "zeta": -0.125}


def planted(
    seed: int,
    noise: float = 0.01,
    *,
    amplitude: float = 0.0,
    sizes: tuple[int, ...] = (8, 16, 32, 64, 128),
    points: int = 18,
) -> ScalingTable:
    """y = L^(zeta/nu) (1 - tanh x) (1 + amplitude/L) with Gaussian noise."""
    rng = np.random.default_rng(seed)
    size = np.repeat(np.array(sizes, dtype=float), points)
    reach = 1.5 / 8 * np.sqrt(8 / size)
    control = 1.0 + reach * np.tile(np.linspace(-1, 1, points), len(sizes))
    scale = size ** (TRUTH["zeta"] / TRUTH["nu"])
    value = scale * (1 - np.tanh(size * (control - 1.0))) * (1 + amplitude / size)
    error = noise * scale
    return ScalingTable(
        size, control, {"m": value + error * rng.normal(size=len(size))}, {"m": error}
    )


def test_what_the_errors_of_the_data_are_worth_is_said() -> None:
    """Flags of the table that bear on the errors; not those of reading it."""
    flags = ("columns_guessed: size = 'L'", "few_samples: a point has 3", "rows_correlated: by 9")
    table = replace(planted(1), flags=flags)
    assert collapse(table, fixed={"nu": 1.0, "zeta": -0.125}, window="all").flags == flags[1:]


@pytest.mark.parametrize(("amplitude", "seen"), [(0.0, False), (6.0, True)])
def test_a_shift_that_the_master_curve_takes_up_is_flagged(amplitude: float, seen: bool) -> None:
    """6 N^-2 is found; without a shift phi goes to 1/nu, where any amplitude collapses."""
    table = planted(1, 0.003)
    moved = replace(table, control=table.control + amplitude * table.size**-2)
    held = {"nu": 1.0, "zeta": -0.125}
    result = collapse(moved, fixed=held, drift=True, window="all")
    assert ("shift_not_seen" in flag_names(result.flags)) != seen
    shift = result.parameters["shift"]
    assert abs(shift.value - amplitude) < 4 * shift.stderr


@pytest.mark.parametrize(
    "options",
    [{}, {"corrections": True}, {"drift": True}, {"fixed": {"zeta": -0.1}}, {"fixed": {"nu": 1.2}}],
)
def test_analytic_gradient(options: dict[str, object]) -> None:
    """Against central differences, to the three digits that these have."""
    table = planted(1)
    form = make_form(table, ["m"], **options)
    hyper = ("amplitude", "length", *(("correction",) if form.corrections else ()), "nugget")
    objective = Objective(form, table, (1.3,), hyper)
    values = {"c_c": 1.002, "nu": 1.1, "zeta": -0.14, "omega": 0.9, "shift": 0.02, "phi": 1.3}
    vector = objective.start(form.vector(values))
    vector[-1] = 0.3
    slope = objective(vector)[1]
    for place in range(len(vector)):
        step = np.zeros(len(vector))
        step[place] = 2e-5
        numeric = (objective(vector + step)[0] - objective(vector - step)[0]) / 4e-5
        assert slope[place] == pytest.approx(numeric, rel=5e-4, abs=0.05), place
    bend = curvature(objective, vector)
    np.testing.assert_allclose(bend, bend.T)


@pytest.mark.parametrize("method", ["gp", "spline"])
def test_planted_exponents_are_found(method: str) -> None:
    """Within 4 errors, without a flag; tests/physics/test_collapse_coverage.py counts pulls."""
    for seed in range(3):
        result = collapse(planted(seed), window="all", method=method)
        assert result.flags == ()
        for name, truth in TRUTH.items():
            found = result.parameters[name]
            assert abs(found.value - truth) < 4 * found.stderr
            assert found.stderr < 0.05


@pytest.mark.parametrize("errors", ["profile", "bootstrap", "posterior"])
def test_all_errors_agree_where_the_likelihood_is_normal(errors: str) -> None:
    """At 1 % noise it is: within 20 % for the standard errors, and no flags."""
    plain = collapse(planted(1), window="all")
    other = collapse(planted(1), window="all", errors=errors)
    assert other.flags == ()
    for name, one in plain.parameters.items():
        found = other.parameters[name]
        assert found.value == one.value
        assert found.stderr == pytest.approx(one.stderr, rel=0.2)
        low, high = found.interval68
        assert low < one.value < high
        assert (high - low) / 2 == pytest.approx(one.stderr, rel=0.2)


@pytest.mark.parametrize("spread", [1.0, 0.1])
def test_the_bootstrap_resamples_replicas_where_there_are_any(spread: float) -> None:
    """Its errors follow the spread of the replicas, not the errors that are stated."""
    table = planted(1)
    rng = np.random.default_rng(2)
    replicas = 25
    samples = []
    for value, error in zip(table.values["m"], table.errors["m"], strict=True):
        noise = rng.normal(size=replicas)
        noise = (noise - noise.mean()) / noise.std() * math.sqrt(replicas)
        samples.append(value + spread * error * noise)
    sampled = ScalingTable(
        table.size, table.control, table.values, table.errors, samples={"m": tuple(samples)}
    )
    stated = collapse(table, window="all").parameters["nu"].stderr
    resampled = collapse(sampled, window="all", errors="bootstrap").parameters["nu"].stderr
    # A standard deviation from 200 resamples is known to 5 %.
    assert resampled == pytest.approx(spread * stated, rel=0.25)


def test_the_answer_does_not_depend_on_a_start() -> None:
    """12 starts over the whole control range and a factor of 3 in nu: one answer."""
    table = planted(3)
    reference = collapse(table, window="all")
    rng = np.random.default_rng(5)
    for _ in range(12):
        start = {
            "c_c": float(rng.uniform(table.control.min(), table.control.max())),
            "nu": float(np.exp(rng.uniform(-np.log(3), np.log(3)))),
        }
        result = collapse(table, window="all", start=start)
        for name, one in result.parameters.items():
            held = reference.parameters[name]
            assert abs(one.value - held.value) < 0.1 * held.stderr


def test_corrections_to_scaling() -> None:
    """Without omega the whole table is a bad fit; with it the truth comes back."""
    table = planted(2, 0.003, amplitude=2.0)
    plain = collapse(table, window="all")
    assert any(flag.startswith("bad_fit") for flag in plain.flags)
    full = collapse(table, window="all", corrections=True)
    assert full.flags == ()
    for name, truth in {**TRUTH, "omega": 1.0}.items():
        estimate = full.parameters[name]
        assert abs(estimate.value - truth) < 4 * estimate.stderr, name


def test_windows_find_where_the_form_holds() -> None:
    table = planted(4, 0.003, amplitude=2.0)
    result = collapse(table)
    assert result.window.size_min > 8 or result.window.fraction < 1
    for name in ("c_c", "nu"):
        estimate = result.parameters[name]
        assert abs(estimate.value - TRUTH[name]) < 4 * estimate.total


def test_two_observables_share_c_c_and_nu() -> None:
    table = planted(6)
    rng = np.random.default_rng(7)
    x = table.size * (table.control - 1.0)
    error = np.full(len(x), 0.01)
    joint = ScalingTable(
        table.size,
        table.control,
        {**table.values, "U": np.tanh(x) + error * rng.normal(size=len(x))},
        {**table.errors, "U": error},
    )
    both = collapse(joint, fixed={"zeta_U": 0.0}, window="all")
    one = collapse(joint, "m", window="all")
    assert set(both.parameters) == {"c_c", "nu", "zeta_m"}
    for name, truth in {"c_c": 1.0, "nu": 1.0, "zeta_m": -0.125}.items():
        estimate = both.parameters[name]
        assert abs(estimate.value - truth) < 4 * estimate.stderr
    assert both.parameters["nu"].stderr < one.parameters["nu"].stderr


def test_more_points_than_a_process_takes_are_averaged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("physbatch.scaling.data_collapse.methods.arguments._MOST_POINTS", 300)
    table, held = planted(12, 0.05, points=1000), {"nu": 1.0}
    result = collapse(table, fixed=held, window="all")
    assert flag_names(result.flags) == ("binned",)
    assert "5000 points became 300" in result.flags[0]
    coarse = collapse(binned(table, 100), fixed=held, window="all")
    for name in ("c_c", "zeta"):
        estimate, other = result.parameters[name], coarse.parameters[name]
        assert abs(estimate.value - TRUTH[name]) < 4 * estimate.stderr
        assert abs(other.value - estimate.value) < estimate.stderr
        assert other.stderr == pytest.approx(estimate.stderr, rel=0.15)


def test_errors_that_are_not_known_are_said(tmp_path: Path) -> None:
    known = planted(13, 0.01)
    columns = np.column_stack([known.size, known.control, known.values["m"]])
    np.savetxt(tmp_path / "m.csv", columns, delimiter=",", header="L,x,m", comments="")
    result = collapse(read_table(tmp_path / "m.csv"), window="all")
    assert "errors_unknown" in flag_names(result.flags)
    usual = collapse(known, window="all")
    for name, truth in TRUTH.items():
        estimate = result.parameters[name]
        assert abs(estimate.value - truth) < 4 * estimate.stderr
        assert 1 / 1.5 < estimate.stderr / usual.parameters[name].stderr < 1.5


def test_points_that_move_together_are_noticed() -> None:
    """Independent noise is rough; noise common to a size is smooth, and widens the errors."""
    rough, count = roughness(planted(8, 0.02), "m")
    assert count >= 20
    assert 0.4 < rough < 3
    assert correlated_covariance(planted(8, 0.02), "m")[0] is None
    clean = planted(8, 1e-9, points=40)
    rng = np.random.default_rng(9)
    error = 0.01 * clean.size**-0.125
    common = np.repeat(rng.normal(size=5), 40)
    smooth = ScalingTable(
        clean.size,
        clean.control,
        {"m": clean.values["m"] + error * common},
        {"m": error},
    )
    matrix, rough = correlated_covariance(smooth, "m")
    assert matrix is not None
    assert rough < 0.1
    np.testing.assert_allclose(np.diag(matrix), error**2)
    result = collapse(smooth, window="all")
    assert any(flag.startswith("correlated_points") for flag in result.flags)
    independent = collapse(planted(8, 0.01, points=40), window="all")
    assert result.parameters["zeta"].stderr > 2 * independent.parameters["zeta"].stderr


def flagged(result: Collapse) -> bool:
    return bool(result.flags) or any(
        math.isnan(estimate.value) for estimate in result.parameters.values()
    )


def test_a_transition_outside_the_controls_is_flagged() -> None:
    table = planted(1)
    assert flagged(collapse(table.window(control_min=1.05), window="all"))


def test_pure_noise_is_flagged() -> None:
    table = planted(1)
    rng = np.random.default_rng(3)
    noise = ScalingTable(
        table.size, table.control, {"m": rng.normal(size=len(table.size))}, {"m": np.ones(90)}
    )
    result = collapse(noise, window="all")
    wide = result.parameters["nu"].stderr > 0.3 * abs(result.parameters["nu"].value)
    assert flagged(result) or wide


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ({"values": {"m": np.ones(90)}}, "a constant says nothing"),
        ({"values": {"m": np.full(90, np.nan)}}, "is nan"),
        ({"errors": {"m": np.zeros(90)}}, "above 0"),
    ],
)
def test_bad_tables_are_refused(spoil: dict[str, object], words: str) -> None:
    table = planted(1)
    content = {
        "size": table.size,
        "control": table.control,
        "values": table.values,
        "errors": table.errors,
        **spoil,
    }
    with pytest.raises(AnalysisError, match=words):
        collapse(ScalingTable(**content))


def test_bad_requests_are_refused() -> None:
    table = planted(1)
    with pytest.raises(AnalysisError, match="no observable 'U'"):
        collapse(table, "U")
    with pytest.raises(AnalysisError, match="'beta' cannot be fixed"):
        collapse(table, fixed={"beta": 0.1})
    with pytest.raises(AnalysisError, match="nu = -1"):
        collapse(table, fixed={"nu": -1.0})
    for method in ("gp", "spline"):
        with pytest.raises(AnalysisError, match="all of c_c, nu, zeta are fixed"):
            collapse(table, fixed=TRUTH, method=method)
    assert collapse(table, fixed=TRUTH, method="local-linear").quality > 0
    with pytest.raises(AnalysisError, match="one size"):
        collapse(table.window(size_max=8))
    with pytest.raises(AnalysisError, match="give at least 8"):
        collapse(table.select(np.arange(90) % 18 == 9))
    with pytest.raises(AnalysisError, match="start nu = -1"):
        collapse(table, start={"nu": -1.0})
    with pytest.raises(AnalysisError, match="start beta"):
        collapse(table, start={"beta": 0.1})
    with pytest.raises(AnalysisError, match="method"):
        collapse(table, method="magic")
    with pytest.raises(AnalysisError, match="errors = 'guess'"):
        collapse(table, errors="guess")
    with pytest.raises(AnalysisError, match="with method 'spline'"):
        collapse(table, method="spline", errors="bootstrap")
    with pytest.raises(AnalysisError, match="window"):
        collapse(table, window="some")


def test_the_order_of_the_rows_does_not_matter() -> None:
    table = planted(1)
    mixed = table.take(np.random.default_rng(1).permutation(90))
    for method in ("gp", "local-linear"):
        options = {
            "window": "all",
            "method": method,
            "errors": None if method == "gp" else "quality",
        }
        one, other = (collapse(data, **options) for data in (table, mixed))
        assert one.identical(other)


def test_repr_and_json() -> None:
    import json

    result = collapse(planted(1), window="all")
    assert "c_c = 1.000" in repr(result)
    assert "chi2/dof" in repr(result)
    content = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert set(content) >= {"parameters", "goodness", "starts", "flags"}
    numbers = {"value", "stderr", "systematic", "total", "interval68", "flags"}
    assert set(content["parameters"]["c_c"]) == numbers
    assert result["nu"] is result.parameters["nu"]
    with pytest.raises(KeyError, match="nu"):
        result["nuu"]
    assert content["starts"]["agreed"] <= content["starts"]["tried"]


@pytest.mark.parametrize(
    ("name", "hint"), [("windw", "window"), ("eror", "error or errors"), ("q", "")]
)
def test_a_keyword_that_is_none_is_refused(name: str, hint: str) -> None:
    """The message has the keywords that are close."""
    with pytest.raises(TypeError, match=f"unexpected keyword argument {name!r}") as caught:
        collapse(planted(1), **{name: 1})  # type: ignore[arg-type]
    assert str(caught.value).endswith(f", did you mean {hint}?" if hint else "'q'")
