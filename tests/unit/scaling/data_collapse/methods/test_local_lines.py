"""Collapse by the smallest S: the compiled twin, its minimum, its errors, and its honesty."""

from __future__ import annotations

import math

import numpy as np
import pytest

from physbatch.errors import AnalysisError
from physbatch.scaling.data_collapse.forms import make_form
from physbatch.scaling.data_collapse.methods import collapse
from physbatch.scaling.data_collapse.methods.local_line_errors import sandwich
from physbatch.scaling.data_collapse.quality import collapse_quality, local_curve
from physbatch.scaling.data_collapse.quality_kernel import Quality, minimise
from physbatch.tables.table import ScalingTable
from tests.unit.scaling.data_collapse.test_methods import TRUTH, planted

STRAIGHT = {"c_c": 1.0, "nu": 1.2, "zeta": -0.2}


def straight(seed: int, noise: float = 0.02) -> ScalingTable:
    """A master curve 1 + 0.3 x, which local lines describe exactly; 15 points, 4 sizes."""
    rng = np.random.default_rng(seed)
    size = np.repeat([8.0, 16.0, 32.0, 64.0], 15)
    x = np.tile(np.linspace(-1.5, 1.5, 15), 4) + 0.05 * rng.uniform(-1, 1, 60)
    scale = size ** (STRAIGHT["zeta"] / STRAIGHT["nu"])
    value = scale * (1 + 0.3 * x + noise * rng.normal(size=60))
    control = STRAIGHT["c_c"] + x * size ** (-1 / STRAIGHT["nu"])
    return ScalingTable(size, control, {"m": value}, {"m": noise * scale})


def joint(seed: int) -> ScalingTable:
    """Two observables that share c_c = nu = 1."""
    table = planted(seed, 0.03)
    rng = np.random.default_rng(seed)
    value = np.tanh(table.size * (table.control - 1.0)) + 0.03 * rng.normal(size=90)
    return ScalingTable(
        table.size,
        table.control,
        {**table.values, "U": value},
        {**table.errors, "U": np.full(90, 0.03)},
    )


# --- S and its minimum ------------------------------------------------------------------


@pytest.mark.parametrize("fixed", [{}, {"zeta": -0.1}, {"nu": 1.3}, {"c_c": 1.01, "zeta": 0.2}])
def test_the_compiled_twin_equals_the_definition(fixed: dict[str, float]) -> None:
    """To 1e-9, for several exponents near and far from the truth."""
    table = planted(3, 0.02)
    quality = Quality(make_form(table, ["m"], fixed=fixed), table)
    rng = np.random.default_rng(4)
    for _ in range(20):
        values = {
            "c_c": 1 + 0.02 * rng.normal(),
            "nu": float(np.exp(0.2 * rng.normal())),
            "zeta": 0.3 * rng.normal(),
            **fixed,
        }
        found = quality(quality.form.vector(values))
        assert found == pytest.approx(collapse_quality(table, "m", **values), rel=1e-9)


def test_several_observables_are_averaged() -> None:
    table = joint(1)
    form = make_form(table, ["m", "U"], fixed={"zeta_U": 0.0})
    values = {"c_c": 1.003, "nu": 1.1, "zeta_m": -0.1}
    parts = [
        collapse_quality(table, name, c_c=1.003, nu=1.1, zeta=zeta)
        for name, zeta in (("m", -0.1), ("U", 0.0))
    ]
    assert Quality(form, table)(form.vector(values)) == pytest.approx(np.mean(parts), rel=1e-9)


def test_out_of_bounds_and_without_overlap_s_is_huge() -> None:
    table = planted(1)
    quality = Quality(make_form(table, ["m"]), table)
    assert quality(np.array([0.6, 0.0, 0.0])) == 1e12
    # nu = 0.1: every size has its own stretch of x.
    apart = table.window(control_min=1.01)
    assert Quality(make_form(apart, ["m"]), apart)(np.array([-0.5, 2.3, 0.0])) == 1e12


def test_the_minimum_is_one() -> None:
    """No point of a fine random cloud around it is lower, and the exact exponents are higher."""
    table = planted(2, 0.03)
    form = make_form(table, ["m"])
    quality = Quality(form, table)
    optimum = minimise(quality, form.vector({"c_c": 1.004, "nu": 1.1, "zeta": -0.1}))
    assert optimum.converged
    assert -optimum.value < quality(form.vector(TRUTH))
    cloud = optimum.vector + 1e-4 * np.random.default_rng(1).normal(size=(300, 3))
    assert min(quality(one) for one in cloud) > -optimum.value - 1e-6


def test_local_lines_pass_through_a_straight_curve() -> None:
    size, x = np.repeat([8.0, 16.0], 6), np.tile(np.linspace(0, 5, 6), 2)
    lines = local_curve(size, x, 3 - 2 * x, np.full(12, 0.1), np.array([-1.0, 0.3, 2.0, 4.9]))
    assert lines.known.tolist() == [False, True, True, True]
    np.testing.assert_allclose(lines.value[1:], 3 - 2 * np.array([0.3, 2.0, 4.9]), rtol=1e-12)
    np.testing.assert_allclose(lines.operator @ np.ones(12), [0, 1, 1, 1], atol=1e-12)
    # The variance is that of the weights in the operator.
    weights = (lines.operator.power(2)) @ np.full(12, 0.01)
    np.testing.assert_allclose(lines.variance[1:], weights[1:], rtol=1e-9)


