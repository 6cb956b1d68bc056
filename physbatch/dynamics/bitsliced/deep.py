"""Weight flips that reach the outputs through several layers.

The trial is made on copies of all units that the flip reaches: there several terms of one unit
may flip in the same sample.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from physbatch.dynamics.bitsliced.lanes import any_lane, load, part, spread, store
from physbatch.dynamics.bitsliced.layout import Array
from physbatch.dynamics.bitsliced.parts import error_change, step_count

__all__ = ["Trial", "deep_change", "deep_commit", "empty_trial"]


class Trial(NamedTuple):
    """A copy of the state in which a flip is tried, and the units that it touched."""

    state: Array
    touched: Array
    is_touched: Array


@part
def empty_trial(shape, layout, state):
    """Room for a trial; none for networks that do not need it."""
    return Trial(
        np.zeros_like(state) if shape.depth > 2 else state,
        np.zeros(layout.units, dtype=np.int64),
        np.zeros(layout.units, dtype=np.uint8),
    )


@part
def _touch(state, trial, length, unit, base, block):
    """Take a unit into the trial: copy its planes once."""
    if trial.is_touched[unit]:
        return length
    trial.is_touched[unit] = 1
    trial.touched[length] = unit
    for at in range(base, base + block):
        trial.state[at] = state[at]
    return length + 1


@part
def _pass_on(state, trial, network, shape, layout, length, unit, place, output, flip):
    """Flip the terms that read a unit in the samples where its output flips."""
    for at in range(network.out_begin[unit], network.out_begin[unit + 1]):
        edge = network.out_edge[at]
        target = np.int64(network.unit_of[edge])
        planes = shape.last_planes if target >= layout.last_first else shape.planes
        base = network.base_of[target]
        length = _touch(state, trial, length, target, base, planes * shape.row)
        term = output ^ spread(network.signs[edge], output)
        step_count(trial.state, base + place, planes, shape.row, term, flip)
    return length


@part
def deep_change(state, trial, valid, network, shape, layout, unit, source, negative):
    """Try one weight flip on copies of all units that it reaches.

    Units are visited layer by layer; several terms of one unit may flip in a sample.
    Returns the change of the number of wrong bits by lane and how many units were touched.
    """
    row, lanes = shape.row, shape.lanes
    zeros = negative ^ negative
    change = zeros
    base = network.base_of[unit]
    length = _touch(state, trial, 0, unit, base, shape.planes * row)
    for place in range(0, row, lanes):
        term = load(state, source + place, negative) ^ negative
        step_count(trial.state, base + place, shape.planes, row, term, ~zeros)
    visited = 0
    while visited < length:
        unit = trial.touched[visited]
        visited += 1
        base = network.base_of[unit]
        planes = shape.last_planes if unit >= layout.last_first else shape.planes
        top = base + (planes - 1) * row
        for place in range(0, row, lanes):
            output = load(state, top + place, negative)
            flip = output ^ load(trial.state, top + place, negative)
            flip &= load(valid, place, negative)
            if not any_lane(flip):
                continue
            if unit >= layout.last_first:
                change += error_change(state, base + place, planes, row, flip)
            else:
                length = _pass_on(
                    state, trial, network, shape, layout, length, unit, place, output, flip
                )
    return change, length


@part
def deep_commit(state, trial, network, shape, layout, length, accepted, ones):
    """Keep a trial in the lanes that accept it, and forget which units it touched."""
    row = shape.row
    kept = spread(accepted, ones)
    for number in range(length):
        unit = trial.touched[number]
        trial.is_touched[unit] = 0
        if not accepted:
            continue
        base = network.base_of[unit]
        planes = shape.last_planes if unit >= layout.last_first else shape.planes
        if unit >= layout.last_first:
            top = base + (planes - 1) * row
            for at in range(top, top + row, shape.lanes):
                flip = (load(state, at, ones) ^ load(trial.state, at, ones)) & kept
                store(state, at + row, load(state, at + row, ones) ^ flip)
        for at in range(base, base + planes * row, shape.lanes):
            held = load(state, at, ones)
            store(state, at, held ^ ((held ^ load(trial.state, at, ones)) & kept))
