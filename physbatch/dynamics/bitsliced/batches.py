"""Batches: their inputs, and what teachers and students make of them."""

from typing import NamedTuple

import numpy as np

from physbatch.dynamics.bitsliced.lanes import fill, load, popcount, spread, store
from physbatch.dynamics.bitsliced.layout import ONE, ZERO
from physbatch.dynamics.bitsliced.parts import ONES, step_count
from physbatch.dynamics.compiled import compiled, compiled_inline, draw_count
from physbatch.streams.compiled import philox
from physbatch.streams.keys import KIND_INPUTS

_8 = np.uint64(8)
_32 = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_INPUTS = np.uint64(KIND_INPUTS)
#: Units that are counted at once where a row is one word.
_UNITS = 8


@compiled
def _draw_inputs(work, shape, start, count, draw, replica):
    """Inputs of a batch of `count` samples of one replica, and the masks of its valid samples.

    Word w of input i is number w * size + i of the stream, whatever `words` is, without its
    first `skip` samples; the replica's words begin at `start` in each row.
    """
    state, raw, valid = work.state, work.batch.raw, work.batch.valid
    size, row, words = work.layout.size, shape.row, shape.row // shape.together
    kind = _INPUTS | ((draw.number >> _32) << _8)
    low = draw.number & _LOW
    used = (count + 63) // 64
    for block in range((used * size + 1) // 2):
        x0, x1, x2, x3 = philox(np.uint64(block), low, kind, replica, draw.key)
        raw[2 * block] = x0 | (x1 << _32)
        raw[2 * block + 1] = x2 | (x3 << _32)
    for word in range(words):
        if word < used:
            for unit in range(size):
                state[unit * row + start + word] = raw[word * size + unit] >> draw.skip
        left = count - 64 * word
        if left >= 64:
            valid[start + word] = ONES
        elif left > 0:
            valid[start + word] = (ONE << np.uint64(left)) - ONE
        else:
            valid[start + word] = ZERO


class Terms(NamedTuple):
    """The terms of a unit in one vector: edges `begin` to `stop`, words `word` on of a row."""

    begin: int
    stop: int
    word: int


class Layer(NamedTuple):
    """Units `first` to `stop`, whose edges begin at `edge`."""

    first: int
    stop: int
    edge: int
    fan_in: int
    planes: int
    offset: int


@compiled_inline
def _term(state, addresses, weights, slot, word, ones):
    """The term that an edge adds to its unit's field."""
    return load(state, addresses[slot] + word, ones) ^ spread(weights[slot], ones)


@compiled_inline
def _no_terms(layer, ones):
    """Four planes that have counted nothing yet."""
    zeros = ones ^ ones
    return (
        ones if layer.offset & 1 else zeros,
        ones if layer.offset & 2 else zeros,
        ones if layer.offset & 4 else zeros,
        zeros,
    )


@compiled_inline
def _add_term(planes, term):
    """Count one more term."""
    plane_0, plane_1, plane_2, plane_3 = planes
    above = plane_0 & term
    carry = plane_1 & above
    return plane_0 ^ term, plane_1 ^ above, plane_2 ^ carry, plane_3 ^ (plane_2 & carry)


@compiled_inline
def _store_planes(state, base, planes, layer, row):
    store(state, base, planes[0])
    if layer.planes > 1:
        store(state, base + row, planes[1])
    if layer.planes > 2:
        store(state, base + 2 * row, planes[2])
    if layer.planes > 3:
        store(state, base + 3 * row, planes[3])


@compiled_inline
def _count_in_registers(state, addresses, weights, terms, base, layer, row, ones):
    """Count the terms of a unit with at most four planes, each written once."""
    planes = _no_terms(layer, ones)
    for slot in range(terms.begin, terms.stop):
        planes = _add_term(planes, _term(state, addresses, weights, slot, terms.word, ones))
    _store_planes(state, base, planes, layer, row)


@compiled_inline
def _count_in_memory(state, addresses, weights, terms, base, layer, row, ones):
    """Count the terms of a unit with any number of planes."""
    zeros = ones ^ ones
    for plane in range(layer.planes):
        store(state, base + plane * row, ones if (layer.offset >> plane) & 1 else zeros)
    for slot in range(terms.begin, terms.stop):
        # Adding is stepping a term that was 0 wherever the new term is 1.
        term = _term(state, addresses, weights, slot, terms.word, ones)
        step_count(state, base, layer.planes, row, zeros, term)


@compiled_inline
def _forward_words(state, network, weights, layer, terms):
    """A layer of at most four planes whose rows are one word: eight units at a time.

    `terms` is room for one word of each edge; units stand side by side there.
    """
    addresses, base_of = network.addresses, network.base_of
    units, fan_in = np.uint64(layer.stop - layer.first), np.uint64(layer.fan_in)
    side = (units + np.uint64(_UNITS - 1)) // np.uint64(_UNITS) * np.uint64(_UNITS)
    edge = np.uint64(layer.edge)
    for unit in range(units):
        for slot in range(fan_in):
            source = np.uint64(addresses[edge])
            negative = ZERO - np.uint64(weights[edge] & 1)
            terms[slot * side + unit] = state[source] ^ negative
            edge += ONE
    ones = fill(terms, ONES, _UNITS)
    for unit in range(0, np.int64(units), _UNITS):
        planes = _no_terms(layer, ones)
        for slot in range(layer.fan_in):
            planes = _add_term(planes, load(terms, slot * np.int64(side) + unit, ones))
        _store_planes(terms, unit, planes, layer, np.int64(side))
    for unit in range(units):
        base = np.uint64(base_of[np.uint64(layer.first) + unit])
        for plane in range(np.uint64(layer.planes)):
            state[base + plane] = terms[plane * side + unit]


@compiled_inline
def _forward_layer(state, network, weights, layer, shape, terms, ones):
    if shape.depth <= 2 and shape.row == 1 and layer.planes <= 4:
        _forward_words(state, network, weights, layer, terms)
        return
    addresses, base_of = network.addresses, network.base_of
    for unit in range(layer.first, layer.stop):
        begin = layer.edge + (unit - layer.first) * layer.fan_in
        for word in range(0, shape.row, shape.lanes):
            terms = Terms(begin, begin + layer.fan_in, word)
            at = base_of[unit] + word
            if layer.planes <= 4:
                _count_in_registers(state, addresses, weights, terms, at, layer, shape.row, ones)
            else:
                _count_in_memory(state, addresses, weights, terms, at, layer, shape.row, ones)


@compiled
def _forward(work, weights, shape, ones):
    """Run a network on the inputs of the batch."""
    state, network, layout, terms = work.state, work.network, work.layout, work.batch.terms
    last = layout.last_first
    hidden = Layer(0, last, 0, shape.fan_in, shape.planes, shape.offset)
    _forward_layer(state, network, weights, hidden, shape, terms, ones)
    first_edge = last * shape.fan_in
    outputs = Layer(
        last, layout.units, first_edge, shape.last_fan_in, shape.last_planes, shape.last_offset
    )
    _forward_layer(state, network, weights, outputs, shape, terms, ones)


@compiled
def draw_batch(work, shape, draw, row, ones):
    """Draw a batch for each replica in a row, run teachers and students, mark wrong samples."""
    state, network, layout = work.state, work.network, work.layout
    for member in range(row.members):
        replica = np.uint64(row.replica + member)
        count = draw_count(draw.floor, draw.threshold, draw.key, draw.number, replica)
        work.batch.counts[member] = count
        start = member * (shape.row // shape.together)
        _draw_inputs(work, shape, start, count, draw, replica)
    wrong = shape.last_planes * shape.row
    top = wrong - shape.row
    base_of = network.base_of
    _forward(work, network.truth, shape, ones)
    for unit in range(layout.last_first, layout.units):
        base = base_of[unit]
        for at in range(base, base + shape.row, shape.lanes):
            store(state, at + wrong, load(state, at + top, ones))
    _forward(work, network.signs, shape, ones)
    for unit in range(layout.last_first, layout.units):
        base = base_of[unit]
        for at in range(base, base + shape.row, shape.lanes):
            target = load(state, at + wrong, ones)
            store(state, at + wrong, target ^ load(state, at + top, ones))


@compiled
def count_mistakes(work, shape, members):
    """Number of wrong output bits on the batch of each replica in a row."""
    words = shape.row // shape.together
    state, layout = work.state, work.layout
    base_of, valid, wrong = work.network.base_of, work.batch.valid, work.batch.wrong
    wrong[:] = 0
    for unit in range(layout.last_first, layout.units):
        base = base_of[unit] + shape.last_planes * shape.row
        for member in range(members):
            for word in range(member * words, (member + 1) * words):
                wrong[member] += popcount(np.uint64(state[base + word] & valid[word]))
