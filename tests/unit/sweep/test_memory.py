"""Memory is looked at before a run starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from physbatch.cli import main
from physbatch.errors import StudyError
from physbatch.study import catalogue
from physbatch.sweep import memory
from physbatch.sweep.memory import WORKER_BYTES, available_bytes, parse_bytes, workers_that_fit
from physbatch.sweep.run import run_study
from tests.conftest import plan_of

SMALL = catalogue.study("greedy-unit", replicas=4, duration=10, batch_size=[1, 2])


def test_sizes_are_read() -> None:
    assert parse_bytes("8GB") == parse_bytes("8G") == 8_000_000_000
    assert parse_bytes("1.5 MB") == 1_500_000
    for wrong in ("", "many", "-1GB", "0", "8 Gigs"):
        with pytest.raises(StudyError, match=r"--memory.*no size"):
            parse_bytes(wrong)


def test_as_many_workers_as_fit() -> None:
    plan = plan_of(SMALL)
    each = WORKER_BYTES + plan.most_bytes
    assert [workers_that_fit(plan, 4, n * each) for n in (1, 2, 3, 9)] == [1, 2, 3, 4]
    with pytest.raises(StudyError, match="is the limit"):
        workers_that_fit(plan, 4, each - 1)


def test_the_need_grows_with_the_cell() -> None:
    """Memory of the largest cell, not of the mean one: at least its weights and graph."""
    large = plan_of(catalogue.study("sparse-vector", size=[100, 100_000], batch_size=[12]))
    assert large.most_bytes > 32 * 2 * 100_000 * 5 * 7


def test_what_the_system_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A control group may leave less than the machine has."""
    free = available_bytes()
    if free is None:
        pytest.skip("component missing: /proc/meminfo")
    assert 10**7 < free < 10**14
    (tmp_path / "memory.max").write_text("5000000\n", "ascii")
    (tmp_path / "memory.current").write_text("3000000\n", "ascii")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert available_bytes() == 2_000_000
    (tmp_path / "memory.max").write_text("max\n", "ascii")
    assert available_bytes() is not None
    assert available_bytes() > 10**7  # type: ignore[operator]


@pytest.mark.parametrize(
    ("line", "folder", "names"),
    [
        ("0::/user/job/step", "user/job", ("memory.max", "memory.current", "inactive_file")),
        (
            "4:cpu,memory:/slurm/job_7",
            "memory/slurm/job_7",
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ),
        ("0::/../../pods/x", "", ("memory.max", "memory.current", "inactive_file")),
    ],
    ids=["a group around ours", "version 1", "a path from outside"],
)
def test_groups_within_groups(
    line: str,
    folder: str,
    names: tuple[str, str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if available_bytes() is None:
        pytest.skip("component missing: /proc/meminfo")
    groups, proc = tmp_path / "groups", tmp_path / "proc"
    (proc / "self").mkdir(parents=True)
    (proc / "self" / "cgroup").write_text(f"7:pids:/else\n{line}\n")
    limiting = groups / folder
    limiting.mkdir(parents=True)
    monkeypatch.setattr(memory, "_CGROUP", groups)
    monkeypatch.setattr(memory, "_PROC", proc)
    before = available_bytes()
    assert before is not None
    assert before > 10**7
    (limiting / names[0]).write_text("5000000\n")
    (limiting / names[1]).write_text("3000000\n")
    assert available_bytes() == 2_000_000
    (limiting / "memory.stat").write_text(f"anon 7\n{names[2]} 1000000\n")
    assert available_bytes() == 3_000_000


def test_a_run_that_cannot_fit_is_refused_before_it_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study, target = tmp_path / "s.toml", tmp_path / "d.nc"
    study.write_text(SMALL.to_toml(), "utf-8")
    assert main(["run", str(study), "-o", str(target), "--memory", "1MB"]) == 2
    said = capsys.readouterr().err
    assert "one worker needs about 0.25 GB" in said
    assert "Traceback" not in said
    assert not target.exists()


def test_fewer_workers_give_the_same_data(tmp_path: Path) -> None:
    both = [
        run_study(SMALL, tmp_path / f"{name}.nc", workers=workers, memory=limit)
        for name, workers, limit in (("one", 1, None), ("two", 2, 300_000_000))
    ]
    assert both[0].drop_attrs().identical(both[1].drop_attrs())
