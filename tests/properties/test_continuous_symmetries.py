"""Overlaps of continuous students: unchanged under every symmetry of the network, 1 for the
teacher itself, and of the known mean and variance for random students."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from physbatch.dynamics import CompiledDescent, GradientRun, batch_rule
from physbatch.streams import stream_keys
from physbatch.systems import (
    Architecture,
    ContinuousSystem,
    Functions,
    OverlapMeasurement,
    build_architecture,
    dense_student,
    draw_continuous_system,
    measure_overlaps,
)

SEEDS = dict.fromkeys(("wiring", "teacher", "start", "dynamics"), 1)


def draw_system(
    layers: Architecture,
    *,
    activation: Any = "erf",
    student: Architecture | None = None,
    seed: int = 0,
    overlap: float = 0.0,
    replicas: int = 1,
    committee: bool = False,
) -> ContinuousSystem:
    return draw_continuous_system(
        layers,
        student or layers,
        Functions(activation, sqrt_fan_in=True, activated_readout=False, committee=committee),
        initial_overlap=overlap,
        keys=stream_keys(SEEDS, f"continuous {seed}"),
        first_replica=0,
        replicas=replicas,
    )


def outputs_error(system: ContinuousSystem, student: np.ndarray) -> float:
    """Error of a student on 200 samples, by the compiled kernel."""
    run = GradientRun(
        batch=batch_rule(1),
        batch_size=1,
        learning_rate=1.0,
        momentum=0.0,
        loss="mean-square",
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
    return float(CompiledDescent(system, run).test_error(student[None, :], 0, 200)[0])


@st.composite
def networks(draw: st.DrawFn) -> Architecture:
    wiring = draw(st.sampled_from(["regular", "tree", "dense"]))
    depth = draw(st.integers(1, 4))
    output = draw(st.sampled_from(["vector", "scalar"])) if depth > 1 else "vector"
    degree = draw(st.integers(1, 3))
    size = degree**depth if wiring == "tree" else draw(st.integers(3, 7))
    return build_architecture(
        wiring=wiring,
        size=size,
        degree=None if wiring == "dense" else degree,
        hidden_units=draw(st.integers(1, 5)) if wiring == "dense" else None,
        depth=depth,
        output=output,
        learned_layers="all",
        odd_fan_in=False,
    )


def equivalent(
    system: ContinuousSystem, student: np.ndarray, data: st.DataObject, *, permute: bool
) -> np.ndarray:
    """An equivalent student: hidden units flipped (odd) or rescaled (relu), and permuted."""
    layers = system.student_layers
    changed = student.copy()
    factors = np.ones(layers.size)
    order = np.arange(layers.size)
    for number, layer in enumerate(layers.layers):
        edges = slice(*layers.edge_offsets[number : number + 2])
        rows = changed[edges].reshape(layer.units, layer.fan_in)
        if layer.wiring == "full":
            rows = (rows / factors)[:, order]
        else:
            read = system.student_sources[0][edges].reshape(layer.units, layer.fan_in)
            rows = rows / factors[read]
        factors, order = np.ones(layer.units), np.arange(layer.units)
        if number < layers.depth - 1:
            choices = [-1.0, 1.0] if system.functions.odd else [0.25, 1.0, 3.0]
            factors = np.array(
                data.draw(st.lists(st.sampled_from(choices), min_size=layer.units,
                                   max_size=layer.units))
            )  # fmt: skip
            if permute:
                order = np.array(data.draw(st.permutations(range(layer.units))))
        changed[edges] = (rows * factors[:, None])[order].ravel()
    return changed


def assert_same(one: OverlapMeasurement, other: OverlapMeasurement) -> None:
    assert one.overlap == pytest.approx(other.overlap, abs=1e-12)
    assert one.weight_error == pytest.approx(other.weight_error, rel=1e-10, abs=1e-12)


@settings(max_examples=80, deadline=None)
@given(networks(), st.sampled_from(["erf", "tanh", "relu"]), st.integers(0, 1000), st.data())
def test_symmetries_change_neither_overlap_nor_function(
    layers: Architecture, activation: str, seed: int, data: st.DataObject
) -> None:
    system = draw_system(layers, activation=activation, seed=seed, overlap=0.6)
    student = system.student[0]
    dense = layers.layers[0].wiring == "full"
    other = equivalent(system, student, data, permute=dense)
    error = outputs_error(system, student)
    assert outputs_error(system, other) == pytest.approx(error, rel=1e-9, abs=1e-12)
    if dense and activation == "relu":
        # Rescaling a hidden unit moves weight from one layer to the next: q alone is blind.
        one, two = (measure_overlaps(system, 0, weights) for weights in (student, other))
        assert one.overlap == pytest.approx(two.overlap, abs=1e-12)
        return
    assert_same(measure_overlaps(system, 0, student), measure_overlaps(system, 0, other))


@settings(max_examples=60, deadline=None)
@given(networks(), st.sampled_from(["erf", "relu"]), st.integers(0, 1000), st.data())
def test_the_teacher_and_what_is_equivalent_overlap_fully(
    layers: Architecture, activation: str, seed: int, data: st.DataObject
) -> None:
    system = draw_system(layers, activation=activation, seed=seed)
    dense = layers.layers[0].wiring == "full"
    for student in (
        system.target[0],
        equivalent(system, system.target[0], data, permute=dense),
    ):
        assert measure_overlaps(system, 0, student).overlap == pytest.approx(1, abs=1e-12)
    found = measure_overlaps(system, 0, system.target[0])
    assert found.weight_error == pytest.approx(0, abs=1e-24)
    assert found.student_norm == pytest.approx(1)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(["regular", "tree"]), st.integers(1, 3), st.integers(0, 100))
def test_a_dense_student_can_be_its_sparse_teacher(wiring: Any, depth: int, seed: int) -> None:
    """Initial overlap 1: the same function, overlap 1, also with spare hidden units."""
    teacher = build_architecture(
        wiring=wiring,
        size=8,
        degree=2,
        depth=depth,
        output="vector",
        learned_layers="all",
        odd_fan_in=False,
    )
    for units in (None, 10):
        student = dense_student(teacher, units)
        system = draw_system(teacher, student=student, seed=seed, overlap=1.0)
        assert outputs_error(system, system.student[0]) < 1e-28
        found = measure_overlaps(system, 0, system.student[0])
        assert found.overlap == pytest.approx(1, abs=1e-12)
        assert found.weight_error == pytest.approx(0, abs=1e-24)


def test_units_of_a_committee_may_be_permuted_but_not_flipped() -> None:
    layers = build_architecture(
        wiring="dense",
        size=20,
        hidden_units=3,
        depth=2,
        output="scalar",
        learned_layers="first",
        odd_fan_in=False,
    )
    system = draw_system(layers, committee=True)
    target = system.target[0]
    assert (target[60:] == 1).all()
    vectors = target[:60].reshape(3, 20)
    permuted = np.concatenate((vectors[[2, 0, 1]].ravel(), target[60:]))
    assert measure_overlaps(system, 0, permuted).overlap == pytest.approx(1)
    flipped = np.concatenate((-vectors.ravel(), target[60:]))
    assert outputs_error(system, flipped) > 0.01
    assert measure_overlaps(system, 0, flipped).overlap < 0.5


@pytest.mark.parametrize(("depth", "activation"), [(1, "erf"), (2, "tanh"), (3, "erf")])
def test_random_students_have_the_known_variance(depth: int, activation: str) -> None:
    """Mean 0 and variance 1/(N d^L), for vector output; z below 4, 3000 students.

    The norms in the denominator fluctuate, which adds a relative variance of order 1/N: below
    a quarter of the standard error here.
    """
    size, degree, replicas = 400, 3, 3_000
    layers = build_architecture(
        wiring="regular",
        size=size,
        degree=degree,
        depth=depth,
        output="vector",
        learned_layers="all",
        odd_fan_in=False,
    )
    q = []
    for seed in range(replicas // 250):
        system = draw_system(layers, activation=activation, seed=seed, replicas=250)
        q += [
            measure_overlaps(system, row, student).overlap
            for row, student in enumerate(system.student)
        ]
    samples = np.array(q)
    assert abs(samples.mean()) < 4 * samples.std(ddof=1) / np.sqrt(replicas)
    variance = samples.var(ddof=1)
    fourth = ((samples - samples.mean()) ** 4).mean()
    error = np.sqrt((fourth - variance**2) / replicas)
    assert abs(variance - 1 / (size * degree**depth)) < 4 * error


def test_plain_overlap_of_relu_at_random() -> None:
    """Cosines of n weights have variance 1/n where no hidden unit is rescaled (depth 1)."""
    layers = build_architecture(
        wiring="tree",
        size=60,
        degree=3,
        depth=1,
        output="vector",
        learned_layers="all",
        odd_fan_in=False,
    )
    system = draw_system(layers, activation="relu", replicas=4_000)
    q = np.array([measure_overlaps(system, row, w).overlap for row, w in enumerate(system.student)])
    assert abs(q.mean()) < 4 * q.std() / np.sqrt(4_000)
    # q^2 is Beta((1), (n - 1)) / 2: mean 1/n, variance 2 (n - 1)/(n^2 (n + 2)).
    error = np.sqrt(2 * 59 / (60**2 * 62) / 4_000)
    assert abs((q * q).mean() - 1 / 60) < 4 * error


def test_matching_inflates_random_students_and_the_baseline_takes_it_off() -> None:
    """Random dense students of 50 units: about 0.33, the same for start and baseline."""
    from physbatch.systems import random_students

    layers = build_architecture(
        wiring="dense",
        size=50,
        hidden_units=50,
        depth=2,
        output="vector",
        learned_layers="all",
        odd_fan_in=False,
    )
    replicas = 60
    keys = stream_keys(SEEDS, "continuous 0")
    system = draw_system(layers, replicas=replicas)
    start = np.array(
        [measure_overlaps(system, row, w).overlap for row, w in enumerate(system.student)]
    )
    (random,) = random_students(system, keys, 0, 1)
    baseline = np.array([measure_overlaps(system, row, w).overlap for row, w in enumerate(random)])
    difference = start - baseline
    assert abs(difference.mean()) < 4 * difference.std(ddof=1) / np.sqrt(replicas)
    assert start.mean() == pytest.approx(0.33, abs=0.01)
