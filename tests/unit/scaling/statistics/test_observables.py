"""Moments of samples: exact laws, bias removed, errors that cover, correlations kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from physbatch.errors import AnalysisError
from physbatch.exact import curie_weiss
from physbatch.scaling.curves.slopes import derivative
from physbatch.scaling.statistics.autocorrelations import SeriesTooShort
from physbatch.scaling.statistics.observables import OBSERVABLES, sample_moments
from physbatch.tables.make import make_table
from physbatch.tables.samples import make_sample_table
from physbatch.tables.table import ScalingTable
from tests.unit.scaling.statistics.test_series import autoregressive

FloatArray = npt.NDArray[np.float64]


def one_size(samples: Any, size: float = 100.0, **names: Any) -> ScalingTable:
    """A table of one size, each row of samples a point."""
    count = len(samples)
    return make_sample_table(
        np.full(count, size),
        np.arange(count),
        {"m": samples},
        minimum_sizes=1,
        minimum_points=1,
        **{"dimension": "N", **names},
    )


def test_values_are_those_of_the_formulas_up_to_the_bias() -> None:
    m = np.random.default_rng(1).normal(0.3, 1.0, size=(1, 200_000))
    result = sample_moments(one_size(m, 50), moments=tuple(OBSERVABLES))
    m1, a1, m2, m4 = (np.mean(power) for power in (m, np.abs(m), m**2, m**4))
    expected = {
        "mean": m1,
        "mean_abs": a1,
        "variance": m2 - m1**2,
        "susceptibility": 50 * (m2 - m1**2),
        "susceptibility_abs": 50 * (m2 - a1**2),
        "binder": 1 - m4 / (3 * m2**2),
        "binder_abs": m2 / a1**2,
        "binder_ratio": m2**2 / m4,
        "second_moment": m2,
        "fourth_moment": m4,
    }
    for name, value in expected.items():
        assert result.values[name][0] == pytest.approx(value, rel=2e-4, abs=1e-4), name


def test_the_jackknife_takes_the_bias_out_of_binder() -> None:
    """Of n Gaussian samples: plain U is 2/(n + 2) on average, the jackknife 4/((n+1)(n+2))."""
    n = 12
    m = np.random.default_rng(2).normal(size=(4000, n))
    plain = 1 - np.mean(m**4, axis=1) / (3 * np.mean(m**2, axis=1) ** 2)
    spread = plain.std() / np.sqrt(4000)
    assert abs(plain.mean() - 2 / (n + 2)) < 4 * spread
    values = sample_moments(one_size(m), moments=("binder",)).values["binder"]
    spread = values.std() / np.sqrt(4000)
    assert abs(values.mean() - 4 / ((n + 1) * (n + 2))) < 4 * spread
    assert spread < 0.01 < plain.mean() / 10


def test_independent_spins_have_susceptibility_one() -> None:
    generator = np.random.default_rng(3)
    m = 2 * generator.binomial(64, 0.5, size=(300, 200)) / 64 - 1
    result = sample_moments(one_size(m, 64.0), moments=("susceptibility", "variance"))
    z = (result.values["susceptibility"] - 1) / result.errors["susceptibility"]
    assert abs(z.mean()) < 4 / np.sqrt(300) + 0.1  # value and error are correlated
    assert 0.9 < z.std() < 1.15
    np.testing.assert_allclose(
        result.values["susceptibility"], 64 * result.values["variance"], rtol=1e-12
    )
    linear = one_size(m[:3], 8.0, dimension="L")
    flagged = sample_moments(linear)
    assert "susceptibility" not in flagged.observables
    assert any(flag.startswith("no_susceptibility") for flag in flagged.flags)
    with pytest.raises(AnalysisError, match="dimension of space"):
        sample_moments(linear, moments=("susceptibility",))
    stated = sample_moments(linear, moments=("susceptibility",), space_dimension=2)
    np.testing.assert_allclose(
        stated.values["susceptibility"], result.values["susceptibility"][:3], rtol=1e-12
    )


@pytest.mark.parametrize("method", ["jackknife", "bootstrap"])
def test_errors_cover_the_exact_curie_weiss_moments(method: Any) -> None:
    size, beta = 64, 1.0
    mu, weight = curie_weiss.law(size, beta)
    generator = np.random.default_rng(4)
    m = generator.choice(mu, p=weight, size=(250, 300))
    names = ("mean", "mean_abs", "susceptibility_abs", "binder", "binder_abs")
    result = sample_moments(one_size(m, size), moments=names, method=method, resamples=300)
    a1, m2, m4 = (float(weight @ power) for power in (np.abs(mu), mu**2, mu**4))
    exact = (0.0, a1, size * (m2 - a1**2), 1 - m4 / (3 * m2**2), m2 / a1**2)
    for name, value in zip(names, exact, strict=True):
        z = (result.values[name] - value) / result.errors[name]
        assert abs(z.mean()) < 0.3, name
        assert 0.88 < z.std() < 1.14, name
    assert exact[3] == pytest.approx(curie_weiss.CRITICAL_BINDER, abs=0.05)


def test_covariance_between_moments_is_that_of_the_scatter() -> None:
    m = np.random.default_rng(5).normal(1.0, 0.5, size=(600, 150))
    result = sample_moments(one_size(m), moments=("mean", "binder"))
    scatter = np.cov(result.values["mean"], result.values["binder"])
    stated = result.joint_covariance("mean", "binder").mean(axis=0)
    np.testing.assert_allclose(stated, scatter, rtol=0.15)
    correlation = scatter[0, 1] / np.sqrt(scatter[0, 0] * scatter[1, 1])
    assert abs(correlation) > 0.4  # so that keeping it matters


def test_samples_of_moments_are_pseudo_values() -> None:
    m = np.random.default_rng(6).normal(size=(2, 30))
    result = sample_moments(one_size(m))
    for name in result.observables:
        pseudo = np.stack(result.samples[name])
        np.testing.assert_allclose(pseudo.mean(axis=1), result.values[name], rtol=1e-9, atol=1e-12)
        error = pseudo.std(axis=1, ddof=1) / np.sqrt(30)
        np.testing.assert_allclose(error, result.errors[name], rtol=1e-9)


def test_digits_near_perfect_overlap_are_kept() -> None:
    steps = np.arange(8.0)
    result = sample_moments(one_size([1.0 - steps * 2.0**-40]), moments=("variance",))
    assert result.values["variance"][0] == pytest.approx(6.0 * 2.0**-80, rel=1e-9)


def test_a_series_has_larger_errors_and_they_cover() -> None:
    m = np.stack([autoregressive(0.9, 6000, seed) for seed in range(150)])
    table = one_size(m)
    assert any(flag.startswith("rows_correlated") for flag in table.flags)
    names = ("mean", "variance")
    result = sample_moments(table, moments=names, rows="series")
    assert not any(flag.startswith("rows_correlated") for flag in result.flags)
    for name, exact in zip(names, (0.0, 1.0), strict=True):
        z = (result.values[name] - exact) / result.errors[name]
        assert 0.85 < z.std() < 1.2, name
    plain = sample_moments(table, moments=names)
    assert any(flag.startswith("rows_correlated") for flag in plain.flags)
    assert np.std(plain.values["mean"] / plain.errors["mean"]) > 3  # sqrt(2 tau) = 4.4


def test_a_short_series_is_refused_by_name() -> None:
    table = one_size([autoregressive(0.98, 1000, 3)], source="run.csv")
    with pytest.raises(SeriesTooShort, match=r"run.csv, L = 100, control = 0, series of mean: "):
        sample_moments(table, rows="series")


def test_replicas_of_one_graph_are_one_cluster() -> None:
    z = []
    for seed in range(200):
        generator = np.random.default_rng([seed, 9])
        graph = np.repeat(np.arange(25.0), 4)
        m = np.repeat(generator.normal(size=25), 4) + 0.5 * generator.normal(size=100)
        table = make_sample_table(
            [10.0], [1.0], {"m": [m], "graph": [graph]}, minimum_sizes=1, minimum_points=1
        )
        result = sample_moments(table, "m", moments=("mean",), cluster="graph")
        assert len(result.samples["mean"][0]) == 25
        z.append(result.values["mean"][0] / result.errors["mean"][0])
    assert 0.85 < np.std(z) < 1.2


def test_points_without_an_error_are_left_out_and_counted() -> None:
    generator = np.random.default_rng(10)
    samples = [generator.normal(size=9), np.array([1.0, 2.0, 3.0]), np.array([1.0, -1.0] * 4)]
    result = sample_moments(one_size(samples))
    assert result.control.tolist() == [0.0]
    assert any(flag.startswith("points_left_out: 2 of 3") for flag in result.flags)
    with pytest.raises(AnalysisError, match="no point has moments"):
        sample_moments(one_size(samples[1:]))


def test_wrong_names_are_refused() -> None:
    table = one_size(np.random.default_rng(1).normal(size=(2, 9)))
    with pytest.raises(AnalysisError, match="no moment 'kurtosis'"):
        sample_moments(table, moments=("kurtosis",))
    with pytest.raises(AnalysisError, match="there are some of m"):
        sample_moments(table, "q")
    with pytest.raises(AnalysisError, match="cluster label"):
        sample_moments(table, cluster="graph")
    bare = make_table([4, 8, 8], [1, 1, 2], {"m": [1, 2, 3]}, {"m": [1, 1, 1]})
    with pytest.raises(AnalysisError, match="moments need samples"):
        sample_moments(bare)


# --- slopes -----------------------------------------------------------------------------


def curve(c: FloatArray, seed: int, error: float = 1e-3) -> ScalingTable:
    """tanh at two sizes, with slopes 1 and 4 at c = 0."""
    generator = np.random.default_rng([seed, 12])
    size = np.repeat([4.0, 8.0], c.size)
    control = np.tile(c, 2)
    value = np.tanh(control * np.where(size == 4, 1.0, 4.0))
    noisy = value + error * generator.normal(size=value.size)
    return make_table(size, control, {"U": noisy}, {"U": np.full(value.size, error)})


def test_slopes_and_their_errors() -> None:
    c = np.linspace(-1, 1, 41) + 0.013
    z: dict[float, list[float]] = {4.0: [], 8.0: []}
    for seed in range(200):
        for size, slope in derivative(curve(c, seed), "U", 0.0).items():
            exact = 1.0 if size == 4 else 4.0
            if slope.flags:  # no window with chi^2 probability above 0.1: bad luck
                assert np.isnan(slope.value)
                continue
            z[size].append((slope.value - exact) / slope.stderr)
            assert slope.stderr < 0.03 * exact
    for deviations in z.values():
        assert len(deviations) > 180
        assert 0.85 < np.sqrt(np.mean(np.square(deviations))) < 1.3


def test_a_polynomial_has_its_slope_exactly() -> None:
    c = np.linspace(0, 2, 9)
    value = 1 + c - 2 * c**2 + 0.5 * c**3
    covariance = 1e-6 * (np.eye(9) + 0.5)
    table = make_table(
        np.full(9, 8), c, {"U": value}, covariance={"U": covariance}, minimum_sizes=1
    )
    slope = derivative(table, "U", 0.7)[8.0]
    assert slope.value == pytest.approx(1 - 4 * 0.7 + 1.5 * 0.49, rel=1e-8)
    assert 0 < slope.stderr < 0.02


def test_slopes_that_cannot_be_had_are_nan_and_flagged() -> None:
    table = curve(np.linspace(-1, 1, 9), 1)
    for slope in derivative(table, "U", 1.5).values():
        assert np.isnan(slope.value)
        assert slope.flags[0].startswith("outside")
    for slope in derivative(table, "U", 0.0, degree=8).values():
        assert np.isnan(slope.value)
        assert slope.flags[0].startswith("few_points")
    rough = curve(np.linspace(-1, 1, 9), 1, 1e-9)
    assert derivative(rough, "U", 0.1)[8.0].flags[0].startswith("poor_fit")
    with pytest.raises(AnalysisError, match="degree 0"):
        derivative(table, "U", 0.0, degree=0)
    with pytest.raises(AnalysisError, match="no observable"):
        derivative(table, "chi", 0.0)
