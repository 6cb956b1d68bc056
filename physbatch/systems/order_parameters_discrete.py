"""Order parameters of discrete weights, modulo the symmetries of the architecture.

With a known sparse graph the only symmetry is the sign of each hidden unit, and the path
overlap is blind to it. In a dense network hidden units may also be permuted: they are matched
to the teacher's first. Everything that decides about success is an integer.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from physbatch.systems.architecture import Architecture
from physbatch.systems.discrete import DiscreteSystem, Weights
from physbatch.systems.wiring import layer_matrices
from physbatch.typing import FloatArray, IntArray


def path_sums(
    architecture: Architecture, sources: npt.NDArray[np.int32], agreement: Weights
) -> IntArray:
    """Sum over outputs and paths of the product of w w* along the path, int64 of shape (...).

    `agreement` is w w* of each edge, shape (..., edge). Divided by the number of paths it is the
    path overlap q: s_i = (1/d) sum_j w_ij w*_ij s_j, averaged over outputs.
    """
    leading = agreement.shape[:-1]
    values = np.ones((*leading, architecture.size), dtype=np.int64)
    for number, layer in enumerate(architecture.layers):
        start, stop = architecture.edge_offsets[number : number + 2]
        terms = values[..., sources[start:stop]] * agreement[..., start:stop]
        values = terms.reshape(*leading, layer.units, layer.fan_in).sum(axis=-1)
    total: IntArray = values.sum(axis=-1)
    return total


def same_function(teacher: Sequence[Weights], student: Sequence[Weights]) -> bool:
    """Whether two sign networks add up the same hidden units at every output.

    From the inputs upwards, hidden units whose sums are equal, or opposite, are the same unit up
    to its sign; a sum that is always zero is none. So permuting hidden units, flipping the
    signs of all weights into and out of one, and units that nothing reads make no difference.

    Parameters
    ----------
    teacher, student : sequence of ndarray, shape (units, sources)
        The weights of each layer; the two may differ in the number of hidden units.

    Examples
    --------
    >>> first, second = np.array([[1, 0, 0], [0, 1, -1]]), np.array([[1, 1]])
    >>> same_function([first, second], [-first[::-1], -second])
    True
    >>> same_function([first, second], [first, -second])
    False
    """
    below = [np.eye(matrices[0].shape[1], dtype=np.int64) for matrices in (teacher, student)]
    for layers in zip(teacher, student, strict=True):
        # Row i of `sums` holds unit i as a sum over the kinds of units below.
        sums = [
            matrix.astype(np.int64) @ kinds for matrix, kinds in zip(layers, below, strict=True)
        ]
        known: dict[bytes, int] = {}
        units_of: list[list[tuple[int, int]]] = []
        for rows in sums:
            units = []
            for row in rows:
                nonzero = row[row != 0]
                sign = 0 if len(nonzero) == 0 else int(np.sign(nonzero[0]))
                name = (sign * row).tobytes()
                units.append((known.setdefault(name, len(known)), sign))
            units_of.append(units)
        below = [np.zeros((len(units), len(known)), dtype=np.int64) for units in units_of]
        for kinds, units in zip(below, units_of, strict=True):
            for unit, (kind, sign) in enumerate(units):
                kinds[unit, kind] = sign
    return bool(np.array_equal(below[0], below[1]))


def unit_overlaps(teacher: Weights, student: Weights) -> FloatArray:
    """R_in = w_i . w*_n / (|w_i| |w*_n|), shape (student unit, teacher unit); 0 for w_i = 0."""
    products = student.astype(np.float64) @ teacher.astype(np.float64).T
    norms = np.sqrt(
        np.outer((student != 0).sum(axis=1), (teacher != 0).sum(axis=1)).astype(np.float64)
    )
    return np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)


def _dense_overlap(teacher: Sequence[Weights], student: Sequence[Weights], learned: str) -> float:
    """Mean overlap of the first layer's units with those of the teacher, after matching."""
    table = unit_overlaps(teacher[0], student[0])
    units = table.shape[1]
    if len(teacher) == 1:  # outputs are told apart by their numbers
        return float(np.diagonal(table).sum() / units)
    if learned == "all":
        scores = np.abs(table)
    elif len(teacher) == 2 and teacher[1].shape[0] == 1:
        # One output adds the hidden units with fixed signs: they may only be permuted.
        scores = table * np.outer(student[1][0], teacher[1][0])
    else:
        # The fixed weights above tell the hidden units apart.
        return float(np.diagonal(table).sum() / units)
    rows, columns = linear_sum_assignment(scores, maximize=True)
    return float(scores[rows, columns].sum() / units)


def overlaps(system: DiscreteSystem, replica: int, students: Weights) -> FloatArray:
    r"""Overlap of each of some students of one replica with its teacher.

    With a known graph the path overlap. For a dense student, of the first layer,

    .. math:: q = \frac1M \sum_{n=1}^M |R_{i(n), n}|,

    where i(n) is the assignment of hidden units that makes q largest (Kuhn 1955,
    doi 10.1002/nav.3800020109). Where the upper weights are fixed the sign of a hidden unit, or
    the unit itself, is no longer free: then R is used with its sign, or without an assignment.

    Parameters
    ----------
    system : DiscreteSystem
        The teachers.
    replica : int
        Row of `system`.
    students : ndarray of int8, shape (time, edge)
        Weights of the student.

    Returns
    -------
    ndarray, shape (time,)
        The overlaps, 1 for a perfect student. Matching alone gives a random student a positive
        one: about sqrt(2 ln N/N) for N hidden units of N binary weights.
    """
    layers = system.student_layers
    if not system.dense:
        sums = path_sums(
            layers, system.student_sources[replica], students * system.teacher[replica]
        )
        return sums / (layers.outputs * layers.paths_per_output)
    teacher = layer_matrices(
        system.teacher_layers, system.teacher_sources[replica], system.teacher[replica]
    )
    matrices = layer_matrices(layers, system.student_sources[replica], students)
    return np.array(
        [
            _dense_overlap(teacher, [matrix[time] for matrix in matrices], layers.learned)
            for time in range(len(students))
        ]
    )


def right_paths(system: DiscreteSystem, replica: int, student: Weights) -> bool:
    """Whether a student is perfect: every path right, after matching if it is dense."""
    layers = system.student_layers
    if not system.dense:
        total = path_sums(
            layers, system.student_sources[replica], student * system.teacher[replica]
        )
        return int(total) == layers.outputs * layers.paths_per_output
    return same_function(
        layer_matrices(
            system.teacher_layers, system.teacher_sources[replica], system.teacher[replica]
        ),
        layer_matrices(layers, system.student_sources[replica], student),
    )
