"""Compiled building blocks of the bit-sliced kernel: one bit for each sample.

A bit stands for -1 where it is 1. A unit's count of negative terms is held as bit planes,
shifted by a constant so that the threshold (fan_in + 1)/2 falls on the top plane: the unit's
output *is* the top plane. One weight flip changes the count by one, and that changes the
output only where the count sits at the threshold: one xor and one and per plane.

Vectors of constant length (`physbatch.dynamics.bitsliced.lanes`) run along the rows of the state
(`physbatch.dynamics.bitsliced.layout`); `ones`, a vector of all ones, carries that length.

None of these functions is cached on disk by itself: they are compiled into the kernels, whose
cache follows the source of all of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from physbatch.dynamics.bitsliced.lanes import (
    inlined,
    lanes_below,
    load,
    part,
    popcount,
    population,
    signed_lane,
    spread,
    store,
    total,
)
from physbatch.dynamics.bitsliced.layout import ONE, ZERO, Array
from physbatch.streams.compiled import bounded, philox
from physbatch.streams.keys import KIND_BATCH, KIND_INPUTS

__all__ = [
    "Batch",
    "accept",
    "accept_below",
    "accept_hot",
    "count_mistakes",
    "draw_batch",
    "draw_count",
    "draw_numbers",
    "draw_proposals",
    "empty_batch",
    "error_change",
    "flip_mask",
    "step_count",
]

ONES = np.uint64(0xFFFFFFFFFFFFFFFF)
_8 = np.uint64(8)
_32 = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_INPUTS = np.uint64(KIND_INPUTS)
_BATCH = np.uint64(KIND_BATCH)


class Batch(NamedTuple):
    """The batch of the replicas in a row.

    Attributes
    ----------
    raw : room for the random words of one replica.
    valid : one row, the masks of valid samples.
    counts : how many samples the batch of each replica holds.
    wrong : how many output bits of each replica are wrong.
    """

    raw: Array
    valid: Array
    counts: Array
    wrong: Array


@part
def empty_batch(shape, layout, lane_type):
    """Room for a batch; lanes have the type of `lane_type`."""
    return Batch(
        np.zeros(shape.row // shape.together * layout.size + 2, dtype=np.uint64),
        np.zeros(shape.row, dtype=lane_type.dtype),
        np.zeros(shape.together, dtype=np.int64),
        np.zeros(shape.together, dtype=np.int64),
    )


# --- random numbers ---------------------------------------------------------------------


@part
def draw_count(floor, threshold, key, index, replica):
    """Number of samples of batch `index`: floor(m), and one more with the chance given."""
    if threshold == ZERO:
        return floor
    kind = _BATCH | ((index >> _32) << _8)
    x0, _, _, _ = philox(ZERO, index & _LOW, kind, replica, key)
    return floor + 1 if x0 < threshold else floor


@part
def draw_numbers(out, count, kind, key, index, replica):
    """The first `count` 32-bit numbers of an index; `out` has room for a whole last block."""
    kind = kind | ((index >> _32) << _8)
    low = index & _LOW
    for block in range((count + 3) // 4):
        x0, x1, x2, x3 = philox(np.uint64(block), low, kind, replica, key)
        out[4 * block] = x0
        out[4 * block + 1] = x1
        out[4 * block + 2] = x2
        out[4 * block + 3] = x3


@part
def draw_proposals(out, count, kind, key, index, replica):
    """`count` positions, uniform on 0 ... count - 1."""
    draw_numbers(out, count, kind, key, index, replica)
    bound = np.uint64(count)
    for number in range(count):
        out[number] = bounded(np.uint64(out[number]), bound)


@part
def _draw_inputs(state, batch, row, place, words, size, skip, count, key, index, replica):
    """Inputs of a batch of `count` samples of one replica, and the masks of its valid samples.

    Word w of input i is number w * size + i of the stream, whatever `words` is, without its
    first `skip` samples; the replica's words stand at `place` in each row.
    """
    kind = _INPUTS | ((index >> _32) << _8)
    low = index & _LOW
    used = (count + 63) // 64
    raw, valid = batch.raw, batch.valid
    for block in range((used * size + 1) // 2):
        x0, x1, x2, x3 = philox(np.uint64(block), low, kind, replica, key)
        raw[2 * block] = x0 | (x1 << _32)
        raw[2 * block + 1] = x2 | (x3 << _32)
    for word in range(words):
        if word < used:
            for unit in range(size):
                state[unit * row + place + word] = raw[word * size + unit] >> skip
        left = count - 64 * word
        if left >= 64:
            valid[place + word] = ONES
        elif left > 0:
            valid[place + word] = (ONE << np.uint64(left)) - ONE
        else:
            valid[place + word] = ZERO


# --- counts -----------------------------------------------------------------------------


# The first planes are written out: the compiler does not unroll loops this short by itself.


@inlined
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


@inlined
def _step_plane(state, at, term, carry):
    """Flip a plane in the samples `carry`, and return where that carries on."""
    held = load(state, at, carry)
    store(state, at, held ^ carry)
    return carry & (held ^ term)


@inlined
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


@inlined
def error_change(state, at, planes, row, flip):
    """Change of the number of wrong bits, by lane, if an output flips in the samples `flip`."""
    wrong = load(state, at + planes * row, flip)
    return population(flip & ~wrong) - population(flip & wrong)


@inlined
def accept(change, acceptance, last, chances, number):
    """Metropolis decision from integer thresholds; no random number is read at T = 0."""
    if change < 0:
        return True
    threshold = acceptance[min(change, last)]
    if threshold > _LOW:
        return True
    return threshold > ZERO and chances[number] < threshold


@inlined
def accept_below(change, limit, shape, everyone):
    """The replicas in a row, as a mask, whose error changes by less than a limit (T = 0)."""
    if shape.together == 1:
        return everyone if total(change) < limit else ZERO
    return lanes_below(change, limit) & everyone


@inlined
def accept_hot(change, acceptance, chances, number, shape, everyone):
    """The same at a temperature; `chances` has a row for each replica."""
    chosen = ZERO
    last = np.int64(acceptance.shape[0] - 1)
    for member in range(shape.together):
        own = signed_lane(change, member) if shape.together > 1 else total(change)
        threshold = acceptance[np.uint64(min(max(own, 0), last))]
        if own < 0 or np.uint64(chances[member, number]) < threshold:
            chosen |= everyone if shape.together == 1 else ONE << np.uint64(member)
    return chosen & everyone


# --- batches ----------------------------------------------------------------------------


@inlined
def _term(state, addresses, weights, slot, place, ones):
    """The term that an edge adds to its unit's field."""
    return load(state, addresses[slot] + place, ones) ^ spread(weights[slot], ones)


