"""Sizes with controls of their own: absent combinations are no cells and have status missing."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from physbatch.cli import main
from physbatch.dataset import STATUS_MISSING
from physbatch.errors import StudyError
from physbatch.exact.planted import first_order
from physbatch.files.netcdf import save
from physbatch.study import extends, select
from physbatch.study.model import Study
from physbatch.sweep import assembly
from physbatch.sweep.lock import Part
from physbatch.sweep.run import merge_study, run_part, run_study
from physbatch.sweep.status import run_status
from physbatch.sweep.store import Store
from physbatch.sweep.verifying import verify_dataset
from tests.conftest import TINY, plan_of

TABLE = {"6": [2, 3.5], "9": {"start": 2, "stop": 8, "step": 3}}


def study_with(table: dict[str, Any], **changes: Any) -> Study:
    content = copy.deepcopy(TINY)
    content["grid"] |= {"batch_size": table, **changes}
    return Study.from_dict(content)


def test_a_table_goes_round_and_has_its_own_hash() -> None:
    study = study_with(TABLE)
    assert study.grid.batch_size == (2.0, 3.5, 5.0, 8.0)
    assert study.grid.has(6, 3.5)
    assert not study.grid.has(9, 3.5)
    for again in (
        Study.from_json(study.canonical_json()),
        Study.from_dict(study.model_dump(mode="json")),
    ):
        assert again == study
        assert again.hash() == study.hash()
    assert Study.from_dict(TINY).hash() != study.hash()
    plan = plan_of(study)
    assert (len(plan), len(plan.cells)) == (8, 5)
    assert [cell.coordinates["batch_size"] for cell in plan.cells] == [2, 3.5, 2, 5, 8]


def test_the_cells_are_those_of_the_rectangle() -> None:
    """Same keys, so a study may change from one to the other."""
    rectangle = study_with([2, 3.5, 5, 8])
    keys = {cell.key for cell in plan_of(rectangle).cells}
    assert {cell.key for cell in plan_of(study_with(TABLE)).cells} < keys
    assert extends(rectangle, study_with(TABLE))
    assert not extends(study_with(TABLE), rectangle)
    more = {"6": [2, 3, 3.5], "9": TABLE["9"], "12": [1]}
    assert extends(study_with(more, size=[6, 9, 12]), study_with(TABLE))
    assert not extends(study_with({"6": [2], "9": TABLE["9"]}), study_with(TABLE))


@pytest.mark.parametrize("large", [False, True])
def test_a_run_and_its_dataset(
    large: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if large:
        monkeypatch.setattr(assembly, "IN_MEMORY_BYTES", 0)
    study, output = study_with(TABLE), tmp_path / "x.nc"
    with run_study(study, output, workers=1) as opened:
        data = opened.load()
    missing = (data["status"] == STATUS_MISSING).all("replica")
    expected = [[False, False, True, True], [False, True, False, False]]
    assert missing.transpose("size", ..., "batch_size").squeeze().values.tolist() == expected
    assert np.isnan(data["overlap"].where(missing, drop=True)).all()
    store, plan = Store(output), plan_of(study)
    assert store.is_complete(study)
    state = run_status(store, plan)
    assert (state.done, state.complete) == (5, True)
    check = verify_dataset(data, cells=9)
    assert (check.checked, check.total, check.differences) == (5, 5, {})
    part = select(data, {"size": [9]})
    assert verify_dataset(part, cells=9).checked == 3


@pytest.mark.parametrize("command", ["analyse", "order", "crossings", "passages"])
def test_analyses_leave_absent_cells_out(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As planted data with two controls of each size taken away: no error, and an answer."""
    data = first_order(sizes=(50, 100, 200), replicas=16)
    present = np.ones((3, data.sizes["batch_size"]), dtype=bool)
    present[0, :2] = present[2, -2:] = False
    here = xr.DataArray(present, dims=("size", "batch_size"))
    fills = {"status": STATUS_MISSING, "success": -1}
    for name, values in list(data.data_vars.items()):
        masked = values.where(here, fills.get(str(name), np.nan)).astype(values.dtype)
        data[name] = masked.transpose(*values.dims).assign_attrs(values.attrs)
    save(data, tmp_path / "x.nc")
    assert main([command, str(tmp_path / "x.nc")]) in (0, 3)  # 3: no number can be stated
    assert len(capsys.readouterr().out.splitlines()) > 1


def test_parts_of_an_array_job(tmp_path: Path) -> None:
    study, output = study_with(TABLE), tmp_path / "x.nc"
    counts = [run_part(study, output, Part(number, 2), workers=1) for number in (1, 2)]
    assert sum(counts) == 5
    assert merge_study(output)["overlap"].notnull().any()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"6": [2]}, "one entry for each size and no other; see size 9"),
        ({"6": [2], "9": [2], "12": [2]}, "see size 12"),
        ({"6": [], "9": [2]}, "at least one value"),
        ({"6": [2, 2], "9": [2]}, "holds a value twice"),
        ({"6": "2", "9": [2]}, "a number, a list or a range"),
        ({"6": {"start": 1}, "9": [2]}, "start, stop and step"),
        ({"6": [0], "9": [2]}, "greater than 0"),
    ],
)
def test_what_is_no_table(table: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        study_with(table)
