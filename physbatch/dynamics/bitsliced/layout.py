"""Where everything stands in the memory of the bit-sliced kernel.

The state is one array of rows. A row holds one bit of all samples: the words of the batch of
one replica, or one word of each of several replicas that share a graph. First stand the inputs,
one row each, then one block per unit: its bit planes, the top plane last, and one more row that
holds, for output units, the mask of wrong samples.

Weights are masks: bit r of a mask is the weight of replica r of those in a row. One replica
alone fills all lanes of a vector, so all bits of its masks are equal.
"""

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from physbatch.dynamics.compiled import compiled, compiled_counting

ZERO = np.uint64(0)
ONE = np.uint64(1)

Array = npt.NDArray[np.generic]


class Replicas(NamedTuple):
    """The replicas of a cell: graphs and weights as in `BinarySystem`, and their layers."""

    sources: Array
    teacher: Array
    student: Array
    fan_ins: Array
    unit_counts: Array
    size: int
    learnable: int


class Row(NamedTuple):
    """Replicas that stand side by side: the first of them within the cell, and how many.

    `replica` and `graph` are the numbers of the first and of the graph that they share; `everyone`
    is the mask of all of them.
    """

    first: int
    members: int
    replica: int
    graph: np.uint64
    everyone: np.uint64


class Layout(NamedTuple):
    """Numbers of units and edges, and where the blocks of units begin."""

    size: int
    edges: int
    learnable: int
    units: int
    outputs: int
    #: First unit of the last layer, and of the layer below it.
    last_first: int
    deep_first: int
    #: First edge of the last layer.
    last_edge: int
    #: Where the blocks of all units begin, and those of the last layer; rows times words.
    first_base: int
    block: int
    last_base: int
    last_block: int
    #: Length of the state.
    length: int


class Network(NamedTuple):
    """One graph with its teachers and students (`truth` and `signs`, as masks).

    `base_of` is where the block of each unit begins, `addresses` where each edge's source stands.
    `reader_base` and `reader_sign` are block and weight of the outputs that read each unit below
    them, `stride` of them for each unit; `reader_of` finds an edge of the last layer there. In deep
    networks edges `out_edge[out_begin[u]:out_begin[u + 1]]` read unit u, and `unit_of` is what an
    edge feeds.
    """

    base_of: Array
    addresses: Array
    truth: Array
    signs: Array
    reader_base: Array
    reader_sign: Array
    reader_of: Array
    unit_of: Array
    out_begin: Array
    out_edge: Array


@compiled
def lay_out(shape, replicas):
    """The layout of a network."""
    unit_counts, size, edges = replicas.unit_counts, replicas.size, replicas.teacher.shape[1]
    units = unit_counts.sum()
    outputs = unit_counts[-1]
    last_first = units - outputs
    deep_first = last_first - (unit_counts[-2] if shape.depth > 1 else 0)
    block = (shape.planes + 1) * shape.row
    last_block = (shape.last_planes + 1) * shape.row
    last_base = size * shape.row + last_first * block
    return Layout(
        size,
        edges,
        replicas.learnable,
        units,
        outputs,
        last_first,
        deep_first,
        edges - outputs * shape.last_fan_in,
        size * shape.row,
        block,
        last_base,
        last_block,
        # A block of zeros at the end is the output that fills empty places: it never flips.
        last_base + outputs * last_block + 4 * shape.row,
    )


@compiled_counting
def empty_network(shape, layout, mask_type):
    """Room for one network; masks have the type of `mask_type`."""
    last_edges = layout.edges - layout.last_edge
    places = (layout.last_first - layout.deep_first) * shape.stride
    indexed = layout.edges if shape.depth > 2 else 1
    base_of = np.zeros(layout.units, dtype=np.int64)
    for unit in range(layout.units):
        base_of[unit] = layout.first_base + unit * layout.block
        if unit >= layout.last_first:
            base_of[unit] = layout.last_base + (unit - layout.last_first) * layout.last_block
    return Network(
        base_of,
        np.zeros(layout.edges, dtype=np.int32),
        np.zeros(layout.edges, dtype=mask_type.dtype),
        np.zeros(layout.edges, dtype=mask_type.dtype),
        np.full(places, layout.length - 4 * shape.row, dtype=np.int32),
        np.zeros(places, dtype=mask_type.dtype),
        np.zeros(last_edges, dtype=np.int32),
        np.zeros(indexed, dtype=np.int32),
        np.zeros(layout.units + 1, dtype=np.int64),
        np.zeros(indexed, dtype=np.int32),
    )


