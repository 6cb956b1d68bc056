"""First passages: the textbook estimator, calibrated times, laws, what survives."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize

from physbatch.errors import AnalysisError
from physbatch.exact.planted import first_order
from physbatch.results import open_results
from physbatch.scaling import flag_names
from physbatch.scaling.times.escapes import (
    escape_times,
    fit_divergence,
    fit_nucleation,
    quasi_stationary,
)
from physbatch.scaling.times.exponential import fit_escape_time
from physbatch.scaling.times.passages import survival_curve

# Remission times of 21 leukaemia patients (Freireich et al. 1963), the example of most textbooks:
# a minus sign is a patient who was lost from sight.
REMISSION = [6, 6, 6, -6, 7, -9, 10, -10, -11, 13, 16, -17, -19, -20, 22, 23]
REMISSION += [-25, -32, -32, -34, -35]


def censored(times: np.ndarray, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The intervals of a grid that hold some times."""
    place = np.searchsorted(grid, times)
    upper = np.append(grid, np.inf)[place]
    return grid[np.minimum(place, grid.size) - 1], upper


def test_kaplan_meier_and_greenwood_are_those_of_the_textbook():
    times = np.abs(np.array(REMISSION, dtype=float))
    upper = np.where(np.array(REMISSION) > 0, times, np.inf)
    curve = survival_curve(times, upper)
    assert curve.method == "Kaplan-Meier"
    np.testing.assert_array_equal(curve.time, [6, 7, 10, 13, 16, 22, 23])
    np.testing.assert_array_equal(curve.at_risk, [21, 17, 15, 12, 11, 7, 6])
    known = [0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482]
    np.testing.assert_allclose(curve.probability, known, atol=6e-5)
    errors = [0.0764, 0.0869, 0.0963, 0.1068, 0.1141, 0.1282, 0.1346]
    np.testing.assert_allclose(curve.stderr, errors, atol=6e-5)
    assert curve.median.value == 23.0
    tau = fit_escape_time(times, upper).tau.value
    assert tau == pytest.approx(times.sum() / 9, rel=1e-6)  # time watched over passages


def test_complete_data_give_the_empirical_law():
    times = np.random.default_rng(0).exponential(2.0, 50)
    curve = survival_curve(times, times)
    np.testing.assert_allclose(curve.probability, 1.0 - np.arange(1, 51) / 50, atol=1e-12)
    p = curve.probability[:-1]
    np.testing.assert_allclose(curve.stderr[:-1], np.sqrt(p * (1.0 - p) / 50), rtol=1e-9)


def test_turnbull_equals_kaplan_meier_where_both_hold():
    generator = np.random.default_rng(1)
    grid = np.arange(0.0, 8.0)
    lower, upper = censored(generator.exponential(4.0, 80), grid)
    direct = survival_curve(lower, upper)
    # A replica that is known to pass some time changes nothing but asks for Turnbull.
    general = survival_curve(np.append(lower, 0.0), np.append(upper, np.inf))
    wide = survival_curve(np.append(lower, 0.0), np.append(upper, 7.0))
    assert direct.method == general.method == "Kaplan-Meier"
    assert wide.method == "Turnbull"
    one = survival_curve(np.append(lower, [0.0, 0.0]), np.append(upper, [7.0, np.inf]))
    assert one.replicas == 82
    # The redundant replica (0, inf] carries no information: the same estimate, the same errors.
    np.testing.assert_allclose(one.probability, wide.probability, atol=1e-6)
    np.testing.assert_allclose(one.stderr, wide.stderr, atol=1e-5)
    assert np.all(np.diff(wide.probability) < 0.0)


