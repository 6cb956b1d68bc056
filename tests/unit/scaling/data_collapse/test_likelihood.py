"""The likelihood of a collapse: against the normal law, its gradient, and the bent coordinate."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from physbatch.exact.scaling_functions import exponent_set
from physbatch.scaling.data_collapse.form import Rescaled
from physbatch.scaling.data_collapse.forms import make_form
from physbatch.scaling.data_collapse.likelihood import (
    HYPERPARAMETERS,
    Curve,
    covariance_at,
    log_likelihood,
    predict,
)
from physbatch.tables.table import ScalingTable
from tests.physics.collapse_coverage import DataSet, fit_at_truth
from tests.unit.scaling.data_collapse.test_methods import planted

BARE = ("amplitude", "length", "reach")
HYPER = {"amplitude": 0.2, "length": -0.9, "reach": -0.6, "correction": -1.5, "nugget": 0.3}


def problem(*, corrections: bool = False) -> tuple[Curve, Rescaled, ScalingTable]:
    """15 points of three sizes at exponents near those planted."""
    table = planted(1, sizes=(8, 16, 32), points=5)
    form = make_form(table, ["m"], corrections=corrections)
    values = {"c_c": 1.002, "nu": 1.1, "zeta": -0.14, "omega": 0.9}
    where = form.rescale(form.vector(values), table, "m")
    return Curve(table.values["m"], table.errors["m"], None), where, table


def hyper_of(names: tuple[str, ...], **changes: float) -> npt.NDArray[np.float64]:
    return np.array([{**HYPER, **changes}[name] for name in names])


@pytest.mark.parametrize("corrections", [False, True])
def test_it_is_the_normal_density_with_the_stated_covariance(corrections: bool) -> None:
    curve, where, _ = problem(corrections=corrections)
    names = tuple(n for n in HYPERPARAMETERS if corrections or n != "correction")
    value = log_likelihood(curve, where, names, hyper_of(names))[0]
    reach, length = math.exp(HYPER["reach"]), math.exp(HYPER["length"])
    u = reach * np.arcsinh(where.x / reach)
    shape = np.exp(-((u[:, None] - u[None, :]) ** 2) / (2 * length**2))
    kernel = 100.0 + math.exp(2 * HYPER["amplitude"]) * shape
    if corrections:
        q = np.exp(where.log_correction)
        kernel = kernel + math.exp(2 * HYPER["correction"]) * np.outer(q, q) * (1 + shape)
    s = np.exp(where.log_scale)
    noise = np.diag(curve.errors**2) * (1 + math.exp(2 * HYPER["nugget"]))
    expected = stats.multivariate_normal.logpdf(curve.values, cov=np.outer(s, s) * kernel + noise)
    assert value == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    "names", [BARE, ("amplitude", "length"), HYPERPARAMETERS, (*BARE, "nugget")], ids=", ".join
)
def test_gradient_by_hyperparameters(names: tuple[str, ...]) -> None:
    curve, where, _ = problem(corrections=True)
    hyper = hyper_of(names)
    slope = log_likelihood(curve, where, names, hyper)[2]
    for place in range(len(names)):
        step = np.zeros(len(names))
        step[place] = 1e-4
        high, low = (
            log_likelihood(curve, where, names, hyper + sign * step, gradient=False)[0]
            for sign in (1.0, -1.0)
        )
        assert slope[place] == pytest.approx((high - low) / 2e-4, rel=1e-4, abs=1e-3), names[place]


def test_a_large_reach_is_the_stationary_process_in_x() -> None:
    curve, where, _ = problem()
    far = log_likelihood(curve, where, BARE, hyper_of(BARE, reach=8.0))[0]
    farther = log_likelihood(curve, where, BARE, hyper_of(BARE, reach=11.0))[0]
    near = log_likelihood(curve, where, BARE, hyper_of(BARE))[0]
    assert far == pytest.approx(farther, abs=1e-3)
    assert abs(near - far) > 0.1


def test_a_covariance_that_is_not_positive_definite_has_no_likelihood() -> None:
    curve, where, _ = problem()
    broken = curve._replace(noise=-np.eye(len(curve.values)))
    value, by_parameter, by_hyper = log_likelihood(broken, where, BARE, hyper_of(BARE))
    assert value == -math.inf
    assert not by_parameter.any()
    assert not by_hyper.any()


def test_degrees_of_freedom_lie_between_the_limits_of_the_curve() -> None:
    """A constant curve takes one, an interpolating one takes all."""
    curve, where, _ = problem()
    stiff = predict(curve, where, BARE, hyper_of(BARE, amplitude=-9.0))
    loose = predict(curve, where, BARE, hyper_of(BARE, amplitude=6.0, length=-6.0))
    assert stiff.dof == pytest.approx(14, abs=0.01)
    assert loose.dof < 1


def test_the_curve_on_the_points_is_the_prediction() -> None:
    curve, where, _ = problem()
    total, cross, _ = covariance_at(curve, where, BARE, hyper_of(BARE), where.x)
    on_grid = cross @ np.linalg.solve(total, curve.values) * np.exp(where.log_scale)
    np.testing.assert_allclose(on_grid, predict(curve, where, BARE, hyper_of(BARE)).fitted)


def test_flat_tails_do_not_pull_nu() -> None:
    """At 3 % noise, x out to 27. In a process stationary in x the mean of z was 1.76 here."""
    truth = exponent_set("planted").nu
    z = []
    for seed in range(60):
        fit = fit_at_truth(DataSet("planted", 0.03, seed))
        form = fit.objective.form
        slope = form.jacobian(fit.exponents)[form.names.index("nu")]
        count = len(form.names)
        error = math.sqrt(slope @ fit.covariance[:count, :count] @ slope)
        z.append((form.exponents(fit.exponents)["nu"] - truth) / error)
    assert abs(np.mean(z)) < 4 / math.sqrt(60) + 0.35  # measured 0.27 over 40 other seeds
