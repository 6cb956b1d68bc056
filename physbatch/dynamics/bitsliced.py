"""The bit-sliced engine: greedy and Metropolis dynamics of binary weights on the CPU.

It draws the same numbers as the definition in `physbatch.dynamics.definition` and takes the
same decisions, bit for bit.
"""

from __future__ import annotations

import numpy as np

from physbatch.dynamics.bitsliced_kernel import make_kernel, source_hash
from physbatch.dynamics.rules import BatchRule, CellRun, Trajectory
from physbatch.systems.architecture import Architecture
from physbatch.systems.binary import BinarySystem

__all__ = ["advance", "kernel_shape", "not_begun", "run_bitsliced", "words_for"]


def words_for(largest_batch: int) -> int:
    """Words of 64 samples the kernel is compiled for, to hold a batch.

    Exact up to four; above, rounded up to a multiple of four, so that a grid of batch
    sizes needs few kernels and whole vector registers are filled.
    """
    needed = -(-largest_batch // 64)
    return needed if needed <= 4 else -(-needed // 4) * 4


def kernel_shape(architecture: Architecture, batch: BatchRule) -> tuple[int, int, int, int]:
    """What a kernel is compiled for: depth, fan-in, last fan-in and words."""
    layers = architecture.layers
    return len(layers), layers[0].fan_in, layers[-1].fan_in, words_for(batch.largest)


def run_bitsliced(system: BinarySystem, run: CellRun) -> Trajectory:
    """Simulate the replicas of one cell.

    Parameters
    ----------
    system : BinarySystem
        Graphs, teachers and starting students, shape (replica, edge).
    run : CellRun
        Batch size, acceptance rule, times and streams.

    Returns
    -------
    Trajectory
        Equal, integer by integer, to that of `run_definition`.
    """
    out = not_begun(system, run)
    advance(system, run, out, 0, run.duration + 1)
    return out


def not_begun(system: BinarySystem, run: CellRun) -> Trajectory:
    """The trajectory of one cell at time 0, before anything is measured."""
    replicas = system.teacher.shape[0]
    shape = (replicas, len(run.times))
    return Trajectory(
        path_sum=np.zeros(shape, dtype=np.int64),
        batch_wrong=np.zeros(shape, dtype=np.int64),
        batch_bits=np.zeros(shape, dtype=np.int64),
        test_wrong=np.zeros(shape, dtype=np.int64),
        first_passage=np.zeros(replicas, dtype=np.int64),
        student=system.student.copy(),
    )


def advance(system: BinarySystem, run: CellRun, out: Trajectory, start: int, pause: int) -> None:
    """Go on with a trajectory in place, from time `start` to time `pause`.

    The state of a cell at time t is its `Trajectory` so far: random numbers are addressed by
    sweep, and the batch that the student saw last is drawn again. In pieces or in one go,
    the integers are the same.

    Parameters
    ----------
    system, run
        As for `run_bitsliced`.
    out : Trajectory
        Holds everything before time `start`; overwritten.
    start, pause : int
        Times in sweeps. What is due at `start` is measured, what is due at `pause` is not;
        `run.duration + 1` goes to the end.
    """
    layers = system.architecture.layers
    kernel = make_kernel(*kernel_shape(system.architecture, run.batch), source_hash())
    kernel(
        system.sources,
        system.teacher,
        out.student,
        np.array([layer.fan_in for layer in layers], dtype=np.int64),
        np.array([layer.units for layer in layers], dtype=np.int64),
        system.architecture.size,
        system.architecture.learnable,
        run.batch.floor,
        np.uint64(run.batch.threshold),
        run.acceptance,
        run.refresh_each_proposal,
        run.absorbing,
        run.times,
        run.duration,
        run.test_samples,
        np.uint64(run.dynamics_key),
        np.uint64(run.test_key),
        run.first_replica,
        start,
        pause,
        out.path_sum,
        out.batch_wrong,
        out.batch_bits,
        out.test_wrong,
        out.first_passage,
    )
