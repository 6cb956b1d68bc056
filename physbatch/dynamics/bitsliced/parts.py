"""Compiled building blocks of the bit-sliced kernel: one bit for each sample.

A bit stands for -1 where it is 1. A unit's count of negative terms is held as bit planes,
shifted by a constant so that the threshold (fan_in + 1)/2 falls on the top plane: the unit's
output *is* the top plane. One weight flip changes the count by one, and that changes the
output only where the count sits at the threshold: one xor and one and per plane.

Vectors of constant length (`physbatch.dynamics.bitsliced.lanes`) run along the rows of the state
(`physbatch.dynamics.bitsliced.layout`); `ones`, a vector of all ones, carries that length.
"""

from typing import NamedTuple

import numpy as np

from physbatch.dynamics.bitsliced.lanes import (
    lanes_below,
    load,
    popcount,
    population,
    signed_lane,
    spread,
    store,
    total,
)
from physbatch.dynamics.bitsliced.layout import ONE, ZERO, Array, Layout, Network
from physbatch.dynamics.compiled import (
    compiled,
    compiled_counting,
    compiled_inline,
    draw_count,
)
from physbatch.dynamics.rules import ORDERS
from physbatch.streams.compiled import bounded, philox
from physbatch.streams.filling import draw_numbers, draw_permutation
from physbatch.streams.keys import KIND_INPUTS, KIND_ORDER, KIND_PROPOSAL

ONES = np.uint64(0xFFFFFFFFFFFFFFFF)
_8 = np.uint64(8)
_32 = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_INPUTS = np.uint64(KIND_INPUTS)
_PROPOSAL = np.uint64(KIND_PROPOSAL)
_ORDER = np.uint64(KIND_ORDER)
_RANDOM, _SEQUENTIAL = ORDERS["random"], ORDERS["sequential"]


class Batch(NamedTuple):
    """The batch of the replicas in a row.

    `raw` is room for the random words of one replica and `valid` one row of masks; `counts` and
    `wrong` are the samples and the wrong output bits of each replica.
    """

    raw: Array
    valid: Array
    counts: Array
    wrong: Array


class Work(NamedTuple):
    """What the kernel works on: the state of a row, its batch and its network.

    `chances` decide on the `proposals` (positions) of a sweep, `spare` is room to draw them;
    `paths` are two rows as long as the largest layer, for the sums over paths.
    """

    layout: Layout
    state: Array
    batch: Batch
    network: Network
    proposals: Array
    spare: Array
    chances: Array
    paths: Array


class Draw(NamedTuple):
    """Which batch to draw: its size, key and number, and the samples of each word to skip."""

    floor: int
    threshold: np.uint64
    key: np.uint64
    number: np.uint64
    skip: np.uint64


class Decision(NamedTuple):
    """How moves are decided on: at T = 0 by a limit alone, else by `acceptance` and `chances`.

    `everyone` is the mask of all replicas in a row.
    """

    cold: bool
    limit: int
    acceptance: Array
    chances: Array
    everyone: np.uint64


