"""Batch noise against exact answers: evidence, gradient covariance, stationary SGD."""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt
import pytest
from scipy import integrate

from physbatch.exact import finite_linear_sgd
from physbatch.noise import (
    batch_factor,
    gaussian_evidence,
    gradient_noise,
    logistic_evidence,
    regression_evidence,
    update_variance,
)
from physbatch.systems import Samples, load_samples

FloatArray = npt.NDArray[np.float64]


@pytest.mark.parametrize(("count", "size"), [(3, 7), (30, 7), (200, 50)])
@pytest.mark.parametrize("regularisation", [1e-3, 1.0, 50.0])
def test_regression_evidence_is_the_gaussian_marginal_likelihood(
    count: int, size: int, regularisation: float
) -> None:
    rng = np.random.default_rng([count, size])
    inputs, targets = rng.normal(size=(count, size)), rng.normal(size=count)
    found = regression_evidence(inputs, targets, regularisation=regularisation, noise_variance=0.3)
    exact = gaussian_evidence(inputs, targets, regularisation=regularisation, noise_variance=0.3)
    assert found.ln_evidence == pytest.approx(exact, rel=1e-10, abs=1e-8)
    assert found.constant == pytest.approx(-count / 2 * math.log(2 * math.pi * 0.3))


def test_logistic_evidence_approaches_the_integral() -> None:
    """One weight: Laplace's error is of order 1/P; quadrature is exact to 1e-9."""
    errors = []
    for count in (50, 500, 5000):
        rng = np.random.default_rng(count)
        inputs = rng.normal(size=(count, 1))
        chance = 1 / (1 + np.exp(-inputs[:, 0]))
        labels = (rng.random(count) < chance).astype(np.int64)
        samples = Samples(inputs, labels, 2, "test")
        found = logistic_evidence(samples, regularisation=2.0)

        def density(
            weight: float,
            fields: FloatArray = inputs[:, 0] * (2 * labels - 1),
            top: float = found.cost,
        ) -> float:
            cost = float(np.logaddexp(0, -weight * fields).sum() + weight**2)
            return math.exp(top - cost)

        centre, width = float(found.weights[0]), float(found.curvatures[0]) ** -0.5
        area, _ = integrate.quad(density, centre - 12 * width, centre + 12 * width, epsrel=1e-10)
        exact = math.log(area) - found.cost + 0.5 * math.log(2.0 / (2 * math.pi))
        errors.append(abs(found.ln_evidence - exact))
        assert found.flags == ()
    assert errors[0] < 0.02
    assert errors[2] < errors[0] / 20
    assert errors[2] < 2e-4


def test_softmax_with_two_classes_is_logistic_in_cost() -> None:
    """Scores (a, -a) of a softmax cost what a logistic unit with weight 2a costs."""
    rng = np.random.default_rng(5)
    inputs = rng.normal(size=(60, 3))
    labels = (inputs @ [1.0, -1.0, 0.5] + rng.logistic(size=60) > 0).astype(np.int64)
    two = logistic_evidence(Samples(inputs, labels, 2, "test"), regularisation=1.0)
    # A third class that never occurs and whose inputs never favour it changes the null model.
    three = logistic_evidence(Samples(inputs, labels, 3, "test"), regularisation=1.0)
    assert three.ln_null == pytest.approx(-60 * math.log(3))
    assert three.ln_evidence < two.ln_evidence
    assert len(three.curvatures) == 9


@pytest.mark.parametrize("count", [20, 60])
def test_only_true_labels_of_digits_have_evidence(count: int) -> None:
    pytest.importorskip("sklearn", reason="component missing: scikit-learn")
    digits = load_samples("digits").only([0, 1]).subset(count, seed=1).standardised()
    for regularisation in (0.01, 0.1, 1.0):
        true = logistic_evidence(digits, regularisation=regularisation)
        assert true.ln_ratio > 0.3 * count
        for seed in range(5):
            false = logistic_evidence(
                digits.with_random_labels(seed), regularisation=regularisation
            )
            assert false.ln_ratio < 0
            if regularisation == 0.01:
                assert false.training_error == 0  # memorised all the same
    assert true.training_error == 0


def test_batch_factor_by_enumeration() -> None:
    """Variance over all batches of a set of six, with and without replacement."""
    values = np.array([0.3, -1.2, 2.0, 0.1, 0.7, -0.4])
    spread = values.var(ddof=1)
    for size in range(1, 7):
        without = [values[list(rows)].mean() for rows in itertools.combinations(range(6), size)]
        expected = spread * batch_factor(size, 6, replacement=False)
        assert np.var(without) == pytest.approx(expected, rel=1e-12, abs=1e-15)
        if size <= 4:
            rows = itertools.product(range(6), repeat=size)
            drawn = [values[list(row)].mean() for row in rows]
            expected = spread * batch_factor(size, 6, replacement=True)
            assert np.var(drawn) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shape", [(12, 5), (5, 12), (60, 50)])
