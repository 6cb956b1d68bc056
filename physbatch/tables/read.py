"""Tables from files and datasets: CSV, TSV, columns separated by spaces, NetCDF, xarray.

Text is parsed as data, never evaluated. Columns are guessed by name only where one column
alone can be meant, and the table's flags say what was guessed.
"""

import os
from pathlib import Path
from typing import Unpack

import xarray as xr

from physbatch.dataset import STATUS_OK, control_dim
from physbatch.files.netcdf import open_netcdf
from physbatch.results.flag import Flag
from physbatch.tables.columns import Columns, Names, Roles, dimension_of, pick_columns
from physbatch.tables.datasets import at_time, cells_of, refuse_results, stored_table
from physbatch.tables.make import Limits
from physbatch.tables.samples import Rows, table_of
from physbatch.tables.table import Dimension, ScalingTable
from physbatch.tables.text import Layout, is_netcdf, line_of_row, load, sniff


class ReadOptions(Limits, total=False):
    """What else may be said of a file, as in `read_table`."""

    dimension: Dimension | None
    time: float | None


class DatasetOptions(ReadOptions, total=False):
    """What else may be said of a dataset, as in `from_dataset`."""

    replica_dim: str | None
    source: str


def read_table(
    path: str | os.PathLike[str],
    *,
    size: str | int | None = None,
    control: str | int | None = None,
    observable: Names = None,
    error: Names = None,
    **options: Unpack[ReadOptions],
) -> ScalingTable:
    """Observables at points (size, control) from a file.

    Parameters
    ----------
    path : path
        CSV, TSV or columns separated by semicolons or spaces, with ``#`` comments, or any
        NetCDF file (see `from_dataset`).
    size, control : str or int, optional
        Column names, or numbers that count from 1. Without them the names ``L``, ``N``,
        ``size`` ... and ``x``, ``p``, ``T``, ``beta``, ``control``, ``temperature`` ... serve,
        if just one is there.
    observable, error : str, int or sequence, optional
        Columns of the observables and of their standard errors, in the same order.
        Without error columns, rows with the same size and control are replicas (or bins
        longer than the autocorrelation time). Where every point has a single row, errors are
        estimated from the scatter of neighbouring points: flag ``errors_unknown``.
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
    """
    source = Path(path)
    if is_netcdf(source):
        return from_dataset(
            open_netcdf(source),
            size=None if size is None else str(size),
            control=None if control is None else str(control),
            observable=observable,
            error=error,
            source=str(source),
            **options,
        )
    layout = sniff(source)
    columns = pick_columns(layout.names, Roles(size, control, observable, error), str(source))
    return _from_text(layout, columns, **options)


def _from_text(
    layout: Layout,
    columns: Columns,
    *,
    dimension: Dimension | None = None,
    time: float | None = None,  # text has none
    **limits: Unpack[Limits],
) -> ScalingTable:
    data = load(layout, columns.all)
    column = {name: data[:, layout.names.index(name)] for name in columns.all}
    rows = Rows(
        column[columns.size],
        column[columns.control],
        {name: column[name] for name in columns.observables},
        {o: column[e] for o, e in zip(columns.observables, columns.errors, strict=False)},
    )
    return table_of(
        rows,
        lambda row: f"{layout.path}, line {line_of_row(layout, row)}",
        size_name=columns.size,
        control_name=columns.control,
        dimension=dimension or dimension_of(columns.size),
        source=str(layout.path),
        flags=columns.flags,
        **limits,
    )


def from_dataset(
    data: xr.Dataset,
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
    data : xarray.Dataset
        A table that `ScalingTable.to_dataset` made; a dataset of physbatch (by default the
        overlaps of the replicas that ended well, at the last time); or any other, with
        variables or coordinates named below.
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
    return _from_dataset(data, Roles(size, control, observable, error), **options)


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
