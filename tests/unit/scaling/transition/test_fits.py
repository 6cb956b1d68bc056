"""Drift with run time, extrapolation in N and the jump: values and refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from physbatch.errors import AnalysisError
from physbatch.exact.planted import first_order, independent_units
from physbatch.scaling import (
    extrapolate,
    find_jump,
    fit_drift,
    fit_success_curve,
    flag_names,
    separation_threshold,
    split_in_two,
    valley_p_value,
)

SIZES = np.array([50.0, 100.0, 200.0, 400.0])


# drift ---------------------------------------------------------------------------------------


def test_m_c_of_the_drift_is_that_of_the_success_curve():
    data = first_order(sizes=(200,), seed=5)
    drift = fit_drift(data, resamples=100)
    assert drift.time.size == 10
    for time, m_c in zip(drift.time, drift.m_c, strict=True):
        curve = fit_success_curve(data, float(time))
        assert m_c == pytest.approx(curve.m_c.value, abs=1e-3 * curve.m_c.stderr)
    assert drift.reference_time == 1000.0
    slope, intercept = np.polyfit(
        np.log(drift.time / 1000.0), drift.m_c, 1, w=1.0 / drift.m_c_stderr
    )
    assert drift.slope.value == pytest.approx(slope, rel=1e-12)
    assert drift.intercept == pytest.approx(intercept, rel=1e-12)


def test_the_drift_is_deterministic_and_stops_at_the_given_time():
    data = first_order(sizes=(200,), seed=5)
    one, two = fit_drift(data, resamples=60, seed=3), fit_drift(data, resamples=60, seed=3)
    assert repr(one.slope) == repr(two.slope)
    np.testing.assert_array_equal(one.m_c_stderr, two.m_c_stderr)
    assert fit_drift(data, resamples=60, seed=4).slope.stderr != one.slope.stderr
    assert fit_drift(data, time=300.0, resamples=60).time.max() <= 300.0


def test_where_m_c_bends_the_slope_is_that_of_late_times():
    # m_c falls by 1.8 per unit of ln t before t = 150, and by 0.3 from then on.
    times = np.round(np.geomspace(50.0, 1000.0, 14))
    control = np.arange(10.0, 18.0, 0.5)
    data = first_order(
        sizes=(400,), control=tuple(control), replicas=64, times=tuple(times), seed=3
    )
    luck = np.random.default_rng(3).logistic(size=(control.size, 64, 1))
    m_c = 13.0 - 0.3 * np.log(times / 1000.0) + 1.5 * np.log(np.maximum(150.0 / times, 1.0))
    passed = control[:, None, None] - m_c > 0.3 * luck
    first = np.where(passed.any(axis=-1), times[passed.argmax(axis=-1)], np.inf)
    data["first_passage"] = data["first_passage"].copy(data=first[None])
    drift = fit_drift(data, resamples=100)
    assert flag_names(drift.flags) == ("curved",)
    assert drift.time[0] == 50.0
    assert 80.0 < drift.window_start <= 250.0
    assert drift.window_end == 1000.0
    assert abs(drift.slope.value + 0.3) < 5 * drift.slope.stderr


def test_too_few_times_give_no_slope():
    for data in (
        first_order(sizes=(50,), times=(500.0, 1000.0)),
        first_order(sizes=(50,), control=(10.0, 10.5)),  # no success
        first_order(sizes=(50,), replicas=1),
        first_order(sizes=(50,), control=(13.0,)),
        first_order(sizes=(50,), width=0.01),  # steps
    ):
        drift = fit_drift(data, resamples=50)
        assert math.isnan(drift.slope.value)
        assert flag_names(drift.flags) == ("few_times",)
        assert np.isfinite(drift.m_c_stderr).all()


def test_m_c_has_the_same_error_whether_or_not_there_are_times_for_a_slope():
    times = (100.0, 300.0, 500.0, 1000.0)
    data = first_order(sizes=(50,), times=times)
    many, few = fit_drift(data, resamples=50), fit_drift(data.isel(time=[2, 3]), resamples=50)
    np.testing.assert_array_equal(few.time, times[2:])
    np.testing.assert_array_equal(few.m_c_stderr, many.m_c_stderr[2:])


def test_no_change_with_time_is_a_slope_of_zero_without_an_error():
    drift = fit_drift(first_order(sizes=(50,), drift=0.0), resamples=50)
    assert drift.slope.value == 0.0
    assert math.isnan(drift.slope.stderr)
    assert flag_names(drift.flags) == ("no_change",)


def test_missing_replicas_are_left_out_of_the_drift_and_diverged_ones_fail():
    data = first_order(sizes=(200,), replicas=40, seed=2)
    spoiled = data.copy(deep=True)
    spoiled["first_passage"][..., 30:] = 10.0
    missing, diverged = spoiled.copy(deep=True), spoiled.copy(deep=True)
    missing["status"][..., 30:] = 2
    diverged["status"][..., 30:] = 1
    failed = data.copy(deep=True)
    failed["first_passage"][..., 30:] = np.inf
    for one, other in ((data.isel(replica=slice(0, 30)), missing), (failed, diverged)):
        a, b = fit_drift(one, resamples=50), fit_drift(other, resamples=50)
        np.testing.assert_allclose(a.m_c, b.m_c, rtol=1e-12)
        assert a.slope.stderr == pytest.approx(b.slope.stderr, rel=1e-9)


# extrapolation -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "slopes"),
    [
        (13.0 + 0.0 * SIZES, {"a": 0.0}),
        (13.0 + 20.0 / SIZES, {"a + b / N": 20.0}),
        (13.0 - 9.0 / SIZES ** (2.0 / 3.0), {"a + b / N^(2/3)": -9.0}),
        (13.0 - 5.0 / np.sqrt(SIZES), {"a + b / sqrt(N)": -5.0}),
    ],
)
def test_data_that_follow_a_form_give_its_limit(values, slopes):
    fit = extrapolate("m_c", SIZES, values, np.full(4, 0.002))
    ((form, slope),) = slopes.items()
    place = fit.forms.index(form)
    assert fit.form_limit[place] == pytest.approx(13.0, abs=1e-6)
    assert fit.form_slope[place] == pytest.approx(slope, abs=1e-5)
    assert fit.form_chi2[place] == pytest.approx(0.0, abs=1e-9)
    assert fit.form_weight.sum() == pytest.approx(1.0, rel=1e-12)
    assert fit.form_weight.argmax() == place
    assert abs(fit.limit.value - 13.0) < 0.01
    assert fit.form_weight[fit.forms.index("a + b ln N")] == 0.0


def test_errors_are_those_of_weighted_least_squares():
    errors = np.array([0.05, 0.03, 0.04, 0.02])
    fit = extrapolate("m_c", SIZES, [13.0, 13.1, 12.95, 13.02], errors)
    design = np.stack([np.ones(4), 1.0 / SIZES], axis=1) / errors[:, None]
    covariance = np.linalg.inv(design.T @ design)
    place = fit.forms.index("a + b / N")
    assert fit.form_stderr[place] == pytest.approx(math.sqrt(covariance[0, 0]), rel=1e-5)
    assert fit.form_stderr[0] == pytest.approx(np.sum(errors**-2.0) ** -0.5, rel=1e-6)
    assert fit.form_dof.tolist() == [3, 2, 2, 2, 2]
    low, high = fit.limit.interval68
    assert high - low == pytest.approx(2 * fit.limit.stderr, rel=1e-12)
    assert fit.limit.systematic > 0.0


def test_the_average_has_akaike_weights():
    fit = extrapolate("m_c", SIZES, [13.06, 13.0, 13.01, 12.97], np.full(4, 0.03))
    aic = fit.form_chi2[:4] + 2.0 * np.array([1, 2, 2, 2])
    weights = np.exp(-0.5 * aic) / np.exp(-0.5 * aic).sum()
    np.testing.assert_allclose(fit.form_weight, [*weights, 0.0], rtol=1e-9)
    value = weights @ fit.form_limit[:4]
    assert fit.limit.value == pytest.approx(value, rel=1e-12)
    spread = math.sqrt(weights @ (fit.form_limit[:4] - value) ** 2)
    assert fit.limit.systematic == pytest.approx(spread, rel=1e-9)
    stderr = math.sqrt(weights @ fit.form_stderr[:4] ** 2)
    assert fit.limit.stderr == pytest.approx(stderr, rel=1e-9)


def test_a_logarithm_has_no_limit():
    fit = extrapolate("m_c", SIZES, 3.1 + 1.43 * np.log(SIZES), np.full(4, 0.03))
    assert math.isnan(fit.limit.value)
    assert flag_names(fit.limit.flags) == ("no_finite_limit",)
    assert math.isnan(fit.form_limit[-1])
    assert fit.form_intercept[-1] == pytest.approx(3.1, abs=1e-5)
    vague = extrapolate("m_c", SIZES, 3.1 + 1.43 * np.log(SIZES), np.full(4, 0.25))
    assert math.isfinite(vague.limit.value)
    assert flag_names(vague.limit.flags) == ("limit_not_proven",)


def test_data_that_follow_no_form_give_no_limit():
    fit = extrapolate("m_c", SIZES, [13.0, 14.0, 13.0, 14.0], np.full(4, 0.01))
    assert math.isnan(fit.limit.value)
    assert flag_names(fit.limit.flags) == ("bad_fit",)
    assert not fit.form_weight.any()


@pytest.mark.parametrize(("count", "flag"), [(0, "no_size"), (1, "one_size"), (2, "two_sizes")])
def test_fewer_than_three_sizes_are_refused_by_name(count, flag):
    fit = extrapolate("m_c", SIZES[:count], np.full(count, 13.0), np.full(count, 0.1))
    assert math.isnan(fit.limit.value)
    assert flag_names(fit.limit.flags) == (flag,)
    assert len(fit.forms) == (0, 1, 5)[count]


def test_points_without_value_or_error_are_left_out_by_name():
    fit = extrapolate(
        "m_c", [*SIZES, 800.0], [np.nan, 13.0, 13.0, 13.0, 13.0], [0.1, 0.1, 0.1, np.nan, 0.0]
    )
    assert fit.size.tolist() == [100.0, 200.0]
    assert flag_names(fit.flags) == ("left_out", "two_sizes")
    assert "N = 50, 400, 800" in fit.flags[0]
    with pytest.raises(AnalysisError):
        extrapolate("m_c", [0.0], [1.0], [1.0])
    with pytest.raises(AnalysisError):
        extrapolate("m_c", [1.0, 2.0], [1.0], [1.0])


# jump ----------------------------------------------------------------------------------------


def test_the_split_is_the_best_of_all_splits():
    samples = np.random.default_rng(3).normal(size=(20, 9))
    split = split_in_two(samples)
    for row, sample in enumerate(samples):
        x = np.sort(sample)
        cuts = [x[:k].var() * k + x[k:].var() * (9 - k) for k in range(1, 9)]
        k = int(np.argmin(cuts)) + 1
        assert split.lower[row] == pytest.approx(x[:k].mean(), rel=1e-12)
        assert split.upper[row] == pytest.approx(x[k:].mean(), rel=1e-12)
        assert split.smaller[row] == min(k, 9 - k)
        assert x[k - 1] < split.cut[row] < x[k]
        # a group of one has no width
        s = [np.var(g, ddof=1) if g.size > 1 else 0.0 for g in (x[:k], x[k:])]
        d = (x[k:].mean() - x[:k].mean()) / math.sqrt(0.5 * sum(s))
        assert split.separation[row] == pytest.approx(d, rel=1e-9)


def test_halves_of_one_peak_have_the_known_separation():
    generator = np.random.default_rng(4)
    gauss = split_in_two(generator.normal(size=(1, 200_000)))
    exact = 2 * math.sqrt(2 / math.pi) / math.sqrt(1 - 2 / math.pi)  # 2.6476
    assert gauss.separation[0] == pytest.approx(exact, rel=0.01)
    uniform = split_in_two(generator.random((1, 200_000)))
    assert uniform.separation[0] == pytest.approx(math.sqrt(12.0), rel=0.01)


def test_shift_scale_and_equal_values():
    sample = np.random.default_rng(5).normal(size=(3, 30))
    a, b = split_in_two(sample), split_in_two(1.0 - 1e-9 * sample)
    np.testing.assert_allclose(a.separation, b.separation, rtol=1e-5)
    same = split_in_two(np.full((1, 10), 0.7))
    assert same.separation[0] == 0.0
    assert same.smaller[0] == 0


def test_the_grain_keeps_neighbouring_values_from_being_two_peaks():
    sample = np.array([[1.0] * 16 + [0.98] * 16])
    assert split_in_two(sample).separation[0] > 1e6
    assert split_in_two(sample, grain=0.02).separation[0] == pytest.approx(1.0, rel=1e-9)


def test_the_valley_is_the_chance_of_an_empty_gap():
    tail = np.array([0.0, 0.1, 0.2, 0.3, 0.4])
    sample = np.r_[tail, np.ones(20)]
    # Four values beside the lowest, none in the gap of 0.6 of a length of 1; the binomial test
    # has 0 in the middle third (0.467, 0.733) and 5 within 0.267 of the mean: (2/3)^5 = 0.13.
    assert valley_p_value(sample, 0.7) == pytest.approx(0.4**4, rel=1e-9)
    assert valley_p_value(1.0 - sample, 0.3) == pytest.approx(0.4**4, rel=1e-9)
    assert valley_p_value(sample, 0.7, grain=0.3) == pytest.approx(min(0.7**4, (2 / 3) ** 5))
    # One value in the middle spoils the gap (0.3 of 1) but not the binomial test.
    caught = np.r_[np.linspace(0.0, 0.4, 30), 0.6, np.ones(40)]
    assert valley_p_value(caught, 0.9) < 1e-3
    assert valley_p_value(np.linspace(0.0, 1.0, 30), 0.5) > 0.1
    assert valley_p_value(np.ones(4), 0.5) == 1.0


def test_the_threshold_falls_with_replicas_and_needs_six():
    values = [separation_threshold(n) for n in (5, 8, 16, 32, 128)]
    assert values[0] == math.inf
    assert values[1] > values[2] > values[3] > values[4] == 4.5


def test_the_jump_finds_the_planted_peaks_and_shows_its_sample():
    data = first_order(sizes=(400,), replicas=64, seed=1)
    jump = find_jump(data, 13.02)
    assert jump.control.tolist() == [12.5, 13.0, 13.5]
    assert jump.overlap.shape == (3, 64)
    assert jump.chosen == 1
    assert jump.coexistence == 1
    assert jump.upper.value == 1.0
    assert 0.0 < jump.upper.stderr < 1e-3  # the grain: no mean is known without error
    assert jump.latent.value == pytest.approx(jump.upper.value - jump.lower.value, abs=1e-12)
    assert abs(jump.latent.value - 0.66) < 5 * jump.latent.stderr
    assert jump.lower.value < jump.cut < 1.0
    assert not jump.flags


def test_controls_are_not_pooled():
    # One narrow peak at each control whose mean moves a lot from one to the next.
    data = first_order(sizes=(400,), control=(12.0, 13.0, 14.0), replicas=32, times=(10.0,))
    generator = np.random.default_rng(0)
    for place, mean in enumerate((0.2, 0.5, 0.8)):
        data["overlap"][0, place, :, 0] = generator.normal(mean, 0.02, size=32)
    jump = find_jump(data, 13.0)
    assert flag_names(jump.flags) == ("unimodal",)
    assert math.isnan(jump.latent.value)
    assert jump.chosen == -1


def test_without_m_c_the_control_with_the_largest_variance_is_looked_at():
    data = first_order(sizes=(400,), replicas=64, seed=1)
    assert find_jump(data, math.nan).control[1] in (12.5, 13.0, 13.5)


def test_edges_and_missing_cells():
    data = first_order(sizes=(100,), replicas=32).isel(time=[-1])
    assert find_jump(data, 10.0).control.tolist() == [10.0, 10.5]
    data["status"][0, 6] = 2  # m = 13
    assert find_jump(data, 13.0).control.tolist() == [12.0, 12.5, 13.5]
    data["status"][:] = 2
    nothing = find_jump(data, 13.0)
    assert nothing.control.size == 0
    assert math.isnan(nothing.latent.value)
    for few in (1, 4):
        jump = find_jump(first_order(sizes=(100,), replicas=few), 13.0)
        assert flag_names(jump.flags) == ("unimodal",)


def test_perfect_against_one_wrong_unit_is_no_jump():
    data = independent_units(sizes=(400,), degree=1, control=(11.0, 12.0, 13.0), replicas=200)
    jump = find_jump(data, 12.0)
    assert jump.coexistence == 1
    assert jump.separation < 3.0
    assert math.isnan(jump.latent.value)
