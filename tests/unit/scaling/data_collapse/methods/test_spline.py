"""Least-squares collapse on a spline: planted curves, errors, and wild exponents."""

from __future__ import annotations

import math

import numpy as np
import pytest

from physbatch.scaling.data_collapse.forms import make_form
from physbatch.scaling.data_collapse.methods.spline import _COEFFICIENTS, SplineModel, fit_spline
from tests.physics.collapse_coverage import PARAMETERS
from tests.unit.scaling.data_collapse.test_methods import TRUTH, planted


def test_errors_cover_the_scatter() -> None:
    """50 data sets at 1 % noise, from the truth: bands of 4 sigma for the mean and spread of z."""
    seeds = 50
    z = []
    for seed in range(seeds):
        table = planted(1000 + seed)
        form = make_form(table, ["m"])
        fit = fit_spline(form, table, form.vector(TRUTH))
        jacobian = form.jacobian(fit.vector)
        errors = np.sqrt(np.diag(jacobian @ fit.covariance @ jacobian.T))
        values = form.exponents(fit.vector)
        assert fit.converged
        z.append([(values[n] - TRUTH[n]) / e for n, e in zip(PARAMETERS, errors, strict=True)])
    found = np.array(z)
    assert (np.abs(found.mean(axis=0)) < 4 / math.sqrt(seeds) + 0.15).all()
    assert (np.abs(found.std(axis=0) - 1) < 4 / math.sqrt(2 * seeds) + 0.05).all()


def test_numbers_of_coefficients_are_averaged_by_their_aic() -> None:
    """Against fits with one number each: mean, and variance with the scatter between them."""
    table = planted(5, 0.03)
    form = make_form(table, ["m"])
    begin = form.vector(TRUTH)
    averaged = fit_spline(form, table, begin)
    ones = [fit_spline(form, table, begin, count) for count in _COEFFICIENTS if count <= 42]
    aic = np.array([one.chi2 - 2 * one.dof for one in ones])
    best = ones[int(np.argmin(aic))]
    assert (averaged.chi2, averaged.dof) == (best.chi2, best.dof)
    assert averaged.best.model.coefficients == best.best.model.coefficients
    weights = np.exp(-0.5 * (aic - aic.min()))
    weights /= weights.sum()
    vectors = np.array([one.vector for one in ones])
    mean = weights @ vectors
    variances = np.array([np.diag(one.covariance) for one in ones])
    variance = weights @ (variances + (vectors - mean) ** 2)
    deviation = np.sqrt(variance)
    # What is 9 in AIC worse than the best is left out: under 1 % each.
    assert (np.abs(averaged.vector - mean) < 0.05 * deviation).all()
    np.testing.assert_allclose(np.sqrt(np.diag(averaged.covariance)), deviation, rtol=0.05)
    assert (deviation > np.sqrt(np.diag(best.covariance))).any()


def test_chi2_has_no_kinks() -> None:
    """Along nu, second differences of chi^2 are alike: knots do not jump between points."""
    table = planted(3)
    form = make_form(table, ["m"])
    begin = form.vector(TRUTH)
    model = SplineModel(form, table, begin, 8)
    steps = np.linspace(-0.02, 0.02, 81)
    chi2 = [(model.residuals(begin + np.array([0.0, step, 0.0])) ** 2).sum() for step in steps]
    bends = np.diff(chi2, 2)
    assert bends.min() > 0
    assert np.abs(np.diff(bends)).max() < 0.3 * np.median(bends)


@pytest.mark.parametrize("wild", [[0.0, 900.0, 0.0], [0.0, 0.0, 1e5], [1e9, 0.0, 0.0]])
def test_wild_exponents_have_huge_residuals(wild: list[float]) -> None:
    """Steps of the search may go anywhere; they must come back, not stop the fit."""
    table = planted(1)
    form = make_form(table, ["m"])
    begin = form.vector(TRUTH)
    model = SplineModel(form, table, begin, 8)
    with np.errstate(all="ignore"):
        residuals = model.residuals(begin + np.array(wild))
    assert np.isfinite(residuals).all()
    assert residuals.min() >= 1e6
    assert fit_spline(form, table, begin + np.array([0.05, 0.3, 0.2]), 8).converged
