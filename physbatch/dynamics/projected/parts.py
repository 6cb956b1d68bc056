"""Compiled parts of the projected-dynamics kernel.

Replicas are the last dimension of every array ("lanes") and the innermost loop, so that all
arithmetic runs in vector registers. A lane is computed the same way wherever it stands.
"""

import math
from typing import NamedTuple

import numpy as np

from physbatch.dynamics.compiled import compiled_counting_floats, compiled_floats
from physbatch.dynamics.projected.error import ERF, RELU, committee_error
from physbatch.streams.compiled import philox
from physbatch.streams.elementary import erf_and_slope, multiply_add
from physbatch.streams.gaussian import chi_or_minus_one, draw_chi, normal_pair
from physbatch.streams.keys import KIND_FACTOR_CHI, KIND_FACTOR_NORMAL
from physbatch.typing import FloatArray, IntArray

#: Replicas that are computed together, at most.
LANES = 64

_ZERO = np.uint64(0)
_LOW = np.uint64(0xFFFFFFFF)
_8 = np.uint64(8)
_32 = np.uint64(32)
_NORMAL = np.uint64(KIND_FACTOR_NORMAL)
_CHI = np.uint64(KIND_FACTOR_CHI)


class Instructions(NamedTuple):
    """A `ProjectedRun` as compiled code reads it; `rate` is eta/m, `noise` a standard deviation."""

    size: int
    floor: int
    threshold: np.uint64
    rate: float
    noise: float
    activation: int
    first_step: int
    last_step: int
    times: IntArray
    check_interval: int
    passage_error: float
    key: np.uint64


class Room(NamedTuple):
    """What one group of lanes is computed in.

    `z` are the normal numbers of a sample in the basis of teacher and student, `normals` those of a
    step and `wishart` Bartlett's factor B; `centre` and `inside` are C and C + E, `wrong` and
    `slope` y* - y and g' of a sample (the slopes become D). `toward`, `matrix`, `gram` and `factor`
    are D' z, then (D' u, A B), D' D and A, summed over the batch; `length` sums the diagonal of P.
    """

    z: FloatArray
    normals: FloatArray
    wishart: FloatArray
    centre: FloatArray
    inside: FloatArray
    rows: FloatArray
    wrong: FloatArray
    slope: FloatArray
    toward: FloatArray
    matrix: FloatArray
    gram: FloatArray
    factor: FloatArray
    length: FloatArray
    counts: IntArray


