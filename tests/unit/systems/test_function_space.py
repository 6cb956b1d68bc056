"""Order parameters in function space, and the classical ones that they are for linear students."""

from __future__ import annotations

import numpy as np
import torch

from physbatch.systems.function_space import compare_functions, function_overlap


def test_linear_students_have_the_classical_overlaps() -> None:
    """To 1e-14, on probes whose <x x'> is 1: R/sqrt(Q T), R, Q, T and (T + Q - 2 R)/2."""
    chance = torch.Generator().manual_seed(1)
    size = 40
    student, teacher = torch.randn(2, 5, size, 1, generator=chance, dtype=torch.float64)
    probes = torch.eye(size, dtype=torch.float64).repeat(3, 1) * size**0.5
    order = compare_functions(probes @ student / size**0.5, probes @ teacher / size**0.5)
    r, q, t = (
        (a * b).sum(dim=(1, 2)).numpy() / size
        for a, b in ((student, teacher), (student, student), (teacher, teacher))
    )
    expected = (r / np.sqrt(q * t), r, q, t, 0.5 * (t + q - 2 * r))
    for values, exact in zip(order, expected, strict=True):
        np.testing.assert_allclose(values, exact, rtol=1e-13, atol=1e-14)


def test_classes_are_those_of_a_potts_model() -> None:
    targets = torch.tensor([[0, 1, 2, 3, 0]])
    scores = torch.nn.functional.one_hot(torch.tensor([[0, 1, 2, 3, 1]]), 4).float()
    order = compare_functions(scores, targets)
    assert float(order.error[0]) == 1 - float(order.product[0])
    np.testing.assert_allclose(order.overlap, [(4 * 0.8 - 1) / 3])
    np.testing.assert_allclose(order.product, [0.8])
    np.testing.assert_allclose(function_overlap(scores, scores, targets), [1.0])


def test_a_function_that_is_zero_has_no_overlap_and_infinite_ones_none_either() -> None:
    zero, one = torch.zeros(1, 3, 1), torch.ones(1, 3, 1)
    assert compare_functions(zero, one).overlap.tolist() == [0.0]
    assert not np.isfinite(compare_functions(one * torch.inf, one).overlap).any()
