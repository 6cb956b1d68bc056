"""The law of m_c and the width: against plain quadrature, and against the fit at large counts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from physbatch.errors import AnalysisError
from physbatch.scaling.design.posterior import (
    BEYOND,
    TYPICAL_WIDTH,
    WIDTH_SPREAD,
    WIDTHS,
    success_posterior,
)
from physbatch.scaling.transition.success_curves import success_curve

CASES: dict[str, tuple[Sequence[float], Sequence[int], Sequence[int]]] = {
    "separated": ([8, 13, 18], [0, 0, 4], [4, 4, 4]),
    "mixed once": ([8, 13, 14, 18], [0, 1, 4, 4], [4, 4, 4, 4]),
    "mixed": ([11, 12, 13, 14, 15], [1, 4, 16, 28, 31], [32] * 5),
    "none succeeds": ([8, 13], [0, 0], [8, 8]),
    "sharp and many": ([8, 12.8, 13, 13.2, 18], [0, 90, 5000, 9950, 10000], [10000] * 5),
    "sharp": ([12.9, 13.0, 13.1], [2, 400, 797], [800] * 3),
}


def quadrature(
    control: Sequence[float], successes: Sequence[int], trials: Sequence[int]
) -> tuple[float, float, float]:
    """Mean and spread of m_c, and of ln m_c the spread, from a fine fixed grid."""
    low, high = math.log(min(control) / BEYOND), math.log(max(control) * BEYOND)
    if sum(trials) > 1000:
        low, high = math.log(0.99 * min(control)), math.log(1.01 * max(control))
    log_m_c = np.linspace(low, high, 12_000)[:, None]
    log_ratio = np.linspace(*np.log(WIDTHS), 300)
    m_c = np.exp(log_m_c)
    log = -0.5 * ((log_ratio - math.log(TYPICAL_WIDTH)) / WIDTH_SPREAD) ** 2 + 0.0 * log_m_c
    for c, k, n in zip(control, successes, trials, strict=True):
        z = (c - m_c) / (m_c * np.exp(log_ratio))
        log = log - k * np.logaddexp(0.0, -z) - (n - k) * np.logaddexp(0.0, z)
    p = np.exp(log - log.max()).sum(axis=1)
    p /= p.sum()
    x = log_m_c.ravel()
    mean, centre = float(p @ np.exp(x)), float(p @ x)
    spread = math.sqrt(float(p @ (np.exp(x) - mean) ** 2))
    return mean, spread, math.sqrt(float(p @ (x - centre) ** 2))


@pytest.mark.parametrize("case", CASES)
def test_mean_and_spread_are_those_of_quadrature(case: str) -> None:
    law = success_posterior(*CASES[case])
    mean, spread, relative = quadrature(*CASES[case])
    assert abs(law.m_c.value - mean) < 0.04 * spread
    assert law.m_c.stderr == pytest.approx(spread, rel=0.04)
    assert law.relative_error == pytest.approx(relative, rel=0.04)
    assert law.weight.sum() == pytest.approx(1.0)
    low, high = law.m_c.interval68
    assert low < law.m_c.value < high


def test_many_replicas_give_the_fit() -> None:
    control = np.arange(11.0, 16.0, 0.5)
    successes = np.round(2000 / (1.0 + np.exp(-(control - 13.2) / 0.4))).astype(int)
    fit = success_curve(control, successes, [2000] * 10)
    law = success_posterior(control, successes, [2000] * 10)
    assert abs(law.m_c.value - fit.m_c.value) < 0.05 * fit.m_c.stderr
    assert law.m_c.stderr == pytest.approx(fit.m_c.stderr, rel=0.03)
    assert law.width.value == pytest.approx(fit.width.value, rel=0.01)
    assert law.width.stderr == pytest.approx(fit.width.stderr, rel=0.05)
    assert law.predicted([13.2]) == pytest.approx(0.5, abs=0.01)


def test_scales_do_not_matter() -> None:
    law = success_posterior([8, 13, 18], [0, 2, 4], [4, 4, 4])
    ratio = success_posterior([0.08, 0.13, 0.18], [0, 2, 4], [4, 4, 4])
    assert ratio.relative_error == pytest.approx(law.relative_error, rel=1e-9)
    assert 100 * ratio.m_c.value == pytest.approx(law.m_c.value, rel=1e-9)


@pytest.mark.parametrize(
    ("control", "successes", "trials"),
    [
        ([1.0], [2], [1]),
        ([1.0, 2.0], [1], [1]),
        ([], [], []),
        ([0.0], [1], [1]),
        ([-1.0], [0], [1]),
    ],
)
def test_counts_that_are_none(
    control: list[float], successes: list[int], trials: list[int]
) -> None:
    with pytest.raises(AnalysisError):
        success_posterior(control, successes, trials)
