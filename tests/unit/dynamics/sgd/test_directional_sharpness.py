"""Curvature along the gradient of mini-batches: closed forms of a quadratic loss.

One layer with the mean-square loss is a quadratic function of its weights, and the second
derivative on a batch is (1/m) sum x x' (x with a 1 for the bias), once for each class.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from physbatch.dynamics.sgd.classifier import ClassifierRun, run_classifier
from physbatch.streams.keys import KIND_SELECT, stream_keys
from physbatch.streams.tensor import stream_numbers
from physbatch.systems.classifiers import Dense, initial_parameters
from physbatch.systems.samples import Samples
from physbatch.typing import FloatArray

KEYS = stream_keys(dict.fromkeys(("wiring", "teacher", "start", "dynamics"), 3), "sharpness")
SIZE, CLASSES, PATTERNS, COUNT = 5, 3, 8, 30
NETWORK = Dense((SIZE, CLASSES), "tanh")


def made_up_samples() -> Samples:
    rng = np.random.default_rng(8)
    return Samples(rng.normal(size=(COUNT, SIZE)), rng.integers(CLASSES, size=COUNT), CLASSES, "")


def run(
    m: int, batches: int, *, rate: float = 0.01, updates: int = 0, replicas: int = 3
) -> ClassifierRun:
    return ClassifierRun(
        learning_rate=rate,
        momentum=0.0,
        batch_size=m,
        replacement=False,
        loss="mean-square",
        training=PATTERNS,
        test=10,
        label_noise=0.0,
        updates=np.array([0, updates], dtype=np.int64),
        keys=KEYS,
        replicas=np.arange(replicas),
        precision="float64",
        sharpness=True,
        sharpness_batches=batches,
    )


def quadratic(replica: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Inputs with a 1, weights at the start and targets of one replica."""
    samples = made_up_samples()
    number = torch.tensor([replica])
    words = stream_numbers(KEYS.patterns, KIND_SELECT, 0, number, COUNT)[0].numpy()
    chosen = np.argsort(words, kind="stable")[:PATTERNS]
    inputs = np.hstack([samples.inputs[chosen], np.ones((PATTERNS, 1))])
    weight, bias = initial_parameters(NETWORK, "tanh", KEYS.start, number)
    start = np.hstack([weight[0].numpy(), bias[0].numpy()[:, None]])
    return inputs, start, np.eye(CLASSES)[samples.labels[chosen]]


def held_out_samples() -> tuple[FloatArray, FloatArray]:
    """Test inputs of replica 0 with a 1, and their targets."""
    samples = made_up_samples()
    words = stream_numbers(KEYS.patterns, KIND_SELECT, 0, torch.tensor([0]), COUNT)[0].numpy()
    chosen = np.argsort(words, kind="stable")[-10:]
    inputs = np.hstack([samples.inputs[chosen], np.ones((10, 1))])
    return inputs, np.eye(CLASSES)[samples.labels[chosen]]


def curvatures(replica: int, m: int) -> tuple[FloatArray, FloatArray]:
    """g'Hg and g'g of every batch of m samples."""
    inputs, weights, targets = quadratic(replica)
    products, squares = [], []
    for batch in itertools.combinations(range(PATTERNS), m):
        x, y = inputs[list(batch)], targets[list(batch)]
        hessian = x.T @ x / m
        gradient = (x @ weights.T - y).T @ x / m
        products.append(float(np.sum(gradient @ hessian * gradient)))
        squares.append(float(np.sum(gradient**2)))
    return np.array(products), np.array(squares)


@pytest.mark.parametrize("m", [1, 3, PATTERNS])
def test_all_batches_of_a_quadratic_loss_give_the_closed_form(m: int) -> None:
    """Up to 56 batches, each once, to 1e-12."""
    measured = run_classifier(NETWORK, "tanh", made_up_samples(), run(m, 56)).measured
    for replica in range(3):
        products, squares = curvatures(replica, m)
        assert measured["directional_sharpness"][replica, 0] == pytest.approx(
            np.mean(products / squares), rel=1e-12
        )
        assert measured["directional_sharpness_ratio"][replica, 0] == pytest.approx(
            products.mean() / squares.mean(), rel=1e-12
        )


def test_drawn_batches_give_the_mean_of_all_without_bias() -> None:
    """300 replicas with 8 of 56 batches each: below 4 standard errors, which are 1 %."""
    out = run_classifier(NETWORK, "tanh", made_up_samples(), run(3, 8, replicas=300))
    exact = np.array([np.mean(np.divide(*curvatures(replica, 3))) for replica in range(300)])
    differences = out.measured["directional_sharpness"][:, 0] - exact
    stderr = differences.std(ddof=1) / np.sqrt(300)
    assert stderr < 0.01 * exact.mean()
    assert abs(differences.mean()) < 4 * stderr


@pytest.mark.parametrize(("share", "grows"), [(0.99, False), (1.01, True)])
def test_full_batch_descent_diverges_beyond_2_over_the_largest_eigenvalue(
    share: float, grows: bool
) -> None:
    """The distance along eigenvector k is (1 - eta lambda_k)^t of the first; loss to 1e-9."""
    inputs, start, targets = quadratic(0)
    values, vectors = np.linalg.eigh(inputs.T @ inputs / PATTERNS)
    rate, updates = 2 * share / values[-1], 500
    settings = run(PATTERNS, 1, rate=rate, updates=updates, replicas=1)
    out = run_classifier(NETWORK, "tanh", made_up_samples(), settings)
    assert out.measured["sharpness"][0] == pytest.approx(values[-1], rel=1e-6)
    best = np.linalg.lstsq(inputs, targets, rcond=None)[0].T
    factors = (1 - rate * values) ** updates
    reached = best + (start - best) @ vectors * factors @ vectors.T
    assert (abs(factors[-1]) > 1000) if grows else (abs(factors[-1]) < 1e-4)
    held_out, labels = held_out_samples()
    loss = np.mean(np.sum((held_out @ reached.T - labels) ** 2, axis=1)) / 2
    assert out.measured["test_loss"][0, 1] == pytest.approx(loss, rel=1e-9)
    # Beyond the edge the gradient lies along the top eigenvector.
    if grows:
        assert out.measured["directional_sharpness"][0, 1] == pytest.approx(values[-1], rel=1e-5)
