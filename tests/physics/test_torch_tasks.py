"""Tasks in torch against what is known exactly, and against the built-in engine.

Bounds are 4.5 standard errors (7 in 10^6 for one number; each test looks at some tens of numbers)
of independent replicas, which are paired where the exact law starts from the same state.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from physbatch.exact import committee, linear_sgd
from physbatch.study import Study
from physbatch.sweep import run_study

TASKS = Path(__file__).parents[1] / "unit" / "engines" / "tasks.py"
SIGMAS = 4.5


def run(folder: Path, task: str, **sections: dict[str, Any]) -> xr.Dataset:
    """One cell of a task."""
    system = {"kind": "torch", "task": f"{TASKS}:{task}", **sections.pop("system", {})}
    dynamics = {"kind": "sgd", **sections.pop("dynamics")}
    content = {"title": task, "system": system, "dynamics": dynamics, **sections}
    return run_study(Study.from_dict(content), folder / f"{task}.nc", workers=1).squeeze()


def times(*values: int) -> dict[str, Any]:
    return {"duration": values[-1], "times": {"kind": "list", "values": list(values)}}


def z_score(values: np.ndarray, exact: float) -> float:
    """How far a mean is from what it is known to be, in standard errors."""
    values = np.ravel(values)
    return float((values.mean() - exact) / (values.std(ddof=1) / np.sqrt(values.size)))


# --- linear students --------------------------------------------------------------------


def test_linear_students_have_the_classical_overlaps(tmp_path: Path) -> None:
    data = run(
        tmp_path,
        "ClassicalOverlaps",
        dynamics={"learning_rate": {"base": 0.5}},
        grid={"size": [12], "batch_size": [3], "replicas": 5},
        measurement={**times(0, 3, 30), "test_samples": 24},
    )
    r, q, t = (data[name].values for name in ("r", "q", "t"))
    for name, exact in (
        ("function_overlap", r / np.sqrt(q * t)),
        ("generalization_error", 0.5 * (t + q - 2 * r)),
        ("teacher_student_product", r),
        ("student_square", q),
    ):
        np.testing.assert_allclose(data[name].values, exact, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize(
    ("rate", "size", "batch_size"), [(0.5, 20, 4), (1.0, 20, 21), (1.2, 15, 8.3)]
)
def test_one_step_of_a_linear_student(
    rate: float, size: int, batch_size: float, tmp_path: Path
) -> None:
    """Mean of |e'|^2/|e|^2 and of its logarithm; at (1, 20, 21) the first is 1, the threshold."""
    data = run(
        tmp_path,
        "Linear",
        dynamics={"learning_rate": {"base": rate}},
        grid={"size": [size], "batch_size": [batch_size], "replicas": 96},
        measurement={"duration": 60, "times": {"kind": "linear", "every": 1}, "test_samples": 2},
    )
    distance = data["squared_distance"].transpose("replica", "time").values
    factors = distance[:, 1:] / distance[:, :-1]
    exact = linear_sgd.mean_square_factor(rate, size, batch_size)
    assert abs(z_score(factors, exact)) < SIGMAS
    assert abs(z_score(np.log(factors), linear_sgd.typical_rate(rate, size, batch_size))) < SIGMAS
    if batch_size == 21:
        assert linear_sgd.mean_square_threshold(rate, size) == pytest.approx(21)
    assert factors.std() / np.sqrt(factors.size) < 0.01 * exact  # a 5 % fault is seen


def test_stationary_distance_of_a_linear_student(tmp_path: Path) -> None:
    """Mean over times far apart, of each replica: independent numbers."""
    rate, size, batch_size, noise = 0.5, 10, 12, 0.7
    data = run(
        tmp_path,
        "Linear",
        system={"options": {"noise": noise}},
        dynamics={"learning_rate": {"base": rate}},
        grid={"size": [size], "batch_size": [batch_size], "replicas": 96},
        measurement={**times(*range(60, 661, 30)), "test_samples": 2},
    )
    mean = data["squared_distance"].mean("time").values
    exact = linear_sgd.stationary_error(rate, size, batch_size, noise**2)
    assert abs(z_score(mean, exact)) < SIGMAS
    assert mean.std() / np.sqrt(mean.size) < 0.02 * exact


@pytest.mark.parametrize(("patterns", "noise"), [(30, 0.0), (150, 0.5)])
def test_linear_regression(patterns: int, noise: float, tmp_path: Path) -> None:
    """Least squares of P samples: E|w - w*|^2 is 1 - P/N, and s^2 N/(P - N - 1) for P > N + 1."""
    size = 60
    data = run(
        tmp_path,
        "Linear",
        system={"options": {"noise": noise}, "pattern_count": patterns},
        dynamics={"learning_rate": {"base": 0.3}, "sampling": "without-replacement"},
        grid={"size": [size], "batch_size": [patterns], "replicas": 64},
        measurement={**times(400), "test_samples": 400},
    )
    exact = 1 - patterns / size if patterns < size else noise**2 * size / (patterns - size - 1)
    assert abs(z_score(data["squared_distance"].values, exact)) < SIGMAS
    assert abs(z_score(data["generalization_error"].values, exact / 2)) < SIGMAS
    if patterns < size:
        assert float(data["training_error"].max()) < 1e-8


