"""Overlaps and closed forms against sums written out."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from physbatch.dynamics.rules import batch_rule
from physbatch.dynamics.sgd.run import CompiledDescent, GradientRun
from physbatch.streams.keys import stream_keys
from physbatch.systems.architecture import Architecture, build_architecture, dense_student
from physbatch.systems.continuous import (
    ContinuousSystem,
    Functions,
    draw_continuous_system,
)
from physbatch.systems.generalization import closed_form_error, has_closed_form, output_product
from physbatch.systems.order_parameters import (
    match_units,
    measure_overlaps,
    path_overlap,
    unit_overlaps,
)
from physbatch.systems.wiring import layer_matrices

KEYS = stream_keys(dict.fromkeys(("wiring", "teacher", "start", "dynamics"), 3), "overlaps")


def network(
    wiring: Any, size: int, depth: int, output: Any = "vector", **options: Any
) -> Architecture:
    return build_architecture(
        wiring=wiring,
        size=size,
        depth=depth,
        output=output,
        odd_fan_in=False,
        **{"degree": None, "hidden_units": None, "learned_layers": "all", **options},
    )


def draw(
    layers: Architecture,
    student: Architecture | None = None,
    *,
    activation: Any = "erf",
    overlap: float = 0.3,
    replicas: int = 2,
    readout: bool = False,
    committee: bool = False,
    sqrt_fan_in: bool = True,
    orthogonal: bool = False,
) -> ContinuousSystem:
    return draw_continuous_system(
        layers,
        student or layers,
        Functions(activation, sqrt_fan_in, readout, committee),
        vectors="orthogonal" if orthogonal else "random",
        initial_overlap=overlap,
        keys=KEYS,
        first_replica=0,
        replicas=replicas,
    )


def all_paths(system: ContinuousSystem, weights: np.ndarray) -> np.ndarray:
    """Product of the weights along every path, zeros where there is no path."""
    products = np.ones((system.student_layers.size, 1))
    for matrix in layer_matrices(system.student_layers, system.student_sources[0], weights):
        products = np.einsum("ki,ip->kip", matrix, products).reshape(len(matrix), -1)
    return products.ravel()


@pytest.mark.parametrize(
    "layers",
    [
        network("regular", 5, 1, degree=2),
        network("regular", 5, 3, degree=3),
        network("tree", 8, 3, degree=2),
        network("tree", 9, 2, "scalar", degree=3),
        network("regular", 6, 2, "scalar", degree=2),
    ],
)
def test_path_overlap_is_the_cosine_of_all_paths(layers: Architecture) -> None:
    system = draw(layers)
    student, teacher = system.student[0] * 1e3, system.teacher[0]
    student_paths, teacher_paths = all_paths(system, student), all_paths(system, teacher)
    expected = (
        student_paths
        @ teacher_paths
        / np.sqrt((student_paths @ student_paths) * (teacher_paths @ teacher_paths))
    )
    overlap = path_overlap(layers, system.student_sources[0], teacher, student)
    assert overlap == pytest.approx(expected, rel=1e-12)
    assert measure_overlaps(system, 0, student).overlap == overlap


def test_path_overlap_of_huge_weights_does_not_overflow() -> None:
    layers = network("regular", 5, 4, degree=3)
    system = draw(layers)
    sources = system.student_sources[0]
    small = path_overlap(layers, sources, system.teacher[0], system.student[0])
    huge = path_overlap(layers, sources, system.teacher[0], 1e150 * system.student[0])
    assert huge == pytest.approx(small, rel=1e-12)
    assert path_overlap(layers, sources, system.teacher[0], 0 * system.student[0]) == 0


@pytest.mark.parametrize(("students", "teachers"), [(3, 3), (4, 3), (3, 4)])
@pytest.mark.parametrize("sign_free", [True, False])
def test_matching_is_the_best_of_all(students: int, teachers: int, sign_free: bool) -> None:
    rng = np.random.default_rng(students * 10 + teachers)
    table = unit_overlaps(rng.normal(size=(students, 6)), rng.normal(size=(teachers, 6)))
    scores = abs(table) if sign_free else table
    if students < teachers:
        best = max(
            sum(scores[i, n] for i, n in enumerate(chosen))
            for chosen in itertools.permutations(range(teachers), students)
        )
    else:
        best = max(
            sum(scores[i, n] for n, i in enumerate(chosen))
            for chosen in itertools.permutations(range(students), teachers)
        )
    matching = match_units(table, permutable=True, sign_free=sign_free)
    assert matching.overlap == pytest.approx(best / teachers)
    signed = (matching.signs * table[matching.students, matching.teachers]).sum() / teachers
    assert signed == pytest.approx(matching.overlap)
    assert match_units(table, permutable=False, sign_free=False).overlap == pytest.approx(
        np.diagonal(table).sum() / teachers
    )


def test_matrices_and_norms() -> None:
    layers = network("dense", 30, 2, "scalar", hidden_units=3)
    student = dense_student(layers, 4)
    system = draw(layers, student, orthogonal=True)
    measured = measure_overlaps(system, 0, system.student[0], matrices=True)
    w, v = system.student[0, :120].reshape(4, 30), system.teacher[0, :90].reshape(3, 30)
    np.testing.assert_allclose(v @ v.T, 30 * np.eye(3), atol=1e-12)
    np.testing.assert_allclose(measured.student_overlaps, w @ w.T / 30)
    np.testing.assert_allclose(measured.teacher_overlaps, w @ v.T / 30)
    np.testing.assert_allclose(
        measured.student_norm,
        np.sqrt(np.mean(system.student[0] ** 2) / np.mean(system.target[0] ** 2)),
    )
    # A spare unit counts with its whole length.
    exact = system.target[0].copy()
    exact[90:120] = 2.0
    spare = measure_overlaps(system, 0, exact)
    assert spare.overlap == pytest.approx(1)
    assert spare.weight_error == pytest.approx(4.0)


CLOSED: list[tuple[str, Architecture, dict[str, Any]]] = [
    ("linear", network("dense", 12, 1, "scalar"), {"sqrt_fan_in": False}),
    ("erf", network("dense", 12, 1, hidden_units=3), {"readout": True}),
    ("relu", network("regular", 12, 1, degree=3), {"readout": True}),
    ("erf", network("tree", 12, 1, degree=3), {"readout": True}),
    ("tanh", network("tree", 12, 1, degree=3), {"readout": False}),
    ("erf", network("dense", 12, 2, "scalar", hidden_units=3), {}),
    ("relu", network("dense", 12, 2, hidden_units=3), {}),
    ("linear", network("dense", 12, 2, "scalar", hidden_units=3, learned_layers="first"),
     {"committee": True}),
    ("erf", network("dense", 12, 2, "scalar", hidden_units=2, learned_layers="first"),
     {"committee": True}),
]  # fmt: skip


def sampled(system: ContinuousSystem, loss: Any, samples: int, times: range) -> np.ndarray:
    """Errors on fresh samples, shape (time, replica)."""
    run = GradientRun(
        batch=batch_rule(1),
        batch_size=1,
        learning_rate=1.0,
        momentum=0.0,
        loss=loss,
        inputs="gaussian",
        input_scales=np.empty(0),
        label_noise=0.0,
        patterns=0,
        replacement=False,
        precision="float64",
        dynamics_key=1,
        patterns_key=1,
        test_key=1,
        first_replica=0,
    )
    descent = CompiledDescent(system, run)
    return np.array([descent.test_error(system.student, time, samples) for time in times])


@pytest.mark.parametrize(("activation", "layers", "options"), CLOSED)
def test_closed_forms_agree_with_samples(
    activation: str, layers: Architecture, options: dict[str, Any]
) -> None:
    """z below 4.5 for each of four students, standard error below 1 %."""
    system = draw(layers, activation=activation, overlap=0.5, replicas=4, **options)
    assert has_closed_form(layers, layers, system.functions, inputs="gaussian", loss="mean-square")
    assert not has_closed_form(layers, layers, system.functions, inputs="binary", loss="logistic")
    exact = [
        closed_form_error(system, row, w, loss="mean-square")
        for row, w in enumerate(system.student)
    ]
    errors_of = sampled(system, "mean-square", 4_000, range(50))
    errors = errors_of.std(axis=0, ddof=1) / np.sqrt(len(errors_of))
    assert (errors < 0.01 * errors_of.mean(axis=0)).all()
    assert (abs(errors_of.mean(axis=0) - exact) < 4.5 * errors).all()
    for row, target in enumerate(system.target):
        assert closed_form_error(system, row, target, loss="mean-square") < 1e-15


def test_chance_of_a_wrong_sign_agrees_with_samples() -> None:
    layers = network("regular", 12, 1, degree=3)
    system = draw(layers, activation="tanh", replicas=4)
    assert has_closed_form(layers, layers, system.functions, inputs="gaussian", loss="logistic")
    exact = [
        closed_form_error(system, row, w, loss="logistic") for row, w in enumerate(system.student)
    ]
    errors_of = sampled(system, "logistic", 4_000, range(50))
    errors = errors_of.std(axis=0, ddof=1) / np.sqrt(len(errors_of))
    assert (errors < 0.01).all()
    assert (abs(errors_of.mean(axis=0) - exact) < 4.5 * errors).all()


def test_committee_follows_saad_and_solla() -> None:
    """eps from Q, R and T as written there, for K = 2, M = 3."""
    layers = network("dense", 25, 2, "scalar", hidden_units=3)
    system = draw(layers, dense_student(layers, 2), committee=True)
    student = system.student[0].copy()
    student[50:] = 1
    teacher = system.teacher.copy()
    teacher[:, 75:] = 1
    system = ContinuousSystem(**{**system.__dict__, "teacher": teacher})
    w, v = student[:50].reshape(2, 25), teacher[0, :75].reshape(3, 25)
    q, r, t = w @ w.T / 25, w @ v.T / 25, v @ v.T / 25

    def total(a: np.ndarray, left: np.ndarray, right: np.ndarray) -> float:
        norms = np.sqrt(np.outer(1 + np.diagonal(left), 1 + np.diagonal(right)))
        return float(np.arcsin(a / norms).sum())

    expected = (total(q, q, q) + total(t, t, t) - 2 * total(r, q, t)) / np.pi
    assert closed_form_error(system, 0, student, loss="mean-square") == pytest.approx(expected)


def test_plateau_of_the_erf_committee() -> None:
    """The symmetric saddle at small eta: 0.0116108 for K = 2, 0.0202966 for K = 3."""
    for units, expected in ((2, 0.0116108), (3, 0.0202966)):
        # All students are the same there: Q = 1/(2 K - 1), R = 1/sqrt(K (2 K - 1)).
        q, r = 1 / (2 * units - 1), 1 / np.sqrt(units * (2 * units - 1))
        learned = units**2 * output_product("erf", q, q, q)
        mixed = units**2 * output_product("erf", q, 1.0, r)
        teacher = units * output_product("erf", 1.0, 1.0, 1.0)
        assert float(learned - 2 * mixed + teacher) / 2 == pytest.approx(expected, abs=5e-8)
