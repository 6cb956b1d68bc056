"""Pipes, folders and broken links under the names of files of a store: set aside, by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import xarray as xr

from physbatch.cli import main
from physbatch.dataset import open_dataset
from physbatch.study import Study
from physbatch.sweep import run_study
from tests.conftest import TINY, plan_of

MAKE: dict[str, Callable[[Path], None]] = {
    "pipe": os.mkfifo,
    "folder": Path.mkdir,
    "broken link": lambda path: path.symlink_to("nowhere"),
}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    return run_study(Study.from_dict(TINY), tmp_path_factory.mktemp("ref") / "x.nc", workers=1)


@pytest.mark.parametrize("kind", MAKE)
@pytest.mark.parametrize(
    "name", ["shard", "lock", "lock-1-of-3", "study.toml", "index", "checkpoint", ".takeover"]
)
def test_a_run_goes_on(
    kind: str,
    name: str,
    reference: xr.Dataset,
    tiny_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    target = tmp_path / "x.nc"
    folder = target.with_name("x.nc.cells")
    folder.mkdir()
    plan = plan_of(Study.from_dict(TINY))
    names = {
        "shard": f"{'0' * 32}.nc",
        "index": f"index-{plan.name[:16]}.jsonl",
        "checkpoint": f"{plan.cells[0].key}.checkpoint",
    }
    path = folder / names.get(name, name)
    MAKE[kind](path)
    assert main(["status", str(target)]) in (0, 2)
    assert main(["run", str(tiny_file), "-o", str(target), "-w", "1"]) == 0
    said = capsys.readouterr().err
    assert f"set aside, no regular file: {path}.damaged" in said
    assert os.path.lexists(f"{path}.damaged")
    data = open_dataset(target)
    for variable in reference.variables:
        assert data[variable].values.tobytes() == reference[variable].values.tobytes(), variable


@pytest.mark.parametrize("kind", MAKE)
def test_an_output_that_is_no_file(
    kind: str, tiny_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "x.nc"
    MAKE[kind](target)
    code = main(["run", str(tiny_file), "-o", str(target), "-w", "1"])
    assert code == (0 if kind == "broken link" else 2)
    if code:
        assert capsys.readouterr().err.startswith(f"physbatch: {target}: ")
        assert main(["analyse", str(target)]) == 2


def test_a_merge_of_parts_with_a_pipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    part = tmp_path / "part.nc"
    run_study(Study.from_dict(TINY), part, workers=1)
    pipe = tmp_path / "part.nc.cells" / f"{'0' * 32}.nc"
    os.mkfifo(pipe)
    assert main(["merge", str(tmp_path / "whole.nc"), str(part)]) == 2
    assert f"{pipe}: cannot read (is no regular file)" in capsys.readouterr().err
