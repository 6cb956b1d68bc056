"""What the shipped datasets say about batch noise: the figures that the documentation quotes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from physbatch.dataset import open_dataset
from physbatch.exact import committee_stability, linear_sgd
from physbatch.noise import (
    effective_temperature,
    late_sharpness,
    learned,
    optimum_batch,
    performance_map,
    scale_collapse,
    sharpness_lines,
    stable_range,
    transition_line,
    typical_threshold,
)

DATA = Path(__file__).parents[2] / "data"


def held(name: str) -> xr.Dataset:
    return open_dataset(DATA / f"{name}.nc")


def test_replicas_of_the_linear_student_diverge_at_the_typical_threshold() -> None:
    """N = 200, m = 1 to 10 N: within 4.5 standard errors and 1 % of <ln F> = 0."""
    found = typical_threshold(held("small_batch-linear"))
    assert found.size.tolist() == [200] * 7
    assert (found.batch_size[0], found.batch_size[-1]) == (1, 2000)
    for m, rate, error in zip(
        found.batch_size, found.learning_rate, np.hypot(found.stderr, found.systematic), strict=True
    ):
        exact = linear_sgd.typical_learning_rate(200, m) / m
        assert abs(rate - exact) < 4.5 * error
        assert rate == pytest.approx(exact, rel=0.01)


@pytest.mark.parametrize(
    ("name", "slope", "crossover"),
    [
        ("small_batch-erf", (-0.73, 0.04), (144, 5)),
        ("small_batch-digits", (-0.82, 0.04), (11.4, 0.4)),
    ],
)
def test_the_range_shrinks_with_the_batch(
    name: str, slope: tuple[float, float], crossover: tuple[float, float]
) -> None:
    found = stable_range(held(name))
    large = found.fit(smallest=200 if name.endswith("erf") else 16)["b"]
    assert large.value < -5 * large.total
    assert (large.value, large.stderr) == pytest.approx(slope, abs=0.006)
    fit = found.fit_crossover()
    assert fit.p_value > 0.01
    assert (fit["m_x"].value, fit["m_x"].stderr) == pytest.approx(crossover, rel=0.1)


def test_relu_unit_learns_below_the_mean_square_threshold_of_its_perfect_state() -> None:
    """N = 100, m = 1 ... 1000: within 4 errors and 3 % of 4N/(2N + m + 3), errors below 2 %."""
    data = held("small_batch-relu")
    good = learned(data, 1e-4).astype(np.int8).transpose(*data["success"].dims)
    found = stable_range(data.assign(success=good))
    assert found.batch_size.tolist() == [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
    theory = 400 / (203 + found.batch_size)
    errors = np.hypot(found.stderr, found.systematic)
    assert np.all(errors < 0.02 * theory)
    assert np.abs((found.learning_rate - theory) / errors).max() < 4
    assert found.learning_rate == pytest.approx(theory, rel=0.03)


def test_relu_unit_loses_its_range_beyond_2_n() -> None:
    """The standard of the study, 1 % of the first error: A/(1 + m/m_x) fits, no power law does."""
    found = stable_range(held("small_batch-relu"))
    fit = found.fit_crossover()
    assert fit.p_value > 0.01
    assert (fit["m_x"].value, fit["m_x"].stderr) == pytest.approx((209.5, 0.8), rel=0.05)
    assert (fit["A"].value, fit["A"].stderr) == pytest.approx((2.0015, 0.0019), rel=0.05)
    assert any(flag.startswith("bad_fit") for flag in found.fit()["b"].flags)


def test_small_batches_of_digits_are_as_good_as_each_other() -> None:
    found = performance_map(held("small_batch-digits"))
    good = found.batch_size[found.as_good]
    assert good.min() == 1
    assert good.max() == 64
    last, best = found.best_error[-1], np.min(found.best_error)
    assert last - best > 3 * found.best_error_stderr[-1]


def test_batch_normalisation_widens_the_range() -> None:
    """Convolutional network, m = 64: half of the replicas learn at three times the rate."""
    plain, normalised = (
        stable_range(held(f"small_batch-{name}")) for name in ("convolution", "normalised")
    )
    assert plain.batch_size.tolist() == [4, 16, 64]
    assert np.all(np.diff(plain.learning_rate) < 0)
    upper = plain.learning_rate[-1] + plain.systematic[-1]
    assert normalised.learning_rate[-1] - normalised.systematic[-1] > upper
    assert sum(flag.startswith("above_grid") for flag in normalised.flags) == 2


def test_transition_line_of_the_erf_unit_is_where_the_perfect_state_is_lost() -> None:
    """m_c(eta) below N/10 within 4 errors of the theory to first order in 1/N."""
    found = transition_line(held("phase_diagram-erf"), fraction=1e-3)
    checked = 0
    for size, rate, m, error in zip(
        found.size,
        found.learning_rate,
        found.batch_size,
        np.hypot(found.stderr, found.systematic),
        strict=True,
    ):
        if m > size / 10:
            continue
        theory = (
            m
            * committee_stability.largest_rate(1)
            * (1 + committee_stability.finite_size_shift(m) / size)
        )
        assert abs(rate - theory) < 4 * rate * error / m
        assert rate == pytest.approx(theory, rel=0.03)
        checked += 1
    assert checked == 12


def test_batches_have_one_temperature() -> None:
    found = effective_temperature(
        held("thermal_noise-batches"), held("thermal_noise-thermal"), after=1000
    )
    assert found.flags == ()
    assert np.abs(found.difference).max() < 4
    assert np.all(np.diff(found.from_energy) < 0)


def test_small_batches_end_in_flatter_places() -> None:
    data = held("batch_sharpness-momentum")
    few, whole = (late_sharpness(data.sel(batch_size=[m]), after=1000) for m in (4, 500))
    assert whole.value - few.value > 4 * np.hypot(whole.stderr, few.stderr)
    lines = sharpness_lines(data)
    assert lines["2/eta"] == pytest.approx(100)
    assert few.value < 1.5 * lines["2 (1 - beta)/eta"]


def test_optimum_batch_of_noisy_patterns() -> None:
    """B_opt is proportional to eps, but grows more slowly than P; g alone does not decide."""
    data = held("optimum_batch-noisy")
    fit = optimum_batch(data, resamples=400).fit()
    assert fit.p_value > 0.01
    assert (fit["b"].value, fit["b"].stderr) == pytest.approx((0.95, 0.05), abs=0.012)
    assert (fit["a"].value, fit["a"].stderr) == pytest.approx((0.49, 0.05), abs=0.012)
    assert abs(fit["b"].value - 1) < 3 * fit["b"].total
    assert 1 - fit["a"].value > 8 * fit["a"].total
    together = scale_collapse(data).quality
    assert together < scale_collapse(data, against="batch_size").quality
    assert together > 3 > scale_collapse(data.sel(pattern_count=[320])).quality


@pytest.mark.parametrize("time", [150, 600])
@pytest.mark.parametrize("variable", ["generalization_error", "test_loss"])
def test_digits_have_no_optimum_batch(variable: str, time: int) -> None:
    """Every curve is a fall and a plateau, and says so; a large batch costs nothing."""
    data = held("optimum_batch-digits")
    data = data.assign(generalization_error=data[variable])
    found = optimum_batch(data, time=time, resamples=50)
    assert found.batch_size.size == 6
    assert np.isnan(found.batch_size).all()
    assert [flag.split(":")[0] for flag in found.flags] == ["at_edge"] * 6
    mean = data["generalization_error"].isel(size=0).sel(time=time).mean("replica")
    ratio = mean.sel(batch_size=128) / mean.sel(batch_size=[16, 32, 64]).mean("batch_size")
    assert abs(float(ratio.mean()) - 1) < 0.06


def test_digits_fail_at_one_ratio_of_batch_and_eps_whatever_p_is() -> None:
    """At B = 10 eps the error is the same with 200 and 600 digits; at equal g it is not."""
    error = held("optimum_batch-digits")["generalization_error"].isel(size=0, time=-1)
    few, many = (error.sel(pattern_count=count) for count in (200, 600))
    for eps in (0.1, 0.2, 0.4):
        at = {"learning_rate": eps, "batch_size": 10 * eps}
        means = [float(one.sel(at).mean()) for one in (few, many)]
        errors = [float(one.sel(at).std(ddof=1)) / 32**0.5 for one in (few, many)]
        assert abs(means[1] - means[0]) < 4 * np.hypot(*errors)
        assert means == pytest.approx([0.22, 0.22], rel=0.15)
        wider = float(many.sel(learning_rate=eps, batch_size=40 * eps).mean())
        assert wider < 0.3 * means[0]  # 3 P calls for 3 B, if g decides; 4 B is on the grid
