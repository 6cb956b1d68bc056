"""Datasets and tables through other programs: selections, Zarr, h5netcdf, pandas, and units."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import physbatch
from physbatch.cli import main
from physbatch.errors import AnalysisError, DatasetError
from physbatch.exact.planted import first_order
from physbatch.files import save
from physbatch.scaling import analyse
from physbatch.study import Study
from physbatch.sweep.run import run_study
from physbatch.sweep.verifying import verify_dataset
from physbatch.tables import ScalingTable, from_dataset, read_table
from tests.conftest import TINY

SWEPT = {**TINY, "grid": {**TINY["grid"], "initial_overlap": [0.0, 0.2]}}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "tiny.nc"
    run_study(Study.from_dict(TINY), path, workers=1)
    return path


@pytest.fixture(scope="module")
def data(file: Path) -> xr.Dataset:
    return physbatch.open_dataset(file)


def plain(file: Path) -> xr.Dataset:
    """As xarray alone gives it."""
    with xr.open_dataset(file) as content:
        return content.load()


def answer(data: xr.Dataset | str | Path) -> str:
    """All numbers of an analysis, as text: most of so little data are nan."""
    return json.dumps(analyse(data, resamples=50).to_json())


# --- selections -------------------------------------------------------------------------


def test_one_size_or_time_may_be_selected(file: Path, data: xr.Dataset) -> None:
    for content in (data, plain(file)):
        assert answer(content.sel(size=6)) == answer(data.sel(size=[6]))
        assert answer(content.isel(time=-1)) == answer(data.isel(time=[-1]))
    for same in (file, str(file), plain(file)):
        assert answer(same) == answer(data)


def test_a_ratio_keeps_its_batch_sizes(tmp_path: Path) -> None:
    grid = {"size": [6, 9], "batch_ratio": [0.5, 1.0], "replicas": 4}
    study = Study.from_dict({**TINY, "grid": grid})
    data = run_study(study, tmp_path / "ratio.nc", workers=1)
    for part in (data.sel(size=9), data.sel(batch_ratio=0.5)):
        dim = next(dim for dim in ("size", "batch_ratio") if dim not in part.dims)
        xr.testing.assert_identical(
            physbatch.dataset.validate(part)["batch_size"],
            data.sel({dim: [part[dim].item()]})["batch_size"],
        )


def test_what_cannot_be_analysed_says_what_to_write(data: xr.Dataset) -> None:
    for part, words in (
        (data.sel(size=6, drop=True), r"data.isel\(size=\[-1\]\)"),
        (data.mean("replica", keep_attrs=True), "give single replicas"),
    ):
        with pytest.raises(DatasetError, match=words):
            analyse(part)
    with pytest.raises(AnalysisError, match=r"analyse\(data, 'overlap'\)"):
        analyse(data["overlap"])


def test_a_variable_is_a_table() -> None:
    data = first_order(sizes=(50, 100), replicas=20)
    alone = from_dataset(data["overlap"])
    whole = from_dataset(data)
    np.testing.assert_array_equal(alone.values["overlap"], whole.values["overlap"])
    np.testing.assert_array_equal(alone.errors["overlap"], whole.errors["overlap"])
    assert (alone.control_name, alone.dimension) == ("batch_size", "N")
    last = from_dataset(data["overlap"].isel(time=-1))
    np.testing.assert_array_equal(last.values["overlap"], alone.values["overlap"])
    assert read_table(data["overlap"]).observables == ("overlap",)
    with pytest.raises(AnalysisError, match=r"physbatch\.tables\.from_dataset"):
        ScalingTable.from_dataset(data)


@pytest.mark.parametrize(
    ("select", "total", "part"),
    [
        (lambda d: d.sel(size=9), 6, "1 of 2 sizes"),
        (
            lambda d: d.sel(size=[9], initial_overlap=0.2),
            3,
            "1 of 2 sizes, 1 of 2 initial overlaps",
        ),
        (lambda d: d.isel(time=-1), 12, "1 of 11 times"),
        (lambda d: d, 12, ""),
    ],
)
def test_verify_knows_a_selection(
    select: Callable[[xr.Dataset], xr.Dataset],
    total: int,
    part: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "swept.nc"
    run_study(Study.from_dict(SWEPT), path, workers=1)
    select(plain(path)).to_netcdf(tmp_path / "part.nc")
    assert main(["verify", str(tmp_path / "part.nc"), "--cells", "20"]) == 0
    said = capsys.readouterr().out
    assert f"verified {total} of {total} cells" in said
    assert (f"of its study: {part}" in said) == bool(part)


def test_verify_finds_a_changed_value_in_a_selection_and_refuses_cut_replicas(
    data: xr.Dataset,
) -> None:
    part = data.sel(size=9).copy(deep=True)
    part["overlap"].loc[{"batch_size": 3.5, "replica": 2, "time": 20}] += 0.25
    assert [*verify_dataset(part, 20).differences.values()] == [("overlap",)]
    with pytest.raises(DatasetError, match="2 of 5 replicas"):
        verify_dataset(data.isel(replica=[0, 1]))


# --- other formats ----------------------------------------------------------------------


def test_h5netcdf(data: xr.Dataset, tmp_path: Path) -> None:
    pytest.importorskip("h5netcdf", reason="component missing: h5netcdf")
    pytest.importorskip("h5py", reason="component missing: h5py")
    data.to_netcdf(tmp_path / "h5.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "h5.nc", engine="h5netcdf") as content:
        assert content["success"].encoding["_FillValue"] == -1
        xr.testing.assert_identical(physbatch.dataset.validate(content.load()), data)
    xr.testing.assert_identical(physbatch.open_dataset(tmp_path / "h5.nc"), data)


def test_zarr(data: xr.Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("zarr", reason="component missing: zarr")
    store = tmp_path / "data.zarr"
    data.to_zarr(store, consolidated=False)
    again = physbatch.open_dataset(store)
    xr.testing.assert_equal(again, data)
    assert again["success"].dtype == data["success"].dtype
    assert answer(xr.open_zarr(store, consolidated=False)) == answer(store) == answer(data)
    assert main(["verify", str(store)]) == 0
    assert main(["figure", str(store), "-o", str(tmp_path / "drawn.svg")]) == 0
    save(again, tmp_path / "back.nc")
    xr.testing.assert_equal(physbatch.open_dataset(tmp_path / "back.nc"), data)
    (store / "zarr.json").write_text("{}")
    capsys.readouterr()
    assert main(["analyse", str(store)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_zarr_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "zarr.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(DatasetError, match="pip install zarr"):
        physbatch.open_dataset(tmp_path)


def test_pandas(data: xr.Dataset) -> None:
    back = data[["overlap"]].to_dataframe().to_xarray().assign_attrs(data.attrs)
    np.testing.assert_array_equal(back["overlap"], data["overlap"])
    table = from_dataset(first_order(sizes=(50, 100), replicas=20))
    columns = {"L": table.size, "c": table.control, "q": table.values["overlap"]}
    frame = xr.Dataset({n: ("row", v) for n, v in columns.items()}).to_dataframe()
    frame["dq"] = table.errors["overlap"]
    np.testing.assert_array_equal(read_table(frame).values["q"], table.values["overlap"])


# --- conventions ------------------------------------------------------------------------


def written(folder: Path, file: Path) -> list[Path]:
    """A dataset, a table, own data, a selection and results."""
    data = first_order(sizes=(50, 100), replicas=20)
    own = physbatch.make_dataset(np.full((1, 2, 3), 0.5), size=[10], batch_size=[1, 2])
    table = from_dataset(data)
    for name, content in (("own", own), ("planted", data), ("table", table.to_dataset())):
        save(content, folder / f"{name}.nc")
    analyse(data).save(folder / "analysis.nc")
    physbatch.collapse(table, "overlap", window="all").save(folder / "collapse.nc")
    return [file, *sorted(folder.glob("*.nc"))]


def test_units_and_fill_values(tmp_path: Path, file: Path) -> None:
    cf_units = pytest.importorskip("cf_units", reason="component missing: cf_units")
    for path in written(tmp_path, file):
        for group in xr.open_groups(path).values():
            for name, variable in group.variables.items():
                where = f"{path.name}: {name}"
                if "units" in variable.attrs:
                    cf_units.Unit(variable.attrs["units"])
                    assert variable.attrs.get("long_name"), where
                if name in group.coords:
                    assert "_FillValue" not in variable.encoding, where
    assert plain(file)["success"].encoding["_FillValue"] == -1


def test_files_of_before_are_read_with_their_unit_of_time(data: xr.Dataset, tmp_path: Path) -> None:
    old = data.copy(deep=True)
    for variable in old.variables.values():
        if variable.attrs.pop("time_unit", None):
            variable.attrs["units"] = "sweep"
    save(old, tmp_path / "old.nc")
    again = physbatch.open_dataset(tmp_path / "old.nc")
    assert again["time"].attrs["units"] == "1"
    assert analyse(again).time_units == analyse(data).time_units == "sweep"
