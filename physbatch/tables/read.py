"""Tables from files and datasets: CSV, TSV, columns separated by spaces, NetCDF, xarray.

Text is parsed as data, never evaluated. Columns are guessed by name only where one column
alone can be meant, and the table's flags say what was guessed.
"""

import glob
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import xarray as xr

from physbatch.dataset import NO_CONTROLS, STATUS_OK, control_dim
from physbatch.errors import DatasetError
from physbatch.files.netcdf import open_netcdf, open_tree
from physbatch.results.flag import Flag
from physbatch.results.flags import COLUMNS_GUESSED, PAIRED_CONTROLS, ROWS_LEFT_OUT
from physbatch.tables.cells import read_cell
from physbatch.tables.columns import (
    Columns,
    Names,
    Roles,
    by_place,
    dimension_of,
    labels_of,
    pick_columns,
    without_lines,
)
from physbatch.tables.datasets import at_time, cells_of, refuse_results, stored_table
from physbatch.tables.frames import sheet_of_data, sheet_of_file
from physbatch.tables.make import Limits
from physbatch.tables.samples import Rows, table_of
from physbatch.tables.sheet import Sheet, long_form, sheet_of, stacked
from physbatch.tables.sources import is_netcdf
from physbatch.tables.table import Dimension, ScalingTable
from physbatch.tables.text import TextSheet, sniff
from physbatch.typing import BoolArray, FloatArray


class ReadOptions(Limits, total=False):
    """What else may be said of data, as in `read_table`."""

    dimension: Dimension | None
    time: float | None


class DatasetOptions(ReadOptions, total=False):
    """What else may be said of a dataset, as in `from_dataset`."""

    replica_dim: str | None
    source: str


def read_table(
    path: str | os.PathLike[str] | Any,
    *,
    size: str | int | None = None,
    control: str | int | None = None,
    observable: Names = None,
    error: Names = None,
    size_from_name: str | None = None,
    strict: bool = False,
    **options: Unpack[ReadOptions],
) -> ScalingTable:
    """Observables at points (size, control) from files or data in memory.

    Parameters
    ----------
    path : path or data
        Text: CSV, TSV or columns separated by semicolons or spaces, with ``#`` comments, also
        packed (gzip, bzip2, xz, zstd), in UTF-16, without names (``L x y dy``), with a column for
        each size (``T, L=20, L=20_err``); ``-`` is standard input. Any NetCDF file (see
        `from_dataset`). numpy's npz, JSON, and by pandas xlsx and Parquet. A data frame of pandas
        or polars, a mapping of names to columns, an xarray dataset.
    size, control : str or int, optional
        Column names, or numbers that count from 1. Without them the names ``L``, ``N``,
        ``size`` ... and ``x``, ``p``, ``T``, ``beta``, ``control``, ``temperature`` ... serve,
        if just one is there.
    observable, error : str, int or sequence, optional
        Columns of the observables and of their standard errors, in the same order.
        Without error columns, rows with the same size and control are replicas (or bins
        longer than the autocorrelation time). Where every point has a single row, errors are
        estimated from the scatter of neighbouring points: flag ``errors_unknown``.
    size_from_name : str, optional
        A regular expression with one group, which is the size in the name of a file; `path` is then
        a pattern such as ``L*.dat``.
    strict : bool
        Refuse rows without a value, or with an error of 0, instead of leaving them out.
    dimension : {"N", "L"}, optional
        Whether sizes are volumes or linear sizes; by default N for a column called so.
    time : float, optional
        For datasets with a time: which one; by default the last.
    minimum_sizes, minimum_points : int
        As in `make_table`.

    Returns
    -------
    ScalingTable
        Sorted by size and control; `flags` says what was guessed or left out.

    Raises
    ------
    physbatch.errors.DatasetError
        If the file cannot be read as such a table: where, and what to do.
    physbatch.errors.AnalysisError
        If its numbers make no table: not finite, errors not above 0, duplicated points,
        one size, fewer than three points, a constant observable.

    Examples
    --------
    >>> import tempfile
    >>> text = "L T m dm\\n8 2.2 .70 .01\\n8 2.3 .6 .01\\n16 2.2 .65 .01\\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = Path(folder, "ising.dat").write_text(text)
    ...     table = read_table(Path(folder, "ising.dat"))
    >>> table.observables, table.control.tolist()
    (('m',), [2.2, 2.3, 2.2])
    >>> table.flags
    ("columns_guessed: size = 'L', control = 'T', observable = 'm', error = 'dm'",)
    >>> columns = {"L": [8, 8, 16], "T": [2.2, 2.3, 2.2], "m": [0.7, 0.6, 0.65], "dm": [0.01] * 3}
    >>> read_table(columns).values["m"].tolist()
    [0.7, 0.6, 0.65]
    """
    given = Roles(size, control, observable, error)
    if isinstance(path, xr.DataArray):
        return _from_array(path, given, **options)
    if isinstance(path, xr.Dataset):
        return _from_dataset(path, given, **options)
    if not isinstance(path, str | os.PathLike):
        return _from_sheet(sheet_of_data(path), given, strict=strict, **options)
    if size_from_name is not None:
        sheet: Sheet = sheet_of_sizes(str(path), size_from_name)
        return _from_sheet(sheet, given, strict=strict, **options)
    source = Path(path)
    if is_netcdf(source):
        data = open_netcdf(source)
        if not data.data_vars and (groups := sheet_of_groups(source)) is not None:
            return _from_sheet(groups, given, strict=strict, **options)
        return _from_dataset(data, given.as_names(), source=str(source), **options)
    sheet = sheet_of_file(source) or sniff(source)
    return _from_sheet(sheet, given, strict=strict, **options)


