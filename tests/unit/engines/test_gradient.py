"""Gradient descent from a study to a dataset."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from physbatch.dataset import STATUS_DIVERGED, STATUS_OK, time_unit
from physbatch.engines import gradient as gradient_engine
from physbatch.engines.gradient import GradientEngine, replicas_at_once
from physbatch.engines.registry import require_built
from physbatch.errors import StudyError
from physbatch.study.model import Study
from physbatch.sweep.run import run_study
from tests.conftest import plan_of

SMALL: dict[str, Any] = {
    "title": "small gradient descent",
    "system": {
        "depth": 2,
        "output": "scalar",
        "activation": "erf",
        "readout": "linear",
        "weights": "continuous",
        "wiring": {"kind": "dense", "hidden_units": 2},
        "student_wiring": {"kind": "dense", "hidden_units": 3},
        "learned_layers": "first",
        "inputs": {"kind": "gaussian"},
        "field_scaling": "sqrt_fan_in",
        "teacher_vectors": "orthogonal",
    },
    "dynamics": {"kind": "sgd", "learning_rate": {"base": 1.0}},
    "grid": {"size": [10, 20], "batch_size": [2, 3.5], "replicas": 5},
    "measurement": {"duration": 50, "test_samples": 100},
}


def study(**changes: dict[str, Any]) -> Study:
    content = copy.deepcopy(SMALL)
    for section, values in changes.items():
        content[section].update(values)
    return Study.from_dict(content)


def run(tmp_path: Path, name: str = "data", **changes: dict[str, Any]) -> xr.Dataset:
    return run_study(require_built(study(**changes)), tmp_path / f"{name}.nc", workers=1)


def same_bits(one: xr.Dataset, other: xr.Dataset) -> None:
    assert set(one.variables) == set(other.variables)
    for name in one.variables:
        assert one[name].values.tobytes() == other[name].values.tobytes(), name


def test_samples_count_batches_that_grow(tmp_path: Path) -> None:
    """m, 3 m/2, 2 m, 5 m/2 and from the fourth step on 3 m."""
    grows = {"kind": "linear", "to": 3, "steps": 4}
    times = {"kind": "list", "values": [0, 2, 4, 10]}
    measurement = {"duration": 10, "times": times, "test_samples": 20}
    data = run(tmp_path, dynamics={"batch_schedule": grows}, measurement=measurement)
    np.testing.assert_allclose(data["samples"] / data["batch_size"], [[0, 2.5, 7, 25]] * 2)


def test_a_committee_study(tmp_path: Path) -> None:
    data = run(tmp_path)
    assert dict(data["student_overlap"].sizes) == {
        "size": 2, "batch_size": 2, "replica": 5, "time": 14,
        "student_unit": 3, "other_student_unit": 3,
    }  # fmt: skip
    assert dict(data["teacher_overlap"].sizes)["teacher_unit"] == 2
    assert time_unit(data) == "step"
    assert (data["samples"] == data["batch_size"] * data["time"]).all()
    assert data["samples"].dims == ("batch_size", "time")
    assert (data["alpha"] == data["time"] / data["size"]).all()
    assert (data["status"] == STATUS_OK).all()
    assert (data["diverged_at"] == np.inf).all()
    assert "closed form" in data["generalization_error"].attrs["long_name"]
    assert "0.01 of a random student's" in data["success"].attrs["long_name"]
    for name in ("overlap", "generalization_error", "weight_error", "student_norm"):
        assert np.isfinite(data[name].values).all(), name
    assert (data["random_overlap"] > 0).all()
    # It learns: the mean error falls.
    error = data["generalization_error"].mean(("size", "batch_size", "replica"))
    assert error[-1] < error[0] / 2


def test_samples_follow_a_batch_ratio(tmp_path: Path) -> None:
    content = copy.deepcopy(SMALL)
    del content["grid"]["batch_size"]
    content["grid"]["batch_ratio"] = [0.2, 0.5]
    data = run_study(Study.from_dict(content), tmp_path / "ratio.nc", workers=1)
    assert data["samples"].dims == ("size", "batch_ratio", "time")
    assert (data["samples"] == data["batch_size"] * data["time"]).all()


def test_two_workers_and_any_chunk_give_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: dict[str, dict[str, Any]] = {
        "system": {
            "learned_layers": "all",
            "wiring": {"kind": "regular", "degree": 3},
            "output": "vector",
            "readout": "activated",
            "teacher_vectors": "random",
            "student_wiring": {"kind": "dense"},
        }
    }
    whole = run(tmp_path, "whole", **changes)
    two = run_study(study(**changes), tmp_path / "two.nc", workers=2)
    same_bits(whole, two)
    assert "100 samples" in whole["generalization_error"].attrs["long_name"]
    plan = plan_of(study(**changes))
    each = gradient_engine._state_bytes(plan.cells[0])
    for budget in (1, 2 * each):
        monkeypatch.setattr(
            gradient_engine,
            "replicas_at_once",
            lambda bytes_, count, budget=budget: replicas_at_once(bytes_, count, budget),
        )
        same_bits(whole, run(tmp_path, f"chunked {budget}", **changes))


def test_chunks_follow_the_budget() -> None:
    assert replicas_at_once(10, 32, 100) == 10
    assert replicas_at_once(10, 8, 100) == 8
    assert replicas_at_once(1000, 8, 100) == 1
    plan = plan_of(study())
    engine = GradientEngine()
    cell = plan.cells[0]
    assert cell.replicas * engine.replica_bytes(cell) <= gradient_engine.MEMORY_BUDGET


def test_the_definition_gives_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The torch engine, as on a GPU, through the whole pipeline."""
    from physbatch.dynamics.sgd.definition import TensorDescent

    reference = run(tmp_path)
    monkeypatch.setattr(
        gradient_engine, "_descent", lambda prepared, device: TensorDescent(*prepared.parts)
    )
    other = run(tmp_path, "definition")
    for name in reference.data_vars:
        np.testing.assert_allclose(
            reference[name].values, other[name].values, rtol=1e-9, atol=1e-12, err_msg=name
        )


