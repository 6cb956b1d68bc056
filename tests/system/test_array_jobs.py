"""Parts, time limits and signals: a run cut into pieces gives the bits of the whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from physbatch import dataset
from physbatch.cli import main
from physbatch.engines import Pauses
from physbatch.study import Study
from physbatch.sweep import run_study
from tests.conftest import TINY, command_line, plan_of

Command = Callable[..., subprocess.CompletedProcess[str]]

#: One cell of some seconds: the same kernel as the tiny study, many sweeps.
LONG: dict[str, Any] = {
    **TINY,
    "title": "one long cell",
    "grid": {"size": [300], "batch_size": [2], "replicas": 4},
    "measurement": {"duration": 60_000, "test_samples": 70},
}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    return run_study(Study.from_dict(TINY), tmp_path_factory.mktemp("ref") / "x.nc", workers=1)


@pytest.fixture
def long_file(tmp_path: Path) -> Path:
    path = tmp_path / "long.toml"
    path.write_text(Study.from_dict(LONG).to_toml())
    return path


@pytest.fixture
def endless_file(tmp_path: Path) -> Path:
    """A cell that no test waits for."""
    path = tmp_path / "endless.toml"
    measurement = {"duration": 10_000_000, "test_samples": 70}
    path.write_text(Study.from_dict({**LONG, "measurement": measurement}).to_toml())
    return path


def assert_same_bits(target: Path, reference: xr.Dataset) -> None:
    data = dataset.open_dataset(target)
    for name in reference.variables:
        assert data[name].values.tobytes() == reference[name].values.tobytes(), name


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_parts_and_merge(
    tiny_file: Path, tmp_path: Path, reference: xr.Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "parts.nc"
    run = ["run", str(tiny_file), "-o", str(target), "-w", "1"]
    assert main([*run, "--cells", "2/4"]) == 0
    assert "part     2 of 4: its 2 cells are done" in capsys.readouterr().out
    assert main(["merge", str(target)]) == 2
    assert "cells are missing at 4 of 6 grid points" in last_line(capsys)
    assert not target.exists()
    assert main(["merge", str(target), "--partial"]) == 0
    partial = dataset.open_dataset(target)
    assert int((partial["status"] != dataset.STATUS_MISSING).all("replica").sum()) == 2
    assert main(["status", str(target)]) == 0
    assert "unfinished: 2 of 6 cells done" in capsys.readouterr().out
    for number in (1, 3, 4):
        assert main([*run, "--cells", f"{number}/4"]) == 0
    assert main(["merge", str(target)]) == 0
    assert_same_bits(target, reference)


def test_parts_that_share_no_folder(
    tiny_file: Path, tmp_path: Path, reference: xr.Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each part has an output of its own; merging copies their cells."""
    outputs = [tmp_path / f"part{number}.nc" for number in (1, 2)]
    for number, output in enumerate(outputs, start=1):
        words = ["run", str(tiny_file), "-o", str(output), "-w", "1", "--cells", f"{number}/2"]
        assert main(words) == 0
    target = tmp_path / "whole.nc"
    assert main(["merge", str(target), *map(str, outputs)]) == 0
    assert_same_bits(target, reference)
    # A damaged shard is named and nothing is written.
    shard = next((tmp_path / "part1.nc.cells").glob("*.nc"))
    shard.write_bytes(shard.read_bytes()[:-1000] + b"x" * 1000)
    assert main(["merge", str(tmp_path / "again.nc"), *map(str, outputs)]) == 2
    assert str(shard) in last_line(capsys)
    assert not (tmp_path / "again.nc").exists()


