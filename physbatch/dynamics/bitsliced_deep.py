"""Weight flips that reach the outputs through several layers.

The trial is made on copies of all units that the flip reaches: there several terms of one unit
may flip in the same sample.
"""

from __future__ import annotations

import numba
import numpy as np

from physbatch.dynamics.bitsliced_parts import ONES, ZERO, error_change, step_count

__all__ = ["deep_change", "deep_commit", "index_edges"]


@numba.njit
def _touch(state, trial, touched, is_touched, length, unit, base, block):
    """Take a unit into the trial: copy its planes once."""
    if is_touched[unit]:
        return length
    is_touched[unit] = 1
    touched[length] = unit
    for at in range(base, base + block):
        trial[at] = state[at]
    return length + 1


@numba.njit
def deep_change(
    state,
    trial,
    touched,
    is_touched,
    valid,
    weights,
    base_of,
    unit_of,
    out_begin,
    out_edge,
    last_first,
    planes,
    last_planes,
    words,
    unit,
    source,
    negative,
):
    """Try one weight flip on copies of all units that it reaches.

    Units are visited layer by layer; several terms of one unit may flip in a sample.
    Returns the change of the number of wrong bits and how many units were touched.
    """
    change = np.int64(0)
    length = _touch(state, trial, touched, is_touched, 0, unit, base_of[unit], planes * words)
    for word in range(words):
        step_count(trial, base_of[unit], planes, words, word, state[source + word] ^ negative, ONES)
    visited = 0
    while visited < length:
        unit = touched[visited]
        visited += 1
        base = base_of[unit]
        own = last_planes if unit >= last_first else planes
        top = base + (own - 1) * words
        for word in range(words):
            flip = (state[top + word] ^ trial[top + word]) & valid[word]
            if flip == ZERO:
                continue
            if unit >= last_first:
                change += error_change(state, base, own, words, word, flip)
                continue
            for at in range(out_begin[unit], out_begin[unit + 1]):
                edge = out_edge[at]
                target = np.int64(unit_of[edge])
                count = last_planes if target >= last_first else planes
                length = _touch(
                    state,
                    trial,
                    touched,
                    is_touched,
                    length,
                    target,
                    base_of[target],
                    count * words,
                )
                term = state[top + word] ^ (ZERO - np.uint64(weights[edge]))
                step_count(trial, base_of[target], count, words, word, term, flip)
    return change, length


@numba.njit
def deep_commit(
    state,
    trial,
    touched,
    is_touched,
    length,
    accepted,
    base_of,
    last_first,
    planes,
    last_planes,
    words,
):
    """Keep or drop a trial, and forget which units it touched."""
    for number in range(length):
        unit = touched[number]
        is_touched[unit] = 0
        if not accepted:
            continue
        base = base_of[unit]
        own = last_planes if unit >= last_first else planes
        if unit >= last_first:
            top = base + (own - 1) * words
            for word in range(words):
                state[top + words + word] ^= state[top + word] ^ trial[top + word]
        for at in range(base, base + own * words):
            state[at] = trial[at]


@numba.njit
def index_edges(sources, fan_ins, unit_counts, unit_of, out_begin, out_edge):
    """The unit that each edge feeds, and the edges that read each hidden unit.

    The latter are `out_edge[out_begin[u]:out_begin[u + 1]]`.
    """
    out_begin[:] = 0
    for filling in range(2):
        filled = np.zeros(out_begin.shape[0], dtype=np.int64)
        edge = 0
        unit = 0
        below = 0
        for layer in range(fan_ins.shape[0]):
            first = unit
            for _ in range(unit_counts[layer]):
                for _ in range(fan_ins[layer]):
                    unit_of[edge] = unit
                    if layer > 0:
                        source = below + np.int64(sources[edge])
                        if filling:
                            out_edge[out_begin[source] + filled[source]] = edge
                            filled[source] += 1
                        else:
                            out_begin[source + 1] += 1
                    edge += 1
                unit += 1
            below = first
        if not filling:
            for number in range(out_begin.shape[0] - 1):
                out_begin[number + 1] += out_begin[number]
