"""A dynamical spinodal, planted: N -> infinity first, then t -> infinity."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from physbatch.results import flags
from physbatch.scaling import dynamical_spinodal, fit_spinodal
from physbatch.typing import FloatArray

SIZES = np.array([100.0, 200.0, 400.0, 800.0])
TIMES = np.geomspace(10.0, 320.0, 6)
ERROR = 0.003


def critical(
    law: Callable[[float], float], seed: int | None = None
) -> dict[float, tuple[FloatArray, FloatArray, FloatArray]]:
    """m_c(N, t) = law(t) + 3/N, with noise."""
    rng = np.random.default_rng(seed)
    scale = 0.0 if seed is None else ERROR
    return {
        float(t): (
            SIZES,
            law(float(t)) + 3.0 / SIZES + scale * rng.normal(size=4),
            0 * SIZES + ERROR,
        )
        for t in TIMES
    }


def test_a_saddle_node_has_a_limit_and_nucleation_has_none() -> None:
    saddle = dynamical_spinodal(critical(lambda t: 13.1 + 40.0 / t**2))
    assert abs(saddle.m_s.value - 13.1) < 2.0 * saddle.m_s.total < 0.02
    assert saddle.limits == "N -> infinity, then t -> infinity"
    nucleation = dynamical_spinodal(critical(lambda t: 13.4 - 0.2 * math.log(t)))
    assert math.isnan(nucleation.m_s.value)
    assert flags.NO_FINITE_LIMIT.among(nucleation.flags)


def test_the_error_is_that_of_the_scatter() -> None:
    """60 noise seeds: pulls of 0.3 to 1.3 in the root mean square.

    The totals at each time hold the spread over the forms in N, which noise alone does not need.
    """
    pulls = []
    for seed in range(60):
        m_s = dynamical_spinodal(critical(lambda t: 13.1 + 40.0 / t**2, seed)).m_s
        pulls.append((m_s.value - 13.1) / m_s.total)
    assert 0.3 < math.sqrt(float(np.mean(np.square(pulls)))) < 1.3


def test_a_shift_of_one_percent_is_seen() -> None:
    fit = fit_spinodal(TIMES, 13.1 + 40.0 / TIMES**2, 0.001 * TIMES**0)
    assert abs(fit["c"].value - 13.1) < 0.005


def test_too_few_times_are_said() -> None:
    few = dict(list(critical(lambda t: 13.1 + 40.0 / t**2).items())[:3])
    result = dynamical_spinodal(few)
    assert math.isnan(result.m_s.value)
    assert flags.FEW_TIMES.among(result.flags)
    assert flags.FEW_TIMES.among(dynamical_spinodal({}).flags)
