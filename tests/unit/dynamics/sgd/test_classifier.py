"""Classifiers: the batched training against a plain one, and what is recorded."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from physbatch.dynamics.sgd.classifier import ClassifierRun, run_classifier
from physbatch.dynamics.sgd.curvature import largest_curvature
from physbatch.streams.keys import KIND_SELECT, stream_keys
from physbatch.streams.tensor import stream_numbers
from physbatch.systems.classifiers import (
    Convolutional,
    Dense,
    initial_parameters,
)
from physbatch.systems.samples import Samples

KEYS = stream_keys({"wiring": 1, "teacher": 1, "start": 1, "dynamics": 1}, "test")


def made_up_samples(count: int = 90, size: int = 16) -> Samples:
    rng = np.random.default_rng(4)
    labels = rng.integers(3, size=count)
    centres = rng.normal(size=(3, size))
    inputs = centres[labels] + 0.8 * rng.normal(size=(count, size))
    return Samples(inputs, labels.astype(np.int64), 3, "made up")


def run(**changes: Any) -> ClassifierRun:
    standard = ClassifierRun(
        learning_rate=0.1,
        momentum=0.0,
        batch_size=5,
        replacement=False,
        loss="logistic",
        training=40,
        test=30,
        label_noise=0.0,
        updates=np.array([0, 3, 20], dtype=np.int64),
        keys=KEYS,
        replicas=np.arange(2, 5),
        precision="float64",
    )
    return dataclasses.replace(standard, **changes)


class Plain(nn.Module):
    """The same networks as a torch user writes them."""

    def __init__(self, network: Dense | Convolutional, weights: list[torch.Tensor]) -> None:
        super().__init__()
        self.network = network
        self.weights = nn.ParameterList([nn.Parameter(values.clone()) for values in weights])

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        act = {"relu": torch.relu, "tanh": torch.tanh}[self.network.activation]
        w = self.weights
        if isinstance(self.network, Dense):
            values = inputs
            for number in range(0, len(w), 2):
                values = nn.functional.linear(values, w[number], w[number + 1])
                values = act(values) if number < len(w) - 2 else values
            return values
        values = inputs.reshape(-1, 1, self.network.side, self.network.side)
        for layer in range(2):
            values = nn.functional.conv2d(values, w[2 * layer], padding=1)
            if self.network.batch_normalisation:
                values = nn.functional.batch_norm(values, None, None, training=True)
            values = values + w[2 * layer + 1].reshape(1, -1, 1, 1)
            values = nn.functional.avg_pool2d(act(values), 2)
        return nn.functional.linear(values.flatten(1), w[4], w[5])


NETWORKS: list[Dense | Convolutional] = [
    Dense((16, 7, 3), "relu"),
    Dense((16, 6, 5, 3), "tanh"),
    Convolutional(4, 2, 3, "relu", False),
    Convolutional(4, 2, 3, "tanh", True),
]


@pytest.mark.parametrize("network", NETWORKS, ids=str)
@pytest.mark.parametrize(
    ("momentum", "replacement", "loss"),
    [(0.0, False, "logistic"), (0.9, True, "logistic"), (0.0, True, "mean-square")],
)
def test_batched_training_is_that_of_single_replicas(
    network: Dense | Convolutional, momentum: float, replacement: bool, loss: str
) -> None:
    samples = made_up_samples()
    settings = run(momentum=momentum, replacement=replacement, loss=loss, learning_rate=0.03)
    out = run_classifier(network, network.activation, samples, settings)
    for row in range(3):
        replica = torch.from_numpy(settings.replicas[row : row + 1])
        weights = initial_parameters(network, network.activation, KEYS.start, replica)
        model = Plain(network, [values[0] for values in weights])
        optimiser = torch.optim.SGD(model.parameters(), lr=0.03, momentum=momentum)
        order = np.argsort(
            stream_numbers(KEYS.patterns, KIND_SELECT, 0, replica, 90)[0].numpy(), kind="stable"
        )
        chosen, held_out = order[:40], order[60:]
        for update in range(20):
            rows = chosen[_batch(settings, replica, update)]
            inputs = torch.from_numpy(samples.inputs[rows])
            labels = torch.from_numpy(samples.labels[rows])
            optimiser.zero_grad()
            scores = model(inputs)
            if loss == "logistic":
                value = nn.functional.cross_entropy(scores, labels)
            else:
                targets = nn.functional.one_hot(labels, 3).double()
                value = 0.5 * ((scores - targets) ** 2).sum(dim=1).mean()
            value.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        if isinstance(network, Convolutional) and network.batch_normalisation:
            continue  # a test with the statistics of the training set has no plain twin
        with torch.no_grad():
            guess = model(torch.from_numpy(samples.inputs[held_out])).argmax(dim=1).numpy()
            memory = model(torch.from_numpy(samples.inputs[chosen])).argmax(dim=1).numpy()
        assert out.measured["generalization_error"][row, -1] == pytest.approx(
            np.mean(guess != samples.labels[held_out])
        )
        wrong = np.mean(memory != samples.labels[chosen])
        assert out.measured["training_error"][row, -1] == pytest.approx(wrong)


def _batch(settings: ClassifierRun, replica: torch.Tensor, update: int) -> npt.NDArray[np.int64]:
    """Rows of the training set in one batch, drawn once more by hand."""
    key = KEYS.dynamics
    if settings.replacement:
        words = stream_numbers(key, KIND_SELECT, update, replica, 5)[0].numpy()
        return (words * 40) >> 32
    epoch, batch = divmod(update, 8)
    words = stream_numbers(key, KIND_SELECT, epoch, replica, 40)[0].numpy()
    return np.argsort(words, kind="stable")[5 * batch : 5 * batch + 5]


def test_an_epoch_sees_every_sample_once() -> None:
    settings = run()
    replica = torch.from_numpy(settings.replicas[:1])
    seen = np.concatenate([_batch(settings, replica, update) for update in range(8)])
    assert sorted(seen) == list(range(40))


def test_replicas_do_not_depend_on_their_company() -> None:
    network = NETWORKS[0]
    samples = made_up_samples()
    together = run_classifier(network, "relu", samples, run())
    alone = run_classifier(network, "relu", samples, run(replicas=np.array([3])))
    np.testing.assert_allclose(
        together.measured["test_loss"][1], alone.measured["test_loss"][0], rtol=1e-12
    )


def test_divergence_is_recorded() -> None:
    network = Dense((16, 7, 3), "relu")
    samples = made_up_samples()
    wild = dataclasses.replace(samples, inputs=1e3 * samples.inputs)
    calm = run(loss="mean-square", learning_rate=0.01)
    out = run_classifier(network, "relu", wild, run(loss="mean-square"))
    assert (out.diverged_at > 0).all()
    assert (out.diverged_at <= 20).all()
    assert np.isnan(out.measured["generalization_error"][:, -1]).all()
    assert np.isfinite(out.measured["generalization_error"][:, 0]).all()
    good = run_classifier(network, "relu", samples, calm)
    assert (good.diverged_at == -1).all()


def test_label_noise_flips_to_other_classes() -> None:
    network = Dense((16, 3), "relu")
    samples = made_up_samples()
    none = run_classifier(network, "relu", samples, run(updates=np.array([0])))
    all_wrong = run_classifier(
        network, "relu", samples, run(updates=np.array([0]), label_noise=1.0)
    )
    # What was right before is wrong with every label replaced by another class.
    assert np.all(
        all_wrong.measured["training_error"] >= 1 - none.measured["training_error"] - 1e-12
    )
    np.testing.assert_array_equal(
        all_wrong.measured["generalization_error"], none.measured["generalization_error"]
    )


def test_largest_curvature_of_a_network() -> None:
    """Against the full Hessian of a plain network, 1e-6."""
    network = Dense((4, 3, 2), "tanh")
    rng = np.random.default_rng(1)
    inputs = torch.from_numpy(rng.normal(size=(2, 12, 4)))
    labels = torch.from_numpy(rng.integers(2, size=(2, 12)))
    weights = initial_parameters(network, "tanh", 7, torch.arange(2))

    def loss(parameters: Any) -> torch.Tensor:
        scores, _ = network.forward(parameters, inputs)
        values = nn.functional.cross_entropy(
            scores.flatten(0, 1), labels.flatten(), reduction="none"
        )
        return values.reshape(2, 12).mean(dim=1)

    curvature = largest_curvature(loss, weights, iterations=23)
    for replica in range(2):
        flat = torch.cat([values[replica].flatten() for values in weights]).requires_grad_()

        def single(vector: torch.Tensor, replica: int = replica) -> torch.Tensor:
            replaced, begin = copy.copy(weights), 0
            for number, values in enumerate(weights):
                count = values[replica].numel()
                piece = vector[begin : begin + count].reshape(values[replica].shape)
                replaced[number] = values.index_copy(0, torch.tensor([replica]), piece[None])
                begin += count
            return loss(replaced)[replica]

        hessian = torch.autograd.functional.hessian(single, flat)  # type: ignore[no-untyped-call]
        exact = torch.linalg.eigvalsh(hessian)[-1]
        assert float(curvature[replica]) == pytest.approx(float(exact), rel=1e-6)
