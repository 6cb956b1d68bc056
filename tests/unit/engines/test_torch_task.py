"""A task in torch as an engine: any company, faults in user code, permission, code that changed."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import physbatch.engines.torch_task as engine_module
from physbatch.cli import main
from physbatch.dataset import STATUS_DIVERGED, open_dataset
from physbatch.engines import GridPoint, GridPoints, engine_for, revision_of
from physbatch.errors import StudyError
from physbatch.study.catalogue import study as shipped
from physbatch.study.model import Study
from physbatch.study.selection import select
from physbatch.sweep.run import run_study
from physbatch.sweep.verifying import verify_dataset

TASKS = Path(__file__).with_name("tasks.py")
CONTENT: dict[str, Any] = {
    "title": "parity",
    "system": {
        "kind": "torch",
        "task": f"{TASKS}:SparseParity",
        "options": {"hidden": 8},
    },
    "dynamics": {"kind": "sgd", "learning_rate": {"base": 0.1}, "precision": "float32"},
    "grid": {"size": [6], "batch_size": [2.5], "options": {"k": [2, 3]}, "replicas": 40},
    "measurement": {
        "duration": 20,
        "test_samples": 64,
        "replica_overlaps": True,
    },
}


def changed(content: dict[str, Any] = CONTENT, **sections: dict[str, Any]) -> Study:
    new = {name: {**content[name], **fields} for name, fields in sections.items()}
    return Study.from_dict({**content, **new})


def linear(**sections: dict[str, Any]) -> Study:
    system = {"task": f"{TASKS}:Linear", "options": {}, **sections.pop("system", {})}
    return changed(
        system=system,
        grid={"options": {}, "replicas": 3, **sections.pop("grid", {})},
        measurement={"replica_overlaps": False, **sections.pop("measurement", {})},
        **sections,
    )


def point_of(study: Study, first: int = 0, replicas: int = 1, **more: float) -> GridPoint:
    grid = study.grid
    coordinates = {"size": grid.size[0], **{n: v[0] for n, v in grid.options.items()}}
    batch = (grid.batch_size or (1.0,))[0]
    return GridPoints(study).at({**coordinates, "batch_size": batch, **more}, first, replicas)


def simulate(point: GridPoint) -> dict[str, Any]:
    return engine_for(point.study).simulate(point, "cpu")


def test_a_replica_has_the_same_bits_in_any_company() -> None:
    study = changed(
        measurement={
            "sharpness": True,
            "sharpness_batches": 3,
            "times": {"kind": "linear", "every": 10},
        }
    )
    whole = simulate(point_of(study, 0, 32))
    for first, count in ((0, 1), (5, 2), (30, 2)):
        part = simulate(point_of(study, first, count))
        assert set(part) == set(whole)
        for name, values in part.items():
            assert values.tobytes() == whole[name][first : first + count].tobytes(), name


def test_blocks_go_by_memory_and_agree_to_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    point = point_of(changed(measurement={"replica_overlaps": False}), 0, 10)
    whole = simulate(point)
    monkeypatch.setattr(engine_module, "MEMORY_BUDGET", 6 * engine_module._lane_bytes(point))
    assert engine_module._lanes(point) == 4
    parts = simulate(point)
    np.testing.assert_allclose(parts["overlap"], whole["overlap"], rtol=1e-4, atol=1e-5)
    assert simulate(replace(point, first_replica=7, replicas=1))["overlap"].tobytes() == (
        parts["overlap"][7:8].tobytes()
    )


def test_what_a_dataset_holds(tmp_path: Path) -> None:
    study = changed(grid={"replicas": 3})
    data = run_study(study, tmp_path / "x.nc", workers=1)
    assert data["overlap"].dims == ("size", "k", "batch_size", "replica", "time")
    np.testing.assert_array_equal(data["overlap"], data["function_overlap"])
    split = data["teacher_square"] + data["student_square"] - 2 * data["teacher_student_product"]
    np.testing.assert_allclose(data["generalization_error"], split / 2, rtol=1e-6, atol=1e-7)
    assert np.abs(data["replica_overlap"]).max() <= 1
    assert float(data["distance_moved"].isel(time=0).max()) == 0
    assert data.attrs["revision"] == revision_of(study)
    assert verify_dataset(data, study=study, seed=1).differences == {}
    with pytest.raises(StudyError, match="names code to be run"):
        verify_dataset(data)
    part = select(data, {"k": [3]})
    assert Study.from_json(part.attrs["study"]).system.options == {"hidden": 8, "k": 3}


def test_a_finite_set_observables_and_an_overlap_of_its_own(tmp_path: Path) -> None:
    study = linear(
        system={"options": {"noise": 0.5}},
        grid={"pattern_count": [10, 20]},
        dynamics={"sampling": "without-replacement"},
    )
    data = run_study(study, tmp_path / "x.nc", workers=1)
    np.testing.assert_allclose(data["overlap"], 1 - data["squared_distance"], rtol=1e-5, atol=1e-6)
    assert (data["probes"] == 64).all()
    assert np.isfinite(data["training_error"]).all()
    assert not data["overlap"].equals(data["function_overlap"])
    part = select(data, {"pattern_count": [10]})
    again = Study.from_json(part.attrs["study"])
    assert again.system.pattern_count == 10
    assert verify_dataset(part, study=again, seed=1).differences == {}


def test_a_replica_that_diverges_is_marked() -> None:
    study = linear(dynamics={"learning_rate": {"base": 50.0}}, measurement={"duration": 400})
    out = simulate(point_of(study, 0, 3))
    assert (out["status"] == STATUS_DIVERGED).all()
    assert np.isfinite(out["diverged_at"]).all()
    assert np.isnan(out["overlap"][:, -1]).all()
    assert (out["success"] == 0).all()


def test_a_module_learns_classes() -> None:
    study = changed(
        system={"task": f"{TASKS}:Classes", "options": {}},
        grid={"options": {}, "batch_size": [20]},
        dynamics={"optimizer": "adam", "learning_rate": {"base": 0.02}},
        measurement={"duration": 300},
    )
    out = simulate(point_of(study, 0, 4))
    assert (out["overlap"][:, -1] > 0.6).all()
    np.testing.assert_allclose(out["overlap"], 1 - 1.5 * out["generalization_error"], atol=1e-12)


# --- the user's code --------------------------------------------------------------------

GOOD = """
import numpy as np
import torch

