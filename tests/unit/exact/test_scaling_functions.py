"""Planted scaling data: the law holds, and the noise is what the table states."""

from __future__ import annotations

import math

import numpy as np
import pytest

from physbatch.errors import AnalysisError
from physbatch.exact.grids import flatten_grid, scaled_grid, table_from_samples
from physbatch.exact.scaling_functions import (
    EXPONENT_SETS,
    SHAPES,
    ScalingLaw,
    correction,
    exponent_set,
    planted_table,
)

SIZES = (8, 16, 32, 64)
PLANTED = exponent_set("planted")


@pytest.mark.parametrize("name", EXPONENT_SETS)
@pytest.mark.parametrize("shape", SHAPES)
def test_rescaled_values_of_all_sizes_lie_on_the_master_curve(name, shape):
    known = exponent_set(name)
    table = planted_table(ScalingLaw(known, shape), SIZES, noise=1e-12)
    x = (table.control - known.c_c) * table.size ** (1 / known.nu)
    y = table.values["y"] * table.size ** (-known.zeta / known.nu)
    np.testing.assert_allclose(y, SHAPES[shape](x), rtol=1e-9)
    assert table.dimension == known.dimension


def test_the_exponents_are_those_of_the_literature():
    ratio = {name: known.zeta / known.nu for name, known in EXPONENT_SETS.items()}
    assert ratio["percolation 2-D"] == pytest.approx(-5 / 48)
    assert ratio["Ising 2-D"] == -1 / 8
    assert ratio["mean field"] == -1 / 4
    assert ratio["Potts q=3 2-D"] == pytest.approx(-2 / 15)
    assert ratio["planted"] == 0
    critical = {name: known.c_c for name, known in EXPONENT_SETS.items()}
    assert 1 / critical["Ising 2-D"] == pytest.approx(2.269185314, abs=1e-9)
    assert 1 / critical["Potts q=3 2-D"] == pytest.approx(0.994972861, abs=1e-9)


def test_corrections_and_drift_enter_as_stated():
    plain = ScalingLaw(PLANTED)
    controls = np.linspace(0.4, 0.6, 5)
    bent = ScalingLaw(PLANTED, amplitude=0.5, omega=1.5)
    for size in SIZES:
        x = size ** (1 / 0.63) * (controls - 0.5)
        extra = bent.curve(size, controls) - plain.curve(size, controls)
        np.testing.assert_allclose(extra, 0.5 * size**-1.5 * correction(x), atol=1e-14)
    moved = ScalingLaw(PLANTED, drift_amplitude=0.3, drift_exponent=2.0)
    np.testing.assert_allclose(moved.curve(8, controls + 0.3 / 64), plain.curve(8, controls))
    table = planted_table(bent, SIZES, controls, noise=1e-12, relative=False)
    np.testing.assert_allclose(table.values["y"], bent.curve(table.size, table.control), atol=1e-10)


def test_master_curves_have_the_shape_of_their_name():
    x = np.linspace(-30, 30, 60_001)
    assert np.all(np.diff(SHAPES["order_parameter"](x)) >= 0)
    assert np.all(np.diff(SHAPES["binder"](x)) >= 0)
    assert SHAPES["binder"](np.array([30.0]))[0] == pytest.approx(2 / 3)
    assert x[SHAPES["susceptibility"](x).argmax()] == pytest.approx(math.atanh(0.3), abs=1e-3)
    dip = SHAPES["non_monotonic"](x)
    assert dip.min() < -0.2
    assert dip[-1] == pytest.approx(2 / 3)


@pytest.mark.parametrize("relative", [True, False])
def test_the_noise_is_that_of_the_stated_errors(relative):
    grid = scaled_grid(SIZES, 0.5, 0.63, points=100)
    table = planted_table("planted", SIZES, grid, noise=0.02, relative=relative, seed=5)
    exact = ScalingLaw(PLANTED).curve(table.size, table.control)
    z = (table.values["y"] - exact) / table.errors["y"]
    assert abs(z.mean()) < 4 / math.sqrt(z.size)
    assert abs(z.std() - 1) < 4 / math.sqrt(2 * z.size)
    np.testing.assert_allclose(table.errors["y"], 0.02 * np.abs(exact) if relative else 0.02)


