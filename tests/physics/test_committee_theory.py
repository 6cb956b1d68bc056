"""Soft committees: closed forms against samples, simulations against the exact theory."""

from __future__ import annotations

from math import asin, pi, sqrt

import numpy as np
import pytest
from scipy import special

from physbatch.dynamics import (
    CommitteeState,
    ProjectedRun,
    ProjectedTrajectory,
    batch_rule,
    draw_state,
    run_projected,
    state_from_overlaps,
)
from physbatch.errors import AnalysisError
from physbatch.exact import committee, committee_stability
from tests.physics.direct_committee import activate

Q = np.array([[1.2, 0.3], [0.3, 0.7]])
R = np.array([[0.5, 0.1, -0.2], [0.1, 0.3, 0.4]])
T = np.array([[1.0, 0.2, 0.0], [0.2, 0.9, -0.1], [0.0, -0.1, 1.3]])


def draw(
    units: int, size: int, replicas: int, overlap: float = 0.0, key: int = 1
) -> CommitteeState:
    return draw_state(
        size=size,
        students=units,
        teachers=units,
        replicas=replicas,
        teacher_key=key,
        start_key=key + 1,
        initial_overlap=overlap,
    )


def simulate(
    state: CommitteeState,
    size: int,
    batch_size: float,
    rate: float,
    times: np.ndarray,
    key: int = 3,
    label_noise: float = 0.0,
) -> ProjectedTrajectory:
    """Run at c = eta/m = `rate`, measured at times alpha = samples/N."""
    steps = np.rint(np.asarray(times) * size / batch_size).astype(np.int64)
    run = ProjectedRun(
        size=size,
        batch=batch_rule(batch_size),
        learning_rate=rate * batch_size,
        times=steps,
        last_step=int(steps[-1]),
        dynamics_key=key,
        label_noise=label_noise,
        check_interval=2**40,
    )
    return run_projected(state, run)


# --- closed forms


@pytest.mark.parametrize("activation", ["erf", "relu", "linear"])
def test_generalization_error_is_the_sampled_one(activation: str) -> None:
    """z below 4 at 0.3 % of the value."""
    joint = np.block([[Q, R], [R.T, T]])
    fields = np.random.default_rng(1).normal(size=(2_000_000, 5)) @ np.linalg.cholesky(joint).T
    output, _ = activate(fields, activation)
    samples = (output[:, :2].sum(axis=1) - output[:, 2:].sum(axis=1)) ** 2 / 2
    exact = committee.generalization_error(Q, R, T, activation)
    error = samples.std() / sqrt(len(samples))
    assert abs(samples.mean() - exact) < 4 * error
    assert error < 0.003 * exact


def test_generalization_error_of_known_states() -> None:
    one = np.eye(2)
    assert abs(committee.generalization_error(one, one, one)) < 1e-15
    assert committee.random_student_error(3, 2) == pytest.approx(5 / 6, rel=1e-14)
    assert committee.random_student_error(3, 2, "linear") == pytest.approx(5 / 2, rel=1e-14)
    # <relu> = 1/sqrt(2 pi): ((K + M)/2 - (K + M)/(2 pi) + (K - M)^2/(2 pi))/2.
    relu = (5 / 2 - 5 / (2 * pi) + 1 / (2 * pi)) / 2
    assert committee.random_student_error(3, 2, "relu") == pytest.approx(relu, rel=1e-14)
    with pytest.raises(AnalysisError, match="activation 'tanh'"):
        committee.random_student_error(1, 1, "tanh")


