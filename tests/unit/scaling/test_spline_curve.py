"""Least-squares collapse on a spline: planted curves, errors, and wild exponents."""

from __future__ import annotations

import math

import numpy as np
import pytest

from physbatch.scaling.scaling_form import make_form
from physbatch.scaling.spline_curve import _Model, fit_spline
from tests.physics.collapse_coverage import PARAMETERS
from tests.unit.scaling.test_collapse import TRUTH, planted


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


def test_chi2_has_no_kinks() -> None:
    """Along nu, second differences of chi^2 are alike: knots do not jump between points."""
    table = planted(3)
    form = make_form(table, ["m"])
    begin = form.vector(TRUTH)
    model = _Model(form, table, begin, 8)
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
    model = _Model(form, table, begin, 8)
    with np.errstate(all="ignore"):
        residuals = model.residuals(begin + np.array(wild))
    assert np.isfinite(residuals).all()
    assert residuals.min() >= 1e6
    assert fit_spline(form, table, begin + np.array([0.05, 0.3, 0.2]), 8).converged
