"""Greedy and Metropolis dynamics of binary weights, as an engine of the sweep."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from physbatch.dataset import STATUS_OK, VARIABLES, VariableSpec
from physbatch.dynamics.rules import CellRun, Trajectory, acceptance_table, batch_rule
from physbatch.engines import checkpoint as checkpoints
from physbatch.engines.checkpoint import UNSAVED, Checkpoint, Pauses, pack, unpack_into
from physbatch.engines.end_states import MEASURED, State
from physbatch.engines.point import GridPoint
from physbatch.engines.protocol import Arrays, first_passage_interval, share_of
from physbatch.errors import StudyError
from physbatch.study.dynamics import Greedy, Metropolis
from physbatch.study.model import Study
from physbatch.systems.architecture import Architecture
from physbatch.systems.binary import BinarySystem, draw_system


class BinaryEngine:
    """Binary weights on fresh binary inputs; see `physbatch.engines.protocol.Engine`."""

    def variables(self, study: Study) -> Mapping[str, VariableSpec]:
        """What a cell's result holds."""
        return VARIABLES

    def lengths(self, study: Study) -> Mapping[str, int]:
        """No dimensions besides replica and time."""
        return {}

    def simulate(self, point: GridPoint, device: str, checkpoint: Checkpoint = UNSAVED) -> Arrays:
        """On ``cpu`` by the bit-sliced kernel in pieces, on ``cuda`` by its twin: same bits."""
        system, run = _prepare(point)
        if device != "cpu":
            return _observables(system.architecture, run, _run_on_device(system, run, device))
        from physbatch.dynamics.bitsliced.run import advance

        end = run.duration + 1
        sweeps_a_second = end / self.seconds(point)
        steps = int(checkpoints.PIECE_SECONDS * sweeps_a_second)
        pauses = Pauses(checkpoint, device, steps, point.times)
        trajectory, start = Trajectory.empty(len(run.times), system.student), 0
        measured = trajectory._asdict()
        fixed = {name: measured.pop(name) for name in ("student", "first_passage")}
        begun = pauses.take()
        if begun is not None:
            start = int(begun["sweep"])
            unpack_into(measured, MEASURED, begun)
            unpack_into(fixed, "now", begun)

        def state() -> State:
            return {"sweep": np.array(start), **pack("now", fixed), **pack(MEASURED, measured)}

        for stop in pauses.pieces(start, run.duration, state):
            # The last piece measures as well, which changes no weight.
            advance(system, run, trajectory, start, stop if stop < run.duration else end)
            start = stop
        pauses.finish(state())
        return _observables(system.architecture, run, trajectory)

    def end_state_bytes(self, point: GridPoint) -> int:
        """A byte for each weight, and what was measured."""
        return point.replicas * (point.teacher.edges + 32 * len(point.times))

    def compile(self, points: Sequence[GridPoint]) -> None:
        """Compile every kernel that these points need."""
        from physbatch.dynamics.bitsliced.run import KernelShape, kernel_shape, run_bitsliced

        smallest: dict[KernelShape, GridPoint] = {}
        for point in points:
            shared = point.study.grid.replicas_per_graph
            shape = kernel_shape(point.teacher, point.largest_batch, shared)
            if shape not in smallest or point.size < smallest[shape].size:
                smallest[shape] = point
        for point in smallest.values():
            system, run = _prepare(point)
            first = BinarySystem(
                system.architecture, system.sources[:1], system.teacher[:1], system.student[:1]
            )
            times = np.zeros(1, dtype=np.int64)
            run_bitsliced(first, replace(run, duration=0, times=times, test_samples=1))

    def seconds(self, point: GridPoint) -> float:
        """About how long the replicas take on one core if none learns early.

        Measured on one core at 2.6 GHz with vectors of 512 bits (2026-11, docs/performance.md). A
        flip that reaches the outputs through more than one layer touches a number of units that
        grows as d^(L - 2). A fresh batch for each proposal runs the whole network twice.
        """
        study, architecture = point.study, point.teacher
        degree = architecture.layers[0].fan_in
        samples = point.largest_batch
        words = -(-samples // 64)
        shared = study.grid.replicas_per_graph
        nanoseconds = 8.5 + 0.8 * degree + (7.0 if words > 4 else 0.0)
        nanoseconds += 1.2 * degree * (-(-words // 8) - 1)
        if shared > 1 and words == 1:  # a move is almost always accepted by one of them
            lane = next(bits for bits in (16, 32, 64) if samples <= bits)
            nanoseconds *= 2.6 * math.ceil(shared * lane / 512) / shared
        nanoseconds *= max(1.0, math.pow(point.size / 300, 0.24))
        if architecture.depth > 2:
            nanoseconds *= 3.5 * math.pow(degree, architecture.depth - 2)
        if getattr(study.dynamics, "refresh", "sweep") == "proposal":
            nanoseconds += 2.3 * max(1.0, words / 4) * architecture.edges
        proposals = point.replicas * study.measurement.duration * architecture.learnable
        return 1e-9 * nanoseconds * proposals

    def replica_bytes(self, point: GridPoint) -> int:
        """Graph, weights and measurements, and a share of the counters of the one that runs."""
        architecture = point.teacher
        words = -(-point.largest_batch // 64)
        planes = max(layer.fan_in.bit_length() for layer in architecture.layers)
        state = 8 * words * (architecture.size + architecture.units * (planes + 1))
        each = architecture.edges * 22 + len(point.times) * 32
        return each + (state + architecture.edges * 25) // point.replicas


def _run_on_device(system: BinarySystem, run: CellRun, device: str) -> Trajectory:
    """By the fastest twin of the kernel there that knows the network."""
    from physbatch.dynamics.bitsliced.cuda.run import cuda_ready, fits_cuda, run_cuda
    from physbatch.dynamics.bitsliced.definition import run_definition

    smallest = run.batches.floors.min()
    plain = run.order == "random" and smallest > 0 and not run.batch.alternates
    if plain and fits_cuda(system.architecture) and cuda_ready():
        return run_cuda(system, run)
    return run_definition(system, run, device=device)


def _prepare(point: GridPoint) -> tuple[BinarySystem, CellRun]:
    """Draw the systems of a grid point and translate its physics for the kernels."""
    study, keys = point.study, point.stream_keys()
    system = draw_system(
        point.teacher,
        point.initial_overlap,
        keys,
        point.first_replica,
        point.replicas,
        study.grid.replicas_per_graph,
    )
    dynamics = study.dynamics
    if not isinstance(dynamics, Greedy | Metropolis):  # require_built refuses it with the reason
        raise StudyError(f"dynamics {dynamics.kind!r} has no discrete engine")
    ties = dynamics.ties if isinstance(dynamics, Greedy) else "reject"
    run = CellRun(
        batch=batch_rule(point.batch_size, alternating=dynamics.rounding == "alternating"),
        acceptance=acceptance_table(ties=ties, temperature=point.temperature),
        refresh_each_proposal=dynamics.refresh == "proposal",
        absorbing=point.temperature is None and ties == "reject",
        times=np.array(point.times, dtype=np.int64),
        duration=study.measurement.duration,
        test_samples=study.measurement.test_samples,
        dynamics_key=keys.dynamics,
        test_key=keys.test,
        first_replica=point.first_replica,
        replicas_per_graph=study.grid.replicas_per_graph,
        order=dynamics.order,
        schedule=point.batches,
    )
    return system, run


def _observables(architecture: Architecture, run: CellRun, out: Trajectory) -> Arrays:
    """Ratios of the counted integers, and the interval of the first passage."""
    paths = architecture.outputs * architecture.paths_per_output
    return {
        "overlap": out.path_sum / paths,
        "generalization_error": out.test_wrong / (run.test_samples * architecture.outputs),
        "batch_error": share_of(out.batch_wrong, out.batch_bits),
        **first_passage_interval(out.first_passage, run.duration),
        "success": (out.path_sum[:, -1] == paths).astype(np.int8),
        "status": np.full(len(out.first_passage), STATUS_OK, dtype=np.int8),
    }
