"""Bins: unbiased, with the right covariance, of one size each, honest where they are too wide."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from physbatch.errors import AnalysisError
from physbatch.results.flag import flag_names
from physbatch.tables.binning import binned
from physbatch.tables.make import checked, make_table
from physbatch.tables.samples import make_sample_table
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

SIZES = (8.0, 16.0, 32.0, 64.0, 128.0)


def curve(size: FloatArray, control: FloatArray) -> FloatArray:
    return np.asarray(size**-0.125 * (1.0 - np.tanh(size * (control - 1.0))))


def planted(seed: int, count: int, noise: float, *, regular: bool = False) -> ScalingTable:
    """Points of five sizes at random controls, errors of two kinds mixed."""
    rng = np.random.default_rng(seed)
    size = np.repeat(SIZES, count // 5)
    along = np.tile(np.linspace(-1, 1, count // 5), 5) if regular else rng.uniform(-1, 1, size.size)
    control = 1.0 + along * 1.5 / 8 * np.sqrt(8 / size)
    error = noise * size**-0.125 * rng.choice([1.0, 3.0], size.size)
    value = curve(size, control) + error * rng.normal(size=size.size)
    return make_table(size, control, {"m": value}, {"m": error})


def deviations(table: ScalingTable) -> FloatArray:
    return np.asarray(table.values["m"] - curve(table.size, table.control))


@pytest.mark.parametrize(("most", "largest"), [(160, 0.25), (1000, 0.01)])
def test_bins_of_many_points_are_unbiased(most: int, largest: float) -> None:
    """A bin of 160 spans 0.4 of the width of the transition at the largest size."""
    table = planted(1, 100_000, 1e-3)
    exact = {"m": curve(table.size, table.control)}
    clean = binned(make_table(table.size, table.control, exact, table.errors), most)
    few = binned(table, most)
    assert few.size.size == most
    bias = deviations(clean) / few.errors["m"]
    assert np.sqrt(np.mean(bias**2)) < 0.05
    assert np.abs(bias).max() < largest
    z = deviations(few)
    chi2 = float(z @ np.linalg.solve(few.covariance["m"], z))
    assert abs(chi2 - most) < 4.5 * np.sqrt(2 * most)
    usual = np.sqrt((1 + 9) / 2) * 1e-3 * few.size**-0.125 / np.sqrt(100_000 / most)
    assert np.median(few.errors["m"] / usual) < 1.15


def test_errors_cover_at_random_controls_with_few_points_in_a_bin() -> None:
    """Three in a bin, of any width: the squares of 40 tables of about 160 bins."""
    tables = [binned(planted(seed, 500, 1e-3), 160) for seed in range(40)]
    z = np.concatenate([deviations(table) / table.errors["m"] for table in tables])
    assert z.size > 0.95 * 160 * 40
    # Neighbours are correlated by less than 0.2, which changes the variance of the sum by 1.1.
    assert abs(float((z**2).mean()) - 1.0) < 4.5 * np.sqrt(2 * 1.1 / z.size)


def test_covariance_is_that_of_repeated_noise() -> None:
    rng = np.random.default_rng(3)
    size = np.repeat([4.0, 8.0], 40)
    control = np.concatenate([np.sort(rng.uniform(-1, 1, 40)) for _ in range(2)])
    error = rng.choice([0.1, 0.3], 80)
    drawn = []
    for _ in range(1500):
        noise = {"m": error * rng.normal(size=80)}
        drawn.append(binned(make_table(size, control, noise, {"m": error}), 24).values["m"])
    few = binned(make_table(size, control, noise, {"m": error}), 24)
    stated = few.covariance["m"]
    scale = np.sqrt((np.outer(np.diag(stated), np.diag(stated)) + stated**2) / 1500)
    assert np.abs((np.cov(np.array(drawn).T) - stated) / scale).max() < 5.0
    assert np.abs(stated[few.size == 4][:, few.size == 8]).max() == 0.0


def test_a_stated_covariance_is_carried_over() -> None:
    """Values are linear in the data, so that unit vectors show the matrix."""
    rng = np.random.default_rng(4)
    size, control = np.repeat([4.0, 8.0], 15), np.tile(np.linspace(0, 1, 15) ** 1.5, 2)
    root = rng.normal(size=(30, 30)) / 20 + np.eye(30)
    matrix = root @ root.T
    few = binned(make_table(size, control, {"m": control}, covariance={"m": matrix}), 12)
    units = [
        binned(
            ScalingTable(size, control, {"m": row}, {"m": np.sqrt(np.diag(matrix))}),
            12,
        ).values["m"]
        for row in np.eye(30)
    ]
    linear = np.array(units).T
    np.testing.assert_allclose(few.covariance["m"], linear @ matrix @ linear.T, rtol=1e-9)
    checked(few)


def test_sizes_are_kept_apart_and_short_ones_as_they_are() -> None:
    size = np.repeat([4.0, 8.0, 16.0], [5, 300, 1000])
    control = np.concatenate(
        [np.linspace(1, 2, 5), np.linspace(3, 4, 300), np.linspace(5, 6, 1000)]
    )
    table = make_table(size, control, {"m": size + control}, {"m": np.full(1305, 0.1)})
    few = binned(table, 105)
    assert few.size.size == 105
    assert [int((few.size == s).sum()) for s in (4, 8, 16)] == [5, 50, 50]
    np.testing.assert_allclose(few.values["m"], few.size + few.control)
    for s, low in ((4, 1), (8, 3), (16, 5)):
        controls = few.control[few.size == s]
        assert low <= controls.min() < controls.max() <= low + 1
    of_short = few.size == 4
    np.testing.assert_array_equal(few.control[of_short], table.control[:5])
    np.testing.assert_array_equal(few.errors["m"][of_short], table.errors["m"][:5])
    assert few.flags[-1] == "binned: 1305 points became 105, by at most 20 at a time"
    assert binned(table, 1305) is table
    with pytest.raises(AnalysisError, match="3 sizes in 2 points"):
        binned(table, 2)


def test_bins_wider_than_the_structure_have_larger_errors() -> None:
    """400 points of noise 1e-6 in 12 bins of a size, over twelve widths of the transition."""
    z = [
        deviations(few) / few.errors["m"]
        for few in (binned(planted(seed, 2000, 1e-6, regular=True), 60) for seed in range(5))
    ]
    assert np.sqrt(np.mean(np.square(z))) < 1.2
    fine = binned(planted(0, 2000, 1e-6, regular=True), 1000)
    assert np.abs(deviations(fine) / fine.errors["m"]).max() < 5


def test_errors_that_vary_with_the_value_do_not_pull_the_mean() -> None:
    """Counts of 40 trials at p = 0.1: weights 1/error^2 would lower the mean by fifty errors."""
    rng = np.random.default_rng(6)
    count = rng.binomial(40, 0.1, 20_000) + 0.5
    value = count / 41
    error = np.sqrt(value * (1 - value) / 40)
    table = ScalingTable(
        np.full(20_000, 4.0), np.linspace(0, 1, 20_000), {"m": value}, {"m": error}
    )
    few = binned(table, 20)
    mean, exact = few.values["m"].mean(), (0.1 * 40 + 0.5) / 41
    assert abs(mean - exact) < 4.5 * np.sqrt(0.1 * 0.9 / 40 / 20_000)


def test_points_that_move_together_are_not_averaged_down() -> None:
    rng = np.random.default_rng(7)
    size, control = np.repeat([4.0, 8.0], 500), np.tile(np.linspace(-1, 1, 500), 2)
    error = np.full(1000, 0.02)
    common = np.repeat(rng.normal(size=2), 500) * error
    few = binned(make_table(size, control, {"m": np.tanh(control) + common}, {"m": error}), 40)
    assert "m" not in few.covariance
    np.testing.assert_allclose(few.errors["m"], 0.02)


def test_samples_of_a_bin_have_its_value_and_error() -> None:
    rng = np.random.default_rng(8)
    size, control = np.repeat([4.0, 8.0], 30), np.tile(np.linspace(-1, 1, 30), 2)
    m = [c + rng.normal(size=25) for c in control]
    table = make_sample_table(size, control, {"m": m, "minus": [-2 * x for x in m]})
    few = binned(table, 20)
    for name, samples in few.samples.items():
        for sample, value, error in zip(samples, few.values[name], few.errors[name], strict=True):
            assert sample.size == 75
            assert np.mean(sample) == pytest.approx(value)
            assert np.std(sample, ddof=1) / np.sqrt(75) == pytest.approx(error)
    joint: Any = few.joint_covariance()
    np.testing.assert_allclose(joint[:, 0, 1] / np.sqrt(joint[:, 0, 0] * joint[:, 1, 1]), -1.0)
    assert "binned" in flag_names(few.flags)
