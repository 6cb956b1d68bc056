"""Batch sharpness of tasks in torch: closed forms of a linear student.

Its loss is quadratic: on a batch X (sample, input) with errors e the gradient is X'e/m and the
second derivative X'X/m.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

import physbatch.engines.torch_task as engine_module
from physbatch.engines import GridPoint
from physbatch.engines.task_measurement import Students
from physbatch.typing import FloatArray
from tests.unit.engines.test_torch_task import linear, point_of, simulate

NAMES = ("directional_sharpness", "directional_sharpness_ratio")
PATTERNS, SIZE, SIGMAS = 7, 6, 4.5


def point(m: float, most: int, sampling: str = "one-pass", noise: float = 0.0) -> GridPoint:
    study = linear(
        system={
            "options": {"start": "random", "noise": noise},
            **({} if sampling == "one-pass" else {"pattern_count": PATTERNS}),
        },
        dynamics={"precision": "float64", "sampling": sampling},
        grid={"batch_size": [m], "size": [SIZE]},
        measurement={
            "duration": 4,
            "times": {"kind": "list", "values": [4]},
            "sharpness_batches": most,
        },
    )
    return point_of(study, 0, 3)


def students_of(at: GridPoint) -> Students:
    students = engine_module._students(at, 0, engine_module._lanes(at), "cpu")
    students.advance(4)
    return students


def curvatures(x: FloatArray, errors: FloatArray) -> tuple[float, float]:
    """g'Hg and g'g of one batch."""
    gradient = x.T @ errors / len(x)
    return float(np.sum((x @ gradient) ** 2) / len(x)), float(gradient @ gradient)


def both(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    products, squares = np.array(pairs).T
    return float(np.mean(products / squares)), float(products.mean() / squares.mean())


@pytest.mark.parametrize("sampling", ["subsets", "epochs"])
@pytest.mark.parametrize("m", [1, 3, PATTERNS])
def test_all_batches_of_a_set_give_the_closed_form(m: int, sampling: str) -> None:
    """Up to 35 batches, each once, to 1e-12."""
    at = point(m, 35, sampling, noise=0.5)
    measured = simulate(at)
    with engine_module.torch_of_its_own(torch.float64):
        descent = students_of(at).descents[0]
        inputs, targets = descent.source.patterns or ({}, torch.empty(0))
    for row in range(3):
        x, y = inputs[""][row].numpy(), targets[row].numpy()
        errors = x @ descent.learned["w"][row].numpy() - y
        batches = map(list, itertools.combinations(range(PATTERNS), m))
        exact = both([curvatures(x[batch], errors[batch]) for batch in batches])
        for name, value in zip(NAMES, exact, strict=True):
            assert measured[name][row, -1] == pytest.approx(value, rel=1e-12), name


@pytest.mark.parametrize("sampling", ["one-pass", "with-replacement", "subsets"])
def test_drawn_batches_of_two_or_three_samples(sampling: str) -> None:
    """The mean over the batches that were drawn, to 1e-12; their number is that of m = 2.25."""
    at = point(2.25, 64, sampling, noise=0.5)
    measured = simulate(at)
    with engine_module.torch_of_its_own(torch.float64):
        descent = students_of(at).descents[0]
        batches = list(descent.source.measured(4, 64))
    sizes = []
    for row in range(3):
        pairs = []
        for inputs, targets, there in batches:
            assert there is not None
            some = there[row].numpy() > 0
            x, y = inputs[""][row].numpy()[some], targets[row].numpy()[some]
            pairs.append(curvatures(x, x @ descent.learned["w"][row].numpy() - y))
            sizes.append(len(x))
        for name, value in zip(NAMES, both(pairs), strict=True):
            assert measured[name][row, -1] == pytest.approx(value, rel=1e-12), name
    assert set(sizes) == {2, 3}
    assert abs(np.mean(sizes) - 2.25) < SIGMAS * np.sqrt(0.25 * 0.75 / len(sizes))


def test_fresh_batches_have_the_curvature_of_one_gaussian_sample() -> None:
    """At m = 1 it is |x|^2, in the mean N; labels have their noise, other batches other numbers."""
    at = point(1, 64, noise=0.5)
    with engine_module.torch_of_its_own(torch.float64):
        descent = students_of(at).descents[0]
        source = descent.source
        seen = [torch.cat([x[""] for x, _, _ in source.measured(step, 64)], 1) for step in (0, 4)]
        x, y, _ = next(source.measured(4, 64))
        noise = y - descent.network.labels(x)
    squares = (seen[1] ** 2).sum(dim=2).numpy().ravel()
    assert abs(squares.mean() - SIZE) < SIGMAS * squares.std() / np.sqrt(squares.size)
    assert 0.1 < float(noise.std()) < 0.9
    assert len(torch.unique(torch.stack(seen))) == 2 * squares.size * SIZE
    share = simulate(at)["directional_sharpness"][:, -1]
    np.testing.assert_allclose(share, squares.reshape(-1, 64)[:3].mean(axis=1), rtol=1e-12)


def test_drawn_subsets_give_the_mean_of_all_without_bias() -> None:
    """32 replicas with 30 batches each against all of 35, in standard errors below 2 %."""
    means = []
    for most in (30, 35):
        with engine_module.torch_of_its_own(torch.float64):
            means.append(students_of(point(3, most, "subsets")).measure(8)[NAMES[0]])
    differences = means[0] - means[1]
    stderr = differences.std(ddof=1) / np.sqrt(len(differences))
    assert 0 < stderr < 0.02 * means[1].mean()
    assert abs(differences.mean()) < SIGMAS * stderr


def test_what_is_learned_does_not_depend_on_what_is_measured() -> None:
    for sampling in ("one-pass", "epochs"):
        plain, more = simulate(point(2.5, 0, sampling)), simulate(point(2.5, 5, sampling))
        assert set(more) - set(plain) == set(NAMES)
        for name, values in plain.items():
            assert values.tobytes() == more[name].tobytes(), name
