"""Every form: exact derivatives, units, parameters, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest

from physbatch.commands.analyses.collapse import Form
from physbatch.errors import AnalysisError
from physbatch.scaling.data_collapse.form import ScalingForm
from physbatch.scaling.data_collapse.forms import FORMS, Custom, make_form
from physbatch.scaling.data_collapse.starts import candidates
from physbatch.tables.table import ScalingTable

SIZE = np.repeat([8.0, 16.0, 32.0], 5)
CONTROL = np.tile(np.linspace(0.83, 1.22, 5), 3)
TABLE = ScalingTable(
    SIZE,
    CONTROL,
    {"m": 2.0 - np.tanh(CONTROL * SIZE / 10), "chi": SIZE},
    {"m": np.full(15, 0.01), "chi": np.full(15, 0.1)},
    control_name="T",
)
CUSTOM = Custom(
    "(T - T_c)*log(L/L0)**a + 0.1*tanh(T)*b", ("m*L**(1/8)", "exp(b)*chi/(L**g*log(L))")
)
EVERY = [*FORMS[:-1], CUSTOM]


def moved(form: ScalingForm, seed: int = 1) -> np.ndarray:
    """A fit vector in the middle half of its bounds."""
    low, high = np.array(form.bounds).T
    part = np.random.default_rng(seed).uniform(0.4, 0.6, len(low))
    return np.asarray(low + (high - low) * part)


@pytest.mark.parametrize("corrections", [False, True])
@pytest.mark.parametrize("name", EVERY, ids=str)
def test_derivatives_are_exact(name: str | Custom, corrections: bool) -> None:
    held = {"phat": 0.1, "L0": 0.5, "omega": 1.2, "zeta_m": 0.1, "zeta_chi": 0.2}
    start = {} if name == "power" else held
    form = make_form(TABLE, ("m", "chi"), form=name, start=start, corrections=corrections)
    vector = moved(form)
    step = 1e-5
    for observable in form.observables:
        where = form.rescale(vector, TABLE, observable)
        for row in range(len(vector)):
            shift = step * np.eye(len(vector))[row]
            high = form.rescale(vector + shift, TABLE, observable)
            low = form.rescale(vector - shift, TABLE, observable)
            for value, slope in zip(range(3), range(3, 6), strict=True):
                numeric = (high[value] - low[value]) / (2 * step)
                assert where[slope][row] == pytest.approx(numeric, rel=1e-7, abs=1e-8)


@pytest.mark.parametrize("name", EVERY, ids=str)
def test_vectors_and_parameters_translate_both_ways(name: str | Custom) -> None:
    form = make_form(TABLE, ("m", "chi"), form=name)
    vector = moved(form)
    values = form.exponents(vector)
    assert set(values) == {*form.names, *form.fixed}
    assert form.vector(values) == pytest.approx(vector, rel=1e-12)
    assert all(form.allowed(name, values[name]) for name in form.names)
    numeric = ScalingForm.jacobian(form, vector)
    assert form.jacobian(vector) == pytest.approx(numeric, rel=1e-6, abs=1e-8)
    held = form.holding("c_c", 1.0)
    assert "c_c" not in held.names
    assert held.exponents(moved(held))["c_c"] == 1.0


@pytest.mark.parametrize("name", EVERY, ids=str)
def test_relative_and_physical_units(name: str | Custom) -> None:
    """At the mean size the relative x changes by 1 along the controls, and the scale is 1."""
    form = make_form(TABLE, ("m", "chi"), form=name)
    vector = moved(form)
    ends = ScalingTable(
        np.full(2, form.size_unit), np.array([0.83, 1.22]), {}, {}, control_name="T"
    )
    for observable in form.observables if name != "free-scale" else ():
        where = form.rescale(vector, ends, observable)
        assert abs(np.diff(where.x)[0]) == pytest.approx(1.0)
        assert where.log_scale == pytest.approx(0.0, abs=1e-12)
    values = form.exponents(vector)
    unit, log_unit = form.units(vector, "m")
    physical = unit * form.rescale(vector, TABLE, "m").x
    log_scale = log_unit + form.rescale(vector, TABLE, "m").log_scale
    if name == "kt":
        expected = (CONTROL - values["c_c"]) * np.log(SIZE / values["L0"]) ** 2
        assert physical == pytest.approx(expected)
        assert log_scale == pytest.approx(values["zeta_over_nu_m"] * np.log(SIZE))
    if name == "essential":
        distance = CONTROL - values["c_c"]
        expected = SIZE * np.exp(-values["b"] / np.sqrt(np.abs(distance)))
        assert physical == pytest.approx(np.sign(distance) * expected)
        assert log_scale == pytest.approx(values["zeta_over_nu_m"] * np.log(SIZE))
    if name == "free-scale":
        assert physical == pytest.approx(SIZE ** (1 / values["nu"]) * (CONTROL - values["c_c"]))
        expected = np.repeat([1.0, values["s_16_m"], values["s_32_m"]], 5)
        assert np.exp(log_scale) == pytest.approx(expected)
    if name in ("power", "background", "offset", "log-additive"):
        assert physical == pytest.approx(SIZE ** (1 / values["nu"]) * (CONTROL - values["c_c"]))
        assert log_scale == pytest.approx(values["zeta_m"] / values["nu"] * np.log(SIZE))
    if name == "log":
        log = np.log(SIZE / values["L0"])
        power = values["zeta_m"] / values["nu"] * np.log(SIZE)
        assert log_scale == pytest.approx(power + values["p_m"] * np.log(log))
    if name == CUSTOM:
        assert log_scale == pytest.approx(-np.log(SIZE) / 8)
        scale = form.units(vector, "chi")[1] + form.rescale(vector, TABLE, "chi").log_scale
        exact = values["g"] * np.log(SIZE) + np.log(np.log(SIZE)) - values["b"]
        assert scale == pytest.approx(exact)


def test_the_helicity_modulus_carries_the_logarithm_of_weber_and_minnhagen() -> None:
    form = make_form(TABLE, ["m"], form="kt-helicity", fixed={"L0": 0.5})
    vector = moved(form)
    log_scale = form.units(vector, "m")[1] + form.rescale(vector, TABLE, "m").log_scale
    assert np.exp(log_scale) == pytest.approx(1 + 1 / (2 * np.log(SIZE / 0.5)))


def test_corrections_of_kosterlitz_and_thouless_fall_with_the_logarithm() -> None:
    form = make_form(TABLE, ["m"], form="kt", fixed={"L0": 0.5})
    fall = np.exp(form.rescale(moved(form), TABLE, "m").log_correction)
    assert fall * np.log(SIZE / 0.5) == pytest.approx(np.log(form.size_unit / 0.5))
    assert form.fixed["omega"] == 1.0


def test_a_start_frees_what_a_form_holds() -> None:
    assert make_form(TABLE, ["m"], form="offset").fixed == {"zeta": 0.0}
    assert "zeta" in make_form(TABLE, ["m"], form="offset", start={"zeta": 0.1}).names
    assert make_form(TABLE, ["m"], form="log").fixed == {"phat": 0.0, "L0": 1.0}
    small = replace(TABLE, size=SIZE / 8)
    assert make_form(small, ["m"], form="log").fixed["L0"] == 0.5


def test_factors_start_at_the_ratios_of_values_and_need_every_size() -> None:
    """... at c_c; without a size x is nan, so that no fit takes it for flat along its factor."""
    value = np.repeat([1.0, -3.0, 2.0], 5) * (2.0 - np.tanh(CONTROL - 1.0))
    table = replace(TABLE, values={"m": value}, errors={"m": TABLE.errors["m"]})
    form = make_form(table, ["m"], form="free-scale")
    assert form.fixed == {"s_8": 1.0}
    grid = candidates(form, table)
    for vector in grid[3]:
        values = form.exponents(vector)
        assert (values["s_16"], values["s_32"]) == pytest.approx((3.0, 2.0))
    assert form.applies(table)
    part = table.select(SIZE > 8)
    assert not form.applies(part)
    assert np.isnan(form.rescale(grid[3][0], part, "m").x).all()
    assert "s_8" in make_form(table, ["m"], form="free-scale", start={"s_8": 1.0}).names
    few = table.select(np.arange(15) != 7)
    assert form.prepared(few) is few
    with pytest.raises(AnalysisError, match="L = 16 has 2 points"):
        form.prepared(table.select((np.arange(15) < 7) | (np.arange(15) > 9)))


def test_backgrounds_are_correlated_noise() -> None:
    """Each adds W^2 h h', W ten times the spread of the values; those of sizes are blocks."""
    for name, rank in (("background", 2), ("log-additive", 2), ("offset", 3), ("kt", 0)):
        form = make_form(TABLE, ["m"], form=name)
        assert form.free_terms(TABLE).shape == (15, rank)
        covariance = form.prepared(TABLE).covariance.get("m", np.diag(TABLE.errors["m"] ** 2))
        extra = covariance - np.diag(TABLE.errors["m"] ** 2)
        assert np.linalg.matrix_rank(extra) == rank
    wide = (10 * np.std(TABLE.values["m"])) ** 2
    extra = make_form(TABLE, ["m"], form="offset").prepared(TABLE).covariance["m"]
    assert extra[0, 1] == pytest.approx(wide)
    assert extra[0, 5] == 0.0


