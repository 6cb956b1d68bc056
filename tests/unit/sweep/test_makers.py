"""Cells of other code: not used unless it is asked for, and always named."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from docs import house
from physbatch.cli import main
from physbatch.engines import registry
from physbatch.files import open_netcdf, save
from physbatch.study import Study
from physbatch.sweep import Part, merge_study, run_part, run_study
from physbatch.sweep import plan as planning
from physbatch.sweep.makers import Maker, attributes_of, differences, here
from tests.conftest import TINY, plan_of
from tests.unit.engines.engine_studies import STUDIES, small_study

#: Rooms that make no numbers of a simulation: errors, files, names of variables.
NO_NUMBERS = {"errors", "typing", "compilation", "sources", "files", "dataset", "results", "lazy"}


def closure(module: str) -> set[str]:
    """What a module imports, at any depth; front doors import nothing by themselves."""
    modules = house.modules()
    todo, seen = [module], set[str]()
    while todo:
        name = todo.pop()
        if name in seen or modules[name].path.name == "__init__.py":
            continue
        seen.add(name)
        todo += modules[name].imports
    return seen


@pytest.mark.parametrize("entry", registry.ENGINES, ids=lambda entry: entry.kind)
def test_the_revision_knows_all_that_makes_numbers(entry: registry.Entry) -> None:
    sources = {
        file.resolve()
        for name in (*registry.SHARED_SOURCES, *entry.sources)
        for file in (
            [house.ROOT / "physbatch" / name]
            if name.endswith(".py")
            else (house.ROOT / "physbatch" / name).glob("*.py")
        )
    }
    assert all(file.is_file() for file in sources)
    left_out = {
        name
        for name in closure(f"physbatch.engines.{entry.kind.partition('.')[0]}")
        if house.modules()[name].path.resolve() not in sources
        and house.modules()[name].room not in NO_NUMBERS
    }
    assert left_out == {f"physbatch.study.{name}" for name in ("refusals", "own", "checks")}


class Notes:
    """A display that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def start(self, total: int, done: int, cost: float) -> None:
        self.lines.append(f"{done} of {total}")

    def note(self, text: str) -> None:
        self.lines.append(text)

    def advance(self, cells: int, cost: float) -> None:
        pass

    def stop(self) -> None:
        pass


@pytest.fixture
def other_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Half of the tiny study, made by another revision; from then on it is this one."""
    target = tmp_path / "x.nc"
    with monkeypatch.context() as patch:
        patch.setattr(planning, "revision_of", lambda study: "another")
        run_part(Study.from_dict(TINY), target, Part(1, 2), workers=1)
    return target


def test_cells_of_other_code_are_computed_again(
    other_code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notes = Notes()
    assert main(["status", str(other_code)]) == 0
    said = capsys.readouterr().out
    assert "0 of 6 cells done" in said
    assert "3 cells that other code made" in said
    assert main(["merge", str(other_code)]) == 2
    assert "--keep-old" in capsys.readouterr().err
    data = run_study(Study.from_dict(TINY), other_code, workers=1, progress=notes)
    assert "3 cells that other code made are computed again; --keep-old keeps them" in notes.lines
    assert "0 of 6" in notes.lines
    assert data.attrs["revision"] == plan_of(Study.from_dict(TINY)).revision
    assert data.attrs["made_by"].startswith("6 cells: physbatch ")


def test_cells_of_other_code_are_kept_on_request(other_code: Path, tmp_path: Path) -> None:
    """The dataset says who made how many; the index of this code does not believe them later."""
    study, notes = Study.from_dict(TINY), Notes()
    data = run_study(study, other_code, workers=1, progress=notes, keep_old=True)
    assert "3 cells are kept that other code made" in notes.lines
    assert "3 of 6" in notes.lines
    revision = plan_of(study).revision
    assert set(data.attrs["revision"].split("; ")) == {"another", revision}
    assert data.attrs["made_by"].count("3 cells: physbatch ") == 2
    assert data.attrs["processor"] == here(revision, "cpu").processor
    reference = run_study(study, tmp_path / "whole.nc", workers=1)
    for name in reference.variables:
        assert data[name].values.tobytes() == reference[name].values.tobytes(), name
    # The other half is still there for the merge, and a run without the option makes its own.
    other_code.unlink()
    merged = merge_study(other_code, keep_old=True)
    assert merged.attrs["made_by"] == data.attrs["made_by"]
    other_code.unlink()
    again = Notes()
    data = run_study(study, other_code, workers=1, progress=again)
    assert "3 of 6" in again.lines
    assert data.attrs["revision"] == revision


def test_shards_from_before_revisions(tmp_path: Path) -> None:
    """They name the content alone: cells of other code."""
    study, target = Study.from_dict(TINY), tmp_path / "x.nc"
    run_part(study, target, Part(1, 1), workers=1)
    folder = target.with_name("x.nc.cells")
    for path in folder.glob("*.nc"):
        shard = open_netcdf(path)
        old = shard.assign_coords(cell_key=shard["content_key"]).drop_vars("content_key")
        del old.attrs["made_by"]
        save(old, path)
    (next(folder.glob("index-*"))).unlink()
    data = run_study(study, target, workers=1, keep_old=True)
    assert data.attrs["revision"] == "unknown"
    assert data.attrs["made_by"].startswith("6 cells: physbatch ")


def test_a_complete_dataset_of_other_code_is_said_to_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, target, notes = Study.from_dict(TINY), tmp_path / "x.nc", Notes()
    run_study(study, target, workers=1)
    run_study(study, target, workers=1, progress=notes)
    assert notes.lines == [f"{target} is complete; nothing to do"]
    monkeypatch.setattr(planning, "revision_of", lambda study: "another")
    run_study(study, target, workers=1, progress=notes)
    assert "nothing to do (other code made it, physbatch " in notes.lines[-1]


@pytest.mark.parametrize("name", [name for name in STUDIES if "," not in name])
def test_revisions_differ_between_engines(name: str) -> None:
    study = small_study(name)
    others = {registry.revision_of(small_study(other)) for other in STUDIES if "," not in other}
    assert registry.revision_of(study) in others
    assert len(others) == 6


def test_what_differs_is_said() -> None:
    me = here("r", "cpu")
    attributes = attributes_of(Counter([me]))
    assert differences(attributes, "r", "cpu") == []
    (words,) = differences({**attributes, "processor": "an abacus"}, "r", "cpu")
    assert words.startswith("another processor (an abacus; this is ")
    assert differences({**attributes, "revision": "s"}, "r", "cpu") == ["other code (s; this is r)"]
    (words,) = differences({**attributes, "processor_features": "abacus"}, "r", "cpu")
    assert words.startswith("another processor")
    del attributes["revision"]
    (words,) = differences(attributes, "r", "cpu")
    assert words.startswith("other code (from before")


def test_makers_survive_their_shard(tmp_path: Path) -> None:
    me = here("r", "cpu")
    save(xr.Dataset({"x": ("t", np.zeros(2))}, attrs={"made_by": me.to_json()}), tmp_path / "s.nc")
    assert Maker.of_shard(open_netcdf(tmp_path / "s.nc").attrs) == me
    assert Maker.of_shard({"source": "physbatch 0.1.0", "made_by": "[1]"}).revision == "unknown"
