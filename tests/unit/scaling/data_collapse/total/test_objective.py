"""The posterior of a fit with corrections: its covariance, its gradient, its Jacobian."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from physbatch.scaling.data_collapse.total.likelihood import (
    Corrections,
    corrected_likelihood,
    hyper_prior,
)
from physbatch.scaling.data_collapse.total.noise import NoiseModel
from physbatch.scaling.data_collapse.total.objective import takes_logarithms
from tests.unit.scaling.data_collapse.total.problems import problem, two_observables

NOISE = (NoiseModel(), NoiseModel(rough=0.5, reach=0.3, offset=1.0))


@pytest.mark.parametrize("logarithmic", [False, True])
@pytest.mark.parametrize("drift", [False, True])
def test_gradient_is_that_of_differences(logarithmic: bool, drift: bool) -> None:
    priors = {"shift": (0.0, 0.1), "phi": (0.1, 0.5)} if drift else {}
    objective, vector = problem(logarithmic=logarithmic, drift=drift, noise=NOISE, priors=priors)
    slope = objective(vector)[1]
    for column in range(len(vector)):
        step = np.zeros(len(vector))
        step[column] = 2e-4
        near, far = (
            objective(vector + n * step, gradient=False)[0]
            - objective(vector - n * step, gradient=False)[0]
            for n in (1, 2)
        )
        expected = (8 * near - far) / (12 * 2e-4)
        assert slope[column] == pytest.approx(expected, rel=2e-4, abs=2e-3), column


@pytest.mark.parametrize(("logarithmic", "flat"), [(False, False), (True, False), (False, True)])
def test_it_is_the_normal_density_with_the_stated_covariance(logarithmic: bool, flat: bool) -> None:
    """Corrections change with x by A as the curve does, or by 1 where they are all of it."""
    objective, vector = problem(("m",), logarithmic=logarithmic)
    objective = objective.on(objective.grounds._replace(flat=flat))
    table, unit = objective.table, objective.grounds.units[0]
    values = objective.form.exponents(vector[:3])
    where = next(objective.parts(vector)).where
    amplitude, length, reach, field, factor = np.exp(vector[3:])
    u = reach * np.arcsinh(where.x / reach)
    shape = np.exp(-((u[:, None] - u[None, :]) ** 2) / (2 * length**2))
    q = (table.size / 8) ** -0.9
    t = (table.control - values["c_c"]) / (np.ptp(table.control) / 2)
    products = np.outer(t, t)
    kernel = (
        100.0
        + amplitude**2 * shape
        + 0.16**2 * np.outer(q, q) * (4 + (1.0 if flat else amplitude**2) * shape)
        + field**2 * products / (1 - 0.15 * products) * (1 + shape)
    )
    y = table.values["m"] / unit
    noise = factor**2 * table.covariance["m"] / unit**2
    scale = np.exp(where.log_scale)
    if logarithmic:
        noise = noise / np.outer(y, y)
        expected = stats.multivariate_normal.logpdf(np.log(y / scale), cov=kernel + noise)
        expected -= np.log(y).sum()
    else:
        cov = np.outer(scale, scale) * kernel + noise
        expected = stats.multivariate_normal.logpdf(y, cov=cov)
    expected += hyper_prior(objective.grounds.reach, flat=flat)(vector[3:])[0]
    assert objective(vector)[0] == pytest.approx(expected, rel=1e-9)


def test_analytic_terms_are_as_large_a_priori_as_the_controls_reach() -> None:
    """ln T ~ N(ln((c_max - c_min)/(c_max + c_min)), 0.7); elsewhere N(ln 0.13, 1.3)."""
    objective, _ = problem(("m",))
    grounds, table = objective.grounds, objective.table
    low, high = table.control.min(), table.control.max()
    assert grounds.reach == pytest.approx((high - low) / (high + low))
    prior = hyper_prior(0.4)
    at_top = np.array([0.0, math.log(0.5), math.log(0.5), math.log(0.4), 0.0])
    assert prior(at_top)[0] == pytest.approx(0.0)
    value, slope = prior(at_top + np.array([0.0, 0.0, 0.0, 0.7, 0.0]))
    assert value == pytest.approx(-0.5)
    assert slope == pytest.approx([0.0, 0.0, 0.0, -1 / 0.7, 0.0])
    around_zero = replace(table, control=table.control - 0.5 * (low + high))
    moved = grounds._replace(table=around_zero)
    assert math.isnan(moved.reach)
    assert hyper_prior(moved.reach)(at_top)[0] == pytest.approx(
        -0.5 * (math.log(0.4 / 0.13) / 1.3) ** 2
    )


def test_powers_of_the_field_must_be_a_sum() -> None:
    """Beyond t^2 = 1/0.15 the geometric series of powers has no sum: no likelihood."""
    objective, vector = problem(("m",))
    part = next(objective.parts(vector))
    far = Corrections(0.16, part.corrections.factor, 3.0 * part.corrections.field)
    assert corrected_likelihood(part.sample, part.where, far, part.hyper)[0] == -math.inf


def test_scores_are_those_of_fits_without_the_point() -> None:
    """The normal law of a value given all others, for one point by the block formula."""
    objective, vector = problem(("U",))
    part = next(objective.parts(vector))
    rest = np.arange(1, len(part.sample.values))
    joint, alone = (
        corrected_likelihood(sample, where, corrections, part.hyper, gradient=False)[0]
        for sample, where, corrections in (
            (part.sample, part.where, part.corrections),
            (
                part.sample._replace(
                    values=part.sample.values[rest], noise=part.sample.noise[np.ix_(rest, rest)]
                ),
                part.where._replace(x=part.where.x[rest], log_scale=part.where.log_scale[rest]),
                part.corrections._replace(
                    factor=part.corrections.factor[rest], field=part.corrections.field[rest]
                ),
            ),
        )
    )
    score = objective.scores(vector)[0][0]
    moved = part.sample._replace(values=part.sample.values + 1e-3 * (np.arange(len(rest) + 1) == 0))
    higher = corrected_likelihood(moved, part.where, part.corrections, part.hyper)[0]
    # ln p(y_0 | rest) = -z^2/2 - ln(sd sqrt(2 pi)), and its slope by y_0 is -z/sd
    conditional, slope = joint - alone, (higher - joint) / 1e-3
    deviation = math.exp(-conditional - 0.5 * score**2) / math.sqrt(2 * math.pi)
    assert slope == pytest.approx(-score / deviation - 0.5e-3 / deviation**2, rel=1e-3)


def test_logarithms_are_for_small_errors_and_a_wide_range() -> None:
    table = two_observables()
    assert takes_logarithms(table, "m")
    wide = two_observables()
    wide.errors["m"][0] = 0.3 * wide.values["m"][0]
    assert not takes_logarithms(wide, "m")
    negative = two_observables()
    negative.values["m"][0] *= -1
    assert not takes_logarithms(negative, "m")
    flat = two_observables()
    flat.values["m"][:] = np.linspace(1.0, 1.3, len(flat.size))  # ln 1.3 = 0.26
    assert not takes_logarithms(flat, "m")
