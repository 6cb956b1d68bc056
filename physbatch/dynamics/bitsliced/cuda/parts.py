"""Building blocks of the GPU kernel that need no other thread.

Counts and random numbers are those of `physbatch.dynamics.bitsliced.parts`. Functions that take
`thread` and `threads` do one thread's share of the work of a block.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import cuda

from physbatch.dynamics.bitsliced.layout import ONE, ZERO, Array
from physbatch.dynamics.bitsliced.parts import ONES
from physbatch.streams import compiled
from physbatch.streams.keys import KIND_BATCH, KIND_INPUTS

__all__ = [
    "Block",
    "Rows",
    "accepts",
    "draw_count",
    "draw_inputs",
    "draw_numbers",
    "flip_mask",
    "forward_layer",
    "sign_word",
    "step_count",
]

_8 = np.uint64(8)
_32 = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_INPUTS = np.uint64(KIND_INPUTS)
_BATCH = np.uint64(KIND_BATCH)

philox = cuda.jit(device=True)(compiled.philox.py_func)
bounded = cuda.jit(device=True)(compiled.bounded.py_func)


class Rows(NamedTuple):
    """Networks and room to work for all blocks; the first axis numbers the blocks.

    Attributes
    ----------
    first, members : first replica of each row within the cell, and how many stand in it.
    sources, addresses, reader_edge : graph, where the source of each edge stands, and the edges
        of the last layer in the order of the units that they read.
    truth, signs : weights as masks.
    state, valid, counts, wrong, change, proposals, chances, values, total : room.
    base_of, fan_ins, unit_counts : the same for all blocks.
    """

    first: Array
    members: Array
    sources: Array
    addresses: Array
    reader_edge: Array
    truth: Array
    signs: Array
    state: Array
    valid: Array
    counts: Array
    wrong: Array
    change: Array
    proposals: Array
    chances: Array
    values: Array
    total: Array
    base_of: Array
    fan_ins: Array
    unit_counts: Array


class Block(NamedTuple):
    """What one block of threads works on: its part of `Rows`."""

    state: Array
    valid: Array
    counts: Array
    wrong: Array
    addresses: Array
    base_of: Array
    truth: Array
    signs: Array


# --- random numbers ---------------------------------------------------------------------


@cuda.jit(device=True)
def draw_count(floor, threshold, key, index, replica):
    """Number of samples of batch `index`."""
    if threshold == ZERO:
        return floor
    kind = _BATCH | ((index >> _32) << _8)
    x0, _, _, _ = philox(ZERO, index & _LOW, kind, replica, key)
    return floor + 1 if x0 < threshold else floor


@cuda.jit(device=True)
def draw_numbers(out, count, kind, key, index, replica, bound, thread, threads):
    """`count` 32-bit numbers, below `bound` unless that is 0."""
    kind = kind | ((index >> _32) << _8)
    low = index & _LOW
    for block in range(thread, (count + 3) // 4, threads):
        x0, x1, x2, x3 = philox(np.uint64(block), low, kind, replica, key)
        if bound != ZERO:
            x0, x1 = bounded(x0, bound), bounded(x1, bound)
            x2, x3 = bounded(x2, bound), bounded(x3, bound)
        out[4 * block] = np.uint32(x0)
        out[4 * block + 1] = np.uint32(x1)
        out[4 * block + 2] = np.uint32(x2)
        out[4 * block + 3] = np.uint32(x3)


@cuda.jit(device=True)
def draw_inputs(state, valid, row, place, words, size, count, key, index, replica, thread, threads):
    """Inputs of one replica: number w * size + i of the stream is word w of input i."""
    kind = _INPUTS | ((index >> _32) << _8)
    low = index & _LOW
    used = (count + 63) // 64
    total = used * size
    for block in range(thread, (total + 1) // 2, threads):
        x0, x1, x2, x3 = philox(np.uint64(block), low, kind, replica, key)
        number = 2 * block
        state[number % size * row + place + number // size] = x0 | (x1 << _32)
        number += 1
        if number < total:
            state[number % size * row + place + number // size] = x2 | (x3 << _32)
    for word in range(thread, words, threads):
        left = count - 64 * word
        mask = ZERO
        if left >= 64:
            mask = ONES
        elif left > 0:
            mask = (ONE << np.uint64(left)) - ONE
        valid[place + word] = mask


# --- counts -----------------------------------------------------------------------------


@cuda.jit(device=True)
def sign_word(mask, member):
    """All ones where the weight of a replica is -1."""
    return ONES * ((mask >> np.uint64(member)) & ONE)


@cuda.jit(device=True)
def flip_mask(state, at, planes, row, term, within):
    """Samples in `within` where the unit's output flips if `term` flips."""
    flip = within & ~(state[at + (planes - 1) * row] ^ term)
    for plane in range(planes - 1):
        flip &= state[at + plane * row] ^ term
    return flip


@cuda.jit(device=True)
def step_count(state, at, planes, row, term, within):
    """Flip a term in the samples `within`: the count falls where it was 1, rises where 0."""
    carry = within
    for plane in range(planes):
        held = state[at + plane * row]
        state[at + plane * row] = held ^ carry
        carry &= held ^ term


# --- batches ----------------------------------------------------------------------------


@cuda.jit(device=True)
def forward_layer(
    state,
    addresses,
    base_of,
    weights,
    first,
    units,
    edge,
    terms,
    planes,
    offset,
    row,
    words,
    thread,
    threads,
):
    """Run a layer on the inputs of the batch."""
    for item in range(thread, units * row, threads):
        unit = item // row
        place = item % row
        at = base_of[first + unit] + place
        for plane in range(planes):
            state[at + plane * row] = ONES if (offset >> plane) & 1 else ZERO
        begin = edge + unit * terms
        for slot in range(begin, begin + terms):
            term = state[addresses[slot] + place] ^ sign_word(weights[slot], place // words)
            # Adding is stepping a term that was 0 wherever the new term is 1.
            step_count(state, at, planes, row, ZERO, term)


@cuda.jit(device=True)
def accepts(change, acceptance, chance):
    """Metropolis decision from integer thresholds; a chance that is never drawn is 0."""
    if change < 0:
        return True
    last = acceptance.shape[0] - 1
    return np.uint64(chance) < acceptance[change if change < last else last]
