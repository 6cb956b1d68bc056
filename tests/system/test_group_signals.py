"""Signals to the whole process group: a scheduler, a closed terminal, ``kill %1``.

They reach the workers as well, and those must not die of them: the main process decides.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from physbatch.study import Study
from tests.conftest import TINY, command_line

if not Path("/proc/self/task").exists():
    pytest.skip("component missing: /proc", allow_module_level=True)

TICKS = os.sysconf("SC_CLK_TCK")
#: Processor seconds of a worker after which its cell has run for more than three.
LONG_ENOUGH = 6.0


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two cells that no test waits for."""
    content: dict[str, Any] = {
        **TINY,
        "grid": {"size": [300], "batch_size": [1.5, 2], "replicas": 4},
        "measurement": {"duration": 10_000_000, "test_samples": 70},
    }
    path = tmp_path / "endless.toml"
    path.write_text(Study.from_dict(content).to_toml())
    return path


def members(group: int) -> dict[int, float]:
    """Processor seconds of the living processes of a group that compute."""
    seconds = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[2]) == group and fields[0] not in "ZX":
                seconds[int(path.parent.name)] = (int(fields[11]) + int(fields[12])) / TICKS
    return seconds


def start(study: Path, target: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command_line(["run", study, "-o", target, *more]),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_work(process: subprocess.Popen[str], workers: int) -> None:
    """Until so many processes have computed for long."""
    deadline = time.monotonic() + 240
    while sum(spent >= LONG_ENOUGH for spent in members(process.pid).values()) < workers:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def assert_nothing_is_left(process: subprocess.Popen[str], folder: Path) -> None:
    assert not list(folder.glob("lock*"))
    assert not list(folder.glob(".*.tmp"))
    deadline = time.monotonic() + 10
    while members(process.pid):
        assert time.monotonic() < deadline, "a process outlived the run"
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("name", "words", "cells"),
    [
        ("SIGTERM", ["--workers", "2"], 2),
        pytest.param("SIGHUP", ["--workers", "1"], 1, marks=pytest.mark.slow),
        pytest.param("SIGHUP", ["--workers", "2"], 2, marks=pytest.mark.slow),
        pytest.param("SIGTERM", ["--dask", "local", "--workers", "2"], 2, marks=pytest.mark.slow),
        pytest.param("SIGHUP", ["--dask", "local", "--workers", "2"], 2, marks=pytest.mark.slow),
    ],
)
def test_cells_in_flight_are_saved(
    name: str, words: list[str], cells: int, study: Path, tmp_path: Path
) -> None:
    target = tmp_path / "x.nc"
    process = start(study, target, *words)
    wait_for_work(process, cells)
    os.killpg(process.pid, getattr(signal, name))
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 75, errors
    assert "Traceback" not in errors
    assert f"stopped by the signal {name}: 0 of 2 cells" in errors.strip().splitlines()[-1]
    folder = target.with_name("x.nc.cells")
    assert len(list(folder.glob("*.checkpoint"))) == cells
    assert_nothing_is_left(process, folder)


@pytest.mark.parametrize("name", ["SIGHUP", pytest.param("SIGTERM", marks=pytest.mark.slow)])
def test_before_the_first_cell(name: str, study: Path, tmp_path: Path) -> None:
    """While kernels are compiled or loaded the lock is there already."""
    target = tmp_path / "x.nc"
    process = start(study, target, "--workers", "2")
    folder = target.with_name("x.nc.cells")
    deadline = time.monotonic() + 120
    while not (folder / "lock").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.001)
    os.killpg(process.pid, getattr(signal, name))
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 75, errors
    assert "Traceback" not in errors
    assert_nothing_is_left(process, folder)


def test_a_terminal_that_is_closed(study: Path, tmp_path: Path) -> None:
    """Nobody to tell: neither the note nor the bar may end the run before the cell is saved."""
    target = tmp_path / "x.nc"
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        command_line(["run", study, "-o", target, "--workers", "1"]),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    os.set_blocking(ours, False)
    deadline = time.monotonic() + 240
    while not any(spent >= LONG_ENOUGH for spent in members(process.pid).values()):
        with contextlib.suppress(OSError):
            os.read(ours, 1 << 16)
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.close(ours)
    os.killpg(process.pid, signal.SIGHUP)
    assert process.wait(120) == 75
    folder = target.with_name("x.nc.cells")
    assert len(list(folder.glob("*.checkpoint"))) == 1
    assert not list(folder.glob("lock*"))


def test_nohup_is_obeyed(study: Path, tmp_path: Path) -> None:
    """A run that was told to outlive its terminal does."""
    target = tmp_path / "x.nc"
    process = subprocess.Popen(
        ["nohup", *command_line(["run", study, "-o", target, "--workers", "1"])],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        folder = target.with_name("x.nc.cells")
        deadline = time.monotonic() + 120
        while not any('"take"' in path.read_text() for path in folder.glob("index-*")):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 75