def test_turnbull_maximises_the_likelihood_and_has_its_errors():
    # Overlapping intervals with three cells (0,1], (1,2], (2,3]: found by direct maximisation.
    lower = np.repeat([0.0, 1.0, 2.0, 0.0, 1.0], [20, 15, 10, 12, 9])
    upper = np.repeat([1.0, 2.0, 3.0, 2.0, 3.0], [20, 15, 10, 12, 9])
    curve = survival_curve(lower, upper)
    assert curve.method == "Turnbull"

    def missing(p: np.ndarray) -> float:
        a, b = p
        c = 1.0 - a - b
        return -float(
            20 * math.log(a)
            + 15 * math.log(b)
            + 10 * math.log(c)
            + 12 * math.log(a + b)
            + 9 * math.log(b + c)
        )

    best = optimize.minimize(
        missing,
        [0.3, 0.3],
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-12},
    ).x
    np.testing.assert_allclose(curve.probability, [1 - best[0], 1 - best.sum(), 0.0], atol=1e-6)
    step = 1e-4
    hessian = np.empty((2, 2))
    for i in range(2):
        for j in range(2):
            e, f = step * np.eye(2)[i], step * np.eye(2)[j]
            hessian[i, j] = (
                missing(best + e + f)
                - missing(best + e - f)
                - missing(best - e + f)
                + missing(best - e - f)
            ) / (4 * step**2)
    covariance = np.linalg.inv(hessian)
    assert curve.stderr[0] == pytest.approx(math.sqrt(covariance[0, 0]), rel=1e-3)
    assert curve.stderr[1] == pytest.approx(math.sqrt(covariance.sum()), rel=1e-3)


def test_the_interval_of_tau_covers_under_censoring():
    generator = np.random.default_rng(7)
    grid = np.arange(0.0, 16.0)  # a fifth has not passed at the end
    inside, pulls, refused = 0, [], 0
    for _ in range(400):
        fit = fit_escape_time(*censored(generator.exponential(10.0, 100), grid))
        low, high = fit.tau.interval68
        inside += low < 10.0 < high
        pulls.append((fit.tau.value - 10.0) / fit.tau.stderr)
        refused += "not_exponential" in flag_names(fit.flags)
    # Binomial: 68.3 +- 2.3 %; sd +- 0.035; four standard deviations.
    assert 0.59 < inside / 400 < 0.775
    assert abs(np.mean(pulls)) < 0.25
    assert 0.86 < np.std(pulls) < 1.14
    assert refused <= 4  # 0.4 are expected
    # With tau of 1000 replicas known to 3.6 %, the midpoint in place of the interval is seen.
    many = fit_escape_time(*censored(generator.exponential(0.7, 40_000), grid))
    assert many.tau.value == pytest.approx(0.7, abs=4.5 * many.tau.stderr)
    assert many.tau.stderr < 0.006


def test_what_is_no_exponential_is_said():
    generator = np.random.default_rng(3)
    times = 10.0 * generator.weibull(2.0, 300)
    fit = fit_escape_time(times, times)
    assert flag_names(fit.flags) == ("not_exponential",)


def test_a_delay_is_found_with_the_time():
    generator = np.random.default_rng(5)
    times = 3.0 + generator.exponential(10.0, 400)
    fit = fit_escape_time(*censored(times, np.arange(0.0, 30.0)), delay=True)
    assert abs(fit.tau.value - 10.0) < 4.5 * fit.tau.stderr < 4.0
    assert abs(fit.delay.value - 3.0) < 0.7
    assert fit.delay.interval68[0] <= fit.delay.value <= fit.delay.interval68[1]
    assert "not_exponential" not in flag_names(fit.flags)


def test_passages_without_an_answer_give_nan_and_say_why():
    none = fit_escape_time(np.full(10, 100.0), np.full(10, np.inf))
    assert flag_names(none.flags) == ("no_passage",)
    assert "tau > 543" in none.flags[0]  # 1000 / ln(1/0.159)
    at_once = fit_escape_time(np.zeros(10), np.ones(10))
    assert flag_names(at_once.flags) == ("all_at_once",)
    assert math.isnan(none.tau.value)
    assert math.isnan(at_once.tau.value)
    empty = survival_curve(np.full(10, 100.0), np.full(10, np.inf))
    assert set(flag_names(empty.flags)) == {"no_passage", "median_beyond"}
    assert math.isnan(empty.median.value)
    for lower, upper in (([2.0], [1.0]), ([math.nan], [1.0]), ([-1.0], [1.0]), ([], [])):
        with pytest.raises(AnalysisError):
            fit_escape_time(lower, upper)


