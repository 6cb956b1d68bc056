"""Growth of dilute deviations on a branching process with known rates, and its error bar."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from physbatch import make_dataset
from physbatch.cli import main
from physbatch.errors import AnalysisError
from physbatch.files import save
from physbatch.results import flags
from physbatch.scaling import linear_stability

CONTROLS = np.array([2.0, 2.4, 2.8, 3.2, 3.6])


def branching(seed: int, replicas: int = 200, times: int = 21, seeds: float = 20) -> xr.Dataset:
    """Poisson branching: wrong weights grow by exp(0.1 (3 - c)) on average in each unit of time."""
    generator = np.random.default_rng(seed)
    wrong = np.empty((1, CONTROLS.size, replicas, times))
    wrong[..., 0] = generator.poisson(seeds, size=wrong.shape[:-1])
    factor = np.exp(0.1 * (3 - CONTROLS))[None, :, None]
    for step in range(1, times):
        wrong[..., step] = generator.poisson(factor * wrong[..., step - 1])
    return make_dataset(
        1 - wrong / 40_000, size=[10_000], batch_size=CONTROLS, time=np.arange(1.0, times + 1)
    )


def test_rates_and_threshold_of_a_branching_process() -> None:
    found = linear_stability(branching(1))
    z = (found.rate - 0.1 * (3 - CONTROLS)) / found.stderr
    assert np.abs(z).max() < 4
    threshold = found["N = 10000"]
    assert abs(threshold.value - 3.0) < 4 * threshold.total
    assert threshold.total < 0.1
    assert not flags.STILL_RELAXING.among(found.flags)


def test_error_bars() -> None:
    """Root mean square z of 40 runs of 5 rates within 5 sigma of 1."""
    scores = []
    for seed in range(100, 140):
        found = linear_stability(branching(seed, replicas=60, times=9), resamples=100)
        scores.append((found.rate - 0.1 * (3 - CONTROLS)) / found.stderr)
    spread = math.sqrt(np.mean(np.square(scores)))
    assert abs(spread - 1) < 5 / math.sqrt(2 * 200)


def test_what_is_not_dilute_or_not_exponential_is_left_out_or_flagged() -> None:
    data = branching(2)
    data["overlap"].values[:, 0, :, 10:] = 0.5  # the system has decayed
    found = linear_stability(data)
    assert found.rate[0] == pytest.approx(0.1, abs=5 * found.stderr[0])
    data["overlap"].values[:, 4] = 1.0
    data["overlap"].values[:, 3, :, 12:] = 1 - 0.01
    found = linear_stability(data)
    assert math.isnan(found.rate[4])
    assert flags.TOO_FEW_POINTS.among(found.flags)
    assert flags.STILL_RELAXING.among(found.flags)


def test_refusals() -> None:
    with pytest.raises(AnalysisError, match="no variable 'nothing'"):
        linear_stability(branching(3, replicas=3), "nothing")
    twice = xr.concat([branching(3, replicas=3)] * 2, dim="degree")
    with pytest.raises(AnalysisError, match="degree swept as well"):
        linear_stability(twice)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(branching(4), tmp_path / "seeds.nc")
    words = ["growth", str(tmp_path / "seeds.nc"), "--start", "3"]
    assert main([*words, "-o", str(tmp_path / "rates.nc")]) == 0
    assert "m_low at N = 10000" in capsys.readouterr().out
    assert main([*words, "--json"]) == 0
