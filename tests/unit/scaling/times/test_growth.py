"""Growth rates and their thresholds: planted multiplicative noise, coverage, refusals."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from physbatch.errors import AnalysisError
from physbatch.results import open_results
from physbatch.scaling import flag_names
from physbatch.scaling.times.growth import growth_rates, growth_threshold

CONTROL = np.linspace(0.8, 1.2, 9)
SPREAD = 0.3


def noisy_products(replicas: int, steps: int, seed: int) -> xr.Dataset:
    """v(t + 1) = v(t) exp(c - 1 + SPREAD z): rates c - 1 and c - 1 + SPREAD^2/2."""
    z = np.random.default_rng(seed).normal(size=(CONTROL.size, replicas, steps))
    logs = np.cumsum((CONTROL - 1)[:, None, None] + SPREAD * z, axis=-1)
    logs = np.concatenate([np.zeros((CONTROL.size, replicas, 1)), logs], axis=-1)
    return xr.Dataset(
        {"weight_error": (("batch_size", "replica", "time"), np.exp(logs))},
        {"batch_size": CONTROL, "time": np.arange(steps + 1.0)},
    )


@pytest.mark.parametrize(("kind", "excess"), [("typical", 0.0), ("mean-square", SPREAD**2 / 2)])
def test_both_rates_are_the_planted_ones(kind: str, excess: float) -> None:
    found = growth_rates(noisy_products(4000, 10, 1), kind=kind)
    z = (found["rate"] - (CONTROL - 1 + excess)) / found["stderr"]
    assert (abs(z) < 4.5).all()
    assert (found["stderr"] < 0.003).all()
    fit = growth_threshold(CONTROL, found["rate"], found["stderr"])
    assert abs(fit.threshold.value - (1 - excess)) < 4 * fit.threshold.stderr
    assert fit.threshold.stderr < 0.001


@pytest.mark.parametrize("kind", ["typical", "mean-square"])
def test_stated_errors_of_rates_are_those_seen(kind: str) -> None:
    excess = SPREAD**2 / 2 if kind == "mean-square" else 0.0
    z = []
    for seed in range(200):
        found = growth_rates(noisy_products(100, 5, seed), kind=kind)
        z.append(((found["rate"] - (CONTROL - 1 + excess)) / found["stderr"]).values)
    # 1800 values: mean +- 0.024, sd +- 0.017, of Student's t with 99 degrees of freedom.
    assert abs(np.mean(z)) < 0.1
    assert abs(np.std(z) - 1.01) < 0.08


@pytest.mark.parametrize("bend", [0.0, 2.0])
def test_stated_errors_of_a_threshold_are_those_seen(bend: float) -> None:
    """A line, and a parabola that a line describes badly."""
    generator = np.random.default_rng(4)
    exact = (CONTROL - 1.02) * (1 + bend * (CONTROL - 1.02))
    error, z, slopes = np.full(9, 0.01), [], []
    for _ in range(1000):
        fit = growth_threshold(CONTROL, exact + error * generator.normal(size=9), error)
        z.append((fit.threshold.value - 1.02) / fit.threshold.total)
        slopes.append((fit.slope.value - 1) / fit.slope.total)
    # True laws are refused once in 1000 times; 1000 seeds: mean +- 0.032, sd +- 0.022.
    for scores in (z, slopes):
        known = np.array(scores)[np.isfinite(scores)]
        assert known.size > 990
        assert abs(known.mean()) < 0.2
        assert 0.85 < known.std() < 1.12


def test_a_threshold_keeps_all_digits_of_exact_rates(tmp_path: Path) -> None:
    fit = growth_threshold(CONTROL, np.sin(CONTROL - 1.03), np.full(9, 1e-3))
    assert fit.threshold.value == pytest.approx(1.03, abs=5e-4)
    assert fit.slope.value == pytest.approx(1.0, abs=0.01)
    assert open_results(fit.save(tmp_path / "growth.nc")).identical(fit)
    assert "degree" in repr(fit)


def test_what_is_no_threshold_is_flagged() -> None:
    error = np.full(9, 0.01)
    for rate, name in (
        (CONTROL, "no_threshold"),
        ((CONTROL - 0.9) * (CONTROL - 1.1), "no_threshold"),
        (np.sin(40 * CONTROL), "bad_fit"),
        (np.full(9, np.nan), "too_few_points"),
    ):
        fit = growth_threshold(CONTROL, rate, error)
        assert math.isnan(fit.threshold.value)
        assert name in flag_names(fit.flags)
    with_hole = np.where(CONTROL > 1.15, np.nan, CONTROL - 1)
    fit = growth_threshold(CONTROL, with_hole, error)
    assert flag_names(fit.threshold.flags) == ("left_out",)
    assert fit.threshold.value == pytest.approx(1.0)


def test_a_deviation_that_is_lost_gives_no_rate() -> None:
    data = noisy_products(10, 3, 1)
    data["weight_error"][2, 0, 3] = np.inf
    data["weight_error"][3, 0, 0] = 0.0
    for kind in ("typical", "mean-square"):
        rate = growth_rates(data, kind=kind)["rate"].values  # type: ignore[arg-type]
        assert np.flatnonzero(np.isnan(rate)).tolist() == [2, 3]


def test_bad_input_is_refused() -> None:
    data = noisy_products(10, 3, 1)
    with pytest.raises(AnalysisError, match="kind 'mean'"):
        growth_rates(data, kind="mean")  # type: ignore[arg-type]
    with pytest.raises(AnalysisError, match="no variable 'energy'"):
        growth_rates(data, "energy")
    with pytest.raises(AnalysisError, match="1 times and 10 replicas"):
        growth_rates(data, start=3.0)
    with pytest.raises(AnalysisError, match="not evenly spaced"):
        growth_rates(data.isel(time=[0, 1, 3]), kind="mean-square")
    with pytest.raises(AnalysisError, match="do not fit together"):
        growth_threshold([1.0, 2.0], [1.0], [1.0])
