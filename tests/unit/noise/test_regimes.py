"""The crossover from noise to the first step, and agreement at equal temperatures, planted."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from physbatch.errors import AnalysisError
from physbatch.exact.batch_noise import regimes_data
from physbatch.noise import crossover_batch, final_norm, temperature_collapse
from physbatch.results.flag import flag_names


def test_the_law_without_noise_is_found_again() -> None:
    data = regimes_data(1, amplitude=30.0, crossover=100.0, sharpness=1.5, noise=1e-7)
    found = crossover_batch(data, resamples=10)
    assert found.amplitude.value == pytest.approx(30.0, rel=1e-5)
    assert found.batch_size.value == pytest.approx(100.0, rel=1e-5)
    assert found.sharpness.value == pytest.approx(1.5, rel=1e-5)
    assert found.dof == 4
    # A 1 % larger first step moves B* by 1 %.
    shifted = crossover_batch(regimes_data(1, crossover=101.0, noise=1e-7), resamples=10)
    assert shifted.batch_size.value / found.batch_size.value == pytest.approx(1.01, rel=1e-5)


def test_errors_are_those_of_repetitions() -> None:
    """24 seeds: the mean square of z within the 1e-4 quantiles of chi2(24)/24, 0.21 to 2.55.

    The bootstrap of 8 replicas is too small by (7/8)^(1/2); the pooled scatter makes good for none.
    """
    scores, means = [], []
    for seed in range(24):
        found = crossover_batch(regimes_data(seed), resamples=25, seed=seed)
        assert found.batch_size.stderr is not None
        scores.append((np.log(found.batch_size.value / 100)) * 100 / found.batch_size.stderr)
        means.append(np.log(found.batch_size.value / 100))
    assert 0.21 < np.mean(np.square(scores)) * 7 / 8 < 2.55
    assert abs(np.mean(means)) < 4 * np.std(means, ddof=1) / np.sqrt(24)


def test_replicas_that_did_not_end_are_left_out_and_named() -> None:
    data = regimes_data(3, noise=1e-7)
    ended = data["stopped_at"].copy()
    ended[0, 0, 2, 1:4] = np.inf
    found = crossover_batch(data.assign(stopped_at=ended), resamples=10)
    assert found.batch_size.value == pytest.approx(100.0, rel=1e-5)
    assert flag_names(found.batch_size.flags) == ("left_out",)
    ended[0, 0, :4, :] = np.inf
    none = crossover_batch(data.assign(stopped_at=ended), resamples=10)
    assert np.isnan(none.batch_size.value)
    assert "few_points" in flag_names(none.batch_size.flags)


def test_a_law_of_another_form_is_flagged() -> None:
    data = regimes_data(4, noise=0.01)
    bent = data["student_overlap"] * (1 + 0.5 * (data["batch_size"] == 16))
    found = crossover_batch(data.assign(student_overlap=bent), resamples=10)
    assert "bad_fit" in flag_names(found.batch_size.flags)


def norms(seed: int, crossover: float = 1e9) -> xr.DataArray:
    rates = tuple(4.0**k for k in range(3, 7))
    data = regimes_data(seed, learning_rates=rates, crossover=crossover)
    return final_norm(data).squeeze("size", drop=True)


def test_chi_squared_of_a_collapse_that_is_there_is_its_number_of_degrees_of_freedom() -> None:
    """30 seeds of 18 degrees: the mean within 4 standard errors, 8 %, of 18 (pooled scatter)."""
    results = [temperature_collapse(norms(seed), largest_batch=4096) for seed in range(30)]
    assert {agreement.dof for agreement in results} == {18}
    mean = np.mean([agreement.chi2 for agreement in results])
    assert abs(mean - 18) < 4 * np.sqrt(2 * 18 / 30)
    for agreement in results[:3]:
        expected = np.log(30 * agreement.temperature)
        assert np.all(np.abs(agreement.mean - expected) < 4.5 * agreement.stderr)


def test_a_collapse_that_is_not_there_is_refused() -> None:
    found = temperature_collapse(norms(1, crossover=100.0), largest_batch=4096)
    assert found.chi2 > 20 * found.dof
    assert found.largest > 1
    small = temperature_collapse(norms(1, crossover=1e5), largest_batch=16)
    assert small.chi2 < 3 * small.dof


def test_bad_input_is_one_line() -> None:
    data = regimes_data(1)
    with pytest.raises(AnalysisError, match="no stopped_at"):
        final_norm(data.drop_vars("stopped_at"))
    with pytest.raises(AnalysisError, match="no two batch sizes share a temperature"):
        temperature_collapse(final_norm(data).squeeze("size"), largest_batch=4096)
