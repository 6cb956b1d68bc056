"""Compiled parts of one step of projected dynamics: compare outputs, sum up, move the student."""

from __future__ import annotations

import numba
import numpy as np

from physbatch.dynamics.projected.parts import (
    LANES,
    activate,
    add_product,
    add_row,
    add_scaled,
    set_product,
)
from physbatch.streams.compiled import philox
from physbatch.streams.keys import KIND_BATCH

__all__ = ["add_sample", "compare_outputs", "draw_counts", "move_student"]

_ZERO = np.uint64(0)
_LOW = np.uint64(0xFFFFFFFF)
_8 = np.uint64(8)
_32 = np.uint64(32)
_BATCH = np.uint64(KIND_BATCH)


@numba.njit(error_model="numpy")
def draw_counts(held, floor, threshold, index, replicas, key):
    """How many samples each lane's batch holds."""
    kind = _BATCH | ((index >> _32) << _8)
    for lane in range(LANES):
        number, _, _, _ = philox(_ZERO, index & _LOW, kind, replicas[lane], key)
        held[lane] = floor + (1 if number < threshold else 0)


@numba.njit(error_model="numpy")
def compare_outputs(z, teacher, inside, perpendicular, noise, activation, rows, wrong, slope):
    """y* + noise - y and g'(lambda_i) of one sample; `rows` is working space of three rows."""
    students, teachers, _ = inside.shape
    field, output, unused = rows[0], rows[1], rows[2]
    for lane in range(LANES):
        wrong[lane] = 0.0
    if noise > 0.0:
        add_scaled(wrong, noise, z[students + teachers])
    for n in range(teachers):
        set_product(field, teacher[n, 0], z[0])
        for j in range(1, n + 1):
            add_product(field, teacher[n, j], z[j])
        activate(field, output, unused, activation)
        add_row(wrong, output)
    for i in range(students):
        set_product(field, inside[i, 0], z[0])
        for n in range(1, teachers):
            add_product(field, inside[i, n], z[n])
        for k in range(i + 1):
            add_product(field, perpendicular[i, k], z[teachers + k])
        activate(field, output, slope[i], activation)
        for lane in range(LANES):
            wrong[lane] -= output[lane]


@numba.njit(error_model="numpy")
def add_sample(z, wrong, slope, direct, sample, toward, matrix, factor, gram):
    """Add a sample to D' times the fields and to D' D, with D = wrong g'; `slope` becomes D."""
    students, teachers, _ = toward.shape
    for i in range(students):
        drive = slope[i]
        for lane in range(LANES):
            drive[lane] *= wrong[lane]
        for n in range(teachers):
            add_product(toward[i, n], drive, z[n])
        for k in range(students):
            add_product(matrix[i, k], drive, z[teachers + k])
        if direct:
            column = factor[i, sample]
            for lane in range(LANES):
                column[lane] = drive[lane]
        else:
            for k in range(i + 1):
                add_product(gram[i, k], drive, slope[k])


@numba.njit(error_model="numpy")
def move_student(toward, matrix, factor, wishart, direct, inverse_size, difference, perpendicular):
    """E += D' z/N; `matrix` becomes (P + D' u/N, A B/N), from which the new P follows."""
    students, teachers, _ = toward.shape
    rank = wishart.shape[0]
    for i in range(students):
        for n in range(teachers):
            add_scaled(difference[i, n], inverse_size, toward[i, n])
        for j in range(rank):
            column = matrix[i, students + j]
            for k in range(j, rank if direct else i + 1):
                add_product(column, factor[i, k], wishart[k, j])
        for number in range(students + rank):
            column = matrix[i, number]
            for lane in range(LANES):
                column[lane] *= inverse_size
        for k in range(i + 1):
            add_row(matrix[i, k], perpendicular[i, k])
