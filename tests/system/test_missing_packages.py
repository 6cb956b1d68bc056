"""What an extra needs and is not there: said before anything is compiled, with what works."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("module", "words", "extra"),
    [
        ("distributed", ["--dask", "local"], ".[dask]"),
        ("dask_jobqueue", ["--slurm", "partition=x,hours=1,jobs=1"], ".[slurm]"),
    ],
)
def test_without_dask(
    module: str,
    words: list[str],
    extra: str,
    tiny_file: Path,
    tmp_path: Path,
    physbatch_command: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    if module != "distributed":
        pytest.importorskip("distributed", reason="component missing: dask.distributed")
    (tmp_path / f"{module}.py").write_text("raise ImportError('not here')")
    path = f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"
    target = tmp_path / "x.nc"
    done = physbatch_command("run", tiny_file, "-o", target, *words, env={"PYTHONPATH": path})
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"pip install -c constraints.txt -e '{extra}'" in done.stderr
    assert not target.with_name("x.nc.cells").exists()
