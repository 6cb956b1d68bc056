"""The compiled kernel of the general discrete dynamics."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

import physbatch.dynamics.bitsliced.lanes
import physbatch.dynamics.bitsliced.layout
import physbatch.dynamics.bitsliced.parts
import physbatch.dynamics.discrete.parts
import physbatch.dynamics.discrete.rules
import physbatch.dynamics.discrete.state
import physbatch.dynamics.discrete.success
import physbatch.dynamics.rules
import physbatch.streams.compiled
import physbatch.streams.elementary
import physbatch.streams.keys
import physbatch.streams.normals
from physbatch.compilation import cached_njit, hash_of_sources
from physbatch.dynamics.bitsliced.parts import accept, draw_count, draw_numbers
from physbatch.dynamics.discrete.parts import (
    commit,
    fill_inputs,
    forward,
    half_errors,
    select,
    try_change,
    undo_selection,
)
from physbatch.dynamics.discrete.state import empty_network, unowned_network, unowned_state, wire
from physbatch.dynamics.discrete.success import every_path_right, same_sums
from physbatch.streams.compiled import bounded
from physbatch.streams.keys import KIND_ACCEPT, KIND_LABEL, KIND_PROPOSAL

__all__ = ["TEST_CHUNK", "make_kernel", "SOURCE_HASH"]

#: What the disk cache must follow, see `hash_of_sources`.
SOURCE_HASH = hash_of_sources(
    __file__,
    physbatch.dynamics.bitsliced.lanes,
    physbatch.dynamics.bitsliced.layout,
    physbatch.dynamics.bitsliced.parts,
    physbatch.dynamics.discrete.parts,
    physbatch.dynamics.discrete.rules,
    physbatch.dynamics.discrete.state,
    physbatch.dynamics.discrete.success,
    physbatch.dynamics.rules,
    physbatch.streams.compiled,
    physbatch.streams.elementary,
    physbatch.streams.keys,
    physbatch.streams.normals,
)

#: Test samples are drawn in chunks of this many.
TEST_CHUNK = 64

_PROPOSAL = np.uint64(KIND_PROPOSAL)
_ACCEPT = np.uint64(KIND_ACCEPT)
_LABEL = np.uint64(KIND_LABEL)
_ZERO = np.uint64(0)
_40 = np.uint64(40)


@numba.njit
def _draw_patterns(teacher, scratch, rule, replica):
    """The pattern set of a replica with the teacher's outputs, some of them flipped."""
    outputs, count = scratch.labels.shape
    fill_inputs(scratch.patterns, count, rule.gaussian, rule.patterns_key, _ZERO, replica)
    numbers = np.zeros(outputs * count + 3, dtype=np.uint32)
    draw_numbers(numbers, outputs * count, _LABEL, rule.patterns_key, _ZERO, replica)
    for first in range(0, count, TEST_CHUNK):
        now = min(TEST_CHUNK, count - first)
        scratch.test_inputs[:, :now] = scratch.patterns[:, first : first + now]
        forward(teacher, scratch.test_inputs, now, scratch.test_fields, scratch.test_values)
        for output in range(outputs):
            for sample in range(now):
                label = scratch.test_values[teacher.last_first + output, sample]
                number = np.uint64(numbers[(first + sample) * outputs + output])
                if number < rule.label_threshold:
                    label = -label
                scratch.labels[output, first + sample] = label