class Task:
    def inputs(self, count, size, draw):
        return draw.normal(count, size)
    def student(self, size, draw):
        return {"w": draw.normal(size, 1)}
    def teacher(self, size, draw):
        return {"w": draw.normal(size, 1)}
    def teacher_forward(self, p, x):
        return x @ p["w"]
    def forward(self, p, x):
        return x @ p["w"]
"""
STUDENT = 'return {"w": draw.normal(size, 1)}\n    def teacher('
FORWARD = "def forward(self, p, x):\n"
FAULTS = {
    "exception": ("return x @ p[\"w\"]\n    def forward", "return x @ p['v']\n    def forward"),
    "shape": ('return x @ p["w"]\n    def forward', 'return (x @ p["w"])[:, 0]\n    def forward'),
    "count": ("return draw.normal(count, size)", "return draw.normal(size, size)"),
    "nan": ("return draw.normal(count, size)", "return draw.normal(count, size) / 0"),
    "global": ("return draw.normal(count, size)", "return torch.randn(count, size)"),
    "numpy": (STUDENT, STUDENT.replace("draw.normal(", "np.random.rand(")),
    "syntax": ("class Task:", "class Task"),
    "import": ("import torch", "import tirch"),
    "class": ("class Task:", "class Other:"),
    "method": ("def inputs", "def outputs"),
    "weights": (STUDENT, "return 3\n    def teacher("),
    "branch": (FORWARD, f"{FORWARD}        if x.sum() > 0: pass\n"),
    "names": (FORWARD, f"def observables(self, s, t, x): return dict(a=1)\n    {FORWARD}"),
}  # fmt: skip
MESSAGES = {
    "exception": r"task.py, line 13, at size = 4, batch_size = 2: KeyError: 'v'",
    "shape": r"forward returns \(\d+, 1\), teacher_forward \(\d+,\)",
    "count": r"Task.inputs: returns \(4, 4\); the first dimension must be count = \d+",
    "nan": r"Task.inputs: returns numbers that are not finite",
    "global": r"Task.inputs: uses the global random numbers of torch; take them from draw",
    "numpy": r"Task.student: uses the global random numbers of numpy.random",
    "syntax": r"task.py, line 5: SyntaxError: expected ':'",
    "import": r"task.py, line 3: ModuleNotFoundError: No module named 'tirch'",
    "class": r"task .*task.py:Task: no class 'Task'; there are Other",
    "method": r"task.py:Task: has no function inputs",
    "weights": r"Task.student: returns int, not a dictionary of tensors or an nn.Module",
    "branch": r"task.py, line 15, at size = 4, batch_size = 2: RuntimeError: vmap",
    "names": r"task.py, line 14: the names of its observables do not stand in the source",
}
FILE = """
title = "a file of one's own"
system = { kind = "torch", task = "task.py:Task" }
dynamics = { kind = "sgd", learning_rate = { base = 0.01 } }
grid = { size = [4], batch_size = [2], replicas = 2 }
measurement = { duration = 5, test_samples = 16 }
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "study.toml").write_text(FILE)
    (tmp_path / "task.py").write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_users_code_is_one_clear_line(
    fault: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = FAULTS[fault]
    assert old in GOOD
    (folder / "task.py").write_text(GOOD.replace(old, new, 1))
    state = np.random.get_state()
    assert main(["run", "study.toml", "-o", "x.nc", "-w", "1", "--allow-code"]) == 2
    np.random.set_state(state)
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("physbatch: ")
    assert re.search(MESSAGES[fault], lines[-1]), lines[-1]


def test_code_is_run_only_when_the_user_asks(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mark = folder / "was_run"
    (folder / "task.py").write_text(f"open({str(mark)!r}, 'w').close()\n{GOOD}")
    run = ["run", "study.toml", "-o", "x.nc", "-w", "1"]
    assert main(run) == 2
    assert "names code to be run" in capsys.readouterr().err
    assert main(["study", "check", "study.toml"]) == 0
    assert "--allow-code runs the code" in capsys.readouterr().out
    assert not mark.exists()
    assert main([*run, "--task", "task.py"]) == 0
    assert mark.exists()
    mark.unlink()
    # Another process, which has not run it: reading does not, and verifying is refused.
    code = "from physbatch.cli import main; print([main(words) for words in WORDS])"
    words = [
        ["diff", "x.nc", "study.toml"],
        ["status", "x.nc"],
        ["select", "x.nc", "batch_size=2", "-o", "y.nc"],
        ["verify", "x.nc"],
        ["rerun", "x.nc", "-o", "z.nc"],
    ]
    done = subprocess.run(
        [sys.executable, "-c", code.replace("WORDS", repr(words))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1] == "[0, 0, 0, 2, 2]", done.stderr
    assert not mark.exists()
    assert main(["verify", "x.nc", "--allow-code"]) == 0
    assert main(["rerun", "x.nc", "-o", "z.nc", "-w", "1", "--task", "task.py:Task"]) == 0
    assert "have the same bits" in capsys.readouterr().out


def test_other_code_makes_other_cells_with_the_same_streams(folder: Path) -> None:
    study = Study.from_toml("study.toml")
    before, cell = revision_of(study), point_of(study)
    first = simulate(cell)
    (folder / "task.py").write_text(GOOD + "# a comment\n")
    assert revision_of(study).split("-")[0] == before.split("-")[0]
    assert revision_of(study) != before
    assert simulate(cell)["overlap"].tobytes() == first["overlap"].tobytes()
    (folder / "task.py").write_text(GOOD.replace("x @ p", "2 * x @ p", 1))
    assert simulate(cell)["overlap"].tobytes() != first["overlap"].tobytes()


def test_a_study_is_the_same_in_another_folder(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for name in ("study.toml", "task.py"):
        (other / name).write_bytes((folder / name).read_bytes())
    here, there = (Study.from_toml(path / "study.toml") for path in (folder, other))
    assert here.system.task != there.system.task
    assert here.hash() == there.hash()
    keys = [
        GridPoints(s, revision_of(s)).at({"size": 4, "batch_size": 2}).key for s in (here, there)
    ]
    assert keys[0] == keys[1]


def test_moved_code_is_asked_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "study.toml", "-o", "x.nc", "-w", "1", "--allow-code"]) == 0
    (folder / "y.nc.cells").mkdir()
    (folder / "y.nc.cells" / "study.toml").write_bytes(
        (folder / "x.nc.cells" / "study.toml").read_bytes()
    )
    assert main(["status", "y.nc"]) == 0
    assert "physbatch run STUDY -o y.nc --allow-code" in capsys.readouterr().out
    (folder / "task.py").rename(folder / "moved.py")
    assert main(["verify", "x.nc", "--allow-code"]) == 2
    assert "give the file with --task FILE.py:Name" in capsys.readouterr().err
    assert main(["verify", "x.nc", "--task", "moved.py"]) == 0
    assert open_dataset("x.nc")["status"].size == 2


def test_costs_grow_with_the_model() -> None:
    engine = engine_for(changed())
    small, large = (
        point_of(changed(system={"options": {"hidden": hidden}}), 0, 32) for hidden in (8, 2000)
    )
    assert engine.seconds(large) > 2 * engine.seconds(small)
    assert engine.replica_bytes(large) > 5 * engine.replica_bytes(small)


@pytest.mark.parametrize("patterns", [None, 12])
def test_curvatures_of_a_linear_student_are_those_of_its_samples(patterns: int | None) -> None:
    """The Hessian of (w.x - y)^2/2 is <x x'>: on probes or the set, and on a batch of 2 or 3."""
    study = linear(
        system={"pattern_count": patterns} if patterns else {},
        dynamics={
            "precision": "float64",
            "sampling": "with-replacement" if patterns else "one-pass",
        },
        measurement={"sharpness": True},
    )
    point = point_of(study, 0, 3)
    measured = simulate(point)
    with engine_module.torch_of_its_own(torch.float64):
        students = engine_module._students(point, 0, engine_module._lanes(point), "cpu")
        students.advance(20)
        source = students.descents[0].source
        inputs, _ = source.patterns or students.probes(64)
        batch, _, there = students.descents[0].last_batch()
    for row in range(3):
        x = inputs[""][row].numpy()
        chosen = batch[""][row].numpy()
        if there is not None:
            chosen = chosen[there[row].numpy() > 0]
        for name, samples in (("sharpness", x), ("batch_sharpness", chosen)):
            exact = np.linalg.eigvalsh(samples.T @ samples / len(samples))[-1]
            assert measured[name][row, -1] == pytest.approx(exact, rel=1e-9), name


@pytest.mark.parametrize("name", ["task-mlp", "task-cnn", "task-attention", "task-digits"])
def test_curvatures_of_shipped_tasks_are_finite(name: str) -> None:
    content = shipped(name).model_dump(mode="json", exclude_defaults=True)
    content["measurement"] = {
        "duration": 2, "times": {"kind": "list", "values": [0, 2]}, "sharpness": True,
        "test_samples": 16,
    }  # fmt: skip
    study = Study.from_dict(content)
    patterns = {"pattern_count": study.grid.pattern_count[0]} if study.grid.pattern_count else {}
    measured = simulate(point_of(study, 0, 2, **patterns))
    for variable in ("sharpness", "batch_sharpness"):
        assert np.isfinite(measured[variable]).all()
        assert (measured[variable] > 0).all()


def test_gradient_noise_of_a_set_is_that_of_its_samples() -> None:
    """Groups of single samples: the covariance of all of them, to rounding."""
    study = linear(
        system={"pattern_count": 20},
        dynamics={"precision": "float64", "sampling": "with-replacement"},
        measurement={"gradient_noise": True},
    )
    point = point_of(study, 0, 2)
    measured = simulate(point)
    with engine_module.torch_of_its_own(torch.float64):
        students = engine_module._students(point, 0, engine_module._lanes(point), "cpu")
        inputs, targets = students.descents[0].source.patterns or ({}, torch.empty(0))
        w = students.descents[0].learned["w"]
    for row in range(2):
        x, y = inputs[""][row].numpy(), targets[row].numpy()
        gradients = (x @ w[row].numpy() - y)[:, None] * x
        mean = gradients.mean(axis=0)
        trace = np.sum((gradients - mean) ** 2) / 19
        assert measured["gradient_square"][row, 0] == pytest.approx(mean @ mean, rel=1e-10)
        assert measured["gradient_variance"][row, 0] == pytest.approx(trace, rel=1e-10)
