"""What the general discrete kernel works on: layers, fields and room, as tuples of arrays."""

from typing import NamedTuple

import numpy as np

from physbatch.dynamics.compiled import compiled, compiled_counting
from physbatch.dynamics.rules import BatchTable


class Layout(NamedTuple):
    """What all replicas have in common; units are numbered over all layers, inputs left out.

    `below` is the number of the first unit that an edge's layer reads (0 for the first layer,
    which reads inputs); `units` are the numbers of units of each layer.
    """

    edge_begin: np.ndarray
    unit_of: np.ndarray
    below: np.ndarray
    units: np.ndarray
    first_units: int
    last_first: int


class Replicas(NamedTuple):
    """Teachers or students of all replicas."""

    layout: Layout
    sources: np.ndarray
    weights: np.ndarray


class Network(NamedTuple):
    """The layers of one replica.

    `source` is the input (first layer) or the unit that an edge reads. `out_edge` lists the
    edges that read each unit, from `out_begin` on.
    """

    edge_begin: np.ndarray
    unit_of: np.ndarray
    source: np.ndarray
    weights: np.ndarray
    out_begin: np.ndarray
    out_edge: np.ndarray
    first_units: int
    last_first: int


class State(NamedTuple):
    """Samples of a batch, the student's fields and outputs on them, and room for a trial.

    Rows of `inputs`, `fields`, `values` and `targets` are inputs, units, units and outputs;
    columns are samples. `changed` lists the samples in which the changed unit's output moves;
    `differences` and, for every unit it touches, `shift` hold the moves of an output and of a
    field in those samples.
    """

    inputs: np.ndarray
    fields: np.ndarray
    values: np.ndarray
    targets: np.ndarray
    new_fields: np.ndarray
    new_values: np.ndarray
    changed: np.ndarray
    differences: np.ndarray
    shift: np.ndarray
    touched: np.ndarray
    is_touched: np.ndarray


class Scratch(NamedTuple):
    """Room for the teacher on a batch, for test samples, and for a set of patterns.

    `label_numbers` says which labels are flipped; `order`, `swaps` and `numbers` serve the choice
    of patterns, `proposals` and `chances` the moves of a sweep, and `gauge` (one number a unit of
    the student) the test of perfection.
    """

    teacher_fields: np.ndarray
    teacher_values: np.ndarray
    test_inputs: np.ndarray
    test_fields: np.ndarray
    test_values: np.ndarray
    own_fields: np.ndarray
    own_values: np.ndarray
    patterns: np.ndarray
    labels: np.ndarray
    label_numbers: np.ndarray
    order: np.ndarray
    swaps: np.ndarray
    numbers: np.ndarray
    proposals: np.ndarray
    edges: np.ndarray
    chances: np.ndarray
    gauge: np.ndarray


class Work(NamedTuple):
    """What the kernel works on: one replica at a time."""

    teacher: Network
    student: Network
    state: State
    scratch: Scratch


class Rule(NamedTuple):
    """Numbers that say how samples are drawn; see `BatchTable` and `InputRule`."""

    batches: BatchTable
    gaussian: bool
    pattern_count: int
    epochs: bool
    label_threshold: np.uint64
    patterns_key: np.uint64
    key: np.uint64
    test_key: np.uint64
    test_samples: int


class Instructions(NamedTuple):
    """A `DiscreteRun` as compiled code reads it, and what it must know of the system."""

    rule: Rule
    acceptance: np.ndarray
    each_proposal: bool
    absorbing: bool
    times: np.ndarray
    duration: int
    first_replica: int
    known_wiring: bool
    ternary: bool
    learnable: int
    order: int


@compiled_counting
def empty_network(layout):
    """Room for the network of one replica; `wire` fills it."""
    edges = layout.unit_of.shape[0]
    return Network(
        layout.edge_begin,
        layout.unit_of,
        np.empty(edges, dtype=np.int32),
        np.empty(edges, dtype=np.int8),
        np.empty(layout.edge_begin.shape[0], dtype=np.int32),
        np.empty(edges, dtype=np.int32),
        layout.first_units,
        layout.last_first,
    )


@compiled
def copy(target, source):
    """Copy a flat array."""
    for number in range(source.shape[0]):
        target[number] = source[number]


@compiled
def wire(network, replicas, row):
    """Take the graph and the weights of a replica, and list the readers of each unit."""
    layout, sources, weights = replicas.layout, replicas.sources[row], replicas.weights[row]
    copy(network.weights, weights)
    first_upper = layout.edge_begin[layout.first_units]
    edges = sources.shape[0]
    network.out_begin[:] = 0
    for edge in range(edges):
        network.source[edge] = sources[edge] + layout.below[edge]
        if edge >= first_upper:
            network.out_begin[network.source[edge] + 1] += 1
    for unit in range(network.out_begin.shape[0] - 1):
        network.out_begin[unit + 1] += network.out_begin[unit]
    # Going down, each edge takes the last free place of its source, so the lists are sorted.
    for edge in range(edges - 1, first_upper - 1, -1):
        source = network.source[edge]
        network.out_begin[source + 1] -= 1
        network.out_edge[network.out_begin[source + 1]] = edge
    for unit in range(network.out_begin.shape[0] - 1):
        network.out_begin[unit] = network.out_begin[unit + 1]
    network.out_begin[-1] = edges - first_upper
