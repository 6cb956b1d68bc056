"""Teachers and starting students with binary weights, held as bits (1 stands for -1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from physbatch.compilation import cached_njit
from physbatch.streams.compiled import philox
from physbatch.streams.keys import StreamKeys
from physbatch.systems.architecture import Architecture
from physbatch.systems.wiring import draw_wiring

__all__ = ["BinarySystem", "draw_system", "uniform32"]


@dataclass(frozen=True)
class BinarySystem:
    """Graphs, teachers and starting students of some replicas.

    Attributes
    ----------
    sources : ndarray of int32, shape (replica, edge)
        Which unit of the layer below each edge reads.
    teacher, student : ndarray of uint8, shape (replica, edge)
        Weights as bits: 0 stands for +1, 1 for -1.
    """

    architecture: Architecture
    sources: npt.NDArray[np.int32]
    teacher: npt.NDArray[np.uint8]
    student: npt.NDArray[np.uint8]


@cached_njit(nogil=True)
def _uniform32(out, key, index, first_replica):
    zero = np.uint64(0)
    replicas, count = out.shape
    for row in range(replicas):
        replica = np.uint64(first_replica + row)
        for block in range((count + 3) // 4):
            x0, x1, x2, x3 = philox(np.uint64(block), np.uint64(index), zero, replica, key)
            at = 4 * block
            out[row, at] = x0
            if at + 1 < count:
                out[row, at + 1] = x1
            if at + 2 < count:
                out[row, at + 2] = x2
            if at + 3 < count:
                out[row, at + 3] = x3


def uniform32(
    key: int, index: int, first_replica: int, replicas: int, count: int
) -> npt.NDArray[np.uint64]:
    """Uniform 32-bit integers, shape (replicas, count), from one stream."""
    out = np.empty((replicas, count), dtype=np.uint64)
    _uniform32(out, np.uint64(key), index, first_replica)
    return out


def draw_system(
    architecture: Architecture,
    initial_overlap: float,
    keys: StreamKeys,
    first_replica: int,
    replicas: int,
    replicas_per_graph: int = 1,
) -> BinarySystem:
    """Draw graphs, teachers and students.

    Each learnable student weight equals the teacher's with probability (1 + r)/2, where r
    is `initial_overlap`; those that are not learned are the teacher's. Replica r has graph
    r // `replicas_per_graph`.
    """
    graph = np.arange(first_replica, first_replica + replicas) // replicas_per_graph
    first = int(graph[0])
    graphs = draw_wiring(architecture, keys.wiring, first, int(graph[-1]) - first + 1)
    sources = graphs[graph - first]
    edges = architecture.edges
    bits = uniform32(keys.teacher, 0, first_replica, replicas, edges)
    teacher = (bits >> np.uint64(31)).astype(np.uint8)
    threshold = np.uint64(round((1 + initial_overlap) / 2 * 2**32))
    differs = uniform32(keys.start, 0, first_replica, replicas, edges) >= threshold
    differs[:, architecture.learnable :] = False
    return BinarySystem(architecture, sources, teacher, teacher ^ differs.astype(np.uint8))
