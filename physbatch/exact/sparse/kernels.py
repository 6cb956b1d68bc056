"""Compiled loops of the sparse network: the tie of an output, and the simulator that draws dE."""

import math
from typing import NamedTuple

import numba
import numpy as np

from physbatch.compilation import cached_njit
from physbatch.streams.compiled import bounded
from physbatch.streams.sequential import next_number, start_stream
from physbatch.typing import FloatArray, IntArray

_UNIT = 2.0**-32


class Rules(NamedTuple):
    """What a proposal needs besides the state."""

    size: int
    degree: int
    floor: int  # of the batch size
    threshold: np.uint64  # of the 32-bit number below which a batch has one more sample
    ties: bool  # accepted
    agreement: FloatArray  # c by the label of a leg
    changes: FloatArray  # (wrong, flip_wrong, 2): newly wrong and newly right unit
    tie: float  # chance that d - 1 legs tie


class State(NamedTuple):
    """One replica."""

    wrong: IntArray  # of each hidden unit, shape (N,)
    sign: IntArray  # +-1 of each leg relative to the teacher's, shape (N d,); leg = output d + slot
    source: IntArray  # hidden unit of each leg, shape (N d,)
    readers: IntArray  # legs of each hidden unit, shape (N, d)
    with_teacher: FloatArray  # A of the other legs at each leg, shape (N d,)


# --- an output --------------------------------------------------------------------------


@cached_njit(nogil=True)
def tie_with_teacher(agreements, work):
    """A: chance that some legs tie for the student while the teacher's do not point down.

    Half of the legs pull up. Turned by those that disagree, the teacher's field is twice (lower
    legs that disagree - upper legs that disagree). `work` has shape (2, n + 1, 2 n + 3).
    """
    legs = len(agreements)
    half = legs // 2
    origin = legs + 1
    work[:] = 0.0
    work[0, 0, origin] = 1.0
    for leg in range(legs):
        now, then = work[leg % 2], work[1 - leg % 2]
        right = 0.5 * agreements[leg]
        wrong = 0.5 - right
        for ups in range(min(leg + 1, half) + 1):
            for lean in range(origin - leg - 1, origin + leg + 2):
                chance = right * now[ups, lean] + wrong * now[ups, lean - 1]
                if ups > 0:
                    chance += right * now[ups - 1, lean] + wrong * now[ups - 1, lean + 1]
                then[ups, lean] = chance
    return work[legs % 2, half, origin:].sum()


@numba.njit
def _label(rules, state, leg):
    """e: wrong weights of the hidden unit of a leg, turned by the sign of the leg."""
    wrong = state.wrong[state.source[leg]]
    return wrong if state.sign[leg] > 0 else rules.degree - wrong


@numba.njit
def _see_output(rules, state, output, agreements, work):
    """Work out A at every leg of an output."""
    first = output * rules.degree
    for leg in range(first, first + rules.degree):
        position = 0
        for other in range(first, first + rules.degree):
            if other != leg:
                agreements[position] = rules.agreement[_label(rules, state, other)]
                position += 1
        state.with_teacher[leg] = tie_with_teacher(agreements, work)


# --- draws ------------------------------------------------------------------------------


@numba.njit
def binomial(count, chance, cursor, key):
    """Number of successes among `count` trials; inversion that starts at the most likely number.

    Takes of the order of the standard deviation.
    """
    if count == 0 or chance <= 0.0:
        return 0
    if chance >= 1.0:
        return count
    u = (np.float64(next_number(cursor, key)) + 0.5) * _UNIT
    odds = chance / (1.0 - chance)
    if count * chance < 12.0:
        weight = (1.0 - chance) ** count
        number = 0
        while u >= weight and number < count:
            u -= weight
            weight *= odds * (count - number) / (number + 1)
            number += 1
        return number
    mode = min(int((count + 1) * chance), count)
    up = down = mode
    log_weight = math.lgamma(count + 1.0) - math.lgamma(mode + 1.0)
    log_weight -= math.lgamma(count - mode + 1.0)
    log_weight += mode * math.log(chance) + (count - mode) * math.log1p(-chance)
    above = below = math.exp(log_weight)
    u -= above
    if u < 0.0:
        return mode
    while up < count or down > 0:
        if up < count:
            above *= odds * (count - up) / (up + 1)
            up += 1
            u -= above
            if u < 0.0:
                return up
        if down > 0:
            below *= down / (odds * (count - down + 1))
            down -= 1
            u -= below
            if u < 0.0:
                return down
    return mode  # what rounding left


@numba.njit
def _batch(rules, cursor, key):
    """Samples of a batch."""
    if rules.threshold == 0:
        return rules.floor
    return rules.floor + (1 if next_number(cursor, key) < rules.threshold else 0)


