"""Greedy and Metropolis dynamics of binary weights, as an engine of the sweep."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from physbatch.dataset import STATUS_OK, VARIABLES, VariableSpec
from physbatch.dynamics.rules import CellRun, Trajectory, acceptance_table, batch_rule
from physbatch.engines import checkpoint as checkpoints
from physbatch.engines.protocol import Arrays, first_passage_interval
from physbatch.errors import StudyError
from physbatch.streams.keys import stream_keys
from physbatch.study.dynamics import Greedy
from physbatch.sweep.plan import Cell, Plan
from physbatch.systems.architecture import Architecture
from physbatch.systems.binary import BinarySystem, draw_system

__all__ = ["BinaryEngine", "prepare"]


class BinaryEngine:
    """Binary weights on fresh binary inputs; see `physbatch.engines.protocol.Engine`."""

    def variables(self, plan: Plan) -> Mapping[str, VariableSpec]:
        """What a cell's result holds."""
        return VARIABLES

    def lengths(self, plan: Plan) -> Mapping[str, int]:
        """No dimensions besides replica and time."""
        return {}

    def simulate(self, plan: Plan, cell: Cell, device: str) -> Arrays:
        """On ``cpu`` by the bit-sliced kernel, on ``cuda`` by its twin: same bits."""
        prepared = prepare(plan, cell)
        trajectory = _engine_on(device, prepared.system.architecture)(prepared.system, prepared.run)
        return _observables(prepared.system.architecture, prepared.run, trajectory)

    def simulate_resumably(
        self, plan: Plan, cell: Cell, device: str, checkpoint: checkpoints.Checkpoint
    ) -> Arrays:
        """The same in pieces of about a second, from an earlier state on if there is one."""
        if device != "cpu":
            return self.simulate(plan, cell, device)
        from physbatch.dynamics.bitsliced.run import advance, not_begun

        prepared = prepare(plan, cell)
        trajectory, start = not_begun(prepared.system, prepared.run), 0
        state = checkpoint.load()
        if state is not None:
            start = int(state["sweep"])
            for name, values in trajectory.__dict__.items():
                values[...] = state[name]
        end = prepared.run.duration + 1
        pace = self.seconds(plan, cell) / end
        while start < end:
            pause = min(start + max(1, int(checkpoints.PIECE_SECONDS / pace)), end)
            began = time.perf_counter()
            advance(prepared.system, prepared.run, trajectory, start, pause)
            pace = max(time.perf_counter() - began, 1e-6) / (pause - start)
            start = pause
            if start < end:
                state = {"sweep": np.array(start), **trajectory.__dict__}
                checkpoint.offer(state)
        return _observables(prepared.system.architecture, prepared.run, trajectory)

    def compile(self, plan: Plan, cells: Sequence[Cell]) -> None:
        """Compile every kernel that these cells need."""
        from physbatch.dynamics.bitsliced.run import KernelShape, kernel_shape, run_bitsliced

        shapes: dict[KernelShape, Cell] = {}
        shared = plan.study.grid.replicas_per_graph
        for cell in cells:
            shape = kernel_shape(plan.architecture(cell), batch_rule(cell.batch_size), shared)
            known = shapes.get(shape)
            if known is None or cell.size < known.size:
                shapes[shape] = cell
        for cell in shapes.values():
            prepared = prepare(plan, cell)
            one = BinarySystem(
                prepared.system.architecture,
                prepared.system.sources[:1],
                prepared.system.teacher[:1],
                prepared.system.student[:1],
            )
            nothing = CellRun(
                **{
                    **prepared.run.__dict__,
                    "duration": 0,
                    "times": np.zeros(1, dtype=np.int64),
                    "test_samples": 1,
                }
            )
            run_bitsliced(one, nothing)

    def seconds(self, plan: Plan, cell: Cell) -> float:
        """About how long one cell takes on one core if no replica learns early.

        Measured on one core at 2.6 GHz with vectors of 512 bits (2026-11, docs/performance.md). A
        flip that reaches the outputs through more than one layer touches a number of units that
        grows as d^(L - 2). A fresh batch for each proposal runs the whole network twice.
        """
        architecture = plan.architecture(cell)
        degree = architecture.layers[0].fan_in
        samples = batch_rule(cell.batch_size).largest
        words = -(-samples // 64)
        shared = plan.study.grid.replicas_per_graph
        nanoseconds = 8.5 + 0.8 * degree + (7.0 if words > 4 else 0.0)
        nanoseconds += 1.2 * degree * (-(-words // 8) - 1)
        if shared > 1 and words == 1:  # a move is almost always accepted by one of them
            lane = next(bits for bits in (16, 32, 64) if samples <= bits)
            nanoseconds *= 2.6 * math.ceil(shared * lane / 512) / shared
        nanoseconds *= max(1.0, math.pow(cell.size / 300, 0.24))
        if architecture.depth > 2:
            nanoseconds *= 3.5 * math.pow(degree, architecture.depth - 2)
        if getattr(plan.study.dynamics, "refresh", "sweep") == "proposal":
            nanoseconds += 2.3 * max(1.0, words / 4) * architecture.edges
        proposals = cell.replicas * plan.study.measurement.duration * architecture.learnable
        return 1e-9 * nanoseconds * proposals

    def replica_bytes(self, plan: Plan, cell: Cell) -> int:
        """Graph, weights and measurements, and a share of the counters of the one that runs."""
        architecture = plan.architecture(cell)
        words = -(-batch_rule(cell.batch_size).largest // 64)
        planes = max(layer.fan_in.bit_length() for layer in architecture.layers)
        state = 8 * words * (architecture.size + architecture.units * (planes + 1))
        own = architecture.edges * 22 + len(plan.times) * 32
        return own + (state + architecture.edges * 25) // cell.replicas


@dataclass(frozen=True)
class Prepared:
    """A drawn system and its instructions, ready for an engine."""

    system: BinarySystem
    run: CellRun


def _engine_on(
    device: str, architecture: Architecture
) -> Callable[[BinarySystem, CellRun], Trajectory]:
    """The fastest engine on a device that knows the network."""
    if device == "cpu":
        from physbatch.dynamics.bitsliced.run import run_bitsliced

        return run_bitsliced
    from physbatch.dynamics.bitsliced.cuda.run import cuda_ready, fits_cuda, run_cuda
    from physbatch.dynamics.bitsliced.definition import run_definition

    if fits_cuda(architecture) and cuda_ready():
        return run_cuda
    return functools.partial(run_definition, device=device)


def prepare(plan: Plan, cell: Cell) -> Prepared:
    """Draw the systems of a cell and translate its physics for an engine."""
    study = plan.study
    point = dict(cell.point)
    keys = stream_keys(plan.seeds, cell.identity)
    architecture = plan.architecture(cell)
    system = draw_system(
        architecture,
        plan.initial_overlap(point),
        keys,
        cell.first_replica,
        cell.replicas,
        study.grid.replicas_per_graph,
    )
    dynamics = study.dynamics
    if dynamics.kind == "sgd":  # require_built refuses it with the reason
        raise StudyError("dynamics 'sgd' has no discrete engine")
    ties = dynamics.ties if isinstance(dynamics, Greedy) else "reject"
    temperature = plan.temperature(point)
    run = CellRun(
        batch=batch_rule(cell.batch_size),
        acceptance=acceptance_table(ties=ties, temperature=temperature),
        refresh_each_proposal=dynamics.refresh == "proposal",
        absorbing=temperature is None and ties == "reject",
        times=np.array(plan.times, dtype=np.int64),
        duration=study.measurement.duration,
        test_samples=study.measurement.test_samples,
        dynamics_key=keys.dynamics,
        test_key=keys.test,
        first_replica=cell.first_replica,
        replicas_per_graph=study.grid.replicas_per_graph,
    )
    return Prepared(system, run)


def _observables(architecture: Architecture, run: CellRun, out: Trajectory) -> Arrays:
    """Ratios of the counted integers, and the interval of the first passage."""
    paths = architecture.outputs * architecture.paths_per_output
    return {
        "overlap": out.path_sum / paths,
        "generalization_error": out.test_wrong / (run.test_samples * architecture.outputs),
        "batch_error": out.batch_wrong / out.batch_bits,
        **first_passage_interval(out.first_passage, run.duration),
        "success": (out.path_sum[:, -1] == paths).astype(np.int8),
        "status": np.full(len(out.first_passage), STATUS_OK, dtype=np.int8),
    }