# --- the erf committee ------------------------------------------------------------------


def overlaps_of(data: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Q and R of a run of the task, shape (replica, time, 2, 2)."""
    at = {name: data[name].transpose("replica", "time").values for name in data if len(name) == 3}
    q = np.stack([at["q11"], at["q12"], at["q12"], at["q22"]], axis=-1)
    r = np.stack([at["r11"], at["r12"], at["r21"], at["r22"]], axis=-1)
    return q.reshape(*q.shape[:2], 2, 2), r.reshape(*r.shape[:2], 2, 2)


def invariants(q: np.ndarray, r: np.ndarray) -> dict[str, np.ndarray]:
    """What permuting the units does not change, and the error, shape (replica, time)."""
    return {
        "Q_ii": np.trace(q, axis1=-2, axis2=-1),
        "Q_12": q[..., 0, 1],
        "R": r.sum(axis=(-2, -1)),
        "R^2": (r**2).sum(axis=(-2, -1)),
        "error": np.asarray(committee.generalization_error(q, r, np.eye(2))),
    }


@pytest.mark.parametrize("replicas", [64, pytest.param(200, marks=pytest.mark.slow)])
def test_committee_against_the_built_in_engine(replicas: int, tmp_path: Path) -> None:
    """Errors and overlaps at four times, and their spread over replicas."""
    dynamics = {"kind": "sgd", "learning_rate": {"base": 4.0}}
    grid = {"size": [40], "batch_size": [4.5], "replicas": replicas}
    measurement = {**times(10, 40, 120, 300), "test_samples": 500}
    task = run(tmp_path, "ErfCommittee", dynamics=dynamics, grid=grid, measurement=measurement)
    system = {
        "depth": 2,
        "output": "scalar",
        "activation": "erf",
        "weights": "continuous",
        "readout": "linear",
        "learned_layers": "first",
        "field_scaling": "sqrt_fan_in",
        "wiring": {"kind": "dense", "hidden_units": 2},
        "teacher_vectors": "orthogonal",
        "inputs": {"kind": "gaussian"},
    }
    content = {"title": "direct", "system": system, "dynamics": dynamics, "grid": grid}
    study = Study.from_dict({**content, "measurement": measurement})
    direct = run_study(study, tmp_path / "direct.nc", workers=1).squeeze()
    dims = ("replica", "time", "student_unit")
    ours = invariants(*overlaps_of(task))
    theirs = invariants(
        direct["student_overlap"].transpose(*dims, "other_student_unit").values,
        direct["teacher_overlap"].transpose(*dims, "teacher_unit").values,
    )
    for name, values in ours.items():
        gap = values.mean(axis=0) - theirs[name].mean(axis=0)
        variance = (values.var(axis=0, ddof=1) + theirs[name].var(axis=0, ddof=1)) / replicas
        assert np.all(np.abs(gap) <= SIGMAS * np.sqrt(variance)), name
    # The probes' error is that of the closed form but for its samples.
    sampled = task["generalization_error"].transpose("replica", "time").values - ours["error"]
    for column in sampled.T:
        assert abs(z_score(column, 0.0)) < SIGMAS


@pytest.mark.parametrize(
    ("size", "replicas", "last"), [(400, 32, 1), pytest.param(2000, 200, 2, marks=pytest.mark.slow)]
)
def test_committee_against_the_equations_of_motion(
    size: int, replicas: int, last: int, tmp_path: Path
) -> None:
    """Each replica from its own start; what is left is of order 1/N, below the standard errors."""
    rate = 1.0
    alphas = np.array([0.0, 0.25, 0.5, 0.75, 1.0]) * last
    data = run(
        tmp_path,
        "ErfCommittee",
        dynamics={"learning_rate": {"base": rate}, "precision": "float32"},
        grid={"size": [size], "batch_size": [1], "replicas": replicas},
        measurement={**times(*(alphas * size).astype(int).tolist()), "test_samples": 2},
    )
    q, r = overlaps_of(data)
    ours = invariants(q, r)
    curves = [
        committee.integrate_equations(q[row, 0], r[row, 0], np.eye(2), rate, alphas)
        for row in range(replicas)
    ]
    exact = invariants(
        np.array([curve.student_overlap for curve in curves]),
        np.array([curve.teacher_overlap for curve in curves]),
    )
    for name, values in ours.items():
        gap = (values - exact[name])[:, 1:]
        error = gap.std(axis=0, ddof=1) / np.sqrt(replicas)
        assert np.all(np.abs(gap.mean(axis=0)) <= SIGMAS * error), name