def sheet_of_sizes(pattern: str, size_from_name: str) -> Sheet:
    """One sheet of files that hold a size each, which their names say.

    Raises
    ------
    physbatch.errors.DatasetError
        If no file is of the pattern, or a name does not say a size.
    """
    try:
        say = re.compile(size_from_name)
    except re.error as error:
        raise DatasetError(
            f"{size_from_name!r} is no regular expression ({error})", where="size_from_name"
        ) from error
    paths = sorted(map(Path, glob.glob(pattern)))
    if not paths:
        raise DatasetError("no such files", where=pattern, remedy="check the pattern")
    sheets = []
    for path in paths:
        match = say.search(path.name) or say.search(str(path))
        text = match[1] if match is not None and say.groups == 1 else None
        if text is None or (cell := read_cell(text)) is None:
            raise DatasetError(
                f"{size_from_name!r} finds no size in its name",
                where=str(path),
                remedy=r"write an expression with one group, as in 'L(\\d+)'",
            )
        sheets.append((cell.value, sheet_of_file(path) or sniff(path)))
    return stacked(sheets, "L", pattern)


def sheet_of_groups(path: Path) -> Sheet | None:
    """One sheet of the groups of a file, each of which holds a size that its name says.

    None if there are no such groups.
    """
    if path.is_dir():
        return None
    sheets = []
    for name, group in open_tree(path).items():
        match = re.search(r"(\d+(?:\.\d+)?)\D*$", name)
        columns = {str(key): v.values for key, v in group.variables.items() if v.ndim == 1}
        if match is not None and columns:
            sheets.append((float(match[1]), sheet_of(columns, f"{path}, group {name}")))
    return stacked(sheets, "L", str(path)) if len(sheets) > 1 else None


def _from_sheet(
    sheet: Sheet,
    given: Roles,
    *,
    dimension: Dimension | None = None,
    time: float | None = None,  # columns have none
    strict: bool = False,
    **limits: Unpack[Limits],
) -> ScalingTable:
    if given.size is None:
        sheet = long_form(sheet)
    roles = given if sheet.named else by_place(sheet, given)
    columns = pick_columns(sheet.names, roles, sheet.source)
    names = "L, c, y, dy" if roles.size == 1 else "c, L, y, dy"
    guessed = () if roles is given else (COLUMNS_GUESSED(f"the file names none: {names}"),)
    try:
        column = sheet.columns(columns.all)
    except DatasetError as error:
        bad = sheet.lines_of_words(columns.all) if isinstance(sheet, TextSheet) else []
        if command := without_lines(bad, columns, sheet.source):
            error.remedy = f"write a number there, or leave such lines out: `{command}`"
        raise
    kept, flags = (None, ()) if strict else _kept(column, columns, sheet)
    rows = np.arange(len(column[columns.size])) if kept is None else np.flatnonzero(kept)
    labels = dict(zip(columns.all, columns.all, strict=True))
    if not sheet.named:
        labels = labels_of(columns, dimension)
    return table_of(
        Rows(
            column[columns.size][rows],
            column[columns.control][rows],
            {labels[name]: column[name][rows] for name in columns.observables},
            {
                labels[name]: column[error][rows]
                for name, error in zip(columns.observables, columns.errors, strict=False)
            },
        ),
        lambda row: sheet.locate(int(rows[row])),
        size_name=labels[columns.size],
        control_name=labels[columns.control],
        dimension=dimension or dimension_of(labels[columns.size]),
        source=sheet.source,
        flags=(*guessed, *columns.flags, *flags),
        **limits,
    )