def test_equations_of_motion_against_quadrature() -> None:
    """I3 and I4 for K = 2, M = 1: three fields, integrated on a grid of Gauss-Hermite points."""
    r, t, rate, noise = R[:, :1], np.array([[0.9]]), 1.7, 0.3
    joint = np.block([[Q, r], [r.T, t]])
    points, weights = np.polynomial.hermite_e.hermegauss(90)
    weights = weights / weights.sum()
    grid = np.stack(np.meshgrid(points, points, points, indexing="ij"), axis=-1).reshape(-1, 3)
    mass = np.einsum("i,j,k->ijk", weights, weights, weights).ravel()
    fields = grid @ np.linalg.cholesky(joint).T
    output, slope = special.erf(fields / sqrt(2)), activate(fields, "erf")[1][:, :2]
    wrong = output[:, 2] - output[:, 0] - output[:, 1]
    delta = wrong[:, None] * slope
    pull = (mass[:, None] * delta).T @ fields
    noisy = ((wrong**2 + noise) * mass)[:, None] * slope
    exact_q = rate * (pull[:, :2] + pull[:, :2].T) + rate**2 * noisy.T @ slope
    velocity_q, velocity_r = committee.equations_of_motion(Q, r, t, rate, noise)
    assert abs(velocity_q - exact_q).max() < 1e-9
    assert abs(velocity_r - rate * pull[:, 2:]).max() < 1e-9


@pytest.mark.parametrize("units", [2, 3, 4, 6])
def test_plateau(units: int) -> None:
    """Found numerically; Saad and Solla's closed form is the check."""
    found = committee_stability.plateau(units)
    exact = units / pi * (pi / 6 - units * asin(1 / (2 * units)))
    assert found.generalization_error == pytest.approx(exact, rel=1e-10)
    assert found.student_overlap == pytest.approx(1 / (2 * units - 1), rel=1e-8)
    assert found.teacher_overlap == pytest.approx(1 / sqrt(units * (2 * units - 1)), rel=1e-8)
    if units < 4:
        known = {2: 0.0116108, 3: 0.0202966}[units]
        assert found.generalization_error == pytest.approx(known, abs=5e-8)


def test_plateau_is_where_learning_stalls() -> None:
    """The slowest point of the integrated curve tends to it, linearly in the rate."""
    stalled = []
    for rate in (0.02, 0.01):
        curve = committee.integrate_equations(
            0.5 * np.eye(2),
            np.array([[1e-6, 0], [0, 0]]),
            np.eye(2),
            rate,
            np.linspace(20, 200, 1801) / rate,
        )
        speed = abs(np.gradient(np.log(curve.generalization_error)))
        # The perfect state is slow as well.
        speed[curve.generalization_error < 5e-3] = np.inf
        stalled.append(float(curve.generalization_error[np.argmin(speed)]))
    limit = 2 * stalled[1] - stalled[0]
    assert limit == pytest.approx(committee_stability.plateau(2).generalization_error, rel=4e-3)


def test_largest_rates() -> None:
    assert committee_stability.largest_rate(1) == pytest.approx(pi * sqrt(5 / 3), rel=1e-13)
    assert committee_stability.largest_rate(1) == pytest.approx(4.05578, abs=1e-5)
    rates = [committee_stability.largest_rate(units) for units in range(1, 6)]
    assert all(low < high for low, high in zip(rates[1:], rates[:-1], strict=True))
    for units in (1, 2, 3):
        rate = committee_stability.largest_rate(units)
        for factor, sign in ((0.999, -1), (1.001, 1)):
            growth = np.linalg.eigvals(
                committee_stability.jacobian(units, factor * rate)
            ).real.max()
            assert np.sign(growth) == sign


@pytest.mark.parametrize("units", [1, 2, 3])
def test_jacobian_is_the_derivative(units: int) -> None:
    """Against finite differences of the equations of motion."""
    rate, step = 1.3, 1e-5
    upper = np.triu_indices(units)
    matrix = committee_stability.jacobian(units, rate)
    for column in range(len(matrix)):
        velocities = []
        for sign in (1, -1):
            q, r = np.eye(units), np.eye(units)
            if column < len(upper[0]):
                i, k = upper[0][column], upper[1][column]
                q[i, k] = q[k, i] = q[i, k] + sign * step
            else:
                r.ravel()[column - len(upper[0])] += sign * step
            velocity_q, velocity_r = committee.equations_of_motion(q, r, np.eye(units), rate)
            velocities.append(np.concatenate([velocity_q[upper], velocity_r.ravel()]))
        derivative = (velocities[0] - velocities[1]) / (2 * step)
        assert abs(derivative - matrix[:, column]).max() < 1e-8


# --- simulations


