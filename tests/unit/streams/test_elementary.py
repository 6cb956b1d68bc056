"""Vector functions against scipy, and the random numbers made with them against their laws."""

from __future__ import annotations

import math

import numba
import numpy as np
import pytest
from scipy import special, stats

from physbatch.streams.elementary import cosine_sine, erf_and_slope, exponential, logarithm
from physbatch.streams.gaussian import draw_chi, normal_pair


@numba.njit(error_model="numpy")
def exponentials(x, out):
    for i in range(x.shape[0]):
        out[i] = exponential(x[i])


@numba.njit(error_model="numpy")
def logarithms(x, out):
    for i in range(x.shape[0]):
        out[i] = logarithm(x[i])


@numba.njit(error_model="numpy")
def cosines_sines(x, cosine, sine):
    for i in range(x.shape[0]):
        cosine[i], sine[i] = cosine_sine(x[i])


@numba.njit(error_model="numpy")
def erfs(x, value, slope):
    for i in range(x.shape[0]):
        value[i], slope[i] = erf_and_slope(x[i])


@numba.njit(error_model="numpy")
def pairs(words, out):
    for i in range(words.shape[0]):
        out[i, 0], out[i, 1] = normal_pair(words[i, 0], words[i, 1])


@numba.njit(error_model="numpy")
def chis(out, number, freedom):
    for i in range(out.shape[0]):
        out[i] = draw_chi(
            number, freedom, np.uint64(18), np.uint64(i), np.uint64(3), np.uint64(99), np.uint64(0)
        )


def test_erf_and_its_slope() -> None:
    u = np.concatenate([np.linspace(-12, 12, 200_001), 10.0 ** np.linspace(-20, 3, 2001), [0.0]])
    value, slope = np.empty_like(u), np.empty_like(u)
    erfs(u, value, slope)
    assert abs(value - special.erf(u / math.sqrt(2))).max() < 1e-15
    exact = math.sqrt(2 / math.pi) * np.exp(-(u**2) / 2)
    assert abs(slope - exact).max() < 2e-16
    near = abs(u) < 20
    assert abs(slope[near] / exact[near] - 1).max() < 1e-15
    erfs(np.array([np.inf, -np.inf, np.nan]), value[:3], slope[:3])
    assert value[:2].tolist() == [1.0, -1.0]


def test_exponential_logarithm_cosine_sine() -> None:
    x = np.linspace(-700, 700, 100_001)
    out = np.empty_like(x)
    exponentials(x, out)
    assert abs(out / np.exp(x) - 1).max() < 5e-16
    x = np.concatenate([10.0 ** np.linspace(-300, 300, 100_001), 1 + np.linspace(-0.3, 0.4, 9999)])
    out = np.empty_like(x)
    logarithms(x, out)
    exact = np.log(x)
    assert (abs(out - exact) <= 9e-16 * abs(exact) + 1e-300).all()
    x = np.linspace(-math.pi / 4, math.pi / 4, 100_001)
    cosine, sine = np.empty_like(x), np.empty_like(x)
    cosines_sines(x, cosine, sine)
    assert abs(cosine - np.cos(x)).max() < 3e-16
    assert abs(sine - np.sin(x)).max() < 3e-16


def test_normal_pairs_are_box_and_mullers() -> None:
    words = np.random.default_rng(1).integers(0, 2**32, (100_000, 2)).astype(np.uint64)
    words[:8, 0] = [0, 1, 2**32 - 1, 2**32 - 2, 5, 5, 5, 5]
    words[:8, 1] = [0, 2**30, 2**31, 3 * 2**30, 0, 2**32 - 1, 2**30 - 1, 2**31 - 1]
    out = np.empty((len(words), 2))
    pairs(words, out)
    radius = np.sqrt(-2 * np.log((words[:, 0] + 0.5) / 2**32))
    angle = 2 * np.pi * (words[:, 1] + 0.5) / 2**32 - np.pi / 4
    exact = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    assert abs(out - exact).max() < 1e-14
    # The law itself: all quadrants alike, and normal.
    assert stats.kstest(out[8:].ravel(), "norm").pvalue > 1e-4
    assert abs(np.corrcoef(out[8:].T)[0, 1]) < 4 / math.sqrt(len(words))


@pytest.mark.parametrize("number", [0, 3])
@pytest.mark.parametrize("freedom", [1, 2, 3, 7, 100, 10**6])
def test_chi_numbers(number: int, freedom: int) -> None:
    """Kolmogorov-Smirnov and the first two moments of the square (z below 4)."""
    out = np.empty(100_000)
    chis(out, number, freedom)
    squares = out**2
    assert stats.kstest(squares, stats.chi2(freedom).cdf).pvalue > 1e-4
    count = len(out)
    assert abs(squares.mean() - freedom) < 4 * math.sqrt(2 * freedom / count)
    fourth = 12 * freedom * (freedom + 4)
    error = math.sqrt((fourth - 4 * freedom**2) / count)
    assert abs(squares.var() - 2 * freedom) < 4 * error
