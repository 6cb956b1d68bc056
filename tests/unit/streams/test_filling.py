"""Arrays of normal numbers, signs and permutations from the streams."""

from __future__ import annotations

import math

import numba
import numpy as np
import pytest
import torch
from scipy import stats

from physbatch.streams.filling import draw_permutation, fill_normals, fill_signs, normal_rows
from physbatch.streams.tensor import normals, philox

KEY, KIND, INDEX = 0x123456789ABCDEF, 4, (3 << 32) + 17


@numba.njit
def _fill(what, out, first, key, kind, index, replica):
    if what == 0:
        fill_normals(out, first, out.shape[0], key, kind, index, replica)
    else:
        fill_signs(out, first, out.shape[0], key, kind, index, replica)


def filled(what: int, first: int, count: int, replica: int = 3) -> np.ndarray:
    out = np.empty(count)
    _fill(what, out, first, *(np.uint64(word) for word in (KEY, KIND, INDEX, replica)))
    return out


def words(count: int, replica: int) -> torch.Tensor:
    """The first `count` 32-bit numbers of the address, by the torch twin of Philox."""
    blocks = torch.arange(math.ceil(count / 4))
    low, high = torch.tensor(INDEX & 0xFFFFFFFF), torch.tensor(KIND | ((INDEX >> 32) << 8))
    return philox(blocks, low, high, torch.tensor(replica), KEY).flatten()


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 511, 512, 1030])
def test_normals_are_those_of_torch(count: int) -> None:
    expected = normals(words(count, 3)).numpy()[:count]
    np.testing.assert_allclose(filled(0, 0, count), expected, atol=1e-13)
    rows = normal_rows(KEY, KIND, INDEX, 2, 3, count)
    np.testing.assert_array_equal(rows[1], filled(0, 0, count))


@pytest.mark.parametrize("count", [1, 31, 32, 33, 128, 300])
def test_signs_are_the_bits_of_the_numbers(count: int) -> None:
    numbers = words(math.ceil(count / 32), 3)
    bits = (numbers[:, None] >> torch.arange(32)) & 1
    np.testing.assert_array_equal(filled(1, 0, count), (1 - 2 * bits).flatten().numpy()[:count])


def test_a_later_start_gives_the_same_numbers() -> None:
    np.testing.assert_array_equal(filled(0, 640, 77), filled(0, 0, 717)[640:])
    np.testing.assert_array_equal(filled(1, 640, 77), filled(1, 0, 717)[640:])


def test_normals_have_normal_moments_and_quantiles() -> None:
    """Four moments with z below 4, Kolmogorov and Smirnov's test, neighbours uncorrelated."""
    z = normal_rows(KEY, KIND, 5, 0, 50, 20_001)
    count = z.size
    for power, mean, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((z**power).mean() - mean) < 4 * math.sqrt(variance / count)
    assert stats.kstest(z.ravel(), "norm").pvalue > 1e-4
    for lag in (1, 2, 3):
        assert abs((z[:, lag:] * z[:, :-lag]).mean()) < 4 / math.sqrt(count)
    assert abs((z[1:] * z[:-1]).mean()) < 4 / math.sqrt(count)


def test_permutations_are_uniform() -> None:
    """All 24 orders of four patterns, chi-square over 24 000 draws."""

    @numba.njit
    def draw(orders, key, kind):
        numbers = np.empty(4, dtype=np.uint64)
        for row in range(orders.shape[0]):
            draw_permutation(orders[row], numbers, key, kind, np.uint64(row), np.uint64(7))

    orders = np.empty((24_000, 4), dtype=np.int64)
    draw(orders, np.uint64(KEY), np.uint64(6))
    assert (np.sort(orders, axis=1) == np.arange(4)).all()
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 1e-4
