"""Crossings of simulated systems answer, and their total errors hold; the samplers are exact.

The measurement in docs/measurements.md has more sets: `python -m tests.physics.crossing_coverage`.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from tests.physics.crossing_coverage import record_of, scores
from tests.physics.crossing_systems import SYSTEMS, ising3d_chain, percolation_samples, wraps


@pytest.mark.parametrize("name", list(SYSTEMS))
def test_crossings_answer_within_their_total_errors(name: str) -> None:
    """The mean square of z of n sets is chi2/n, a little wider as samples are few."""
    records = [record_of(name, 1000 + seed, resamples=100) for seed in range(3)]
    z = scores(records, "c_c")
    assert np.isfinite(z).all()
    assert (z**2).mean() < 1.25**2 * stats.chi2.isf(1e-4, 3) / 3
    totals = [record["total"]["c_c"] for record in records]
    assert max(totals) < SYSTEMS[name].half / 3
    for parameter in ("one_over_nu", "zeta_over_nu"):
        others = scores(records, parameter)
        assert np.nanmax(np.abs(others), initial=0.0) < 4.5


@pytest.mark.slow
@pytest.mark.parametrize("name", list(SYSTEMS))
def test_a_hundred_sets(name: str) -> None:
    records = [record_of(name, seed) for seed in range(100)]
    z = scores(records, "c_c")
    assert np.isfinite(z).mean() >= 0.9
    assert 0.8 < np.sqrt(np.nanmean(z**2)) < 1.25


def test_wrapping_is_that_of_a_walk_on_the_covering_lattice() -> None:
    """All 512 tori of three by three sites, by search with displacements."""
    for sites in itertools.product([False, True], repeat=9):
        occupied = np.array(sites).reshape(3, 3)
        around, largest = _searched(occupied)
        assert wraps(occupied) == (around, largest), occupied


def _searched(occupied: np.ndarray) -> tuple[bool, int]:
    seen: dict[tuple[int, int], tuple[int, int]] = {}
    around, largest = False, 0
    for start in zip(*np.nonzero(occupied), strict=True):
        if start in seen:
            continue
        seen[start], stack, size = (0, 0), [start], 1
        while stack:
            row, column = stack.pop()
            for step in ((0, 1), (0, -1), (1, 0), (-1, 0)):
                site = ((row + step[0]) % 3, (column + step[1]) % 3)
                if not occupied[site]:
                    continue
                at = (seen[row, column][0] + step[0], seen[row, column][1] + step[1])
                if site not in seen:
                    seen[site], size = at, size + 1
                    stack.append(site)
                around = around or seen[site][1] != at[1]
        largest = max(largest, size)
    return around, largest


def test_three_dimensional_ising_model_of_eight_spins() -> None:
    """Each of the 12 edges of the cube is a double bond of the torus of two by two by two."""
    beta = 0.1
    states = np.array(list(itertools.product([-1, 1], repeat=8))).reshape(-1, 2, 2, 2)
    bonds = sum((states * np.roll(states, 1, axis)).sum(axis=(1, 2, 3)) for axis in (1, 2, 3))
    weight = np.exp(beta * bonds)
    magnetisation = np.abs(states.mean(axis=(1, 2, 3)))
    exact = [float(np.average(magnetisation**k, weights=weight)) for k in (1, 2)]
    values = np.empty(40_000)
    ising3d_chain(np.random.default_rng(5), 2, beta, values)
    bins = values.reshape(100, -1)
    for k, moment in enumerate(exact, 1):
        means = (bins**k).mean(axis=1)
        assert abs(means.mean() - moment) < 4.2 * means.std(ddof=1) / 10.0


def test_percolation_samples_are_those_of_wraps() -> None:
    """At L = 3 the mean over all tori with their weights; n = 20 000."""
    p = 0.6
    exact = 0.0
    for sites in itertools.product([False, True], repeat=9):
        weight = p ** sum(sites) * (1 - p) ** (9 - sum(sites))
        exact += weight * _searched(np.array(sites).reshape(3, 3))[0]
    values = np.empty((2, 20_000))
    percolation_samples(np.random.default_rng(6), 3, p, values)
    assert abs(values[0].mean() - exact) < 4.2 * np.sqrt(exact * (1 - exact) / 20_000)
