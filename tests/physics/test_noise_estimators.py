"""Stable range and optimum batch: planted answers, and what the error bars are worth."""

from __future__ import annotations

import numpy as np
import pytest

from physbatch.dataset import STATUS_DIVERGED, open_netcdf, save
from physbatch.errors import AnalysisError
from physbatch.exact.batch_noise import optimum_batch_data, stable_range_data
from physbatch.noise.linear_stability import linear_thresholds, thresholds_of_steps
from physbatch.noise.optimum_batch import OptimumBatch, optimum_batch
from physbatch.noise.stable_range import StableRange, stable_range


def test_stable_range_finds_the_planted_law() -> None:
    """z of every threshold and of the exponent over 60 seeds: mean 0, spread 1."""
    z, z_exponent = [], []
    for seed in range(60):
        data = stable_range_data(seed=seed, replicas=40)
        found = stable_range(data)
        assert found.flags == ()
        exact = 0.5 * found.batch_size**-0.8
        z.append(
            (np.log(found.learning_rate) - np.log(exact)) / (found.stderr / found.learning_rate)
        )
        fit = found.fit()
        z_exponent.append((fit["b"].value + 0.8) / fit["b"].stderr)
    scores = np.concatenate(z)
    # 420 scores: standard error 0.049 of the mean and 0.035 of the spread; 4.5 of them.
    assert abs(scores.mean()) < 0.22
    assert abs(scores.std() - 1) < 0.16
    assert abs(np.mean(z_exponent)) < 0.58
    assert 0.6 < np.std(z_exponent) < 1.42


def test_stable_range_says_what_the_grid_cannot_tell() -> None:
    data = stable_range_data(width=1e-3, replicas=10)
    found = stable_range(data)
    assert all(flag.startswith("step:") for flag in found.flags)
    exact = 0.5 * found.batch_size**-0.8
    assert np.all(np.abs(found.learning_rate - exact) < 1.2 * found.systematic)
    low = stable_range(data.isel(learning_rate=slice(0, 5)))
    assert np.isnan(low.learning_rate).all()
    assert all(flag.startswith("above_grid") for flag in low.flags)
    high = stable_range(data.isel(learning_rate=slice(20, 25)))
    assert "never_learns" in " ".join(high.flags)
    diverged = data.copy(deep=True)
    diverged["status"][:] = STATUS_DIVERGED
    assert np.isnan(stable_range(diverged).learning_rate).all()
    with pytest.raises(AnalysisError, match="three learning rates"):
        stable_range(data.isel(learning_rate=[0]))


def test_optimum_batch_finds_the_planted_law() -> None:
    """Exponents 1 and 1 within their errors; z over seeds and curves has mean 0, spread 1."""
    z, z_rate, z_count = [], [], []
    for seed in range(25):
        data = optimum_batch_data(seed=seed, skew=0.001)
        found = optimum_batch(data, resamples=150)
        exact = 0.5 * found.learning_rate * found.pattern_count
        known = np.isfinite(found.batch_size)
        assert known.mean() > 0.7
        error = np.hypot(found.stderr, found.systematic)
        z.append(((found.batch_size - exact) / error)[known])
        fit = found.fit()
        z_rate.append((fit["b"].value - 1) / fit["b"].stderr)
        z_count.append((fit["a"].value - 1) / fit["a"].stderr)
    scores = np.concatenate(z)
    assert abs(scores.mean()) < 0.45
    assert 0.75 < scores.std() < 1.35
    for values in (z_rate, z_count):
        assert abs(np.mean(values)) < 0.9
        assert np.std(values) < 1.7


def test_optimum_batch_at_the_edge_is_not_a_number() -> None:
    found = optimum_batch(optimum_batch_data(amplitude=1e-3), resamples=50)
    assert np.isnan(found.batch_size).all()
    assert "at_edge" in found.flags[0]
    assert "learning_rate = 0.1, pattern_count = 200" in found.flags[0]
    one = optimum_batch_data(learning_rates=(0.2,), pattern_counts=(200,))
    with pytest.raises(AnalysisError, match="one learning rate and one number of patterns"):
        optimum_batch(one, resamples=50).fit()


def test_results_survive_a_file(tmp_path: object) -> None:
    found = stable_range(stable_range_data(replicas=10))
    again = StableRange.from_dataset(open_netcdf(save(found.to_dataset(), f"{tmp_path}/a.nc")))
    np.testing.assert_array_equal(again.learning_rate, found.learning_rate)
    best = optimum_batch(optimum_batch_data(), resamples=50)
    again_best = OptimumBatch.from_dataset(open_netcdf(save(best.to_dataset(), f"{tmp_path}/b.nc")))
    np.testing.assert_array_equal(again_best.batch_size, best.batch_size)
    assert again_best.flags == best.flags


@pytest.mark.parametrize(("size", "batch_size"), [(200, 1), (200, 20), (200, 200), (200, 2000)])
def test_linear_thresholds(size: int, batch_size: int) -> None:
    """Mean-square threshold 2 m/(N + m + 1) within 3 %, 4.5 standard errors; typical above."""
    found = linear_thresholds(size, batch_size)
    exact = 2 * batch_size / (size + batch_size + 1)
    assert found.mean_square.value == pytest.approx(exact, rel=0.03)
    assert abs(found.mean_square.value - exact) < 4.5 * found.mean_square.stderr
    assert found.typical.value > found.mean_square.value


@pytest.mark.parametrize(("size", "excess"), [(10, 0.106), (20, 0.05), (50, 0.02), (400, 0.0025)])
def test_typical_replicas_diverge_later(size: int, excess: float) -> None:
    """At m = N the typical threshold lies above by these shares (published to two digits)."""
    found = linear_thresholds(size, size)
    assert found.typical.value / found.mean_square.value - 1 == pytest.approx(excess, rel=0.06)


def test_thresholds_of_real_steps() -> None:
    """One-step moments from drawn vectors agree with the reduced law."""
    rng = np.random.default_rng(3)
    size, batch_size, draws = 12, 5, 40_000
    x = rng.standard_normal((draws, batch_size, size))
    fields = x[:, :, 0]
    slope = np.einsum("dm,dmn->dn", fields, x) / batch_size
    found = thresholds_of_steps((fields**2).mean(axis=1), (slope**2).sum(axis=1))
    reduced = linear_thresholds(size, batch_size)
    for mine, other in (
        (found.mean_square, reduced.mean_square),
        (found.typical, reduced.typical),
    ):
        assert abs(mine.value - other.value) < 4.5 * np.hypot(mine.stderr, other.stderr)
        assert mine.stderr < 0.01 * mine.value
