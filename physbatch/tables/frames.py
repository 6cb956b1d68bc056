"""Columns from spreadsheets, Parquet, JSON and numpy files, and from data frames in memory."""

from __future__ import annotations

import importlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from physbatch.errors import DatasetError
from physbatch.tables.sheet import Sheet, sheet_of
from physbatch.tables.sources import bytes_of

#: Readers of pandas by suffix, and the package that each needs.
_PANDAS = {
    ".xlsx": ("read_excel", "openpyxl"),
    ".xls": ("read_excel", "xlrd"),
    ".ods": ("read_excel", "odfpy"),
    ".parquet": ("read_parquet", "pyarrow"),
    ".feather": ("read_feather", "pyarrow"),
}
_JSON = (".jsonl", ".ndjson", ".json")


def sheet_of_file(path: Path) -> Sheet | None:
    """The columns of a file that is no text table, by its suffix; None for any other.

    Raises
    ------
    physbatch.errors.DatasetError
        If it cannot be read: a package that is missing is named.
    """
    suffix = path.suffix.lower()
    if suffix in _PANDAS:
        return sheet_of_data(_by_pandas(path, *_PANDAS[suffix]), str(path))
    if suffix in (".npz", ".npy"):
        columns = _by_numpy(path)
        return sheet_of(columns, str(path), named="1" not in columns)
    if suffix in _JSON:
        return sheet_of(_by_json(path), str(path))
    return None


def sheet_of_data(data: Any, source: str = "data") -> Sheet:
    """The columns of a data frame of pandas or polars, or of a mapping of names to columns."""
    if not isinstance(data, Mapping):
        indexed = getattr(data, "index", None)
        counted = np.array_equal(np.asarray(indexed), np.arange(len(data)))  # rows, not sizes
        if getattr(indexed, "names", [None]) != [None] and not counted:
            data = data.reset_index()  # sizes and controls are often what pandas indexes by
        data = {str(name): np.asarray(data[name]) for name in data.columns}
    return sheet_of(data, source)


def _by_pandas(path: Path, reader: str, package: str) -> Any:
    try:
        importlib.import_module(package.replace("odfpy", "odf"))
    except ImportError as error:
        raise DatasetError(
            f"a {path.suffix} file needs the package {package}",
            where=str(path),
            remedy=f"`pip install {package}`, or save it as CSV",
        ) from error
    read = getattr(importlib.import_module("pandas"), reader)
    try:
        return read(io.BytesIO(bytes_of(path)))
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from error


def _by_numpy(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    try:
        loaded = np.load(io.BytesIO(bytes_of(path)), allow_pickle=False)
        if not isinstance(loaded, np.ndarray):
            with loaded:
                return {name: loaded[name] for name in loaded.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from error
    if loaded.dtype.names:
        return {name: loaded[name] for name in loaded.dtype.names}
    if loaded.ndim == 2:
        return {str(column): values for column, values in enumerate(loaded.T, 1)}
    raise DatasetError(
        f"an array of {loaded.ndim} dimensions",
        where=str(path),
        remedy="give a column for each quantity: numpy.savez with names",
    )


def _by_json(path: Path) -> dict[str, list[Any]]:
    """Lines of objects, a list of objects, or an object of lists."""
    try:
        text = bytes_of(path).decode("utf-8-sig")
        try:
            content = json.loads(text)
        except json.JSONDecodeError:
            content = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, error) from error
    if isinstance(content, dict):
        content = {name: value for name, value in content.items() if isinstance(value, list)}
        return {str(name): value for name, value in content.items()}
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise DatasetError(
            "neither lines of objects nor an object of columns",
            where=str(path),
            remedy='write {"L": 8, "T": 2.2, "m": 0.7, "dm": 0.01} on each line',
        )
    names = dict.fromkeys(name for row in content for name in row)
    return {str(name): [row.get(name, np.nan) for row in content] for name in names}


def _unreadable(path: Path, error: Exception) -> DatasetError:
    return DatasetError(
        f"cannot be read ({str(error)[:80] or type(error).__name__})",
        where=str(path),
        remedy="give CSV, columns separated by spaces, or NetCDF",
    )
