"""The axes of single-weight moves against a plain simulator that shares no code with them.

Both run the same 2000 systems (graph, teacher, start) with independent random numbers; compared are
the means over the systems of each replica's overlap, with the error of the mean of the differences.
A correct program fails below 1e-4 for each of the bounds of 4 standard errors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from physbatch.engines import GridPoints, engine_for, prepare_discrete
from physbatch.exact import linear_sgd
from physbatch.study import Study, catalogue
from tests.physics.plain_moves import PlainMoves

SIZE, DEGREE, SWEEPS, REPLICAS = 7, 3, 5, 2000

CASES: dict[str, tuple[dict[str, Any], dict[str, Any], float, dict[str, Any]]] = {
    # dynamics, inputs, m, and what the plain simulator is told
    "random": ({}, {}, 2.5, {}),
    "sequential": ({"order": "sequential"}, {}, 2.5, {"order": "sequential"}),
    "permutation": ({"order": "permutation"}, {}, 2.5, {"order": "permutation"}),
    "in order, ties accepted": (
        {"order": "sequential", "ties": "accept"},
        {},
        6.0,
        {"order": "sequential", "ties": True},
    ),
    "m below 1": ({}, {}, 0.6, {}),
    "m below 1, Metropolis": (
        {"kind": "metropolis", "temperature": 0.7},
        {},
        0.6,
        {"temperature": 0.7},
    ),
    "noise on fresh labels": ({}, {"label_noise": 0.2}, 3.0, {"noise": 0.2}),
    "m there and back": ({"batch_schedule": {"kind": "ramp", "to": 4, "steps": 4}}, {}, 2.5, {}),
    "m in steps, Metropolis on noisy labels": (
        {
            "kind": "metropolis",
            "temperature": 0.7,
            "batch_schedule": {"kind": "steps", "at": [1, 3], "factors": [6, 0.5]},
        },
        {"label_noise": 0.2},
        2.5,
        {"temperature": 0.7, "noise": 0.2},
    ),
}
#: What m is multiplied by in each sweep.
FACTORS = {
    "m there and back": (1, 2.5, 4, 2.5, 1),
    "m in steps, Metropolis on noisy labels": (1, 6, 6, 0.5, 0.5),
}


def study_of(dynamics: dict[str, Any], inputs: dict[str, Any], m: float) -> Study:
    return Study.from_dict(
        {
            "title": "against a plain simulator",
            "system": {
                "wiring": {"kind": "regular", "degree": DEGREE},
                "inputs": {"kind": "binary", **inputs},
                "initial_overlap": 0.6,
            },
            "dynamics": {"kind": "greedy", **dynamics},
            "grid": {"size": [SIZE], "batch_size": [m], "replicas": REPLICAS},
            "measurement": {"duration": SWEEPS, "times": {"kind": "linear", "every": 1}},
        }
    )


def path_overlaps(plain: PlainMoves) -> np.ndarray[Any, Any]:
    """Mean over outputs of (1/d) sum_j w_ij w*_ij s_j, layer by layer, shape (replica,)."""
    agreement = plain.teacher * plain.student
    values = np.ones((REPLICAS, SIZE))
    for first in range(0, agreement.shape[1], SIZE * DEGREE):
        edges = slice(first, first + SIZE * DEGREE)
        read = np.take_along_axis(values, plain.sources[:, edges], axis=1)
        values = (read * agreement[:, edges]).reshape(REPLICAS, SIZE, DEGREE).mean(axis=2)
    return np.asarray(values.mean(axis=1))


@pytest.mark.parametrize("name", CASES)
def test_moves_agree_with_a_plain_simulator(name: str) -> None:
    dynamics, inputs, m, told = CASES[name]
    study = study_of(dynamics, inputs, m)
    point = GridPoints(study).at({"size": SIZE, "batch_size": m}, replicas=REPLICAS)
    measured = engine_for(study).simulate(point, "cpu")["overlap"]
    system, _ = prepare_discrete(point)
    teacher, student = (
        np.array(weights, dtype=int) for weights in (system.teacher, system.student)
    )
    plain = PlainMoves(system.student_sources, teacher, student, size=SIZE, degree=DEGREE, seed=11)
    for sweep in range(SWEEPS + 1):
        difference = path_overlaps(plain) - np.asarray(measured)[:, sweep]
        stderr = difference.std(ddof=1) / np.sqrt(REPLICAS)
        if sweep == 0:
            assert np.abs(difference).max() < 1e-12  # the same students
        else:
            assert abs(difference.mean()) < 4 * stderr, sweep
        if sweep < SWEEPS:
            plain.sweep(m * FACTORS.get(name, (1,) * SWEEPS)[sweep], **told)


def test_one_sparse_unit_and_a_dense_ternary_student() -> None:
    """A unit of 3 of 9 inputs: the cosine of student and teacher over 12 sweeps of 9 tries."""
    size, m, sweeps = 9, 12, 12
    study = catalogue.study(
        "ternary-unit",
        size=[size],
        batch_size=[m],
        replicas=REPLICAS,
        duration=sweeps,
        times={"kind": "linear", "every": 4},
    )
    point = GridPoints(study).at({"size": size, "batch_size": m}, replicas=REPLICAS)
    measured = np.asarray(engine_for(study).simulate(point, "cpu")["overlap"])
    system, _ = prepare_discrete(point)
    assert system.teacher.shape == (REPLICAS, 3)
    assert (np.abs(system.teacher) == 1).all()
    chance, rows = np.random.default_rng(13), np.arange(REPLICAS)
    teacher = np.concatenate([system.teacher, np.zeros((REPLICAS, size - 3))], axis=1)
    student = chance.integers(-1, 2, size=(REPLICAS, size))

    def wrong(weights: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        signs = np.sign(np.einsum("rmi,ri->rm", inputs, weights))
        return np.asarray(np.abs(signs - labels).sum(axis=1))  # 1 for a field of 0, 2 if wrong

    for sweep in range(sweeps + 1):
        if sweep % 4 == 0:
            lengths = np.sqrt(3 * (student != 0).sum(axis=1))
            found = (teacher * student).sum(axis=1) / np.where(lengths > 0, lengths, 1)
            column = measured[:, sweep // 4]
            stderr = np.sqrt((found.var() + column.var()) / REPLICAS)
            assert abs(found.mean() - column.mean()) < 4 * stderr, sweep
        inputs = chance.choice([-1, 1], size=(REPLICAS, m, size))
        labels = np.sign(np.einsum("rmi,ri->rm", inputs, teacher))
        for _ in range(size):
            trial, edge = student.copy(), chance.integers(size, size=REPLICAS)
            step = chance.integers(1, 3, size=REPLICAS)
            trial[rows, edge] = (trial[rows, edge] + 1 + step) % 3 - 1
            better = wrong(trial) < wrong(student)
            student = np.where(better[:, None], trial, student)


@pytest.mark.parametrize("order", ["sequential", "permutation"])
def test_the_order_moves_the_transition(order: str) -> None:
    """d = 3, N = 50, t = 300: half of the students learn near m = 2.3 at random, below 1.6 else."""
    learned = {}
    for name in ("random", order):
        study = Study.from_dict(
            {
                "title": "orders",
                "system": {"wiring": {"kind": "regular", "degree": 3}},
                "dynamics": {"kind": "greedy", "order": name},
                "grid": {"size": [50], "batch_size": [1.75], "replicas": 96},
                "measurement": {"duration": 300},
            }
        )
        point = GridPoints(study).at({"size": 50, "batch_size": 1.75}, replicas=96)
        learned[name] = float(np.mean(engine_for(study).simulate(point, "cpu")["success"]))
    assert learned["random"] < 0.3
    if order == "sequential":
        assert learned[order] > 0.7


def perceptron(
    replicas: int, times: dict[str, Any], duration: int, m: float, **parts: dict[str, Any]
) -> dict[str, Any]:
    """What a linear perceptron of 20 inputs measures; `parts` are fields of inputs and dynamics."""
    rate = {"rule": "fixed", "base": 0.2}
    study = Study.from_dict(
        {
            "title": "one linear unit",
            "system": {
                "depth": 1,
                "output": "scalar",
                "activation": "linear",
                "weights": "continuous",
                "wiring": {"kind": "dense"},
                "inputs": {"kind": "gaussian", **parts.get("inputs", {})},
            },
            "dynamics": {"kind": "sgd", "learning_rate": rate, **parts.get("dynamics", {})},
            "grid": {"size": [20], "batch_size": [m], "replicas": replicas},
            "measurement": {"duration": duration, "times": times, "test_samples": 64},
        }
    )
    point = GridPoints(study).at({"size": 20, "batch_size": m}, replicas=replicas)
    return dict(engine_for(study).simulate(point, "cpu"))


def assert_mean(samples: np.ndarray[Any, Any], exact: float, relative: float) -> None:
    stderr = samples.std(ddof=1) / np.sqrt(len(samples))
    assert stderr < relative * abs(exact)
    assert abs(samples.mean() - exact) < 4 * stderr


@pytest.mark.parametrize("m", [4.0, pytest.param(9.0, marks=pytest.mark.slow)])
def test_inputs_with_a_spectrum_have_the_stationary_excess_of_the_closed_form(m: float) -> None:
    """G = (1/m) sum eta l/(2 - eta l (1 + 1/m)), excess s2 G/(1 - G); twice the half square.

    The slowest mode relaxes with 1/(2 eta l) = 25 steps; 1500 replicas, 40 times, 1 %.
    """
    eta, noise = 0.2, 0.5
    variances = np.linspace(0.1, 2.0, 20)
    gain = float(np.sum(eta * variances / (2 - eta * variances * (1 + 1 / m)))) / m
    exact = noise * gain / (1 - gain)
    moments = linear_sgd.stationary_spectrum(eta, variances, m, noise)
    assert float(variances @ moments) == pytest.approx(exact, rel=1e-9)
    inputs = {"spectrum": [0.1, 2.0], "label_noise": noise}
    measured = perceptron(1500, {"kind": "linear", "every": 25}, 1400, m, inputs=inputs)
    late = np.asarray(measured["generalization_error"])[:, 17:]
    assert_mean(2 * late.mean(axis=1), exact, 0.01)


def test_weight_decay_shrinks_the_student_to_the_share_of_theory() -> None:
    """<w> = w*/(1 + lambda) for inputs of covariance 1, whatever eta and m."""
    decay = 0.5
    measured = perceptron(
        1000,
        {"kind": "linear", "every": 20},
        300,
        4.0,
        dynamics={"weight_decay": decay},
        inputs={"label_noise": 0.1},
    )
    r = np.asarray(measured["teacher_overlap"])[:, 5:, 0, 0].mean(axis=1)
    # |w*|^2/N: the squared norm of the student over that of the teacher is student_norm^2.
    q = np.asarray(measured["student_overlap"])[:, -1, 0, 0]
    t = q / np.asarray(measured["student_norm"])[:, -1] ** 2
    assert_mean(r / t, 1 / (1 + decay), 0.01)


def test_hinge_loss_agrees_with_a_plain_loop() -> None:
    """One sample a step: w += eta t x where t w.x < 1; the chance of a wrong sign."""
    replicas, steps = 2000, 60
    measured = perceptron(
        replicas, {"kind": "list", "values": [0, steps]}, steps, 1.0, dynamics={"loss": "hinge"}
    )
    chance = np.random.default_rng(5)
    teacher, w = chance.normal(size=(2, replicas, 20))
    for _ in range(steps):
        x = chance.normal(size=(replicas, 20))
        label = np.where((teacher * x).sum(axis=1) >= 0, 1.0, -1.0)
        active = label * (w * x).sum(axis=1) < 1
        w += 0.2 * (label * active)[:, None] * x
    cosine = (w * teacher).sum(axis=1) / np.sqrt((w**2).sum(axis=1) * (teacher**2).sum(axis=1))
    plain = np.arccos(cosine) / np.pi
    errors = np.asarray(measured["generalization_error"])[:, -1]
    stderr = np.sqrt((plain.var(ddof=1) + errors.var(ddof=1)) / replicas)
    assert stderr < 0.01 * plain.mean()
    assert abs(errors.mean() - plain.mean()) < 4 * stderr
