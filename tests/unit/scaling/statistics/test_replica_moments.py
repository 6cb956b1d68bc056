"""Moments: values against plain formulas, digits near q = 1, and who counts."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from physbatch.errors import AnalysisError
from physbatch.exact.planted import first_order, smooth_crossover
from physbatch.scaling import moments
from physbatch.scaling.statistics.replica_moments import (
    MOMENTS,
    fluctuations,
    moment_values,
    resampled_moments,
)
from physbatch.scaling.statistics.resampling import bootstrap_counts, bootstrap_means


def test_values_equal_the_formulas_along_any_axis():
    q = np.random.default_rng(1).uniform(-1.0, 1.0, size=(7, 20, 3))
    q[:, 4] = 1.0
    values = moment_values(q, 50.0, axis=1)
    assert set(values) == set(MOMENTS)
    np.testing.assert_allclose(values["overlap_mean"], q.mean(axis=1), rtol=1e-13)
    np.testing.assert_allclose(values["overlap_variance"], q.var(axis=1, ddof=1), rtol=1e-13)
    np.testing.assert_allclose(values["susceptibility"], 50 * q.var(axis=1, ddof=1), rtol=1e-13)
    binder = 1 - (q**4).mean(axis=1) / (3 * (q**2).mean(axis=1) ** 2)
    np.testing.assert_allclose(values["binder"], binder, rtol=1e-12)
    np.testing.assert_allclose(values["success_probability"], 0.05, rtol=1e-14)


def test_the_variance_keeps_its_digits_near_one():
    steps = [0, 1, 3, 4, 8]
    q = np.array([1.0 - k * 2.0**-40 for k in steps])
    mean = Fraction(sum(steps), 5)
    exact = float(sum((k - mean) ** 2 for k in steps) / 4) * 2.0**-80
    assert moment_values(q, 1.0)["overlap_variance"] == pytest.approx(exact, rel=1e-10)


def test_equal_replicas_have_no_variance_and_no_error():
    values = moment_values(np.full(6, 0.3), 100.0)
    assert values["overlap_variance"] == 0.0
    assert values["binder"] == pytest.approx(2.0 / 3.0, rel=1e-14)
    assert np.isnan(moment_values(np.zeros(4), 1.0)["binder"])  # 0/0
    assert np.isnan(moment_values(np.full(1, 0.5), 1.0)["overlap_variance"])
    assert all(np.isnan(v) for v in moment_values(np.empty(0), 1.0).values())


def test_a_resample_is_the_moment_of_the_drawn_replicas():
    generator = np.random.default_rng(2)
    q = generator.uniform(-1, 1, size=(9, 4))
    counts = bootstrap_counts(generator, 9, 5)
    assert np.all(counts.sum(axis=1) == 9)
    drawn = resampled_moments(q, counts, 10.0)
    for row, count in enumerate(counts):
        sample = np.repeat(q, count.astype(int), axis=0)
        expected = moment_values(sample, 10.0, axis=0)
        for name in MOMENTS:
            np.testing.assert_allclose(drawn[name][row], expected[name], rtol=1e-10, err_msg=name)


@pytest.mark.parametrize("replicas", [40, 2000])
def test_means_of_resamples_have_the_covariance_of_means(replicas):
    """Few replicas are counted, many looked up: both spread as C/n, C the sample's covariance."""
    generator = np.random.default_rng(6)
    x = generator.normal(size=replicas)
    samples = np.array([3.0 + x, x + generator.normal(size=replicas)])
    resamples = 4000
    drawn = bootstrap_means(generator, samples, resamples)
    assert drawn.shape == (2, resamples)
    expected = np.cov(samples, ddof=0) / replicas
    deviation = np.sqrt(np.diag(expected))
    z = (drawn.mean(axis=1) - samples.mean(axis=1)) / deviation * np.sqrt(resamples)
    assert np.all(np.abs(z) < 4)
    # A covariance from 4000 resamples is known to 1.6 to 2.2 %.
    np.testing.assert_allclose(np.cov(drawn), expected, rtol=4 * 0.022)


def test_only_valid_replicas_count():
    data = first_order(sizes=(50, 100), replicas=6, control=(12.0, 13.0, 14.0))
    data["status"][0, 0, 2] = 1  # diverged
    data["overlap"][0, 0, 2] = 77.0
    data["status"][0, 1] = 2  # all missing
    data["overlap"][1, 2, 0, 3] = np.nan  # valid but without a number
    data["status"][1, 0, 1:] = 2  # one is left
    result = moments(data, resamples=50)
    assert result["replica_count"].values.tolist() == [[5, 0, 6], [1, 6, 5]]
    assert result["replica_excluded"].values.tolist() == [[1, 6, 0], [5, 0, 1]]
    kept = data["overlap"][0, 0].values[[0, 1, 3, 4, 5]]
    np.testing.assert_allclose(result["overlap_mean"][0, 0], kept.mean(axis=0), rtol=1e-13)
    for name in (*MOMENTS, "generalization_error_mean"):
        assert np.isnan(result[name][0, 1]).all()
        assert np.isnan(result[f"{name}_stderr"][0, 1]).all()
        assert np.isnan(result[name][1, 0]).all()
        assert np.isfinite(result[name][1, 2]).all()


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    data = smooth_crossover(sizes=(50,), replicas=8, times=(10.0, 20.0))
    first, again = moments(data, seed=4), moments(data, seed=4)
    other = moments(data, seed=5)
    assert first.identical(again)
    np.testing.assert_array_equal(first["overlap_mean"], other["overlap_mean"])
    assert not np.array_equal(first["overlap_mean_stderr"], other["overlap_mean_stderr"])