@compiled_counting
def empty_batch(shape, layout, lane_type):
    """Room for a batch; lanes have the type of `lane_type`."""
    return Batch(
        np.zeros(shape.row // shape.together * layout.size + 2, dtype=np.uint64),
        np.zeros(shape.row, dtype=lane_type.dtype),
        np.zeros(shape.together, dtype=np.int64),
        np.zeros(shape.together, dtype=np.int64),
    )


# --- random numbers ---------------------------------------------------------------------


@compiled
def draw_proposals(out, spare, order, count, key, index, replica):
    """`count` positions from 0 to count - 1 in an order; there is room for random numbers."""
    if order == _RANDOM:
        draw_numbers(out, 0, count, key, _PROPOSAL, index, replica)
        bound = np.uint64(count)
        for number in range(count):
            out[number] = bounded(np.uint64(out[number]), bound)
    elif order == _SEQUENTIAL:
        for number in range(count):
            out[number] = number
    else:
        draw_permutation(out[:count], spare, key, _ORDER, index, replica)


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


# --- counts -----------------------------------------------------------------------------


# The first planes are written out: the compiler does not unroll loops this short by itself.


@compiled_inline
def flip_mask(state, at, planes, row, term, within):
    """Samples in `within` where the unit's output flips if `term` flips."""
    flip = within & ~(load(state, at + (planes - 1) * row, within) ^ term)
    if planes > 1:
        flip &= load(state, at, within) ^ term
    if planes > 2:
        flip &= load(state, at + row, within) ^ term
    if planes > 3:
        flip &= load(state, at + 2 * row, within) ^ term
    for plane in range(3, planes - 1):
        flip &= load(state, at + plane * row, within) ^ term
    return flip


@compiled_inline
def _step_plane(state, at, term, carry):
    """Flip a plane in the samples `carry`, and return where that carries on."""
    plane = load(state, at, carry)
    store(state, at, plane ^ carry)
    return carry & (plane ^ term)


@compiled_inline
def step_count(state, at, planes, row, term, within):
    """Flip a term in the samples `within`: the count falls where it was 1, rises where 0."""
    carry = _step_plane(state, at, term, within)
    if planes > 1:
        carry = _step_plane(state, at + row, term, carry)
    if planes > 2:
        carry = _step_plane(state, at + 2 * row, term, carry)
    if planes > 3:
        carry = _step_plane(state, at + 3 * row, term, carry)
    for plane in range(4, planes):
        carry = _step_plane(state, at + plane * row, term, carry)


@compiled_inline
def error_change(state, at, planes, row, flip):
    """Change of the number of wrong bits, by lane, if an output flips in the samples `flip`."""
    wrong = load(state, at + planes * row, flip)
    return population(flip & ~wrong) - population(flip & wrong)


@compiled_inline
def accept(change, decision, number, shape):
    """The replicas in a row, as a mask, that accept a change of their errors."""
    if decision.cold:
        if shape.together == 1:
            return decision.everyone if total(change) < decision.limit else ZERO
        return lanes_below(change, decision.limit) & decision.everyone
    chosen = ZERO
    last = np.int64(decision.acceptance.shape[0] - 1)
    for member in range(shape.together):
        rise = signed_lane(change, member) if shape.together > 1 else total(change)
        threshold = decision.acceptance[np.uint64(min(max(rise, 0), last))]
        if rise < 0 or np.uint64(decision.chances[member, number]) < threshold:
            chosen |= decision.everyone if shape.together == 1 else ONE << np.uint64(member)
    return chosen & decision.everyone


# --- batches ----------------------------------------------------------------------------


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
def _count_in_registers(state, addresses, weights, terms, base, layer, row, ones):
    """Count the terms of a unit with at most four planes, each written once."""
    zeros = ones ^ ones
    plane_0 = ones if layer.offset & 1 else zeros
    plane_1 = ones if layer.offset & 2 else zeros
    plane_2 = ones if layer.offset & 4 else zeros
    plane_3 = zeros
    for slot in range(terms.begin, terms.stop):
        carry = _term(state, addresses, weights, slot, terms.word, ones)
        above = plane_0 & carry
        plane_0 ^= carry
        carry = plane_1 & above
        plane_1 ^= above
        plane_3 ^= plane_2 & carry
        plane_2 ^= carry
    store(state, base, plane_0)
    if layer.planes > 1:
        store(state, base + row, plane_1)
    if layer.planes > 2:
        store(state, base + 2 * row, plane_2)
    if layer.planes > 3:
        store(state, base + 3 * row, plane_3)


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
def _forward_layer(state, network, weights, layer, shape, ones):
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
def _forward(state, network, weights, shape, layout, ones):
    """Run a network on the inputs of the batch."""
    last = layout.last_first
    hidden = Layer(0, last, 0, shape.fan_in, shape.planes, shape.offset)
    _forward_layer(state, network, weights, hidden, shape, ones)
    first_edge = last * shape.fan_in
    outputs = Layer(
        last, layout.units, first_edge, shape.last_fan_in, shape.last_planes, shape.last_offset
    )
    _forward_layer(state, network, weights, outputs, shape, ones)


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
    _forward(state, network, network.truth, shape, layout, ones)
    for unit in range(layout.last_first, layout.units):
        base = base_of[unit]
        for at in range(base, base + shape.row, shape.lanes):
            store(state, at + wrong, load(state, at + top, ones))
    _forward(state, network, network.signs, shape, layout, ones)
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
