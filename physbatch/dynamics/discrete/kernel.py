"""The compiled kernel of the general discrete dynamics."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from physbatch.compilation import cached_njit
from physbatch.dynamics.compiled import batch_of, compiled, compiled_within, draw_count, first_due
from physbatch.dynamics.discrete.parts import (
    accept,
    commit,
    fill_inputs,
    forward,
    half_errors,
    select,
    try_change,
    undo_selection,
)
from physbatch.dynamics.discrete.state import Work, copy, empty_network, wire
from physbatch.dynamics.discrete.success import every_path_right, same_sums
from physbatch.dynamics.rules import ORDERS
from physbatch.sources import hash_of_sources
from physbatch.streams.compiled import bounded
from physbatch.streams.filling import draw_numbers, draw_permutation
from physbatch.streams.keys import KIND_ACCEPT, KIND_LABEL, KIND_ORDER, KIND_PROPOSAL

#: What the disk cache must follow, see `hash_of_sources`.
SOURCE_HASH = hash_of_sources("dynamics/discrete", "dynamics", "streams")

#: Test samples are drawn in chunks of this many.
TEST_CHUNK = 64

_PROPOSAL = np.uint64(KIND_PROPOSAL)
_ACCEPT = np.uint64(KIND_ACCEPT)
_LABEL = np.uint64(KIND_LABEL)
_ORDER = np.uint64(KIND_ORDER)
_RANDOM, _PERMUTATION = ORDERS["random"], ORDERS["permutation"]
_TWO = np.uint64(2)
_ZERO = np.uint64(0)
_40 = np.uint64(40)


@compiled
def _take_patterns(scratch, first, count):
    """Patterns `first` ... as test inputs."""
    for row in range(scratch.patterns.shape[0]):
        for sample in range(count):
            scratch.test_inputs[row, sample] = scratch.patterns[row, first + sample]


@compiled
def _draw_patterns(teacher, scratch, rule, replica):
    """The pattern set of a replica with the teacher's outputs, some of them flipped."""
    outputs, count = scratch.labels.shape
    fill_inputs(scratch.patterns, count, rule.gaussian, rule.patterns_key, _ZERO, replica)
    numbers = scratch.label_numbers
    draw_numbers(numbers, 0, outputs * count, rule.patterns_key, _LABEL, _ZERO, replica)
    for first in range(0, count, TEST_CHUNK):
        now = min(TEST_CHUNK, count - first)
        _take_patterns(scratch, first, now)
        forward(teacher, scratch.test_inputs, now, scratch.test_fields, scratch.test_values)
        for output in range(outputs):
            for sample in range(now):
                label = scratch.test_values[teacher.last_first + output, sample]
                number = np.uint64(numbers[(first + sample) * outputs + output])
                if number < rule.label_threshold:
                    label = -label
                scratch.labels[output, first + sample] = label


@compiled
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


@compiled
def _training_half_errors(student, scratch):
    """Half errors on the whole pattern set."""
    total = np.int64(0)
    count = scratch.patterns.shape[1]
    for first in range(0, count, TEST_CHUNK):
        now = min(TEST_CHUNK, count - first)
        _take_patterns(scratch, first, now)
        forward(student, scratch.test_inputs, now, scratch.own_fields, scratch.own_values)
        total += half_errors(student, scratch.own_values, scratch.labels[:, first:], now)
    return total