@compiled_counting_floats
def draw_normals(out, count, kind, index, replicas, key):
    """The first `count` normal numbers of an index, shape (count, lane)."""
    lanes = replicas.shape[0]
    low = index & _LOW
    kind = kind | ((index >> _32) << _8)
    for block in range((count + 3) // 4):
        row = 4 * block
        if count - row > 2:
            for lane in range(lanes):
                x0, x1, x2, x3 = philox(np.uint64(block), low, kind, replicas[lane], key)
                first, second = normal_pair(x0, x1)
                third, fourth = normal_pair(x2, x3)
                out[row, lane] = first
                out[row + 1, lane] = second
                out[row + 2, lane] = third
                out[row + 3, lane] = fourth
        else:
            for lane in range(lanes):
                x0, x1, x2, x3 = philox(np.uint64(block), low, kind, replicas[lane], key)
                first, second = normal_pair(x0, x1)
                out[row, lane] = first
                out[row + 1, lane] = second


@compiled_counting_floats
def draw_factor(factor, normals, rank, freedom, index, replicas, key):
    """Lower-triangular factor of a Wishart matrix with `freedom` degrees (Bartlett)."""
    lanes = replicas.shape[0]
    draw_normals(normals, rank * (rank - 1) // 2, _NORMAL, index, replicas, key)
    at = 0
    for i in range(rank):
        for j in range(i):
            factor[i, j, :] = normals[at, :]
            at += 1
    low = index & _LOW
    kind = _CHI | ((index >> _32) << _8)
    for i in range(0, rank, 2):
        block = np.uint64(i // 2)
        # One degree of freedom is not for the rejection method; it is drawn anew below.
        first_freedom = max(float(freedom - i), 2.0)
        second_freedom = max(float(freedom - i - 1), 2.0)
        rejected = 0
        if i + 1 < rank:
            for lane in range(lanes):
                x0, x1, x2, x3 = philox(block, low, kind, replicas[lane], key)
                first, second = normal_pair(x0, x1)
                first_chi = chi_or_minus_one(first_freedom, first, x2)
                second_chi = chi_or_minus_one(second_freedom, second, x3)
                factor[i, i, lane] = first_chi
                factor[i + 1, i + 1, lane] = second_chi
                rejected += 1 if min(first_chi, second_chi) < 0.0 else 0
        else:
            for lane in range(lanes):
                x0, x1, x2, x3 = philox(block, low, kind, replicas[lane], key)
                first, second = normal_pair(x0, x1)
                first_chi = chi_or_minus_one(first_freedom, first, x2)
                factor[i, i, lane] = first_chi
                rejected += 1 if first_chi < 0.0 else 0
        for row in range(i, min(i + 2, rank)):
            if rejected > 0 or freedom - row < 2:
                for lane in range(lanes):
                    if factor[row, row, lane] < 0.0 or freedom - row < 2:
                        factor[row, row, lane] = draw_chi(
                            row, freedom - row, kind, low, replicas[lane], key, _ZERO
                        )


@compiled_counting_floats
def activate(field, output, slope, activation):
    """g and g' of a row of fields."""
    lanes = field.shape[0]
    if activation == ERF:
        for lane in range(lanes):
            value, derivative = erf_and_slope(field[lane])
            output[lane] = value
            slope[lane] = derivative
    elif activation == RELU:
        for lane in range(lanes):
            output[lane] = max(field[lane], 0.0)
            slope[lane] = 1.0 if field[lane] > 0.0 else 0.0
    else:
        for lane in range(lanes):
            output[lane] = field[lane]
            slope[lane] = 1.0


@compiled_counting_floats
def clear(rows):
    """Set all rows of a matrix of rows (..., ..., lane) to zero."""
    lanes = rows.shape[2]
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            row = rows[i, j]
            for lane in range(lanes):
                row[lane] = 0.0


@compiled_counting_floats
def add_scaled(total, factor, row):
    """total += factor row, for one factor."""
    lanes = total.shape[0]
    for lane in range(lanes):
        total[lane] = multiply_add(factor, row[lane], total[lane])


@compiled_counting_floats
def set_product(total, a, b):
    """total = a b, lane by lane."""
    lanes = total.shape[0]
    for lane in range(lanes):
        total[lane] = a[lane] * b[lane]


@compiled_counting_floats
def add_row(total, row):
    """total += row."""
    lanes = total.shape[0]
    for lane in range(lanes):
        total[lane] += row[lane]


@compiled_counting_floats
def add_product(total, a, b):
    """total += a b, lane by lane."""
    lanes = total.shape[0]
    for lane in range(lanes):
        total[lane] = multiply_add(a[lane], b[lane], total[lane])


@compiled_counting_floats
def subtract_product(total, a, b):
    """total -= a b, lane by lane."""
    lanes = total.shape[0]
    for lane in range(lanes):
        total[lane] = multiply_add(-a[lane], b[lane], total[lane])


@compiled_counting_floats
def triangularise(matrix, triangle, length):
    """Rows of `matrix` (K, columns, lane) as lower triangle times orthonormal rows.

    Modified Gram-Schmidt, whose triangle is as accurate as Householder's; the matrix becomes
    the orthonormal rows. The sum of the diagonal goes to `length`.
    """
    rows, columns, lanes = matrix.shape
    work = np.empty(lanes)
    length[:] = 0.0
    for i in range(rows):
        work[:] = 0.0
        for column in range(columns):
            add_product(work, matrix[i, column], matrix[i, column])
        diagonal = triangle[i, i]
        for lane in range(lanes):
            norm = math.sqrt(work[lane])
            diagonal[lane] = norm
            length[lane] += norm
            work[lane] = 1.0 / norm if norm > 0.0 else 0.0
        for column in range(columns):
            row = matrix[i, column]
            for lane in range(lanes):
                row[lane] *= work[lane]
        for k in range(i + 1, rows):
            work[:] = 0.0
            for column in range(columns):
                add_product(work, matrix[i, column], matrix[k, column])
            triangle[k, i, :] = work
            for column in range(columns):
                subtract_product(matrix[k, column], work, matrix[i, column])


@compiled_counting_floats
def factorise_gram(gram, factor):
    """Lower triangle A with A A' = D' D, where columns of D may depend on each other."""
    rows, _, lanes = gram.shape
    work = np.empty(lanes)
    for j in range(rows):
        for i in range(j, rows):
            work[:] = gram[i, j]
            for k in range(j):
                subtract_product(work, factor[i, k], factor[j, k])
            target = factor[i, j]
            if i == j:
                full = gram[j, j]
                for lane in range(lanes):
                    # What rounding leaves of a dependent column counts as zero.
                    free = work[lane] > 2e-15 * full[lane]
                    target[lane] = math.sqrt(work[lane]) if free else 0.0
            else:
                pivot = factor[j, j]
                for lane in range(lanes):
                    target[lane] = work[lane] / pivot[lane] if pivot[lane] > 0.0 else 0.0


@compiled_floats
def choose_partners(state, centre):
    """Make the nearest teacher vector, or zero, the centre of each student vector."""
    teacher, partner, difference, _ = state
    students, teachers, lanes = difference.shape
    for lane in range(lanes):
        for i in range(students):
            best = -1
            shortest = 0.0
            for n in range(teachers):
                part = centre[i, n, lane] + difference[i, n, lane]
                shortest += part * part
            for candidate in range(teachers):
                distance = 0.0
                for n in range(teachers):
                    part = (centre[i, n, lane] - teacher[candidate, n, lane]) + difference[
                        i, n, lane
                    ]
                    distance += part * part
                if distance < shortest:
                    shortest = distance
                    best = candidate
            if best != partner[i, lane]:
                partner[i, lane] = best
                for n in range(teachers):
                    new = teacher[best, n, lane] if best >= 0 else 0.0
                    difference[i, n, lane] += centre[i, n, lane] - new
                    centre[i, n, lane] = new


@compiled_counting_floats
def lane_error(state, lane, activation):
    """Generalisation error of one lane."""
    teacher, partner, difference, perpendicular = state
    return committee_error(
        np.ascontiguousarray(difference[:, :, lane]),
        np.ascontiguousarray(perpendicular[:, :, lane]),
        np.ascontiguousarray(teacher[:, :, lane]),
        np.ascontiguousarray(partner[:, lane]),
        activation,
    )


@compiled_floats
def measure(inside, state, diverged_at, student_overlap, teacher_overlap):
    """Q and R of every lane, nan where the student has diverged."""
    teacher, perpendicular = state.teacher, state.perpendicular
    students, teachers, lanes = inside.shape
    for lane in range(lanes):
        lost = diverged_at[lane] >= 0
        for i in range(students):
            for k in range(i + 1):
                total = 0.0
                for n in range(teachers):
                    total += inside[i, n, lane] * inside[k, n, lane]
                for j in range(k + 1):
                    total += perpendicular[i, j, lane] * perpendicular[k, j, lane]
                student_overlap[i, k, lane] = np.nan if lost else total
                student_overlap[k, i, lane] = np.nan if lost else total
            for n in range(teachers):
                total = 0.0
                for j in range(n + 1):
                    total += inside[i, j, lane] * teacher[n, j, lane]
                teacher_overlap[i, n, lane] = np.nan if lost else total
