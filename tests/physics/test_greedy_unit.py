"""The greedy unit against its exact chain (z-scores below 4)."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from physbatch.dynamics import CellRun, acceptance_table, batch_rule, run_bitsliced, run_definition
from physbatch.exact import greedy_unit
from physbatch.streams import stream_keys
from physbatch.systems import build_architecture, draw_system

#: (d, m) -> stationary overlap and P(perfect), ties accepted, to five digits.
PUBLISHED = {
    (3, 2): (0.36585, 0.39024),
    (5, 5): (0.46775, 0.35055),
    (5, 10): (0.90047, 0.86627),
    (7, 10): (0.64141, 0.48787),
}


def simulate(
    engine: str,
    degree: int,
    batch_size: float,
    replicas: int,
    times: range,
    *,
    ties: str = "accept",
    temperature: float | None = None,
    replicas_per_graph: int = 1,
) -> np.ndarray:
    """Overlaps of single units, shape (replica, time)."""
    architecture = build_architecture(
        wiring="tree",
        size=degree,
        degree=degree,
        depth=1,
        output="vector",
        learned_layers="all",
        odd_fan_in=True,
    )
    identity = f"greedy unit {degree} {batch_size} {ties} {temperature}"
    keys = stream_keys(dict.fromkeys(("wiring", "teacher", "start", "dynamics"), 1), identity)
    run = CellRun(
        batch=batch_rule(batch_size),
        acceptance=acceptance_table(ties=ties, temperature=temperature),
        refresh_each_proposal=True,
        absorbing=ties == "reject" and temperature is None,
        times=np.array(times, dtype=np.int64),
        duration=times[-1],
        test_samples=1,
        dynamics_key=keys.dynamics,
        test_key=keys.test,
        first_replica=0,
        replicas_per_graph=replicas_per_graph,
    )
    system = draw_system(architecture, 0.0, keys, 0, replicas, replicas_per_graph)
    trajectory = (run_bitsliced if engine == "kernel" else run_definition)(system, run)
    return trajectory.path_sum / degree


def z_and_error(samples: np.ndarray, exact: float) -> tuple[float, float]:
    """z-score of the mean and its relative standard error, from independent replicas."""
    means = samples.mean(axis=1)
    error = means.std(ddof=1) / sqrt(len(means))
    return (means.mean() - exact) / error, error / exact


@pytest.mark.parametrize(("degree", "batch_size"), list(PUBLISHED))
def test_exact_law_gives_the_known_digits(degree: int, batch_size: int) -> None:
    found = greedy_unit.overlap_and_perfect(greedy_unit.stationary_law(degree, batch_size))
    assert found == pytest.approx(PUBLISHED[degree, batch_size], abs=5e-6)


@pytest.mark.parametrize(
    ("engine", "degree", "batch_size", "replicas"),
    [
        ("kernel", 3, 2, 16_000),
        ("kernel", 5, 5, 8_000),
        ("kernel", 5, 10, 4_000),
        pytest.param("kernel", 7, 10, 20_000, marks=pytest.mark.slow),
        ("kernel", 3, 6.5, 4_000),
        ("kernel", 9, 25, 2_000),
        ("definition", 3, 2, 8_000),
        pytest.param("definition", 5, 5, 8_000, marks=pytest.mark.slow),
        pytest.param("definition", 5, 10, 3_000, marks=pytest.mark.slow),
        pytest.param("definition", 7, 10, 3_000, marks=pytest.mark.slow),
    ],
)
def test_simulated_stationary_law(
    engine: str, degree: int, batch_size: float, replicas: int
) -> None:
    """z below 4 at a relative standard error below 0.5 % (0.25 % for the kernel)."""
    law = greedy_unit.stationary_law(degree, batch_size)
    burn_in = 150
    after = greedy_unit.law_after(burn_in * degree, degree, batch_size)
    assert abs(after - law).max() < 1e-6, "the burn-in is too short"
    stop = 550 if engine == "kernel" else 350
    overlaps = simulate(engine, degree, batch_size, replicas, range(burn_in, stop, 10))
    overlap, perfect = greedy_unit.overlap_and_perfect(law)
    limit = 0.0025 if engine == "kernel" else 0.005
    for samples, exact in ((overlaps, overlap), (overlaps == 1, perfect)):
        z, relative_error = z_and_error(samples, exact)
        assert abs(z) < 4
        assert relative_error < limit


@pytest.mark.parametrize(
    ("ties", "temperature"), [("reject", None), ("accept", None), ("accept", 0.8)]
)
def test_simulated_law_at_every_time(ties: str, temperature: float | None) -> None:
    """The whole law of the number of wrong weights, before it is stationary."""
    degree, batch_size, replicas = 5, 3.3, 40_000
    times = range(1, 12, 5)
    overlaps = simulate(
        "kernel", degree, batch_size, replicas, times, ties=ties, temperature=temperature
    )
    wrong = np.rint((1 - overlaps) * degree / 2).astype(int)
    for column, time in enumerate(times):
        law = greedy_unit.law_after(
            time * degree, degree, batch_size, ties=ties, temperature=temperature
        )
        counts = np.bincount(wrong[:, column], minlength=degree + 1)
        expected = law * replicas
        errors = np.sqrt(np.maximum(expected * (1 - law), 1e-300))
        seen = expected > 5
        assert (abs(counts - expected)[seen] < 4.3 * errors[seen]).all()


@pytest.mark.parametrize(
    ("degree", "batch_size"), [(5, 5), pytest.param(7, 10, marks=pytest.mark.slow)]
)
def test_replicas_that_share_proposals_keep_the_stationary_law(
    degree: int, batch_size: int
) -> None:
    """32 replicas to a graph: each is a valid chain. z below 4, with graphs as the unit."""
    burn_in, shared = 150, 32
    overlaps = simulate(
        "kernel", degree, batch_size, 8000, range(burn_in, 350, 10), replicas_per_graph=shared
    )
    overlap, perfect = greedy_unit.overlap_and_perfect(
        greedy_unit.stationary_law(degree, batch_size)
    )
    for samples, exact in ((overlaps, overlap), (overlaps == 1, perfect)):
        z, relative_error = z_and_error(samples.reshape(8000 // shared, -1), exact)
        assert abs(z) < 4
        assert relative_error < 0.005


def test_ties_rejected_is_absorbing() -> None:
    matrix = greedy_unit.transition_matrix(5, 7, ties="reject")
    assert matrix[0, 0] == 1
    assert greedy_unit.stationary_law(5, 7, ties="reject")[0] == 1


def test_metropolis_obeys_the_infinite_temperature_limit() -> None:
    law = greedy_unit.stationary_law(5, 3, temperature=1e9)
    assert law == pytest.approx(np.array([1, 5, 10, 10, 5, 1]) / 32, abs=1e-8)