def _kept(
    column: Mapping[str, FloatArray], columns: Columns, sheet: Sheet
) -> tuple[BoolArray, tuple[Flag, ...]]:
    """Rows that hold all numbers and errors that are not 0, and a flag if there are others."""
    kept = ~np.any([np.isnan(values) for values in column.values()], axis=0)
    for error in columns.errors:
        kept &= column[error] != 0
    if kept.all():
        return kept, ()
    first = sheet.locate(int(np.argmin(kept)))
    if not kept.any():
        raise DatasetError(
            "no row holds a value and an error above 0", where=sheet.source, remedy=f"see {first}"
        )
    return kept, (
        ROWS_LEFT_OUT(
            f"{int((~kept).sum())} of {kept.size} rows hold no value or an error of 0 "
            f"(first: {first})"
        ),
    )


def from_dataset(
    data: xr.Dataset | xr.DataArray,
    *,
    size: str | None = None,
    control: str | None = None,
    observable: Names = None,
    error: Names = None,
    **options: Unpack[DatasetOptions],
) -> ScalingTable:
    """Observables at points (size, control) from an xarray dataset.

    Parameters
    ----------
    data : xarray.Dataset or xarray.DataArray
        One variable, as ``data["overlap"]``; a table that `ScalingTable.to_dataset` made; a
        dataset of physbatch (by default the overlaps of the replicas that ended well, at the last
        time); or any other, with variables or coordinates named below.
    size, control : str, optional
        Names of variables or coordinates with any dimensions that the observable has.
    observable, error : str or sequence of str, optional
        Variables; without errors, the dimension that neither size nor control has is that
        of the replicas.
    replica_dim : str, optional
        Dimension of the replicas.
    source : str
        Name of the dataset in messages.
    dimension, time, minimum_sizes, minimum_points
        As in `read_table`.

    Returns
    -------
    ScalingTable
        Cells that hold nothing but nan are left out, so that grids may be ragged.

    Raises
    ------
    physbatch.errors.DatasetError
        If the variables or dimensions do not make a table.
    physbatch.errors.AnalysisError
        If the numbers do not.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> table = from_dataset(first_order(sizes=(50, 100), replicas=20))
    >>> table.dimension, table.observables, table.sizes.tolist()
    ('N', ('overlap',), [50.0, 100.0])
    """
    given = Roles(size, control, observable, error)
    if isinstance(data, xr.DataArray):
        return _from_array(data, given, **options)
    return _from_dataset(data, given, **options)


def _from_array(
    data: xr.DataArray, given: Roles, **options: Unpack[DatasetOptions]
) -> ScalingTable:
    """The table of one variable; one of a dataset of physbatch has the names of its dimensions."""
    name = str(data.name or "y")
    if "size" in data.dims and given.size is None:
        controls = [str(dim) for dim in data.dims if dim not in NO_CONTROLS and data.sizes[dim] > 1]
        control = given.control or (controls[0] if len(controls) == 1 else None)
        given = Roles("size", control, name, given.error)
        options = {"dimension": "N", **options}
        if "replica" in data.dims:
            options = {"replica_dim": "replica", **options}
    return _from_dataset(data.to_dataset(name=name), given, **options)


def _from_dataset(
    data: xr.Dataset,
    given: Roles,
    *,
    replica_dim: str | None = None,
    time: float | None = None,
    dimension: Dimension | None = None,
    source: str = "dataset",
    **limits: Unpack[Limits],
) -> ScalingTable:
    if "physbatch_table" in data.attrs:
        return stored_table(data, given, dimension, source, limits)
    if given.size is None and given.control is None:
        refuse_results(data, source)
    flags: tuple[Flag, ...] = ()
    ours = "physbatch_schema" in data.attrs
    if ours:
        given = Roles(
            given.size or "size",
            given.control or control_dim(data),
            given.observable or "overlap",
            given.error,
        )
        replica_dim, dimension = replica_dim or "replica", dimension or "N"
    columns = pick_columns([str(name) for name in data.variables], given, source)
    if "time" in data.dims:
        data, flags = at_time(data, time, source)
    if "paired" in data.attrs:
        flags += (PAIRED_CONTROLS("replicas have the same disorder at every control"),)
    if ours:
        data = data.assign(
            {name: data[name].where(data["status"] == STATUS_OK) for name in columns.observables}
        )
    rows, dropped = cells_of(data, columns, replica_dim, source)
    return table_of(
        rows,
        lambda row: (
            f"{source}, {columns.size} = {rows.size[row]:g}, "
            f"{columns.control} = {rows.control[row]:g}"
        ),
        size_name=columns.size,
        control_name=columns.control,
        dimension=dimension or dimension_of(columns.size),
        source=source,
        flags=columns.flags + flags + dropped,
        **limits,
    )