def test_gradient_noise_eigenvalues(
    shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last shape is held to be too large for the whole matrix, so Lanczos finds them."""
    monkeypatch.setattr("physbatch.noise.gradients.FULL_COVARIANCE", 40)
    gradients = np.random.default_rng(3).normal(size=shape) * np.linspace(1, 3, shape[1])
    noise = gradient_noise(gradients, largest=3)
    covariance = np.cov(gradients, rowvar=False)
    assert noise.trace == pytest.approx(np.trace(covariance), rel=1e-12)
    exact = np.linalg.eigvalsh(covariance)[::-1][:3]
    np.testing.assert_allclose(noise.eigenvalues, exact, rtol=1e-9)
    assert (noise.covariance is None) == (shape[1] > 40)


def digit_gradients() -> FloatArray:
    """Gradients of logistic regression at w = 0 on 200 digits 0 and 1."""
    pytest.importorskip("sklearn", reason="component missing: scikit-learn")
    digits = load_samples("digits").only([0, 1]).subset(200, seed=1).standardised()
    gradients: FloatArray = (0.5 - (digits.labels == 1))[:, None] * digits.inputs
    return gradients


@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize("digits", [False, True])
def test_update_variance_is_proportional_to_the_batch_size(replacement: bool, digits: bool) -> None:
    """Log-log slope 1 within 3 standard errors, prefactor within 2 % of tr S."""
    gradients = (
        digit_gradients()
        if digits
        else np.random.default_rng(11).standard_t(5, size=(60, 8)).astype(np.float64)
    )
    found = update_variance(
        gradients,
        [1, 2, 4, 8, 16, 32, 48],
        base_learning_rate=0.05,
        replacement=replacement,
        draws=6000,
        seed=2,
    )
    assert abs(found.slope.value - 1) < 3 * found.slope.stderr
    assert found.slope.stderr < 0.01
    assert abs(found.prefactor.value - 1) < 0.02
    assert abs(found.prefactor.value - 1) < 4 * found.prefactor.stderr


def test_slope_without_the_finite_set_correction_is_not_one() -> None:
    gradients = np.random.default_rng(11).normal(size=(60, 8))
    found = update_variance(
        gradients, [1, 4, 16, 48], base_learning_rate=0.05, replacement=False, draws=4000
    )
    local = np.polyfit(np.log(found.batch_sizes), np.log(found.variance), 1)[0]
    assert local < 0.8


@pytest.mark.parametrize(
    ("learning_rate", "batch_size", "replacement", "momentum"),
    [(0.1, 1, True, 0.0), (0.5, 4, False, 0.0), (0.3, 2, True, 0.0), (0.1, 3, False, 0.8)],
)
def test_stationary_covariance_of_linear_sgd(
    learning_rate: float, batch_size: int, replacement: bool, momentum: float
) -> None:
    """Within 3 % of the exact discrete-time result, and within 4.5 standard errors."""
    rng = np.random.default_rng(17)
    inputs = rng.normal(size=(12, 2)) * [1.0, 0.6]
    targets = inputs @ [0.5, -1.0] + rng.normal(size=12)
    exact = finite_linear_sgd.stationary_covariance(
        inputs,
        targets,
        learning_rate=learning_rate,
        batch_size=batch_size,
        replacement=replacement,
        momentum=momentum,
    )
    measured, error = _simulated_covariance(
        inputs, targets, learning_rate, batch_size, replacement, momentum
    )
    np.testing.assert_allclose(np.diag(measured), np.diag(exact.covariance), rtol=0.03)
    assert np.all(np.abs(measured - exact.covariance) < 4.5 * error)
    assert np.all(np.diag(error) < 0.01 * np.diag(exact.covariance))
    # To first order in eta is not enough here: the test would notice.
    assert np.max(np.abs(exact.small_rate / exact.covariance - 1)) > 0.03


def _simulated_covariance(
    inputs: FloatArray,
    targets: FloatArray,
    learning_rate: float,
    batch_size: int,
    replacement: bool,
    momentum: float,
) -> tuple[FloatArray, FloatArray]:
    """E[e e'] over independent replicas, time-averaged after relaxation, with its error."""
    rng = np.random.default_rng(23)
    replicas, relaxation, steps = 4000, 150, 600
    best = np.linalg.lstsq(inputs, targets, rcond=None)[0]
    weights = np.tile(best, (replicas, 1))
    velocity = np.zeros_like(weights)
    total = np.zeros((replicas, 2, 2))
    for step in range(relaxation + steps):
        if replacement:
            rows = rng.integers(len(targets), size=(replicas, batch_size))
        else:
            order = rng.random((replicas, len(targets)))
            rows = np.argpartition(order, batch_size - 1, axis=1)[:, :batch_size]
        chosen = inputs[rows]
        residual = np.einsum("rmn,rn->rm", chosen, weights) - targets[rows]
        slope = np.einsum("rm,rmn->rn", residual, chosen) / batch_size
        velocity = momentum * velocity - learning_rate * slope
        weights = weights + velocity
        if step >= relaxation:
            excess = weights - best
            total += excess[:, :, None] * excess[:, None, :]
    by_replica = total / steps
    return by_replica.mean(axis=0), by_replica.std(axis=0, ddof=1) / math.sqrt(replicas)
