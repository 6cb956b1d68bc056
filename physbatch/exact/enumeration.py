"""Exact chains and Gibbs laws of small sign networks, by enumeration of all students.

A network with few enough weights has few enough students to list them all. Their outputs on all
binary inputs give the exact transition matrix of the greedy and Metropolis dynamics with fresh
batches; their errors on a fixed pattern set give the Gibbs law that Metropolis moves on the
whole set must reach. Energies are counted in half errors: an output 0 that should be a sign
is one, the wrong sign two.
"""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import scipy

from physbatch.typing import FloatArray, IntArray


def all_students(count: int, values: Sequence[int] = (-1, 1)) -> IntArray:
    """Every choice of `count` weights, shape (len(values)^count, count), in counting order.

    >>> all_students(2).tolist()
    [[-1, -1], [-1, 1], [1, -1], [1, 1]]
    """
    return np.array(list(itertools.product(values, repeat=count)), dtype=np.int64)


def all_binary_inputs(size: int) -> IntArray:
    """Every binary input, shape (2^N, N)."""
    return all_students(size)


def network_outputs(weights: IntArray, widths: Sequence[int], inputs: npt.ArrayLike) -> IntArray:
    """Outputs of dense sign networks on inputs (input, N), shape (student, input, output).

    Weights, shape (student, weight), are numbered layer by layer, unit by unit; `widths` are N,
    then the number of units of each layer.
    """
    values = np.broadcast_to(np.asarray(inputs), (len(weights), *np.shape(inputs)))
    first = 0
    for sources, units in itertools.pairwise(widths):
        matrix = weights[:, first : first + units * sources].reshape(-1, units, sources)
        values = np.sign(np.einsum("kui,ksi->ksu", matrix, values))
        first += units * sources
    return values.astype(np.int64)


def half_error_table(outputs: IntArray, targets: IntArray) -> IntArray:
    """Half errors of each student on each input, shape (student, input)."""
    table: IntArray = np.abs(outputs - targets).sum(axis=-1)
    return table


def gibbs_law(half_errors: IntArray, temperature: float) -> FloatArray:
    """Gibbs law exp(-E/T)/Z of students with `half_errors` 2 E, E the number of wrong output bits.

    Metropolis et al., J. Chem. Phys. 21 (1953) 1087, doi 10.1063/1.1699114. ValueError if T <= 0.
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, not {temperature}")
    weights = np.exp(-(half_errors - half_errors.min()) / (2 * temperature))
    return np.asarray(weights / weights.sum())


def batch_error_law(patterns: int, wrong: int, batch_size: int) -> FloatArray:
    """Law of the number of wrong patterns in a batch drawn without replacement, shape (m + 1,).

    Hypergeometric, with W of P patterns wrong: mean m W/P, variance m (W/P)(1 - W/P)(P - m)/(P -
    1).
    """
    return np.asarray(
        scipy.stats.hypergeom.pmf(np.arange(batch_size + 1), patterns, wrong, batch_size)
    )


def _acceptance(
    changes: IntArray, batch_size: int, accept: Callable[[IntArray], FloatArray]
) -> float:
    """Chance that a batch of uniform inputs accepts, from the change on each input."""
    largest = int(np.abs(changes).max())
    law = np.bincount(changes + largest, minlength=2 * largest + 1) / len(changes)
    total = np.ones(1)
    for _ in range(batch_size):
        total = np.convolve(total, law)
    sums = np.arange(len(total)) - batch_size * largest
    return float(total @ accept(sums))


def proposal_chain(
    students: IntArray,
    half_errors: IntArray,
    batch_size: int | None,
    *,
    ties: str = "accept",
    temperature: float | None = None,
) -> FloatArray:
    """One proposal: transition matrix between all students, shape (student, student).

    One uniformly random weight is changed to another of its values, uniformly. Moves are judged by
    `half_errors` (`half_error_table`) on m uniformly random inputs, fresh for every proposal, or,
    with no batch size, on every input once, as for a batch that is the whole pattern set. `ties`
    ("accept" or "reject") rule dE = 0 at zero temperature; at T > 0 (Metropolis) they are ignored.

    >>> students = inputs = all_students(1)
    >>> errors = half_error_table(network_outputs(students, [1, 1], inputs), inputs)
    >>> proposal_chain(students, errors, 1).tolist()
    [[0.0, 1.0], [0.0, 1.0]]
    """

    def accept(change: IntArray) -> FloatArray:
        if temperature is not None:
            return np.asarray(np.exp(-np.maximum(change, 0) / (2 * temperature)))
        return (change <= 0 if ties == "accept" else change < 0).astype(np.float64)

    values = np.unique(students)
    row_of = {tuple(student): row for row, student in enumerate(students.tolist())}
    count = students.shape[1]
    chance = 1 / (count * (len(values) - 1))
    matrix = np.zeros((len(students), len(students)))
    for row, student in enumerate(students):
        for weight, value in itertools.product(range(count), values):
            if student[weight] == value:
                continue
            other = student.copy()
            other[weight] = value
            column = row_of[tuple(other.tolist())]
            changes = half_errors[column] - half_errors[row]
            if batch_size is None:
                accepted = float(accept(changes.sum()[None])[0])
            else:
                accepted = _acceptance(changes, batch_size, accept)
            matrix[row, column] = chance * accepted
        matrix[row, row] = 1 - matrix[row].sum()
    return matrix
