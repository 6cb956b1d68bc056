"""The linear student against its exact laws: z-scores below 4 at relative errors up to 1 %."""

from __future__ import annotations

from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import optimize

from physbatch.dynamics import CompiledDescent, GradientRun, TensorDescent, batch_rule
from physbatch.exact import linear_sgd
from physbatch.streams import stream_keys
from physbatch.study import catalogue
from physbatch.sweep import run_study
from physbatch.systems import (
    ContinuousSystem,
    Functions,
    build_architecture,
    draw_continuous_system,
)

#: eta, m, N
CASES = [(0.5, 10, 29), (1.0, 60, 50), (1.4, 40, 15)]


def descent(
    learning_rate: float,
    batch_size: float,
    size: int,
    replicas: int,
    *,
    engine: Any = CompiledDescent,
    label_noise: float = 0.0,
    scales: np.ndarray | None = None,
    teacher: str | None = None,
    schedule: dict[str, Any] | None = None,
) -> tuple[Any, ContinuousSystem]:
    layers = build_architecture(
        wiring="dense",
        size=size,
        depth=1,
        output="scalar",
        learned_layers="all",
        odd_fan_in=False,
    )
    identity = f"linear {learning_rate} {batch_size} {size} {label_noise}"
    keys = stream_keys(dict.fromkeys(("wiring", "teacher", "start", "dynamics"), 1), identity)
    system = draw_continuous_system(
        layers,
        layers,
        Functions("linear", False, True, False, teacher),
        initial_overlap=0.0,
        keys=keys,
        first_replica=0,
        replicas=replicas,
    )
    run = GradientRun(
        batch=batch_rule(batch_size),
        batch_size=batch_size,
        learning_rate=learning_rate,
        momentum=0.0,
        loss="mean-square",
        inputs="gaussian",
        input_scales=np.empty(0) if scales is None else scales,
        label_noise=label_noise,
        patterns=0,
        replacement=False,
        precision="float64",
        dynamics_key=keys.dynamics,
        patterns_key=keys.patterns,
        test_key=keys.test,
        first_replica=0,
        **(schedule or {}),
    )
    return engine(system, run), system


def squares(engine: Any, system: ContinuousSystem) -> np.ndarray:
    """Squared components of w - w*, shape (replica, N)."""
    return np.asarray((engine.students() - system.teacher) ** 2)


def factors(
    learning_rate: float, batch_size: float, size: int, replicas: int, **options: Any
) -> np.ndarray:
    """|e'|^2/|e|^2 of one step of independent students."""
    engine, system = descent(learning_rate, batch_size, size, replicas, **options)
    before = squares(engine, system).sum(axis=1)
    engine.advance(1)
    return np.asarray(squares(engine, system).sum(axis=1) / before)


def assert_mean(samples: np.ndarray, exact: float, relative: float = 0.01) -> None:
    """z below 4, and a standard error below `relative` of the exact value."""
    error = samples.std(ddof=1) / sqrt(len(samples))
    assert error < relative * abs(exact)
    assert abs(samples.mean() - exact) < 4 * error


@pytest.mark.parametrize(("learning_rate", "batch_size", "size"), [*CASES, (0.7, 2.5, 6)])
def test_one_step_contraction(learning_rate: float, batch_size: float, size: int) -> None:
    found = factors(learning_rate, batch_size, size, 40_000)
    assert_mean(found, linear_sgd.mean_square_factor(learning_rate, size, batch_size))


def test_one_step_contraction_of_the_definition() -> None:
    found = factors(0.5, 10, 29, 20_000, engine=TensorDescent)
    assert_mean(found, linear_sgd.mean_square_factor(0.5, 29, 10))


