"""Weight flips that reach the outputs through several layers.

The trial is made on copies of all units that the flip reaches: there several terms of one unit
may flip in the same sample. For networks of one or two layers, which have no such flips, nothing
of this is compiled: the functions are chosen by the type of the shape.
"""

from typing import NamedTuple

import numpy as np
from numba.extending import overload

from physbatch.dynamics.bitsliced.lanes import any_lane, load, spread, store
from physbatch.dynamics.bitsliced.layout import Array
from physbatch.dynamics.bitsliced.parts import error_change, step_count
from physbatch.dynamics.compiled import WITHOUT_COUNTS, compiled, compiled_counting


class Trial(NamedTuple):
    """A copy of the state in which a flip is tried, and the units that it touched."""

    state: Array
    touched: Array
    is_touched: Array


@compiled_counting
def empty_trial(shape, layout, state):
    """Room for a trial; none for networks that do not need it."""
    return Trial(
        np.zeros_like(state) if shape.depth > 2 else state,
        np.zeros(layout.units, dtype=np.int64),
        np.zeros(layout.units, dtype=np.uint8),
    )


@compiled
def _touch(state, trial, length, unit, base, block):
    """Take a unit into the trial: copy its planes once."""
    if trial.is_touched[unit]:
        return length
    trial.is_touched[unit] = 1
    trial.touched[length] = unit
    for at in range(base, base + block):
        trial.state[at] = state[at]
    return length + 1


@compiled
def _pass_on(work, shape, trial, length, unit, word, signals):
    """Flip the terms that read a unit in the samples where its output flips.

    `signals` are its output and those samples.
    """
    network, layout = work.network, work.layout
    output, flip = signals
    for at in range(network.out_begin[unit], network.out_begin[unit + 1]):
        edge = network.out_edge[at]
        target = np.int64(network.unit_of[edge])
        planes = shape.last_planes if target >= layout.last_first else shape.planes
        base = network.base_of[target]
        length = _touch(work.state, trial, length, target, base, planes * shape.row)
        term = output ^ spread(network.signs[edge], output)
        step_count(trial.state, base + word, planes, shape.row, term, flip)
    return length


@compiled
def _try(work, shape, trial, unit, flip):
    row, lanes, state, layout = shape.row, shape.lanes, work.state, work.layout
    negative = flip.negative
    zeros = negative ^ negative
    change = zeros
    base = work.network.base_of[unit]
    length = _touch(state, trial, 0, unit, base, shape.planes * row)
    for word in range(0, row, lanes):
        term = load(state, flip.source + word, negative) ^ negative
        step_count(trial.state, base + word, shape.planes, row, term, ~zeros)
    visited = 0
    while visited < length:
        unit = trial.touched[visited]
        visited += 1
        base = work.network.base_of[unit]
        planes = shape.last_planes if unit >= layout.last_first else shape.planes
        top = base + (planes - 1) * row
        for word in range(0, row, lanes):
            output = load(state, top + word, negative)
            flips = output ^ load(trial.state, top + word, negative)
            flips &= load(work.batch.valid, word, negative)
            if not any_lane(flips):
                continue
            if unit >= layout.last_first:
                change += error_change(state, base + word, planes, row, flips)
            else:
                length = _pass_on(work, shape, trial, length, unit, word, (output, flips))
    return change, length


@compiled
def _keep(work, shape, trial, length, accepted, ones):
    row, state = shape.row, work.state
    kept = spread(accepted, ones)
    for number in range(length):
        unit = trial.touched[number]
        trial.is_touched[unit] = 0
        if not accepted:
            continue
        base = work.network.base_of[unit]
        planes = shape.planes
        if unit >= work.layout.last_first:
            planes = shape.last_planes
            top = base + (planes - 1) * row
            for at in range(top, top + row, shape.lanes):
                flips = (load(state, at, ones) ^ load(trial.state, at, ones)) & kept
                store(state, at + row, load(state, at + row, ones) ^ flips)
        for at in range(base, base + planes * row, shape.lanes):
            now = load(state, at, ones)
            store(state, at, now ^ ((now ^ load(trial.state, at, ones)) & kept))


def deep_change(work, shape, trial, unit, flip):
    """Try one weight flip on copies of all units that it reaches.

    Units are visited layer by layer; several terms of one unit may flip in a sample.
    Returns the change of the number of wrong bits by lane and how many units were touched.
    """
    raise NotImplementedError  # for compiled code, see below


def deep_commit(work, shape, trial, length, accepted, ones):
    """Keep a trial in the lanes that accept it, and forget which units it touched."""
    raise NotImplementedError


@overload(deep_change, jit_options=WITHOUT_COUNTS)
def _choose_change(work, shape, trial, unit, flip):
    def nothing(work, shape, trial, unit, flip):
        return flip.negative ^ flip.negative, 0

    return _try.py_func if shape.numbers["depth"] > 2 else nothing


@overload(deep_commit, jit_options=WITHOUT_COUNTS)
def _choose_commit(work, shape, trial, length, accepted, ones):
    def nothing(work, shape, trial, length, accepted, ones):
        pass

    return _keep.py_func if shape.numbers["depth"] > 2 else nothing