@compiled
def _new_batch(work, rule, sweep, index, replica):
    """Draw batch `index` of a sweep, run both networks, and return its size and half errors."""
    teacher, student, state, scratch = work
    floor, threshold = batch_of(rule.batches, sweep)
    count = draw_count(floor, threshold, rule.key, index, replica)
    if rule.pattern_count == 0:
        fill_inputs(state.inputs, count, rule.gaussian, rule.key, index, replica)
        forward(teacher, state.inputs, count, scratch.teacher_fields, scratch.teacher_values)
        outputs, numbers = state.targets.shape[0], scratch.label_numbers
        if rule.label_threshold > _ZERO:
            draw_numbers(numbers, 0, outputs * count, rule.key, _LABEL, index, replica)
        for output in range(outputs):
            for sample in range(count):
                value = scratch.teacher_values[teacher.last_first + output, sample]
                if rule.label_threshold > _ZERO:
                    number = np.uint64(numbers[sample * outputs + output])
                    value = -value if number < rule.label_threshold else value
                state.targets[output, sample] = value
    else:
        order, patterns, first = scratch.order, rule.pattern_count, 0
        chosen = count if count < patterns else 0  # the whole set needs no choice
        if rule.epochs:
            largest = state.inputs.shape[1]
            batches = np.uint64(patterns // largest)
            first = np.int64(index % batches) * largest
            chosen, index = patterns, index // batches
        select(order, scratch.swaps, scratch.numbers, chosen, rule.key, index, replica)
        for row in range(state.inputs.shape[0]):
            for sample in range(count):
                state.inputs[row, sample] = scratch.patterns[row, order[first + sample]]
        for output in range(state.targets.shape[0]):
            for sample in range(count):
                state.targets[output, sample] = scratch.labels[output, order[first + sample]]
        undo_selection(order, scratch.swaps, chosen)
    forward(student, state.inputs, count, state.fields, state.values)
    return count, half_errors(student, state.values, state.targets, count)


@compiled
def _is_perfect(work, student_units, teacher_units, known_wiring):
    """Whether the student is perfect; `..._units` are the numbers of units of each layer."""
    if known_wiring:
        return every_path_right(work.student, work.teacher.weights, work.scratch.gauge)
    size = work.state.inputs.shape[0]
    return same_sums(work.teacher, work.student, teacher_units, student_units, size)


@compiled
def _measure(work, rule, out, at, batch, time, replica):
    """What is due at a time; `at` is the row and the column of it."""
    count, energy = batch
    copy(out.students[at], work.student.weights)
    out.batch_half_errors[at] = energy
    out.batch_bits[at] = count * work.state.targets.shape[0]
    out.test_half_errors[at] = _test_half_errors(
        work.teacher, work.student, work.scratch, rule, time, replica
    )
    out.training_half_errors[at] = _training_half_errors(work.student, work.scratch)


@compiled
def _fill_in(work, run, out, row, column, replica):
    """Nothing changes any more: the rest is known."""
    rule = run.rule
    for later in range(column, run.times.shape[0]):
        last = run.times[later] * (run.learnable if run.each_proposal else 1) - 1
        floor, threshold = batch_of(rule.batches, run.times[later] - 1)
        count = draw_count(floor, threshold, rule.key, np.uint64(last), replica)
        copy(out.students[row, later], work.student.weights)
        out.batch_bits[row, later] = work.state.targets.shape[0] * count


@compiled_within
def _sweep(work, run, batch, time, replica):
    """As many proposals as there are learnable weights; size and half errors of the last batch."""
    student, state, rule, learnable = work.student, work.state, run.rule, run.learnable
    proposals, chances, acceptance = work.scratch.proposals, work.scratch.chances, run.acceptance
    count, energy = batch
    last_threshold = acceptance.shape[0] - 1
    choices = np.uint64(2 * learnable if run.ternary else learnable)
    edges, in_order = work.scratch.edges, run.order != _RANDOM
    if run.order == _PERMUTATION:
        now, numbers = np.uint64(time), work.scratch.numbers
        draw_permutation(edges, numbers, rule.key, _ORDER, now, replica)
    draw_numbers(proposals, 0, learnable, rule.key, _PROPOSAL, np.uint64(time), replica)
    if last_threshold > 1:
        draw_numbers(chances, 0, learnable, rule.key, _ACCEPT, np.uint64(time), replica)
    for number in range(learnable):
        if number == 0 or run.each_proposal:
            index = np.uint64(time * learnable + number if run.each_proposal else time)
            count, energy = _new_batch(work, rule, time, index, replica)
        if in_order:
            edge, side = edges[number], np.int64(bounded(np.uint64(proposals[number]), _TWO))
        else:
            choice = np.int64(bounded(np.uint64(proposals[number]), choices))
            edge, side = (choice // 2, choice % 2) if run.ternary else (choice, 0)
        if run.ternary:
            new_weight = np.int8((student.weights[edge] + 2 + side) % 3 - 1)
        else:
            new_weight = np.int8(-student.weights[edge])
        change, changes, length = try_change(student, state, edge, new_weight, count)
        accepted = accept(change, acceptance, last_threshold, chances, number)
        commit(student, state, edge, new_weight, count, changes, length, accepted)
        if accepted:
            energy += change
    return count, energy


@compiled_within
def _run_replica(work, units, run, out, row, start, pause):
    """Simulate and measure one replica from `start` to `pause`."""
    rule, replica = run.rule, np.uint64(run.first_replica + row)
    # The batch that the student saw last, the first one at time 0.
    seen = np.uint64(max((start * run.learnable if run.each_proposal else start) - 1, 0))
    batch = _new_batch(work, rule, max(start - 1, 0), seen, replica)
    column = first_due(run.times, start)
    for time in range(start, pause):
        # A perfect student makes no error, unless labels are wrong.
        if (
            out.first_passage[row] < 0
            and (batch[1] == 0 or rule.label_threshold > _ZERO)
            and _is_perfect(work, units[0], units[1], run.known_wiring)
        ):
            out.first_passage[row] = time
        if column < run.times.shape[0] and run.times[column] == time:
            _measure(work, rule, out, (row, column), batch, time, replica)
            column += 1
        if time == run.duration:
            break
        if run.absorbing and out.first_passage[row] >= 0:
            _fill_in(work, run, out, row, column, replica)
            break
        batch = _sweep(work, run, batch, time, replica)


@compiled
def _run_replicas(work, teacher, student, run, out, start, pause, has_patterns):
    """Simulate all replicas, one after the other."""
    for row in range(teacher.weights.shape[0]):
        wire(work.teacher, teacher, row)
        wire(work.student, student, row)
        if run.absorbing and out.first_passage[row] >= 0:  # before `start`
            column = first_due(run.times, start)
            _fill_in(work, run, out, row, column, np.uint64(run.first_replica + row))
            continue
        if run.rule.pattern_count > 0 and not has_patterns:
            replica = np.uint64(run.first_replica + row)
            _draw_patterns(work.teacher, work.scratch, run.rule, replica)
        units = (student.layout.units, teacher.layout.units)
        _run_replica(work, units, run, out, row, start, pause)
        copy(student.weights[row], work.student.weights)


@functools.cache
def make_kernel(version: int) -> Callable[..., Any]:
    """Compile the kernel; the captured `version` makes the disk cache follow the source."""

    @cached_njit(nogil=True)
    def run_replicas(teacher, student, state, scratch, run, out, span):
        _ = version
        networks = empty_network(teacher.layout), empty_network(student.layout)
        work = Work(networks[0], networks[1], state, scratch)
        start, pause, has_patterns = span
        _run_replicas(work, teacher, student, run, out, start, pause, has_patterns)

    return run_replicas
