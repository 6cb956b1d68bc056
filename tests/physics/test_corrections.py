"""Limits of shifts that have corrections, against the exact peaks of Curie and Weiss."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import optimize

from physbatch.exact import curie_weiss
from physbatch.scaling import fit_critical_control


@functools.cache
def exact_peaks(sizes: tuple[int, ...], *, temperature: bool) -> np.ndarray:
    """Where the exact susceptibility is largest, in beta or in T."""

    def position(size: int) -> float:
        peak = optimize.minimize_scalar(
            lambda c: -curie_weiss.susceptibility(size, 1.0 / c if temperature else c),
            bounds=(1.0 - 3.0 / math.sqrt(size), 1.0 + 3.0 / math.sqrt(size)),
            method="bounded",
            options={"xatol": 1e-11},
        )
        return float(peak.x)

    return np.array([position(size) for size in sizes])


@pytest.mark.parametrize("temperature", [False, True])
@pytest.mark.parametrize("sizes", [(64, 128, 256, 512, 1024), (250, 500, 1000, 2000, 4000)])
def test_five_curie_weiss_peaks_know_of_their_corrections(
    sizes: Sequence[int], *, temperature: bool
) -> None:
    """phi is 1/2; neighbouring sizes show 0.36 to 0.46 (T) or 0.40 to 0.49 (beta)."""
    exact = exact_peaks(tuple(sizes), temperature=temperature)
    stderr = 0.003 * np.abs(exact - 1.0)
    pulls = []
    for seed in range(10):
        noise = stderr * np.random.default_rng(seed).standard_normal(exact.size)
        fit = fit_critical_control(sizes, exact + noise, stderr, dimension="N")
        pulls.append([(fit["phi"].value - 0.5) / fit["phi"].total,
                      (fit["c"].value - 1.0) / fit["c"].total])  # fmt: skip
    z = np.array(pulls)
    assert np.abs(np.median(z, axis=0)).max() < 2.0
    assert np.abs(z).max() < 3.0
