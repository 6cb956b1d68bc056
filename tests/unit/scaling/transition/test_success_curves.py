"""Success curves: the maximum of the likelihood, and every way in which there is none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, stats

from physbatch.errors import AnalysisError
from physbatch.exact.planted import first_order, smooth_crossover
from physbatch.scaling import (
    fit_success_curve,
    flag_names,
    succeeded_by,
    success_counts,
    success_curve,
)
from physbatch.scaling.statistics.success_fits import (
    binomial_deviance,
    fit_logistic,
    logistic,
    parameter_covariance,
)

GRID = np.arange(10.0, 16.01, 0.5)


def _counts(m_c, width, replicas, seed):
    p = logistic((GRID - m_c) / width)
    return np.random.default_rng(seed).binomial(replicas, p), np.full(GRID.size, replicas)


def _minus_log_likelihood(parameters, k, n):
    p = logistic((GRID - parameters[0]) / math.exp(parameters[1]))
    return -np.sum(stats.binom.logpmf(k, n, p))


@pytest.mark.parametrize("seed", range(5))
def test_lmfit_newton_and_a_simplex_find_the_same_maximum(seed):
    k, n = _counts(13.1, 0.4, 32, seed)
    curve = success_curve(GRID, k, n)
    newton = fit_logistic(GRID, k, n)
    simplex = optimize.minimize(
        _minus_log_likelihood,
        (13.0, -1.0),
        (k, n),
        method="Nelder-Mead",
        options={"xatol": 1e-8, "fatol": 1e-10},
    )
    assert newton.converged[0]
    assert newton.m_c[0] == pytest.approx(simplex.x[0], abs=1e-6)
    assert newton.width[0] == pytest.approx(math.exp(simplex.x[1]), rel=1e-6)
    assert curve.m_c.value == pytest.approx(newton.m_c[0], abs=1e-3 * curve.m_c.stderr)
    assert curve.width.value == pytest.approx(newton.width[0], abs=1e-3 * curve.width.stderr)
    assert curve.deviance == pytest.approx(newton.deviance[0], rel=1e-6)
    low, high = curve.m_c.interval68
    assert low < curve.m_c.value < high


def test_the_interval_ends_where_the_profile_deviance_is_one_higher():
    k, n = _counts(13.1, 0.4, 32, 7)
    curve = success_curve(GRID, k, n)
    for end in curve.m_c.interval68:
        profile = optimize.minimize_scalar(
            lambda log_width, end=end: binomial_deviance(
                k, n, (GRID - end) * math.exp(-log_width)
            ).sum(),
            bounds=(-4.0, 2.0),
            method="bounded",
        )
        assert profile.fun - curve.deviance == pytest.approx(1.0, abs=0.01)


def test_the_deviance_is_that_of_the_binomial_law():
    k, n = np.array([0, 3, 10, 10]), np.full(4, 10)
    z = np.array([-2.0, 0.3, 1.0, 40.0])
    p = logistic(z)
    best = stats.binom.logpmf(k, n, k / n)
    expected = 2 * (best[:3] - stats.binom.logpmf(k, n, p)[:3])
    np.testing.assert_allclose(binomial_deviance(k, n, z)[:3], expected, rtol=1e-10)
    assert binomial_deviance(10, 10, np.array(40.0)) == pytest.approx(20 * math.exp(-40), rel=1e-6)


def test_the_error_is_the_inverse_of_the_second_derivatives():
    n = np.full(GRID.size, 32)
    covariance = parameter_covariance(GRID, n, 13.1, 0.4)
    # Expected counts as data: the maximum lies at the parameters, and the observed matrix of
    # second derivatives, here by central differences, is the Fisher information.
    k = n * logistic((GRID - 13.1) / 0.4)

    def half_deviance(m_c, width):
        return 0.5 * binomial_deviance(k, n, (GRID - m_c) / width).sum()

    h = 1e-4
    point = np.array([13.1, 0.4])
    second = np.empty((2, 2))
    for i in range(2):
        for j in range(2):
            a, b = np.eye(2)[i] * h, np.eye(2)[j] * h
            second[i, j] = (
                half_deviance(*(point + a + b))
                - half_deviance(*(point + a - b))
                - half_deviance(*(point - a + b))
                + half_deviance(*(point - a - b))
            ) / (4 * h * h)
    np.testing.assert_allclose(covariance, np.linalg.inv(second), rtol=1e-3, atol=1e-7)


def test_many_data_sets_at_once_equal_one_at_a_time_and_separated_ones_are_nan():
    sets = np.stack([_counts(13.1, 0.3, 16, seed)[0] for seed in range(20)])
    sets[3] = np.where(GRID > 13.0, 16, 0)
    sets[4] = np.where(GRID > 13.0, 16, 0)
    sets[4, 6] = 5
    sets[5] = 0
    many = fit_logistic(GRID, sets, np.full(GRID.size, 16))
    assert not many.converged[[3, 4, 5]].any()
    assert np.isnan(many.m_c[[3, 4, 5]]).all()
    for row in (0, 1, 2, 6, 19):
        one = fit_logistic(GRID, sets[row], np.full(GRID.size, 16))
        assert one.m_c[0] == pytest.approx(many.m_c[row], rel=1e-12)


def test_a_step_between_two_controls_gives_the_bracket():
    n = np.full(GRID.size, 32)
    curve = success_curve(GRID, np.where(GRID >= 13.0, 32, 0), n)
    assert curve.m_c.value == 12.75
    assert curve.m_c.stderr == pytest.approx(0.5 / math.sqrt(12.0), rel=1e-12)
    assert curve.m_c.interval68 == pytest.approx((12.75 - 0.1707, 12.75 + 0.1707), abs=1e-4)
    assert math.isnan(curve.width.value)
    assert flag_names(curve.flags) == ("width_unresolved",)
    assert "between 12.5 and 13" in curve.flags[0]
    limit = float(curve.flags[0].split("width below ")[1].split(" ")[0])
    assert 0.05 < limit < 0.2  # a width of 0.2 would leave failures at 13 or successes at 12.5
    assert math.isnan(curve.p_value)
    assert np.isnan(curve.probability(GRID)).all()


@pytest.mark.parametrize(
    ("partial", "bracket"), [(2, (13.0, 13.5)), (30, (12.5, 13.0)), (16, (12.75, 13.25))]
)
def test_one_partial_control_narrows_the_bracket(partial, bracket):
    k = np.where(GRID > 13.0, 32, 0)
    k[GRID == 13.0] = partial
    curve = success_curve(GRID, k, np.full(GRID.size, 32))
    assert curve.m_c.value == pytest.approx(sum(bracket) / 2, abs=1e-12)
    assert curve.m_c.stderr == pytest.approx((bracket[1] - bracket[0]) / math.sqrt(12), rel=1e-12)
    assert flag_names(curve.flags) == ("width_unresolved",)


@pytest.mark.parametrize(
    ("successes", "flag"),
    [
        (np.zeros(13, dtype=int), "m_c_above_grid"),
        (np.full(13, 32), "m_c_below_grid"),
        (np.r_[np.zeros(10, dtype=int), 1, 4, 9], "m_c_above_grid"),
        (np.r_[20, 25, np.full(11, 32)], "m_c_below_grid"),
    ],
)
def test_one_half_outside_the_grid_is_nan_and_says_on_which_side(successes, flag):
    curve = success_curve(GRID, successes, np.full(13, 32))
    assert math.isnan(curve.m_c.value)
    assert math.isnan(curve.m_c.stderr)
    assert math.isnan(curve.width.value)
    assert flag_names(curve.flags) == (flag,)
    assert flag_names(curve.m_c.flags) == (flag,)


def test_curves_that_are_no_logistic_say_so():
    n = np.full(GRID.size, 32)
    wild = success_curve(GRID, [0, 20, 0, 5, 30, 2, 16, 30, 5, 32, 20, 32, 32], n)
    assert "bad_fit" in flag_names(wild.flags)
    assert wild.p_value < 1e-3
    falling = success_curve(GRID, 32 - _counts(13.0, 0.4, 32, 1)[0], n)
    assert math.isnan(falling.m_c.value)
    assert "bad_fit" in flag_names(falling.flags)
    steps = success_curve(GRID[:4], [0, 32, 0, 32], n[:4])
    assert "bad_fit" in flag_names(steps.flags)


def test_controls_without_trials_are_left_out():
    k, n = _counts(13.1, 0.4, 32, 3)
    k[[0, 6]], n[[0, 6]] = 0, 0
    whole = success_curve(GRID, k, n)
    kept = np.delete(np.arange(GRID.size), [0, 6])
    part = success_curve(GRID[kept], k[kept], n[kept])
    assert whole.m_c == part.m_c
    assert whole.dof == part.dof == 9


def test_one_control_or_none_gives_no_number():
    for k, n in ([5], [10]), ([0], [0]), ([], []):
        curve = success_curve(GRID[: len(k)], np.array(k, dtype=int), np.array(n, dtype=int))
        assert math.isnan(curve.m_c.value)
        assert curve.flags


def test_impossible_counts_are_refused():
    for k, n in ([3], [2]), ([-1], [2]), ([1, 1], [2]):
        with pytest.raises(AnalysisError, match="do not fit together"):
            success_curve(GRID[: len(k)], k, n)


def test_success_by_a_time_is_a_first_passage_even_where_it_is_lost_again():
    data = smooth_crossover(sizes=(50,), replicas=20, times=(10.0, 20.0, 30.0, 40.0))
    perfect = data["overlap"].values == 1.0
    for place, time in enumerate(data["time"].values):
        _, k, n = success_counts(data, float(time))
        np.testing.assert_array_equal(k, perfect[0, ..., : place + 1].any(axis=-1).sum(axis=-1))
        assert (n == 20).all()
    lost = perfect.any(axis=-1) & ~perfect[..., -1]
    assert lost.any()  # or else the test would show nothing


def test_missing_and_nan_replicas_do_not_count_and_diverged_ones_fail():
    data = first_order(sizes=(50,), replicas=8)
    data["status"][0, 0, 0] = 1
    data["status"][0, 1, :] = 2
    data["first_passage"][0, 2, :3] = np.nan
    counted, succeeded = succeeded_by(data, 1e9)
    assert counted.sum("replica").values[0, :4].tolist() == [8, 0, 5, 8]
    assert not (succeeded & ~counted).any()
    assert not succeeded[0, 0, 0]
    curve = fit_success_curve(data, 1000.0)
    assert curve.trials[:4].tolist() == [8, 0, 5, 8]
    assert "diverged" in flag_names(curve.flags)


def test_more_than_one_size_is_refused():
    with pytest.raises(AnalysisError, match="'size' has 2 values"):
        fit_success_curve(first_order(sizes=(50, 100), replicas=4), 100.0)
