"""The cache of compiled code: none, a damaged one, one that others can write."""

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


#: Compiles in half a second; the module is a copy of its own, so that no other cache is touched.
KERNEL = """
from physbatch.compilation import cached_njit

@cached_njit()
def total(values):
    sum = 0.0
    for value in values:
        sum += value
    return sum
"""
CALL = (
    "import sys; sys.path.insert(0, sys.argv[1]); import numpy as np; from small import total; "
    "print(total(np.arange(5.0)), sum(total.stats.cache_hits.values()))"
)


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    """A folder with a small compiled function, which is in its cache."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "small.py").write_text(KERNEL)
    assert call(folder) == ("10.0 0", "")
    assert call(folder) == ("10.0 1", "")
    return folder


def call(folder: Path, **environment: str) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", CALL, str(folder)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), done.stderr


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", ["empty", "torn", "flipped"])
def test_a_damaged_cache_is_built_again(suffix: str, damage: str, kernel: Path) -> None:
    (file,) = (kernel / "__pycache__").glob(f"*.{suffix}")
    content = bytearray(file.read_bytes())
    if damage == "empty":
        content.clear()
    elif damage == "torn":
        del content[len(content) // 2 :]
    else:
        content[len(content) // 2] ^= 1
    file.write_bytes(content)
    answer, said = call(kernel)
    assert answer == "10.0 0"
    assert said == (f"physbatch: a damaged kernel cache is built again: {kernel / '__pycache__'}\n")
    assert call(kernel) == ("10.0 1", "")


@pytest.mark.skipif(os.name != "posix", reason="component missing: POSIX permissions")
def test_a_cache_that_others_can_write_is_not_used(kernel: Path, tmp_path: Path) -> None:
    cache = kernel / "__pycache__"
    cache.chmod(0o777)
    answer, said = call(kernel)
    assert answer == "10.0 0"
    assert said.startswith(f"physbatch: the kernel cache {cache} is not used: other users can ")
    assert said.count("\n") == 1
    assert call(kernel, PHYSBATCH_TRUST_CACHE="1") == ("10.0 1", "")
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    answer, said = call(kernel, NUMBA_CACHE_DIR=str(shared))
    assert answer == "10.0 0"
    assert f"other users can write {shared};" in said
    shared.chmod(0o1777)  # as /tmp is: who makes a folder there owns it
    assert call(kernel, NUMBA_CACHE_DIR=str(shared)) == ("10.0 0", "")
    assert call(kernel, NUMBA_CACHE_DIR=str(shared)) == ("10.0 1", "")
