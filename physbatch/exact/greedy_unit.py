"""One greedy sign unit: its number of wrong weights is an exactly solvable Markov chain.

A unit with d binary weights, a fresh batch of m binary (d odd) or Gaussian inputs for every
proposal. The number j of wrong weights goes up with probability (d - j)/d * a_up(j), down with
j/d * a_down(j), where a is the chance that the batch accepts the move. Of the m samples, U
become wrong and D become right; (U, D) is multinomial, with probabilities that follow by
summing over binary inputs, or from the orthants of three Gaussian fields. At zero temperature
a = P[U <= D] if ties are accepted and P[U < D] if they are rejected; at temperature T it is
E[min(1, exp(-(U - D)/T))].
"""

import math
from functools import cache
from typing import Literal, TypedDict, Unpack

import numpy as np
import scipy

from physbatch.typing import FloatArray

Inputs = Literal["binary", "gaussian"]


class Rule(TypedDict, total=False):
    """Which moves are accepted on which inputs, as in `transition_matrix`."""

    ties: str
    temperature: float | None
    inputs: Inputs


def _check(degree: int, batch_size: float, inputs: Inputs) -> None:
    if degree < 1:
        raise ValueError(f"degree must be positive, not {degree}")
    if degree % 2 == 0 and inputs == "binary":
        raise ValueError(f"degree must be odd, not {degree}: the sign of the sum can be a tie")
    if not batch_size >= 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}")


def _sum_law(terms: int) -> list[tuple[int, float]]:
    """Values and probabilities of a sum of `terms` independent signs."""
    return [(2 * ups - terms, math.comb(terms, ups) / 2.0**terms) for ups in range(terms + 1)]


@cache
def flip_probabilities(
    degree: int, wrong: int, flip_wrong: bool, inputs: Inputs = "binary"
) -> tuple[float, float]:
    """Chances over one input that a flip makes a sample newly wrong and newly right.

    With u_i = x_i w*_i, A the sum of u over right weights and B over the `wrong` ones before the
    flip, the teacher says sign(A + B) and the student sign(A - B). `flip_wrong` flips a wrong
    weight, which makes it right. Inputs are uniform binary (d odd) or standard normal.
    """
    if inputs == "gaussian":
        return _gaussian_flip_probabilities(degree, wrong, wrong + (-1 if flip_wrong else 1))
    right_rest = degree - wrong - (0 if flip_wrong else 1)
    wrong_rest = wrong - (1 if flip_wrong else 0)
    newly_wrong = newly_right = 0.0
    for a, p_a in _sum_law(right_rest):
        for b, p_b in _sum_law(wrong_rest):
            for u in (-1, 1):
                probability = p_a * p_b / 2
                teacher = a + b + u > 0
                before = a - b + (-u if flip_wrong else u) > 0
                after = a - b + (u if flip_wrong else -u) > 0
                if before == teacher and after != teacher:
                    newly_wrong += probability
                elif before != teacher and after == teacher:
                    newly_right += probability
    return newly_wrong, newly_right


def _gaussian_flip_probabilities(degree: int, before: int, after: int) -> tuple[float, float]:
    """Chances from the fields of teacher, student before and student after.

    Three Gaussians have equal signs with probability 1/4 + (1/2 pi) sum arcsin(correlations);
    to ask for an opposite sign of one, its correlations change sign.
    """
    right, changed = 1 - 2 * before / degree, 1 - 2 * after / degree
    both = 1 - 2 / degree  # correlation of the student before and after
    angle_before, angle_after, angle_both = (math.asin(rho) for rho in (right, changed, both))
    newly_wrong = 0.25 + (angle_before - angle_after - angle_both) / (2 * math.pi)
    newly_right = 0.25 + (angle_after - angle_before - angle_both) / (2 * math.pi)
    # Cancellation leaves the last digit of a zero on either side.
    return max(newly_wrong, 0.0), max(newly_right, 0.0)


def acceptance(
    newly_wrong: float,
    newly_right: float,
    batch_size: float,
    *,
    ties: str = "accept",
    temperature: float | None = None,
) -> float:
    """Chance that a batch of m samples accepts a flip with the chances of `flip_probabilities`.

    A real m >= 1 mixes batches of floor(m) and floor(m) + 1 samples. `ties` ("accept" or "reject")
    rule dE = 0 at zero temperature; at T > 0 (Metropolis) they are ignored.
    """
    floor = math.floor(batch_size)
    part = batch_size - floor
    chance = _acceptance_of_whole(newly_wrong, newly_right, floor, ties, temperature)
    if part == 0:
        return chance
    larger = _acceptance_of_whole(newly_wrong, newly_right, floor + 1, ties, temperature)
    return (1 - part) * chance + part * larger


