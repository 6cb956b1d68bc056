"""Faults in a task that torch or Python would tell in a traceback, or nobody would see."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from physbatch.cli import main
from tests.unit.engines.test_torch_task import FILE, FORWARD, GOOD, STUDENT

SAY = f'{FORWARD}        return x @ p["w"]'
LABEL = 'return x @ p["w"]\n    def forward'
INPUTS = "return draw.normal(count, size)"
TEACHER = 'return {"w": draw.normal(size, 1)}\n    def teacher_forward'
MODULE = "return torch.nn.Sequential({}torch.nn.Linear(size, 1))\n    def teacher("
OTHER_NUMBERS = r"gives other numbers when it is called again; take random numbers from draw"
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
    "own_generator": (
        (
            INPUTS,
            "x = np.random.default_rng().normal(size=(count, size))\n"
            "        return torch.from_numpy(x)",
        ),
        rf"Task.inputs: {OTHER_NUMBERS}",
    ),
    "count_of_calls": (
        (
            TEACHER,
            f"self.n = getattr(self, 'n', 0) + 1\n        {TEACHER}".replace("}", " * self.n}"),
        ),
        rf"Task.teacher: {OTHER_NUMBERS}",
    ),
    "drawn_when_built": (
        ("def inputs", "def __init__(self): self.w = torch.randn(3)\n    def inputs"),
        r"Task.__init__: uses the global random numbers of torch; take them from draw in inputs",
    ),
    "built_another_way": (
        (
            "def inputs",
            "def __init__(self): self.w = np.random.default_rng().normal(size=(9, 1))\n"
            "    def label_noise(self, y, draw): return y + self.w[0, 0]\n    def inputs",
        ),
        rf"Task.label_noise: {OTHER_NUMBERS}",
    ),
    "setting": (
        (INPUTS, f"torch.set_default_dtype(torch.float16)\n        {INPUTS}"),
        r"Task.inputs: calls torch.set_default_dtype, which changes all that follows",
    ),
    "gradients_off": (
        (SAY, SAY.replace("return", "torch.set_grad_enabled(False)\n        return")),
        r"Task: what forward returns does not depend on the weights",
    ),
    "other_width": (
        (INPUTS, INPUTS.replace("size)", "size + draw.replica)")),
        r"Task.inputs: gives another shape in each replica",
    ),
    "no_number": (
        (SAY, SAY.replace('x @ p["w"]', "3.0")),
        r"Task.forward: returns float, not one row for each of \d+ samples",
    ),
    "integer_loss": (
        ("def inputs", "def loss(self, f, y): return (f - y)[:, 0].long()\n    def inputs"),
        r"Task: loss returns int64 numbers",
    ),
    "constant_loss": (
        ("def inputs", "def loss(self, f, y): return torch.zeros(len(f))\n    def inputs"),
        r"Task: the loss does not depend on the weights",
    ),
    "batch_normalisation": (
        (STUDENT, MODULE.format("torch.nn.BatchNorm1d(size), ")),
        r"Task.student: holds BatchNorm1d, which changes its buffers; leave it out, or return",
    ),
    "dropout": (
        (STUDENT, MODULE.format("torch.nn.Dropout(), ")),
        r"Task.student: holds Dropout, which draws; leave it out",
    ),
    "lazy": (
        (STUDENT, MODULE.format("torch.nn.LazyLinear(3), ")),
        r"Task.student: holds LazyLinear, whose shape is not known; give its sizes",
    ),
    "frozen": (
        (STUDENT, MODULE.format("").replace("\n", ".requires_grad_(False)\n")),
        r"Task.student: has no weights that are learned; give floating-point tensors",
    ),
    "name_of_a_dimension": (
        (FORWARD, f"def observables(self, s, t, x): return {{'time': 1.0}}\n    {FORWARD}"),
        r"task.py:Task: no observable can be called 'time'",
    ),
    "word": (
        (FORWARD, f"def overlap(self, s, t): return '1'\n    {FORWARD}"),
        r"Task: 'overlap' is not one number",
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
