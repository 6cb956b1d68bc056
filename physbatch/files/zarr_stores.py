"""Datasets in Zarr stores, which other programs and `xarray.Dataset.to_zarr` write."""

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

import xarray as xr

from physbatch.errors import DatasetError


def is_zarr(path: str | os.PathLike[str]) -> bool:
    """Whether a path is the folder of a Zarr store, of either format."""
    return any(Path(path, name).is_file() for name in ("zarr.json", ".zgroup"))


def open_zarr(
    path: str | os.PathLike[str],
    *,
    load: bool = True,
    check: Callable[[xr.Dataset], object] | None = None,
) -> xr.Dataset:
    """Open a Zarr store like `physbatch.files.open_netcdf` a file.

    Raises
    ------
    DatasetError
        If it is none, is damaged, or the package zarr is not there.
    """
    where = str(path)
    if importlib.util.find_spec("zarr") is None:
        raise DatasetError(
            "a Zarr store, which needs the package zarr",
            where=where,
            remedy="`pip install zarr`, or give a NetCDF file",
        )
    try:
        data = xr.open_dataset(path, engine="zarr", consolidated=False, decode_timedelta=False)
        if check is not None:
            check(data)
        return data.load() if load else data
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"a Zarr store that cannot be read ({' '.join(str(error).split())[:80]})",
            where=where,
            remedy="give a NetCDF file, or a store that xarray wrote: data.to_zarr(path)",
        ) from error
