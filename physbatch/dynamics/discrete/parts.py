"""Compiled building blocks of the general discrete kernel: one integer field for each sample.

A unit's field is held for every sample of the batch, sample by sample in a row. A weight change
moves one field; only samples in which that changes the unit's output reach the layers above,
and there only the units that read it.
"""

import numba
import numpy as np

from physbatch.dynamics.compiled import compiled, compiled_inline
from physbatch.dynamics.discrete.rules import NORMAL_UNIT
from physbatch.streams.compiled import bounded, philox
from physbatch.streams.filling import draw_numbers
from physbatch.streams.gaussian import normal_pair
from physbatch.streams.keys import KIND_GAUSSIAN, KIND_INPUTS, KIND_SELECT

_INPUTS = np.uint64(KIND_INPUTS)
_GAUSSIAN = np.uint64(KIND_GAUSSIAN)
_SELECT = np.uint64(KIND_SELECT)
_LOW = np.uint64(0xFFFFFFFF)
_ZERO = np.uint64(0)
_ONE = np.uint64(1)
_8 = np.uint64(8)
_32 = np.uint64(32)


@numba.njit(inline="always")
def sign_of(field):
    """-1, 0 or +1."""
    return np.int8(np.int8(field > 0) - np.int8(field < 0))


# --- samples ----------------------------------------------------------------------------


