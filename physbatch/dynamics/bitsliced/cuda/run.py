"""The bit-sliced engine on an NVIDIA GPU: the same numbers, the same decisions, bit for bit.

One block of threads works on one row: a replica, or several that share a graph and whose batches
fit one word each. Within a proposal the threads share out the words of the row and the outputs
that read the flipped unit; the proposals follow one another. Networks of one and two layers only.
"""

from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import cuda

from physbatch.dynamics.bitsliced.cuda.kernel import make_cuda_kernel
from physbatch.dynamics.bitsliced.cuda.parts import Block, Rows
from physbatch.dynamics.bitsliced.layout import Layout, lay_out
from physbatch.dynamics.bitsliced.run import instructions, replicas_of, words_for
from physbatch.dynamics.bitsliced.shape import planes_for
from physbatch.dynamics.rules import BatchTable, CellRun, Trajectory
from physbatch.systems.architecture import Architecture
from physbatch.systems.binary import BinarySystem

Array = npt.NDArray[Any]

#: Threads of a block: one warp, so that waiting for one another costs little.
THREADS = 32
#: Replicas side by side in a row at most.
TOGETHER = 32
#: Memory on the device for the rows that run at a time.
BYTES_AT_A_TIME = 8 * 2**30


def cuda_ready() -> bool:
    """Whether compiled kernels can run on a GPU here."""
    return bool(cuda.is_available())


def fits_cuda(architecture: Architecture) -> bool:
    """Whether the kernel knows the network: the outputs see every flip at once."""
    return architecture.depth <= 2


def run_cuda(system: BinarySystem, run: CellRun, threads: int = THREADS) -> Trajectory:
    """Simulate the replicas of one cell on the GPU.

    Parameters
    ----------
    system, run
        As for `physbatch.dynamics.bitsliced.run.run_bitsliced`; depth 1 or 2.
    threads : int
        Threads of a block; the integers are the same whatever it is.

    Returns
    -------
    Trajectory
        Equal, integer by integer, to that of `run_definition`.

    Raises
    ------
    ValueError
        If the network has more than two layers.
    """
    architecture = system.architecture
    if not fits_cuda(architecture):
        raise ValueError(f"the GPU kernel knows networks of one or two layers, not {architecture}")
    together = 1 if run.largest_batch > 64 else min(run.replicas_per_graph, TOGETHER)
    words = words_for(run.largest_batch) if together == 1 else 1
    row = together * words
    layers = architecture.layers
    readers = layers[-1].fan_out if len(layers) > 1 else 0
    network = (len(layers), layers[0].fan_in, layers[-1].fan_in, readers)
    kernel: Any = make_cuda_kernel(*network, row, words)
    layout = _layout(system, row)
    out = Trajectory.empty(len(run.times), system.student)
    firsts, members = _rows(run, system.teacher.shape[0], together)
    per_row = 8 * (layout.length + 4 * layout.edges) + 4 * together * layout.learnable
    at_a_time = max(1, BYTES_AT_A_TIME // per_row)
    for begin in range(0, len(firsts), at_a_time):
        chosen = slice(begin, begin + at_a_time)
        rows = _load(system, layout, row, firsts[chosen], members[chosen])
        told = instructions(run, 0, run.duration + 1)._replace(
            batches=BatchTable(*map(cuda.to_device, run.batches)),
            acceptance=cuda.to_device(run.acceptance),
            times=cuda.to_device(run.times),
        )
        measured = Trajectory(*map(cuda.to_device, out))
        kernel[len(rows.first), threads](rows, layout, told, measured)
        for name, values in measured._asdict().items():
            getattr(out, name)[...] = values.copy_to_host()
        final = rows.blocks.signs.copy_to_host()
        for number, (first, count) in enumerate(zip(firsts[chosen], members[chosen], strict=True)):
            for member in range(count):
                out.student[first + member] = (final[number] >> np.uint64(member)) & np.uint64(1)
    return out


def _layout(system: BinarySystem, row: int) -> Layout:
    layers = system.architecture.layers
    shape = SimpleNamespace(
        depth=len(layers),
        planes=planes_for(layers[0].fan_in),
        last_planes=planes_for(layers[-1].fan_in),
        last_fan_in=layers[-1].fan_in,
        row=row,
    )
    return Layout(*map(int, lay_out.py_func(shape, replicas_of(system))))


def _rows(run: CellRun, replicas: int, together: int) -> tuple[Array, Array]:
    """First replica of each row within the cell, and how many stand in it."""
    firsts, members = [], []
    first = 0
    while first < replicas:
        of_graph = run.replicas_per_graph - (run.first_replica + first) % run.replicas_per_graph
        count = min(together, replicas - first, of_graph)
        firsts.append(first)
        members.append(count)
        first += count
    return np.array(firsts, dtype=np.int64), np.array(members, dtype=np.int64)


def _masks(bits: npt.NDArray[np.uint8], firsts: Array, members: Array) -> Array:
    """Weights of the replicas of each row as masks, shape (row, edge)."""
    masks = np.zeros((len(firsts), bits.shape[1]), dtype=np.uint64)
    for row, (first, count) in enumerate(zip(firsts, members, strict=True)):
        for member in range(count):
            masks[row] |= bits[first + member].astype(np.uint64) << np.uint64(member)
    return masks


def _load(system: BinarySystem, layout: Layout, row: int, firsts: Array, members: Array) -> Rows:
    """Networks of some rows and room for them, on the device."""
    layers = system.architecture.layers
    most = int(members.max())
    base_of = layout.first_base + np.arange(layout.units, dtype=np.int64) * layout.block
    last_units = np.arange(layout.outputs, dtype=np.int64)
    base_of[layout.last_first :] = layout.last_base + last_units * layout.last_block
    sources = system.sources[firsts].astype(np.int64)
    addresses = sources * row
    if len(layers) > 1:
        below = base_of[sources[:, layout.last_edge :]]
        addresses[:, layout.last_edge :] = below + (planes_for(layers[0].fan_in) - 1) * row
    reader_edge = np.argsort(sources[:, layout.last_edge :], axis=1, kind="stable")
    widest = max(layout.size, *(layer.units for layer in layers))

    def room(dtype: str, *shape: int) -> Any:
        return cuda.to_device(np.zeros((len(firsts), *shape), dtype=dtype))

    blocks = Block(
        sources=cuda.to_device(sources.astype(np.int32)),
        addresses=cuda.to_device(addresses.astype(np.int32)),
        reader_edge=cuda.to_device(reader_edge.astype(np.int32)),
        truth=cuda.to_device(_masks(system.teacher, firsts, members)),
        signs=cuda.to_device(_masks(system.student, firsts, members)),
        state=room("uint64", layout.length),
        valid=room("uint64", row),
        counts=room("int64", most),
        wrong=room("int64", most),
        change=room("int64", 3, most),
        proposals=room("uint32", layout.learnable + 3),
        chances=room("uint32", most, layout.learnable + 3),
        values=room("int64", 2, widest),
        total=room("int64", 1),
        base_of=cuda.to_device(base_of),
        fan_ins=cuda.to_device(np.array([layer.fan_in for layer in layers], dtype=np.int64)),
        unit_counts=cuda.to_device(np.array([layer.units for layer in layers], dtype=np.int64)),
    )
    return Rows(cuda.to_device(firsts), cuda.to_device(members), blocks)
