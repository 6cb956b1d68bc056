"""Runs that a user's own script starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
from physbatch.study import Study
from physbatch.sweep import plan
from physbatch.sweep import Cluster, run_study
plan.CELLS_PER_SHARD = 1
print("begun")
{guard}run_study(Study.from_toml({study!r}), {target!r}, workers={workers}{more})
"""


def run_script(folder: Path, study: Path, guard: str, workers: int, more: str = "") -> str:
    """What a script prints to stderr; its exit code is noted at the end."""
    path = folder / "script.py"
    target = str(folder / "x.nc")
    path.write_text(
        SCRIPT.format(study=str(study), target=target, guard=guard, workers=workers, more=more)
    )
    done = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, check=False, timeout=120
    )
    return f"{done.stderr}exit code {done.returncode}"


OWN = """
title = "dynamics of a script"
system = { kind = "own" }
dynamics = { kind = "constant" }

[grid]
size = [4]
batch_size = [1, 2, 3, 4]
replicas = 2

[measurement]
duration = 1
"""
#: Registers the dynamics of `OWN`, before the guard.
DYNAMICS = """
import numpy as np
from physbatch.engines import register
def ones(point, streams):
    return {"overlap": np.ones((point.replicas, len(point.times)))}
register("constant", ones)
"""


def test_a_script_with_dynamics_and_without_a_guard_is_told_so(tmp_path: Path) -> None:
    """One error, not one for each of four cells in each of two workers."""
    study = tmp_path / "own.toml"
    study.write_text(OWN)
    found = run_script(tmp_path, study, DYNAMICS, workers=2).splitlines()
    assert found[-1] == "exit code 1"
    assert sum(line.startswith("Traceback") for line in found) == 1
    assert found[-2] == (
        "physbatch.errors.StudyError: run_study: the script with dynamics of its own starts its "
        'run again in every worker process; call it under `if __name__ == "__main__":`, or with '
        "workers=1"
    )
    assert not list(tmp_path.glob("x.nc.cells/lock*"))


def test_so_is_one_that_computes_on_local_dask_workers(tiny_file: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="component missing: dask.distributed")
    found = run_script(tmp_path, tiny_file, "", 2, ', cluster=Cluster("local")').splitlines()
    assert found[-1] == "exit code 1"
    assert "run_study: dask workers do not start on this machine" in found[-2]
    assert found[-2].endswith('in a script, call it under `if __name__ == "__main__":`')


@pytest.mark.parametrize("workers", [1, 2])
def test_a_script_needs_no_guard(workers: int, tiny_file: Path, tmp_path: Path) -> None:
    """Nor do its workers print what it prints."""
    assert run_script(tmp_path, tiny_file, "", workers) == "exit code 0"
    assert (tmp_path / "x.nc").exists()


def test_a_script_with_dynamics_and_a_guard_is_right(tmp_path: Path) -> None:
    study = tmp_path / "own.toml"
    study.write_text(OWN)
    guard = f'{DYNAMICS}if __name__ == "__main__": '
    assert run_script(tmp_path, study, guard, 2) == "exit code 0"
    assert (tmp_path / "x.nc").exists()
