"""Percolation and Ising against enumeration (z-scores below 4), exact sums and known values."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from physbatch.exact import lattices

CRITICAL = 0.59274605


def explore(length: int, occupied: frozenset[tuple[int, int]]) -> tuple[int, bool]:
    """Largest cluster and wrapping, by walking over the periodically repeated lattice."""
    largest, wraps = 0, False
    for start in occupied:
        seen = {start}
        todo = [start]
        while todo:
            x, y = todo.pop()
            for near in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
                inside = (near[0] % length, near[1] % length) in occupied
                close = max(abs(near[0]), abs(near[1])) <= 3 * length
                if inside and close and near not in seen:
                    seen.add(near)
                    todo.append(near)
        home = {(x % length, y % length) for x, y in seen}
        largest = max(largest, len(home))
        wraps = wraps or len(seen) > len(home)
    return largest, wraps


def enumerate_percolation(length: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation over all states with n sites, shape (n, observable)."""
    sites = [(x, y) for x in range(length) for y in range(length)]
    mean, deviation = [], []
    for count in range(len(sites) + 1):
        values = np.array(
            [explore(length, frozenset(chosen)) for chosen in itertools.combinations(sites, count)],
            dtype=float,
        )
        mean.append(values.mean(axis=0))
        deviation.append(values.std(axis=0))
    return np.array(mean), np.array(deviation)


@pytest.mark.parametrize("length", [2, 3])
def test_percolation_against_all_states(length):
    replicas = 200_000
    mean, deviation = enumerate_percolation(length)
    for column, states in enumerate(lattices.percolation_runs(length, replicas, seed=1)):
        found = states.mean(axis=0)
        sure = deviation[:, column] == 0
        np.testing.assert_array_equal(found[sure], mean[sure, column])
        z = (found - mean[:, column])[~sure] / deviation[~sure, column] * math.sqrt(replicas)
        assert np.abs(z).max() < 4
    for p in (0.3, 0.6, 0.8):
        samples = lattices.percolation_samples(length, p, replicas, seed=2)
        exact = lattices.canonical_average(mean.T, p)[:, 0] / [length**2, 1]
        for name, value in zip(("largest_cluster", "wrapping"), exact, strict=True):
            error = samples[name].std() / math.sqrt(replicas)
            assert abs(samples[name].mean() - value) < 4 * error


def test_percolation_wraps_at_p_c_with_the_universal_chance():
    # Newman and Ziff, doi 10.1103/PhysRevE.64.016706: 0.690473725 for either direction.
    replicas = 20_000
    wraps = lattices.percolation_samples(32, CRITICAL, replicas, seed=3)["wrapping"].mean()
    assert abs(wraps - 0.690473725) < 4 * math.sqrt(0.69 * 0.31 / replicas)


def test_the_largest_cluster_scales_with_its_exponent():
    # zeta/nu = -5/48 = -0.104 at p_c, up to a small correction.
    small, large = (
        lattices.percolation_samples(length, CRITICAL, 6000, seed=4)["largest_cluster"].mean()
        for length in (16, 48)
    )
    assert math.log(large / small) / math.log(3) == pytest.approx(-5 / 48, abs=0.01)


def enumerate_ising(length: int, temperature: float) -> dict[str, float]:
    sites = length * length
    bits = np.arange(2**sites)[:, None] >> np.arange(sites) & 1
    spins = (1 - 2 * bits).reshape(-1, length, length)
    energy = -(spins * (np.roll(spins, 1, 1) + np.roll(spins, 1, 2))).sum(axis=(1, 2))
    weight = np.exp(-(energy - energy.min()) / temperature)
    weight /= weight.sum()
    m = np.abs(spins.mean(axis=(1, 2)))
    return {
        "magnetization": m @ weight,
        "second_moment": m**2 @ weight,
        "fourth_moment": m**4 @ weight,
        "energy": energy @ weight / sites,
    }


@pytest.mark.parametrize("length", [2, 3, 4])
@pytest.mark.parametrize("temperature", [1.8, 2.5, 4.0])
def test_ising_against_all_states(length, temperature):
    exact = enumerate_ising(length, temperature)
    samples = lattices.ising_samples(length, temperature, 20_000, seed=1, measurements=2)
    for name, values in samples.items():
        assert abs(values.mean() - exact[name]) < 4 * values.std() / math.sqrt(values.size), name


def kaufman_energy(length: int, temperature: float) -> float:
    """Energy per site of the torus, doi 10.1103/PhysRev.76.1232."""

    def log_sum(k: float) -> float:
        def gamma(index: int) -> float:
            if index == 0:
                return 2 * k + math.log(math.tanh(k))
            return math.acosh(
                math.cosh(2 * k) / math.tanh(2 * k) - math.cos(math.pi * index / length)
            )

        odd, even = (
            np.array([gamma(2 * r + shift) for r in range(length)]) * length / 2 for shift in (1, 0)
        )
        largest = np.log(2 * np.cosh(odd)).sum()
        terms = [
            np.exp(np.log(2 * np.cosh(odd)).sum() - largest),
            np.exp(np.log(2 * np.sinh(odd)).sum() - largest),
            np.exp(np.log(2 * np.cosh(even)).sum() - largest),
            np.sign(even[0]) * np.exp(np.log(2 * np.sinh(np.abs(even))).sum() - largest),
        ]
        return length**2 / 2 * math.log(2 * math.sinh(2 * k)) + largest + math.log(sum(terms))

    k, step = 1 / temperature, 1e-5
    return -(log_sum(k + step) - log_sum(k - step)) / (2 * step) / length**2


def test_the_exact_energy_of_the_torus_is_that_of_all_states():
    assert kaufman_energy(4, 2.5) == pytest.approx(enumerate_ising(4, 2.5)["energy"], rel=1e-8)


@pytest.mark.parametrize("temperature", [2.0, 2.269185, 2.6])
def test_ising_chains_are_long_enough_at_larger_sizes(temperature):
    values = lattices.ising_samples(16, temperature, 2000, seed=5)["energy"]
    exact = kaufman_energy(16, temperature)
    assert abs(values.mean() - exact) < 4 * values.std() / math.sqrt(values.size)


def test_tables_hold_linear_sizes_and_their_samples():
    table = lattices.percolation_table(
        (4, 8), {4: (0.5, 0.7), 8: (0.55, 0.6, 0.65)}, replicas=100, seed=1
    )
    assert table.dimension == "L"
    assert table.size.tolist() == [4, 4, 8, 8, 8]
    again = lattices.percolation_samples(8, 0.6, 100, seed=1)["largest_cluster"]
    np.testing.assert_array_equal(table.samples["largest_cluster"][3], again)
    ising = lattices.ising_table((4, 6), (2.0, 3.0), replicas=50, seed=1)
    assert ising.control_name == "T"
    m = ising.samples["magnetization"][2]
    assert ising.errors["magnetization"][2] == pytest.approx(m.std(ddof=1) / math.sqrt(50))


def test_points_and_seeds_are_independent():
    base = lattices.ising_samples(8, 2.3, 400, seed=1)["energy"]
    for other in (
        lattices.ising_samples(8, 2.3, 400, seed=2),
        lattices.ising_samples(8, 2.3001, 400, seed=1),
    ):
        assert abs(np.corrcoef(base, other["energy"])[0, 1]) < 4 / math.sqrt(400)
    longer = lattices.ising_samples(8, 2.3, 500, seed=1)["energy"]
    np.testing.assert_array_equal(longer[:400], base)
