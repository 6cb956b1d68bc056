"""Weight flips whose effect on the outputs is seen at once: of outputs, and just below them."""

from typing import NamedTuple

import numpy as np

from physbatch.dynamics.bitsliced.lanes import (
    any_bit,
    fill_like,
    load,
    load_across,
    population,
    prefetch,
    repeat,
    spread,
    store,
    total,
)
from physbatch.dynamics.bitsliced.layout import Array
from physbatch.dynamics.bitsliced.parts import error_change, flip_mask, step_count
from physbatch.dynamics.bitsliced.shape import AT_ONCE
from physbatch.dynamics.compiled import compiled_inline


class View(NamedTuple):
    """The arrays of `Work` that a flip reads and writes."""

    state: Array
    valid: Array
    addresses: Array
    signs: Array
    reader_base: Array
    reader_sign: Array
    reader_of: Array


class Flip(NamedTuple):
    """One weight: the block of its unit, the unit's first reader, its source and its sign."""

    base: int
    begin: np.uint64
    source: int
    negative: object  # a vector


@compiled_inline
def output_change(view, shape, flip):
    """Change of the error by lane if a term of an output unit flips."""
    state, negative = view.state, flip.negative
    change = negative ^ negative
    for word in range(0, shape.row, shape.lanes):
        at = flip.base + word
        term = load(state, flip.source + word, negative) ^ negative
        within = load(view.valid, word, negative)
        flips = flip_mask(state, at, shape.last_planes, shape.row, term, within)
        change += error_change(state, at, shape.last_planes, shape.row, flips)
    return change


@compiled_inline
def output_commit(view, shape, flip, kept):
    """Flip a term of an output unit in the lanes `kept`."""
    for word in range(0, shape.row, shape.lanes):
        term = load(view.state, flip.source + word, kept) ^ flip.negative
        _step_output(view.state, flip.base + word, shape, term, kept)


@compiled_inline
def _step_output(state, at, shape, term, within):
    """Flip a term of an output unit in some samples and keep the mask of wrong ones."""
    wrong = at + shape.last_planes * shape.row
    top = wrong - shape.row
    before = load(state, top, term)
    step_count(state, at, shape.last_planes, shape.row, term, within)
    flips = before ^ load(state, top, term)
    store(state, wrong, load(state, wrong, term) ^ flips)


@compiled_inline
def hidden_change(view, shape, flip):
    """Change of the error by lane if a term of a unit just below the outputs flips.

    Each output reads the unit once, so it sees at most one flip per sample.
    """
    state, negative = view.state, flip.negative
    change = negative ^ negative
    for word in range(0, shape.row, shape.lanes):
        at = flip.base + word
        term = load(state, flip.source + word, negative) ^ negative
        within = load(view.valid, word, negative)
        flips = flip_mask(state, at, shape.planes, shape.row, term, within)
        output = load(state, at + (shape.planes - 1) * shape.row, negative)
        if shape.stride == AT_ONCE and shape.row == 1:
            return fill_like(_change_at_once(view, shape, flip.begin, output, flips), negative)
        for number in range(shape.readers):
            reader = flip.begin + np.uint64(number)
            target = np.int64(view.reader_base[reader]) + word
            term = output ^ spread(view.reader_sign[reader], negative)
            reached = flip_mask(state, target, shape.last_planes, shape.row, term, flips)
            change += error_change(state, target, shape.last_planes, shape.row, reached)
    return change


@compiled_inline
def _change_at_once(view, shape, begin, output, flips):
    """The change of the error if a unit flips, for eight outputs at once, one to a lane."""
    row_0, row_1, row_2, row_3 = load_across(view.state, view.reader_base, begin)
    term = repeat(output, row_0) ^ any_bit(view.reader_sign, begin, row_0)
    flip = repeat(flips, row_0) & (row_0 ^ term)
    if shape.last_planes == 2:
        flip &= ~(row_1 ^ term)
        wrong = row_2
    else:
        flip &= (row_1 ^ term) & ~(row_2 ^ term)
        wrong = row_3
    return total(population(flip & ~wrong) - population(flip & wrong))


@compiled_inline
def hidden_commit(view, shape, flip, kept):
    """Flip a term of a unit just below the outputs in the lanes `kept`.

    Samples outside the batch flip as well: nobody looks at them.
    """
    state = view.state
    for word in range(0, shape.row, shape.lanes):
        at = flip.base + word
        top = at + (shape.planes - 1) * shape.row
        term = load(state, flip.source + word, kept) ^ flip.negative
        output = load(state, top, kept)
        step_count(state, at, shape.planes, shape.row, term, kept)
        flips = output ^ load(state, top, kept)
        for number in range(shape.readers):
            reader = flip.begin + np.uint64(number)
            target = np.int64(view.reader_base[reader]) + word
            term = output ^ spread(view.reader_sign[reader], kept)
            _step_output(state, target, shape, term, flips)


# --- memory ahead of time ---------------------------------------------------------------


@compiled_inline
def prefetch_far(view, shape, layout, edge):
    """Ask for the weight, the unit and the readers of a proposal to come.

    Without branches: in which layer a proposal is cannot be foretold.
    """
    last = np.int64(edge >= layout.last_edge)
    unit = np.int64(np.uint64(edge) // np.uint64(shape.fan_in))
    last_unit = np.int64(np.uint64(edge - layout.last_edge) // np.uint64(shape.last_fan_in))
    base = layout.first_base + unit * layout.block
    last_base = layout.last_base + last_unit * layout.last_block
    prefetch(view.addresses, edge)
    prefetch(view.signs, edge)
    prefetch(view.state, base + last * (last_base - base))
    begin = (1 - last) * max(unit - layout.deep_first, 0) * shape.stride
    prefetch(view.reader_base, begin)
    prefetch(view.reader_sign, begin)


@compiled_inline
def prefetch_soon(view, shape, layout, edge):
    """Ask for what the weight and the readers of a proposal to come point to."""
    prefetch(view.state, view.addresses[np.uint64(edge)])
    unit = np.int64(np.uint64(edge) // np.uint64(shape.fan_in))
    last = np.int64(edge >= layout.last_edge)
    begin = (1 - last) * max(unit - layout.deep_first, 0) * shape.stride
    for reader in range(shape.readers):
        prefetch(view.state, view.reader_base[np.uint64(begin + reader)])