def test_contraction_while_rate_and_batch_change() -> None:
    """Factors of independent steps multiply: eta falls to a half, m goes to 50 and back."""
    rates, batches = [1.0, 0.875, 0.75, 0.625, 0.5, 0.5], [1.0, 1.5, 2.0, 2.5, 2.0, 1.5]
    schedule = {
        "rate_factor": rates.__getitem__,
        "batch_factor": batches.__getitem__,
        "largest_factor": 2.5,
    }
    engine, system = descent(0.6, 20, 15, 40_000, schedule=schedule)
    before = squares(engine, system).sum(axis=1)
    engine.advance(6)
    steps = [(0.6 * r, 15, 20 * m) for r, m in zip(rates, batches, strict=True)]
    exact = float(np.prod([linear_sgd.mean_square_factor(*step) for step in steps]))
    assert_mean(squares(engine, system).sum(axis=1) / before, exact)


def test_the_mean_of_a_linear_student_of_an_erf_teacher() -> None:
    """E w = (1 - eta)^t w_0 + (1 - (1 - eta)^t) a w*, a = sqrt(2/pi)/sqrt(1 + |w*|^2)."""
    engine, system = descent(0.1, 30, 10, 20_000, teacher="erf")
    start = engine.students()
    engine.advance(12)
    square = (system.teacher**2).sum(axis=1)
    left = (engine.students() - 0.9**12 * start) * system.teacher
    found = left.sum(axis=1) / square * np.sqrt(1 + square)
    assert_mean(found, (1 - 0.9**12) * sqrt(2 / np.pi))


@pytest.mark.parametrize(("learning_rate", "batch_size", "size"), CASES)
def test_mean_square_threshold(learning_rate: float, batch_size: int, size: int) -> None:
    """m_c where a line in 1/m through the factors at 0.7 and 1.4 m_c is 1."""
    exact = linear_sgd.mean_square_threshold(learning_rate, size)
    rule = [max(1, round(0.7 * exact)), round(1.4 * exact)]
    found = [factors(learning_rate, m, size, 100_000) for m in rule]
    (low, high), (x, y) = (values.mean() for values in found), (1 / m for m in rule)
    errors = [values.std(ddof=1) / sqrt(len(values)) for values in found]
    slope = (high - low) / (y - x)
    inverse = x + (1 - low) / slope
    # Each factor moves the crossing by its share of the line.
    share = (inverse - x) / (y - x)
    error = sqrt(((1 - share) * errors[0]) ** 2 + (share * errors[1]) ** 2) / abs(slope)
    relative = error / inverse
    assert relative < 0.01
    assert abs(1 / inverse - exact) < 4 * relative * exact


@pytest.mark.parametrize(("learning_rate", "batch_size", "size"), CASES)
def test_stationary_error_with_label_noise(
    learning_rate: float, batch_size: int, size: int
) -> None:
    """Averages over time of 400 students, after the start is forgotten (to 1e-6)."""
    rate = min(learning_rate, 0.6 * linear_sgd.largest_learning_rate(size, batch_size))
    factor = linear_sgd.mean_square_factor(rate, size, batch_size)
    burn_in = int(np.ceil(np.log(1e-8) / np.log(factor)))
    engine, system = descent(rate, batch_size, size, 400, label_noise=0.7)
    engine.advance(burn_in)
    total = np.zeros(400)
    count = 60
    for _ in range(count):
        engine.advance(engine.step + 5)
        total += squares(engine, system).sum(axis=1)
    assert_mean(total / count, linear_sgd.stationary_error(rate, size, batch_size, 0.7))


@pytest.mark.parametrize(("learning_rate", "batch_size", "size"), CASES)
def test_typical_rate(learning_rate: float, batch_size: int, size: int) -> None:
    found = np.log(factors(learning_rate, batch_size, size, 100_000))
    exact = linear_sgd.typical_rate(learning_rate, size, batch_size)
    error = found.std(ddof=1) / sqrt(len(found))
    assert error < 0.01
    assert abs(found.mean() - exact) < 4 * error


def test_typical_threshold_has_the_known_distance() -> None:
    """10.6, 5, 2 and 0.25 % above the mean-square learning rate at m = N."""
    for size, share in ((10, 0.106), (20, 0.0513), (50, 0.0202), (400, 0.0025)):
        ratio = linear_sgd.typical_learning_rate(size, size) / linear_sgd.largest_learning_rate(
            size, size
        )
        assert ratio - 1 == pytest.approx(share, abs=5e-5 if size > 10 else 5e-4)
    m = linear_sgd.typical_threshold(1.0, 30)
    assert linear_sgd.typical_rate(1.0, 30, m) == pytest.approx(0, abs=1e-9)
    assert m < linear_sgd.mean_square_threshold(1.0, 30)


