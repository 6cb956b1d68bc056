"""Projected dynamics against direct SGD and against exact laws of a step (z below 4)."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from scipy import stats

from physbatch.dynamics import (
    CommitteeState,
    ProjectedNumbers,
    ProjectedRun,
    batch_rule,
    draw_state,
    run_projected,
    state_from_overlaps,
)
from physbatch.streams import KIND_FIELD
from tests.physics.direct_committee import activate, direct_overlaps


def moments(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean, variance and central fourth moment over replicas, and their standard errors.

    Errors from the influence of one replica on each moment: x, x^2 - v, x^4 - m4 - 4 m3 x.
    """
    x = samples - samples.mean(axis=0)
    variance, third, fourth = ((x**power).mean(axis=0) for power in (2, 3, 4))
    influence = np.stack([x, x**2 - variance, x**4 - fourth - 4 * third * x])
    values = np.stack([samples.mean(axis=0), variance, fourth])
    return values, influence.std(axis=1) / sqrt(len(samples))


def two_sample_z(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """z-scores of the difference of the three moments, shape (3, ...)."""
    our_values, our_errors = moments(ours)
    their_values, their_errors = moments(theirs)
    return (our_values - their_values) / np.hypot(our_errors, their_errors)


def independent(q: np.ndarray, r: np.ndarray) -> np.ndarray:
    """All different elements of Q and R, shape (replica, time, element)."""
    upper = np.triu_indices(q.shape[-1])
    return np.concatenate([q[..., upper[0], upper[1]], r.reshape(*r.shape[:2], -1)], axis=-1)


#: K, M, m, activation, eta, noise, orthogonal teacher, r, N, three times.
SETTINGS = {
    "erf, m = 1": (2, 2, 1, "erf", 1.0, 0.0, True, 0.0, 100, (50, 100, 200)),
    "erf, m = 5": (2, 2, 5, "erf", 5.0, 0.0, True, 0.3, 100, (20, 60, 120)),
    "noise, real m": (3, 2, 1.5, "erf", 1.0, 0.2, False, 0.0, 100, (30, 75, 150)),
    "relu": (2, 3, 3, "relu", 0.5, 0.0, False, 0.0, 40, (20, 60, 120)),
    "linear, small N": (1, 1, 2, "linear", 0.6, 0.1, True, 0.0, 8, (2, 6, 20)),
}


def compare(name: str, replicas: int) -> np.ndarray:
    """z-scores of projected against direct, shape (moment, time, element)."""
    students, teachers, m, activation, rate, noise, orthogonal, overlap, size, times = SETTINGS[
        name
    ]
    q, r = direct_overlaps(
        size=size,
        students=students,
        teachers=teachers,
        batch_size=m,
        learning_rate=rate,
        times=times,
        replicas=replicas,
        seed=1,
        activation=activation,
        label_noise=noise,
        orthogonal=orthogonal,
        initial_overlap=overlap,
    )
    state = draw_state(
        size=size,
        students=students,
        teachers=teachers,
        replicas=8 * replicas,
        teacher_key=1,
        start_key=2,
        initial_overlap=overlap,
        orthogonal=orthogonal,
    )
    run = ProjectedRun(
        size=size,
        batch=batch_rule(m),
        learning_rate=rate,
        times=np.array(times),
        last_step=max(times),
        dynamics_key=3,
        activation=activation,
        label_noise=noise,
    )
    result = run_projected(state, run)
    ours = independent(result.student_overlap, result.teacher_overlap)
    return two_sample_z(ours, independent(q, r))


@pytest.mark.parametrize("name", list(SETTINGS))
def test_agrees_with_direct_sgd(name: str) -> None:
    """Mean, variance, central fourth moment of Q and R at three times, 2000 direct replicas."""
    z = compare(name, 2000)
    assert abs(z).max() < 4


@pytest.mark.slow
@pytest.mark.parametrize("name", list(SETTINGS))
def test_agrees_with_direct_sgd_closely(name: str) -> None:
    """The same with 20 000 direct replicas, so that a bias of 1 % of a deviation shows."""
    assert abs(compare(name, 20_000)).max() < 4.3


def test_start_is_that_of_random_weights() -> None:
    """At N = 8 where the law of the overlaps is far from normal."""
    q, r = direct_overlaps(
        size=8,
        students=2,
        teachers=3,
        batch_size=1,
        learning_rate=0.0,
        times=(0,),
        replicas=100_000,
        seed=4,
        orthogonal=False,
        initial_overlap=0.6,
    )
    state = draw_state(
        size=8,
        students=2,
        teachers=3,
        replicas=100_000,
        teacher_key=1,
        start_key=2,
        orthogonal=False,
        initial_overlap=0.6,
    )
    ours = independent(state.student_overlap[:, None], state.teacher_overlap[:, None])
    assert abs(two_sample_z(ours, independent(q, r))).max() < 4
    wishart = np.triu_indices(3)
    t = state.teacher_teacher[:, wishart[0], wishart[1]]
    exact = np.where(wishart[0] == wishart[1], 1.0, 0.0)
    values, errors = moments(t)
    assert (abs(values[0] - exact) < 4 * errors[0]).all()
    assert (abs(values[1] - (1 + exact) / 8) < 4 * errors[1]).all()


Q_START = np.array([[1.1, 0.3], [0.3, 0.8]])
R_START = np.array([[0.5, 0.1], [0.1, 0.3]])
RATE = 1.5


def one_step(batch_size: int, size: int, replicas: int) -> tuple[np.ndarray, np.ndarray]:
    """N^2 times what the inputs outside of all vectors add to Q in a step, and D' D.

    Fields and D are computed anew from the random numbers that the kernel drew; what Q gains
    from them, (D' lambda + lambda' D)/N + D' Z Z' D/N^2, is subtracted.
    """
    state = state_from_overlaps(Q_START, R_START, np.eye(2), replicas)
    run = ProjectedRun(
        size=size,
        batch=batch_rule(batch_size),
        learning_rate=RATE,
        times=np.array([1]),
        last_step=1,
        dynamics_key=8,
    )
    result = run_projected(state, run).student_overlap[:, 0]
    numbers = ProjectedNumbers(8, 0, replicas)
    z = np.stack(
        [numbers.normals(KIND_FIELD, sample, 4).numpy() for sample in range(batch_size)], axis=1
    )
    return size**2 * (result - known_part(z, state, size)), drive_square(z, state)


def drives(z: np.ndarray, state: CommitteeState) -> tuple[np.ndarray, np.ndarray]:
    """Student fields and D = (eta/m) (y* - y) g'(lambda), shapes (replica, sample, K)."""
    factor = np.concatenate([state.inside[0], state.perpendicular[0]], axis=1)
    fields = z @ factor.T
    output, slope = activate(fields, "erf")
    target, _ = activate(z[..., :2] @ state.teacher[0].T, "erf")
    wrong = target.sum(axis=-1) - output.sum(axis=-1)
    return fields, RATE / z.shape[-2] * wrong[..., None] * slope


def known_part(z: np.ndarray, state: CommitteeState, size: int) -> np.ndarray:
    """Q after a step but for the Wishart term."""
    fields, drive = drives(z, state)
    cross = drive.swapaxes(-1, -2) @ fields
    seen = drive.swapaxes(-1, -2) @ z
    return (
        Q_START + (cross + cross.swapaxes(-1, -2)) / size + seen @ seen.swapaxes(-1, -2) / size**2
    )


def drive_square(z: np.ndarray, state: CommitteeState) -> np.ndarray:
    drive = drives(z, state)[1]
    return drive.swapaxes(-1, -2) @ drive


@pytest.mark.parametrize("size", [12, 60])
@pytest.mark.parametrize("batch_size", [1, 2, 7])
def test_conditional_law_of_a_step(batch_size: int, size: int) -> None:
    """At fixed Q, R, Z the rest is A W A'/N^2, W Wishart with N - K - M degrees of freedom."""
    replicas = 40_000
    freedom = size - 4
    added, square = one_step(batch_size, size, replicas)
    # Var Q'_kk = 2 (N - K - M) (D'D)_kk^2/N^4, and the whole law is chi-square.
    for k in range(2):
        ratio = added[:, k, k] / square[:, k, k]
        assert abs(ratio.mean() - freedom) < 4 * sqrt(2 * freedom / replicas)
        error = sqrt((12 * freedom * (freedom + 4) - 4 * freedom**2) / replicas)
        assert abs(ratio.var() - 2 * freedom) < 4 * error
        assert stats.kstest(ratio, stats.chi2(freedom).cdf).pvalue > 1e-4
    if batch_size == 1:
        # One sample moves all units alike.
        seen = (added[:, 0, 0] > 1e-2) & (added[:, 1, 1] > 1e-2)
        assert seen.mean() > 0.8, "the rest is too small to be told from rounding"
        both = added[seen, 0, 0] * added[seen, 1, 1]
        assert abs(added[seen, 0, 1] ** 2 / both - 1).max() < 1e-8
        return
    factor = np.linalg.inv(np.linalg.cholesky(square))
    wishart = factor @ added @ factor.swapaxes(-1, -2)
    first, second, mixed = wishart[:, 0, 0], wishart[:, 1, 1], wishart[:, 0, 1]
    assert abs(mixed.mean()) < 4 * sqrt(freedom / replicas)
    fourth = 3 * freedom * (freedom + 2)
    assert abs(mixed.var() - freedom) < 4 * sqrt((fourth - freedom**2) / replicas)
    # Diagonal elements are independent, and the off-diagonal one is not correlated with them.
    for one, other in ((first, second), (first, mixed), (second, mixed)):
        assert abs(np.corrcoef(one, other)[0, 1]) < 4 / sqrt(replicas)
    # det W is a product of independent chi-squares: this sees a wrong off-diagonal sign or law.
    product = freedom * (freedom - 1)
    second_moment = freedom * (freedom + 2) * (freedom - 1) * (freedom + 1)
    determinant = first * second - mixed**2
    error = sqrt((second_moment - product**2) / replicas)
    assert abs(determinant.mean() - product) < 4 * error


def test_conditional_law_of_a_direct_step() -> None:
    """Direct SGD with the fields held fixed has the same variance: the theory is the right one."""
    size, batch_size, replicas, freedom = 60, 3, 20_000, 56
    state = state_from_overlaps(Q_START, R_START, np.eye(2))
    random = np.random.default_rng(5)
    z = random.normal(size=(batch_size, 4))
    basis = np.sqrt(size) * np.eye(4, size)
    student = np.concatenate([state.inside[0], state.perpendicular[0]], axis=1) @ basis
    inputs = random.normal(size=(replicas, batch_size, size))
    inputs[:, :, :4] = z
    drive = drives(z, state)[1]
    after = student + drive.T @ inputs / np.sqrt(size)
    q = after @ after.transpose(0, 2, 1) / size
    added = size**2 * (q - known_part(z, state, size))
    square = drive_square(z, state)
    for k in range(2):
        ratio = added[:, k, k] / square[k, k]
        error = sqrt((12 * freedom * (freedom + 4) - 4 * freedom**2) / replicas)
        assert abs(ratio.mean() - freedom) < 4 * sqrt(2 * freedom / replicas)
        assert abs(ratio.var() - 2 * freedom) < 4 * error
        assert stats.kstest(ratio, stats.chi2(freedom).cdf).pvalue > 1e-4


@pytest.mark.parametrize("batch_size", [1, 4, 2.5])
def test_linear_unit_contracts_as_it_must(batch_size: float) -> None:
    """E Delta' of a step, Delta = |w - w*|^2/N, any real m, with label noise.

    With a = eta/N: E Delta' = Delta [1 - 2 a + a^2 (E n (N + 1) + E n^2)/m^2] + a^2 N s2/m, where
    n is the number of samples in a batch; for whole m the bracket is 1 - 2 a + a^2 (N + m + 1)/m.
    """
    size, replicas, noise, rate = 10, 200_000, 0.3, 4.0
    state = state_from_overlaps(np.array([[1.3]]), np.array([[0.4]]), np.eye(1), replicas)
    run = ProjectedRun(
        size=size,
        batch=batch_rule(batch_size),
        learning_rate=rate,
        times=np.array([1]),
        last_step=1,
        dynamics_key=12,
        activation="linear",
        label_noise=noise,
    )
    result = run_projected(state, run)
    delta = 2 * result.generalization_error[:, 0]
    before = 1.3 - 0.8 + 1
    a = rate / size
    part = batch_size % 1
    squares = batch_size**2 + part * (1 - part)
    factor = 1 - 2 * a + a**2 * (batch_size * (size + 1) + squares) / batch_size**2
    exact = before * factor + a**2 * size * noise / batch_size
    error = delta.std() / sqrt(replicas)
    assert abs(delta.mean() - exact) < 4 * error
    assert error < 0.01 * exact


def test_small_errors_scale_exactly() -> None:
    """Near the perfect student the dynamics is linear: differences 1e-5 times as large stay so.

    The error goes from 1e-10 and 1e-20 down by six orders and more, and never below zero.
    """
    size, units = 100, 3
    plain = draw_state(
        size=size, students=units, teachers=units, replicas=64, teacher_key=1, start_key=2
    )
    results = []
    for scale in (1e-5, 1e-10):
        state = CommitteeState(
            plain.teacher,
            np.tile(np.arange(units), (64, 1)),
            scale * plain.difference,
            scale * plain.perpendicular,
        )
        run = ProjectedRun(
            size=size,
            batch=batch_rule(2),
            learning_rate=2.0,
            times=np.arange(0, 10_001, 2500),
            last_step=10_000,
            dynamics_key=4,
            check_interval=10**6,
        )
        results.append(run_projected(state, run).generalization_error)
    large, small = results
    assert (small > 0).all()
    assert small.max() < 1e-18
    assert np.median(small[:, -1]) < 1e-6 * np.median(small[:, 0])
    ratio = small / large / 1e-10
    above = small > 1e-25
    assert above[:, :2].all()
    assert abs(ratio[above] - 1).max() < 2e-3


def test_first_passage_brackets_the_crossing() -> None:
    """With a check at every step it is exact; with fewer it is the next check after."""
    state = draw_state(size=200, students=2, teachers=2, replicas=20, teacher_key=1, start_key=2)
    passages = {}
    for interval in (1, 50):
        run = ProjectedRun(
            size=200,
            batch=batch_rule(4),
            learning_rate=4.0,
            times=np.arange(8001),
            last_step=8000,
            dynamics_key=4,
            passage_error=1e-3,
            check_interval=interval,
        )
        result = run_projected(state, run)
        passages[interval] = result.first_passage
    below = result.generalization_error < 1e-3
    assert below.any(axis=1).all()
    assert passages[1].tolist() == below.argmax(axis=1).tolist()
    checked = below[:, ::50]
    assert passages[50].tolist() == (50 * checked.argmax(axis=1)).tolist()
