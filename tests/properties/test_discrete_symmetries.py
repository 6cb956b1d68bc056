"""Overlaps and success of discrete students modulo the symmetries of their architecture."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from physbatch.dynamics import DiscreteRun, acceptance_table, batch_rule, run_discrete
from physbatch.streams import stream_keys
from physbatch.systems import (
    Architecture,
    DiscreteSystem,
    build_architecture,
    dense_student,
    draw_discrete_system,
    embed,
    layer_matrices,
    overlaps,
    right_paths,
    same_function,
)

SEEDS = dict.fromkeys(("wiring", "teacher", "start", "dynamics"), 1)


def system_of(
    teacher: Architecture,
    student: Architecture,
    seed: int,
    *,
    ternary: bool,
    initial_overlap: float = 0.0,
    replicas: int = 1,
) -> DiscreteSystem:
    return draw_discrete_system(
        teacher,
        student,
        ternary=ternary,
        initial_overlap=initial_overlap,
        keys=stream_keys(SEEDS, f"discrete symmetries {seed}"),
        first_replica=0,
        replicas=replicas,
    )


@st.composite
def dense_systems(draw: st.DrawFn) -> DiscreteSystem:
    """Dense students, all layers learned, as wide as their teachers or wider."""
    ternary = draw(st.booleans())
    depth = draw(st.integers(1, 4))
    output = draw(st.sampled_from(["vector", "scalar"])) if depth > 1 else "vector"
    size = draw(st.sampled_from([5, 7, 9]))
    teacher = build_architecture(
        wiring=draw(st.sampled_from(["regular"])) if ternary else "dense",
        size=size,
        degree=3,
        hidden_units=draw(st.sampled_from([1, 3, 5])),
        depth=depth,
        output=output,
        learned_layers="all",
        odd_fan_in=True,
    )
    hidden = draw(st.integers(size, size + 2)) if ternary else None
    student = dense_student(teacher, hidden)
    return system_of(
        teacher, student, draw(st.integers(0, 1000)), ternary=ternary, initial_overlap=0.5
    )


def turned(system: DiscreteSystem, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Hidden units permuted and their signs flipped, in every hidden layer."""
    layers = system.student_layers
    matrices = [one.copy() for one in layer_matrices(layers, system.student_sources[0], weights)]
    for number in range(layers.depth - 1):
        order = rng.permutation(layers.layers[number].units)
        signs = rng.choice(np.array([-1, 1], dtype=np.int8), len(order))
        matrices[number] = (signs[:, None] * matrices[number])[order]
        matrices[number + 1] = (matrices[number + 1] * signs)[:, order]
    return np.concatenate([matrix.ravel() for matrix in matrices])


def perfect(system: DiscreteSystem) -> np.ndarray:
    return embed(
        system.teacher_layers, system.student_layers, system.teacher_sources, system.teacher
    )[0]


