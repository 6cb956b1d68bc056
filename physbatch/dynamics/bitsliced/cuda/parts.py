"""Building blocks of the GPU kernel: what the threads of a block do together.

Counts and random numbers are those of `physbatch.dynamics.bitsliced.parts`. Threads share out
items; where one needs what another wrote, the caller makes them wait for each other.
"""

from typing import NamedTuple

import numpy as np
from numba import cuda

from physbatch.dynamics.bitsliced.batches import Layer
from physbatch.dynamics.bitsliced.layout import ONE, ZERO, Array
from physbatch.dynamics.bitsliced.parts import ONES
from physbatch.streams import compiled
from physbatch.streams.keys import KIND_BATCH, KIND_INPUTS

_8 = np.uint64(8)
_32 = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_INPUTS = np.uint64(KIND_INPUTS)
_BATCH = np.uint64(KIND_BATCH)

philox = cuda.jit(device=True)(compiled.philox.py_func)
bounded = cuda.jit(device=True)(compiled.bounded.py_func)


class Shape(NamedTuple):
    """See `physbatch.dynamics.bitsliced.shape.FIELDS`; `words`: of one replica in a row."""

    depth: int
    fan_in: int
    planes: int
    offset: int
    last_fan_in: int
    last_planes: int
    last_offset: int
    readers: int
    row: int
    words: int


class Block(NamedTuple):
    """Networks and room to work for one block of threads.

    `addresses` is where the source of each edge stands; `reader_edge` are the edges of the last
    layer in the order of the units that they read; `truth` and `signs` are weights as masks.
    """

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


class Rows(NamedTuple):
    """All blocks: but for the last three, the first dimension of their arrays numbers them.

    `first` and `members`: first replica of each row within the cell, and how many stand in it.
    """

    first: Array
    members: Array
    blocks: Block


# --- random numbers ---------------------------------------------------------------------


@cuda.jit(device=True)
def batch_of(batches, sweep):
    """Floor and threshold of the batches of a sweep."""
    last = batches.floors.shape[0] - 1
    row = sweep if sweep < last else last
    return batches.floors[row], batches.thresholds[row]


@cuda.jit(device=True)
def draw_count(floor, threshold, key, index, replica):
    """Number of samples of batch `index`."""
    if threshold == ZERO:
        return floor
    kind = _BATCH | ((index >> _32) << _8)
    x0, _, _, _ = philox(ZERO, index & _LOW, kind, replica, key)
    return floor + 1 if x0 < threshold else floor


