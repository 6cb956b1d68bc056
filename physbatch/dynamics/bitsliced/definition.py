"""The definition of the discrete dynamics: plain torch over [replica, ...] tensors.

Nothing here is clever. Every proposal runs the whole network forward on the batch, for all
replicas at once, on any device. Fast engines are tested equal to this one, bit for bit.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from physbatch.dynamics.draws import CellStreams
from physbatch.dynamics.rules import CellRun, Trajectory
from physbatch.streams.keys import KIND_ACCEPT, KIND_PROPOSAL
from physbatch.streams.tensor import bounded
from physbatch.systems.architecture import Architecture
from physbatch.systems.binary import BinarySystem

__all__ = ["forward", "path_sums", "run_definition"]


def forward(architecture: Architecture, sources: Tensor, weights: Tensor, inputs: Tensor) -> Tensor:
    """Outputs of sign networks: sigma_i = sign(sum_j w_ij sigma_j), layer by layer.

    Parameters
    ----------
    sources : Tensor of int64, shape (replica, edge)
        Unit of the layer below that each edge reads.
    weights : Tensor, shape (replica, edge)
        Weights, +-1.
    inputs : Tensor, shape (replica, sample, N)
        Inputs, +-1.

    Returns
    -------
    Tensor, shape (replica, sample, output)
        Outputs, +-1.
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


def run_definition(system: BinarySystem, run: CellRun, device: str = "cpu") -> Trajectory:
    """Simulate the replicas of one cell; arguments and result as for `run_bitsliced`.

    The energy E of a student is the number of wrong output bits on the batch. One uniformly
    random weight is flipped at a time; the flip stays if dE < 0, or else with the probability
    of the acceptance table. Time counts sweeps of as many proposals as learnable weights.
    """
    place = torch.device(device)
    architecture = system.architecture
    sources = torch.from_numpy(system.sources).to(place, torch.int64)
    teacher = 1 - 2 * torch.from_numpy(system.teacher).to(place, torch.int64)
    student = 1 - 2 * torch.from_numpy(system.student).to(place, torch.int64)
    acceptance = torch.from_numpy(run.acceptance.astype(np.int64)).to(place)
    replicas = student.shape[0]
    rows = torch.arange(replicas, device=place)
    streams = CellStreams(run.first_replica, replicas, architecture.size, place)
    # Replicas of one graph share the proposed positions, which come from the graph's stream.
    graph = torch.arange(run.first_replica, run.first_replica + replicas) // run.replicas_per_graph
    graph_row = (graph - graph[0]).to(place)
    graph_streams = CellStreams(int(graph[0]), int(graph_row[-1]) + 1, architecture.size, place)

    def wrong_bits(weights: Tensor, inputs: Tensor, targets: Tensor, counts: Tensor) -> Tensor:
        outputs = forward(architecture, sources, weights, inputs)
        wrong_by_sample = (outputs != targets).sum(dim=2)
        in_batch = torch.arange(inputs.shape[1], device=place)[None, :] < counts[:, None]
        return (wrong_by_sample * in_batch).sum(dim=1)

    def draw_batch(index: int) -> tuple[Tensor, Tensor, Tensor]:
        inputs = streams.binary_inputs(run.dynamics_key, index, run.batch.largest)
        counts = streams.batch_count(run.dynamics_key, run.batch, index)
        return inputs, forward(architecture, sources, teacher, inputs), counts

    def test_error(sweep: int) -> Tensor:
        total = torch.zeros(replicas, dtype=torch.int64, device=place)
        for chunk, done in enumerate(range(0, run.test_samples, 64)):
            samples = min(64, run.test_samples - done)
            inputs = streams.binary_inputs(run.test_key, sweep | (chunk << 40), samples)
            targets = forward(architecture, sources, teacher, inputs)
            total += (forward(architecture, sources, student, inputs) != targets).sum(dim=(1, 2))
        return total

    shape = (replicas, len(run.times))
    out = Trajectory(
        path_sum=np.zeros(shape, dtype=np.int64),
        batch_wrong=np.zeros(shape, dtype=np.int64),
        batch_bits=np.zeros(shape, dtype=np.int64),
        test_wrong=np.zeros(shape, dtype=np.int64),
        first_passage=np.full(replicas, -1, dtype=np.int64),
        student=np.zeros_like(system.student),
    )
    perfect = architecture.outputs * architecture.paths_per_output
    columns = {int(time): column for column, time in enumerate(run.times)}
    inputs, targets, counts = draw_batch(0)
    energy = wrong_bits(student, inputs, targets, counts)

    for sweep in range(run.duration + 1):
        paths = path_sums(architecture, sources, teacher * student).cpu().numpy()
        out.first_passage[(paths == perfect) & (out.first_passage < 0)] = sweep
        if sweep in columns:
            column = columns[sweep]
            out.path_sum[:, column] = paths
            out.batch_wrong[:, column] = energy.cpu().numpy()
            out.batch_bits[:, column] = (counts * architecture.outputs).cpu().numpy()
            out.test_wrong[:, column] = test_error(sweep).cpu().numpy()
        if sweep == run.duration:
            break

        learnable = architecture.learnable
        numbers = graph_streams.numbers(run.dynamics_key, KIND_PROPOSAL, sweep, learnable)
        positions = bounded(numbers, learnable)[graph_row]
        chances = streams.numbers(run.dynamics_key, KIND_ACCEPT, sweep, learnable)
        for number in range(learnable):
            if number == 0 or run.refresh_each_proposal:
                batch = sweep * learnable + number if run.refresh_each_proposal else sweep
                inputs, targets, counts = draw_batch(batch)
                energy = wrong_bits(student, inputs, targets, counts)
            trial = student.clone()
            trial[rows, positions[:, number]] *= -1
            trial_energy = wrong_bits(trial, inputs, targets, counts)
            change = trial_energy - energy
            threshold = acceptance[change.clamp(0, len(acceptance) - 1)]
            accepted = (change < 0) | (chances[:, number] < threshold)
            student = torch.where(accepted[:, None], trial, student)
            energy = torch.where(accepted, trial_energy, energy)

    out.student[:] = ((1 - student) // 2).cpu().numpy()
    return out