@compiled
def load_network(network, shape, layout, replicas, row):
    """Fill a network with the replicas in a row."""
    _pack_weights(replicas.teacher, row, network.truth)
    _pack_weights(replicas.student, row, network.signs)
    graph = replicas.sources[row.first]
    _index_sources(network, shape, replicas, graph)
    if shape.readers > 0:
        _index_readers(network, shape, layout, graph)
    if shape.depth > 2:
        _index_edges(network, replicas, graph)


@compiled
def _pack_weights(bits, row, masks):
    for edge in range(masks.shape[0]):
        mask = ZERO
        for member in range(row.members):
            mask |= np.uint64(bits[row.first + member, edge]) << np.uint64(member)
        masks[edge] = mask if row.members > 1 else (ZERO - mask) & row.everyone


@compiled
def unpack_weights(masks, row, bits):
    """Write the weights of the replicas in the masks as bits, shape (replica, edge)."""
    for edge in range(masks.shape[0]):
        for member in range(row.members):
            bits[row.first + member, edge] = (np.uint64(masks[edge]) >> np.uint64(member)) & ONE


@compiled
def _index_sources(network, shape, replicas, sources):
    fan_ins, unit_counts = replicas.fan_ins, replicas.unit_counts
    base_of, addresses = network.base_of, network.addresses
    edge = 0
    unit = 0
    below = 0
    for layer in range(fan_ins.shape[0]):
        first = unit
        for _ in range(unit_counts[layer] * fan_ins[layer]):
            source = np.int64(sources[edge])
            if layer == 0:
                addresses[edge] = source * shape.row
            else:
                addresses[edge] = base_of[below + source] + (shape.planes - 1) * shape.row
            edge += 1
        unit += unit_counts[layer]
        below = first


@compiled_counting
def _index_readers(network, shape, layout, sources):
    filled = np.zeros(layout.last_first - layout.deep_first, dtype=np.int64)
    for number in range(network.reader_of.shape[0]):
        source = np.int64(sources[layout.last_edge + number])
        at = source * shape.stride + filled[source]
        filled[source] += 1
        unit = number // shape.last_fan_in
        network.reader_base[at] = layout.last_base + unit * layout.last_block
        network.reader_sign[at] = network.signs[layout.last_edge + number]
        network.reader_of[number] = at


@compiled_counting
def _index_edges(network, replicas, sources):
    fan_ins, unit_counts = replicas.fan_ins, replicas.unit_counts
    unit_of, out_begin, out_edge = network.unit_of, network.out_begin, network.out_edge
    out_begin[:] = 0
    for filling in range(2):
        filled = np.zeros(out_begin.shape[0], dtype=np.int64)
        edge = 0
        unit = 0
        below = 0
        for layer in range(fan_ins.shape[0]):
            first = unit
            for _ in range(unit_counts[layer]):
                for _ in range(fan_ins[layer]):
                    unit_of[edge] = unit
                    if layer > 0:
                        source = below + np.int64(sources[edge])
                        if filling:
                            out_edge[out_begin[source] + filled[source]] = edge
                            filled[source] += 1
                        else:
                            out_begin[source + 1] += 1
                    edge += 1
                unit += 1
            below = first
        if not filling:
            for number in range(out_begin.shape[0] - 1):
                out_begin[number + 1] += out_begin[number]


@numba.njit(_nrt=True)
def path_sum(truth, signs, sources, replicas, paths, member):
    """Sum over outputs and paths of the products of w w* of one replica.

    Bit `member` of the masks is used; `paths` has two rows as long as the largest layer.
    """
    below, above = paths
    fan_ins, unit_counts = replicas.fan_ins, replicas.unit_counts
    edge = 0
    below[:] = 1
    for layer in range(fan_ins.shape[0]):
        for unit in range(unit_counts[layer]):
            total = np.int64(0)
            for _ in range(fan_ins[layer]):
                value = below[sources[edge]]
                differs = (np.uint64(truth[edge] ^ signs[edge]) >> np.uint64(member)) & ONE
                total += -value if differs else value
                edge += 1
            above[unit] = total
        for unit in range(unit_counts[layer]):
            below[unit] = above[unit]
    total = np.int64(0)
    for unit in range(unit_counts[-1]):
        total += below[unit]
    return total
