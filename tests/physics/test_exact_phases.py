"""The test systems for the order of a transition obey the laws that they state."""

from __future__ import annotations

import math

import numpy as np
import pytest

from physbatch.exact import curie_weiss, escapes, phases, replicas


def success_z(data, probability):
    """z-scores of the success counts, where both outcomes are possible."""
    replicas = data.sizes["replica"]
    variance = replicas * probability * (1 - probability)
    mixed = variance > 20
    assert mixed.sum() > 10
    counts = data["success"].sum("replica").values
    return (counts - replicas * probability)[mixed] / np.sqrt(variance[mixed])


def check_standard_normal(z):
    assert abs(z.mean()) < 4 / math.sqrt(z.size)
    assert abs(z.std() - 1) < 4 / math.sqrt(2 * z.size)
    assert np.abs(z).max() < 4.5


def test_equilibrium_coexistence_has_two_states_with_their_weights_and_widths():
    data = phases.equilibrium_first_order(replicas=4000, slope=2.0, seed=1)
    n = data["size"].values[:, None]
    lead = n * 2.0 * (data["batch_size"].values - 10.0)
    check_standard_normal(success_z(data, 1 / (1 + np.exp(-lead))))
    up = data["success"].values == 1
    q = data["overlap"].values[..., -1]
    for i, size in enumerate(data["size"].values):
        for state, mean in ((up, 0.8), (~up, 0.2)):
            mine = q[i][state[i]]
            width = 0.6 / math.sqrt(size)
            assert abs(mine.mean() - mean) < 4 * width / math.sqrt(mine.size)
            assert abs(mine.std() / width - 1) < 4 / math.sqrt(2 * mine.size)


@pytest.mark.parametrize(("kind", "barrier"), [("extensive", 1.0), ("droplet", 20.0)])
@pytest.mark.parametrize("planted", [False, True])
def test_nucleation_escapes_with_its_rate(kind, barrier, planted):
    data = phases.nucleation(
        (50, 400), None, 40_000, (1000.0,), kind=kind, planted_start=planted, seed=2
    )
    n, t = data["size"].values[:, None], data["time"].values[-1]
    c = data["batch_size"].values
    turn = 8.0 if planted and kind == "extensive" else 10.0
    rate = escapes.nucleation_rate(n, (turn - c) if planted else (c - turn), kind, barrier=barrier)
    escaped = 1 - np.exp(-rate * t)
    check_standard_normal(success_z(data, 1 - escaped if planted else escaped))


def test_half_of_the_runs_nucleate_where_the_formula_says():
    t = 1000.0
    log = math.log(t / math.log(2))
    for size in (50, 400):
        c_half = 10 - log / size
        droplet = 10 + 20 / (log + math.log(size))
        for kind, c in (("extensive", c_half), ("droplet", droplet)):
            data = phases.nucleation((size,), (c,), 10_000, (t,), kind=kind, seed=size)
            assert abs(float(data["success"].mean()) - 0.5) < 4 * 0.005


def test_rates_follow_their_formula():
    droplet = escapes.nucleation_rate(50, [-1.0, 0.0, 2.0], "droplet", barrier=20.0, attempt=3.0)
    np.testing.assert_allclose(droplet, [0, 0, 150 * math.exp(-10)])
    extensive = escapes.nucleation_rate(
        50, [-0.25, 1.0], barrier=2.0, barrier_exponent=1.5, attempt=3.0
    )
    np.testing.assert_allclose(extensive, [3 * math.exp(-12.5), 3])


@pytest.mark.parametrize(
    ("control", "noise", "replicas"), [(1.0, 1.0, 400_000), (-1.5, 1.0, 60_000), (0.5, 0.3, 40_000)]
)
def test_the_saddle_node_is_left_after_the_exact_mean_time(control, noise, replicas):
    # Without a barrier the drift decides (1 % of x^2 is 5 errors), with one the noise does
    # (1 % of D is 5 errors).
    generator = np.random.default_rng(5)
    passage = escapes.escape([control], [600.0], replicas, generator, noise=noise)[1]
    assert np.isfinite(passage).all()
    exact = escapes.mean_passage_time(control, noise=noise)
    z = (passage.mean() - exact) / passage.std() * math.sqrt(passage.size)
    assert abs(z) < 4


@pytest.mark.parametrize("control", [-2.0, 0.0, 1.0])
def test_the_exact_mean_time_agrees_with_the_single_integral(control):
    w = np.linspace(0, 6, 20_001)
    # h = w^2 removes the singularity of h^(-1/2).
    integrand = 2 * np.exp(-(2 * w**6 / 3 + 2 * control * w**2))
    line = math.sqrt(2 * math.pi) * np.trapezoid(integrand, w)
    # From -60 to 60, and 1/60 more on either side, up to 1/60^3.
    assert escapes.mean_passage_time(control, start=-60, end=60) + 2 / 60 == pytest.approx(
        line, rel=1e-5
    )


@pytest.mark.parametrize("planted", [False, True])
def test_the_spinodal_is_rounded_by_n_to_the_minus_two_thirds(planted):
    sizes, scaled, replicas = (50, 1600), np.linspace(-2, 1, 7), 4000
    curves = []
    for size in sizes:
        turn, sign = (8.0, -1.0) if planted else (10.0, 1.0)
        control = np.sort(turn + sign * scaled * size ** (-2 / 3))
        data = phases.saddle_node((size,), control, replicas, planted_start=planted, seed=size)
        curves.append(data["success"].mean("replica").values[0])
        stays = data["success"].values[0] == (1 if planted else 0)
        q = data["overlap"].values[0, ..., -1]
        # The metastable state lies within the rounding of its own, the other one far away.
        assert np.abs(q[stays] - (0.8 if planted else 0.2)).mean() < 0.5 * size ** (-1 / 3)
    first, second = curves
    assert first.min() < 0.1 < 0.9 < first.max()
    mean = (first + second) / 2
    z = (first - second) / np.sqrt(2 * mean * (1 - mean) / replicas)
    assert np.abs(z).max() < 4


def test_only_metastable_systems_show_hysteresis():
    control = (7.0, 9.0, 11.0)
    for make in (phases.saddle_node, phases.nucleation):
        data = replicas.both_starts(make, control, sizes=(400,), replicas=50)
        rates = data["success"].mean("replica").values[:, 0]
        np.testing.assert_array_equal(rates, [[0, 0, 1], [0, 1, 1]])


def test_curie_weiss_overlaps_are_magnetisations():
    data = curie_weiss.sample_dataset(replicas=500, seed=3)
    assert float(data["overlap"].min()) >= 0
    assert data.attrs["planted_order"] == "continuous"
    signed = curie_weiss.sample_dataset((400,), (1.5,), 500, signed=True)["overlap"].values
    assert abs((signed > 0).sum() - 250) < 4 * math.sqrt(125)
