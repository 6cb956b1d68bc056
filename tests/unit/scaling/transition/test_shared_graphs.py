"""Replicas that share graphs: errors of m_c, width and jump against their true scatter."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from physbatch.dataset import STATUS_DIVERGED
from physbatch.exact.planted import first_order
from physbatch.scaling import analyse, find_jump, fit_success_curve, flag_names, success_curve
from physbatch.scaling.statistics.resampling import bootstrap_indices
from physbatch.scaling.statistics.success_fits import logistic
from physbatch.scaling.transition.shared_graphs import counts_by_graph, with_shared_graphs

CONTROL = np.linspace(12.0, 14.0, 9)
M_C, WIDTH, GRAPHS, EACH = 13.0, 0.25, 12, 8


def counts(generator: np.random.Generator, spread: float) -> np.ndarray:
    """Successes of each graph, beta-binomial with mean the logistic, shape (graph, control).

    The variance is the binomial one times 1 + (EACH - 1) / (spread + 1).
    """
    mean = logistic((CONTROL - M_C) / WIDTH)
    chance = generator.beta(spread * mean, spread * (1 - mean), size=(GRAPHS, CONTROL.size))
    return generator.binomial(EACH, chance)


def test_stated_errors_are_the_scatter() -> None:
    """600 data sets with a design effect of 1 + 7/3: error/scatter, pulls, p-values.

    The scatter of 600 is known to 3 % (one standard error), so 0.9 to 1.1 is 3.4 of them. The
    errors of independent replicas would be too small by sqrt(10/3) = 1.83.
    """
    generator = np.random.default_rng(5)
    trials = np.full((GRAPHS, CONTROL.size), EACH)
    found, pulls, naive, p_values = [], [], [], []
    for _ in range(600):
        k = counts(generator, 2.0)
        curve = success_curve(CONTROL, k.sum(axis=0), trials.sum(axis=0))
        right = with_shared_graphs(curve, k, trials)
        assert right.m_c.value == curve.m_c.value
        found.append((right.m_c.value, right.width.value))
        pulls.append((right.m_c.stderr, right.width.stderr))
        naive.append(curve.m_c.stderr)
        p_values.append(right.p_value)
    scatter = np.std(found, axis=0)
    ratio = np.sqrt(np.mean(np.square(pulls), axis=0)) / scatter
    assert 0.88 < ratio[0] < 1.12
    assert 0.85 < ratio[1] < 1.15
    assert np.mean(naive) / scatter[0] < 0.65
    assert abs(np.mean([m for m, _ in found]) - M_C) < 4 * scatter[0] / np.sqrt(600)
    assert 0.02 < np.mean(np.array(p_values) < 0.1) < 0.25
    assert np.mean(np.array(p_values) < 1e-3) < 0.02


def test_independent_replicas_keep_their_errors() -> None:
    """One replica a graph: on average the covariance is that of the likelihood."""
    generator = np.random.default_rng(6)
    mean = logistic((CONTROL - M_C) / WIDTH)
    ratios = []
    for _ in range(100):
        k = generator.binomial(1, mean, size=(96, CONTROL.size))
        ones = np.ones_like(k)
        curve = success_curve(CONTROL, k.sum(axis=0), ones.sum(axis=0))
        ratios.append(with_shared_graphs(curve, k, ones).m_c.stderr / curve.m_c.stderr)
    assert abs(np.mean(ratios) - 1.0) < 0.05


def shared(data: xr.Dataset, each: int) -> xr.Dataset:
    """Every replica `each` times over, as replicas of one graph that always agree."""
    copies = data.isel(replica=np.repeat(np.arange(data.sizes["replica"]), each))
    count = copies.sizes["replica"]
    return copies.assign_coords(
        replica=np.arange(count), graph=("replica", np.arange(count) // each)
    )


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    return first_order(sizes=(50, 100, 200), replicas=32, seed=3)


def test_copies_of_a_replica_add_nothing(data: xr.Dataset) -> None:
    """With graphs known, errors of fourfold copies are those of the originals."""
    copies = shared(data, 4)
    for place in range(data.sizes["size"]):
        one = fit_success_curve(data.isel(size=[place]), 1e9)
        four = fit_success_curve(copies.isel(size=[place]), 1e9)
        blind = fit_success_curve(copies.drop_vars("graph").isel(size=[place]), 1e9)
        if not np.isfinite(one.width.stderr):
            continue
        assert four.m_c.value == pytest.approx(one.m_c.value, abs=1e-6)
        assert blind.m_c.stderr == pytest.approx(one.m_c.stderr / 2, rel=0.02)
        assert 0.6 * one.m_c.stderr < four.m_c.stderr < 1.5 * one.m_c.stderr
    jump, wide = (find_jump(d.isel(size=[2]), 13.0, resamples=400) for d in (data, copies))
    assert wide.lower.stderr == pytest.approx(jump.lower.stderr, rel=0.25)


def test_the_analysis_takes_the_graphs_of_the_data(data: xr.Dataset) -> None:
    copies = shared(data, 4)
    known, blind = analyse(copies, resamples=50), analyse(copies.drop_vars("graph"), resamples=50)
    assert "shared_graphs" in flag_names(known.flags)
    resolved = [
        (a.m_c.stderr, b.m_c.stderr)
        for a, b in zip(known.curves, blind.curves, strict=True)
        if np.isfinite(a.width.stderr)
    ]
    assert resolved
    assert all(a > 1.2 * b for a, b in resolved)


def test_counts_go_to_their_graphs(data: xr.Dataset) -> None:
    copies = shared(data, 4).isel(size=[1])
    flags = copies["status"] != STATUS_DIVERGED
    table = counts_by_graph(flags, copies["graph"].values, "batch_size")
    assert table.shape == (32, copies.sizes["batch_size"])
    assert (table == 4).all()


def test_whole_clusters_are_drawn() -> None:
    """Each resample holds whole clusters, each equally often on average."""
    generator = np.random.default_rng(7)
    labels = np.repeat([4, 7, 9], 5)
    drawn = labels[bootstrap_indices(generator, 15, 3000, labels)]
    assert (drawn.reshape(3000, 3, 5) == drawn.reshape(3000, 3, 5)[:, :, :1]).all()
    often = (drawn.reshape(-1, 5)[:, 0][:, None] == [4, 7, 9]).mean(axis=0)
    assert np.abs(often - 1 / 3).max() < 4 * np.sqrt(2 / 9 / 9000)
