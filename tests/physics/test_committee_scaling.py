"""The committee's active state: equations of motion, and simulations extrapolated to large N."""

from __future__ import annotations

import numpy as np
import pytest

from physbatch.dynamics import ProjectedRun, batch_rule, draw_state, run_projected
from physbatch.errors import AnalysisError
from physbatch.exact import committee, committee_scaling, committee_stability


@pytest.mark.parametrize("excess", [0.02, 0.1, 0.3])
def test_stationary_distance_is_where_the_equations_of_motion_end(excess: float) -> None:
    rate = committee_stability.largest_rate(1) * (1 + excess)
    curve = committee.integrate_equations(
        np.eye(1), np.zeros((1, 1)), np.eye(1), rate, np.array([0.0, 40 / excess])
    )
    q, r = curve.student_overlap[1, 0, 0], curve.teacher_overlap[1, 0, 0]
    assert q - 2 * r + 1 == pytest.approx(committee_scaling.stationary_distance(rate), rel=1e-6)


def test_the_slope_is_that_of_the_stationary_distance() -> None:
    """From distances closer to the threshold than those that it is made of."""
    excess = np.array([1e-3, 2e-3])
    near, far = (
        committee_scaling.stationary_distance(committee_stability.largest_rate(1) * (1 + e)) / e
        for e in excess
    )
    assert 2 * near - far == pytest.approx(committee_scaling.active_state_slope(), rel=1e-4)


def test_below_the_threshold_there_is_no_active_state() -> None:
    shift = committee_stability.finite_size_shift(5)
    mean, relative = committee_scaling.active_state([shift - 1, shift + 1], batch_size=5)
    assert mean.tolist() == [0.0, pytest.approx(committee_scaling.active_state_slope())]
    assert np.isnan(relative[0])
    assert committee_scaling.stationary_distance(committee_stability.largest_rate(1)) == 0.0
    with pytest.raises(AnalysisError, match="no stationary state with Delta up to 1"):
        committee_scaling.stationary_distance(20.0)


def late_moments(size: int, replicas: int, x: float) -> np.ndarray:
    """Mean and relative variance of N Delta of every replica group of 64, shape (2, group)."""
    alpha = np.linspace(0.8, 2.4, 9) * size
    found = []
    for group in range(replicas // 64):
        state = draw_state(
            size=size,
            students=1,
            teachers=1,
            replicas=64,
            teacher_key=1,
            start_key=2 + group,
        )
        run = ProjectedRun(
            size=size,
            batch=batch_rule(1),
            learning_rate=committee_stability.largest_rate(1) * (1 + x / size),
            times=np.rint(alpha * size).astype(np.int64),
            last_step=round(alpha[-1] * size),
            dynamics_key=900 + group,
            check_interval=2**40,
        )
        result = run_projected(state, run)
        q, r = result.student_overlap[:, :, 0, 0], result.teacher_overlap[:, :, 0, 0]
        y = size * (q - 2 * r + 1)
        found.append((y.mean(), y.var() / y.mean() ** 2))
    return np.array(found).T


def test_the_scaling_function_is_the_limit_of_simulations() -> None:
    """At x = 5, extrapolated in 1/N from N = 100, 200, 400: z below 4.

    The mean has an error below 3 %, the relative variance below 10 %; without the shift of the
    threshold the mean would be 13 % lower, with N Delta at N = 100 it would be 17 % higher.
    """
    sizes, groups = np.array([100, 200, 400]), (16, 10, 4)
    moments = [late_moments(n, 64 * g, 5.0) for n, g in zip(sizes, groups, strict=True)]
    exact = np.array([float(one) for one in committee_scaling.active_state(5.0)])
    for row, bar in ((0, 0.03), (1, 0.10)):
        value = np.array([one[row].mean() for one in moments])
        error = np.array([one[row].std(ddof=1) / np.sqrt(one.shape[1]) for one in moments])
        design = np.stack([np.ones(3), 1 / sizes], axis=1) / error[:, None]
        covariance = np.linalg.inv(design.T @ design)
        limit = (covariance @ design.T @ (value / error))[0]
        stderr = np.sqrt(covariance[0, 0])
        assert stderr < bar * exact[row]
        assert abs(limit - exact[row]) < 4 * stderr
