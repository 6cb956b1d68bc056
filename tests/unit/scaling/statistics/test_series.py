"""Errors of functions of means: exact small cases, and coverage over many seeds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy.signal import lfilter

from physbatch.errors import AnalysisError
from physbatch.scaling.statistics import series
from physbatch.scaling.statistics.autocorrelations import (
    SeriesTooShort,
    autocorrelation,
    integrated_time,
)

FloatArray = npt.NDArray[np.float64]


def autoregressive(rho: float, count: int, seed: int) -> FloatArray:
    """AR(1) with variance 1, stationary from the start: tau = (1 + rho)/(1 - rho)/2."""
    noise = np.random.default_rng([seed, 5]).normal(size=count)
    noise[1:] *= np.sqrt(1 - rho**2)
    return np.asarray(lfilter([1.0], [1.0, -rho], noise), dtype=np.float64)


def mean(means: FloatArray) -> FloatArray:
    return means[..., :1]


def variance(means: FloatArray) -> FloatArray:
    return means[..., 1:] - means[..., :1] ** 2


def powers(m: FloatArray) -> FloatArray:
    return np.stack([m, m**2], axis=1)


def test_autocorrelation_is_that_of_the_definition() -> None:
    x = np.random.default_rng(1).normal(size=50).cumsum()
    d = x - x.mean()
    expected = [np.mean(d[: 50 - t] * d[t:]) / np.mean(d**2) for t in range(20)]
    np.testing.assert_allclose(autocorrelation(x)[:20], np.clip(expected, -1, 1), rtol=1e-9)
    np.testing.assert_allclose(autocorrelation(x * 1e200), autocorrelation(x))


@pytest.mark.parametrize(("rho", "count"), [(0.0, 4000), (0.5, 6000), (0.9, 30_000)])
def test_time_of_an_autoregressive_series(rho: float, count: int) -> None:
    exact = 0.5 * (1 + rho) / (1 - rho)
    times = [integrated_time(autoregressive(rho, count, s)) for s in range(150)]
    z = np.array([(time.value - exact) / time.stderr for time in times])
    assert abs(z.mean()) < 0.45  # the window loses exp(-5); at rho = 0, tau >= 1/2 gains
    assert 0.3 < z.std() < 1.1  # the stated error is an upper bound


def test_an_alternating_series_claims_no_small_error() -> None:
    tau = integrated_time(autoregressive(-0.8, 5000, 1))
    assert tau.value == 0.5
    assert tau.flags[0].startswith("anticorrelated")


def test_a_short_series_is_refused_with_what_it_had() -> None:
    x = autoregressive(0.98, 1000, 3)  # tau = 49.5
    with pytest.raises(SeriesTooShort, match="1000 values are fewer than 50") as caught:
        integrated_time(x)
    assert isinstance(caught.value, AnalysisError)
    assert 10 < caught.value.estimate.value < 200
    assert caught.value.length == 1000
    with pytest.raises(SeriesTooShort):
        integrated_time(np.arange(500.0))  # a drift, no equilibrium


@pytest.mark.parametrize("wrong", [[1.0] * 9, [0.1 + 0.2, 0.3], [1.0, np.nan], [[1.0, 2.0]], [1.0]])
def test_what_is_no_series_is_refused(wrong: list[float]) -> None:
    with pytest.raises(AnalysisError, match="series"):
        autocorrelation(wrong)


def test_what_blocks_see_of_the_variance_is_exact_for_one_exponential() -> None:
    rho, length = 0.8, 30
    step = np.arange(length)
    exact = np.sum(rho ** np.abs(step[:, None] - step)) / length  # n times the variance
    tau = 0.5 * (1 + rho) / (1 - rho)
    seen = series.Units(np.ones((2, 1)), np.ones(2), length).seen(np.array([tau, 0.5]))
    np.testing.assert_allclose(seen, [exact / (2 * tau), 1.0], rtol=1e-12)


def test_jackknife_of_plain_means_is_the_textbook() -> None:
    m = np.random.default_rng(8).normal(size=40)
    result = series.jackknife(series.replicas(powers(m)), mean)
    assert result.value[0] == pytest.approx(m.mean(), rel=1e-13)
    assert result.error[0] == pytest.approx(m.std(ddof=1) / np.sqrt(40), rel=1e-12)
    np.testing.assert_allclose(result.pseudo_values[:, 0], m, rtol=1e-10, atol=1e-12)
    unbiased = series.jackknife(series.replicas(powers(m)), variance)
    assert unbiased.value[0] == pytest.approx(m.var(ddof=1), rel=1e-12)


def test_pseudo_values_carry_value_error_and_covariance() -> None:
    m = np.random.default_rng(9).exponential(size=60)
    labels = np.repeat(np.arange(15), [1, 2, 3, 4, 5, 6, 7, 4, 4, 4, 4, 4, 4, 4, 4])
    for units in (series.replicas(powers(m)), series.clusters(powers(m), labels)):
        for method in (series.jackknife, series.bootstrap):
            result = method(units, lambda x: np.concatenate([mean(x), variance(x)], axis=-1))
            pseudo = result.pseudo_values
            np.testing.assert_allclose(pseudo.mean(axis=0), result.value, rtol=1e-10)
            error = pseudo.std(axis=0, ddof=1) / np.sqrt(units.count)
            np.testing.assert_allclose(error, result.error, rtol=1e-10)
            np.testing.assert_allclose(np.diag(result.covariance), result.error**2, rtol=1e-10)
            np.testing.assert_allclose(result.covariance, result.covariance.T)
            assert result.covariance[0, 1] > 0  # skewed: mean and variance go together


def test_bootstrap_agrees_with_jackknife_and_keeps_its_seed() -> None:
    units = series.replicas(powers(np.random.default_rng(2).normal(size=400)))
    drawn = series.bootstrap(units, variance, resamples=4000, seed=1)
    assert drawn.error == pytest.approx(series.jackknife(units, variance).error, rel=0.06)
    assert drawn.value == series.jackknife(units, variance).value
    again = series.bootstrap(units, variance, resamples=4000, seed=1)
    assert again.error == drawn.error
    assert series.bootstrap(units, variance, resamples=4000, seed=2).error != drawn.error
    with pytest.raises(AnalysisError, match="at least 50"):
        series.bootstrap(units, variance, resamples=10)


@pytest.mark.parametrize("method", ["jackknife", "bootstrap"])
def test_blocked_errors_cover(method: str) -> None:
    z = []
    for seed in range(300):
        x = autoregressive(0.9, 6000, seed)
        tau = integrated_time(x)
        units = series.blocks(powers(x), series.block_length(tau.value, x.size))
        if method == "jackknife":
            result = series.jackknife(units, mean, tau=tau.value)
        else:
            result = series.bootstrap(units, mean, tau=tau.value, resamples=200, seed=seed)
        z.append(result.value[0] / result.error[0])
    assert abs(np.mean(z)) < 4 / np.sqrt(300)
    assert 0.9 < np.std(z) < 1.12  # 1 +- 0.04
    naive = 6000**-0.5
    assert result.error[0] > 3 * naive  # sqrt(2 tau) = 4.4


def test_clusters_cover_where_replicas_do_not() -> None:
    z, naive = [], []
    for seed in range(300):
        generator = np.random.default_rng([seed, 6])
        counts = generator.integers(3, 9, size=30)
        labels = np.repeat(np.arange(30), counts)
        graph = generator.normal(size=30)
        m = graph[labels] + generator.normal(size=labels.size)
        shuffled = generator.permutation(labels.size)
        together = series.clusters(powers(m)[shuffled], labels[shuffled])
        for units, out in ((together, z), (series.replicas(powers(m)), naive)):
            result = series.jackknife(units, mean)
            out.append(result.value[0] / result.error[0])
    assert 0.88 < np.std(z) < 1.15
    assert np.std(naive) > 1.5


def test_blocks_leave_out_the_start() -> None:
    units = series.blocks(np.arange(10.0)[:, None], 4)
    assert units.sums.tolist() == [[2 + 3 + 4 + 5], [6 + 7 + 8 + 9]]
    with pytest.raises(AnalysisError, match="blocks of 11"):
        series.blocks(np.ones((10, 1)), 11)


def test_influence_of_a_variance_is_the_squared_distance() -> None:
    m = np.random.default_rng(3).normal(size=100) + 5
    expected = (m - m.mean()) ** 2 - m.var()
    np.testing.assert_allclose(
        series.influence(powers(m), variance)[:, 0], expected, rtol=1e-6, atol=1e-8
    )


def test_few_units_and_bad_labels_are_refused() -> None:
    with pytest.raises(AnalysisError, match="3 independent samples"):
        series.jackknife(series.replicas(np.ones((3, 1))), mean)
    with pytest.raises(AnalysisError, match="labels"):
        series.clusters(np.ones((3, 1)), [1, 2])
    with pytest.raises(AnalysisError, match="finite"):
        series.replicas(np.full((5, 1), np.nan))
