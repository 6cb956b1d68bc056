"""The definition of the discrete dynamics on any layers, weights and inputs, in plain torch.

As in `physbatch.dynamics.bitsliced.definition` every proposal runs the whole network forward on the
batch. Numbers are integers held in float64, so that matrix products are exact on any device.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from physbatch.dynamics.discrete.rules import NORMAL_UNIT, DiscreteRun, DiscreteTrajectory
from physbatch.dynamics.draws import CellStreams
from physbatch.streams.keys import KIND_ACCEPT, KIND_LABEL, KIND_PROPOSAL
from physbatch.streams.tensor import bounded
from physbatch.systems.architecture import Architecture
from physbatch.systems.discrete import DiscreteSystem
from physbatch.systems.order_parameters_discrete import right_paths
from physbatch.systems.wiring import layer_matrices


def sign_outputs(matrices: Sequence[Tensor], inputs: Tensor) -> Tensor:
    """Outputs sigma = sign(W sigma_below), layer by layer; the sign of a zero field is 0.

    Parameters
    ----------
    matrices : sequence of Tensor, shape (replica, units, sources)
        Weights of each layer.
    inputs : Tensor, shape (replica, sample, N)

    Returns
    -------
    Tensor, shape (replica, sample, output)
        -1, 0 or +1.
    """
    values = inputs
    for matrix in matrices:
        values = torch.sign(values @ matrix.transpose(1, 2))
    return values


@dataclass(frozen=True)
class _Batch:
    """Samples and targets, shape (replica, sample, ...), and how many count in each replica."""

    inputs: Tensor
    targets: Tensor
    counts: Tensor


class DiscreteData:
    """Batches and test samples of some replicas.

    Attributes
    ----------
    patterns, labels : Tensor, shape (replica, P, N) and (replica, P, output)
        The pattern set and its targets, noise on labels included, if the run has one.
    """

    def __init__(self, system: DiscreteSystem, run: DiscreteRun, device: torch.device) -> None:
        self.run = run
        self.device = device
        self.streams = CellStreams(
            run.first_replica, len(system.teacher), system.teacher_layers.size, device
        )
        self.teacher = _on_device(
            layer_matrices(system.teacher_layers, system.teacher_sources, system.teacher), device
        )
        rule = run.inputs
        if rule.pattern_count:
            self.patterns = self.fresh_inputs(rule.key, 0, rule.pattern_count)
            self.labels = self.noisy(sign_outputs(self.teacher, self.patterns), rule.key, 0)

    def noisy(self, labels: Tensor, key: int, index: int) -> Tensor:
        """Labels, shape (replica, sample, output), of which some are flipped."""
        numbers = self.streams.numbers(key, KIND_LABEL, index, labels[0].numel())
        flipped = (numbers < self.run.inputs.label_threshold).reshape(labels.shape)
        return torch.where(flipped, -labels, labels)

    def fresh_inputs(self, key: int, index: int, samples: int) -> Tensor:
        if self.run.inputs.gaussian:
            numbers = self.streams.gaussian_inputs(key, index, samples)
            return torch.round(NORMAL_UNIT * numbers)
        return self.streams.binary_inputs(key, index, samples).double()

    def batch(self, sweep: int, index: int) -> _Batch:
        """Batch number `index`, of a sweep: fresh samples, or distinct patterns of the set."""
        run, rule = self.run, self.run.rule(sweep)
        largest = rule.largest
        counts = self.streams.batch_count(run.dynamics_key, rule, index)
        if run.inputs.pattern_count:
            chosen = self.chosen(index, largest)[:, :, None]
            inputs = self.patterns.gather(1, chosen.expand(-1, -1, self.patterns.shape[2]))
            targets = self.labels.gather(1, chosen.expand(-1, -1, self.labels.shape[2]))
        else:
            inputs = self.fresh_inputs(run.dynamics_key, index, largest)
            labels = sign_outputs(self.teacher, inputs)
            targets = self.noisy(labels, run.dynamics_key, index)
        return _Batch(inputs, targets, counts)

    def chosen(self, index: int, largest: int) -> Tensor:
        """Which patterns batch number `index` of at most so many holds, shape (replica, sample)."""
        key = self.run.dynamics_key
        patterns = self.run.inputs.pattern_count
        if not self.run.inputs.epochs:
            return self.streams.selection(key, index, largest, patterns)
        epoch, number = divmod(index, patterns // largest)
        order = self.streams.selection(key, epoch, patterns, patterns)
        return order[:, number * largest : (number + 1) * largest]

    def half_errors(self, matrices: Sequence[Tensor], batch: _Batch) -> Tensor:
        """``|sigma - target|`` summed over outputs and the samples that count, shape (replica,)."""
        by_sample = (sign_outputs(matrices, batch.inputs) - batch.targets).abs().sum(dim=2)
        sample = torch.arange(batch.inputs.shape[1], device=self.device)[None, :]
        return (by_sample * (sample < batch.counts[:, None])).sum(dim=1).long()

    def training_half_errors(self, matrices: Sequence[Tensor]) -> Tensor:
        """Half errors on the whole pattern set, shape (replica,); 0 without one."""
        if not self.run.inputs.pattern_count:
            return torch.zeros(len(self.streams.replica), dtype=torch.int64)
        wrong = (sign_outputs(matrices, self.patterns) - self.labels).abs()
        return wrong.sum(dim=(1, 2)).long()

    def test_half_errors(self, matrices: Sequence[Tensor], time: int) -> Tensor:
        """Half errors on fresh test samples, shape (replica,)."""
        run = self.run
        total = torch.zeros(len(self.streams.replica), dtype=torch.int64, device=self.device)
        for chunk, done in enumerate(range(0, run.test_samples, 64)):
            inputs = self.fresh_inputs(
                run.test_key, time | (chunk << 40), min(64, run.test_samples - done)
            )
            targets = sign_outputs(self.teacher, inputs)
            total += (sign_outputs(matrices, inputs) - targets).abs().sum(dim=(1, 2)).long()
        return total


def _on_device(matrices: Sequence[np.ndarray], device: torch.device) -> list[Tensor]:
    return [torch.from_numpy(matrix).to(device, torch.float64) for matrix in matrices]


class _Student:
    """Weights of the students on their edges, and as matrices."""

    def __init__(self, system: DiscreteSystem, device: torch.device) -> None:
        self.layers: Architecture = system.student_layers
        self.weights = torch.from_numpy(system.student).to(device, torch.float64)
        self.sources = torch.from_numpy(system.student_sources).to(device, torch.int64)
        self.ternary = system.ternary

    def matrices(self, weights: Tensor) -> list[Tensor]:
        """The weights of each layer, shape (replica, units, sources)."""
        made = []
        for number, layer in enumerate(self.layers.layers):
            start, stop = self.layers.edge_offsets[number : number + 2]
            matrix = weights.new_zeros(len(weights), layer.units, layer.sources)
            shape = (-1, layer.units, layer.fan_in)
            index = self.sources[:, start:stop].reshape(shape)
            made.append(matrix.scatter(2, index, weights[:, start:stop].reshape(shape)))
        return made

    def choices(self, streams: CellStreams, run: DiscreteRun, sweep: int) -> tuple[Tensor, Tensor]:
        """The weights that a sweep tries, and which of two other values, shape (replica, try)."""
        key, learnable = run.dynamics_key, self.layers.learnable
        numbers = streams.numbers(key, KIND_PROPOSAL, sweep, learnable)
        if run.order == "random" and self.ternary:
            choice = bounded(numbers, 2 * learnable)
            return choice // 2, choice % 2
        return streams.positions(key, run.order, sweep, learnable), bounded(numbers, 2)

    def proposal(self, edge: Tensor, side: Tensor) -> Tensor:
        """Change one learnable weight to another value, shape (replica, 1) each."""
        weight = self.weights.gather(1, edge)
        if not self.ternary:
            return self.weights.scatter(1, edge, -weight)
        return self.weights.scatter(1, edge, torch.remainder(weight + 2 + side, 3) - 1)


def run_general_definition(
    system: DiscreteSystem, run: DiscreteRun, device: str = "cpu"
) -> DiscreteTrajectory:
    """Simulate the replicas of one cell; arguments and result as for `run_discrete`.

    The energy E of a student on a batch is the number of wrong output bits, an output 0 being
    half an error. One weight at a time, by default a uniformly random one, is changed to another
    of its values;
    the change stays if dE < 0, or else with the probability of the acceptance table. Time
    counts sweeps of as many proposals as learnable weights.
    """
    torch_device = torch.device(device)
    data = DiscreteData(system, run, torch_device)
    student = _Student(system, torch_device)
    acceptance = torch.from_numpy(run.acceptance.astype(np.int64)).to(torch_device)
    layers = system.student_layers
    replicas, learnable = len(system.student), layers.learnable
    out = DiscreteTrajectory.empty(replicas, len(run.times), layers.edges)
    columns = {int(time): column for column, time in enumerate(run.times)}
    batch = data.batch(0, 0)
    energy = data.half_errors(student.matrices(student.weights), batch)

    for sweep in range(run.duration + 1):
        weights = student.weights.cpu().numpy().astype(np.int8)
        for row in np.flatnonzero(out.first_passage < 0):
            if right_paths(system, int(row), weights[row]):
                out.first_passage[row] = sweep
        if sweep in columns:
            column = columns[sweep]
            tested = data.test_half_errors(student.matrices(student.weights), sweep)
            trained = data.training_half_errors(student.matrices(student.weights))
            out.students[:, column] = weights
            out.batch_half_errors[:, column] = energy.cpu().numpy()
            out.batch_bits[:, column] = (batch.counts * layers.outputs).cpu().numpy()
            out.test_half_errors[:, column] = tested.cpu().numpy()
            out.training_half_errors[:, column] = trained.cpu().numpy()
        if sweep == run.duration:
            break

        edges, sides = student.choices(data.streams, run, sweep)
        chances = data.streams.numbers(run.dynamics_key, KIND_ACCEPT, sweep, learnable)
        for number in range(learnable):
            if number == 0 or run.refresh_each_proposal:
                index = sweep * learnable + number if run.refresh_each_proposal else sweep
                batch = data.batch(sweep, index)
                energy = data.half_errors(student.matrices(student.weights), batch)
            now = slice(number, number + 1)
            trial = student.proposal(edges[:, now], sides[:, now])
            trial_energy = data.half_errors(student.matrices(trial), batch)
            change = trial_energy - energy
            threshold = acceptance[change.clamp(0, len(acceptance) - 1)]
            accepted = (change < 0) | (chances[:, number] < threshold)
            student.weights = torch.where(accepted[:, None], trial, student.weights)
            energy = torch.where(accepted, trial_energy, energy)
    return out
