"""Curie-Weiss: sums over all states, known digits, exponents, and the noise of its tables."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from physbatch.exact import curie_weiss, grids


def test_the_law_is_the_sum_over_all_states():
    size, beta = 6, 0.8
    total = np.array([sum(spins) for spins in itertools.product((-1, 1), repeat=size)]) / size
    weight = np.exp(beta * size * total**2 / 2)
    mu, probability = curie_weiss.law(size, beta)
    for value, chance in zip(mu, probability, strict=True):
        brute = weight[np.abs(total - value) < 1e-9].sum() / weight.sum()
        assert chance == pytest.approx(brute, rel=1e-12)
    m1, m2 = (np.abs(total) ** p @ weight / weight.sum() for p in (1, 2))
    assert curie_weiss.susceptibility(size, beta) == pytest.approx(size * (m2 - m1**2), rel=1e-12)


def test_the_critical_binder_parameter_and_its_correction():
    assert round(curie_weiss.CRITICAL_BINDER, 6) == 0.270520
    for size, amplitude in ((10**4, 0.3426), (10**6, 0.3417)):
        excess = curie_weiss.binder(size, 1.0) - 0.270520128
        assert excess * math.sqrt(size) == pytest.approx(amplitude, abs=1e-4)


def test_crossings_of_n_and_2n():
    assert [round((curie_weiss.crossing(n) - 1) * n, 4) for n in (100, 1000, 10**5)] == [
        1.4752,
        1.4883,
        1.4995,
    ]


@pytest.mark.parametrize("x", [-3.0, 0.0, 2.0])
@pytest.mark.parametrize("power", [1.0, 2.0, 4.0])
def test_moments_follow_the_scaling_function_with_omega_one_half(x, power):
    limit = curie_weiss.scaling_function(x, power)
    off = [
        size ** (power / 4) * curie_weiss.moment(size, 1 + x / math.sqrt(size), power) / limit - 1
        for size in (10**5, 4 * 10**5)
    ]
    assert abs(off[1]) < 0.012
    # Four times the size halves the correction.
    assert off[0] / off[1] == pytest.approx(2.0, abs=0.02)


def test_the_scaling_exponents_per_volume():
    sizes = np.array([10**5, 10**6])
    ratio = math.log(sizes[1] / sizes[0])
    m = [curie_weiss.moment(n, 1.0) for n in sizes]
    assert math.log(m[0] / m[1]) / ratio == pytest.approx(0.25, abs=2e-4)
    slope = [(curie_weiss.binder(n, 1 + 1e-6) - curie_weiss.binder(n, 1 - 1e-6)) for n in sizes]
    assert math.log(slope[1] / slope[0]) / ratio == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("relative", [True, False])
def test_a_table_has_the_noise_that_it_states(relative):
    sizes = (64, 256, 1024)
    grid = grids.scaled_grid(sizes, 1.0, 2.0, points=100)
    names = ("binder", "magnetization", "susceptibility")
    table = curie_weiss.table(sizes, grid, names, noise=0.01, seed=3, relative=relative)
    for name in names:
        exact = np.array(
            [
                curie_weiss.observable_value(name, int(n), b)
                for n, b in zip(table.size, table.control, strict=True)
            ]
        )
        z = (table.values[name] - exact) / table.errors[name]
        assert abs(z.mean()) < 4 / math.sqrt(z.size)
        assert abs(z.std() - 1) < 4 / math.sqrt(2 * z.size)
        stated = 0.01 * np.abs(exact) if relative else np.full(z.size, 0.01)
        np.testing.assert_allclose(table.errors[name], stated)
    assert table.dimension == "N"


def test_samples_have_the_exact_moments():
    sizes = (20, 100)
    table = curie_weiss.sample_table(sizes, (0.5, 0.9, 1.0, 1.1, 1.5), replicas=40_000, seed=1)
    for name, power in (("magnetization", 1.0), ("second_moment", 2.0), ("fourth_moment", 4.0)):
        exact = [
            curie_weiss.moment(int(n), b, power)
            for n, b in zip(table.size, table.control, strict=True)
        ]
        assert np.abs((table.values[name] - exact) / table.errors[name]).max() < 4
    np.testing.assert_allclose(
        table.samples["fourth_moment"][3], table.samples["magnetization"][3] ** 4
    )
    signed = curie_weiss.sample(100, 1.5, 40_000, np.random.default_rng(1))
    assert abs(np.sign(signed).sum()) < 4 * 200
