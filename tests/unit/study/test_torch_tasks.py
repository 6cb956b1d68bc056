"""Studies of tasks in torch: what they may hold, and what is refused with its reason."""

from __future__ import annotations

from typing import Any

import pytest

from physbatch.errors import StudyError
from physbatch.study.model import Study
from physbatch.study.schedules import GradualSchedule, StepSchedule

CONTENT: dict[str, Any] = {
    "title": "a task",
    "system": {"kind": "torch", "task": "task.py:Task", "options": {"hidden": 4}},
    "dynamics": {"kind": "sgd", "learning_rate": {"base": 0.1}},
    "grid": {"size": [10], "batch_size": [2], "options": {"k": [1, 2]}, "replicas": 2},
    "measurement": {"duration": 10},
}
SET = {"dynamics": {"sampling": "without-replacement"}, "system": {"pattern_count": 50}}


def build(**sections: dict[str, Any]) -> Study:
    new = {name: {**CONTENT[name], **fields} for name, fields in sections.items()}
    return Study.from_dict({**CONTENT, **new})


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"system": {"task": None}}, "belong together"),
        ({"system": {"task": "task.py"}}, "system.task: string must|system.task: must|pattern"),
        ({"system": {"depth": 3}}, "has no depth"),
        ({"system": {"lanes": 3}}, "system.lanes"),
        ({"system": {"options": {"k": 3}}}, "option 'k' in one place"),
        ({"grid": {"options": {"k": ["a", 1]}}}, r"k\.0: must be a finite number \(given: 'a'\)$"),
        (
            {"system": {"options": {"k": [1]}}},
            "k: must be true or false, a finite number or words$",
        ),
        ({"dynamics": {"engine": "projected"}}, "learned by direct sgd"),
        ({"dynamics": {"optimizer": "adam", "momentum": 0.9}}, "momentum and nesterov"),
        ({"dynamics": {"nesterov": True}}, "nesterov needs a momentum"),
        ({"dynamics": {"epsilon": 1e-6}}, "epsilon is for the optimizers"),
        ({"dynamics": {"betas": [0.9, 1.0]}}, "dynamics.betas"),
        ({"dynamics": {"sampling": "with-replacement"}}, "need a pattern_count"),
        ({"system": {"pattern_count": 50}}, "a finite set needs dynamics.sampling"),
        ({**SET, "grid": {"batch_size": [60]}}, "needs as many, but there are 50"),
        ({**SET, "grid": {"pattern_count": [50]}}, "only one of system.pattern_count"),
        ({"grid": {"initial_overlap": [0.5]}}, "grid.initial_overlap"),
        ({"grid": {"replicas_per_graph": 2}}, "grid.replicas_per_graph"),
        (
            {
                "measurement": {"unit": "samples"},
                "dynamics": {"batch_schedule": {"kind": "linear", "to": 2, "steps": 5}},
            },
            "needs a constant dynamics.batch_schedule",
        ),
        (
            {"dynamics": {"batch_schedule": {"kind": "steps", "at": [5, 3], "factors": [1, 2]}}},
            "must increase",
        ),
        (
            {"dynamics": {"batch_schedule": {"kind": "steps", "at": [5], "factors": []}}},
            "same number of values",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(sections: dict[str, Any], words: str) -> None:
    with pytest.raises(StudyError, match=words):
        build(**sections)


@pytest.mark.parametrize(
    ("section", "fields", "words"),
    [
        ("dynamics", {"optimizer": "adam"}, "dynamics.optimizer is for a system of kind 'torch'"),
        ("dynamics", {"epsilon": 0.1}, "dynamics.epsilon is for"),
        (
            "dynamics",
            {
                "engine": "projected",
                "learning_rate": {"base": 1, "schedule": {"kind": "linear", "to": 2, "steps": 5}},
            },
            "projected dynamics is not exact for .*learning_rate.schedule",
        ),
        ("measurement", {"replica_overlaps": True}, "replica_overlaps is for"),
        ("system", {"task": "task.py:Task"}, "belong together"),
        ("system", {"pattern_count": 5}, "pattern_count is for a system of kind 'torch'"),
    ],
)
def test_other_studies_have_none_of_it(section: str, fields: dict[str, Any], words: str) -> None:
    content: dict[str, Any] = {
        "title": "linear",
        "system": {
            "depth": 1,
            "wiring": {"kind": "dense", "hidden_units": 1},
            "activation": "linear",
            "weights": "continuous",
            "inputs": {"kind": "gaussian"},
        },
        "dynamics": {"kind": "sgd", "learning_rate": {"base": 0.1}},
        "grid": {"size": [10], "batch_size": [2], "replicas": 2},
        "measurement": {"duration": 10},
    }
    Study.from_dict(content)
    with pytest.raises(StudyError, match=words):
        Study.from_dict({**content, section: {**content[section], **fields}})


def test_schedules() -> None:
    line = GradualSchedule(kind="linear", to=0.5, steps=10)
    assert [line.factor(step) for step in (0, 5, 10, 11)] == [1.0, 0.75, 0.5, 0.5]
    wave = GradualSchedule(kind="cosine", to=0.0001, steps=10)
    assert wave.factor(5) == pytest.approx(0.50005)
    ramp = GradualSchedule(kind="ramp", to=4, steps=10)
    assert [ramp.factor(step) for step in (0, 5, 10, 20)] == [1.0, 4.0, 1.0, 1.0]
    assert ramp.largest == 4
    assert StepSchedule(kind="steps", at=(3,), factors=(0.5,)).largest == 1


def test_a_study_goes_through_its_own_file(tmp_path: Any) -> None:
    study = build(
        system={"pattern_count": 50},
        dynamics={
            "sampling": "with-replacement",
            "optimizer": "adamw",
            "batch_schedule": {"kind": "ramp", "to": 4, "steps": 100},
        },
    )
    (tmp_path / "study.toml").write_text(study.to_toml())
    assert "activation" not in study.to_toml()  # nor what else teacher-student systems have
    again = Study.from_toml(tmp_path / "study.toml")
    assert again.hash() == study.hash()
    assert again.system.task == f"{tmp_path.resolve()}/task.py:Task"
    assert Study.from_json(again.canonical_json()) == again
