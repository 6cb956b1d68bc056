"""The definition of stochastic gradient descent: plain torch over [replica, ...] tensors.

Gradients come from torch itself. It runs on any device and is what the compiled kernel is
tested against.
"""

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from physbatch.dynamics.draws import permutation, selection
from physbatch.dynamics.sgd.margins import MARGIN_INDEX
from physbatch.dynamics.sgd.run import GradientRun
from physbatch.streams.keys import (
    KIND_BATCH,
    KIND_GAUSSIAN,
    KIND_INPUTS,
    KIND_LABEL,
    KIND_SELECT,
)
from physbatch.streams.tensor import bounded, normals, stream_numbers
from physbatch.systems.architecture import Architecture
from physbatch.systems.continuous import ContinuousSystem, Functions
from physbatch.typing import FloatArray, IntArray


def forward(
    architecture: Architecture,
    functions: Functions,
    sources: Tensor,
    weights: Tensor,
    inputs: Tensor,
) -> Tensor:
    """Outputs of networks, shape (replica, sample, output): y_i = g(scale sum_j w_ij y_j).

    `sources` (unused where all layers are full) and `weights` have shape (replica, edge), inputs
    (replica, sample, N).
    """
    values = inputs
    scales = functions.scales(architecture)
    for number, layer in enumerate(architecture.layers):
        edges = slice(*architecture.edge_offsets[number : number + 2])
        in_layer = weights[:, edges]
        if layer.wiring == "full":
            matrix = in_layer.reshape(-1, layer.units, layer.fan_in)
            fields = torch.bmm(values, matrix.transpose(1, 2))
        else:
            index = sources[:, None, edges].expand(-1, values.shape[1], -1)
            terms = values.gather(2, index) * in_layer[:, None, :]
            fields = terms.reshape(*terms.shape[:2], layer.units, layer.fan_in).sum(dim=3)
        fields = fields * float(scales[number])
        last = number == architecture.depth - 1
        values = (
            fields if last and not functions.activated_readout else _activate(fields, functions)
        )
    return values


def _activate(fields: Tensor, functions: Functions) -> Tensor:
    if functions.activation == "erf":
        return torch.erf(fields * math.sqrt(0.5))
    if functions.activation == "tanh":
        return torch.tanh(fields)
    if functions.activation == "relu":
        return torch.relu(fields)
    return fields


