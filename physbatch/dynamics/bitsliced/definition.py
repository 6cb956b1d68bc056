"""The definition of the discrete dynamics: plain torch over [replica, ...] tensors.

Nothing here is clever. Every proposal runs the whole network forward on the batch, for all
replicas at once, on any device. Fast engines are tested equal to this one, bit for bit.
"""

import numpy as np
import torch
from torch import Tensor

from physbatch.dynamics.draws import CellStreams
from physbatch.dynamics.rules import CellRun, Trajectory
from physbatch.streams.keys import KIND_ACCEPT
from physbatch.systems.architecture import Architecture
from physbatch.systems.binary import BinarySystem


def forward(architecture: Architecture, sources: Tensor, weights: Tensor, inputs: Tensor) -> Tensor:
    """Outputs +-1 of sign networks: sigma_i = sign(sum_j w_ij sigma_j), layer by layer.

    `sources` and `weights` +-1 have shape (replica, edge), inputs +-1 (replica, sample, N), outputs
    (replica, sample, output).
    """
    values = inputs
    for number, layer in enumerate(architecture.layers):
        start, stop = architecture.edge_offsets[number : number + 2]
        index = sources[:, None, start:stop].expand(-1, values.shape[1], -1)
        terms = values.gather(2, index) * weights[:, None, start:stop]
        fields = terms.view(*terms.shape[:2], layer.units, layer.fan_in).sum(dim=3)
        values = torch.sign(fields)
    return values


def path_sums(architecture: Architecture, sources: Tensor, agreement: Tensor) -> Tensor:
    """Sum over outputs and paths of the product of w w* along the path, shape (replica,).

    `agreement` is w w* of every edge, shape (replica, edge), int64. Divided by the number of
    paths this is the path overlap q: s_i = (1/d) sum_j w_ij w*_ij s_j, averaged over outputs.
    """
    values = torch.ones(
        (agreement.shape[0], architecture.size), dtype=torch.int64, device=agreement.device
    )
    for number, layer in enumerate(architecture.layers):
        start, stop = architecture.edge_offsets[number : number + 2]
        terms = values.gather(1, sources[:, start:stop]) * agreement[:, start:stop]
        values = terms.view(-1, layer.units, layer.fan_in).sum(dim=2)
    return values.sum(dim=1)


class _Cell:
    """Teachers, batches and test samples of some replicas."""

    def __init__(self, system: BinarySystem, run: CellRun, device: torch.device) -> None:
        self.run, self.device = run, device
        self.architecture = system.architecture
        self.sources = torch.from_numpy(system.sources).to(device, torch.int64)
        self.teacher = 1 - 2 * torch.from_numpy(system.teacher).to(device, torch.int64)
        replicas, size = len(system.teacher), system.architecture.size
        self.streams = CellStreams(run.first_replica, replicas, size, device)
        # Replicas of one graph share the proposed positions, which come from its stream.
        numbers = torch.arange(run.first_replica, run.first_replica + replicas)
        graph = numbers // run.replicas_per_graph
        self.graph_row = (graph - graph[0]).to(device)
        graphs = int(graph[-1] - graph[0]) + 1
        self.graph_streams = CellStreams(int(graph[0]), graphs, size, device)

    def outputs(self, weights: Tensor, inputs: Tensor) -> Tensor:
        return forward(self.architecture, self.sources, weights, inputs)

    def batch(self, sweep: int, index: int) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs, targets, and how many samples count in each replica."""
        run, rule = self.run, self.run.rule(sweep)
        inputs = self.streams.binary_inputs(run.dynamics_key, index, rule.largest)
        counts = self.streams.batch_count(run.dynamics_key, rule, index)
        return inputs, self.outputs(self.teacher, inputs), counts

    def wrong_bits(self, weights: Tensor, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Wrong output bits on a batch, shape (replica,)."""
        inputs, targets, counts = batch
        by_sample = (self.outputs(weights, inputs) != targets).sum(dim=2)
        sample = torch.arange(inputs.shape[1], device=self.device)[None, :]
        return (by_sample * (sample < counts[:, None])).sum(dim=1)

    def test_wrong_bits(self, weights: Tensor, time: int) -> Tensor:
        """Wrong output bits on fresh samples, shape (replica,)."""
        run = self.run
        total = torch.zeros(len(weights), dtype=torch.int64, device=self.device)
        for chunk, done in enumerate(range(0, run.test_samples, 64)):
            samples = min(64, run.test_samples - done)
            inputs = self.streams.binary_inputs(run.test_key, time | (chunk << 40), samples)
            targets = self.outputs(self.teacher, inputs)
            total += (self.outputs(weights, inputs) != targets).sum(dim=(1, 2))
        return total

    def proposals(self, sweep: int) -> tuple[Tensor, Tensor]:
        """Which weights are tried in a sweep, and the numbers that decide on them."""
        key, learnable = self.run.dynamics_key, self.architecture.learnable
        positions = self.graph_streams.positions(key, self.run.order, sweep, learnable)
        chances = self.streams.numbers(key, KIND_ACCEPT, sweep, learnable)
        return positions[self.graph_row], chances


def run_definition(system: BinarySystem, run: CellRun, device: str = "cpu") -> Trajectory:
    """Simulate the replicas of one cell; arguments and result as for `run_bitsliced`.

    The energy E of a student is the number of wrong output bits on the batch. One weight is
    flipped at a time, by default a uniformly random one; the flip stays if dE < 0, or else with the
    probability of the acceptance table. Time counts sweeps of as many proposals as learnable
    weights.
    """
    cell = _Cell(system, run, torch.device(device))
    architecture, learnable = system.architecture, system.architecture.learnable
    acceptance = torch.from_numpy(run.acceptance.astype(np.int64)).to(cell.device)
    student = 1 - 2 * torch.from_numpy(system.student).to(cell.device, torch.int64)
    rows = torch.arange(len(student), device=cell.device)
    out = Trajectory.empty(len(run.times), system.student)
    perfect = architecture.outputs * architecture.paths_per_output
    columns = {int(time): column for column, time in enumerate(run.times)}
    batch = cell.batch(0, 0)
    energy = cell.wrong_bits(student, batch)

    for sweep in range(run.duration + 1):
        paths = path_sums(architecture, cell.sources, cell.teacher * student).cpu().numpy()
        out.first_passage[(paths == perfect) & (out.first_passage < 0)] = sweep
        if sweep in columns:
            column = columns[sweep]
            out.path_sum[:, column] = paths
            out.batch_wrong[:, column] = energy.cpu().numpy()
            out.batch_bits[:, column] = (batch[2] * architecture.outputs).cpu().numpy()
            out.test_wrong[:, column] = cell.test_wrong_bits(student, sweep).cpu().numpy()
        if sweep == run.duration:
            break

        positions, chances = cell.proposals(sweep)
        for number in range(learnable):
            if number == 0 or run.refresh_each_proposal:
                index = sweep * learnable + number if run.refresh_each_proposal else sweep
                batch = cell.batch(sweep, index)
                energy = cell.wrong_bits(student, batch)
            trial = student.clone()
            trial[rows, positions[:, number]] *= -1
            trial_energy = cell.wrong_bits(trial, batch)
            change = trial_energy - energy
            threshold = acceptance[change.clamp(0, len(acceptance) - 1)]
            accepted = (change < 0) | (chances[:, number] < threshold)
            student = torch.where(accepted[:, None], trial, student)
            energy = torch.where(accepted, trial_energy, energy)

    out.student[:] = ((1 - student) // 2).cpu().numpy()
    return out
