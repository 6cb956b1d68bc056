"""The simulator without samples: its draws, its seeds, its dataset."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest
import scipy

from physbatch.errors import AnalysisError
from physbatch.exact.sparse import simulate, simulate_dataset
from physbatch.exact.sparse.kernels import binomial
from physbatch.results import Estimate
from physbatch.scaling import analyse
from physbatch.streams.sequential import start_stream


@numba.njit
def _draws(count, chance, key, out):
    cursor = np.empty(8, dtype=np.uint64)
    start_stream(cursor, 0)
    for row in range(len(out)):
        out[row] = binomial(count, chance, cursor, key)


@pytest.mark.parametrize(("count", "chance"), [(5, 0.3), (40, 0.31), (60, 0.9), (3000, 0.4)])
def test_binomial_law(count: int, chance: float) -> None:
    """chi2 of 30 000 draws in bins of 1 % or more: p > 1e-4."""
    drawn = np.empty(30_000, dtype=np.int64)
    _draws(count, chance, np.uint64(12), drawn)
    edges = np.unique(scipy.stats.binom.ppf(np.linspace(0.04, 0.96, 12), count, chance))
    below = np.concatenate([[0.0], scipy.stats.binom.cdf(edges, count, chance), [1.0]])
    observed = np.bincount(np.searchsorted(edges, drawn), minlength=edges.size + 1)
    expected = np.diff(below) * drawn.size
    kept = expected > 5
    chi2 = ((observed - expected)[kept] ** 2 / expected[kept]).sum()
    assert scipy.stats.chi2.sf(chi2, kept.sum() - 1) > 1e-4


def test_same_seed_same_bits_and_more_replicas_go_on() -> None:
    few = simulate(30, 3, 3.5, [2, 9], replicas=2, seed=4)
    many = simulate(30, 3, 3.5, [2, 9], replicas=3, seed=4)
    np.testing.assert_array_equal(few.overlap, many.overlap[:2])
    assert not np.array_equal(few.overlap, simulate(30, 3, 3.5, [2, 9], replicas=2, seed=5).overlap)


def test_perfect_students_stay_with_ties_rejected() -> None:
    runs = simulate(25, 5, 60.0, [0, 40, 41], replicas=4, initial_overlap=0.98)
    assert (runs.overlap[:, 1:] == 1).all()
    assert (runs.first_passage <= 40).all()


def test_dataset_goes_through_the_analysis() -> None:
    data = simulate_dataset([15, 25], 3, [2.0, 6.0, 12.0], [5, 30], replicas=8)
    assert data.attrs["degree"] == 3
    assert isinstance(analyse(data).m_c, Estimate)
    passed = np.isfinite(data["first_passage"])
    assert bool((data["success"].values == 1)[passed.values].all())


def test_refusals() -> None:
    with pytest.raises(AnalysisError, match="size of at least d"):
        simulate(3, 5, 2.0, [1])
    with pytest.raises(AnalysisError, match="times that increase"):
        simulate(9, 5, 2.0, [3, 1])
    unknown: Any = "maybe"
    with pytest.raises(AnalysisError, match="reject or accept"):
        simulate(9, 5, 2.0, [1], ties=unknown)