@settings(max_examples=60, deadline=None)
@given(dense_systems(), st.integers(0, 1000))
def test_hidden_units_may_be_permuted_and_flipped(system: DiscreteSystem, seed: int) -> None:
    rng = np.random.default_rng(seed)
    student = system.student[0]
    other = turned(system, student, rng)
    one, two = overlaps(system, 0, np.stack([student, other]))
    assert one == pytest.approx(two, abs=1e-12)
    assert right_paths(system, 0, student) == right_paths(system, 0, other)
    weights = perfect(system)
    for copy in (weights, turned(system, weights, rng)):
        assert right_paths(system, 0, copy)
        assert overlaps(system, 0, copy[None])[0] == pytest.approx(1, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(dense_systems(), st.integers(0, 1000), st.data())
def test_compiled_success_is_that_of_the_definition(
    system: DiscreteSystem, seed: int, data: st.DataObject
) -> None:
    """For the teacher itself, turned, and with one weight changed."""
    student = turned(system, perfect(system), np.random.default_rng(seed))
    edge = data.draw(st.integers(0, len(student) - 1))
    changed = student.copy()
    values = [v for v in ((-1, 0, 1) if system.ternary else (-1, 1)) if v != student[edge]]
    changed[edge] = data.draw(st.sampled_from(values))
    run = DiscreteRun(
        batch=batch_rule(1),
        acceptance=acceptance_table(),
        refresh_each_proposal=False,
        absorbing=False,
        times=np.zeros(1, dtype=np.int64),
        duration=0,
        test_samples=200,
        dynamics_key=seed,
        test_key=seed + 1,
        first_replica=0,
    )
    for weights in (student, changed):
        out = run_discrete(dataclasses.replace(system, student=weights[None]), run)
        right = right_paths(system, 0, weights)
        # With an error on the first batch the kernel need not look: such a student is not right.
        assert (out.first_passage[0] == 0) == right
        if right:
            assert out.test_half_errors[0, 0] == 0


def test_units_that_are_told_apart_are_not_matched() -> None:
    """One layer, and fixed upper weights: the overlap of a permuted teacher is not 1."""
    for depth, learned in ((1, "all"), (2, "first")):
        layers = build_architecture(
            wiring="regular",
            size=9,
            degree=3,
            depth=depth,
            output="vector",
            learned_layers=learned,
            odd_fan_in=True,
        )
        system = system_of(layers, dense_student(layers), 3, ternary=True)
        weights = perfect(system)
        assert overlaps(system, 0, weights[None])[0] == pytest.approx(1)
        first = weights[:81].reshape(9, 9)
        swapped = np.concatenate([np.roll(first, 1, axis=0).ravel(), weights[81:]])
        assert overlaps(system, 0, swapped[None])[0] < 0.9
        assert not right_paths(system, 0, swapped)


def test_a_committee_may_be_permuted_but_not_flipped() -> None:
    layers = build_architecture(
        wiring="dense",
        size=9,
        hidden_units=3,
        depth=2,
        output="scalar",
        learned_layers="first",
        odd_fan_in=True,
    )
    system = system_of(layers, layers, 5, ternary=False)
    weights = perfect(system)
    first = weights[:27].reshape(3, 9)
    for change, overlap in ((first[::-1], 1.0), (-first, -1.0)):
        student = np.concatenate([change.ravel(), weights[27:]])
        found = overlaps(system, 0, student[None])[0]
        assert right_paths(system, 0, student) == (overlap == 1.0)
        assert found == pytest.approx(1.0) if overlap == 1.0 else found < 0.5


def test_copies_and_unread_units_make_no_difference() -> None:
    first = np.array([[1, 0, 0], [0, 1, -1], [0, 1, -1], [0, 0, 1]], dtype=np.int8)
    teacher = [first[:3], np.array([[1, 1, 0]], dtype=np.int8)]
    assert same_function(teacher, [first, np.array([[1, 0, 1, 0]], dtype=np.int8)])
    assert not same_function(teacher, [first, np.array([[1, 0, 1, 1]], dtype=np.int8)])


@pytest.mark.parametrize("units", [1, 9, 25])
def test_random_students_have_the_known_overlap(units: int) -> None:
    """Without matching mean 0 and variance 1/(M N); with it about sqrt(2 ln N/N) (z below 4)."""
    size, replicas = 25, 4000
    layers = build_architecture(
        wiring="dense",
        size=size,
        hidden_units=units,
        depth=1,
        output="vector",
        learned_layers="all",
        odd_fan_in=True,
    )
    system = system_of(layers, layers, 7, ternary=False, replicas=replicas)
    found = np.array(
        [overlaps(system, row, system.random_student[[row]])[0] for row in range(replicas)]
    )
    error = found.std(ddof=1) / np.sqrt(replicas)
    assert abs(found.mean()) < 4 * error
    variance = 1 / (units * size)
    assert abs(found.var(ddof=1) / variance - 1) < 4 * np.sqrt(2 / replicas)


def test_matching_lifts_a_random_student() -> None:
    """K = N = 50: 0.33 to two digits; the same for the random student of the baseline."""
    layers = build_architecture(
        wiring="dense",
        size=51,
        hidden_units=51,
        depth=2,
        output="vector",
        learned_layers="all",
        odd_fan_in=True,
    )
    system = system_of(layers, layers, 9, ternary=False, replicas=30)
    for students in (system.student, system.random_student):
        found = np.array([overlaps(system, row, students[[row]])[0] for row in range(30)])
        assert found.mean() == pytest.approx(0.33, abs=0.01)


def test_ternary_starts_are_uniform_or_the_teachers() -> None:
    """Each weight is the teacher's with chance r, else uniform over three values."""
    teacher = build_architecture(
        wiring="regular",
        size=9,
        degree=3,
        depth=1,
        output="vector",
        learned_layers="all",
        odd_fan_in=True,
    )
    student = dense_student(teacher)
    system = system_of(teacher, student, 11, ternary=True, initial_overlap=0.4, replicas=3000)
    known = embed(teacher, student, system.teacher_sources, system.teacher)
    count = known.size
    for weights, agreement in ((system.student, 0.4 + 0.6 / 3), (system.random_student, 1 / 3)):
        found = (weights == known).mean()
        assert abs(found - agreement) < 4 * np.sqrt(agreement * (1 - agreement) / count)
        zeros = (weights[known != 0] == 0).mean()
        expected = (1 - (0.4 if weights is system.student else 0.0)) / 3
        assert abs(zeros - expected) < 4 * np.sqrt(expected * (1 - expected) / (known != 0).sum())
