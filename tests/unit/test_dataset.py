"""The schema: what is written opens in plain xarray, and what is wrong is named."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from physbatch import dataset
from physbatch.errors import DatasetError, OutputError
from physbatch.files.netcdf import save
from physbatch.study.model import Study
from physbatch.sweep.run import run_study


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    from tests.conftest import TINY

    path = tmp_path_factory.mktemp("data") / "tiny.nc"
    return run_study(Study.from_dict(TINY), path, workers=1)


@pytest.fixture
def file(data: xr.Dataset, tmp_path: Path) -> Path:
    return save(data, tmp_path / "data.nc")


def test_every_file_opens_with_plain_xarray(file: Path, data: xr.Dataset) -> None:
    with xr.open_dataset(file) as plain:
        assert plain["success"].encoding["_FillValue"] == -1
        xr.testing.assert_identical(dataset.validate(plain.load()), data)


def test_attributes_and_labels(data: xr.Dataset) -> None:
    assert {"Conventions", "title", "source", "history", "date_created"} <= set(data.attrs)
    assert data.attrs["physbatch_schema"] == 1
    assert data.attrs["control_dim"] == "batch_size"
    assert Study.from_json(data.attrs["study"]).hash() == data.attrs["study_hash"]
    for name, variable in data.variables.items():
        assert variable.attrs["long_name"], name
        assert variable.attrs["units"] == "1", name
    assert data["time"].attrs["long_name"] == "time in sweeps"
    assert dataset.time_unit(data) == "sweep"
    assert data["overlap"].dims == ("size", "batch_size", "replica", "time")


def test_every_array_is_checksummed(file: Path) -> None:
    import netCDF4

    with netCDF4.Dataset(file) as raw:
        for name, variable in raw.variables.items():
            assert variable.filters()["fletcher32"], name


def test_every_truncation_is_found_by_length_alone(file: Path, tmp_path: Path) -> None:
    whole = file.read_bytes()
    broken = tmp_path / "broken.nc"
    for length in np.unique(np.linspace(1, len(whole) - 1, 40).astype(int)):
        broken.write_bytes(whole[:length])
        with pytest.raises(DatasetError, match=r"truncated|not a NetCDF"):
            dataset.open_dataset(broken)


def test_a_newer_schema_says_upgrade(data: xr.Dataset, tmp_path: Path) -> None:
    path = save(data.assign_attrs(physbatch_schema=2), tmp_path / "new.nc")
    with pytest.raises(DatasetError, match="schema version 2 is newer than 1"):
        dataset.open_dataset(path)


def test_foreign_files_are_named(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.nc"
    xr.Dataset({"x": ("t", [1.0, 2.0])}).to_netcdf(foreign)
    with pytest.raises(DatasetError, match="not a physbatch dataset"):
        dataset.open_dataset(foreign)
    foreign.write_text("size,control\n1,2\n")
    with pytest.raises(DatasetError, match="not a NetCDF file"):
        dataset.open_dataset(foreign)
    with pytest.raises(DatasetError, match="cannot read"):
        dataset.open_dataset(tmp_path / "absent.nc")
    with pytest.raises(DatasetError, match="cannot read"):
        dataset.open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda data: data.drop_vars("overlap"), "variable 'overlap' is missing"),
        (lambda data: data.isel(size=[1, 0]), "strictly increasing"),
        (lambda data: data.isel(replica=[]), "not empty"),
        (lambda data: data.rename(time="t"), "'time'"),
        (lambda data: data.assign_attrs(control_dim="T"), "control_dim is 'T'"),
        (lambda data: data.assign_attrs(flag=True), "attribute 'flag' is a bool"),
        (lambda data: data.assign(overlap=data["overlap"].isel(time=0, drop=True)), "has dims"),
    ],
)
def test_what_breaks_the_schema_is_named(data: xr.Dataset, spoil: object, words: str) -> None:
    with pytest.raises(DatasetError, match=words):
        dataset.validate(spoil(data.copy(deep=True)))


def test_saving_replaces_whole_or_not_at_all(
    data: xr.Dataset, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = file.read_bytes()

    def refuse(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OutputError, match="No space left on device"):
        save(data, file)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_a_file_in_the_way_of_a_folder(data: xr.Dataset, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        save(data, tmp_path / "plain" / "data.nc")


def test_control_values_of_a_ratio(tmp_path: Path) -> None:
    from tests.conftest import TINY

    content = {**TINY, "grid": {"size": [6, 9], "batch_ratio": [0.5, 1.1], "replicas": 2}}
    data = run_study(Study.from_dict(content), tmp_path / "ratio.nc", workers=1)
    assert data["batch_size"].dims == ("size", "batch_ratio")
    np.testing.assert_allclose(dataset.control_values(data), [[3, 6.6], [4.5, 9.9]])


def test_ncdump_reads_it(file: Path) -> None:
    if shutil.which("ncdump") is None:
        pytest.skip("component missing: ncdump (Debian package netcdf-bin)")
    text = subprocess.run(["ncdump", "-h", file], capture_output=True, text=True, check=True)
    assert "overlap(size, batch_size, replica, time)" in text.stdout
