"""Foreign files: cells never written, bytes of other files, claims beyond any machine."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import xarray as xr

from physbatch.cli import main
from physbatch.errors import DatasetError
from physbatch.files import foreign, open_netcdf, save
from physbatch.files.checksums import with_checksum
from physbatch.tables import read_table

SECRET = b"the key of the house"


# --- cells that were never written ------------------------------------------------------


def ragged(path: Path, kind: str) -> Path:
    """A measurement at 2 x 5 points of which the last of each size were never written."""
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("L", 2)
        file.createDimension("T", 5)
        file.createVariable("L", "i4", ("L",))[:] = [8, 16]
        file.createVariable("T", "f8", ("T",))[:] = [2.0, 2.1, 2.2, 2.3, 2.4]
        for name, scale in (("m", 100), ("dm", 5)):
            file.createVariable(name, kind, ("L", "T"))[:, :3] = np.array(
                [[9, 7, 4], [9, 6, 2]], dtype=float
            ) * (scale / 10)
    return path


@pytest.mark.parametrize("kind", ["f8", "f4", "i4", "i2", "i8"])
def test_cells_never_written_are_missing(kind: str, tmp_path: Path) -> None:
    table = read_table(ragged(tmp_path / "x.nc", kind))
    assert table.control.tolist() == [2.0, 2.1, 2.2] * 2
    assert table.values["m"].max() == 90.0
    assert "cells_left_out: 4 of 10 hold no number" in table.flags


def test_curves_do_not_cross_where_nothing_was_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["crossings", str(ragged(tmp_path / "x.nc", "f8"))]) in (2, 3)
    said = "".join(capsys.readouterr())
    assert "e+36" not in said
    assert "2.3" not in said.replace("2.3 to", "")


def test_rows_without_values_are_dropped_before_duplicates_are_looked_for(tmp_path: Path) -> None:
    """Six rows of eight were written; the others all have the same size and control."""
    with netCDF4.Dataset(tmp_path / "x.nc", "w") as file:
        file.createDimension("row", 8)
        columns = {
            "L": [8, 8, 8, 16, 16, 16],
            "T": [2.0, 2.1, 2.2] * 2,
            "m": [9, 7, 4, 9, 6, 2],
            "dm": [0.5] * 6,
        }
        for name, values in columns.items():
            variable = file.createVariable(name, "f8", ("row",))
            variable[:6] = values
            if name in ("L", "T"):
                variable[6:] = 8.0  # twice the same point, without a value
    table = read_table(tmp_path / "x.nc")
    assert table.size.size == 6
    assert any(flag.startswith("cells_left_out: 2 of 8") for flag in table.flags)


def test_a_fill_value_of_its_own_wins(tmp_path: Path) -> None:
    """A file that names what is missing means what else it says."""
    data = xr.Dataset({"x": ("t", [1.0, netCDF4.default_fillvals["f8"], -1.0])})
    data.to_netcdf(tmp_path / "x.nc", encoding={"x": {"_FillValue": -1.0}})
    values = open_netcdf(tmp_path / "x.nc")["x"].values
    assert values[1] > 1e36
    assert np.isnan(values[2])


# --- bytes of other files ---------------------------------------------------------------


class Writer:
    """The calls of the C library that make such files; netCDF4 cannot."""

    def __init__(self) -> None:
        self.library = foreign.hdf5_library()
        for name in (
            *("H5Screate_simple", "H5Pcreate", "H5Dcreate2", "H5Gcreate2", "H5Fcreate"),
            "H5Gopen2",
        ):
            getattr(self.library, name).restype = ctypes.c_int64
        self.library.H5open()

    def value(self, name: str) -> int:
        return ctypes.c_int64.in_dll(self.library, name).value

    def call(self, name: str, *arguments: Any) -> int:
        result = getattr(self.library, name)(
            *(
                ctypes.c_int64(argument) if isinstance(argument, int) else argument
                for argument in arguments
            )
        )
        assert result >= 0, name
        return int(result)

    def leak(self, path: Path, secret: Path, how: str, group: str) -> None:
        """Add a variable ``leak`` that takes its bytes from a file, in any of three ways."""
        file = self.call("H5Fopen", os.fsencode(path), ctypes.c_uint(1), 0)
        home = self.call("H5Gopen2", file, group.encode(), 0) if group else file
        if how == "external link":
            self.call("H5Lcreate_external", os.fsencode(secret), b"/x", home, b"leak", 0, 0)
        else:
            length = (ctypes.c_uint64 * 1)(len(SECRET))
            space = self.call("H5Screate_simple", ctypes.c_int(1), length, None)
            properties = self.call("H5Pcreate", self.value("H5P_CLS_DATASET_CREATE_ID_g"))
            if how == "external storage":
                self.call("H5Pset_external", properties, os.fsencode(secret), 0, len(SECRET))
            else:
                self.call("H5Pset_virtual", properties, space, os.fsencode(secret), b"/x", space)
            kind = self.value("H5T_STD_U8LE_g")
            self.call(
                "H5Dclose", self.call("H5Dcreate2", home, b"leak", kind, space, 0, properties, 0)
            )
            self.call("H5Pclose", properties)
            self.call("H5Sclose", space)
        if group:
            self.call("H5Gclose", home)
        self.call("H5Fclose", file)


@pytest.fixture(scope="module")
def writer() -> Writer:
    return Writer()


@pytest.mark.parametrize("checksum", [False, True], ids=["plain", "with a checksum"])
@pytest.mark.parametrize("group", ["", "inner"])
@pytest.mark.parametrize("how", ["external storage", "external link", "virtual dataset"])
def test_bytes_of_another_file_are_refused(
    how: str,
    group: str,
    checksum: bool,
    writer: Writer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, secret = tmp_path / "x.nc", tmp_path / "secret"
    if how == "external storage":
        secret.write_bytes(SECRET)
    else:
        xr.Dataset({"x": ("t", np.frombuffer(SECRET, dtype="u1"))}).to_netcdf(secret)
    data = xr.Dataset(
        {"m": (("L", "T"), np.ones((2, 3)))}, coords={"L": [8, 16], "T": [1.0, 2.0, 3.0]}
    )
    data.to_netcdf(path)
    if group:
        xr.Dataset({"y": 1.0}).to_netcdf(path, group=group, mode="a")
    writer.leak(path, secret, how, group)
    if checksum:  # whoever makes a hostile file can compute one
        path.write_bytes(with_checksum(path.read_bytes()))
    assert main(["import", str(path), "-o", str(tmp_path / "table.nc")]) == 2
    line = capsys.readouterr().err
    assert line.startswith(
        f"physbatch: {path}: variable 'leak' takes its bytes from another file ({how})"
    )
    assert line.count("\n") == 1
    assert not (tmp_path / "table.nc").exists()


def test_groups_without_end_are_refused(writer: Writer, tmp_path: Path) -> None:
    """A group that holds itself."""
    path = tmp_path / "x.nc"
    xr.Dataset({"y": 1.0}).to_netcdf(path, group="inner")
    file = writer.call("H5Fopen", os.fsencode(path), ctypes.c_uint(1), 0)
    writer.call("H5Lcreate_hard", file, b"/inner", file, b"/inner/again", 0, 0)
    writer.call("H5Fclose", file)
    with pytest.raises(DatasetError, match="groups within groups"):
        open_netcdf(path)


# --- claims -----------------------------------------------------------------------------


@pytest.mark.parametrize("checksum", [False, True], ids=["plain", "with a checksum"])
def test_what_all_variables_claim_together_counts(checksum: bool, tmp_path: Path) -> None:
    """Each is within what is allowed to one, and as bytes that decode to eight times as many."""
    path = tmp_path / "x.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("t", 30_000_000)
        for number in range(4):
            variable = file.createVariable(f"v{number}", "i1", ("t",), zlib=True)
            variable.scale_factor = 0.5
    if checksum:
        path.write_bytes(with_checksum(path.read_bytes()))
    with pytest.raises(DatasetError, match=r"claims 0\.96 GB in a file of \d+ bytes"):
        open_netcdf(path)


def test_the_schema_is_checked_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from physbatch import dataset

    path = save(xr.Dataset({"x": ("t", np.ones(5))}), tmp_path / "x.nc")
    monkeypatch.setattr(xr.Dataset, "load", lambda data: pytest.fail("loaded"))
    with pytest.raises(DatasetError, match="not a physbatch dataset"):
        dataset.open_dataset(path)