class TensorDescent:
    """Gradient descent of the replicas of one cell on a torch device.

    Same arguments, methods and numbers (up to rounding) as
    `physbatch.dynamics.sgd.run.CompiledDescent`.

    Parameters
    ----------
    system : ContinuousSystem
        Teachers and starting students.
    run : GradientRun
        The dynamics.
    device : str
        A torch device.
    """

    def __init__(self, system: ContinuousSystem, run: GradientRun, device: str = "cpu") -> None:
        self.system = system
        self.run = run
        self._device = torch.device(device)
        self._dtype = torch.float32 if run.precision == "float32" else torch.float64
        self._teacher = self._tensor(system.teacher)
        self._teacher_sources = torch.from_numpy(system.teacher_sources).to(self._device).long()
        self._sources = torch.from_numpy(system.student_sources).to(self._device).long()
        self._weights = self._tensor(system.student)
        replicas = len(system.student)
        first = run.first_replica
        self._replica = torch.arange(first, first + replicas, device=self._device)
        self._velocity = torch.zeros_like(self._weights)
        self._scales = self._tensor(run.input_scales)
        self._diverged_at = torch.full((replicas,), -1, device=self._device)
        self._stopped_at = torch.full((replicas,), -1, device=self._device)
        self._step = 0
        if run.patterns:
            inputs, targets = self._fresh(run.patterns_key, 0, run.patterns)
            self._patterns = (self._with_margins(inputs), targets)

    def _tensor(self, values: npt.NDArray[np.floating]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self._device, self._dtype)

    @property
    def step(self) -> int:
        """Number of steps done."""
        return self._step

    @property
    def diverged_at(self) -> IntArray:
        """See `CompiledDescent`."""
        return self._diverged_at.cpu().numpy()

    @property
    def stopped_at(self) -> IntArray:
        """See `CompiledDescent`."""
        return self._stopped_at.cpu().numpy()

    def give_up(self, replica: int) -> None:
        """Count a replica as diverged from now on."""
        self._diverged_at[replica] = self._step

    @property
    def patterns(self) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
        """Inputs (replica, P, N) and labels (replica, P, output) of the finite sets.

        Raises
        ------
        AttributeError
            If every batch is fresh.
        """
        inputs, targets = self._patterns
        return inputs.cpu().numpy(), targets.cpu().numpy()

    # --- samples ------------------------------------------------------------------------

    def _numbers(self, key: int, kind: int, index: int, count: int) -> Tensor:
        """The first `count` 32-bit numbers of an index, shape (replica, count)."""
        return stream_numbers(key, kind, index, self._replica, count)

    def _normals(self, key: int, kind: int, index: int, count: int) -> Tensor:
        return normals(self._numbers(key, kind, index, 2 * math.ceil(count / 2)))[:, :count]

    def _inputs(self, key: int, index: int, samples: int) -> Tensor:
        """Inputs of an index, shape (replica, sample, N)."""
        size = self.system.teacher_layers.size
        count = samples * size
        if self.run.inputs == "gaussian":
            flat = self._normals(key, KIND_GAUSSIAN, index, count)
        else:
            words = self._numbers(key, KIND_INPUTS, index, math.ceil(count / 32))
            bits = (words[:, :, None] >> torch.arange(32, device=self._device)) & 1
            flat = (1 - 2 * bits).flatten(1)[:, :count]
        inputs = flat.to(self._dtype).reshape(-1, samples, size)
        return inputs * self._scales if len(self._scales) else inputs

    def _taught(self, inputs: Tensor) -> Tensor:
        system = self.system
        return forward(
            system.teacher_layers,
            system.functions.of_teacher,
            self._teacher_sources,
            self._teacher,
            inputs,
        )

    def _found(self, weights: Tensor, inputs: Tensor) -> Tensor:
        system = self.system
        return forward(system.student_layers, system.functions, self._sources, weights, inputs)

    def _fresh(self, key: int, index: int, samples: int) -> tuple[Tensor, Tensor]:
        """Inputs and labels of an index."""
        inputs = self._inputs(key, index, samples)
        targets = self._taught(inputs)
        if self.run.label_noise > 0:
            noise = self._normals(key, KIND_LABEL, index, targets[0].numel()).to(self._dtype)
            targets = targets + math.sqrt(self.run.label_noise) * noise.reshape(targets.shape)
        if self.run.loss != "mean-square":
            targets = torch.where(targets >= 0, 1.0, -1.0).to(self._dtype)
        return inputs, targets

    def _with_margins(self, inputs: Tensor) -> Tensor:
        """Patterns with u = x.w*/|w*| of density ~ |u|^chi exp(-u^2/2) in place of a normal u."""
        chi, count = self.run.margin_exponent, self.run.patterns
        if chi == 0:
            return inputs
        further = self._normals(self.run.patterns_key, KIND_GAUSSIAN, MARGIN_INDEX, count * chi)
        square = (further.reshape(-1, count, chi) ** 2).sum(dim=2)
        teacher = self.system.teacher / np.linalg.norm(self.system.teacher, axis=1, keepdims=True)
        direction = torch.from_numpy(teacher).to(self._device)
        along = torch.einsum("rpi,ri->rp", inputs.double(), direction)
        moved = torch.copysign(torch.sqrt(along**2 + square), along) - along
        return inputs + (moved[:, :, None] * direction[:, None, :]).to(self._dtype)

    def _selected(self, step: int) -> Tensor:
        """Which patterns make up the batch of a step, shape (replica, sample)."""
        run, largest = self.run, self.run.largest
        if run.replacement:
            numbers = self._numbers(run.dynamics_key, KIND_SELECT, step, largest)
            return bounded(numbers, run.patterns)
        if run.subsets:
            numbers = self._numbers(run.dynamics_key, KIND_SELECT, step, largest)
            return selection(numbers, run.patterns)
        batches = run.patterns // largest
        numbers = self._numbers(run.dynamics_key, KIND_SELECT, step // batches, run.patterns)
        order = permutation(numbers)
        first = step % batches * largest
        return order[:, first : first + largest]

    def _batch(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs, labels and, as weights 0 or 1, which samples are in the batch of a step."""
        run, rule = self.run, self.run.rule(step)
        number = self._numbers(run.dynamics_key, KIND_BATCH, step, 1)[:, 0]
        counts = rule.floor + (number < rule.threshold).long()
        kept = torch.arange(run.largest, device=self._device)[None, :] < counts[:, None]
        if run.patterns:
            rows = torch.arange(len(counts), device=self._device)[:, None]
            chosen = self._selected(step)
            inputs, targets = (values[rows, chosen] for values in self._patterns)
        else:
            inputs, targets = self._fresh(run.dynamics_key, step, run.largest)
        return inputs, targets, kept.to(self._dtype)

    def _losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """l of every sample, summed over outputs, shape (replica, sample)."""
        if self.run.loss == "logistic":
            return torch.nn.functional.softplus(-targets * outputs).sum(dim=2)
        if self.run.loss == "hinge":
            return torch.relu(1 - targets * outputs).sum(dim=2)
        return ((outputs - targets) ** 2).sum(dim=2) / 2

    # --- what an engine does ------------------------------------------------------------

    def advance(self, stop: int) -> None:
        """Go on to `stop` steps."""
        run = self.run
        learnable = self.system.student_layers.learnable
        self._note_stopped()
        while self._step < stop:
            inputs, targets, kept = self._batch(self._step)
            weights = self._weights.detach().requires_grad_()
            losses = self._losses(self._found(weights, inputs), targets)
            mean = (losses * kept).sum() / run.mean_batch(self._step)
            (gradient,) = torch.autograd.grad(mean, weights)
            gradient += run.weight_decay * self._weights
            gradient[:, learnable:] = 0
            self._velocity = run.momentum * self._velocity + gradient
            moved = weights.detach() - run.rate(self._step) * self._velocity
            alive = (self._diverged_at < 0) & (self._stopped_at < 0)
            self._weights = torch.where(alive[:, None], moved, self._weights)
            self._step += 1
            square = (self._weights[:, :learnable] ** 2).sum(dim=1)
            lost = alive & ~torch.isfinite(square)
            self._diverged_at = torch.where(lost, self._step, self._diverged_at)
            self._note_stopped()

    def _note_stopped(self) -> None:
        """A replica ends where the loss of all its patterns is zero."""
        if not self.run.stop:
            return
        inputs, targets = self._patterns
        zero = self._losses(self._found(self._weights, inputs), targets).sum(dim=1) == 0
        ended = zero & (self._diverged_at < 0) & (self._stopped_at < 0)
        self._stopped_at = torch.where(ended, self._step, self._stopped_at)

    def state(self) -> dict[str, npt.NDArray[np.generic]]:
        """What a descent of the same system and run needs to go on from here."""
        state: dict[str, npt.NDArray[np.generic]] = {
            "step": np.array(self.step),
            "diverged_at": self.diverged_at,
            "weights": self._weights.cpu().numpy(),
            "velocity": self._velocity.cpu().numpy(),
        }
        if self.run.stop:
            state["stopped_at"] = self.stopped_at
        return state

    def restore(self, state: dict[str, npt.NDArray[np.generic]]) -> None:
        """Go on from a `state`, with the same bits."""
        self._step = int(state["step"])
        pairs = [
            (self._diverged_at, state["diverged_at"]),
            (self._weights, state["weights"]),
            (self._velocity, state["velocity"]),
        ]
        if self.run.stop:
            pairs.append((self._stopped_at, state["stopped_at"]))
        for tensor, values in pairs:
            tensor.copy_(torch.from_numpy(values))

    def students(self) -> FloatArray:
        """The weights now, shape (replica, edge)."""
        return self._weights.cpu().numpy().astype(np.float64)

    def batch_loss(self) -> FloatArray:
        """Mean loss per sample and output on the batch last drawn, shape (replica,)."""
        inputs, targets, kept = self._batch(max(self._step - 1, 0))
        losses = self._losses(self._found(self._weights, inputs), targets)
        mean = (losses * kept).sum(dim=1) / kept.sum(dim=1) / targets.shape[2]
        return mean.cpu().numpy().astype(np.float64)

    def test_error(self, students: npt.NDArray[np.floating], time: int, samples: int) -> FloatArray:
        """Error on fresh noiseless samples, shape (replica,); see `CompiledDescent`."""
        inputs = self._inputs(self.run.test_key, time, samples)
        targets, outputs = self._taught(inputs), self._found(self._tensor(students), inputs)
        if self.run.loss != "mean-square":
            errors = ((targets >= 0) != (outputs >= 0)).to(torch.float64)
        else:
            errors = (outputs - targets) ** 2 / 2
        return errors.mean(dim=(1, 2)).cpu().numpy().astype(np.float64)
