"""The sparse network with a fresh batch for every proposal: engine, simulator, closure."""

from __future__ import annotations

import numpy as np
import pytest
import scipy

from physbatch.dynamics import CellRun, acceptance_table, batch_rule, run_bitsliced
from physbatch.exact import sparse
from physbatch.streams import stream_keys
from physbatch.systems import build_architecture, draw_system


def engine(
    size: int, degree: int, batch_size: float, times: list[int], replicas: int, ties: str
) -> np.ndarray:
    """Overlaps of the network itself, each replica with its own graph, shape (replica, time)."""
    architecture = build_architecture(
        wiring="regular",
        size=size,
        degree=degree,
        depth=2,
        output="vector",
        learned_layers="all",
        odd_fan_in=True,
    )
    purposes = ("wiring", "teacher", "start", "dynamics")
    keys = stream_keys(dict.fromkeys(purposes, 7), f"{size} {degree} {batch_size} {ties}")
    run = CellRun(
        batch=batch_rule(batch_size),
        acceptance=acceptance_table(ties=ties, temperature=None),
        refresh_each_proposal=True,
        absorbing=ties == "reject",
        times=np.array(times, dtype=np.int64),
        duration=times[-1],
        test_samples=1,
        dynamics_key=keys.dynamics,
        test_key=keys.test,
        first_replica=0,
        replicas_per_graph=1,
    )
    trajectory = run_bitsliced(draw_system(architecture, 0.0, keys, 0, replicas, 1), run)
    return trajectory.path_sum / (size * degree**2)


def scores(size: int, times: list[int], replicas: int) -> np.ndarray:
    """z of the mean overlaps at d = 3 and 5, both rules of ties, all times."""
    z = []
    for degree, batch_size in ((3, 3.6), (5, 14.5)):
        for ties in ("reject", "accept"):
            runs = engine(size, degree, batch_size, times, replicas, ties)
            drawn = sparse.simulate(
                size, degree, batch_size, times, replicas=replicas, ties=ties, seed=1
            ).overlap
            variance = (runs.var(axis=0, ddof=1) + drawn.var(axis=0, ddof=1)) / replicas
            z.append((runs.mean(axis=0) - drawn.mean(axis=0)) / np.sqrt(variance))
    return np.concatenate(z)


def test_simulator_against_the_network() -> None:
    """All abs(z) below 4.5 (few replicas: Student's t with 14 degrees of freedom or more)."""
    z = scores(120, [1, 4, 12], 12)
    assert np.abs(z).max() < 4.5


@pytest.mark.slow
def test_simulator_against_the_network_at_a_thousand_units() -> None:
    """40 points, abs(z) below 4; the pooled chi2 of distant times is acceptable."""
    z = scores(1000, [1, 2, 3, 4, 6, 8, 12, 16, 24, 32], 24)
    assert z.size == 40
    assert np.abs(z).max() < 4
    # Times of one run go together: first and last of each of the four runs are nearly independent.
    apart = z.reshape(4, 10)[:, [0, 9]]
    assert scipy.stats.chi2.sf((apart**2).sum(), apart.size) > 1e-3


def assert_near(closure: float, runs: np.ndarray, tolerance: float) -> None:
    """Within a part of the mean over replicas and times, beside three standard errors of it."""
    means = runs.mean(axis=1)
    stderr = means.std(ddof=1) / np.sqrt(len(means))
    assert abs(closure - means.mean()) < tolerance * means.mean() + 3 * stderr


@pytest.mark.parametrize(("degree", "batch_size", "time"), [(3, 3.05, 60), (5, 15.0, 20)])
def test_closure_at_six_tenths_of_the_spinodal(degree: int, batch_size: float, time: int) -> None:
    runs = sparse.simulate(400, degree, batch_size, [time - 10, time], replicas=6, seed=2)
    assert_near(sparse.overlap_curve(degree, batch_size, [time])[-1], runs.overlap, 0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("degree", "share", "tolerance", "time"),
    [(3, 0.6, 0.05, 200), (3, 0.8, 0.08, 400), (5, 0.6, 0.05, 100), (5, 0.8, 0.08, 200)],
)
def test_closure_against_many_units(degree: int, share: float, tolerance: float, time: int) -> None:
    batch_size = share * sparse.spinodal(degree).batch_size
    times = np.linspace(time / 2, time, 11).astype(int).tolist()
    runs = sparse.simulate(6400, degree, batch_size, times, replicas=6, seed=5)
    closure = sparse.stationary_overlap(degree, batch_size)
    assert_near(closure, runs.overlap, tolerance)
