"""Where no compiled code can be kept, everything still runs, and one line says so."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import physbatch
from physbatch import dataset

STUDY = """
title = "one unit"
[system]
depth = 1
wiring = { kind = "tree", degree = 3 }
[dynamics]
kind = "greedy"
ties = "accept"
refresh = "proposal"
[grid]
size = [3]
batch_size = [1, 2]
replicas = 4
[measurement]
duration = 5
"""


@pytest.fixture
def locked_package(tmp_path: Path) -> Path:
    """A copy of the package in which a plain file stands where each cache would be."""
    copy = tmp_path / "site" / "physbatch"
    source = Path(physbatch.__file__).parent
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in (copy, *(path for path in copy.rglob("*") if path.is_dir())):
        (folder / "__pycache__").write_text("", "utf-8")
    return copy.parent


def test_a_run_without_a_writable_cache(locked_package: Path, tmp_path: Path) -> None:
    study, target, blocked = tmp_path / "s.toml", tmp_path / "d.nc", tmp_path / "no-folder"
    study.write_text(STUDY, "utf-8")
    blocked.write_text("", "utf-8")
    environment = {
        **os.environ,
        "PYTHONPATH": str(locked_package),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(blocked),
        "XDG_CACHE_HOME": str(blocked),
        "OMP_NUM_THREADS": "1",
    }
    environment.pop("NUMBA_CACHE_DIR", None)
    words = ("run", str(study), "-o", str(target), "--workers", "1")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "physbatch", *words],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    assert said.count("set NUMBA_CACHE_DIR") == 1
    assert "Traceback" not in said
    assert "Warning" not in said
    assert (dataset.open_dataset(target)["status"] == dataset.STATUS_OK).all()
