"""Compiled building blocks of the bit-sliced kernel: 64 samples to a word.

A bit stands for -1 where it is 1. A unit's count of negative terms is held as bit planes,
shifted by a constant so that the threshold (fan_in + 1)/2 falls on the top plane: the unit's
output *is* the top plane. One weight flip changes the count by one, and that changes the
output only where the count sits at the threshold: one xor and one and per plane.

The state of a replica is one array of words. First stand the inputs (`words` each), then one
block per unit: its planes, the top plane last, and one more row that holds, for output units,
the mask of wrong samples.

None of these functions is cached on disk by itself: they are compiled into the kernels, whose
cache follows the source of all of them.
"""

from __future__ import annotations

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from physbatch.streams.compiled import bounded, philox
from physbatch.streams.keys import KIND_BATCH, KIND_INPUTS

__all__ = [
    "accept",
    "draw_batch",
    "draw_batch_inlined",
    "draw_count",
    "draw_numbers",
    "draw_proposals",
    "error_change",
    "flip_mask",
    "index_readers",
    "index_sources",
    "mistakes",
    "path_sum",
    "step_count",
]

ONES = np.uint64(0xFFFFFFFFFFFFFFFF)
ZERO = np.uint64(0)
ONE = np.uint64(1)
_8 = np.uint64(8)
_32 = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_INPUTS = np.uint64(KIND_INPUTS)
_BATCH = np.uint64(KIND_BATCH)


@intrinsic
def popcount(typingctx, word):
    """Number of ones in a 64-bit word, as one instruction."""

    def codegen(context, builder, signature, args):
        function = builder.module.declare_intrinsic("llvm.ctpop", [ir.IntType(64)])
        return builder.call(function, args)

    return types.int64(types.uint64), codegen


# --- random numbers ---------------------------------------------------------------------


@numba.njit
def draw_count(floor, threshold, key, index, replica):
    """Number of samples of batch `index`: floor(m), and one more with the chance given."""
    if threshold == ZERO:
        return floor
    kind = _BATCH | ((index >> _32) << _8)
    x0, _, _, _ = philox(ZERO, index & _LOW, kind, replica, key)
    return floor + 1 if x0 < threshold else floor


@numba.njit
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


@numba.njit
def draw_proposals(out, count, kind, key, index, replica):
    """`count` positions, uniform on 0 ... count - 1."""
    draw_numbers(out, count, kind, key, index, replica)
    bound = np.uint64(count)
    for number in range(count):
        out[number] = bounded(np.uint64(out[number]), bound)


