"""Columns from spreadsheets, Parquet, JSON and numpy files, and from data frames in memory."""

from __future__ import annotations

import importlib
import io
import json
import re
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
_SPLIT = {"columns", "data", "index"}


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
    if suffix in (".npz", ".npy", ".mat"):
        columns = on_grids(_by_matlab(path) if suffix == ".mat" else _by_numpy(path))
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
        content = _as_pandas_writes(content) or _flat(content)
    if isinstance(content, list):
        content = _inner_rows(content)
    if isinstance(content, dict):
        return {_name(n): values for n, values in content.items() if isinstance(values, list)}
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise DatasetError(
            "neither lines of objects nor an object of columns",
            where=str(path),
            remedy='write {"L": 8, "T": 2.2, "m": 0.7, "dm": 0.01} on each line',
        )
    names = dict.fromkeys(name for row in content for name in row)
    return {_name(name): [row.get(name, np.nan) for row in content] for name in names}


def _name(word: object) -> str:
    """The name of a column; JSON knows halves of characters, which no file takes."""
    return str(word).encode("utf-8", "replace").decode("utf-8")


def _as_pandas_writes(content: dict[str, Any]) -> dict[str, list[Any]]:
    """Columns of what ``DataFrame.to_json`` writes as split, columns or index; else none."""
    names, rows = content.get("columns"), content.get("data")
    if isinstance(names, list) and isinstance(rows, list) and set(content) <= _SPLIT:
        if any(not isinstance(row, list) or len(row) != len(names) for row in rows):
            return {}
        return {str(name): [row[column] for row in rows] for column, name in enumerate(names)}
    parts = list(content.values())
    if not all(isinstance(part, dict) and part and list(part) == list(parts[0]) for part in parts):
        return {}
    if any(isinstance(value, (list, dict)) for part in parts for value in part.values()):
        return {}
    if parts and all(name.isdecimal() for name in content):
        return {name: [part[name] for part in parts] for name in parts[0]}
    return {name: list(part.values()) for name, part in content.items()}


def _inner_rows(rows: list[Any]) -> list[Any]:
    """Rows within rows, ``{"L": 8, "data": [{"T": 2.2}]}``, each with what stands outside."""
    out = []
    for row in rows:
        inner = [
            name
            for name, value in (row.items() if isinstance(row, dict) else ())
            if isinstance(value, list) and value and all(isinstance(part, dict) for part in value)
        ]
        if len(inner) != 1:
            return rows
        outer = {name: value for name, value in row.items() if name != inner[0]}
        out += [outer | part for part in row[inner[0]]]
    return out


def _flat(content: dict[str, Any]) -> dict[str, Any] | list[Any]:
    """Columns, or rows, of an object that holds them under a name, or columns for each size."""
    columns = {name: value for name, value in content.items() if isinstance(value, list)}
    rows = [value for value in columns.values() if value and isinstance(value[0], dict)]
    if len(rows) == 1:
        return list(rows[0])
    parts = {name: value for name, value in content.items() if isinstance(value, dict)}
    sizes = {name: re.fullmatch(r"\D*(\d+(?:\.\d+)?)", name) for name in parts}
    if columns or not parts:
        return content
    if len(parts) == 1 and not all(sizes.values()):
        return _flat(next(iter(parts.values())))
    out: dict[str, list[Any]] = {}
    for name, match in sizes.items():
        part = {key: value for key, value in parts[name].items() if isinstance(value, list)}
        if match is None or not part:
            continue  # what describes the data
        length = len(next(iter(part.values())))
        for key, values in {"L": [float(match[1])] * length, **part}.items():
            out.setdefault(key, []).extend(values)
    return out or content


def _by_matlab(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    content = bytes_of(path)
    if content.startswith(b"MATLAB 7.3"):
        raise DatasetError(
            "a file of MATLAB 7.3, which is HDF5",
            where=str(path),
            remedy="save it with `save('data.mat', '-v7')`",
        )
    try:
        loaded = loadmat(str(path))
    except (MatReadError, ValueError, TypeError, OSError, IndexError) as error:
        raise _unreadable(path, error) from error
    return {
        name: np.squeeze(values)
        for name, values in loaded.items()
        if not name.startswith("__") and values.dtype.kind in "iufb" and values.size > 1
    }


def on_grids(columns: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
    """Columns of the cells of a grid, where arrays have two axes that two others name.

    Examples
    --------
    >>> columns = {"L": np.array([8, 16]), "T": np.arange(3.0), "m": np.ones((2, 3))}
    >>> {name: values.shape for name, values in on_grids(columns).items()}
    {'L': (6,), 'T': (6,), 'm': (6,)}
    """
    shapes = {values.shape for values in columns.values() if values.ndim == 2}
    if len(shapes) != 1:
        return dict(columns)
    (shape,) = shapes
    out = {}
    for name, values in columns.items():
        if values.ndim == 1 and shape[0] != shape[1] and values.size in shape:
            grid = values[:, None] if values.size == shape[0] else values[None]
        elif values.ndim == 2:
            grid = values
        else:
            return dict(columns)
        out[name] = np.broadcast_to(grid, shape).ravel()
    return out


def _unreadable(path: Path, error: Exception) -> DatasetError:
    return DatasetError(
        f"cannot be read ({str(error)[:80] or type(error).__name__})",
        where=str(path),
        remedy="give CSV, columns separated by spaces, or NetCDF",
    )
