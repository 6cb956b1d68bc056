"""Gradient descent: the compiled kernel, the torch definition, and a loop over replicas.

The loop is written with nothing but dense matrices and torch's own gradients, sample by sample
as the equations read. All three agree to 1e-12 in float64 over some steps.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from physbatch.dynamics.rules import batch_rule
from physbatch.dynamics.sgd.definition import TensorDescent
from physbatch.dynamics.sgd.run import CompiledDescent, GradientRun
from physbatch.streams.keys import StreamKeys, stream_keys
from physbatch.study.schedules import GradualSchedule
from physbatch.systems.architecture import Architecture, build_architecture, dense_student
from physbatch.systems.continuous import (
    Activation,
    ContinuousSystem,
    Functions,
    TeacherVectors,
    draw_continuous_system,
)
from physbatch.systems.wiring import layer_matrices

KEYS = stream_keys(dict.fromkeys(("wiring", "teacher", "start", "dynamics"), 7), "sgd agree")
FIRST, REPLICAS = 3, 3

#: wiring, size, degree, hidden units of teacher and (dense) student, depth, output, learned
SYSTEMS: dict[str, dict[str, Any]] = {
    "perceptron": {"wiring": "dense", "size": 7, "depth": 1, "output": "scalar"},
    "outputs": {"wiring": "dense", "size": 6, "hidden_units": 3, "depth": 1, "output": "vector"},
    "committee": {
        "wiring": "dense",
        "size": 9,
        "hidden_units": 2,
        "student_units": 3,
        "depth": 2,
        "output": "scalar",
        "learned_layers": "first",
    },
    "dense": {"wiring": "dense", "size": 8, "hidden_units": 3, "depth": 2, "output": "scalar"},
    "dense deep": {"wiring": "dense", "size": 6, "hidden_units": 4, "depth": 3, "output": "vector"},
    "regular": {"wiring": "regular", "size": 8, "degree": 3, "depth": 2, "output": "vector"},
    "regular deep": {"wiring": "regular", "size": 6, "degree": 2, "depth": 4, "output": "scalar"},
    "regular first": {
        "wiring": "regular",
        "size": 6,
        "degree": 3,
        "depth": 2,
        "output": "vector",
        "learned_layers": "first",
    },
    "tree": {"wiring": "tree", "size": 9, "degree": 3, "depth": 2, "output": "scalar"},
    "tree vector": {"wiring": "tree", "size": 16, "degree": 2, "depth": 3, "output": "vector"},
    "dense student": {
        "wiring": "regular",
        "size": 6,
        "degree": 2,
        "depth": 3,
        "output": "vector",
        "student_units": 7,
    },
    "dense student of a tree": {
        "wiring": "tree",
        "size": 8,
        "degree": 2,
        "depth": 2,
        "output": "scalar",
        "student_units": 4,
        "learned_layers": "first",
    },
}


#: A learning rate that falls, and a batch that grows.
FALLS = GradualSchedule(kind="linear", to=0.2, steps=4).factor
GROWS = GradualSchedule(kind="linear", to=3.0, steps=5).factor


def draw(
    name: str,
    activation: Activation = "erf",
    *,
    sqrt_fan_in: bool = True,
    readout: bool = True,
    teacher_activation: Activation | None = None,
    vectors: TeacherVectors = "random",
) -> ContinuousSystem:
    choice = {"learned_layers": "all", **SYSTEMS[name]}
    student_units = choice.pop("student_units", None)
    teacher = build_architecture(**choice, odd_fan_in=False)
    committee = choice["wiring"] == "dense" and choice["learned_layers"] == "first"
    student = teacher
    if student_units:
        free = Architecture(teacher.size, teacher.layers, "all") if committee else teacher
        student = dense_student(free, student_units)
        student = Architecture(student.size, student.layers, teacher.learned)
    functions = Functions(activation, sqrt_fan_in, readout, committee, teacher_activation)
    return draw_continuous_system(
        teacher,
        student,
        functions,
        vectors=vectors,
        initial_overlap=0.2,
        keys=KEYS,
        first_replica=FIRST,
        replicas=REPLICAS,
    )


def rules(batch_size: float = 3.4, *, keys: StreamKeys = KEYS, **changes: Any) -> GradientRun:
    return GradientRun(
        **{
            "batch": batch_rule(batch_size),
            "batch_size": batch_size,
            "learning_rate": 0.3,
            "momentum": 0.0,
            "loss": "mean-square",
            "inputs": "gaussian",
            "input_scales": np.empty(0),
            "label_noise": 0.0,
            "patterns": 0,
            "replacement": False,
            "precision": "float64",
            "dynamics_key": keys.dynamics,
            "patterns_key": keys.patterns,
            "test_key": keys.test,
            "first_replica": FIRST,
            **changes,
        }
    )


def plain_loop(system: ContinuousSystem, run: GradientRun, steps: int) -> np.ndarray:
    """Weights after some steps, replica by replica and sample by sample."""
    definition = TensorDescent(system, run)  # for its samples only
    functions, layers = system.functions, system.student_layers
    students = []
    for row in range(REPLICAS):
        sources = system.student_sources[row]
        teacher = [
            torch.from_numpy(matrix)
            for matrix in layer_matrices(
                system.teacher_layers, system.teacher_sources[row], system.teacher[row]
            )
        ]
        masks = [
            torch.from_numpy(matrix)
            for matrix in layer_matrices(layers, sources, np.ones(layers.edges))
        ]
        student = [
            torch.from_numpy(matrix.copy()).requires_grad_()
            for matrix in layer_matrices(layers, sources, system.student[row])
        ]
        learned = student if layers.learned == "all" else student[:1]
        velocity = [torch.zeros_like(matrix) for matrix in learned]

        def output(
            matrices: list[torch.Tensor],
            architecture: Architecture,
            x: torch.Tensor,
            activation: str = functions.activation,
        ) -> torch.Tensor:
            for number, matrix in enumerate(matrices):
                fan_in = architecture.layers[number].fan_in
                scaled = functions.sqrt_fan_in and not (functions.committee and number > 0)
                x = matrix @ x / (math.sqrt(fan_in) if scaled else 1.0)
                if number == len(matrices) - 1 and not functions.activated_readout:
                    continue
                x = {
                    "erf": lambda u: torch.erf(u / math.sqrt(2)),
                    "tanh": torch.tanh,
                    "relu": torch.relu,
                    "linear": lambda u: u,
                }[activation](x)
            return x

        for step in range(steps):
            inputs, labels, kept = (values[row] for values in definition._batch(step))
            total = torch.zeros((), dtype=torch.float64)
            for x, label in zip(inputs[kept > 0], labels[kept > 0], strict=True):
                if not run.patterns and run.label_noise == 0 and run.loss == "mean-square":
                    of_teacher = functions.teacher_activation or functions.activation
                    label = output(teacher, system.teacher_layers, x, of_teacher)
                y = output(student, layers, x)
                if run.loss == "logistic":
                    total = total + torch.log1p(torch.exp(-label * y)).sum()
                elif run.loss == "hinge":
                    total = total + torch.clamp(1 - label * y, min=0).sum()
                else:
                    total = total + ((y - label) ** 2).sum() / 2
            mean = total / (run.batch_size * run.batch_factor(step))
            gradients = torch.autograd.grad(mean, learned)
            with torch.no_grad():
                for number, (matrix, gradient) in enumerate(zip(learned, gradients, strict=True)):
                    force = gradient + run.weight_decay * matrix
                    velocity[number] = run.momentum * velocity[number] + force
                    rate = run.learning_rate * run.rate_factor(step)
                    matrix -= rate * velocity[number] * masks[number]
        weights = []
        for number, layer in enumerate(layers.layers):
            matrix = student[number].detach().numpy()
            if layer.wiring != "full":
                edges = slice(*layers.edge_offsets[number : number + 2])
                read = sources[edges].reshape(layer.units, layer.fan_in)
                matrix = np.take_along_axis(matrix, read.astype(np.int64), axis=1)
            weights.append(matrix.ravel())
        students.append(np.concatenate(weights))
    return np.array(students)


def assert_agree(system: ContinuousSystem, run: GradientRun, steps: int = 6) -> None:
    kernel, definition = CompiledDescent(system, run), TensorDescent(system, run)
    for engine in (kernel, definition):
        engine.advance(2)
        engine.advance(steps)
    close = {"rtol": 1e-12, "atol": 1e-12}
    expected = plain_loop(system, run, steps)
    assert abs(expected - system.student).max() > 1e-3  # something was learned
    np.testing.assert_allclose(kernel.students(), expected, **close)
    np.testing.assert_allclose(definition.students(), expected, **close)
    np.testing.assert_allclose(kernel.batch_loss(), definition.batch_loss(), **close)
    tests = [engine.test_error(engine.students(), 5, 300) for engine in (kernel, definition)]
    np.testing.assert_allclose(*tests, **close)
    learnable = system.student_layers.learnable
    np.testing.assert_array_equal(kernel.students()[:, learnable:], system.student[:, learnable:])


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_wiring(name: str) -> None:
    assert_agree(draw(name), rules())


@pytest.mark.parametrize("activation", ["erf", "tanh", "relu", "linear"])
@pytest.mark.parametrize("name", ["dense", "regular", "tree"])
def test_every_activation(name: str, activation: str) -> None:
    scaled = activation in ("erf", "relu")
    assert_agree(
        draw(name, activation, sqrt_fan_in=scaled, readout=activation == "tanh"),
        rules(learning_rate=0.05),
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": "logistic"},
        {"loss": "logistic", "label_noise": 0.4, "momentum": 0.7},
        {"momentum": 0.9},
        {"inputs": "binary"},
        {"label_noise": 0.3},
        {"input_scales": np.linspace(0.2, 1.5, 8)},
        {"patterns": 9, "label_noise": 0.3},
        {"patterns": 9, "replacement": True, "inputs": "binary"},
        {"patterns": 300, "loss": "logistic", "label_noise": 0.1},
        {"patterns": 9, "subsets": True},
        {"loss": "hinge", "label_noise": 0.1},
        {"weight_decay": 0.2},
        {"weight_decay": 0.2, "momentum": 0.5, "loss": "hinge"},
        {"rate_factor": FALLS},
        {"batch_factor": GROWS, "largest_factor": 3.0},
        {"rate_factor": FALLS, "batch_factor": GROWS, "largest_factor": 3.0}
        | {"momentum": 0.5, "weight_decay": 0.2},
        {"batch_factor": GROWS, "largest_factor": 3.0, "patterns": 12, "subsets": True},
        {"batch_factor": GROWS, "largest_factor": 3.0, "patterns": 12, "replacement": True},
        {"batch_factor": GROWS, "largest_factor": 3.0, "patterns": 12},
    ],
    ids=lambda changes: "-".join(changes),
)
@pytest.mark.parametrize("name", ["dense", "regular"])
def test_every_rule(name: str, changes: dict[str, Any]) -> None:
    assert_agree(draw(name, readout=False), rules(**changes))


@pytest.mark.parametrize("activation", ["erf", "tanh", "relu", "linear"])
@pytest.mark.parametrize("name", ["dense", "regular"])
def test_every_activation_of_a_teacher(name: str, activation: str) -> None:
    student = "tanh" if activation == "erf" else "erf"
    assert_agree(draw(name, student, teacher_activation=activation), rules())


def test_binary_teachers_have_the_signs_of_random_ones() -> None:
    random, binary = draw("regular"), draw("regular", vectors="binary")
    np.testing.assert_array_equal(binary.teacher, np.sign(random.teacher))
    assert_agree(binary, rules())


@pytest.mark.parametrize("batch_size", [1.0, 1.5, 128.0, 300.25])
def test_every_batch_size(batch_size: float) -> None:
    """More than a tile of samples, and batches of one."""
    assert_agree(draw("dense"), rules(batch_size), steps=3)


def test_an_epoch_without_replacement_holds_each_pattern_once() -> None:
    """Batches of 3 of 10 patterns: nine of them in three batches, then a new permutation."""
    run = rules(3.0, patterns=10)
    definition = TensorDescent(draw("dense"), run)
    epochs = [
        torch.cat([definition._selected(3 * epoch + step) for step in range(3)], dim=1)
        for epoch in range(2)
    ]
    for epoch in epochs:
        assert all(len(set(row.tolist())) == 9 for row in epoch)
    assert not torch.equal(*epochs)


def test_subsets_are_drawn_anew_at_every_step() -> None:
    """Batches of 3 of 10 distinct patterns, each pair of them equally likely."""
    run = rules(3.0, patterns=10, subsets=True)
    definition = TensorDescent(draw("dense"), run)
    pairs = np.zeros((10, 10))
    for step in range(400):
        for row in definition._selected(step).tolist():
            assert len(set(row)) == 3
            for i in row:
                pairs[i, row] += 1
    batches = 400 * len(definition.diverged_at)
    expected = batches * 3 / 45  # of a pair of patterns; each pair is binomial
    stderr = np.sqrt(expected * (1 - 3 / 45))
    assert np.abs(pairs[~np.eye(10, dtype=bool)] - expected).max() < 5 * stderr


def test_float32_follows_float64() -> None:
    system = draw("dense")
    runs = [rules(precision=precision) for precision in ("float32", "float64")]
    engines = [kind(system, run) for run in runs for kind in (CompiledDescent, TensorDescent)]
    for engine in engines:
        engine.advance(20)
    for engine in engines:
        np.testing.assert_allclose(engine.students(), engines[-1].students(), atol=3e-5)


def test_replicas_do_not_depend_on_the_range_they_are_run_in() -> None:
    """Bit for bit: alone, or among others."""
    for name in ("committee", "regular", "dense deep"):
        system, run = draw(name), rules(2.5, momentum=0.5)
        whole = CompiledDescent(system, run)
        whole.advance(9)
        for row in range(REPLICAS):
            alone = CompiledDescent(
                system.rows(row, row + 1), rules(2.5, momentum=0.5, first_replica=FIRST + row)
            )
            alone.advance(4)
            alone.advance(9)
            np.testing.assert_array_equal(alone.students()[0], whole.students()[row])
            assert alone.batch_loss()[0] == whole.batch_loss()[row]
            by_itself, together = (
                engine.test_error(engine.students(), 9, 200) for engine in (alone, whole)
            )
            assert by_itself[0] == together[row]


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_divergence_is_noted_at_its_step_and_freezes_the_replica(precision: str) -> None:
    """A linear unit with eta far too large: |w|^2 leaves the range of the numbers."""
    system = draw("perceptron", "linear", sqrt_fan_in=False, readout=False)
    run = rules(1.0, learning_rate=20.0, precision=precision)
    kernel, definition = CompiledDescent(system, run), TensorDescent(system, run)
    for engine in (kernel, definition):
        engine.advance(400)
    assert (kernel.diverged_at > 5).all()
    np.testing.assert_array_equal(kernel.diverged_at, definition.diverged_at)
    earlier = CompiledDescent(system, run)
    earlier.advance(int(kernel.diverged_at.min()) - 1)
    assert (earlier.diverged_at == -1).all()
    frozen = kernel.students()
    kernel.advance(500)
    np.testing.assert_array_equal(kernel.students(), frozen)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", ["committee", "regular", "dense student"])
def test_the_definition_on_a_gpu(name: str) -> None:
    system, run = draw(name), rules(patterns=20, label_noise=0.1, momentum=0.5)
    engines = TensorDescent(system, run), TensorDescent(system, run, "cuda")
    for engine in engines:
        engine.advance(20)
    np.testing.assert_allclose(*(engine.students() for engine in engines), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(*(engine.batch_loss() for engine in engines), rtol=1e-9)
