"""Random d-regular bipartite graphs, uniform over all simple ones, trees, and their matrices."""

from typing import TypeVar

import numba
import numpy as np
import numpy.typing as npt

from physbatch.compilation import cached_njit
from physbatch.streams.compiled import bounded
from physbatch.streams.sequential import next_number, start_stream
from physbatch.systems.architecture import Architecture

Weight = TypeVar("Weight", bound=np.generic)

#: Attempted switch moves per edge: the repair of double edges alone is biased, these mix it away.
SWITCHES_PER_EDGE = 10


@numba.njit
def _draw(cursor, key, bound):
    """Next integer below `bound` of a sequential stream; the cursor's index is the layer."""
    return np.int64(bounded(next_number(cursor, key), np.uint64(bound)))


@numba.njit
def _reads(sources, unit, source):
    """Whether a unit already reads a source."""
    for slot in range(sources.shape[1]):
        if sources[unit, slot] == source:
            return True
    return False


@numba.njit
def _try_switch(sources, i, slot_i, j, slot_j):
    """Exchange the sources of two edges unless that makes a double edge."""
    a = sources[i, slot_i]
    b = sources[j, slot_j]
    if i == j or a == b or _reads(sources, i, b) or _reads(sources, j, a):
        return False
    sources[i, slot_i] = b
    sources[j, slot_j] = a
    return True


@numba.njit
def _repair(sources, cursor, key):
    """Switch double edges away; False if that got stuck."""
    units, degree = sources.shape
    for unit in range(units):
        for slot in range(1, degree):
            tries = 0
            while _reads(sources[:, :slot], unit, sources[unit, slot]):
                other = _draw(cursor, key, units)
                other_slot = _draw(cursor, key, degree)
                _try_switch(sources, unit, slot, other, other_slot)
                tries += 1
                if tries > 100 * units * degree:
                    return False
    return True


@numba.njit
def _random_permutations(sources, cursor, key):
    """Each slot is one random permutation of the sources: regular, with double edges."""
    units, degree = sources.shape
    for slot in range(degree):
        for unit in range(units):
            sources[unit, slot] = unit
        for unit in range(units - 1, 0, -1):
            other = _draw(cursor, key, unit + 1)
            kept = sources[unit, slot]
            sources[unit, slot] = sources[other, slot]
            sources[other, slot] = kept


@numba.njit
def _regular(units, degree, layer, replica, key):
    """One random d-regular bipartite graph on `units` + `units` nodes, shape (units, degree).

    A dense graph is the complement of a sparse one, which keeps the repair easy.
    """
    drawn = min(degree, units - degree)
    sources = np.zeros((units, drawn), dtype=np.int32)
    cursor = np.empty(8, dtype=np.uint64)
    start_stream(cursor, replica)
    cursor[2] = np.uint64(layer)
    if drawn > 0:
        _random_permutations(sources, cursor, key)
        while not _repair(sources, cursor, key):
            _random_permutations(sources, cursor, key)
        for _ in range(SWITCHES_PER_EDGE * units * degree):
            i = _draw(cursor, key, units)
            slot_i = _draw(cursor, key, drawn)
            j = _draw(cursor, key, units)
            slot_j = _draw(cursor, key, drawn)
            _try_switch(sources, i, slot_i, j, slot_j)
    if drawn == degree:
        return sources
    complement = np.zeros((units, degree), dtype=np.int32)
    for unit in range(units):
        slot = 0
        for source in range(units):
            if not _reads(sources, unit, source):
                complement[unit, slot] = source
                slot += 1
    return complement


@cached_njit(nogil=True)
def _fill_regular(out, offset, units, degree, layer, first_replica, key):
    for row in range(out.shape[0]):
        graph = _regular(units, degree, layer, first_replica + row, key)
        for unit in range(units):
            for slot in range(degree):
                out[row, offset + unit * degree + slot] = graph[unit, slot]


def draw_wiring(
    architecture: Architecture, key: int, first_replica: int, replicas: int
) -> npt.NDArray[np.int32]:
    """The graphs of some replicas: which unit below each edge reads.

    Regular layers are drawn as `degree` random permutations, double edges are switched
    away, and then at least 10 N d random switch moves make every simple d-regular graph
    equally likely. Trees and full layers are not random.

    Parameters
    ----------
    architecture : Architecture
        The layers.
    key : int
        Stream key of the wiring.
    first_replica, replicas : int
        The range of replicas; replica r has the same graph in every range that holds it.

    Returns
    -------
    ndarray of int32, shape (replicas, architecture.edges)
        Number of the source unit within the layer below, for each edge.

    References
    ----------
    Rao, Jana and Bandyopadhyay, Sankhya A 58 (1996) 225: switch chains on fixed margins.

    Examples
    --------
    >>> from physbatch.systems.architecture import build_architecture
    >>> layers = build_architecture(wiring="regular", size=6, degree=3, depth=2, output="vector",
    ...                             learned_layers="all", odd_fan_in=True)
    >>> draw_wiring(layers, key=1, first_replica=0, replicas=2).shape
    (2, 36)
    """
    out = np.empty((replicas, architecture.edges), dtype=np.int32)
    for number, layer in enumerate(architecture.layers):
        start, stop = architecture.edge_offsets[number : number + 2]
        if layer.wiring == "regular":
            _fill_regular(
                out, start, layer.units, layer.fan_in, number, first_replica, np.uint64(key)
            )
        else:
            # Tree and full layers read the units below in their order.
            out[:, start:stop] = np.arange(layer.edges, dtype=np.int32)[None, :] % layer.sources
    return out


def layer_matrices(
    architecture: Architecture, sources: npt.NDArray[np.int32], weights: npt.NDArray[Weight]
) -> list[npt.NDArray[Weight]]:
    """Weights of each layer as a matrix (..., units, sources), zero where there is no edge.

    Parameters
    ----------
    sources, weights : ndarray, shape (..., edge)
        Source unit and weight of each edge; sources may lack the leading dimensions, and all
        of those of full layers.
    """
    matrices = []
    leading = weights.shape[:-1]
    for number, layer in enumerate(architecture.layers):
        start, stop = architecture.edge_offsets[number : number + 2]
        shape = (*leading, layer.units, layer.fan_in)
        rows = weights[..., start:stop].reshape(shape)
        if layer.wiring == "full":
            matrices.append(rows)
            continue
        matrix = np.zeros((*leading, layer.units, layer.sources), dtype=weights.dtype)
        index = np.broadcast_to(sources[..., start:stop], (*leading, layer.edges))
        np.put_along_axis(matrix, index.reshape(shape).astype(np.int64), rows, axis=-1)
        matrices.append(matrix)
    return matrices


def embed(
    teacher_layers: Architecture,
    student_layers: Architecture,
    teacher_sources: npt.NDArray[np.int32],
    teacher: npt.NDArray[Weight],
) -> npt.NDArray[Weight]:
    """The teacher on the edges of a dense student, shape (replica, student's edge).

    Teacher's unit i becomes student's unit i; units that only one of the two has are left out
    or get weights 0.
    """
    embedded = []
    for matrix, layer in zip(
        layer_matrices(teacher_layers, teacher_sources, teacher),
        student_layers.layers,
        strict=True,
    ):
        whole = np.zeros((len(matrix), layer.units, layer.sources), dtype=matrix.dtype)
        units, sources = min(layer.units, matrix.shape[1]), min(layer.sources, matrix.shape[2])
        whole[:, :units, :sources] = matrix[:, :units, :sources]
        embedded.append(whole.reshape(len(matrix), -1))
    return np.concatenate(embedded, axis=1)