def test_the_order_of_dimensions_does_not_matter_and_swept_ones_stay():
    data = smooth_crossover(sizes=(50, 100), replicas=8, times=(10.0, 20.0))
    swept = data.expand_dims(degree=[3, 5]).copy()
    swept["overlap"] = swept["overlap"] * (swept["degree"] / 5.0)
    turned = swept.transpose("time", "replica", "batch_size", "degree", "size")
    a, b = moments(swept, resamples=50), moments(turned, resamples=50)
    assert set(a["overlap_mean"].dims) == {"degree", "size", "batch_size", "time"}
    plain = moments(data, resamples=50)
    np.testing.assert_array_equal(
        a["overlap_mean"].sel(degree=5).transpose(*plain["overlap_mean"].dims),
        plain["overlap_mean"],
    )
    for name in a.data_vars:
        np.testing.assert_allclose(
            a[name].values, b[name].transpose(*a[name].dims).values, rtol=1e-12, atol=1e-14
        )


def test_too_few_resamples_are_refused():
    with pytest.raises(AnalysisError, match="at least 50"):
        moments(first_order(sizes=(50,), replicas=4), resamples=10)


def test_data_without_any_valid_replica_give_nan():
    data = first_order(sizes=(50,), replicas=3, control=(1.0, 2.0))
    data["status"][:] = 2
    data["overlap"][:] = np.nan
    result = moments(data, resamples=50)
    assert np.isnan(result["overlap_mean"]).all()
    assert (result["replica_count"] == 0).all()


def test_resamples_draw_whole_clusters_and_keep_their_weight():
    labels = np.array([5, 5, 5, 7, 9, 9])
    counts = bootstrap_counts(np.random.default_rng(3), 6, 200, labels)
    np.testing.assert_allclose(counts.sum(axis=1), 6.0)
    assert np.all(counts[:, 0] == counts[:, 1])
    assert np.all(counts[:, 4] == counts[:, 5])
    alone = bootstrap_counts(np.random.default_rng(3), 6, 200, np.arange(6))
    np.testing.assert_array_equal(alone, bootstrap_counts(np.random.default_rng(3), 6, 200))


def test_errors_of_replicas_that_share_graphs_follow_the_spread_of_graphs():
    """q = 0.3 + 0.02 (g + r): 60 graphs of 4 replicas, standard error 0.02 sqrt(1/60 + 1/240).

    Over 120 datasets the mean error must agree within 4 standard errors (0.8 %) of itself, and
    taking replicas as independent must be wrong by the known factor sqrt(2.5).
    """
    generator = np.random.default_rng(8)
    graphs, each = 60, 4
    template = first_order(sizes=(50,), replicas=graphs * each).isel(batch_size=[0], time=[-1])
    stderr = {True: [], False: []}
    for _ in range(120):
        shared = generator.normal(size=graphs).repeat(each)
        q = 0.3 + 0.02 * (shared + generator.normal(size=graphs * each))
        data = template.copy(deep=True)
        data["overlap"].values[...] = q.reshape(data["overlap"].shape)
        for known in (True, False):
            labelled = data.assign_coords(graph=("replica", np.arange(graphs * each) // each))
            result = moments(labelled if known else data, resamples=200, seed=3)
            stderr[known].append(float(result["overlap_mean_stderr"].squeeze()))
    exact = 0.02 * np.sqrt(1 / graphs + 1 / (graphs * each))
    for known, factor in ((True, 1.0), (False, np.sqrt(2 / 240) / np.sqrt(1 / 60 + 1 / 240))):
        errors = np.array(stderr[known])
        z = (errors.mean() - factor * exact) / (errors.std() / np.sqrt(errors.size))
        assert abs(z) < 4.0, (known, z)


def test_fluctuations_of_gamma_laws_are_exact_within_their_errors() -> None:
    """Relative variance 1/k; a replica's times share half of their value, so they correlate.

    The skewness of the law leaves a bias of order replicas^(-1/2) errors, here 0.13, and the
    mean of 300 scores scatters by 0.06, their standard deviation by 0.04.
    """
    generator = np.random.default_rng(8)
    k, replicas, times = 5.0, 400, 6
    shared = generator.gamma(k / 2, size=(300, replicas, 1))
    values = 0.7 * (shared + generator.gamma(k / 2, size=(300, replicas, times)))
    measured = fluctuations(values)
    for exact, value, stderr in (
        (0.7 * k, measured.mean, measured.mean_stderr),
        (1 / k, measured.relative, measured.relative_stderr),
    ):
        z = (value - exact) / stderr
        assert abs(z.mean()) < 0.35
        assert abs(z.std() - 1) < 0.16


def test_an_infinite_loss_has_a_mean_without_an_error() -> None:
    """As a replica has it at the last measurement before it is found to have diverged."""
    data = first_order(sizes=(50,), replicas=8, seed=1)
    loss = data["overlap"] + 1.0
    loss[{"replica": 3, "time": 0}] = np.inf
    result = moments(data.assign(batch_error=loss))
    assert np.isinf(result["batch_error_mean"].isel(time=0)).all()
    assert np.isnan(result["batch_error_mean_stderr"].isel(time=0)).all()
    assert np.isfinite(result["batch_error_mean_stderr"].isel(time=-1)).all()