@compiled
def _fill_binary(inputs, count, key, index, replica):
    """Bit s of word w of input i is sample 64 w + s; words stand word by word in the stream."""
    size = inputs.shape[0]
    kind = _INPUTS | ((index >> _32) << _8)
    low = index & _LOW
    for block in range((((count + 63) // 64) * size + 1) // 2):
        x0, x1, x2, x3 = philox(np.uint64(block), low, kind, replica, key)
        for half in range(2):
            word = 2 * block + half
            first = word // size * 64
            row = inputs[word % size]
            bits = (x0 | (x1 << _32)) if half == 0 else (x2 | (x3 << _32))
            for sample in range(first, min(first + 64, count)):
                row[sample] = 1 - 2 * np.int64(bits & _ONE)
                bits >>= _ONE


@compiled
def _fill_gaussian(inputs, count, key, index, replica):
    """Number s N + i of the stream is input i of sample s, in units of 1/NORMAL_UNIT."""
    size = inputs.shape[0]
    kind = _GAUSSIAN | ((index >> _32) << _8)
    low = index & _LOW
    sample = 0
    row = 0
    for block in range((count * size + 3) // 4):
        x0, x1, x2, x3 = philox(np.uint64(block), low, kind, replica, key)
        first, second = normal_pair(x0, x1)
        third, fourth = normal_pair(x2, x3)
        for number in (first, second, third, fourth):
            if sample < count:
                inputs[row, sample] = np.int64(np.rint(NORMAL_UNIT * number))
            row += 1
            if row == size:
                row = 0
                sample += 1


@compiled
def fill_inputs(inputs, count, gaussian, key, index, replica):
    """Fresh samples of an index, shape (N, at least count)."""
    if gaussian:
        _fill_gaussian(inputs, count, key, index, replica)
    else:
        _fill_binary(inputs, count, key, index, replica)


@compiled
def select(order, swaps, numbers, count, key, index, replica):
    """Put `count` distinct patterns in random order to the front of `order`.

    `order` must be 0, 1, 2 ...; `undo_selection` makes it so again.
    """
    draw_numbers(numbers, 0, count, key, _SELECT, index, replica)
    patterns = order.shape[0]
    for number in range(count):
        other = number + np.int64(bounded(np.uint64(numbers[number]), np.uint64(patterns - number)))
        swaps[number] = other
        order[number], order[other] = order[other], order[number]


@compiled
def undo_selection(order, swaps, count):
    """Take back the swaps of `select`, last first."""
    for number in range(count - 1, -1, -1):
        other = swaps[number]
        order[number], order[other] = order[other], order[number]


# --- whole networks ---------------------------------------------------------------------


@compiled_inline
def _add_layer(network, first, stop, rows, count, fields, values):
    """Fields and outputs of units `first` to `stop`, which read `rows`."""
    for unit in range(first, stop):
        for sample in range(count):
            fields[unit, sample] = 0
        for edge in range(network.edge_begin[unit], network.edge_begin[unit + 1]):
            weight = network.weights[edge]
            source = network.source[edge]
            if weight != 0:
                for sample in range(count):
                    fields[unit, sample] += weight * rows[source, sample]
        for sample in range(count):
            values[unit, sample] = sign_of(fields[unit, sample])


@compiled
def forward(network, inputs, count, fields, values):
    """Fields and outputs of all units on `count` samples."""
    units = network.edge_begin.shape[0] - 1
    _add_layer(network, 0, network.first_units, inputs, count, fields, values)
    _add_layer(network, network.first_units, units, values, count, fields, values)


@compiled
def half_errors(network, values, targets, count):
    """|output - target| summed over outputs and samples."""
    total = np.int64(0)
    for output in range(targets.shape[0]):
        for sample in range(count):
            total += abs(values[network.last_first + output, sample] - targets[output, sample])
    return total


# --- one weight -------------------------------------------------------------------------


@compiled_inline
def _move_field(state, rows, unit, source, step, count):
    """A unit's field and output after one weight changed by `step`; whether any output differs.

    `rows` holds what the weight reads, in row `source`.
    """
    different = False
    for sample in range(count):
        moved = state.fields[unit, sample] + step * rows[source, sample]
        state.new_fields[sample] = moved
        output = sign_of(moved)
        state.new_values[sample] = output
        different |= output != state.values[unit, sample]
    return different


@compiled_inline
def _touch(network, state, unit, length, changes):
    """Add the changed outputs of a unit to the fields of the units that read it."""
    for at in range(network.out_begin[unit], network.out_begin[unit + 1]):
        edge = network.out_edge[at]
        weight = network.weights[edge]
        if weight == 0:
            continue
        reader = network.unit_of[edge]
        if not state.is_touched[reader]:
            state.is_touched[reader] = 1
            state.touched[length] = reader
            length += 1
        for slot in range(changes):
            state.shift[reader, slot] += weight * state.differences[slot]
    return length


@compiled_inline
def _output_change(network, state, unit, changes):
    """Change of the half errors at one output, from its shifted field."""
    output = unit - network.last_first
    total = np.int64(0)
    for slot in range(changes):
        sample = state.changed[slot]
        moved = sign_of(state.fields[unit, sample] + state.shift[unit, slot])
        target = state.targets[output, sample]
        total += abs(moved - target) - abs(state.values[unit, sample] - target)
    return total


@compiled
def _spread(network, state, unit, changes):
    """What a change of a hidden unit's outputs does to all layers above it.

    Returns the change of the half errors and the number of units touched, which stand in the
    list layer by layer, so that each is complete when its turn comes.
    """
    change = np.int64(0)
    length = _touch(network, state, unit, 0, changes)
    visited = 0
    while visited < length:
        unit = state.touched[visited]
        visited += 1
        if unit >= network.last_first:
            change += _output_change(network, state, unit, changes)
            continue
        different = False
        for slot in range(changes):
            sample = state.changed[slot]
            moved = sign_of(state.fields[unit, sample] + state.shift[unit, slot])
            state.differences[slot] = moved - state.values[unit, sample]
            different |= state.differences[slot] != 0
        if different:
            length = _touch(network, state, unit, length, changes)
    return change, length


@compiled_inline
def try_change(network, state, edge, new_weight, count):
    """Change of the half errors, samples that reach the layers above, and units touched there."""
    unit = network.unit_of[edge]
    step = new_weight - network.weights[edge]
    source = network.source[edge]
    if unit < network.first_units:
        different = _move_field(state, state.inputs, unit, source, step, count)
    else:
        different = _move_field(state, state.values, unit, source, step, count)
    change = np.int64(0)
    if not different:
        return change, 0, 0
    if unit >= network.last_first:
        output = unit - network.last_first
        for sample in range(count):
            target = state.targets[output, sample]
            change += abs(state.new_values[sample] - target)
            change -= abs(state.values[unit, sample] - target)
        return change, 0, 0
    changes = 0
    for sample in range(count):
        difference = state.new_values[sample] - state.values[unit, sample]
        if difference != 0:
            state.changed[changes] = sample
            state.differences[changes] = difference
            changes += 1
    change, length = _spread(network, state, unit, changes)
    return change, changes, length


@compiled_inline
def accept(change, acceptance, last, chances, number):
    """Metropolis decision from integer thresholds; no random number is read at T = 0."""
    if change < 0:
        return True
    threshold = acceptance[min(change, last)]
    if threshold > _LOW:
        return True
    return threshold > _ZERO and chances[number] < threshold


@compiled_inline
def commit(network, state, edge, new_weight, count, changes, length, accepted):
    """Keep or drop the change that was tried last."""
    for visited in range(length):
        unit = state.touched[visited]
        state.is_touched[unit] = 0
        for slot in range(changes):
            if accepted:
                sample = state.changed[slot]
                moved = state.fields[unit, sample] + state.shift[unit, slot]
                state.fields[unit, sample] = moved
                state.values[unit, sample] = sign_of(moved)
            state.shift[unit, slot] = 0
    if accepted:
        unit = network.unit_of[edge]
        for sample in range(count):
            state.fields[unit, sample] = state.new_fields[sample]
            state.values[unit, sample] = state.new_values[sample]
        network.weights[edge] = new_weight
