"""Compiled tests of perfection, equal to those of `order_parameters_discrete`."""

import numpy as np

from physbatch.dynamics.compiled import compiled, compiled_counting


@compiled
def every_path_right(network, teacher_weights, gauge):
    """Whether the product of w w* along every path into the outputs is +1.

    `gauge` has room for one number a unit: the common sign of all paths into it.
    """
    for unit in range(network.edge_begin.shape[0] - 1):
        sign = 0
        for edge in range(network.edge_begin[unit], network.edge_begin[unit + 1]):
            product = np.int64(teacher_weights[edge]) * network.weights[edge]
            if unit >= network.first_units:
                product *= gauge[network.source[edge]]
            if sign == 0:
                sign = product
            if product != sign:
                return False
        if unit >= network.last_first and sign != 1:
            return False
        gauge[unit] = sign
    return True


@compiled
def _fill_sums(sums, network, units, first, kinds, signs):
    """Row of each unit as a sum over the kinds of units below (inputs for the first layer)."""
    sums[:units] = 0
    for unit in range(units):
        for edge in range(network.edge_begin[first + unit], network.edge_begin[first + unit + 1]):
            weight = np.int64(network.weights[edge])
            source = network.source[edge]
            if first == 0:
                sums[unit, source] += weight
            elif kinds[source] >= 0:
                sums[unit, kinds[source]] += weight * signs[source]


@compiled
def _sign_of_sum(row):
    for number in row:
        if number != 0:
            return 1 if number > 0 else -1
    return 0


@compiled_counting
def _name_units(sums, units, first, kinds, signs, known, count):
    """Number the kinds of units: equal or opposite rows are one kind, zero rows are none."""
    for unit in range(units):
        row = sums[unit]
        sign = _sign_of_sum(row)
        signs[first + unit] = sign
        kinds[first + unit] = -1
        if sign == 0:
            continue
        for kind in range(count):
            same = True
            for column in range(row.shape[0]):
                if known[kind, column] != sign * row[column]:
                    same = False
                    break
            if same:
                kinds[first + unit] = kind
                break
        if kinds[first + unit] < 0:
            known[count] = sign * row
            kinds[first + unit] = count
            count += 1
    return count


@compiled_counting
def same_sums(teacher, student, teacher_units, student_units, size):
    """Whether teacher and student add up the same hidden units at every output.

    See `physbatch.systems.order_parameters_discrete.same_function`; `teacher_units` and
    `student_units` are the numbers of units of each layer.
    """
    kinds_t = np.zeros(teacher_units.sum(), dtype=np.int64)
    kinds_s = np.zeros(student_units.sum(), dtype=np.int64)
    signs_t = np.zeros_like(kinds_t)
    signs_s = np.zeros_like(kinds_s)
    first_t = first_s = 0
    width = size
    for layer in range(teacher_units.shape[0]):
        units_t, units_s = teacher_units[layer], student_units[layer]
        sums_t = np.zeros((units_t, width), dtype=np.int64)
        sums_s = np.zeros((units_s, width), dtype=np.int64)
        _fill_sums(sums_t, teacher, units_t, first_t, kinds_t, signs_t)
        _fill_sums(sums_s, student, units_s, first_s, kinds_s, signs_s)
        if layer == teacher_units.shape[0] - 1:
            for output in range(units_t):
                for column in range(width):
                    if sums_t[output, column] != sums_s[output, column]:
                        return False
            return True
        known = np.zeros((units_t + units_s, width), dtype=np.int64)
        count = _name_units(sums_t, units_t, first_t, kinds_t, signs_t, known, 0)
        count = _name_units(sums_s, units_s, first_s, kinds_s, signs_s, known, count)
        first_t += units_t
        first_s += units_s
        width = count
    return True