@numba.njit
def _test_half_errors(teacher, student, scratch, rule, time, replica):
    """Half errors on fresh samples."""
    total = np.int64(0)
    for first in range(0, rule.test_samples, TEST_CHUNK):
        now = min(TEST_CHUNK, rule.test_samples - first)
        index = np.uint64(time) | (np.uint64(first // TEST_CHUNK) << _40)
        fill_inputs(scratch.test_inputs, now, rule.gaussian, rule.test_key, index, replica)
        forward(teacher, scratch.test_inputs, now, scratch.test_fields, scratch.test_values)
        forward(student, scratch.test_inputs, now, scratch.own_fields, scratch.own_values)
        targets = scratch.test_values[teacher.last_first :]
        total += half_errors(student, scratch.own_values, targets, now)
    return total


@numba.njit
def _training_half_errors(student, scratch):
    """Half errors on the whole pattern set."""
    total = np.int64(0)
    count = scratch.patterns.shape[1]
    for first in range(0, count, TEST_CHUNK):
        now = min(TEST_CHUNK, count - first)
        scratch.test_inputs[:, :now] = scratch.patterns[:, first : first + now]
        forward(student, scratch.test_inputs, now, scratch.own_fields, scratch.own_values)
        total += half_errors(student, scratch.own_values, scratch.labels[:, first:], now)
    return total


@numba.njit
def _new_batch(teacher, student, state, scratch, rule, index, replica):
    """Draw batch `index`, run both networks, and return its size and half errors."""
    count = draw_count(rule.floor, rule.threshold, rule.key, index, replica)
    if rule.pattern_count == 0:
        fill_inputs(state.inputs, count, rule.gaussian, rule.key, index, replica)
        forward(teacher, state.inputs, count, scratch.teacher_fields, scratch.teacher_values)
        state.targets[:, :count] = scratch.teacher_values[teacher.last_first :, :count]
    else:
        order = scratch.order
        chosen = count if count < rule.pattern_count else 0  # the whole set needs no choice
        select(order, scratch.swaps, scratch.numbers, chosen, rule.key, index, replica)
        for row in range(state.inputs.shape[0]):
            for sample in range(count):
                state.inputs[row, sample] = scratch.patterns[row, order[sample]]
        for output in range(state.targets.shape[0]):
            for sample in range(count):
                state.targets[output, sample] = scratch.labels[output, order[sample]]
        undo_selection(order, scratch.swaps, chosen)
    forward(student, state.inputs, count, state.fields, state.values)
    return count, half_errors(student, state.values, state.targets, count)


@functools.cache
def make_kernel(version: int) -> Callable[..., Any]:
    """Compile the kernel.

    Parameters
    ----------
    version : int
        `SOURCE_HASH`: a captured constant makes the disk cache follow the source.
    """

    @cached_njit(nogil=True)
    def run(
        teacher_layout,
        student_layout,
        teacher_sources,
        student_sources,
        teacher_weights,
        student_weights,
        known_wiring,
        ternary,
        learnable,
        counted_state,
        scratch,
        rule,
        acceptance,
        each_proposal,
        absorbing,
        times,
        duration,
        start,
        pause,
        has_patterns,
        first_replica,
        students,
        batch_half_errors,
        batch_bits,
        test_half_errors,
        training_half_errors,
        first_passage,
    ):
        _ = version
        counted_teacher = empty_network(teacher_layout)
        counted_student = empty_network(student_layout)
        teacher = unowned_network(counted_teacher)
        student = unowned_network(counted_student)
        state = unowned_state(counted_state)
        outputs = np.int64(state.targets.shape[0])
        size = state.inputs.shape[0]
        proposals = np.zeros(learnable + 3, dtype=np.uint32)
        chances = np.zeros(learnable + 3, dtype=np.uint32)
        gauge = np.zeros(student_layout.units.sum(), dtype=np.int64)
        last_threshold = acceptance.shape[0] - 1
        choices = np.uint64(2 * learnable if ternary else learnable)

        for row in range(teacher_weights.shape[0]):
            replica = np.uint64(first_replica + row)
            wire(counted_teacher, teacher_layout, teacher_sources[row], teacher_weights[row])
            wire(counted_student, student_layout, student_sources[row], student_weights[row])
            if absorbing and first_passage[row] >= 0:
                continue  # before `start`, and all that follows was recorded then
            if rule.pattern_count > 0 and not has_patterns:
                _draw_patterns(teacher, scratch, rule, replica)
            # The batch that the student saw last, the first one at time 0.
            seen = np.uint64(max((start * learnable if each_proposal else start) - 1, 0))
            count, energy = _new_batch(teacher, student, state, scratch, rule, seen, replica)
            measured = np.searchsorted(times, start)
            for sweep in range(start, pause):
                # A perfect student makes no error, unless labels are wrong.
                if first_passage[row] < 0 and (energy == 0 or rule.label_threshold > _ZERO):
                    if known_wiring:
                        perfect = every_path_right(student, teacher.weights, gauge)
                    else:
                        perfect = same_sums(
                            teacher, student, teacher_layout.units, student_layout.units, size
                        )
                    if perfect:
                        first_passage[row] = sweep
                if measured < times.shape[0] and times[measured] == sweep:
                    students[row, measured] = student.weights
                    batch_half_errors[row, measured] = energy
                    batch_bits[row, measured] = count * outputs
                    test_half_errors[row, measured] = _test_half_errors(
                        teacher, student, scratch, rule, sweep, replica
                    )
                    training_half_errors[row, measured] = _training_half_errors(student, scratch)
                    measured += 1
                if sweep == duration:
                    break
                if absorbing and first_passage[row] >= 0:
                    # Nothing changes any more: the rest is known.
                    for later in range(measured, times.shape[0]):
                        students[row, later] = student.weights
                        last = times[later] * learnable if each_proposal else times[later]
                        batch_bits[row, later] = outputs * draw_count(
                            rule.floor, rule.threshold, rule.key, np.uint64(last - 1), replica
                        )
                    break

                index = np.uint64(sweep)
                draw_numbers(proposals, learnable, _PROPOSAL, rule.key, index, replica)
                if last_threshold > 1:
                    draw_numbers(chances, learnable, _ACCEPT, rule.key, index, replica)
                for number in range(learnable):
                    if number == 0 or each_proposal:
                        batch = np.uint64(sweep * learnable + number if each_proposal else sweep)
                        count, energy = _new_batch(
                            teacher, student, state, scratch, rule, batch, replica
                        )
                    choice = np.int64(bounded(np.uint64(proposals[number]), choices))
                    if ternary:
                        edge = choice // 2
                        new_weight = np.int8((student.weights[edge] + 2 + choice % 2) % 3 - 1)
                    else:
                        edge = choice
                        new_weight = np.int8(-student.weights[edge])
                    change, changes, length = try_change(student, state, edge, new_weight, count)
                    accepted = accept(change, acceptance, last_threshold, chances, number)
                    commit(student, state, edge, new_weight, count, changes, length, accepted)
                    if accepted:
                        energy += change
            student_weights[row] = student.weights

    return run
