"""Stable range and optimum batch: planted answers, and what the error bars are worth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from physbatch.dataset import STATUS_DIVERGED, open_dataset
from physbatch.errors import AnalysisError
from physbatch.exact import batch_noise, linear_sgd
from physbatch.noise import (
    PerformanceMap,
    StableRange,
    TransitionLine,
    TypicalThreshold,
    linear_thresholds,
    optimum_batch,
    performance_map,
    scale_collapse,
    stable_range,
    thresholds_of_steps,
    transition_line,
    typical_threshold,
)
from physbatch.results import open_results
from physbatch.study import Study
from physbatch.sweep import run_study


def test_stable_range_finds_the_planted_law() -> None:
    """z of every threshold and of the exponent over 60 seeds: mean 0, spread 1."""
    z, z_exponent = [], []
    for seed in range(60):
        data = batch_noise.stable_range_data(seed=seed, replicas=40)
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
    data = batch_noise.stable_range_data(width=1e-3, replicas=10)
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
        data = batch_noise.optimum_batch_data(seed=seed, skew=0.001)
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
    found = optimum_batch(batch_noise.optimum_batch_data(amplitude=1e-3), resamples=50)
    assert np.isnan(found.batch_size).all()
    assert "at_edge" in found.flags[0]
    assert "learning_rate = 0.1, pattern_count = 200" in found.flags[0]
    one = batch_noise.optimum_batch_data(learning_rates=(0.2,), pattern_counts=(200,))
    with pytest.raises(AnalysisError, match="one learning rate and one number of patterns"):
        optimum_batch(one, resamples=50).fit()


def test_results_survive_a_file(tmp_path: object) -> None:
    found = stable_range(batch_noise.stable_range_data(replicas=10))
    again = open_results(found.save(f"{tmp_path}/a.nc"))
    np.testing.assert_array_equal(again.learning_rate, found.learning_rate)
    best = optimum_batch(batch_noise.optimum_batch_data(), resamples=50)
    again_best = open_results(best.save(f"{tmp_path}/b.nc"))
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


def test_typical_threshold_is_where_the_mean_logarithm_vanishes() -> None:
    """z against the quadrature of <ln F> over 40 seeds and two batch sizes: mean 0, spread 1."""
    exact = np.array([linear_sgd.typical_learning_rate(30, m) / m for m in (4, 30)])
    z = []
    for seed in range(40):
        found = typical_threshold(batch_noise.linear_growth_data(seed=seed), resamples=100)
        assert found.flags == ()
        z.append((found.learning_rate - exact) / np.hypot(found.stderr, found.systematic))
        assert np.all(found.stderr < 0.01 * exact)
    scores = np.array(z)
    # 80 scores: standard error 0.11 of the mean, 0.08 of the spread; 4 of them.
    assert abs(scores.mean()) < 0.45
    assert 0.7 < scores.std() < 1.4
    # The mean-square threshold is another number, and the data tell them apart.
    mean_square = np.array([2 / (30 + m + 1) for m in (4, 30)])
    assert np.all(exact / mean_square > 1.003)


def test_typical_threshold_of_the_simulated_dynamics(tmp_path: object) -> None:
    """SGD itself, N = 20: within 4.5 standard errors and 2 % of the quadrature."""
    study = Study.from_dict(
        {
            "title": "growth of the error of a linear student",
            "system": {
                "depth": 1,
                "output": "scalar",
                "activation": "linear",
                "weights": "continuous",
                "wiring": {"kind": "dense"},
                "inputs": {"kind": "gaussian"},
            },
            "dynamics": {"kind": "sgd", "learning_rate": {"rule": "per-sample"}},
            "grid": {
                "size": [20],
                "batch_size": [5, 20],
                "learning_rate": [0.042, 0.047, 0.051, 0.056, 0.072, 0.077, 0.082, 0.088],
                "replicas": 100,
            },
            "measurement": {
                "unit": "samples",
                "duration": 1000,
                "times": {"kind": "list", "values": [0, 1000]},
            },
        }
    )
    target = f"{tmp_path}/growth.nc"
    run_study(study, target, workers=1)
    found = typical_threshold(open_dataset(target))
    for m, rate, error in zip(
        found.batch_size, found.learning_rate, np.hypot(found.stderr, found.systematic), strict=True
    ):
        exact = linear_sgd.typical_learning_rate(20, m) / m
        assert abs(rate - exact) < 4.5 * error
        assert rate == pytest.approx(exact, rel=0.02)


def test_typical_threshold_says_what_the_grid_cannot_tell() -> None:
    data = batch_noise.linear_growth_data(seed=1)
    low = typical_threshold(data.isel(learning_rate=slice(0, 4)))
    assert np.isnan(low.learning_rate).any()
    assert "above_grid" in low.flags[-1]
    high = typical_threshold(data.isel(learning_rate=slice(8, 14)))
    assert "below_grid" in " ".join(high.flags)
    lost = data.copy(deep=True)
    lost["status"][{"learning_rate": slice(5, None)}] = STATUS_DIVERGED
    found = typical_threshold(lost)
    assert any(flag.startswith("diverged") for flag in found.flags)
    assert any(flag.startswith("step") for flag in found.flags)
    with pytest.raises(AnalysisError, match="fewer than 4 values of learning_rate"):
        typical_threshold(data.isel(learning_rate=[0, 1]))
    with pytest.raises(AnalysisError, match="fewer than 2 values of time"):
        typical_threshold(data.isel(time=[0]))


def test_transition_line_finds_the_planted_law() -> None:
    """z over 50 seeds and the learning rates that the grid holds: mean 0, spread 1."""
    z = []
    for seed in range(50):
        found = transition_line(
            batch_noise.transition_data(learning_rates=(8.0, 16.0, 32.0), seed=seed)
        )
        assert found.flags == ()
        exact = found.learning_rate / 4
        z.append(np.log(found.batch_size / exact) / (found.stderr / found.batch_size))
    scores = np.array(z)
    # 150 scores: standard error 0.08 of the mean, 0.06 of the spread; 4.5 of them.
    assert abs(scores.mean()) < 0.37
    assert abs(scores.std() - 1) < 0.27


def test_transition_line_at_the_ends_of_the_grid() -> None:
    data = batch_noise.transition_data(learning_rates=(1.0, 16.0, 512.0), width=0.01, replicas=10)
    found = transition_line(data)
    assert np.isnan(found.batch_size).tolist() == [True, False, True]
    assert found.flags[0].startswith("always_learns")
    assert found.flags[1].startswith("step")
    assert abs(found.batch_size[1] - 4) < 1.2 * found.systematic[1]
    assert found.flags[2].startswith("never_learns")
    # Those that fail halve their error: by a lower standard everybody learns.
    assert all(
        flag.startswith("always_learns") for flag in transition_line(data, fraction=0.6).flags
    )
    with pytest.raises(AnalysisError, match="no learning rates"):
        transition_line(data.isel(learning_rate=0, drop=True))


def planted_map(seed: int, best: float = 8.0) -> object:
    """One number of patterns; the best error lies at m = `best` for every learning rate."""
    data = batch_noise.optimum_batch_data(
        amplitude=best / 200,
        rate_exponent=0.0,
        pattern_counts=(200,),
        batch_sizes=(1, 2, 4, 8, 16, 32, 64),
        noise=0.02,
        replicas=24,
        seed=seed,
    )
    return data.squeeze("pattern_count", drop=True)


def test_best_error_is_not_flattered_by_the_choice() -> None:
    """z of the best error over 60 seeds; taking the smallest mean would be biased by 1 sigma."""
    z, hits = [], 0
    for seed in range(60):
        found = performance_map(planted_map(seed), resamples=100)  # type: ignore[arg-type]
        place = list(found.batch_size).index(8)
        z.append((found.best_error[place] - 0.1) / found.best_error_stderr[place])
        hits += found.best_batch_size.value == 8
        assert found.as_good[place]
    # 60 scores: standard error 0.13 of the mean, 0.09 of the spread; 4.5 of them.
    assert abs(np.mean(z)) < 0.58
    assert 0.6 < np.std(z) < 1.45
    assert hits > 50


def test_performance_map_flags() -> None:
    edge = performance_map(planted_map(1, best=0.5), resamples=50)  # type: ignore[arg-type]
    assert any(flag.startswith("at_edge") for flag in edge.flags)
    flat = batch_noise.optimum_batch_data(curvature=0.0, pattern_counts=(200,), replicas=8, seed=3)
    found = performance_map(flat.squeeze("pattern_count", drop=True), resamples=50)
    assert found.as_good.mean() > 0.6
    lost = flat.squeeze("pattern_count", drop=True).copy(deep=True)
    lost["status"][{"batch_size": 0}] = STATUS_DIVERGED
    found = performance_map(lost, resamples=50)
    assert np.isnan(found.error[0]).all()
    assert np.isnan(found.best_error[0])
    assert not found.as_good[0]
    with pytest.raises(AnalysisError, match="'pattern_count' is swept"):
        performance_map(batch_noise.optimum_batch_data(replicas=8))
    lost["status"][:] = STATUS_DIVERGED
    with pytest.raises(AnalysisError, match="diverged at every point"):
        performance_map(lost)


def test_curves_fall_together_against_the_noise_scale() -> None:
    """S is about 1 for curves of B/(eps P), and far from it against B, or for another law."""
    # B is much smaller than P, so that g is eps P/B, of which the planted curves are functions.
    grid: dict[str, Any] = {"noise": 0.005, "pattern_counts": (20_000, 40_000)}
    grid["batch_sizes"] = tuple(np.geomspace(1, 128, 29))
    data = batch_noise.optimum_batch_data(amplitude=0.005, seed=2, **grid)
    right = scale_collapse(data)
    assert 0.6 < right.quality < 2.5
    assert scale_collapse(data, against="batch_size").quality > 10 * right.quality
    other = batch_noise.optimum_batch_data(amplitude=100, count_exponent=0.0, **grid)
    assert scale_collapse(other).quality > 10
    with pytest.raises(AnalysisError, match="number of patterns is not known"):
        scale_collapse(data.isel(pattern_count=0))


def test_maps_and_lines_survive_a_file(tmp_path: object) -> None:
    for number, found in enumerate(
        (
            typical_threshold(batch_noise.linear_growth_data(seed=1), resamples=20),
            transition_line(batch_noise.transition_data()),
            performance_map(planted_map(1), resamples=20),  # type: ignore[arg-type]
        )
    ):
        path = found.save(f"{tmp_path}/{number}.nc")
        again = open_results(path)
        assert repr(again) == repr(found)
        assert isinstance(again, (TypicalThreshold, TransitionLine, PerformanceMap))


def test_crossover_of_a_linear_student() -> None:
    """eta_base,max = 2/(N + m + 1) with 2 % noise: m_x = N + 1, z over 40 seeds and coverage."""
    m = np.array([1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 600.0, 1200.0])
    exact = 2 / (50 + m + 1)
    z = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        found = StableRange(
            size=np.full(m.size, 50.0),
            batch_size=m,
            learning_rate=exact * (1 + 0.02 * rng.standard_normal(m.size)),
            stderr=0.02 * exact,
            systematic=np.zeros(m.size),
            flags=(),
        )
        fit = found.fit_crossover()
        assert fit.flags == ()
        z.append((fit["m_x"].value - 51) / fit["m_x"].stderr)
    # 40 scores: standard error 0.16 of the mean, 0.11 of the spread; 4.5 of them.
    assert abs(np.mean(z)) < 0.72
    assert 0.5 < np.std(z) < 1.55
    # A power law does not describe it; beyond N it nearly does.
    assert "bad_fit" in " ".join(found.fit().flags)
    assert -1.1 < found.fit(smallest=300)["b"].value < -0.8
