"""Whether a student may have passed: a look that is rough, quick and never wrong.

The error in closed form is a sum of arcsines of overlaps. A polynomial gives them well enough to
tell that a student is far from the passage; where it is not, the error is computed in full.
"""

import math

from physbatch.dynamics.compiled import compiled_counting_floats, compiled_floats
from physbatch.dynamics.projected.parts import add_product, set_product

#: The rough error may be wrong by this: 256 arcsines of eight units a side, each within 3e-8, and
#: what rounding leaves of an overlap near one.
DOUBT = 1e-5


@compiled_counting_floats
def _add_arcsine(total, factor, overlap, left, right):
    """total += factor arcsin(overlap left right), within 3e-8 (Abramowitz and Stegun 4.4.46)."""
    for lane in range(total.shape[0]):
        x = overlap[lane] * left[lane] * right[lane]
        y = min(abs(x), 1.0)
        series = 0.0066700901 - 0.0012624911 * y
        series = -0.0170881256 + series * y
        series = 0.0308918810 + series * y
        series = -0.0501743046 + series * y
        series = 0.0889789874 + series * y
        series = -0.2145988016 + series * y
        series = 1.5707963050 + series * y
        angle = 0.5 * math.pi - math.sqrt(1.0 - y) * series
        total[lane] += factor * math.copysign(angle, x)


@compiled_counting_floats
def _set_inverse_length(length, square):
    """1/sqrt(1 + |w|^2/N)."""
    for lane in range(length.shape[0]):
        length[lane] = 1.0 / math.sqrt(1.0 + square[lane])


@compiled_floats
def _set_student_product(row, inside, perpendicular, i, k):
    set_product(row, inside[i, 0], inside[k, 0])
    for n in range(1, inside.shape[1]):
        add_product(row, inside[i, n], inside[k, n])
    for j in range(min(i, k) + 1):
        add_product(row, perpendicular[i, j], perpendicular[k, j])


@compiled_floats
def _set_teacher_product(row, left, teacher, n, last):
    """Product of a vector in the space of the teacher with its vector n."""
    set_product(row, left[0], teacher[n, 0])
    for j in range(1, last + 1):
        add_product(row, left[j], teacher[n, j])


@compiled_floats
def rough_errors(room, state):
    """The error of every lane within `DOUBT`, for erf units, into `room.wrong`."""
    inside, row, total = room.inside, room.rows[0], room.wrong
    teacher, perpendicular = state.teacher, state.perpendicular
    students, teachers, lanes = inside.shape
    lengths, targets = room.slope, room.toward[0]
    for lane in range(lanes):
        total[lane] = 0.0
    for n in range(teachers):
        _set_teacher_product(row, teacher[n], teacher, n, n)
        _set_inverse_length(targets[n], row)
        for m in range(n + 1):
            _set_teacher_product(row, teacher[n], teacher, m, m)
            _add_arcsine(total, (1 if m == n else 2) / math.pi, row, targets[n], targets[m])
    for i in range(students):
        _set_student_product(row, inside, perpendicular, i, i)
        _set_inverse_length(lengths[i], row)
        for k in range(i + 1):
            _set_student_product(row, inside, perpendicular, i, k)
            _add_arcsine(total, (1 if k == i else 2) / math.pi, row, lengths[i], lengths[k])
        for n in range(teachers):
            _set_teacher_product(row, inside[i], teacher, n, n)
            _add_arcsine(total, -2 / math.pi, row, lengths[i], targets[n])
