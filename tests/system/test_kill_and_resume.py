"""Killed at a random moment and run again: the same bits as if nothing had happened."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from physbatch import dataset
from physbatch.study import Study
from physbatch.sweep import run_study
from tests.conftest import command_line

#: Enough cells and time that a kill lands in the middle.
STUDY: dict[str, Any] = {
    "title": "a study to be interrupted",
    "system": {"depth": 2, "wiring": {"kind": "regular", "degree": 5}},
    "dynamics": {"kind": "greedy"},
    "grid": {"size": [60, 90], "batch_size": [4, 5, 6, 7, 8, 9], "replicas": 32},
    "measurement": {"duration": 600, "test_samples": 64},
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    return run_study(
        Study.from_dict(STUDY), tmp_path_factory.mktemp("undisturbed") / "x.nc", workers=2
    )


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    path = tmp_path / "study.toml"
    path.write_text(Study.from_dict(STUDY).to_toml())
    return path


def start(study_file: Path, target: Path, workers: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command_line(["run", study_file, "-o", target, "--workers", str(workers)]),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_shards(target: Path, count: int, process: subprocess.Popen[str]) -> None:
    folder = target.with_name(target.name + ".cells")
    deadline = time.monotonic() + 60
    while len(list(folder.glob("*.nc"))) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(word) for word in text.split()]


def assert_same_bits(target: Path, reference: xr.Dataset) -> None:
    data = dataset.open_dataset(target)
    for name in reference.variables:
        assert data[name].values.tobytes() == reference[name].values.tobytes(), name


@pytest.mark.parametrize(
    "round_", [0, *(pytest.param(number, marks=pytest.mark.slow) for number in (1, 2))]
)
def test_main_process_killed(
    round_: int, study_file: Path, tmp_path: Path, undisturbed: xr.Dataset
) -> None:
    chance = random.Random(round_)
    target = tmp_path / "data.nc"
    for kills, workers in enumerate((2, 1, 2)):
        process = start(study_file, target, workers)
        wait_for_shards(target, kills + 1, process)
        time.sleep(chance.uniform(0, 0.5))
        workers_alive = children(process.pid)
        process.kill()
        process.communicate()
        # Workers must notice by themselves that their parent is gone.
        deadline = time.monotonic() + 10
        while any(Path(f"/proc/{pid}").exists() for pid in workers_alive):
            assert time.monotonic() < deadline, "a worker outlived its parent"
            time.sleep(0.05)
    process = start(study_file, target, 2)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert_same_bits(target, undisturbed)


def test_worker_killed(study_file: Path, tmp_path: Path, undisturbed: xr.Dataset) -> None:
    if not Path("/proc/self/task").exists():
        pytest.skip("no /proc on this system")
    target = tmp_path / "data.nc"
    process = start(study_file, target, 2)
    wait_for_shards(target, 2, process)
    victims = [
        pid
        for pid in children(process.pid)
        if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    os.kill(victims[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    last = errors.strip().splitlines()[-1]
    assert "a worker process died (exit code -9)" in last
    assert "run the same command again" in last
    assert "Traceback" not in errors
    process = start(study_file, target, 2)
    process.communicate(timeout=120)
    assert_same_bits(target, undisturbed)


@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c(presses: int, study_file: Path, tmp_path: Path, undisturbed: xr.Dataset) -> None:
    """Once: the cells in flight are finished. Twice: stop now. Both leave a valid store."""
    target = tmp_path / "data.nc"
    process = start(study_file, target, 2)
    wait_for_shards(target, 2, process)
    for _ in range(presses):
        # As a terminal does: to the whole process group, workers included.
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.1)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    last = errors.strip().splitlines()[-1]
    assert "of 12 cells are saved; run the same command again to go on" in last
    assert not target.exists()
    process = start(study_file, target, 2)
    process.communicate(timeout=120)
    assert_same_bits(target, undisturbed)
