"""From the name of a study to a report, in one folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import xarray as xr

import physbatch
from physbatch.cli import main
from physbatch.errors import InterruptedRun, OutputError, StudyError
from physbatch.results import open_results
from physbatch.sweep import run

SMALL = {"replicas": 8, "duration": 10}
FILES = {"study.toml", "data.nc", "results.nc", "figure.pdf", "figure.png", "report.html"}


def test_one_call_writes_all_and_again_the_same(tmp_path: Path) -> None:
    made = physbatch.quick("greedy-unit", tmp_path / "unit", workers=1, **SMALL)
    written = [path for paths in made.files.values() for path in paths]
    assert {path.name for path in written} == FILES
    assert all(str(path) in str(made) for path in written)
    assert made.results is not None
    assert open_results(tmp_path / "unit" / "results.nc").identical(made.results)
    assert physbatch.Study.from_toml(tmp_path / "unit" / "study.toml") == made.study
    before = {path: path.read_bytes() for path in written}
    physbatch.quick("greedy-unit", tmp_path / "unit", workers=1, **SMALL)
    assert {path: path.read_bytes() for path in written} == before


def test_interrupted_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done is not computed again, and the dataset is that of one run."""
    whole = physbatch.quick("greedy-unit", tmp_path / "whole", workers=1, **SMALL)
    merge = run.write_dataset

    def stopped(*_: object, **__: object) -> xr.Dataset:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "write_dataset", stopped)
    with pytest.raises(InterruptedRun):
        physbatch.quick("greedy-unit", tmp_path / "part", workers=1, **SMALL)
    cells = list((tmp_path / "part" / "data.nc.cells").glob("*.nc"))
    assert cells
    assert not (tmp_path / "part" / "data.nc").exists()
    before = {path: path.stat().st_mtime_ns for path in cells}
    monkeypatch.setattr(run, "write_dataset", merge)
    again = physbatch.quick("greedy-unit", tmp_path / "part", workers=1, **SMALL)
    assert {path: path.stat().st_mtime_ns for path in cells} == before
    xr.testing.assert_equal(again.data, whole.data)
    assert set(again.files) == {"study", "dataset", "results", "figure", "report"}


def test_another_study_does_not_take_the_folder(tmp_path: Path) -> None:
    physbatch.quick("greedy-unit", tmp_path, workers=1, **SMALL)
    with pytest.raises(OutputError):
        physbatch.quick("sparse-vector", tmp_path, workers=1)
    with pytest.raises(StudyError, match="replicas of a study that is given"):
        physbatch.quick(physbatch.catalogue.study("greedy-unit"), tmp_path, replicas=9)
    with pytest.raises(StudyError, match="say where to write"):
        physbatch.quick(physbatch.catalogue.study("greedy-unit"))


def test_command_says_what_it_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--set", "grid.replicas=8", "--set", "measurement.duration=10", "-w", "1"]
    assert main(["quick", "greedy-unit", *words]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()[-6:]] == [
        *("study", "dataset", "results", "figure", "figure", "report")
    ]
    assert {path.name for path in (tmp_path / "greedy-unit").iterdir()} >= FILES
    assert main(["quick", "gredy-unit"]) == 2
    assert "did you mean" in capsys.readouterr().err
