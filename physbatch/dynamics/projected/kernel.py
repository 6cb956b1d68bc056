"""The compiled kernel of projected dynamics: many replicas at once."""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from physbatch.compilation import cached_njit
from physbatch.dynamics.compiled import compiled_within
from physbatch.dynamics.projected.error import ERF
from physbatch.dynamics.projected.looks import DOUBT, rough_errors
from physbatch.dynamics.projected.parts import (
    choose_partners,
    clear,
    draw_factor,
    draw_normals,
    factorise_gram,
    lane_error,
    measure,
    triangularise,
)
from physbatch.dynamics.projected.step import add_sample, compare_outputs, draw_counts, move_student
from physbatch.sources import hash_of_sources
from physbatch.streams.keys import KIND_FIELD

#: What the disk cache must follow, see `hash_of_sources`.
SOURCE_HASH = hash_of_sources("dynamics/projected", "dynamics", "streams")

#: Largest number of units of a student or teacher.
MOST_UNITS = 8
#: Steps between two looks at which teacher vector each student vector is nearest to.
_PARTNER_STEPS = 256
#: A student whose part outside the teacher's space is longer than this has diverged.
_LONGEST = 1e140

_ZERO = np.uint64(0)
_FIELD = np.uint64(KIND_FIELD)


@functools.cache
def make_start_kernel(version: int) -> Callable[..., Any]:
    """Compile the drawing of teachers and students; see `make_kernel`."""

    @cached_njit(nogil=True, error_model="numpy")
    def draw(state, replicas, size, orthogonal, initial_overlap, keys):
        _ = version
        teacher, _, difference, perpendicular = state
        teacher_key, start_key = keys
        students, teachers, lanes = difference.shape
        length = 1.0 / math.sqrt(size)
        normals = np.zeros((max(students * teachers, MOST_UNITS * MOST_UNITS) + 3, lanes))
        if orthogonal:
            for n in range(teachers):
                teacher[n, n, :] = 1.0
        else:
            draw_factor(teacher, normals, teachers, size, _ZERO, replicas, teacher_key)
            teacher *= length
        draw_factor(perpendicular, normals, students, size - teachers, _ZERO, replicas, start_key)
        draw_normals(normals, students * teachers, _FIELD, _ZERO, replicas, start_key)
        for i in range(students):
            overlap = initial_overlap if i < teachers else 0.0
            rest = math.sqrt(1.0 - overlap * overlap) * length
            for n in range(teachers):
                for lane in range(lanes):
                    known = overlap * teacher[i, n, lane] if overlap != 0.0 else 0.0
                    difference[i, n, lane] = known + rest * normals[i * teachers + n, lane]
            for k in range(i + 1):
                for lane in range(lanes):
                    perpendicular[i, k, lane] *= rest

    return draw


@compiled_within
def _begin(room, state, run, out):
    """Centres of the students; a run may go on after a replica has diverged."""
    teacher, partner, difference, perpendicular = state
    students, teachers, lanes = difference.shape
    for i in range(students):
        for lane in range(lanes):
            if partner[i, lane] >= 0:
                for n in range(teachers):
                    room.centre[i, n, lane] = teacher[partner[i, lane], n, lane]
    for lane in range(lanes):
        for i in range(students):
            room.length[lane] += perpendicular[i, i, lane]
        if not room.length[lane] < _LONGEST:
            out.diverged_at[lane] = run.first_step


@compiled_within
def _measure(room, state, run, out, step, column):
    """What is due at a step, and first passages; `column` is negative if nothing is due."""
    lanes = out.first_passage.shape[0]
    checked = step % run.check_interval == 0
    rough = column < 0 and run.activation == ERF
    if rough:
        rough_errors(room, state)
    far = run.passage_error + DOUBT
    for lane in range(lanes):
        # The error of a lane costs as much as some of its steps.
        if column < 0 and (out.first_passage[lane] >= 0 or (rough and room.wrong[lane] > far)):
            continue
        error = np.nan
        if out.diverged_at[lane] < 0:
            error = lane_error(state, lane, run.activation)
        if checked and out.first_passage[lane] < 0 and error < run.passage_error:
            out.first_passage[lane] = step
        if column >= 0:
            out.generalization_error[column, lane] = error
    if column >= 0:
        overlaps = out.student_overlap[column], out.teacher_overlap[column]
        measure(room.inside, state, out.diverged_at, overlaps[0], overlaps[1])


@compiled_within
def _step(room, state, run, replicas, step):
    """One step of all lanes."""
    students, teachers, lanes = room.toward.shape
    largest = run.floor + (1 if run.threshold > _ZERO else 0)
    units = students + teachers
    numbers = units + (1 if run.noise > 0.0 else 0)
    # With few samples D' itself is the factor of D' D; zero columns stand for samples
    # that a replica's batch does not hold.
    direct = largest <= students
    index = np.uint64(step)
    wrong = room.wrong
    if run.threshold > _ZERO:
        draw_counts(room.counts, run, index, replicas)
    clear(room.toward)
    clear(room.matrix)
    clear(room.gram)
    for sample in range(largest):
        number = np.uint64(step * largest + sample)
        draw_normals(room.z, numbers, _FIELD, number, replicas, run.key)
        compare_outputs(room, state, run.noise, run.activation)
        if sample >= run.floor:
            for lane in range(lanes):
                wrong[lane] = wrong[lane] if sample < room.counts[lane] else 0.0
        for lane in range(lanes):
            wrong[lane] *= run.rate
        add_sample(room, direct, sample)
    if not direct:
        factorise_gram(room.gram, room.factor)
    rank, freedom = room.wishart.shape[0], run.size - teachers - students
    draw_factor(room.wishart, room.normals, rank, freedom, index, replicas, run.key)
    move_student(room, state, direct, 1.0 / run.size)
    triangularise(room.matrix, state.perpendicular, room.length)


@compiled_within
def _run_lanes(room, run, out, replicas):
    """All steps of one group of lanes, measured."""
    state = out.state
    students, teachers, lanes = room.toward.shape
    _begin(room, state, run, out)
    measured = 0
    for step in range(run.first_step, run.last_step + 1):
        if step % _PARTNER_STEPS == 0:
            choose_partners(state, room.centre)
        for i in range(students):
            for n in range(teachers):
                total, base, rest = room.inside[i, n], room.centre[i, n], state.difference[i, n]
                for lane in range(lanes):
                    total[lane] = base[lane] + rest[lane]
        due = measured < run.times.shape[0] and run.times[measured] == step
        if due or step % run.check_interval == 0:
            _measure(room, state, run, out, step, measured if due else -1)
        measured += due
        if step == run.last_step:
            break
        _step(room, state, run, replicas, step)
        for lane in range(lanes):
            if out.diverged_at[lane] < 0 and not room.length[lane] < _LONGEST:
                out.diverged_at[lane] = step + 1


@functools.cache
def make_kernel(version: int) -> Callable[..., Any]:
    """Compile the kernel; `version` is `SOURCE_HASH`, so that the disk cache follows the source.

    One kernel serves every number of units, batch size and activation.
    """

    @cached_njit(nogil=True, error_model="numpy", _nrt=False)
    def run_lanes(room, run, out, replicas):
        _ = version
        _run_lanes(room, run, out, replicas)

    return run_lanes