def test_correlated_noise_follows_its_covariance():
    z = []
    for seed in range(50):
        table = planted_table("planted", SIZES, correlation=0.7, noise=0.01, seed=seed)
        covariance = table.covariance["y"]
        np.testing.assert_allclose(np.diag(covariance), table.errors["y"] ** 2)
        off = table.values["y"] - ScalingLaw(PLANTED).curve(table.size, table.control)
        z.append(np.linalg.solve(np.linalg.cholesky(covariance), off))
        assert covariance[14, 15] == 0  # the last point of 8, the first of 16
    white = np.array(z)
    assert abs(white.std() - 1) < 4 / math.sqrt(2 * white.size)
    neighbours = np.mean(white[:, 1:] * white[:, :-1])
    assert abs(neighbours) < 4 / math.sqrt(white.size)


def test_replicas_scatter_as_the_error_of_their_mean_says():
    table = planted_table("planted", SIZES, noise=0.01, replicas=400, seed=3)
    exact = ScalingLaw(PLANTED).curve(table.size, table.control)
    np.testing.assert_allclose(table.values["y"], [sample.mean() for sample in table.samples["y"]])
    z = (table.values["y"] - exact) / (0.01 * np.abs(exact))
    assert abs(z.std() - 1) < 4 / math.sqrt(2 * z.size)
    # 400 replicas know their own error to 3.5 %.
    assert np.abs(table.errors["y"] / (0.01 * np.abs(exact)) - 1).max() < 0.16


def test_the_seed_decides():
    first, again, other = (
        planted_table("planted", SIZES, seed=seed).values["y"] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_ragged_grids_differ_between_sizes_and_stay_in_the_window():
    grid = scaled_grid(SIZES, 0.5, 2.0, (-2, 3), 10, ragged=True, seed=1)
    assert [control.size for control in grid.values()] == [10, 9, 8, 7]
    for size, control in grid.items():
        x = (control - 0.5) * math.sqrt(size)
        assert -2 <= x.min() < x.max() <= 3
    size, control = flatten_grid(SIZES[::-1], grid)
    assert np.all(np.diff(size) >= 0)
    assert np.all((np.diff(control) > 0) | (np.diff(size) > 0))


@pytest.mark.parametrize(
    ("sizes", "parameters"),
    [
        ((8, 8), {}),
        ((), {}),
        ((-8, 8), {"controls": (0.5,)}),
        ((8,), {"controls": (0.5, 0.5)}),
        ((8,), {"controls": (0.5, math.nan)}),
        ((8,), {"controls": ()}),
        ((8, 16), {"controls": {8: (0.5,)}}),
        ((8,), {"noise": 0.0}),
        ((8,), {"correlation": 1.0}),
        ((8,), {"correlation": 0.5, "replicas": 10}),
        ((8,), {"replicas": 1}),
    ],
)
def test_bad_parameters_are_refused(sizes, parameters):
    with pytest.raises(AnalysisError):
        planted_table("planted", sizes, **parameters)


def test_unknown_laws_are_refused():
    with pytest.raises(AnalysisError, match="no set of exponents is called 'unknown'"):
        planted_table("unknown", (8,))
    with pytest.raises(AnalysisError, match="no master curve is called 'unknown'"):
        ScalingLaw(PLANTED, "unknown")


def test_equal_samples_do_not_claim_certainty():
    table = table_from_samples([4, 4], [0.1, 0.2], {"hit": [[1 / 3] * 7, [0, 1, 0, 1, 0, 1, 1]]})
    assert table.errors["hit"][0] == pytest.approx(1 / 7)
    assert table.errors["hit"][1] == pytest.approx(np.std([0, 1, 0, 1, 0, 1, 1], ddof=1) / 7**0.5)
