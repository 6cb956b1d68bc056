"""Flip rates of the sparse network against all inputs of small trees."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from physbatch.errors import AnalysisError
from physbatch.exact.sparse import (
    acceptance,
    agreement,
    hidden_flip,
    output_flip,
    reader_chances,
    tie_chance,
)


class Tree:
    """One hidden unit that d outputs read, each with d - 1 more hidden units of their own.

    The inputs of the other hidden units enter through the chance that student and teacher agree,
    which is enumerated as well: 2^3 inputs of the unit, 4 pairs of signs for each other one.
    """

    def __init__(self, wrong: int, signs: list[int], others: list[list[int]]) -> None:
        self.wrong, self.signs, self.others = wrong, signs, others

    def chances(self, flip: int) -> dict[int, float]:
        """Law of the change of the error on one sample if a weight flips, d = 3."""
        weights = np.array([-1] * self.wrong + [1] * (3 - self.wrong))
        flipped = weights.copy()
        flipped[flip] *= -1
        total: dict[int, float] = {}
        for x in itertools.product((-1, 1), repeat=3):
            teacher = np.sign(sum(x))
            before, after = np.sign(weights @ x), np.sign(flipped @ x)
            law = {0: 1 / 8}
            for sign, labels in zip(self.signs, self.others, strict=True):
                step: dict[int, float] = {}
                for pulls in itertools.product((-1, 1), repeat=4):
                    student, right = pulls[:2], pulls[2:]
                    chance = 0.25
                    for agrees, label in zip(right, labels, strict=True):
                        c = agreement(3, label)
                        chance *= c if agrees > 0 else 1 - c
                    field = student[0] + student[1]
                    target = student[0] * right[0] + student[1] * right[1] + teacher
                    wrong_before = np.sign(field + sign * before) != np.sign(target)
                    wrong_after = np.sign(field + sign * after) != np.sign(target)
                    change = int(wrong_after) - int(wrong_before)
                    step[change] = step.get(change, 0.0) + chance
                law = _sum(law, step)
            for change, chance in law.items():
                total[change] = total.get(change, 0.0) + chance
        return total


def _sum(first: dict[int, float], second: dict[int, float]) -> dict[int, float]:
    law: dict[int, float] = {}
    for (a, p), (b, q) in itertools.product(first.items(), second.items()):
        law[a + b] = law.get(a + b, 0.0) + p * q
    return law


def test_agreement_and_ties() -> None:
    assert [agreement(3, label) for label in range(4)] == [1.0, 0.5, 0.5, 0.0]
    assert all(agreement(7, e) == pytest.approx(1 - agreement(7, 7 - e)) for e in range(8))
    assert tie_chance(9) == pytest.approx(70 / 256)


@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [1, 2, 0, 4], [5, 5, 3, 3], [2, 2, 2, 2]])
def test_reader_chances_of_all_signs(labels: list[int]) -> None:
    with_teacher = against = 0.0
    for pulls in itertools.product((-1, 1), repeat=8):
        student, right = np.array(pulls[:4]), np.array(pulls[4:])
        c = np.array([agreement(5, label) for label in labels])
        chance = np.where(right > 0, c, 1 - c).prod() / 16
        if student.sum() == 0:
            if student @ right >= 0:
                with_teacher += chance
            else:
                against += chance
    assert reader_chances(5, labels) == pytest.approx((with_teacher, against), abs=1e-15)


@pytest.mark.parametrize("batch_size", [1, 2, 3])
@pytest.mark.parametrize(
    ("wrong", "flip", "signs", "others"),
    [
        (0, 0, [1, 1, 1], [[0, 0], [0, 0], [0, 0]]),
        (1, 0, [1, -1, 1], [[0, 1], [2, 0], [3, 1]]),
        (1, 2, [-1, -1, 1], [[0, 1], [2, 2], [3, 3]]),
        (3, 1, [-1, 1, 1], [[1, 1], [0, 2], [3, 0]]),
    ],
)
def test_hidden_flip_against_all_inputs_of_a_tree(
    wrong: int, flip: int, signs: list[int], others: list[list[int]], batch_size: int
) -> None:
    sample = Tree(wrong, signs, others).chances(flip)
    exact = {0: 1.0}
    for _ in range(batch_size):
        exact = _sum(exact, sample)
    readers = [
        pair if sign > 0 else pair[::-1]
        for sign, pair in zip(signs, (reader_chances(3, labels) for labels in others), strict=True)
    ]
    law = hidden_flip(3, wrong, flip < wrong, readers, batch_size)
    reach = 3 * batch_size
    wanted = [exact.get(change, 0.0) for change in range(-reach, reach + 1)]
    np.testing.assert_allclose(law, wanted, atol=1e-14)
    learned = sum(chance for change, chance in exact.items() if change < 0)
    assert acceptance(law) == pytest.approx(learned, abs=1e-13)
    assert acceptance(law, "accept") == pytest.approx(learned + exact[0], abs=1e-13)


def test_output_flip_of_a_wrong_weight_among_right_ones() -> None:
    """An output errs where the other legs tie, each time; m samples with chance 1/2."""
    law = output_flip(3, 3, reader_chances(3, [0, 0]), 4)
    np.testing.assert_allclose(law[:5], [1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16], atol=1e-15)


def test_real_batch_size_is_a_mixture() -> None:
    readers = [reader_chances(5, [0, 1, 2, 3])] * 5
    low, high, mixed = (acceptance(hidden_flip(5, 2, True, readers, m)) for m in (7, 8, 7.3))
    assert mixed == pytest.approx(0.7 * low + 0.3 * high, abs=1e-14)


@pytest.mark.parametrize(
    "call",
    [
        lambda: agreement(4, 0),
        lambda: reader_chances(3, [0, 4]),
        lambda: hidden_flip(3, 0, True, [[0.5, 0.0]] * 3, 4),
        lambda: hidden_flip(3, 0, False, [[0.5, 0.0]] * 2, 4),
        lambda: output_flip(3, 0, (0.5, 0.0), 0.5),
    ],
)
def test_what_does_not_exist_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(AnalysisError, match=r"take|give"):
        call()