def test_laws_of_the_escape_time():
    n = np.array([20.0, 40.0, 60.0, 80.0, 100.0])
    tau = 3.0 * np.exp(0.1 * n)
    fit = fit_nucleation(n, tau, 0.05 * tau)
    assert fit.form == "ln A + N Delta"
    assert fit["Delta"].value == pytest.approx(0.1, abs=1e-6)
    assert fit["Delta"].stderr == pytest.approx(0.05 / math.sqrt(4000.0), rel=0.5)
    slow = fit_nucleation(n, 0.1 * n**1.5, 0.005 * n**1.5)
    assert slow.form == "ln A + z ln N"
    assert slow["z"].value == pytest.approx(1.5, abs=1e-6)
    c = np.linspace(11.0, 16.0, 11)
    tau = 40.0 * (c - 10.2) ** -1.5
    for side, control, c_s in ((-1.0, c, 10.2), (1.0, 26.4 - c, 16.2)):
        fit = fit_divergence(control, tau, 0.02 * tau, side=side)
        assert fit["c_s"].value == pytest.approx(c_s, abs=1e-4)
        assert fit["y"].value == pytest.approx(1.5, abs=1e-4)
        low, high = fit["c_s"].interval68
        assert low < c_s < high
        assert fit.curve_x[0] == pytest.approx(control.min())
    flat = fit_divergence(c, np.exp(-c), 0.02 * np.exp(-c), side=-1.0)
    assert math.isnan(flat["c_s"].value)
    with pytest.raises(AnalysisError):
        fit_divergence([1.0], [1.0], [0.1], side=-1.0)


def test_escape_times_of_a_dataset(tmp_path: Path):
    data = first_order(sizes=(50, 200), control=(9.0, 13.0, 14.0, 20.0), replicas=64)
    found = escape_times(data)
    assert found.tau.shape == (8,)
    assert set(flag_names(found.flags)) >= {"no_passage"}
    assert any(flag.startswith("no_passage at N = 50, m = 9: ") for flag in found.flags)
    control, tau, error = found.at_size(50.0)
    assert 9.0 not in control
    assert np.all(np.isfinite(tau) & (error > 0))
    row = (found.size == 200.0) & (found.control == 13.0)
    one = data.sel(size=200, batch_size=13.0)
    single = fit_escape_time(one["first_passage_lower"].values, one["first_passage"].values)
    assert found.tau[row] == single.tau.value
    back = open_results(found.save(tmp_path / "tau.nc"))
    assert back.identical(found)
    curve = survival_curve(one["first_passage_lower"].values, one["first_passage"].values)
    assert open_results(curve.save(tmp_path / "curve.nc")).identical(curve)


def test_the_quasi_stationary_average_is_over_the_survivors():
    data = first_order(sizes=(400,), control=(12.5, 13.0), replicas=400, seed=1)
    still = quasi_stationary(data, time_min=30.0)
    alive = (data["first_passage"] > data["time"]).sum("replica")
    np.testing.assert_array_equal(still["survivors"], alive.transpose(*still["survivors"].dims))
    # The metastable overlap is 0.34 with sd 0.03; some have passed, which has no influence.
    assert int(alive.min()) < 350
    z = ((still["mean"] - 0.34) / still["stderr"]).values
    assert np.nanmax(np.abs(z)) < 4.5
    for value, error in zip(
        still["plateau"].values.ravel(), still["plateau_stderr"].values.ravel(), strict=True
    ):
        assert abs(value - 0.34) < 4.5 * error
        # Times are independent in this system: 400 replicas at 11 times or fewer.
        assert 0.03 / math.sqrt(4400) * 0.85 < error < 0.03 / math.sqrt(2000)
    with pytest.raises(AnalysisError):
        quasi_stationary(data, "success")


def test_what_left_the_range_of_numbers_is_no_survivor():
    data = first_order(sizes=(400,), control=(13.0,), replicas=40, seed=1)
    lost = data["overlap"].where(data["replica"] > 0, np.inf)
    still, rest = (
        quasi_stationary(part, time_min=30.0)
        for part in (data.assign(overlap=lost), data.isel(replica=slice(1, None)))
    )
    np.testing.assert_allclose(still["plateau"], rest["plateau"])
    np.testing.assert_array_equal(still["survivors"], rest["survivors"])


def test_passages_at_time_zero_do_not_make_a_law_infinitely_likely():
    """A density that is infinite at the delay says nothing of the others."""
    upper = np.array([0.0, 0.0, 5.0, 5.0, 20.0, np.inf, np.inf, np.inf])
    fit = fit_escape_time(np.where(np.isfinite(upper), upper, 20.0), upper)
    assert fit.tau.value == pytest.approx((30 + 3 * 20) / 5)
    assert 0.0 <= fit.p_value <= 1.0