SPECTRUM = np.array([2.0, 1.4, 1.0, 0.7, 0.5, 0.5, 0.3, 0.2, 0.1, 0.1])


def test_one_step_with_a_spectrum() -> None:
    """Every component, and the mean-square threshold, for inputs of different variances."""
    rate, replicas, batch_size = 0.6, 100_000, 5.5
    engine, system = descent(rate, batch_size, 10, replicas, scales=np.sqrt(SPECTRUM))
    before = squares(engine, system)
    engine.advance(1)
    # Against the law at each student's own start, whose spread then drops out.
    expected = before @ linear_sgd.second_moment_map(rate, SPECTRUM, batch_size).T
    difference = squares(engine, system) - expected
    errors = difference.std(axis=0, ddof=1) / sqrt(replicas)
    assert (errors < 0.011 * expected.mean(axis=0)).all()
    assert (abs(difference.mean(axis=0)) < 4.3 * errors).all()


@pytest.mark.parametrize("batch_size", [2, 5, 12])
def test_threshold_with_a_spectrum(batch_size: int) -> None:
    """At the eta whose threshold is m, the mode that decides keeps its mean square."""
    rate = float(
        optimize.brentq(
            lambda eta: linear_sgd.spectrum_threshold(eta, SPECTRUM) - batch_size, 0.05, 0.95
        )
    )
    matrix = linear_sgd.second_moment_map(rate, SPECTRUM, batch_size)
    values, vectors = np.linalg.eigh(matrix)
    assert values[-1] == pytest.approx(1, abs=1e-10)
    mode = abs(vectors[:, -1])
    replicas = 200_000
    engine, system = descent(rate, batch_size, 10, replicas, scales=np.sqrt(SPECTRUM))
    before = squares(engine, system) @ mode
    engine.advance(1)
    found = squares(engine, system) @ mode / before
    error = found.std(ddof=1) / sqrt(replicas)
    # What a change of m by 1 % does to the eigenvalue.
    change = linear_sgd.second_moment_map(rate, SPECTRUM, int(batch_size * 100)) - matrix
    slope = abs(mode @ change @ mode) / 0.99
    assert error < 0.01 * slope
    assert abs(found.mean() - 1) < 4 * error


def test_stationary_error_with_a_spectrum() -> None:
    rate, batch_size, replicas, count = 0.3, 4, 2_000, 40
    exact = linear_sgd.stationary_spectrum(rate, SPECTRUM, batch_size, 0.5)
    engine, system = descent(
        rate, batch_size, 10, replicas, label_noise=0.5, scales=np.sqrt(SPECTRUM)
    )
    engine.advance(600)
    total = np.zeros((replicas, 10))
    for _ in range(count):
        engine.advance(engine.step + 20)
        total += squares(engine, system) / count
    assert_mean(total.sum(axis=1), float(exact.sum()))
    errors = total.std(axis=0, ddof=1) / sqrt(replicas)
    assert (abs(total.mean(axis=0) - exact) < 4.3 * errors).all()


def test_the_study_obeys_the_same_law(tmp_path: Path) -> None:
    """`linear-sgd` from the catalogue, its weight error after one step."""
    study = catalogue.study("linear-sgd", size=[20], batch_ratio=[1.0], replicas=3_000, duration=1)
    data = run_study(study, tmp_path / "linear.nc", workers=1)
    error = data["weight_error"].squeeze(("size", "batch_ratio")).transpose("replica", "time")
    ratio = error.values[:, 1] / error.values[:, 0]
    assert_mean(ratio, linear_sgd.mean_square_factor(1.0, 20, 20.0))
    # The generalisation error of a linear unit is |w - w*|^2/2 for unit variances.
    np.testing.assert_allclose(
        data["generalization_error"].values, data["weight_error"].values * 10, rtol=1e-12
    )