def test_the_logarithm_scales_with_its_error() -> None:
    table = replace(TABLE, covariance={"m": np.diag(TABLE.errors["m"] ** 2)})
    ready = make_form(table, ["m"], form="activated").prepared(table)
    assert ready.values["m"] == pytest.approx(np.log(table.values["m"]))
    assert ready.errors["m"] == pytest.approx(0.01 / table.values["m"])
    assert np.diag(ready.covariance["m"]) == pytest.approx(ready.errors["m"] ** 2)
    negative = replace(table, values={"m": table.values["m"] - 5.0})
    with pytest.raises(AnalysisError, match="has no logarithm"):
        make_form(negative, ["m"], form="activated").prepared(negative)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"form": "ktt"}, "did you mean kt"),
        ({"form": "custom"}, "custom needs x and y"),
        ({"form": "kt", "drift": True}, "only the power law has a drift"),
        ({"form": "kt", "fixed": {"nu": 1.0}}, "'nu' cannot be fixed"),
        ({"form": "kt", "fixed": {"zeta_over_n": 1.0}}, "did you mean zeta_over_nu"),
        ({"form": "kt", "fixed": {"L0": 9.0}}, "L0 = 9.0; give a number between 0 and 8"),
        ({"form": "log", "fixed": {"nu": -1.0}}, "nu = -1.0; give a number above 0"),
        ({"fixed": {"nu": 0.0}}, "give a number above 0"),
        ({"fixed": {"zeta": np.nan}}, "give a finite number"),
    ],
)
def test_what_a_form_has_not_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(AnalysisError, match=words):
        make_form(TABLE, ["m"], **options)


def test_the_command_line_knows_every_form() -> None:
    annotation = get_type_hints(Form, include_extras=True)["form"]
    assert get_args(get_args(annotation)[0]) == FORMS
