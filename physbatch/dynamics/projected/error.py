"""Generalisation error of a soft committee from the factors of its overlaps, compiled.

The student's weight vectors are w_i = c_i + delta_i, where the centre c_i is a teacher vector
or zero. While the differences are of order one the closed forms serve. Near a perfect student
they would subtract numbers of order one that agree in all digits, so the error is written as a
sum of squares of differences: with fields x_i(s) = c_i.x + s delta_i.x,

    epsilon = (1/2) int ds dt sum_ij <g'(x_i(s)) g'(x_j(t)) (delta_i.x) (delta_j.x)>,

whose averages are known and whose integrand is smooth, so that a few Gauss points suffice.
"""

import math

import numba
import numpy as np

ERF = 0
RELU = 1
LINEAR = 2

#: Largest |delta_i|^2/N at which the difference form is used.
_SMALL = 0.05
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(6)
_POINTS = tuple(float(node) for node in (_NODES + 1) / 2)
_MASSES = tuple(float(weight) for weight in _WEIGHTS / 2)


@numba.njit(error_model="numpy")
def _erf_product(xx, yy, xy, xu, yu, xv, yv, uv):
    """<g'(x) g'(y) u v>: the exponentials only narrow the Gaussian law of (x, y)."""
    a, b = 1.0 + xx, 1.0 + yy
    determinant = a * b - xy * xy
    explained = (xu * (b * xv - xy * yv) + yu * (a * yv - xy * xv)) / determinant
    return 2.0 / math.pi / math.sqrt(determinant) * (uv - explained)


@numba.njit(error_model="numpy")
def _angle(xx, yy, xy):
    """Angle between two vectors; a right angle if one of them is zero."""
    outside = max(xx * yy - xy * xy, 0.0)
    return math.atan2(math.sqrt(outside), xy) if xx * yy > 0.0 else 0.5 * math.pi


@numba.njit(error_model="numpy")
def _relu_product(xx, yy, xy, xu, yu, xv, yv, uv):
    """<H(x) H(y) u v> for step functions H: u and v split into parts along x and y and a rest."""
    if xx <= 0.0 or yy <= 0.0:
        return 0.0
    determinant = xx * yy - xy * xy
    if determinant <= 1e-12 * xx * yy:
        # x and y on one line: both positive half of the time, or never.
        return 0.5 * uv if xy > 0.0 else 0.0
    theta = math.atan2(math.sqrt(determinant), xy)
    along_x, along_y = (yy * xu - xy * yu) / determinant, (xx * yu - xy * xu) / determinant
    beside_x, beside_y = (yy * xv - xy * yv) / determinant, (xx * yv - xy * xv) / determinant
    rest = uv - (along_x * xv + along_y * yv)
    sine, cosine, open_angle = math.sin(theta), math.cos(theta), math.pi - theta
    both = open_angle
    squares = open_angle + sine * cosine
    mixed = math.sqrt(xx * yy) * (sine + open_angle * cosine)
    return (
        rest * both
        + along_x * beside_x * xx * squares
        + along_y * beside_y * yy * squares
        + (along_x * beside_y + along_y * beside_x) * mixed
    ) / (2.0 * math.pi)


@numba.njit(error_model="numpy")
def _relu_square(centre, cross, square):
    """<(relu(x) - relu(x + u))^2> from |x|^2, x.u and |u|^2, without cancellation."""
    end = centre + 2.0 * cross + square
    if centre <= 0.0 or end <= 0.0:
        return 0.5 * square
    outside = max(centre * square - cross * cross, 0.0)
    theta = math.atan2(math.sqrt(outside), centre + cross)
    lag = (
        theta**3 * (1.0 / 3.0 - theta**2 * (1.0 / 30.0 - theta**2 / 840.0))
        if theta < 1e-2
        else math.sin(theta) - theta * math.cos(theta)
    )
    return 0.5 * square - math.sqrt(centre * end) * lag / math.pi


