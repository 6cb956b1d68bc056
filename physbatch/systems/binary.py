"""Teachers and starting students with binary weights, held as bits (1 stands for -1)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from physbatch.streams.filling import word_rows
from physbatch.streams.keys import KIND_INPUTS, StreamKeys
from physbatch.systems.architecture import Architecture
from physbatch.systems.wiring import draw_wiring


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
    bits = word_rows(keys.teacher, KIND_INPUTS, 0, first_replica, replicas, edges)
    teacher = (bits >> np.uint64(31)).astype(np.uint8)
    threshold = np.uint64(round((1 + initial_overlap) / 2 * 2**32))
    differs = word_rows(keys.start, KIND_INPUTS, 0, first_replica, replicas, edges) >= threshold
    differs[:, architecture.learnable :] = False
    return BinarySystem(architecture, sources, teacher, teacher ^ differs.astype(np.uint8))
