"""SGD of classifiers on a finite set of real samples, all replicas of a cell at once."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from physbatch.dynamics.draws import selection
from physbatch.dynamics.sgd.curvature import directional_curvatures, largest_curvature
from physbatch.streams.keys import (
    KIND_LABEL,
    KIND_SELECT,
    StreamKeys,
)
from physbatch.streams.tensor import bounded, stream_numbers
from physbatch.systems.classifiers import (
    Activation,
    Classifier,
    Statistics,
    initial_parameters,
)
from physbatch.systems.samples import Samples
from physbatch.typing import FloatArray, IntArray

State = dict[str, npt.NDArray[np.generic]]
#: Cuts the updates from one number to another into pieces; it is told how to have the state.
Pieces = Callable[[int, int, Callable[[], State]], Iterable[int]]


def _ignore(state: State) -> None:
    """Nobody wants to know the last state."""


def in_one_go(first: int, last: int, state: Callable[[], State]) -> Iterable[int]:
    """One piece, the whole way."""
    return (last,)


@dataclass(frozen=True)
class ClassifierRun:
    """Everything besides the network and the samples.

    Attributes
    ----------
    learning_rate, momentum : float
        eta and beta of u <- beta u - eta grad, w <- w + u, with the mean loss of the batch.
    batch_size : int
        m.
    replacement : bool
        Batches are drawn with replacement; if not, epoch by epoch from a permutation.
    subsets : bool
        Without replacement, but every batch is a random subset of its own.
    loss : {"logistic", "mean-square"}
        Cross entropy of the softmax, or half the squared distance to the unit vector.
    training, test : int
        P training samples and as many test samples as given, drawn for each replica.
    label_noise : float
        Chance that a training label is replaced by another class.
    updates : ndarray of int64
        Number of updates at each measuring time, sorted; several may be the same.
    keys : StreamKeys
        Streams.
    replicas : ndarray of int64
        Numbers of the replicas.
    precision : {"float32", "float64"}
        Of weights and inputs.
    sharpness : bool
        Whether to measure the largest curvature of the loss.
    sharpness_batches : int
        Number of batches over which the curvature along their own gradient is averaged; 0: none.
        All of them are taken where no more can be drawn without replacement.
    """

    learning_rate: float
    momentum: float
    batch_size: int
    replacement: bool
    loss: Literal["logistic", "mean-square"]
    training: int
    test: int
    label_noise: float
    updates: IntArray
    keys: StreamKeys
    replicas: IntArray
    precision: Literal["float32", "float64"]
    sharpness: bool = False
    subsets: bool = False
    sharpness_batches: int = 0


@dataclass(frozen=True)
class ClassifierTrajectory:
    """What was measured, by the schema's names.

    Attributes
    ----------
    measured : dict of ndarray, shape (replica, time)
        Errors as fractions, mean losses, curvatures; nan from the divergence on.
    diverged_at : ndarray of int64, shape (replica,)
        Number of updates; -1 if the replica did not diverge.
    """

    measured: dict[str, FloatArray]
    diverged_at: IntArray


def run_classifier(
    network: Classifier,
    activation: Activation,
    samples: Samples,
    run: ClassifierRun,
    device: str = "cpu",
    *,
    begun: State | None = None,
    pieces: Pieces = in_one_go,
    finish: Callable[[State], None] = _ignore,
) -> ClassifierTrajectory:
    """Train all replicas and measure them.

    A replica whose loss is no longer a number has diverged: it is recorded, and its weights
    are set to zero so that they cannot disturb the others.

    Parameters
    ----------
    network, activation, samples, run
        What to train, on what and how.
    device : str
        A torch device.
    begun : dict of ndarray, optional
        A state that `pieces` was offered: the run goes on from there with the same bits.
    pieces : callable
        Cuts the updates up to each measuring time into pieces.
    finish : callable
        It is told the state at the last measuring time, before anything is measured there.
    """
    training = _Training(network, activation, samples, run, torch.device(device))
    if begun is not None:
        training.restore(begun)
    with _one_thread():
        while training.column < len(run.updates):
            last = int(run.updates[training.column])
            for updates in pieces(training.updates, last, training.state):
                training.advance_to(updates)
            if training.column == len(run.updates) - 1:
                finish(training.state())
            training.measure()
    return ClassifierTrajectory(training.measured, diverged_at=training.diverged_at.cpu().numpy())


@contextmanager
def _one_thread() -> Iterator[None]:
    """On a busy machine torch's threads wait for each other longer than they work.

    Sums are then also taken in one order, so the bits do not depend on the number of cores.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Training:
    """The replicas and what was measured; `column` is the next measuring time."""

    def __init__(
        self,
        network: Classifier,
        activation: Activation,
        samples: Samples,
        run: ClassifierRun,
        device: torch.device,
    ) -> None:
        self.network, self.run, self.device = network, run, device
        self.precision = {"float32": torch.float32, "float64": torch.float64}[run.precision]
        self.replicas = torch.from_numpy(run.replicas).to(device)
        self.classes = samples.classes
        self._draw_sets(samples)
        start = initial_parameters(network, activation, run.keys.start, self.replicas)
        self.parameters = [values.to(device, self.precision).requires_grad_() for values in start]
        self.velocity = [torch.zeros_like(values) for values in self.parameters]
        self.updates = 0
        self.column = 0
        self.measured: dict[str, FloatArray] = {}
        self.diverged_at = torch.full_like(self.replicas, -1)
        self.order = torch.empty(0)
        self.epoch = -1

    def _draw_sets(self, samples: Samples) -> None:
        """Training and test samples of each replica: the two ends of one permutation."""
        run = self.run
        words = stream_numbers(run.keys.patterns, KIND_SELECT, 0, self.replicas, len(samples))
        order = torch.argsort(words, dim=1, stable=True).cpu()
        inputs = torch.from_numpy(samples.inputs).to(self.precision)
        labels = torch.from_numpy(samples.labels)
        chosen, held_out = order[:, : run.training], order[:, len(samples) - run.test :]
        self.inputs, self.labels = inputs[chosen].to(self.device), labels[chosen].to(self.device)
        self.test_inputs = inputs[held_out].to(self.device)
        self.test_labels = labels[held_out].to(self.device)
        if run.label_noise > 0:
            draws = stream_numbers(
                run.keys.patterns, KIND_LABEL, 0, self.replicas, 2 * run.training
            ).reshape(len(self.replicas), run.training, 2)
            flipped = draws[:, :, 0] < round(run.label_noise * 2**32)
            other = self.labels + 1 + bounded(draws[:, :, 1], self.classes - 1)
            self.labels = torch.where(flipped, other % self.classes, self.labels)

    def state(self) -> State:
        """What a training of the same run needs to go on from here."""
        tensors = {"diverged_at": self.diverged_at, **self._tensors()}
        return {
            "updates": np.array(self.updates),
            "column": np.array(self.column),
            **{name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()},
            **{f"measured.{name}": values for name, values in self.measured.items()},
        }

    def restore(self, state: State) -> None:
        """Go on from a `state`, with the same bits."""
        self.updates, self.column = int(state["updates"]), int(state["column"])
        with torch.no_grad():
            for name, tensor in {"diverged_at": self.diverged_at, **self._tensors()}.items():
                tensor.copy_(torch.from_numpy(state[name]))
        self.measured = {
            name.removeprefix("measured."): values.astype(np.float64)
            for name, values in state.items()
            if name.startswith("measured.")
        }

    def _tensors(self) -> dict[str, Tensor]:
        """Weights and velocities by name."""
        pairs = (("weight", self.parameters), ("velocity", self.velocity))
        return {
            f"{name}.{number}": tensor
            for name, tensors in pairs
            for number, tensor in enumerate(tensors)
        }

    def advance_to(self, updates: int) -> None:
        """Make updates until there have been so many."""
        while self.updates < updates:
            rows = self._batch(self.updates)
            self._step(*self._select(rows))
            self.updates += 1

    def _select(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        index = rows[:, :, None].expand(-1, -1, self.inputs.shape[2])
        return self.inputs.gather(1, index), self.labels.gather(1, rows)

    def _batch(self, update: int) -> Tensor:
        """Rows of the training set in a batch, shape (replica, m)."""
        run, key = self.run, self.run.keys.dynamics
        size = run.batch_size
        if run.replacement:
            words = stream_numbers(key, KIND_SELECT, update, self.replicas, size)
            return bounded(words, run.training)
        if run.subsets:
            words = stream_numbers(key, KIND_SELECT, update, self.replicas, size)
            return selection(words, run.training)
        # An epoch has floor(P / m) batches; what is left over waits for the next permutation.
        per_epoch = run.training // size
        epoch, batch = divmod(update, per_epoch)
        if epoch != self.epoch:
            words = stream_numbers(key, KIND_SELECT, epoch, self.replicas, run.training)
            self.order, self.epoch = torch.argsort(words, dim=1, stable=True), epoch
        return self.order[:, batch * size : (batch + 1) * size]

    def _step(self, inputs: Tensor, labels: Tensor) -> None:
        run = self.run
        scores, _ = self.network.forward(self.parameters, inputs)
        loss = self._loss(scores, labels)
        gradients = torch.autograd.grad(loss.sum(), self.parameters)
        with torch.no_grad():
            for weight, velocity, gradient in zip(
                self.parameters, self.velocity, gradients, strict=True
            ):
                velocity.mul_(run.momentum).add_(gradient, alpha=-run.learning_rate)
                weight.add_(velocity)
            lost = ~torch.isfinite(loss.detach())
            for weight in self.parameters:
                lost |= ~torch.isfinite(weight).flatten(1).all(dim=1)
            if lost.any():
                self.diverged_at[lost & (self.diverged_at < 0)] = self.updates + 1
                for tensor in (*self.parameters, *self.velocity):
                    tensor[self.diverged_at >= 0] = 0.0

    def _loss(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Mean loss of each replica, shape (replica,)."""
        if self.run.loss == "logistic":
            by_sample = functional.cross_entropy(
                scores.flatten(0, 1), labels.flatten(), reduction="none"
            ).reshape(labels.shape)
        else:
            targets = functional.one_hot(labels, self.classes).to(scores.dtype)
            by_sample = 0.5 * ((scores - targets) ** 2).sum(dim=2)
        return by_sample.mean(dim=1)

    def measure(self) -> None:
        """Record errors and losses now; nan for replicas that have diverged."""
        shape = (len(self.run.replicas), len(self.run.updates))
        gone = self.diverged_at >= 0
        for name, values in self._observables().items():
            numbers = torch.where(gone, torch.nan, values.double()).cpu().numpy()
            self.measured.setdefault(name, np.full(shape, np.nan))[:, self.column] = numbers
        self.column += 1

    @torch.no_grad()
    def _observables(self) -> dict[str, Tensor]:
        """Errors and losses now, shape (replica,)."""
        statistics: Statistics
        scores, statistics = self.network.forward(self.parameters, self.inputs)
        test_scores, _ = self.network.forward(self.parameters, self.test_inputs, statistics)
        batch = self._select(self._batch(self.updates))
        batch_scores, _ = self.network.forward(self.parameters, batch[0])
        measured = {
            "training_error": _wrong(scores, self.labels),
            "generalization_error": _wrong(test_scores, self.test_labels),
            "test_loss": self._loss(test_scores, self.test_labels),
            "batch_error": _wrong(batch_scores, batch[1]),
        }
        if self.run.sharpness:
            measured["sharpness"] = self._curvature(self.inputs, self.labels)
            measured["batch_sharpness"] = self._curvature(*batch)
        if self.run.sharpness_batches:
            measured.update(self._directional_sharpness())
        return measured

    def _directional_sharpness(self) -> dict[str, Tensor]:
        """Curvature along the gradient of a batch, by mean and as a ratio of means."""
        losses = (self._loss_on(*self._select(rows)) for rows in self._measured_batches())
        return directional_curvatures(losses, self.parameters)

    def _measured_batches(self) -> Iterator[Tensor]:
        """Batches for a mean at this time, drawn as those of the updates, shape (replica, m)."""
        run, most = self.run, self.run.sharpness_batches
        if not run.replacement and math.comb(run.training, run.batch_size) <= most:
            for rows in itertools.combinations(range(run.training), run.batch_size):
                yield torch.tensor(rows, device=self.device).expand(len(self.replicas), -1)
            return
        count = run.batch_size if run.replacement else run.training
        for number in range(most):
            index = self.updates * most + number
            words = stream_numbers(run.keys.test, KIND_SELECT, index, self.replicas, count)
            if run.replacement:
                yield bounded(words, run.training)
            else:
                yield torch.argsort(words, dim=1, stable=True)[:, : run.batch_size]

    def _loss_on(self, inputs: Tensor, labels: Tensor) -> Callable[[Sequence[Tensor]], Tensor]:
        """The mean loss of each replica as a function of the parameters."""
        return lambda parameters: self._loss(self.network.forward(parameters, inputs)[0], labels)

    def _curvature(self, inputs: Tensor, labels: Tensor) -> Tensor:
        return largest_curvature(self._loss_on(inputs, labels), self.parameters)


def _wrong(scores: Tensor, labels: Tensor) -> Tensor:
    """Fraction of samples put into the wrong class, shape (replica,)."""
    return (scores.argmax(dim=2) != labels).double().mean(dim=1)
