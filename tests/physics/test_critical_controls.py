"""m_c at every size by both criteria, against planted answers; exponents between neighbours."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from physbatch.errors import AnalysisError
from physbatch.exact import planted
from physbatch.scaling import critical_controls, effective_exponents

SEEDS = 60


def test_planted_critical_controls_and_their_errors() -> None:
    """z-scores of m_c(N, t) at 4 sizes and an earlier time, over independent datasets."""
    scores = []
    for seed in range(SEEDS):
        data = planted.first_order(replicas=64, width=0.5, seed=seed)
        found = critical_controls(data, 316.0)
        truth = 13.0 + 10.0 / found.size - 0.3 * math.log(316.0 / 1000.0)
        scores.append((found.value - truth) / found.stderr)
    z = np.concatenate(scores)
    assert z.size == 4 * SEEDS
    # A shift of 1 % of m_c would be two standard errors; bounds that 1 in 10^4 exceed.
    assert abs(z.mean()) * math.sqrt(z.size) < 3.9
    low, high = stats.chi2.ppf([5e-5, 1 - 5e-5], z.size) / z.size
    assert low < (z**2).mean() < high


def test_the_limit_is_covered() -> None:
    """Value, and total error of the limit, over independent datasets."""
    found = [
        critical_controls(planted.first_order(replicas=64, seed=s)).limit for s in range(SEEDS)
    ]
    z = np.array([(limit.value - 13.0) / limit.total for limit in found])
    assert abs(z.mean()) * math.sqrt(z.size) < 3.9
    assert (z**2).mean() < stats.chi2.ppf(1 - 5e-5, z.size) / z.size


def test_both_criteria_agree_where_success_is_the_upper_state() -> None:
    """Of a planted jump from 0.34 to 1 the overlap passes 0.9 exactly where a replica passes."""
    data = planted.first_order(sizes=(400,), replicas=64, seed=3)
    by_success, by_level = (critical_controls(data, 100.0, level=q) for q in (None, 0.9))
    assert by_success.value.tolist() == by_level.value.tolist()
    assert by_success.stderr.tolist() == by_level.stderr.tolist()


def test_an_event_of_all_units_drifts_and_the_overlap_does_not() -> None:
    """P = p_0^N reaches 1/2 at h + w ln(N / ln 2); the mean overlap is the same at every N."""
    sizes = np.array([50, 200, 800])
    grid = np.arange(2.0, 20.0, 0.5).tolist()
    data = planted.independent_units(sizes=sizes.tolist(), control=grid, replicas=128, seed=5)
    success = critical_controls(data)
    expected = 3.1 + 1.43 * np.log(1.0 / np.expm1(math.log(2.0) / sizes))
    # p_0^N is not quite logistic in m: the fit may be off by a twentieth of its width.
    assert np.all(np.abs(success.value - expected) < 4.0 * success.stderr + 0.07)
    level = critical_controls(data, level=0.8)
    assert np.all(np.abs(np.diff(level.value)) < 0.15)
    assert np.all(np.diff(success.value) > 1.5)


def test_flags_of_each_size_are_kept() -> None:
    data = planted.first_order(sizes=(50, 400), control=(11.0, 11.5, 12.0), replicas=16)
    found = critical_controls(data)
    assert found.size.size == 0
    assert [flag.split(":")[:2] for flag in found.flags[:2]] == [
        ["m_c_above_grid", " N = 50"],
        ["m_c_above_grid", " N = 400"],
    ]


def test_refused_times_and_sweeps() -> None:
    data = planted.first_order(sizes=(50,), replicas=4)
    with pytest.raises(AnalysisError, match="outside the measured times"):
        critical_controls(data, 1001.0)
    two = data.expand_dims(degree=[3, 5])
    with pytest.raises(AnalysisError, match="'degree' has 2 values"):
        critical_controls(two, level=0.9)


def test_effective_exponents_of_a_power_law_and_their_errors() -> None:
    generator = np.random.default_rng(7)
    x = np.array([3.0, 5.0, 7.0, 9.0, 11.0])
    y = 0.6 * x**2.2
    exact = effective_exponents(x, y, 1e-12 * y)
    assert np.allclose([one.value for one in exact.values()], 2.2, rtol=0, atol=1e-10)
    assert np.allclose(list(exact), np.sqrt(x[1:] * x[:-1]), rtol=1e-15)
    error = 0.01 * y
    drawn = [
        effective_exponents(x, y + error * generator.standard_normal(5), error) for _ in range(400)
    ]
    z = np.array([[(b.value - 2.2) / b.stderr for b in one.values()] for one in drawn])
    # Each column is a sample of 400; the columns share points.
    assert np.all(np.abs(z.mean(axis=0)) < 4.2 / math.sqrt(400))
    low, high = stats.chi2.ppf([1e-5, 1 - 1e-5], 400) / 400
    assert np.all(((z**2).mean(axis=0) > low) & ((z**2).mean(axis=0) < high))


def test_effective_exponents_of_a_corrected_law_drift_towards_the_leading_one() -> None:
    x = np.array([3.0, 5.0, 7.0, 9.0, 11.0])
    y = 0.62 * x**2 - 2.5
    found = np.array([one.value for one in effective_exponents(x, y, 1e-6 * y).values()])
    assert np.all(np.diff(found) < 0.0)
    assert np.all(found > 2.0)


def test_effective_exponents_refuse_what_has_no_logarithm() -> None:
    with pytest.raises(AnalysisError, match="positive"):
        effective_exponents([1.0, 2.0], [1.0, -1.0], [0.1, 0.1])
    with pytest.raises(AnalysisError, match="each x once"):
        effective_exponents([2.0, 2.0], [1.0, 1.0], [0.1, 0.1])
    assert list(effective_exponents([1.0, 2.0, 4.0], [1.0, np.nan, 4.0], [0.1] * 3)) == [2.0]
