"""Weight flips whose effect on the outputs is seen at once: of outputs, and just below them."""

from __future__ import annotations

import numpy as np

from physbatch.dynamics.bitsliced.lanes import (
    any_bit,
    fill_like,
    inlined,
    load,
    load_across,
    population,
    prefetch,
    repeat,
    spread,
    store,
    total,
)
from physbatch.dynamics.bitsliced.parts import error_change, flip_mask, step_count
from physbatch.dynamics.bitsliced.shape import AT_ONCE

__all__ = [
    "hidden_change",
    "hidden_commit",
    "output_change",
    "output_commit",
    "prefetch_far",
    "prefetch_soon",
]


@inlined
def output_change(state, valid, shape, base, source, negative):
    """Change of the error by lane if a term of an output unit flips."""
    change = negative ^ negative
    for place in range(0, shape.row, shape.lanes):
        at = base + place
        term = load(state, source + place, negative) ^ negative
        within = load(valid, place, negative)
        flip = flip_mask(state, at, shape.last_planes, shape.row, term, within)
        change += error_change(state, at, shape.last_planes, shape.row, flip)
    return change


@inlined
def output_commit(state, shape, base, source, negative, kept):
    """Flip a term of an output unit in the lanes `kept`."""
    for place in range(0, shape.row, shape.lanes):
        at = base + place
        term = load(state, source + place, negative) ^ negative
        _step_output(state, at, shape, term, kept)


@inlined
def _step_output(state, at, shape, term, within):
    """Flip a term of an output unit in some samples and keep the mask of wrong ones."""
    wrong = at + shape.last_planes * shape.row
    top = wrong - shape.row
    before = load(state, top, term)
    step_count(state, at, shape.last_planes, shape.row, term, within)
    flip = before ^ load(state, top, term)
    store(state, wrong, load(state, wrong, term) ^ flip)


@inlined
def hidden_change(state, valid, reader_base, reader_sign, shape, base, begin, source, negative):
    """Change of the error by lane if a term of a unit just below the outputs flips.

    Each output reads the unit once, so it sees at most one flip per sample. `begin` is the place
    of the unit's first reader.
    """
    change = negative ^ negative
    for place in range(0, shape.row, shape.lanes):
        at = base + place
        term = load(state, source + place, negative) ^ negative
        within = load(valid, place, negative)
        flips = flip_mask(state, at, shape.planes, shape.row, term, within)
        output = load(state, at + (shape.planes - 1) * shape.row, negative)
        if shape.stride == AT_ONCE and shape.row == 1:
            found = _change_at_once(state, reader_base, reader_sign, shape, begin, output, flips)
            return fill_like(found, negative)
        for number in range(shape.readers):
            reader = begin + np.uint64(number)
            target = np.int64(reader_base[reader]) + place
            term = output ^ spread(reader_sign[reader], negative)
            flip = flip_mask(state, target, shape.last_planes, shape.row, term, flips)
            change += error_change(state, target, shape.last_planes, shape.row, flip)
    return change


@inlined
def _change_at_once(state, reader_base, reader_sign, shape, begin, output, flips):
    """The change of the error if a unit flips, for eight outputs at once, one to a lane."""
    row_0, row_1, row_2, row_3 = load_across(state, reader_base, begin)
    term = repeat(output, row_0) ^ any_bit(reader_sign, begin, row_0)
    flip = repeat(flips, row_0) & (row_0 ^ term)
    if shape.last_planes == 2:
        flip &= ~(row_1 ^ term)
        wrong = row_2
    else:
        flip &= (row_1 ^ term) & ~(row_2 ^ term)
        wrong = row_3
    return total(population(flip & ~wrong) - population(flip & wrong))


@inlined
def hidden_commit(state, reader_base, reader_sign, shape, base, begin, source, negative, kept):
    """Flip a term of a unit just below the outputs in the lanes `kept`.

    Samples outside the batch flip as well: nobody looks at them.
    """
    for place in range(0, shape.row, shape.lanes):
        at = base + place
        top = at + (shape.planes - 1) * shape.row
        term = load(state, source + place, negative) ^ negative
        output = load(state, top, negative)
        step_count(state, at, shape.planes, shape.row, term, kept)
        flips = output ^ load(state, top, negative)
        for number in range(shape.readers):
            reader = begin + np.uint64(number)
            target = np.int64(reader_base[reader]) + place
            term = output ^ spread(reader_sign[reader], negative)
            _step_output(state, target, shape, term, flips)


# --- memory ahead of time ---------------------------------------------------------------


@inlined
def prefetch_far(state, addresses, signs, reader_base, reader_sign, shape, layout, edge):
    """Ask for the weight, the unit and the readers of a proposal to come.

    Without branches: in which layer a proposal is cannot be foretold.
    """
    last = np.int64(edge >= layout.last_edge)
    unit = np.int64(np.uint64(edge) // np.uint64(shape.fan_in))
    last_unit = np.int64(np.uint64(edge - layout.last_edge) // np.uint64(shape.last_fan_in))
    base = layout.first_base + unit * layout.block
    last_base = layout.last_base + last_unit * layout.last_block
    prefetch(addresses, edge)
    prefetch(signs, edge)
    prefetch(state, base + last * (last_base - base))
    begin = (1 - last) * max(unit - layout.deep_first, 0) * shape.stride
    prefetch(reader_base, begin)
    prefetch(reader_sign, begin)


@inlined
def prefetch_soon(state, addresses, reader_base, shape, layout, edge):
    """Ask for what the weight and the readers of a proposal to come point to."""
    prefetch(state, addresses[np.uint64(edge)])
    unit = np.int64(np.uint64(edge) // np.uint64(shape.fan_in))
    last = np.int64(edge >= layout.last_edge)
    begin = (1 - last) * max(unit - layout.deep_first, 0) * shape.stride
    for reader in range(shape.readers):
        prefetch(state, reader_base[np.uint64(begin + reader)])