@inlined
def _count_in_registers(
    state, addresses, weights, begin, stop, place, base, planes, offset, row, ones
):
    """Count the terms of a unit with at most four planes, each written once."""
    zeros = ones ^ ones
    plane_0 = ones if offset & 1 else zeros
    plane_1 = ones if offset & 2 else zeros
    plane_2 = ones if offset & 4 else zeros
    plane_3 = zeros
    for slot in range(begin, stop):
        carry = _term(state, addresses, weights, slot, place, ones)
        above = plane_0 & carry
        plane_0 ^= carry
        carry = plane_1 & above
        plane_1 ^= above
        plane_3 ^= plane_2 & carry
        plane_2 ^= carry
    store(state, base, plane_0)
    if planes > 1:
        store(state, base + row, plane_1)
    if planes > 2:
        store(state, base + 2 * row, plane_2)
    if planes > 3:
        store(state, base + 3 * row, plane_3)


@inlined
def _count_in_memory(
    state, addresses, weights, begin, stop, place, base, planes, offset, row, ones
):
    """Count the terms of a unit with any number of planes."""
    zeros = ones ^ ones
    for plane in range(planes):
        store(state, base + plane * row, ones if (offset >> plane) & 1 else zeros)
    for slot in range(begin, stop):
        # Adding is stepping a term that was 0 wherever the new term is 1.
        term = _term(state, addresses, weights, slot, place, ones)
        step_count(state, base, planes, row, zeros, term)


@inlined
def _forward_layer(state, network, weights, first, stop, edge, terms, planes, offset, shape, ones):
    addresses, base_of = network.addresses, network.base_of
    for unit in range(first, stop):
        end = edge + terms
        for place in range(0, shape.row, shape.lanes):
            at = base_of[unit] + place
            if planes <= 4:
                _count_in_registers(
                    state, addresses, weights, edge, end, place, at, planes, offset, shape.row, ones
                )
            else:
                _count_in_memory(
                    state, addresses, weights, edge, end, place, at, planes, offset, shape.row, ones
                )
        edge = end


@part
def _forward(state, network, weights, shape, layout, ones):
    """Run a network on the inputs of the batch."""
    last_first, units = layout.last_first, layout.units
    _forward_layer(
        state,
        network,
        weights,
        0,
        last_first,
        0,
        shape.fan_in,
        shape.planes,
        shape.offset,
        shape,
        ones,
    )
    _forward_layer(
        state,
        network,
        weights,
        last_first,
        units,
        last_first * shape.fan_in,
        shape.last_fan_in,
        shape.last_planes,
        shape.last_offset,
        shape,
        ones,
    )


@part
def draw_batch(
    state,
    batch,
    network,
    shape,
    layout,
    floor,
    threshold,
    key,
    index,
    first_replica,
    members,
    skip,
    ones,
):
    """Draw a batch for each replica in a row, run teachers and students, mark wrong samples.

    `skip` samples of each word are left out.
    """
    words = shape.row // shape.together
    for member in range(members):
        replica = np.uint64(first_replica + member)
        count = draw_count(floor, threshold, key, index, replica)
        batch.counts[member] = count
        place = member * words
        _draw_inputs(
            state, batch, shape.row, place, words, layout.size, skip, count, key, index, replica
        )
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


@part
def count_mistakes(state, batch, network, shape, layout, members):
    """Number of wrong output bits on the batch of each replica in a row."""
    words = shape.row // shape.together
    base_of, valid, wrong = network.base_of, batch.valid, batch.wrong
    wrong[:] = 0
    for unit in range(layout.last_first, layout.units):
        base = base_of[unit] + shape.last_planes * shape.row
        for member in range(members):
            for place in range(member * words, (member + 1) * words):
                bits = np.uint64(state[base + place] & valid[place])
                wrong[member] += popcount(bits)
