"""Faults in a task that torch or Python would tell in a traceback, or nobody would see."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from physbatch.cli import main
from tests.unit.engines.test_torch_task import FILE, FORWARD, GOOD, STUDENT

SAY = f'{FORWARD}        return x @ p["w"]'
LABEL = 'return x @ p["w"]\n    def forward'
RAGGED = 'if draw.replica: return {"w": draw.normal(size, 1), "b": draw.normal(1)}\n        '
#: What is written instead of what, and what is said.
FAULTS = {
    "no_dependence": (
        (SAY, SAY.replace('["w"]', '["w"].detach()')),
        r"Task: what forward returns does not depend on the weights; leave out detach",
    ),
    "integers": (
        (SAY, SAY.replace('x @ p["w"]', '(x @ p["w"]).long()')),
        r"Task: forward returns int64 numbers",
    ),
    "no_forward": (
        ("def forward", "def backward"),
        r"Task: has no function forward; write it, or return an nn.Module",
    ),
    "signature": (
        ("inputs(self, count, size, draw)", "inputs(self, count, size)"),
        r"task .*task.py:Task, at size = 4, batch_size = 2: TypeError: Task.inputs\(\) takes",
    ),
    "other_names": ((STUDENT, RAGGED + STUDENT), r"Task.student: gives other names in each"),
    "no_dictionary": (
        (
            FORWARD,
            "observable_names = ('a',)\n"
            f"    def observables(self, s, t, x): return 3\n    {FORWARD}",
        ),
        r"Task.observables: returns int, not a dictionary of numbers",
    ),
    "exit": (
        ("return draw.normal(count, size)", "raise SystemExit(0)"),
        r"task.py, line 7, at size = 4, batch_size = 2: SystemExit: 0",
    ),
    "classes": (
        (LABEL, LABEL.replace('x @ p["w"]', '(x @ p["w"])[:, 0].long().abs() + 3')),
        r"Task: teacher_forward returns class \d where it has 1 scores: classes are 0, 1",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_torch_does_not_place_is_one_clear_line(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (old, new), message = FAULTS[fault]
    assert old in GOOD
    (tmp_path / "study.toml").write_text(FILE)
    (tmp_path / "task.py").write_text(GOOD.replace(old, new, 1))
    monkeypatch.chdir(tmp_path)
    assert main(["run", "study.toml", "-o", "x.nc", "-w", "1", "--allow-code"]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("physbatch: ")
    assert re.search(message, lines[-1]), lines[-1]


def test_cells_that_were_done_before_a_fault_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three cells of one shard, the second of which cannot be made."""
    (tmp_path / "study.toml").write_text(FILE.replace("size = [4]", "size = [4, 6, 8]"))
    fault = "        if inputs.shape[1] == 6: raise ValueError('not six')\n"
    observables = f"    def observables(self, s, t, inputs):\n{fault}        return {{'a': 1.0}}\n"
    (tmp_path / "task.py").write_text(GOOD + observables)
    monkeypatch.chdir(tmp_path)
    assert main(["run", "study.toml", "-o", "x.nc", "-w", "1", "--allow-code"]) == 2
    assert "at size = 6, batch_size = 2: ValueError: not six" in capsys.readouterr().err
    assert main(["status", "x.nc"]) == 0
    assert "unfinished: 1 of 3 cells done" in capsys.readouterr().out
