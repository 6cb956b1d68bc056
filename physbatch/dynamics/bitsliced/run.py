"""The bit-sliced engine: greedy and Metropolis dynamics of binary weights on the CPU.

It draws the same numbers as the definition in `physbatch.dynamics.bitsliced.definition` and takes
the same decisions, bit for bit.
"""

from dataclasses import dataclass

import numpy as np

from physbatch.dynamics.bitsliced.kernel import SOURCE_HASH, make_kernel
from physbatch.dynamics.bitsliced.layout import Replicas
from physbatch.dynamics.bitsliced.measure import Instructions
from physbatch.dynamics.rules import ORDERS, CellRun, Trajectory
from physbatch.systems.architecture import Architecture
from physbatch.systems.binary import BinarySystem

#: Bits that one vector instruction works on: those of the widest registers there are. On a
#: machine with narrower ones the compiler splits vectors; the numbers are the same.
_REGISTER = 512


@dataclass(frozen=True)
class KernelShape:
    """What a kernel is compiled for; see `physbatch.dynamics.bitsliced.layout.Shape`."""

    depth: int
    fan_in: int
    last_fan_in: int
    readers: int
    row: int
    lanes: int
    together: int
    lane_bits: int


def words_for(largest_batch: int) -> int:
    """Words of 64 samples the kernel is compiled for, to hold a batch.

    1, 2, 4, or a multiple of eight: a grid of batch sizes needs few kernels, and vector
    registers are filled.
    """
    needed = -(-largest_batch // 64)
    return -(-needed // 8) * 8 if needed > 4 else (1, 2, 4, 4)[needed - 1]


def _lane_bits(architecture: Architecture, largest_batch: int) -> int:
    """Narrowest lane that holds the samples of a replica, and any change of its error."""
    reached = 1
    for layer in architecture.layers[1:]:
        reached = min(reached * layer.fan_out, layer.units)
    for bits in (16, 32):
        if largest_batch <= bits and reached * largest_batch < 2 ** (bits - 1):
            return bits
    return 64


def kernel_shape(
    architecture: Architecture, largest_batch: int, replicas_per_graph: int = 1
) -> KernelShape:
    """The kernel for a network and its largest batch.

    Replicas that share a graph stand side by side in a vector if their batches fit one word;
    larger batches fill vectors by themselves.
    """
    layers = architecture.layers
    readers = layers[-1].fan_out if len(layers) > 1 else 0
    network = (len(layers), layers[0].fan_in, layers[-1].fan_in, readers)
    if replicas_per_graph == 1 or largest_batch > 64:
        row = words_for(largest_batch)
        return KernelShape(*network, row, min(row, _REGISTER // 64), 1, 64)
    bits = _lane_bits(architecture, largest_batch)
    together = min(_REGISTER // bits, 2 ** (replicas_per_graph - 1).bit_length())
    return KernelShape(*network, together, together, together, bits)


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
    out = Trajectory.empty(len(run.times), system.student)
    advance(system, run, out, 0, run.duration + 1)
    return out


def advance(system: BinarySystem, run: CellRun, out: Trajectory, start: int, pause: int) -> None:
    """Go on with a trajectory in place, from sweep `start` to sweep `pause`.

    The state of a cell at time t is its `Trajectory` so far: random numbers are addressed by sweep,
    and the batch that the student saw last is drawn again. In pieces or in one go, the integers are
    the same. What is due at `start` is measured, what is due at `pause` is not; `run.duration + 1`
    goes to the end.
    """
    architecture = system.architecture
    shape = kernel_shape(architecture, run.largest_batch, run.replicas_per_graph)
    kernel = make_kernel(
        shape.depth,
        shape.fan_in,
        shape.last_fan_in,
        shape.readers,
        shape.row,
        shape.lanes,
        shape.together,
        SOURCE_HASH,
    )
    kernel(
        replicas_of(system)._replace(student=out.student),
        np.zeros(0, dtype=f"uint{shape.lane_bits}"),
        np.zeros(0, dtype=f"uint{max(shape.lanes, 8)}"),
        instructions(run, start, pause),
        out,
    )


def replicas_of(system: BinarySystem) -> Replicas:
    """A system as compiled code reads it."""
    architecture = system.architecture
    return Replicas(
        system.sources,
        system.teacher,
        system.student,
        np.array([layer.fan_in for layer in architecture.layers], dtype=np.int64),
        np.array([layer.units for layer in architecture.layers], dtype=np.int64),
        architecture.size,
        architecture.learnable,
    )


def instructions(run: CellRun, start: int, pause: int) -> Instructions:
    """A cell's instructions as compiled code reads them."""
    return Instructions(
        run.batches,
        run.acceptance,
        run.refresh_each_proposal,
        run.absorbing,
        run.times,
        run.duration,
        run.test_samples,
        np.uint64(run.dynamics_key),
        np.uint64(run.test_key),
        run.first_replica,
        run.replicas_per_graph,
        ORDERS[run.order],
        start,
        pause,
    )
