"""Zarr stores of others: lost bytes, bytes of other files, pipes, claims beyond any machine."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import xarray as xr

from physbatch.cli import main
from physbatch.errors import DatasetError
from physbatch.files import open_netcdf

pytest.importorskip("zarr", reason="component missing: zarr")

#: What each format calls a chunk and the description of an array.
CHUNK = {2: "m/0.0", 3: "m/c/0/0"}
DESCRIPTION = {2: ".zarray", 3: "zarr.json"}
FORMATS = pytest.mark.parametrize("zarr_format", [2, 3])


@pytest.fixture
def data() -> xr.Dataset:
    values = np.random.default_rng(1).random((2, 3))
    return xr.Dataset(
        {"m": (("L", "T"), values), "dm": (("L", "T"), np.full((2, 3), 0.1))},
        coords={"L": [8, 16], "T": [1.0, 2.0, 3.0]},
    )


def stored(data: xr.Dataset, path: Path, zarr_format: Literal[2, 3], **encoding: Any) -> Path:
    """The store of a dataset, and the chunk of its variable ``m``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data.to_zarr(path, zarr_format=zarr_format, consolidated=False, encoding=encoding)
    return path / CHUNK[zarr_format]


def blosc(zarr_format: int) -> Any:
    if zarr_format == 2:
        from numcodecs import Blosc

        return Blosc()
    from zarr.codecs import BloscCodec

    return BloscCodec()


@FORMATS
@pytest.mark.parametrize("compressor", ["default", "blosc", "none"])
def test_a_chunk_that_lost_or_changed_bytes_is_refused(
    compressor: str, zarr_format: Literal[2, 3], data: xr.Dataset, tmp_path: Path
) -> None:
    """Blosc would give what stands behind it in memory."""
    encoding: dict[str, Any] = {
        "default": {},
        "blosc": {"m": {"compressors": (blosc(zarr_format),)}},
        "none": {"m": {"compressors": None}},
    }[compressor]
    chunk = stored(data, tmp_path / "x.zarr", zarr_format, **encoding)
    np.testing.assert_array_equal(open_netcdf(tmp_path / "x.zarr")["m"].values, data["m"].values)
    content = chunk.read_bytes()
    broken = [content[:-1], content[: len(content) // 2], content[:10], b""]
    if compressor != "none":  # whose bytes mean what they are
        broken.append(bytes(len(content)))
    for bad in broken:
        chunk.write_bytes(bad)
        with pytest.raises(DatasetError, match="a Zarr store that cannot be read"):
            open_netcdf(tmp_path / "x.zarr")


@FORMATS
def test_bytes_of_another_file_are_refused(
    zarr_format: Literal[2, 3],
    data: xr.Dataset,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    chunk = stored(data, tmp_path / "x.zarr", zarr_format, m={"compressors": None})
    secret = tmp_path / "secret"
    secret.write_bytes(b"six numbers of the reader's own house, he thinks"[:48])
    chunk.unlink()
    chunk.symlink_to(secret)
    table = tmp_path / "table.nc"
    assert main(["import", str(tmp_path / "x.zarr"), "-o", str(table)]) == 2
    line = capsys.readouterr().err
    assert "variable 'm' takes its bytes from another file (link" in line
    assert line.count("\n") == 1
    assert not table.exists()


@FORMATS
def test_a_folder_of_another_place_is_refused(
    zarr_format: Literal[2, 3], data: xr.Dataset, tmp_path: Path
) -> None:
    stored(data, tmp_path / "x.zarr", zarr_format)
    (tmp_path / "x.zarr" / "m").rename(tmp_path / "elsewhere")
    (tmp_path / "x.zarr" / "m").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DatasetError, match="'m' takes its bytes from another file"):
        open_netcdf(tmp_path / "x.zarr")


@FORMATS
def test_a_pipe_is_not_waited_for(
    zarr_format: Literal[2, 3], data: xr.Dataset, tmp_path: Path
) -> None:
    chunk = stored(data, tmp_path / "x.zarr", zarr_format)
    chunk.unlink()
    os.mkfifo(chunk)
    with pytest.raises(DatasetError, match="is no regular file"):
        open_netcdf(tmp_path / "x.zarr")


@FORMATS
def test_claims_beyond_what_the_store_can_hold_are_refused(
    zarr_format: Literal[2, 3], data: xr.Dataset, tmp_path: Path
) -> None:
    stored(data, tmp_path / "x.zarr", zarr_format)
    for path in (tmp_path / "x.zarr").rglob(DESCRIPTION[zarr_format]):
        content = json.loads(path.read_bytes())
        if "shape" in content:
            content["shape"] = [20_000] * len(content["shape"])
            path.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=r"claims 6\.4 GB in a file of \d+ bytes"):
        open_netcdf(tmp_path / "x.zarr")


@FORMATS
@pytest.mark.parametrize("content", ["[" * 100_000, '{"a": ' + "9" * 5000 + "}", "[]", "\xff"])
def test_descriptions_that_are_none_are_refused(
    content: str, zarr_format: Literal[2, 3], data: xr.Dataset, tmp_path: Path
) -> None:
    stored(data, tmp_path / "x.zarr", zarr_format)
    (tmp_path / "x.zarr" / "m" / DESCRIPTION[zarr_format]).write_text(content, encoding="latin1")
    with pytest.raises(DatasetError, match="a Zarr store that cannot be read"):
        open_netcdf(tmp_path / "x.zarr")