@numba.njit
def _hidden_change(rules, state, unit, flip_wrong, cursor, key):
    """Draw dE of a batch if a weight of a hidden unit flips."""
    samples = _batch(rules, cursor, key)
    newly_wrong, newly_right = rules.changes[state.wrong[unit], flip_wrong]
    losses = binomial(samples, newly_wrong, cursor, key)
    gains = binomial(samples - losses, newly_right / (1.0 - newly_wrong), cursor, key)
    change = 0
    for slot in range(rules.degree):
        leg = state.readers[unit, slot]
        up = state.with_teacher[leg]
        down = rules.tie - up
        if state.sign[leg] < 0:
            up, down = down, up
        change += _reader_change(losses, up, down, cursor, key)
        change += _reader_change(gains, down, up, cursor, key)
    return change


@numba.njit
def _reader_change(flips, up, down, cursor, key):
    """Draw dE of one output whose hidden unit flips in some samples."""
    if flips == 0:
        return 0
    worse = binomial(flips, up, cursor, key)
    return worse - binomial(flips - worse, down / (1.0 - up), cursor, key)


@numba.njit
def _output_change(rules, state, leg, cursor, key):
    """Draw dE of a batch if a weight of an output flips."""
    samples = _batch(rules, cursor, key)
    agreement = rules.agreement[_label(rules, state, leg)]
    first = state.with_teacher[leg]
    second = rules.tie - first
    up = agreement * first + (1.0 - agreement) * second
    return _reader_change(samples, up, rules.tie - up, cursor, key)


# --- runs -------------------------------------------------------------------------------


@numba.njit
def _sweep(rules, state, scratch, cursor, key):
    """As many proposals as weights; returns the change of the sum of labels."""
    agreements, work = scratch
    edges = rules.size * rules.degree
    moved = 0
    for _ in range(2 * edges):
        edge = np.int64(bounded(next_number(cursor, key), np.uint64(2 * edges)))
        if edge < edges:
            unit = edge // rules.degree
            flip_wrong = 1 if edge % rules.degree < state.wrong[unit] else 0
            change = _hidden_change(rules, state, unit, flip_wrong, cursor, key)
        else:
            change = _output_change(rules, state, edge - edges, cursor, key)
        if change > 0 or (change == 0 and not rules.ties):
            continue
        if edge < edges:
            step = -1 if flip_wrong else 1
            state.wrong[unit] += step
            for slot in range(rules.degree):
                leg = state.readers[unit, slot]
                moved += step * state.sign[leg]
                _see_output(rules, state, leg // rules.degree, agreements, work)
        else:
            leg = edge - edges
            moved += rules.degree - 2 * _label(rules, state, leg)
            state.sign[leg] = -state.sign[leg]
            _see_output(rules, state, leg // rules.degree, agreements, work)
    return moved


@numba.njit
def _start(rules, state, right, cursor, key):
    """Draw the weights, each right below the threshold; returns the sum of labels."""
    degree = rules.degree
    for unit in range(rules.size):
        state.wrong[unit] = 0
        for _ in range(degree):
            state.wrong[unit] += 0 if next_number(cursor, key) < right else 1
    total = 0
    state.readers[:, 0] = -1
    for leg in range(rules.size * degree):
        state.sign[leg] = 1 if next_number(cursor, key) < right else -1
        total += _label(rules, state, leg)
    # Legs of every hidden unit: the first slot counts down while they are entered.
    count = np.zeros(rules.size, dtype=np.int64)
    for leg in range(rules.size * degree):
        unit = state.source[leg]
        state.readers[unit, count[unit]] = leg
        count[unit] += 1
    return total


@cached_njit(nogil=True)
def run_tree(rules, right, sources, times, first_replica, key, labels, passage):
    """Fill the sums of labels, shape (replica, time), and the sweep of the first passage or -1.

    `sources` are those of the second layer, shape (replica, N d), `times` increase, in sweeps.
    """
    edges = rules.size * rules.degree
    legs = rules.degree - 1
    scratch = (np.empty(legs), np.empty((2, legs + 1, 2 * legs + 3)))
    state = State(
        np.empty(rules.size, dtype=np.int64),
        np.empty(edges, dtype=np.int64),
        np.empty(edges, dtype=np.int64),
        np.empty((rules.size, rules.degree), dtype=np.int64),
        np.empty(edges),
    )
    cursor = np.empty(8, dtype=np.uint64)
    for replica in range(labels.shape[0]):
        start_stream(cursor, first_replica + replica)
        state.source[:] = sources[replica]
        total = _start(rules, state, right, cursor, key)
        for output in range(rules.size):
            _see_output(rules, state, output, scratch[0], scratch[1])
        passage[replica] = -1
        done = 0
        for column in range(len(times)):
            while done < times[column]:
                if total == 0 and passage[replica] < 0:
                    passage[replica] = done
                if total == 0 and not rules.ties:
                    break
                total += _sweep(rules, state, scratch, cursor, key)
                done += 1
            if total == 0 and passage[replica] < 0:
                passage[replica] = done
            labels[replica, column] = total
