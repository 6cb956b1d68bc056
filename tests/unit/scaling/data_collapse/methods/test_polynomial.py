"""Least-squares collapse on polynomials of the fields: expansions, orders, errors, refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from physbatch.errors import AnalysisError
from physbatch.results import open_results
from physbatch.scaling.data_collapse.forms import make_form
from physbatch.scaling.data_collapse.methods import collapse
from physbatch.scaling.data_collapse.methods.polynomial import fit_polynomial
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray
from tests.unit.scaling.data_collapse.test_methods import planted as step

TRUTH = {"c_c": 1.0, "nu": 0.9, "zeta": -0.2, "omega": 0.8}
RELEVANT = (1.0, -0.6, 0.1, 0.03)
IRRELEVANT = (0.5, 0.3, -0.1, 0.02)
BENT = 0.7
EXACT = {"n1": 3, "n2": 1, "m": 2}
#: Of a second irrelevant field.
SECOND_OMEGA = 2.1
SIZES = (8, 12, 16, 24, 32, 48, 64)
POINTS = 13


def planted(
    seed: int,
    noise: float = 0.002,
    *,
    corrections: float = 1.0,
    bent: float = BENT,
    correlation: float = 0.0,
    second: float = 0.0,
) -> ScalingTable:
    """Cubics in u1 = t + bent t^2; neighbouring points of a size may move together."""
    size = np.repeat(np.array(SIZES, dtype=float), POINTS)
    stretch = size ** (1 / TRUTH["nu"])
    t = np.tile(np.linspace(-2.0, 2.0, POINTS), len(SIZES)) / stretch
    x = (t + bent * t**2) * stretch
    scale = size ** (TRUTH["zeta"] / TRUTH["nu"])
    fall = corrections * size ** -TRUTH["omega"]
    y = scale * (np.polyval(RELEVANT[::-1], x) + fall * np.polyval(IRRELEVANT[::-1], x))
    y = y + scale * second * size**-SECOND_OMEGA * np.polyval(RELEVANT[::-1], 0.3 - x)
    error = noise * scale
    covariance = np.diag(error**2)
    if correlation:
        rows = np.arange(len(size))
        alike = np.where(size[:, None] == size, correlation ** np.abs(rows[:, None] - rows), 0.0)
        covariance = alike * np.outer(error, error)
    luck = np.linalg.cholesky(covariance) @ np.random.default_rng(seed).normal(size=len(size))
    given = {"m": covariance} if correlation else {}
    return ScalingTable(size, 1.0 + t, {"m": y + luck}, {"m": error}, given)


def fitted(
    table: ScalingTable, given: dict[str, int], *, corrections: bool = True
) -> tuple[dict[str, float], FloatArray, FloatArray]:
    """Values, errors and z of a fit from near the truth."""
    form = make_form(table, ["m"], corrections=corrections)
    fit = fit_polynomial(form, table, form.vector(TRUTH) + 0.02, given)
    assert fit.converged
    jacobian = form.jacobian(fit.vector)
    errors = np.sqrt(np.diag(jacobian @ fit.covariance @ jacobian.T))
    values = form.exponents(fit.vector)
    return values, errors, np.array([values[n] - TRUTH[n] for n in form.names]) / errors


def test_an_exact_expansion_is_found() -> None:
    """With next to no noise, the exponents to five digits and the points to their noise."""
    table = planted(1, 1e-7)
    values, errors, z = fitted(table, EXACT)
    assert values == pytest.approx(TRUTH, abs=2e-5)
    assert (np.abs(z) < 5).all()
    assert (errors < 2e-5).all()
    form = make_form(table, ["m"])
    bare = fit_polynomial(form, table, form.vector(TRUTH), {**EXACT, "n2": 0})
    straight = fit_polynomial(form, table, form.vector(TRUTH), {**EXACT, "m": 1})
    whole = fit_polynomial(form, table, form.vector(TRUTH), EXACT)
    assert whole.chi2 < 3 * whole.dof < 1e-3 * min(bare.chi2, straight.chi2)
    # Points, less 8 coefficients, b_2, omega, c_c, nu, zeta.
    assert whole.dof == len(table.size) - 8 - 5


def test_two_irrelevant_fields_are_told_apart() -> None:
    """Each with its omega; with one alone the exponents are wrong, and the points do not fit."""
    both, alone = {**EXACT, "n3": 1}, EXACT
    table = planted(1, 1e-7, second=4.0)
    values, errors, z = fitted(table, both)
    assert values == pytest.approx(TRUTH, abs=1e-4)
    assert (np.abs(z) < 5).all()
    assert (errors < 1e-4).all()
    form = make_form(table, ["m"], corrections=True)
    begin = form.vector(TRUTH)
    with_both, with_one = (fit_polynomial(form, table, begin, given) for given in (both, alone))
    assert with_both.chi2 < 3 * with_both.dof < 1e-3 * with_one.chi2
    # Points, less 12 coefficients, b_2, c_c, nu, zeta and two omegas.
    assert with_both.dof == len(table.size) - 12 - 6
    seeds = 12
    scores = np.array(
        [fitted(planted(seed, 3e-5, second=4.0), both)[2] for seed in range(200, 200 + seeds)]
    )
    assert (np.abs(scores.mean(axis=0)) < 4 / np.sqrt(seeds) + 0.1).all(), scores.mean(axis=0)
    assert (np.abs(scores.std(axis=0) - 1) < 4 / np.sqrt(2 * seeds) + 0.05).all(), scores.std(0)


@pytest.mark.parametrize("correlation", [0.0, 0.7])
def test_errors_cover_the_scatter(correlation: float) -> None:
    """40 data sets with known orders: bands of 4 sigma for the mean and spread of z."""
    seeds = 40
    z = np.array(
        [
            fitted(planted(seed, 3e-4, correlation=correlation), EXACT)[2]
            for seed in range(100, 100 + seeds)
        ]
    )
    assert (np.abs(z.mean(axis=0)) < 4 / np.sqrt(seeds) + 0.1).all(), z.mean(axis=0)
    assert (np.abs(z.std(axis=0) - 1) < 4 / np.sqrt(2 * seeds) + 0.05).all(), z.std(axis=0)


def bent_step(seed: int) -> ScalingTable:
    """No polynomial: tanh of a field with a square in c - c_c, and corrections in 1/L."""
    size = np.repeat(np.array(SIZES, dtype=float), POINTS)
    t = np.tile(np.linspace(-2.0, 2.0, POINTS), len(SIZES)) / size
    x = size * (t + t**2)
    scale = size**-0.125
    y = scale * (1 - np.tanh(x) + (1 + 0.5 * np.cos(x)) / size)
    error = 1e-3 * scale
    luck = error * np.random.default_rng([seed, 77]).normal(size=len(size))
    return ScalingTable(size, 1.0 + t, {"m": y + luck}, {"m": error})


@pytest.mark.parametrize("seeds", [4, pytest.param(100, marks=pytest.mark.slow)])
def test_errors_cover_where_orders_are_those_of_the_data(seeds: int) -> None:
    """Measured over 40 seeds: means of z 0.5, 0.0 and 0.2, root mean squares 1.1, 0.9 and 1.0."""
    truth = {"c_c": 1.0, "nu": 1.0, "zeta": -0.125}
    z = []
    for seed in range(seeds):
        table = bent_step(seed)
        form = make_form(table, ["m"])
        fit = fit_polynomial(form, table, form.vector(truth), {})
        assert fit.converged
        assert fit.best.model.orders.n2 == 1
        jacobian, values = form.jacobian(fit.vector), form.exponents(fit.vector)
        errors = np.sqrt(np.diag(jacobian @ fit.covariance @ jacobian.T))
        assert errors[1] < 0.01
        z.append([(values[name] - truth[name]) / e for name, e in zip(truth, errors, strict=True)])
    found = np.array(z)
    assert (np.abs(found.mean(axis=0)) < 4 / np.sqrt(seeds) + 0.5).all(), found.mean(axis=0)
    assert ((found**2).mean(axis=0) < 1.3 + 4 * np.sqrt(2 / seeds)).all(), found


def test_the_covariance_of_the_table_is_that_of_the_points() -> None:
    """As a matrix the same errors give the same fit; four times as much, errors twice as large."""
    table = planted(2)
    matrix = np.diag(table.errors["m"] ** 2)
    alone, errors, _ = fitted(table, EXACT)
    same, errors_same, _ = fitted(replace(table, covariance={"m": matrix}), EXACT)
    wide, errors_wide, _ = fitted(replace(table, covariance={"m": 4 * matrix}), EXACT)
    assert same == pytest.approx(alone, rel=1e-6)
    assert wide == pytest.approx(alone, rel=1e-4)
    assert errors_same == pytest.approx(errors, rel=1e-4)
    assert errors_wide == pytest.approx(2 * errors, rel=0.1)


@pytest.mark.parametrize(
    ("corrections", "bent", "n2", "m"), [(0.0, 0.0, 0, 1), (1.0, 0.0, 1, 1), (1.0, 2.0, 1, 2)]
)
def test_orders_are_those_that_the_data_ask_for(
    corrections: float, bent: float, n2: int, m: int
) -> None:
    table = planted(4, 3e-4, corrections=corrections, bent=bent)
    form = make_form(table, ["m"])
    fit = fit_polynomial(form, table, form.vector(TRUTH), {})
    orders = fit.best.model.orders
    assert orders.n2 == n2
    assert orders.m >= m  # the AIC takes more than is needed now and then, by little
    assert orders.n1 >= 3
    values, errors = form.exponents(fit.vector), form.jacobian(fit.vector)
    deviation = np.sqrt(np.diag(errors @ fit.covariance @ errors.T))
    z = np.array([values[name] - TRUTH[name] for name in form.names]) / deviation
    assert (np.abs(z) < 4).all(), z
    assert deviation[1] < 0.01


def test_a_collapse_says_its_orders(tmp_path: Path) -> None:
    table = planted(5)
    result = collapse(table, method="polynomial", window="all", orders={"n2": 1, "m": 2})
    assert result.orders["n2"] == 1
    assert result.orders["m"] == 2
    assert not result.flags
    for name, exact in TRUTH.items():
        estimate = result.parameters[name]
        assert abs(estimate.value - exact) < 4 * estimate.stderr
    words = f"polynomial of n1 = {result.orders['n1']}, n2 = 1, m = 2"
    assert words in str(result)
    assert words in result.report()
    assert f"{result.starts_agreed} of {result.starts_tried} starts agree" in str(result)
    assert result.to_json()["orders"] == result.orders
    assert open_results(result.save(tmp_path / "polynomial.nc")).orders == result.orders


def test_all_points_count_and_the_total_is_that_of_every_method() -> None:
    table = step(3, sizes=(8, 16, 32, 64), points=10)
    usual, result = (
        collapse(table, method=method, fixed={"c_c": 1.0}) for method in ("gp", "polynomial")
    )
    assert (result.window.size_min, result.window.fraction) == (8.0, 1.0)
    for name, estimate in result.parameters.items():
        assert estimate.value == usual.parameters[name].value
        assert estimate.stated == usual.parameters[name].stated
        assert estimate.stderr != usual.parameters[name].stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "gp", "orders": {"n1": 3}}, "order n1 with method 'gp'; use method polynomial"),
        ({"orders": {"n4": 3}}, "no order 'n4'; use n1, n2, m"),
        ({"orders": {"n3": 3}}, "n3 = 3; give a whole number from 0 to 2"),
        ({"orders": {"n3": 1, "n2": 0}}, "n3 without n2"),
        ({"orders": {"n1": 0}}, "n1 = 0; give a whole number from 1 to 30"),
        ({"orders": {"m": 1.5}}, "m = 1.5; give a whole number from 1 to 6"),
        ({"orders": {"n2": 0}, "corrections": True}, "n2 = 0 has no corrections"),
        ({"orders": {"n1": 30, "n2": 1}}, "91 points are too few for these orders"),
        ({"errors": "profile"}, "errors = 'profile' with method 'polynomial'"),
    ],
)
def test_orders_that_cannot_be_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(AnalysisError, match=words):
        collapse(planted(1), **{"method": "polynomial", "window": "all", **options})