@numba.njit(error_model="numpy", _nrt=True)
def _difference_form(centre, cross, square, activation):
    """epsilon from c_i.c_j, c_i.delta_j and delta_i.delta_j, each over N."""
    students = centre.shape[0]
    total = 0.0
    for i in range(students):
        for j in range(students):
            if activation == RELU and i == j:
                total += _relu_square(centre[i, i], cross[i, i], square[i, i])
                continue
            for a in range(len(_POINTS)):
                s = _POINTS[a]
                for b in range(len(_POINTS)):
                    t = _POINTS[b]
                    xx = centre[i, i] + s * (2.0 * cross[i, i] + s * square[i, i])
                    yy = centre[j, j] + t * (2.0 * cross[j, j] + t * square[j, j])
                    xy = centre[i, j] + t * cross[i, j] + s * (cross[j, i] + t * square[i, j])
                    xu = cross[i, i] + s * square[i, i]
                    yu = cross[j, i] + t * square[i, j]
                    xv = cross[i, j] + s * square[i, j]
                    yv = cross[j, j] + t * square[j, j]
                    uv = square[i, j]
                    product = (
                        _erf_product(xx, yy, xy, xu, yu, xv, yv, uv)
                        if activation == ERF
                        else _relu_product(xx, yy, xy, xu, yu, xv, yv, uv)
                    )
                    total += _MASSES[a] * _MASSES[b] * product
    return 0.5 * max(total, 0.0)


@numba.njit(error_model="numpy")
def _output_product(xx, yy, xy, activation):
    """<g(x) g(y)> of two Gaussian fields."""
    if activation == ERF:
        cosine = xy / math.sqrt((1.0 + xx) * (1.0 + yy))
        return 2.0 / math.pi * math.asin(min(max(cosine, -1.0), 1.0))
    theta = _angle(xx, yy, xy)
    length = math.sqrt(xx * yy)
    return length * (math.sin(theta) + (math.pi - theta) * math.cos(theta)) / (2.0 * math.pi)


@numba.njit(error_model="numpy", _nrt=True)
def _closed_form(centre, cross, square, mixed, teacher, activation):
    """epsilon from the overlaps; `mixed` is R, `teacher` T."""
    students, teachers = mixed.shape
    total = 0.0
    norm = np.empty(students)
    for i in range(students):
        norm[i] = centre[i, i] + 2.0 * cross[i, i] + square[i, i]
    for i in range(students):
        for j in range(students):
            overlap = centre[i, j] + cross[i, j] + cross[j, i] + square[i, j]
            total += _output_product(norm[i], norm[j], overlap, activation)
        for n in range(teachers):
            total -= 2.0 * _output_product(norm[i], teacher[n, n], mixed[i, n], activation)
    for n in range(teachers):
        for m in range(teachers):
            total += _output_product(teacher[n, n], teacher[m, m], teacher[n, m], activation)
    return 0.5 * max(total, 0.0)


@numba.njit(error_model="numpy", _nrt=True)
def _products(left, right):
    """left right', by sums that do not depend on a linear-algebra library."""
    result = np.zeros((left.shape[0], right.shape[0]))
    for i in range(left.shape[0]):
        for j in range(right.shape[0]):
            for k in range(left.shape[1]):
                result[i, j] += left[i, k] * right[j, k]
    return result


@numba.njit(error_model="numpy", _nrt=True)
def committee_error(difference, perpendicular, teacher, partner, activation):
    """Generalisation error <(y - y*)^2>/2 of a soft committee, without noise, never negative.

    Arguments, all over sqrt(N): `difference` (K, M) and `perpendicular` (K, K) are the parts
    of w_i - c_i within the space of the teacher and outside of it, `teacher` (M, M) is the
    lower-triangular factor of T, and `partner` (K) the teacher vector that is c_i, or -1 for
    c_i = 0. Relative accuracy 1e-10 where every teacher vector is the centre of one student
    and all |delta_i|^2/N < 0.05; absolute accuracy 1e-14 otherwise.
    """
    students, teachers = difference.shape
    centres = np.zeros((students, teachers))
    pupils = np.zeros(teachers)
    for i in range(students):
        if partner[i] >= 0:
            pupils[partner[i]] += 1.0
            for n in range(teachers):
                centres[i, n] = teacher[partner[i], n]
    if activation == LINEAR:
        total = 0.0
        for n in range(teachers):
            component = 0.0
            for i in range(students):
                component += difference[i, n]
            for m in range(teachers):
                component += (pupils[m] - 1.0) * teacher[m, n]
            total += component * component
        for k in range(students):
            component = 0.0
            for i in range(students):
                component += perpendicular[i, k]
            total += component * component
        return 0.5 * total

    centre = _products(centres, centres)
    cross = _products(centres, difference)
    square = _products(difference, difference) + _products(perpendicular, perpendicular)
    matched = True
    for n in range(teachers):
        matched = matched and pupils[n] == 1.0
    for i in range(students):
        matched = matched and square[i, i] < _SMALL
    if matched:
        return _difference_form(centre, cross, square, activation)
    mixed = _products(centres + difference, teacher)
    return _closed_form(centre, cross, square, mixed, _products(teacher, teacher), activation)