# --- errors -----------------------------------------------------------------------------


@pytest.mark.parametrize("seeds", [10, pytest.param(100, marks=pytest.mark.slow)])
def test_errors_of_a_straight_curve_by_the_bootstrap(seeds: int) -> None:
    """Mean and spread of z within 4 of their errors, and 0.15 for the method."""
    pulls = []
    for seed in range(seeds):
        result = collapse(straight(seed), method="local-linear", window="all")
        assert result.flags == ()
        pulls.append(
            [
                (result.parameters[n].value - truth) / result.parameters[n].stderr
                for n, truth in STRAIGHT.items()
            ]
        )
    z = np.array(pulls)
    assert abs(z.mean(axis=0)).max() < 4 / math.sqrt(seeds) + 0.15
    assert (abs(z.std(axis=0) - 1) < 4 / math.sqrt(2 * seeds) + 0.15).all()


def test_the_law_of_s_at_the_exact_exponents() -> None:
    """chi2/dof there has mean 1 and variance 2/dof: 200 sets, 4 of the errors of both."""
    ratios, dofs = [], []
    for seed in range(200):
        table = straight(seed)
        form = make_form(table, ["m"], fixed=STRAIGHT)
        found = sandwich(Quality(form, table), np.empty(0))
        ratios.append(found.chi2 / found.dof)
        dofs.append(found.dof)
    expected = 2 / np.mean(dofs)
    assert abs(np.mean(ratios) - 1) < 4 * math.sqrt(expected / 200)
    assert abs(np.var(ratios) / expected - 1) < 4 * math.sqrt(2 / 200) * 1.3


def test_the_rise_of_s_by_one() -> None:
    """At both ends of the interval the smallest S over the others is S_min + 1, within 10 %."""
    table = planted(1, 0.03)
    result = collapse(table, method="local-linear", window="all", errors="quality")
    bootstrap = collapse(table, method="local-linear", window="all")
    for name, one in result.parameters.items():
        assert one.value == bootstrap.parameters[name].value
        assert one.stderr > 3 * bootstrap.parameters[name].stderr
    for end in result.parameters["nu"].interval68:
        form = make_form(table, ["m"], fixed={"nu": end})
        start = form.vector({name: one.value for name, one in result.parameters.items()})
        found = minimise(Quality(form, table), start)
        assert -found.value - result.quality == pytest.approx(1.0, abs=0.1)


# --- honesty ----------------------------------------------------------------------------


def test_curvature_is_flagged_where_it_exceeds_the_noise() -> None:
    """0.3 % noise: S is far above 1, the flag says why; at 3 % there is no flag."""
    bad = collapse(planted(1, 0.003), method="local-linear", window="all", errors="quality")
    assert bad.quality > 5
    assert any("straight lines" in flag for flag in bad.flags)
    good = collapse(planted(1, 0.03), method="local-linear", errors="quality")
    assert 0.5 < good.quality < 1.5
    assert good.flags == ()
    assert "S = " in repr(good)
    assert "chi2" not in repr(good)
    for name, truth in TRUTH.items():
        one = good.parameters[name]
        assert abs(one.value - truth) < 2 * one.total


def test_the_answer_does_not_depend_on_a_start() -> None:
    table = planted(5, 0.03)
    options = {"method": "local-linear", "window": "all", "errors": "quality"}
    reference = collapse(table, **options)
    rng = np.random.default_rng(6)
    for _ in range(10):
        start = {"c_c": float(rng.uniform(0.85, 1.15)), "nu": float(np.exp(rng.uniform(-1, 1)))}
        result = collapse(table, start=start, **options)
        for name, one in result.parameters.items():
            held = reference.parameters[name]
            # The errors of S_min + 1 are five times those of the bootstrap.
            assert abs(one.value - held.value) < 0.02 * held.stderr


def test_joint_fit() -> None:
    result = collapse(joint(2), fixed={"zeta_U": 0.0}, method="local-linear", window="all")
    for name, truth in {"c_c": 1.0, "nu": 1.0, "zeta_m": -0.125}.items():
        one = result.parameters[name]
        assert abs(one.value - truth) < 5 * one.stderr
    assert len(result.curve) == len(result.points) == 2
    assert result.samples.shape[1] == 3


def test_requests_that_make_no_sense() -> None:
    table = planted(1)
    for options, words in (
        ({"corrections": True}, "neither corrections"),
        ({"drift": True}, "neither corrections"),
        ({"form": "kt"}, "nor another form"),
        ({"errors": "posterior"}, "with method 'local-linear'"),
        ({"window": "some"}, "window"),
    ):
        with pytest.raises(AnalysisError, match=words):
            collapse(table, method="local-linear", **options)
    with pytest.raises(AnalysisError, match="with method 'gp'"):
        collapse(table, errors="quality")