@numba.njit
def _draw_inputs(state, raw, valid, size, words, count, key, index, replica):
    """Input words of a batch of `count` samples and the masks of its valid samples.

    Word w of input i is number w * size + i of the stream, whatever `words` is.
    """
    kind = _INPUTS | ((index >> _32) << _8)
    low = index & _LOW
    used = (count + 63) // 64
    for block in range((used * size + 1) // 2):
        x0, x1, x2, x3 = philox(np.uint64(block), low, kind, replica, key)
        raw[2 * block] = x0 | (x1 << _32)
        raw[2 * block + 1] = x2 | (x3 << _32)
    for word in range(words):
        if word < used:
            for unit in range(size):
                state[unit * words + word] = raw[word * size + unit]
        left = count - 64 * word
        if left >= 64:
            valid[word] = ONES
        elif left > 0:
            valid[word] = (ONE << np.uint64(left)) - ONE
        else:
            valid[word] = ZERO


# --- counts -----------------------------------------------------------------------------


@numba.njit(forceinline=True)
def flip_mask(state, base, planes, words, word, term, within):
    """Samples in `within` where the unit's output flips if `term` flips."""
    flip = within & ~(state[base + (planes - 1) * words + word] ^ term)
    for plane in range(planes - 1):
        flip &= state[base + plane * words + word] ^ term
    return flip


@numba.njit(forceinline=True)
def step_count(state, base, planes, words, word, term, within):
    """Flip a term in the samples `within`: the count falls where it was 1, rises where 0."""
    carry = within
    for plane in range(planes):
        at = base + plane * words + word
        held = state[at]
        state[at] = held ^ carry
        carry &= held ^ term


@numba.njit(forceinline=True)
def error_change(state, base, planes, words, word, flip):
    """Change of the number of wrong bits if an output flips in the samples `flip`."""
    wrong = state[base + planes * words + word]
    return popcount(flip) - np.int64(2) * popcount(flip & wrong)


@numba.njit(forceinline=True)
def accept(change, acceptance, last, chances, number):
    """Metropolis decision from integer thresholds; no random number is read at T = 0."""
    if change < 0:
        return True
    threshold = acceptance[min(change, last)]
    if threshold > _LOW:
        return True
    return threshold > ZERO and chances[number] < threshold


@numba.njit(forceinline=True)
def _forward_layer(
    state, addresses, weights, base_of, first, stop, edge, terms, planes, offset, words
):
    for unit in range(first, stop):
        base = base_of[unit]
        for plane in range(planes):
            initial = ONES if (offset >> plane) & 1 else ZERO
            for word in range(words):
                state[base + plane * words + word] = initial
        for _ in range(terms):
            source = addresses[edge]
            negative = ZERO - np.uint64(weights[edge])
            for word in range(words):
                # Adding is stepping a term that was 0 wherever the new term is 1.
                term = state[source + word] ^ negative
                step_count(state, base, planes, words, word, ZERO, term)
            edge += 1


def _draw_batch(
    state,
    raw,
    valid,
    addresses,
    truth,
    weights,
    base_of,
    last_first,
    shape,
    size,
    count,
    key,
    index,
    replica,
):
    """Draw a batch, run teacher and student on it, and mark the wrong samples."""
    fan_in, planes, offset, last_fan_in, last_planes, last_offset, words = shape
    _draw_inputs(state, raw, valid, size, words, count, key, index, replica)
    units = base_of.shape[0]
    for network in range(2):
        bits = truth if network == 0 else weights
        _forward_layer(
            state, addresses, bits, base_of, 0, last_first, 0, fan_in, planes, offset, words
        )
        _forward_layer(
            state,
            addresses,
            bits,
            base_of,
            last_first,
            units,
            last_first * fan_in,
            last_fan_in,
            last_planes,
            last_offset,
            words,
        )
        for unit in range(last_first, units):
            top = base_of[unit] + (last_planes - 1) * words
            for word in range(words):
                if network == 0:
                    state[top + words + word] = state[top + word]
                else:
                    state[top + words + word] ^= state[top + word]


#: Inlined where speed counts, shared where it does not: inlining costs compile time.
draw_batch_inlined = numba.njit(forceinline=True)(_draw_batch)
draw_batch = numba.njit(_draw_batch)


@numba.njit
def mistakes(state, valid, base_of, last_first, last_planes, words):
    """Number of wrong output bits on the batch."""
    wrong = np.int64(0)
    for unit in range(last_first, base_of.shape[0]):
        base = base_of[unit] + last_planes * words
        for word in range(words):
            wrong += popcount(state[base + word] & valid[word])
    return wrong


# --- bookkeeping ------------------------------------------------------------------------


@numba.njit
def index_sources(sources, fan_ins, unit_counts, base_of, planes, words, addresses):
    """Where the activation of each edge's source stands in the state."""
    edge = 0
    unit = 0
    below = 0
    for layer in range(fan_ins.shape[0]):
        first = unit
        for _ in range(unit_counts[layer] * fan_ins[layer]):
            source = np.int64(sources[edge])
            if layer == 0:
                addresses[edge] = source * words
            else:
                addresses[edge] = base_of[below + source] + (planes - 1) * words
            edge += 1
        unit += unit_counts[layer]
        below = first


@numba.njit
def index_readers(
    sources,
    weights,
    last_edge,
    last_fan_in,
    last_base,
    last_block,
    readers,
    reader_base,
    reader_weight,
    reader_of,
):
    """The outputs that read each unit below them, in one stretch of memory for each unit.

    `reader_of` finds the place of an edge of the last layer in that order.
    """
    if readers == 0:
        return
    filled = np.zeros(reader_base.shape[0] // readers, dtype=np.int64)
    for number in range(reader_base.shape[0]):
        source = np.int64(sources[last_edge + number])
        at = source * readers + filled[source]
        filled[source] += 1
        reader_base[at] = last_base + number // last_fan_in * last_block
        reader_weight[at] = weights[last_edge + number]
        reader_of[number] = at


@numba.njit
def path_sum(teacher, student, sources, fan_ins, unit_counts, below, above):
    """Sum over outputs and paths of the products of w w*."""
    edge = 0
    below[:] = 1
    for layer in range(fan_ins.shape[0]):
        for unit in range(unit_counts[layer]):
            total = np.int64(0)
            for _ in range(fan_ins[layer]):
                value = below[sources[edge]]
                total += value if teacher[edge] == student[edge] else -value
                edge += 1
            above[unit] = total
        for unit in range(unit_counts[layer]):
            below[unit] = above[unit]
    total = np.int64(0)
    for unit in range(unit_counts[-1]):
        total += below[unit]
    return total