@pytest.mark.parametrize("part", ["0/4", "5/4", "1", "a/b", "1.5/4", "1/0"])
def test_no_parts(part: str, tiny_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", str(tiny_file), "-o", str(tiny_file.parent / "x.nc"), "--cells", part]
    assert main(words) == 2
    assert "is no part; give I/N with I from 1 to N" in last_line(capsys)


def start(study: Path, target: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command_line(["run", study, "-o", target, *more]),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until_computing(target: Path, process: subprocess.Popen[str]) -> None:
    """The index says which group is taken."""
    folder = target.with_name(target.name + ".cells")
    deadline = time.monotonic() + 120
    while not any('"take"' in path.read_text() for path in folder.glob("index-*")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_signal_saves_a_long_cell_and_the_exit_code_says_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Study.from_dict({**LONG, "measurement": {"duration": 120_000, "test_samples": 70}})
    long_file = tmp_path / "long.toml"
    long_file.write_text(study.to_toml())
    target = tmp_path / "long.nc"
    process = start(long_file, target, "--workers", "1")
    wait_until_computing(target, process)
    time.sleep(3.5)  # what took less than three seconds is not saved
    os.kill(process.pid, signal.SIGUSR1)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 75, errors
    last = errors.strip().splitlines()[-1]
    assert "stopped by the signal SIGUSR1: 0 of 1 cells are saved; run the same" in last
    assert "Traceback" not in errors
    folder = target.with_name(target.name + ".cells")
    assert len(list(folder.glob("*.checkpoint"))) == 1
    assert not list(folder.glob("lock*"))
    process = start(long_file, target, "--workers", "1")
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert not list(folder.glob("*.checkpoint"))
    # Against the kernel in one go, without any of the machinery above.
    monkeypatch.setattr(Pauses, "pieces", lambda self, first, last, state: (last,))
    plan = plan_of(study)
    whole = plan.engine.simulate(plan.cells[0], "cpu")
    data = dataset.open_dataset(target)
    for name, values in whole.items():
        assert data[name].values.tobytes() == values.tobytes(), name


def test_a_time_limit(endless_file: Path, tmp_path: Path) -> None:
    target = tmp_path / "long.nc"
    process = start(endless_file, target, "--workers", "1", "--time-limit", "00:00:01")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 75, errors
    assert "stopped by the time limit: 0 of 1 cells are saved" in errors.splitlines()[-1]


@pytest.mark.parametrize("name", [".", "/", "x" * 300])
def test_names_that_are_none(
    name: str,
    tiny_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (["status", name], ["merge", name], ["run", str(tiny_file), "-o", name]):
        assert main(words) == 2
        assert last_line(capsys).startswith(f"physbatch: {name}")
    assert list(tmp_path.iterdir()) == [tiny_file]


def test_durations_that_are_none(tiny_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tiny_file.parent / "x.nc"
    for text in ("0", "-5m", "soon", "1:2", "1e3", "1h30m"):
        words = ["run", str(tiny_file), "-o", str(target), f"--time-limit={text}"]
        assert main(words) == 2
        assert "is no duration; give 90s, 55m, 2h or 02:00:00" in last_line(capsys)


def test_two_runs_on_one_output(
    endless_file: Path, tmp_path: Path, physbatch_command: Command
) -> None:
    target = tmp_path / "long.nc"
    process = start(endless_file, target, "--workers", "1")
    wait_until_computing(target, process)
    second = physbatch_command("run", endless_file, "-o", target)
    assert second.returncode == 2
    assert second.stderr.count("\n") == 1
    assert f"is being written by process {process.pid} on " in second.stderr
    status = physbatch_command("status", target)
    assert "running: 0 of 1 cells done" in status.stdout
    assert "running  1 cells" in status.stdout
    process.kill()
    process.communicate()
    status = physbatch_command("status", target)
    assert "unfinished: 0 of 1 cells done" in status.stdout


def test_the_slurm_script_goes_on_until_all_is_done(
    long_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run by bash as Slurm would, with the warning sent to the shell; scontrol takes notes."""
    target = tmp_path / "with space's.nc"
    assert main(["slurm", str(long_file), "-o", str(target), "--jobs", "1"]) == 0
    script = tmp_path / "job.sh"
    script.write_text(capsys.readouterr().out)
    text = script.read_text()
    assert "#SBATCH --array=1-1" in text
    assert "#SBATCH --signal=B:USR1@60" in text
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "scontrol").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/requeued\n')
    (tools / "scontrol").chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "SLURM_ARRAY_JOB_ID": "12",
        "SLURM_ARRAY_TASK_ID": "1",
        "SLURM_CPUS_PER_TASK": "1",
    }
    job = subprocess.Popen(["bash", script], env=environment, start_new_session=True)
    wait_until_computing(target, job)
    os.kill(job.pid, signal.SIGUSR1)
    assert job.wait(120) == 75
    assert (tmp_path / "requeued").read_text() == "requeue 12_1\n"
    done = subprocess.run(["bash", script], env=environment, timeout=300, check=False)
    assert done.returncode == 0
    assert (tmp_path / "requeued").read_text() == "requeue 12_1\n"
    assert main(["merge", str(target)]) == 0
    assert bool((dataset.open_dataset(target)["status"] == dataset.STATUS_OK).all())


def test_slurm_scripts_hold_no_foreign_words(
    long_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["slurm", str(long_file), "-o", str(tmp_path / "x.nc")]
    for more in (
        ["--partition", "a\n#SBATCH --mail-user=x"],
        ["--account", "$(reboot)"],
        ["--time", "1 day"],
        ["--time", "00:01:00"],
        ["--jobs", "0"],
    ):
        assert main([*words, *more]) == 2
        assert last_line(capsys).startswith("physbatch: --")
    assert main([*words, "--partition", "short", "--account", "p-17", "--cpus", "4"]) == 0
    text = capsys.readouterr().out
    assert "#SBATCH --partition=short\n#SBATCH --account=p-17\n" in text
    assert sys.executable in text
