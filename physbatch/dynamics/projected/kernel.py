"""The compiled kernel of projected dynamics: many replicas at once, see `projected_parts`."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

import physbatch.dynamics.projected.error
import physbatch.dynamics.projected.parts
import physbatch.dynamics.projected.step
import physbatch.streams.compiled
import physbatch.streams.elementary
import physbatch.streams.keys
import physbatch.streams.normals
from physbatch.compilation import cached_njit, hash_of_sources
from physbatch.dynamics.projected.parts import (
    LANES,
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
from physbatch.streams.keys import KIND_FIELD

__all__ = ["MOST_UNITS", "make_kernel", "make_start_kernel", "SOURCE_HASH"]

#: What the disk cache must follow, see `hash_of_sources`.
SOURCE_HASH = hash_of_sources(
    __file__,
    physbatch.dynamics.projected.error,
    physbatch.dynamics.projected.parts,
    physbatch.dynamics.projected.step,
    physbatch.streams.compiled,
    physbatch.streams.elementary,
    physbatch.streams.keys,
    physbatch.streams.normals,
)

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
    def draw(
        size,
        orthogonal,
        initial_overlap,
        replicas,
        teacher_key,
        start_key,
        teacher,
        difference,
        perpendicular,
    ):
        _ = version
        students, teachers, _ = difference.shape
        length = 1.0 / math.sqrt(size)
        normals = np.zeros((max(students * teachers, MOST_UNITS * MOST_UNITS) + 3, LANES))
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
                for lane in range(LANES):
                    known = overlap * teacher[i, n, lane] if overlap != 0.0 else 0.0
                    difference[i, n, lane] = known + rest * normals[i * teachers + n, lane]
            for k in range(i + 1):
                for lane in range(LANES):
                    perpendicular[i, k, lane] *= rest

    return draw


@functools.cache
def make_kernel(version: int) -> Callable[..., Any]:
    """Compile the kernel; `version` is `SOURCE_HASH`, so that the disk cache follows the source.

    One kernel serves every number of units, batch size and activation.
    """

    @cached_njit(nogil=True, error_model="numpy")
    def run(
        teacher,
        partner,
        difference,
        perpendicular,
        replicas,
        size,
        floor,
        threshold,
        rate,
        noise,
        activation,
        first_step,
        last_step,
        times,
        check_interval,
        passage_error,
        key,
        student_overlap,
        teacher_overlap,
        errors,
        first_passage,
        diverged_at,
    ):
        _ = version
        students, teachers, _ = difference.shape
        largest = floor + (1 if threshold > _ZERO else 0)
        units = students + teachers
        numbers = units + (1 if noise > 0.0 else 0)
        # With few samples D' itself is the factor of D' D; zero columns stand for samples
        # that a replica's batch does not hold.
        direct = largest <= students
        rank = min(largest, students)
        freedom = size - teachers - students
        z = np.zeros((numbers + 3, LANES))
        normals = np.zeros((rank * (rank - 1) // 2 + 4, LANES))
        centre = np.zeros((students, teachers, LANES))
        inside = np.zeros((students, teachers, LANES))
        rows = np.zeros((3, LANES))
        wrong = np.zeros(LANES)
        slope = np.zeros((students, LANES))
        # Sums over the batch: D' times the fields, and D' D.
        toward = np.zeros((students, teachers, LANES))
        matrix = np.zeros((students, students + rank, LANES))
        gram = np.zeros((students, students, LANES))
        factor = np.zeros((students, rank, LANES))
        wishart = np.zeros((rank, rank, LANES))
        length = np.zeros(LANES)
        held = np.full(LANES, floor)
        for i in range(students):
            for lane in range(LANES):
                if partner[i, lane] >= 0:
                    for n in range(teachers):
                        centre[i, n, lane] = teacher[partner[i, lane], n, lane]

        # A run that goes on after a replica has diverged.
        for lane in range(LANES):
            for i in range(students):
                length[lane] += perpendicular[i, i, lane]
            if not length[lane] < _LONGEST:
                diverged_at[lane] = first_step

        measured = 0
        for step in range(first_step, last_step + 1):
            if step % _PARTNER_STEPS == 0:
                choose_partners(difference, perpendicular, teacher, partner, centre)
            for i in range(students):
                for n in range(teachers):
                    total, base, rest = inside[i, n], centre[i, n], difference[i, n]
                    for lane in range(LANES):
                        total[lane] = base[lane] + rest[lane]
            # --- measure
            due = measured < times.shape[0] and times[measured] == step
            if due or step % check_interval == 0:
                for lane in range(LANES):
                    # The error of a lane costs as much as its step.
                    if not due and first_passage[lane] >= 0:
                        continue
                    error = np.nan
                    if diverged_at[lane] < 0:
                        error = lane_error(
                            difference, perpendicular, teacher, partner, lane, activation
                        )
                    checked = step % check_interval == 0 and first_passage[lane] < 0
                    if checked and error < passage_error:
                        first_passage[lane] = step
                    if due:
                        errors[measured, lane] = error
            if due:
                measure(
                    inside,
                    perpendicular,
                    teacher,
                    diverged_at,
                    student_overlap[measured],
                    teacher_overlap[measured],
                )
                measured += 1
            if step == last_step:
                break

            # --- one step
            index = np.uint64(step)
            if threshold > _ZERO:
                draw_counts(held, floor, threshold, index, replicas, key)
            clear(toward)
            clear(matrix)
            clear(gram)
            for sample in range(largest):
                number = np.uint64(step * largest + sample)
                draw_normals(z, numbers, _FIELD, number, replicas, key)
                compare_outputs(
                    z, teacher, inside, perpendicular, noise, activation, rows, wrong, slope
                )
                if sample >= floor:
                    for lane in range(LANES):
                        wrong[lane] = wrong[lane] if sample < held[lane] else 0.0
                for lane in range(LANES):
                    wrong[lane] *= rate
                add_sample(z, wrong, slope, direct, sample, toward, matrix, factor, gram)
            if not direct:
                factorise_gram(gram, factor)
            draw_factor(wishart, normals, rank, freedom, index, replicas, key)
            move_student(
                toward, matrix, factor, wishart, direct, 1.0 / size, difference, perpendicular
            )
            triangularise(matrix, perpendicular, length)
            for lane in range(LANES):
                if diverged_at[lane] < 0 and not length[lane] < _LONGEST:
                    diverged_at[lane] = step + 1

    return run
