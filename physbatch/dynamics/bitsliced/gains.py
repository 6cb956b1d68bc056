"""Flips in networks of two layers whose batch fills one word: what they bring is kept ready.

An output changes only in the samples where its count sits at the threshold. For every output masks
say where it would be mended and where spoilt if a term of -1, or of +1, flipped. So a flip is tried
with an and and a population count for each output that reads the unit. An output unit is its own
only reader, and its flip is tried with the same instructions: in which layer a proposal is cannot
be foretold, and need not. As nearly all proposals are rejected, trials overlap in the processor.
"""

from typing import NamedTuple

import numpy as np

from physbatch.dynamics.bitsliced.lanes import (
    fill,
    four_words,
    load,
    popcount,
    population,
    prefetch,
    store,
    total,
)
from physbatch.dynamics.bitsliced.layout import ZERO, Array
from physbatch.dynamics.compiled import compiled, compiled_counting, compiled_inline

#: Words of an output among the masks: samples mended if a term of -1 flips, samples not spoilt
#: then, the same of +1; and all this again for a unit that it reads with a negative weight.
BLOCK = 8
_NEGATIVE = 4
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


class Gains(NamedTuple):
    """The masks of all outputs, and which of them each unit changes.

    `thresholds` has two words for a unit: the samples in which it flips if a term of -1, or of +1,
    does; for output units, whose masks know it, all samples of the batch. `readers` are places in
    `masks`, `shape.readers` for each unit; the empty ones of output units point to a last block
    that never gains.
    """

    masks: Array
    thresholds: Array
    readers: Array


@compiled_counting
def empty_gains(shape, layout):
    """Room for the gains; next to none for shapes that do not use them."""
    used = shape.foreseen
    return Gains(
        np.zeros(used * BLOCK * layout.outputs + BLOCK, dtype=np.uint64),
        np.zeros(used * 2 * layout.units + 2, dtype=np.uint64),
        np.zeros(used * layout.units * shape.readers + 1, dtype=np.int32),
    )


@compiled
def index_gains(work, shape):
    """Say which outputs read each unit, once for a network."""
    layout, network, gains = work.layout, work.network, work.gains
    nobody = BLOCK * layout.outputs
    for pair in range(0, BLOCK, 2):
        gains.masks[nobody + pair] = ZERO
        gains.masks[nobody + pair + 1] = _ALL
    gains.readers[:] = nobody
    for number in range(network.reader_of.shape[0]):
        position = np.int64(network.reader_of[number])
        unit, slot = position // shape.stride, position % shape.stride
        output = number // shape.last_fan_in
        is_negative = np.int64(network.reader_sign[position] & 1)
        at = unit * shape.readers + slot
        gains.readers[at] = BLOCK * output + _NEGATIVE * is_negative
    for output in range(layout.outputs):
        gains.readers[(layout.last_first + output) * shape.readers] = BLOCK * output


@compiled_inline
def _thresholds(state, base, planes):
    """Samples in which a unit flips if a term of -1, or of +1, does."""
    last = np.uint64(planes - 1)
    top = state[base + last]
    some, every = ZERO, _ALL
    for plane in range(last):
        word = state[base + plane]
        some |= word
        every &= word
    return top & ~some, every & ~top


@compiled_inline
def _note_output(work, shape, output):
    """Keep the gains of an output after it changed.

    Whole vectors are written, as they are read: else the processor waits for the memory.
    """
    layout, masks = work.layout, work.gains.masks
    base = np.uint64(layout.last_base) + output * np.uint64(layout.last_block)
    minus, plus = _thresholds(work.state, base, shape.last_planes)
    wrong = work.state[base + np.uint64(shape.last_planes)]
    mended_minus, kept_minus = minus & wrong, ~minus | wrong
    mended_plus, kept_plus = plus & wrong, ~plus | wrong
    at = np.int64(output * np.uint64(BLOCK))
    like = fill(masks, ZERO, 4)
    store(masks, at, four_words(mended_minus, kept_minus, mended_plus, kept_plus, like))
    other = four_words(mended_plus, kept_plus, mended_minus, kept_minus, like)
    store(masks, at + _NEGATIVE, other)


@compiled_inline
def _note_hidden(work, shape, unit):
    """Keep where a hidden unit is at its threshold after it changed."""
    valid = np.uint64(work.batch.valid[0])
    layout = work.layout
    base = np.uint64(layout.first_base) + unit * np.uint64(layout.block)
    of_minus, of_plus = _thresholds(work.state, base, shape.planes)
    at = np.uint64(2) * unit
    work.gains.thresholds[at] = of_minus & valid
    work.gains.thresholds[at + np.uint64(1)] = of_plus & valid


@compiled
def fill_gains(work, shape):
    """Keep the gains of all units after a batch was drawn."""
    layout, thresholds = work.layout, work.gains.thresholds
    for unit in range(np.uint64(layout.last_first)):
        _note_hidden(work, shape, unit)
    thresholds[2 * layout.last_first : 2 * layout.units] = work.batch.valid[0]
    for output in range(np.uint64(layout.outputs)):
        _note_output(work, shape, output)


@compiled_inline
def foreseen_change(work, shape, edge):
    """Change of the number of wrong bits if a weight flips."""
    state, network, gains = work.state, work.network, work.gains
    unit = edge // np.uint64(shape.fan_in)
    source = np.uint64(network.addresses[edge])
    term = state[source] ^ (ZERO - np.uint64(network.signs[edge] & 1))
    minus = term & gains.thresholds[np.uint64(2) * unit]
    plus = gains.thresholds[np.uint64(2) * unit + np.uint64(1)] & ~term
    four = fill(gains.masks, ZERO, 4)
    flips = four_words(minus, minus, plus, plus, four)
    begin = unit * np.uint64(shape.readers)
    for reader in range(shape.readers):
        position = np.int64(gains.readers[begin + np.uint64(reader)])
        four += population(load(gains.masks, position, flips) & flips)
    return shape.readers * (popcount(minus) + popcount(plus)) - total(four)


@compiled_inline
def keep_output(work, shape, number, output):
    """Bring the gains up to date after edge `number` of the last layer flipped."""
    position, stride = np.uint64(work.network.reader_of[number]), np.uint64(shape.stride)
    at = position // stride * np.uint64(shape.readers) + position % stride
    work.gains.readers[at] ^= _NEGATIVE
    _note_output(work, shape, output)


@compiled_inline
def keep_hidden(work, shape, unit):
    """Bring the gains up to date after a weight of a hidden unit flipped."""
    _note_hidden(work, shape, unit)
    begin = unit * np.uint64(shape.readers)
    for reader in range(np.uint64(shape.readers)):
        _note_output(work, shape, np.uint64(work.gains.readers[begin + reader]) // np.uint64(BLOCK))


@compiled_inline
def prefetch_gains(work, shape, far, soon):
    """Ask for what two proposals to come will read: of one first its unit, of one all."""
    network, gains = work.network, work.gains
    unit = np.int64(np.uint64(far) // np.uint64(shape.fan_in))
    prefetch(network.addresses, far)
    prefetch(network.signs, far)
    prefetch(gains.thresholds, 2 * unit)
    prefetch(gains.readers, unit * shape.readers)
    prefetch(work.state, np.int64(network.addresses[np.uint64(soon)]))
    begin = np.uint64(soon) // np.uint64(shape.fan_in) * np.uint64(shape.readers)
    for reader in range(shape.readers):
        prefetch(gains.masks, np.int64(gains.readers[begin + np.uint64(reader)]))