@cuda.jit(device=True)
def draw_numbers(out, count, kind, key, index, replica, bound):
    """`count` 32-bit numbers, below `bound` unless that is 0."""
    kind = kind | ((index >> _32) << _8)
    low = index & _LOW
    for block in range(cuda.threadIdx.x, (count + 3) // 4, cuda.blockDim.x):
        x0, x1, x2, x3 = philox(np.uint64(block), low, kind, replica, key)
        if bound != ZERO:
            x0, x1 = bounded(x0, bound), bounded(x1, bound)
            x2, x3 = bounded(x2, bound), bounded(x3, bound)
        out[4 * block] = np.uint32(x0)
        out[4 * block + 1] = np.uint32(x1)
        out[4 * block + 2] = np.uint32(x2)
        out[4 * block + 3] = np.uint32(x3)


@cuda.jit(device=True)
def _draw_inputs(block, shape, size, start, count, draw, replica):
    """Inputs of one replica: number w * size + i of the stream is word w of input i."""
    kind = _INPUTS | ((draw.number >> _32) << _8)
    low = draw.number & _LOW
    state, row = block.state, shape.row
    total = (count + 63) // 64 * size
    for part in range(cuda.threadIdx.x, (total + 1) // 2, cuda.blockDim.x):
        x0, x1, x2, x3 = philox(np.uint64(part), low, kind, replica, draw.key)
        number = 2 * part
        state[number % size * row + start + number // size] = x0 | (x1 << _32)
        number += 1
        if number < total:
            state[number % size * row + start + number // size] = x2 | (x3 << _32)
    for word in range(cuda.threadIdx.x, shape.words, cuda.blockDim.x):
        left = count - 64 * word
        mask = ZERO
        if left >= 64:
            mask = ONES
        elif left > 0:
            mask = (ONE << np.uint64(left)) - ONE
        block.valid[start + word] = mask


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
        before = state[at + plane * row]
        state[at + plane * row] = before ^ carry
        carry &= before ^ term


# --- batches ----------------------------------------------------------------------------


@cuda.jit(device=True)
def _forward_layer(block, weights, layer, shape):
    """Run a layer on the inputs of the batch."""
    state, row = block.state, shape.row
    items = (layer.stop - layer.first) * row
    for item in range(cuda.threadIdx.x, items, cuda.blockDim.x):
        unit = item // row
        word = item % row
        at = block.base_of[layer.first + unit] + word
        for plane in range(layer.planes):
            state[at + plane * row] = ONES if (layer.offset >> plane) & 1 else ZERO
        begin = layer.edge + unit * layer.fan_in
        for slot in range(begin, begin + layer.fan_in):
            sign = sign_word(weights[slot], word // shape.words)
            # Adding is stepping a term that was 0 wherever the new term is 1.
            term = state[block.addresses[slot] + word] ^ sign
            step_count(state, at, layer.planes, row, ZERO, term)


@cuda.jit(device=True)
def _forward(block, weights, shape, layout):
    """Run a network on the inputs of the batch."""
    last = layout.last_first
    if shape.depth > 1:
        hidden = Layer(0, last, 0, shape.fan_in, shape.planes, shape.offset)
        _forward_layer(block, weights, hidden, shape)
        cuda.syncthreads()
    stop, edge = last + layout.outputs, layout.last_edge
    outputs = Layer(last, stop, edge, shape.last_fan_in, shape.last_planes, shape.last_offset)
    _forward_layer(block, weights, outputs, shape)
    cuda.syncthreads()


@cuda.jit(device=True)
def draw_batch(block, shape, layout, draw, members, first_replica):
    """Draw a batch for each replica in a row, run teachers and students, mark wrong samples."""
    state, row = block.state, shape.row
    cuda.syncthreads()
    for member in range(members):
        replica = np.uint64(first_replica + member)
        count = draw_count(draw.floor, draw.threshold, draw.key, draw.number, replica)
        if cuda.threadIdx.x == 0:
            block.counts[member] = count
        _draw_inputs(block, shape, layout.size, member * shape.words, count, draw, replica)
    cuda.syncthreads()
    for network in range(2):
        _forward(block, block.truth if network == 0 else block.signs, shape, layout)
        for item in range(cuda.threadIdx.x, layout.outputs * row, cuda.blockDim.x):
            base = block.base_of[layout.last_first + item // row]
            wrong = base + shape.last_planes * row + item % row
            output = state[wrong - row]
            state[wrong] = output if network == 0 else state[wrong] ^ output
        cuda.syncthreads()


@cuda.jit(device=True)
def count_mistakes(block, shape, layout, members):
    """Number of wrong output bits on the batch of each replica in a row."""
    row = shape.row
    for member in range(cuda.threadIdx.x, members, cuda.blockDim.x):
        block.wrong[member] = 0
    cuda.syncthreads()
    for item in range(cuda.threadIdx.x, layout.outputs * row, cuda.blockDim.x):
        word = item % row
        base = block.base_of[layout.last_first + item // row]
        mistakes = block.state[base + shape.last_planes * row + word] & block.valid[word]
        bits = np.int64(cuda.popc(mistakes))
        if bits > 0:
            cuda.atomic.add(block.wrong, word // shape.words, bits)
    cuda.syncthreads()


# --- decisions --------------------------------------------------------------------------


@cuda.jit(device=True)
def accepts(change, acceptance, chance):
    """Metropolis decision from integer thresholds; a chance that is never drawn is 0."""
    if change < 0:
        return True
    last = acceptance.shape[0] - 1
    return np.uint64(chance) < acceptance[change if change < last else last]
