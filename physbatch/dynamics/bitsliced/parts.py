"""Compiled building blocks of the bit-sliced kernel: one bit for each sample.

A bit stands for -1 where it is 1. A unit's count of negative terms is held as bit planes,
shifted by a constant so that the threshold (fan_in + 1)/2 falls on the top plane: the unit's
output *is* the top plane. One weight flip changes the count by one, and that changes the
output only where the count sits at the threshold: one xor and one and per plane.

Vectors of constant length (`physbatch.dynamics.bitsliced.lanes`) run along the rows of the state
(`physbatch.dynamics.bitsliced.layout`); `ones`, a vector of all ones, carries that length.
"""

from typing import NamedTuple

import numpy as np

from physbatch.dynamics.bitsliced.gains import Gains
from physbatch.dynamics.bitsliced.lanes import (
    lanes_below,
    load,
    population,
    signed_lane,
    store,
    total,
)
from physbatch.dynamics.bitsliced.layout import ONE, ZERO, Array, Layout, Network
from physbatch.dynamics.compiled import (
    compiled,
    compiled_counting,
    compiled_inline,
)
from physbatch.dynamics.rules import ORDERS
from physbatch.streams.compiled import bounded
from physbatch.streams.filling import draw_numbers, draw_permutation
from physbatch.streams.keys import KIND_INPUTS, KIND_ORDER, KIND_PROPOSAL

ONES = np.uint64(0xFFFFFFFFFFFFFFFF)
_8 = np.uint64(8)
_32 = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_INPUTS = np.uint64(KIND_INPUTS)
_PROPOSAL = np.uint64(KIND_PROPOSAL)
_ORDER = np.uint64(KIND_ORDER)
_RANDOM, _SEQUENTIAL = ORDERS["random"], ORDERS["sequential"]


class Batch(NamedTuple):
    """The batch of the replicas in a row.

    `raw` is room for the random words of one replica, `terms` for a word of each edge of a layer,
    and `valid` one row of masks; `counts` and `wrong` are the samples and the wrong output bits of
    each replica.
    """

    raw: Array
    terms: Array
    valid: Array
    counts: Array
    wrong: Array


class Work(NamedTuple):
    """What the kernel works on: the state of a row, its batch and its network.

    `gains` are what flips bring, where that is kept. `chances` decide on the `proposals`
    (positions) of a sweep, `spare` is room to draw them;
    `paths` are two rows as long as the largest layer, for the sums over paths.
    """

    layout: Layout
    state: Array
    batch: Batch
    network: Network
    gains: Gains
    proposals: Array
    spare: Array
    chances: Array
    paths: Array


class Draw(NamedTuple):
    """Which batch to draw: its size, key and number, and the samples of each word to skip."""

    floor: int
    threshold: np.uint64
    key: np.uint64
    number: np.uint64
    skip: np.uint64


class Decision(NamedTuple):
    """How moves are decided on: at T = 0 by a limit alone, else by `acceptance` and `chances`.

    `everyone` is the mask of all replicas in a row.
    """

    cold: bool
    limit: int
    acceptance: Array
    chances: Array
    everyone: np.uint64


@compiled_counting
def empty_batch(shape, layout, lane_type):
    """Room for a batch; lanes have the type of `lane_type`."""
    side = (layout.units + 7) // 8 * 8
    return Batch(
        np.zeros(shape.row // shape.together * layout.size + 2, dtype=np.uint64),
        np.zeros(side * max(shape.fan_in, shape.last_fan_in) if shape.row == 1 else 1, np.uint64),
        np.zeros(shape.row, dtype=lane_type.dtype),
        np.zeros(shape.together, dtype=np.int64),
        np.zeros(shape.together, dtype=np.int64),
    )


# --- random numbers ---------------------------------------------------------------------


@compiled
def draw_proposals(out, spare, order, count, key, index, replica):
    """`count` positions from 0 to count - 1 in an order; there is room for random numbers."""
    if order == _RANDOM:
        draw_numbers(out, 0, count, key, _PROPOSAL, index, replica)
        bound = np.uint64(count)
        for number in range(count):
            out[number] = bounded(np.uint64(out[number]), bound)
    elif order == _SEQUENTIAL:
        for number in range(count):
            out[number] = number
    else:
        draw_permutation(out[:count], spare, key, _ORDER, index, replica)


# --- counts -----------------------------------------------------------------------------


# The first planes are written out: the compiler does not unroll loops this short by itself.


@compiled_inline
def flip_mask(state, at, planes, row, term, within):
    """Samples in `within` where the unit's output flips if `term` flips."""
    flip = within & ~(load(state, at + (planes - 1) * row, within) ^ term)
    if planes > 1:
        flip &= load(state, at, within) ^ term
    if planes > 2:
        flip &= load(state, at + row, within) ^ term
    if planes > 3:
        flip &= load(state, at + 2 * row, within) ^ term
    for plane in range(3, planes - 1):
        flip &= load(state, at + plane * row, within) ^ term
    return flip


@compiled_inline
def _step_plane(state, at, term, carry):
    """Flip a plane in the samples `carry`, and return where that carries on."""
    plane = load(state, at, carry)
    store(state, at, plane ^ carry)
    return carry & (plane ^ term)


@compiled_inline
def step_count(state, at, planes, row, term, within):
    """Flip a term in the samples `within`: the count falls where it was 1, rises where 0."""
    carry = _step_plane(state, at, term, within)
    if planes > 1:
        carry = _step_plane(state, at + row, term, carry)
    if planes > 2:
        carry = _step_plane(state, at + 2 * row, term, carry)
    if planes > 3:
        carry = _step_plane(state, at + 3 * row, term, carry)
    for plane in range(4, planes):
        carry = _step_plane(state, at + plane * row, term, carry)


@compiled_inline
def error_change(state, at, planes, row, flip):
    """Change of the number of wrong bits, by lane, if an output flips in the samples `flip`."""
    wrong = load(state, at + planes * row, flip)
    return population(flip & ~wrong) - population(flip & wrong)


@compiled_inline
def accept(change, decision, number, shape):
    """The replicas in a row, as a mask, that accept a change of their errors."""
    if decision.cold:
        if shape.together == 1:
            return decision.everyone if total(change) < decision.limit else ZERO
        return lanes_below(change, decision.limit) & decision.everyone
    chosen = ZERO
    last = np.int64(decision.acceptance.shape[0] - 1)
    for member in range(shape.together):
        rise = signed_lane(change, member) if shape.together > 1 else total(change)
        threshold = decision.acceptance[np.uint64(min(max(rise, 0), last))]
        if rise < 0 or np.uint64(decision.chances[member, number]) < threshold:
            chosen |= decision.everyone if shape.together == 1 else ONE << np.uint64(member)
    return chosen & decision.everyone