def _acceptance_of_whole(
    newly_wrong: float, newly_right: float, samples: int, ties: str, temperature: float | None
) -> float:
    changed = newly_wrong + newly_right
    if changed == 0:
        return 1.0 if ties == "accept" or temperature is not None else 0.0
    total = 0.0
    for count in range(samples + 1):
        # Of the `count` samples that change, U become wrong: dE = 2 U - count.
        weight = float(scipy.stats.binom.pmf(count, samples, min(changed, 1.0)))
        ups = np.arange(count + 1)
        law = scipy.stats.binom.pmf(ups, count, newly_wrong / changed)
        change = 2 * ups - count
        if temperature is not None:
            accepted = np.exp(-np.maximum(change, 0) / temperature)
        elif ties == "accept":
            accepted = (change <= 0).astype(np.float64)
        else:
            accepted = (change < 0).astype(np.float64)
        total += weight * float(law @ accepted)
    return total


def transition_matrix(
    degree: int,
    batch_size: float,
    *,
    ties: str = "accept",
    temperature: float | None = None,
    inputs: Inputs = "binary",
) -> FloatArray:
    """One proposal: P[j, k] from j to k wrong weights, shape (d + 1, d + 1).

    `ties` and `temperature` are those of `acceptance`, `inputs` those of `flip_probabilities`.
    ValueError if d is even with binary inputs, or m is below 1.
    """
    _check(degree, batch_size, inputs)
    matrix = np.zeros((degree + 1, degree + 1))
    for wrong in range(degree + 1):
        for flip_wrong, choices, target in (
            (False, degree - wrong, wrong + 1),
            (True, wrong, wrong - 1),
        ):
            if choices:
                chance = acceptance(
                    *flip_probabilities(degree, wrong, flip_wrong, inputs),
                    batch_size,
                    ties=ties,
                    temperature=temperature,
                )
                matrix[wrong, target] = choices / degree * chance
        matrix[wrong, wrong] = 1 - matrix[wrong].sum()
    return matrix


def stationary_law(degree: int, batch_size: float, **rule: Unpack[Rule]) -> FloatArray:
    """Stationary law of the number of wrong weights, shape (d + 1,).

    A birth-death chain: pi(j + 1)/pi(j) = P[j, j + 1]/P[j + 1, j]. With ties rejected the perfect
    unit is absorbing and holds all the weight.
    """
    matrix = transition_matrix(degree, batch_size, **rule)
    law = np.zeros(degree + 1)
    law[0] = 1.0
    for wrong in range(degree):
        up, down = matrix[wrong, wrong + 1], matrix[wrong + 1, wrong]
        if up == 0:
            break
        law[wrong + 1] = law[wrong] * up / down
    return np.asarray(law / law.sum())


def initial_law(degree: int, initial_overlap: float = 0.0) -> FloatArray:
    """Law of the number of wrong weights at the start: binomial with (1 - r)/2."""
    wrong = np.arange(degree + 1)
    return np.asarray(scipy.stats.binom.pmf(wrong, degree, (1 - initial_overlap) / 2))


def law_after(
    proposals: int,
    degree: int,
    batch_size: float,
    *,
    initial_overlap: float = 0.0,
    **rule: Unpack[Rule],
) -> FloatArray:
    """Law of the number of wrong weights after some proposals, shape (d + 1,)."""
    matrix = transition_matrix(degree, batch_size, **rule)
    return np.asarray(
        initial_law(degree, initial_overlap) @ np.linalg.matrix_power(matrix, proposals)
    )


def overlap_and_perfect(law: FloatArray) -> tuple[float, float]:
    """Mean overlap 1 - 2 <j>/d and the chance P(j = 0) that the unit is perfect.

    >>> overlap, perfect = overlap_and_perfect(stationary_law(5, 10))
    >>> round(overlap, 5), round(perfect, 5)
    (0.90047, 0.86627)
    """
    degree = len(law) - 1
    return float(1 - 2 * (np.arange(degree + 1) @ law) / degree), float(law[0])
