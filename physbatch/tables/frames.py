"""Columns from spreadsheets, Parquet, JSON and numpy files, and from data frames in memory."""

from __future__ import annotations

import importlib
import io
import json
import re
import tomllib
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from physbatch.errors import DatasetError
from physbatch.tables.sheet import Sheet, by_sizes, sheet_of
from physbatch.tables.sources import bytes_of

#: Readers of pandas by suffix, and the package that each needs.
_PANDAS = {
    ".xlsx": ("read_excel", "openpyxl"),
    ".xls": ("read_excel", "xlrd"),
    ".ods": ("read_excel", "odfpy"),
    ".parquet": ("read_parquet", "pyarrow"),
    ".feather": ("read_feather", "pyarrow"),
}
_SPLIT = {"columns", "data", "index"}
#: Members of an object that is one number with its error.
_MEANS = ("mean", "value", "val", "average", "avg", "Mean", "Value")
_ERRORS = ("error", "err", "stderr", "sem", "std", "sigma", "standard_error", "Error", "Err")


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
        arrays = _by_matlab(path) if suffix == ".mat" else _by_numpy(path)
    elif suffix in _TREES:
        columns = _of_tree(_TREES[suffix](path), path)
        try:
            arrays = {name: np.asarray(values) for name, values in columns.items()}
        except ValueError:  # lists of different lengths
            return sheet_of(columns, str(path))
    else:
        return None
    arrays = on_grids(by_sizes(arrays))
    return sheet_of(arrays, str(path), named="1" not in arrays)


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
    _package(package.replace("odfpy", "odf"), package, path)
    read = getattr(importlib.import_module("pandas"), reader)
    try:
        return read(io.BytesIO(bytes_of(path)))
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from error


def _package(module: str, name: str, path: Path) -> Any:
    """A package that reads a file, or the error that says how to have it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DatasetError(
            f"a {path.suffix} file needs the package {name}",
            where=str(path),
            remedy=f"save it as CSV, or `pip install {name}`",
        ) from error


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


def _by_json(path: Path) -> Any:
    """One object, or one in each line."""
    try:
        text = bytes_of(path).decode("utf-8-sig")
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, error) from error


def _by_toml(path: Path) -> Any:
    try:
        return tomllib.loads(bytes_of(path).decode("utf-8-sig"))
    except ValueError as error:
        raise _unreadable(path, error) from error


def _by_yaml(path: Path) -> Any:
    yaml = _package("yaml", "pyyaml", path)
    try:
        return yaml.safe_load(bytes_of(path))
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise _unreadable(path, error) from error


#: Readers of objects within objects, by suffix.
_TREES: dict[str, Callable[[Path], Any]] = {
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), _by_json),
    ".toml": _by_toml,
    **dict.fromkeys((".yaml", ".yml"), _by_yaml),
}


def _of_tree(content: Any, path: Path) -> dict[str, list[Any]]:
    """The columns of a list of objects, a list of rows, or an object of lists."""
    if isinstance(content, dict):
        content = _as_pandas_writes(content) or _flat(content)
    if isinstance(content, list) and all(isinstance(row, list) for row in content):
        lengths = {len(row) for row in content}
        if len(lengths) == 1 and lengths != {0}:
            return {str(n): list(column) for n, column in enumerate(zip(*content, strict=True), 1)}
    if isinstance(content, list) and all(isinstance(row, dict) for row in content):
        content = [part for row in _inner_rows(content) for part in _spread(_plain(row))]
    if isinstance(content, dict):
        return {_name(n): values for n, values in content.items() if isinstance(values, list)}
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise DatasetError(
            "neither lines of objects nor an object of columns",
            where=str(path),
            remedy='write {"L": 8, "T": 2.2, "m": 0.7, "dm": 0.01} on each line',
        )
    names = dict.fromkeys(name for row in content for name in row)
    columns = {_name(name): [row.get(name, np.nan) for row in content] for name in names}
    words = [name for name, values in columns.items() if all(isinstance(v, str) for v in values)]
    return {name: values for name, values in columns.items() if name not in words}


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


def _plain(row: dict[str, Any], name: str = "") -> dict[str, Any]:
    """An object within another as members of that; its mean and its error as two of one name."""
    value, error = (next((key for key in keys if key in row), None) for keys in (_MEANS, _ERRORS))
    if name and value is not None:
        told = {} if error is None else {f"{name}_error": row[error]}
        out = {name: row[value], **told}
    else:
        parts = (_plain(v, k) if isinstance(v, dict) else {k: v} for k, v in row.items())
        out = {key: inner for part in parts for key, inner in part.items()}
    alone = (key for key, inner in out.items() if isinstance(inner, list) and len(inner) == 1)
    return out | {key: out[key][0] for key in alone}


def _spread(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of an object that holds lists of equal length; two numbers alone are value and error."""
    lists = {name: values for name, values in row.items() if isinstance(values, list)}
    lengths = {len(values) for values in lists.values()}
    if len(lists) == 1 and lengths == {2}:
        ((name, (value, error)),) = lists.items()
        return [row | {name: value, f"{name}_error": error}]
    if len(lengths) != 1:
        return [row]
    return [
        row | dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)
    ]


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