def follow(size: int, batch_size: int, alpha: np.ndarray) -> None:
    """Q and R of 64 replicas from one start against the equations of motion."""
    q, r, rate, noise = 0.8 * np.eye(2) + 0.1, np.array([[0.3, 0.1], [0.0, 0.2]]), 1.5, 0.05
    curve = committee.integrate_equations(
        q, r, np.eye(2), rate, np.concatenate([[0.0], alpha]), noise
    )
    state = state_from_overlaps(q, r, np.eye(2), 64)
    result = simulate(state, size, batch_size, rate, alpha, label_noise=noise)
    for ours, exact in (
        (result.student_overlap, curve.student_overlap[1:]),
        (result.teacher_overlap, curve.teacher_overlap[1:]),
        (result.generalization_error, curve.generalization_error[1:]),
    ):
        error = ours.std(axis=0, ddof=1) / 8
        assert (abs(ours.mean(axis=0) - exact) < 4 * error).all()
        # The fluctuations are those of N = 10^6, so that 4 errors are a narrow gate.
        assert ours.std(axis=0).max() < 10 / sqrt(size)


def test_large_systems_follow_the_equations_of_motion() -> None:
    """N = 10^6, m = 20, z below 4."""
    follow(10**6, 20, np.array([0.5, 1.0, 2.0]))


@pytest.mark.slow
def test_large_systems_follow_the_equations_for_long() -> None:
    follow(10**6, 1, np.array([1.0, 3.0, 10.0, 20.0]))


def test_equal_samples_and_rates_give_the_same_curve() -> None:
    """m = 1, 5 and 20 at equal samples and equal eta/m: two-sample z below 4."""
    size, alpha = 20_000, np.array([1.0, 3.0, 8.0])
    state = state_from_overlaps(np.eye(2), 0.2 * np.eye(2), np.eye(2), 128)
    errors = [simulate(state, size, m, 1.2, alpha, key=m).generalization_error for m in (1, 5, 20)]
    assert errors[0][:, 2].mean() < 0.2 * errors[0][:, 0].mean(), "nothing was learnt"
    for other in errors[1:]:
        difference = errors[0].mean(axis=0) - other.mean(axis=0)
        error = np.hypot(errors[0].std(axis=0), other.std(axis=0)) / sqrt(128)
        assert (abs(difference) < 4 * error).all()
        # A rate that is 1 % off would show.
        shift = 0.01 * abs(np.gradient(errors[0].mean(axis=0), np.log(alpha)))
        assert (error[2] < shift[2]).all()


def growth_rate(
    units: int, size: int, batch_size: int, rate: float, samples: int
) -> tuple[float, float]:
    """d log(error)/dalpha of a nearly perfect student, and its standard error."""
    replicas = 256
    state = draw(units, size, replicas, overlap=1 - 1e-13)
    # The direction of the difference forgets its start within some alpha.
    alpha = np.array([20.0, 20.0 + samples / size])
    errors = simulate(state, size, batch_size, rate, alpha).generalization_error
    growth = np.log(errors[:, 1] / errors[:, 0]) / (alpha[1] - alpha[0])
    assert (errors < 1e-4).all(), "the difference is no longer small"
    assert (errors > 1e-26).all(), "the difference is lost in rounding"
    return float(growth.mean()), float(growth.std(ddof=1) / sqrt(replicas))


def measured_threshold(
    units: int, size: int, batch_size: int, samples: int, gap: float = 0.01
) -> tuple[float, float]:
    """eta/m at which a small difference neither grows nor shrinks, and its standard error."""
    centre = committee_stability.largest_rate(units) * (
        1 + committee_stability.finite_size_shift(batch_size) / size
    )
    rates = np.array([1 - gap, 1 + gap]) * centre
    (low, low_error), (high, high_error) = (
        growth_rate(units, size, batch_size, float(rate), samples) for rate in rates
    )
    slope = (high - low) / (rates[1] - rates[0])
    return float(rates[0] - low / slope), float(np.hypot(low_error, high_error) / 2 / slope)


