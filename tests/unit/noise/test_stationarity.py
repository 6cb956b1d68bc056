"""Flags of states that still move: how often without a reason, and how small a drift is seen."""

from __future__ import annotations

import numpy as np
import pytest

from physbatch.noise.stationarity import LEVEL, drift_flags
from physbatch.results.flags import STILL_RELAXING
from physbatch.typing import FloatArray

RESULTS, STATES, REPLICAS, TIMES = 1500, 6, 12, 20


def waves(rng: np.random.Generator, kind: str) -> FloatArray:
    """Stationary series of shape (result, state, replica, time)."""
    shape = (RESULTS, STATES, REPLICAS, TIMES)
    if kind == "rare":  # mostly at rest, now and then one step away
        return (rng.random(shape) < 0.02).astype(float)
    # Levels of the replicas spread much, and what moves is slow against the window, or skew.
    levels = rng.exponential(5.0, size=(*shape[:-1], 1))
    phases = rng.random((*shape[:-1], 1))
    slow = np.cos(2.0 * np.pi * (np.arange(TIMES) / (2.0 * TIMES) + phases))
    noise = rng.standard_normal(shape) if kind == "slow" else rng.lognormal(size=shape)
    return levels + (slow if kind == "slow" else 0.0) + noise


@pytest.mark.parametrize("kind", ["slow", "skew", "rare"])
def test_one_result_in_a_hundred_seems_to_drift(kind: str) -> None:
    """Of 1500: the binomial law at 1 % exceeds 31 with a chance of 10^-4."""
    alarms = 0
    for states in waves(np.random.default_rng(3), kind):
        alarms += bool(drift_flags([("overlap", str(row), v) for row, v in enumerate(states)]))
    assert alarms <= 31
    assert LEVEL == 0.01


def test_a_drift_is_seen_where_it_matters() -> None:
    """Transients that move the average by so many standard errors: power of the t test.

    White noise: the change between the halves is twice the shift of the average, and so is its
    standard error. At a level of .01/6 and 11 degrees of freedom t is critical at 4.13; the
    chances are those of the noncentral t law.
    """
    rng = np.random.default_rng(4)
    for shift, chance in ((2.0, 0.060), (4.0, 0.492), (7.0, 0.986)):
        seen = 0
        for _ in range(400):
            values = rng.standard_normal((REPLICAS, TIMES))
            values[:, : TIMES // 2] += 2.0 * shift / np.sqrt(REPLICAS * TIMES)
            still = rng.standard_normal((STATES - 1, REPLICAS, TIMES))
            series = [("overlap", "m = 1", values), *(("overlap", "m = 2", v) for v in still)]
            seen += any(flag.text.endswith("at m = 1") for flag in drift_flags(series))
        assert abs(seen - 400 * chance) < 4.5 * np.sqrt(400 * chance * (1 - chance))


def test_states_at_rest_and_single_measurements() -> None:
    rest = np.ones((8, 10))
    assert drift_flags([("overlap", "m = 1", rest)]) == ()
    step = rest.copy()
    step[:, 5:] = 0.5
    (flag,) = drift_flags([("overlap", "m = 1", step)])
    assert flag.kind is STILL_RELAXING
    assert drift_flags([("overlap", "m = 1", step[:2])]) == ()  # two of one sign say nothing
    (flag,) = drift_flags([("overlap", "m = 1", rest[:, :1])])
    assert flag.text == "the overlap was measured once at m = 1: whether it drifts is not known"