def test_divergence_is_recorded(tmp_path: Path) -> None:
    """A linear unit far above the threshold overflows; the data say when, and stop there."""
    data = run(
        tmp_path,
        system={
            "depth": 1,
            "activation": "linear",
            "wiring": {"kind": "dense"},
            "student_wiring": {"kind": "teacher"},
            "learned_layers": "all",
            "field_scaling": "unscaled",
            "teacher_vectors": "random",
        },
        dynamics={"learning_rate": {"base": 50.0}},
        measurement={"duration": 300},
    )
    assert (data["status"] == STATUS_DIVERGED).all()
    at = data["diverged_at"]
    assert ((at > 10) & (at < 300)).all()
    before = data["time"] < at
    for name in ("overlap", "generalization_error", "weight_error", "student_norm"):
        assert np.isfinite(data[name].where(before, 0)).all(), name
        assert np.isnan(data[name].where(~before)).all(), name
    assert (data["success"] == 0).all()
    assert (data["first_passage"] == np.inf).all()


def test_success_is_below_the_fraction_of_a_random_student(tmp_path: Path) -> None:
    """With the closed form of one linear unit: eps = |w - w*|^2/2 against that of 8 others."""
    changes: dict[str, dict[str, Any]] = {
        "system": {
            "depth": 1,
            "activation": "linear",
            "wiring": {"kind": "dense"},
            "student_wiring": {"kind": "teacher"},
            "learned_layers": "all",
            "field_scaling": "unscaled",
            "teacher_vectors": "random",
        },
        "dynamics": {"learning_rate": {"base": 0.5}},
        "grid": {"size": [20], "batch_size": [20], "replicas": 20},
        "measurement": {"duration": 40, "times": {"kind": "linear", "every": 1}},
    }
    data = run(tmp_path, **changes).squeeze()
    # |z - w*|^2/2 of random students is about |w*|^2/2 + N/2 = N: success near 0.01 N = 0.2.
    errors, passage = data["generalization_error"], data["first_passage"]
    assert (passage < 40).all()
    for row in range(20):
        column = int(passage[row])
        assert 0.04 < float(errors[row, column]) < 0.4
        assert float(errors[row, column]) < float(errors[row, column - 1])
        assert data["first_passage_lower"][row] == column - 1
    assert (data["success"] == 1).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"system": {"inputs": {"kind": "patterns", "count": 10}}}, "patterns are a finite set"),
        ({"dynamics": {"sampling": "with-replacement"}}, "needs a finite set"),
        (
            {
                "system": {"inputs": {"kind": "patterns", "count": 3}},
                "dynamics": {"sampling": "without-replacement"},
            },
            "distinct patterns",
        ),
        (
            {"dynamics": {"loss": "logistic"},
             "system": {"activation": "relu", "readout": "activated"}},
            "one sign only",
        ),
        ({"system": {"output": "vector"}}, "which makes its outputs equal"),
        (
            {"system": {"wiring": {"kind": "dense", "hidden_units": 11}}},
            "11 orthogonal teacher_vectors",
        ),
        ({"system": {"activation": "linear", "learned_layers": "all"}}, "only the product"),
        ({"system": {"teacher_activation": "erf"}}, "is that of the student; leave it out"),
        (
            {"dynamics": {"loss": "logistic"},
             "system": {"teacher_activation": "relu", "readout": "activated"}},
            "one sign only",
        ),
        (
            {"dynamics": {"batch_schedule": {"kind": "linear", "to": 2**24, "steps": 5}}},
            "above 16777216",
        ),
        (
            {"dynamics": {"batch_schedule": {"kind": "linear", "to": 2, "steps": 5}},
             "measurement": {"unit": "samples"}},
            "needs a constant dynamics.batch_schedule",
        ),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(StudyError, match=words):
        study(**changes)


@pytest.mark.parametrize("sampling", ["with-replacement", "without-replacement"])
@pytest.mark.parametrize("loss", ["mean-square", "logistic"])
def test_pattern_sets_learning_rules_and_float32(sampling: str, loss: str, tmp_path: Path) -> None:
    data = run(
        tmp_path,
        system={"inputs": {"kind": "patterns", "of": "binary", "label_noise": 0.1}},
        dynamics={
            "sampling": sampling,
            "loss": loss,
            "momentum": 0.5,
            "precision": "float32",
            "learning_rate": {"rule": "sqrt", "base": 0.3},
        },
        grid={"pattern_count": [8, 40]},
    )
    # Eight patterns are learned by heart rather than the rule behind them.
    few, many = (data["batch_error"].sel(pattern_count=count).isel(time=-1) for count in (8, 40))
    assert float(few.mean()) < float(data["batch_error"].isel(time=0).mean()) / 2
    assert (data["status"] == STATUS_OK).all()
    assert np.isfinite(many.values).all()
    wrong = data["generalization_error"]
    assert ("chance of a wrong output sign" in wrong.attrs["long_name"]) == (loss == "logistic")