@pytest.mark.parametrize("batch_size", [1, 5])
@pytest.mark.parametrize("units", [1, 2])
def test_threshold_of_small_differences(units: int, batch_size: int) -> None:
    """At N = 400 within 0.3 % of the shifted eta_max (the issue's bar is 2 %), errors 0.05 %.

    The shift is exact to first order in 1/N for K = 1; for K = 2 only that of pairs is.
    """
    size = 400
    threshold, error = measured_threshold(units, size, batch_size, 20_000)
    predicted = committee_stability.largest_rate(units) * (
        1 + committee_stability.finite_size_shift(batch_size) / size
    )
    assert error < 0.0005 * predicted
    assert abs(threshold / predicted - 1) < 0.003


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [1, 5])
def test_finite_size_shift(batch_size: int) -> None:
    """N (c_c/c_max - 1) at N = 200, 400, 800, extrapolated linearly in 1/N: z below 4."""
    sizes = np.array([200, 400, 800])
    found = np.array(
        [measured_threshold(1, int(size), batch_size, 700 * int(size), 0.002) for size in sizes]
    )
    scaled = sizes[:, None] * found / committee_stability.largest_rate(1)
    scaled[:, 0] -= sizes
    design = np.stack([np.ones(3), 1 / sizes], axis=1) / scaled[:, 1:]
    covariance = np.linalg.inv(design.T @ design)
    limit = (covariance @ design.T @ (scaled[:, 0] / scaled[:, 1]))[0]
    error = sqrt(covariance[0, 0])
    assert error < 0.1
    assert abs(limit - committee_stability.finite_size_shift(batch_size)) < 4 * error


@pytest.mark.parametrize("batch_size", [1, 5])
@pytest.mark.parametrize("units", [1, 2])
def test_threshold_from_random_starts(units: int, batch_size: int) -> None:
    """N = 400: 2 % below the shifted threshold every replica becomes perfect, 2 % above none."""
    size = 400
    centre = committee_stability.largest_rate(units) * (
        1 + committee_stability.finite_size_shift(batch_size) / size
    )
    for factor, perfect in ((0.98, True), (1.02, False)):
        result = simulate(draw(units, size, 64), size, batch_size, factor * centre, np.array([600]))
        final = result.generalization_error[:, 0]
        assert ((final < 1e-5) == perfect).all()
        assert perfect or (final > 1e-4).all()


def test_active_state_vanishes_continuously() -> None:
    """Stationary N Delta of K = 1 at N (c/c_max - 1) = 5, with Delta = |w - w*|^2/N.

    Delta = N^-1 f(N (c - c_c)), so that N Delta tends to a limit. The values, with an error of
    0.03, are those of a longer run with another seed: 6.74, 5.80, 5.33, 5.13 at N = 50, 100, 200
    and 400.
    """
    for size, known in ((50, 6.744), (100, 5.795)):
        alpha = np.linspace(5 * size, 30 * size, 60)
        result = simulate(
            draw(1, size, 64, key=7),
            size,
            1,
            committee_stability.largest_rate(1) * (1 + 5 / size),
            alpha,
            key=8,
        )
        q, r = result.student_overlap[:, :, 0, 0], result.teacher_overlap[:, :, 0, 0]
        delta = size * (q - 2 * r + 1).mean(axis=1)
        error = delta.std(ddof=1) / 8
        assert error < 0.02 * known
        assert abs(delta.mean() - known) < 4 * np.hypot(error, 0.033)


def test_three_units_and_more_are_trapped_near_the_threshold() -> None:
    """K = 4 at 95 % of eta_max: the perfect state is stable, but few random starts reach it.

    So what random starts show there is not the stability threshold.
    """
    units, size = 4, 200
    rate = 0.95 * committee_stability.largest_rate(units)
    planted = simulate(draw(units, size, 64, overlap=0.9), size, 1, rate, np.array([400.0]))
    assert (planted.generalization_error < 1e-4).all()
    random = simulate(draw(units, size, 64), size, 1, rate, np.array([400.0, 800.0]))
    trapped = random.generalization_error[:, 1] > 0.03
    assert 0.5 < trapped.mean() < 1.0
    # They do not creep to it either.
    error = random.generalization_error[trapped]
    assert np.median(error[:, 1] / error[:, 0]) > 0.8
