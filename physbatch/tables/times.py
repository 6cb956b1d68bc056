"""Observables at points (time, control, size): what dynamic scaling takes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr

from physbatch.dataset import STATUS_OK, control_dim, control_values, swept_dims
from physbatch.errors import AnalysisError, DatasetError
from physbatch.results.flag import Flag
from physbatch.results.flags import COLUMNS_GUESSED, ROWS_LEFT_OUT
from physbatch.tables.columns import (
    CONTROL_NAMES,
    OTHER_CONTROLS,
    Names,
    bare,
    error_names,
    listed,
    named_column,
)
from physbatch.tables.frames import sheet_of_data, sheet_of_file
from physbatch.tables.sheet import SIZE_NAMES, Sheet
from physbatch.tables.table import Dimension
from physbatch.tables.text import sniff
from physbatch.typing import BoolArray, FloatArray

#: What an observable does at criticality: it follows a power of time, or is a mean square distance
#: R^2 ~ t^(2/z) from where an activity began.
Growth = Literal["power", "spread"]

TIME_NAMES = ("t", "time", "Time", "sweep", "sweeps", "step", "steps", "mcs", "MCS")
SPREAD_NAMES = ("R2", "r2", "R^2", "r^2", "Rsq", "R_2", "msd", "MSD", "spread", "R2_mean")
#: Fewer points than this have no scaling to show.
_LEAST_POINTS, _LEAST_TIMES = 8, 4


@dataclass(frozen=True, eq=False)
class TimeTable:
    """Observables at points (time, control, size).

    Attributes
    ----------
    time, control : ndarray, shape (n_point,)
        Times above 0, and controls.
    size : ndarray, shape (n_point,), or None
        Sizes, if there are.
    values : mapping of str to ndarray, shape (n_point,)
        Observables.
    errors : mapping of str to ndarray, shape (n_point,)
        Their standard errors, of those that state some.
    growths : mapping of str to {"power", "spread"}
        What each observable is.
    time_name, control_name, size_name, dimension, source
        As in `ScalingTable`.
    flags : tuple of Flag
        What was guessed or left out.
    """

    time: FloatArray
    control: FloatArray
    size: FloatArray | None
    values: Mapping[str, FloatArray]
    errors: Mapping[str, FloatArray]
    growths: Mapping[str, Growth]
    time_name: str = "t"
    control_name: str = "control"
    size_name: str = "L"
    dimension: Dimension = "L"
    source: str = ""
    flags: tuple[Flag, ...] = field(default=())

    def select(self, keep: BoolArray) -> TimeTable:
        """The points where `keep` is true."""
        return replace(
            self,
            time=self.time[keep],
            control=self.control[keep],
            size=None if self.size is None else self.size[keep],
            values={name: column[keep] for name, column in self.values.items()},
            errors={name: column[keep] for name, column in self.errors.items()},
        )

    def window(
        self,
        *,
        time_min: float = 0.0,
        time_max: float = np.inf,
        control_min: float = -np.inf,
        control_max: float = np.inf,
    ) -> TimeTable:
        """The points within a range of times and controls, ends included.

        Raises
        ------
        physbatch.errors.AnalysisError
            If fewer than 8 points are left.
        """
        keep = (self.time >= time_min) & (self.time <= time_max)
        keep &= (self.control >= control_min) & (self.control <= control_max)
        if keep.sum() < _LEAST_POINTS:
            raise AnalysisError(
                f"{keep.sum()} points are within the range",
                where=self.source or "table",
                remedy=f"{self.time_name} is {self.time.min():g} to {self.time.max():g} and "
                f"{self.control_name} {self.control.min():g} to {self.control.max():g}",
            )
        return self.select(keep)


def read_times(
    path: str | os.PathLike[str] | Any,
    *,
    time: str | int | None = None,
    control: str | int | None = None,
    size: str | int | None = None,
    observable: Names = None,
    error: Names = None,
    dimension: Dimension | None = None,
) -> TimeTable:
    """Observables at points (time, control, size) from a file or columns in memory.

    Parameters
    ----------
    path : path or data
        Text, spreadsheets and the like as in `read_table`, a data frame, or a mapping of names to
        columns.
    time, control, size : str or int, optional
        Column names, or numbers that count from 1. Without them usual names serve. A file without
        a column of controls has one control, one without sizes is of a system as good as infinite.
    observable, error : str, int or sequence, optional
        Columns of the observables and their standard errors, in the same order; by default all
        that are left. A column called R2 (or msd) is a mean square distance. Without errors rows
        of the same time, control and size are replicas; single rows have no error, which the fit
        then finds.
    dimension : {"N", "L"}, optional
        Whether sizes are volumes or linear sizes; by default N for a column called so.

    Returns
    -------
    TimeTable

    Raises
    ------
    physbatch.errors.DatasetError
        If the file cannot be read as such a table.
    physbatch.errors.AnalysisError
        If it holds fewer than 8 points or 4 times.

    Examples
    --------
    >>> t = [1.0, 2, 4, 8] * 2
    >>> table = read_times({"t": t, "p": [0.1] * 4 + [0.2] * 4, "rho": [0.5] * 8})
    >>> table.time_name, table.control_name, list(table.values), table.size is None
    ('t', 'p', ['rho'], True)
    """
    if isinstance(path, str | os.PathLike):
        source = Path(path)
        sheet = sheet_of_file(source) or sniff(source)
    else:
        sheet = sheet_of_data(path)
    names = [name for name in sheet.names if name]
    chosen = _Chooser(names, sheet.names, sheet.source)
    chosen.take("time", time, TIME_NAMES, needed=True)
    observables = [chosen.named(name, "observable") for name in listed(observable)]
    errors = [chosen.named(name, "error") for name in listed(error)]
    chosen.taken += [*observables, *errors]
    chosen.take("size", size, _repeated(sheet, [n for n in names if bare(n) in SIZE_NAMES]))
    chosen.take("control", control, CONTROL_NAMES)
    if "control" not in chosen.roles:
        chosen.take("control", None, OTHER_CONTROLS)
    if not observables:
        rest = [name for name in names if name not in chosen.taken]
        observables = [name for name in rest if not _is_error(name, rest)]
        chosen.guessed.append(f"observable = {', '.join(map(repr, observables))}")
    if not observables:
        raise DatasetError("no column is left for an observable", where=sheet.source)
    of = chosen.errors_of(observables, errors)
    columns = sheet.columns([*chosen.roles.values(), *observables, *of.values()])
    flags = (COLUMNS_GUESSED(", ".join(chosen.guessed)),) if chosen.guessed else ()
    roles = chosen.roles
    count = len(columns[roles["time"]])
    table = TimeTable(
        columns[roles["time"]],
        columns[roles["control"]] if "control" in roles else np.zeros(count),
        columns[roles["size"]] if "size" in roles else None,
        {name: columns[name] for name in observables},
        {name: columns[of[name]] for name in of},
        {name: "spread" if bare(name) in SPREAD_NAMES else "power" for name in observables},
        roles["time"],
        roles.get("control", "control"),
        roles.get("size", "L"),
        dimension or ("N" if bare(roles.get("size", "L")) == "N" else "L"),
        sheet.source,
        flags,
    )
    return _averaged(_usable(table))


class _Chooser:
    """Which column is what: as said, or by name."""

    def __init__(self, names: Sequence[str], every: Sequence[str], where: str) -> None:
        self.names, self.every, self.where = names, every, where
        self.roles: dict[str, str] = {}
        self.taken: list[str] = []
        self.guessed: list[str] = []

    def named(self, wanted: str | int, role: str) -> str:
        return named_column(self.every, wanted, role, self.where)

    def take(
        self, role: str, said: str | int | None, usual: Sequence[str], *, needed: bool = False
    ) -> None:
        """Take the column of a role; of several that may be meant it must be said."""
        if said is not None:
            self.roles[role] = self.named(said, role)
            self.taken.append(self.roles[role])
            return
        free = [name for name in self.names if name not in self.taken]
        hits = [name for name in free if bare(name) in usual]
        # A column that has one of errors is an observable: N may be a number of active sites.
        hits = [name for name in hits if not _error_names(name, free)]
        if len(hits) > 1 or (needed and not hits):
            what = f"{' and '.join(hits)} may be" if hits else "no column is plainly"
            raise DatasetError(
                f"{what} the {role}",
                where=self.where,
                remedy=f"name the {role} column, one of {', '.join(self.names)}",
            )
        if hits:
            self.roles[role] = hits[0]
            self.taken.append(hits[0])
            self.guessed.append(f"{role} = {hits[0]!r}")

    def errors_of(self, observables: Sequence[str], errors: Sequence[str]) -> dict[str, str]:
        """The column of errors of each observable that has one."""
        if errors:
            if len(errors) != len(observables):
                raise DatasetError(
                    f"{len(observables)} observables and {len(errors)} error columns",
                    where=self.where,
                    remedy="give one error column for each observable, in the same order",
                )
            return dict(zip(observables, errors, strict=True))
        rest = [name for name in self.names if name not in (*self.taken, *observables)]
        of = {name: _error_names(name, rest) for name in observables}
        return {name: hits[0] for name, hits in of.items() if hits}


def _repeated(sheet: Sheet, names: Sequence[str]) -> list[str]:
    """The columns that hold few values many times: N may be a number of active sites as well."""
    columns = sheet.columns(names) if names else {}
    return [
        bare(name)
        for name, column in columns.items()
        if _LEAST_TIMES * np.unique(column).size <= column.size
    ]


def _error_names(name: str, others: Sequence[str]) -> list[str]:
    return [other for other in others if other != name and bare(other) in error_names(name)]


def _is_error(name: str, others: Sequence[str]) -> bool:
    return any(name in _error_names(other, others) for other in others)


def _usable(table: TimeTable) -> TimeTable:
    """The rows with a time above 0, all numbers, and errors above 0."""
    keep = (table.time > 0) & np.isfinite(table.time) & np.isfinite(table.control)
    if table.size is not None:
        keep &= (table.size > 0) & np.isfinite(table.size)
    for values in table.values.values():
        keep &= np.isfinite(values)
    for errors in table.errors.values():
        keep &= np.isfinite(errors) & (errors > 0)
    flags = table.flags
    if not keep.all():
        words = "hold no time above 0, no value, or an error of 0"
        flags = (*flags, ROWS_LEFT_OUT(f"{(~keep).sum()} of {keep.size} rows {words}"))
    table = replace(table.select(keep), flags=flags)
    if keep.sum() < _LEAST_POINTS or np.unique(table.time).size < _LEAST_TIMES:
        raise AnalysisError(
            f"{keep.sum()} points at {np.unique(table.time).size} times",
            where=table.source or "table",
            remedy=f"give at least {_LEAST_POINTS} points at {_LEAST_TIMES} times",
        )
    return table


def _averaged(table: TimeTable) -> TimeTable:
    """One row for each point, in order: rows that repeat one are replicas."""
    size = np.zeros_like(table.time) if table.size is None else table.size
    points = np.column_stack([size, table.control, table.time])
    unique, row, count = np.unique(points, axis=0, return_inverse=True, return_counts=True)
    row = row.ravel()
    if (count > 1).any() and (table.errors or (count < 2).any()):
        many = int(np.argmax(count > 1))
        raise AnalysisError(
            f"{table.time_name} = {unique[many, 2]:g}, {table.control_name} = {unique[many, 1]:g} "
            "stands twice",
            where=table.source or "table",
            remedy="give each point once, or the same number of rows (replicas) without errors",
        )
    values: dict[str, FloatArray] = {}
    errors: dict[str, FloatArray] = dict(table.errors)
    for name, column in table.values.items():
        mean = np.asarray(np.bincount(row, column) / count, dtype=np.float64)
        values[name] = mean
        if name in errors:
            errors[name] = np.asarray(np.bincount(row, errors[name]), dtype=np.float64)
        elif (count > 1).all():
            square = np.bincount(row, (column - mean[row]) ** 2) / (count - 1) / count
            errors[name] = np.sqrt(square)
    made = replace(
        table,
        time=unique[:, 2],
        control=unique[:, 1],
        size=None if table.size is None else unique[:, 0],
        values=values,
        errors=errors,
    )
    spread = np.all([error > 0 for error in errors.values()], axis=0) if errors else True
    return made if np.all(spread) else made.select(np.broadcast_to(spread, made.time.shape))


def times_of_dataset(data: xr.Dataset, observable: str | None = None) -> TimeTable:
    """Means over the replicas of a dataset of the schema at all its times.

    Parameters
    ----------
    data : xarray.Dataset
        What `physbatch run` wrote, without further swept parameters.
    observable : str, optional
        A variable over replica and time; by default 1 - overlap, the density of what is not yet
        learned, which is 0 in the absorbing state.

    Returns
    -------
    TimeTable
        Points whose replicas all agree (all absorbed, say) have no error and are left out.

    Raises
    ------
    physbatch.errors.AnalysisError
        If other parameters are swept, or there is no such observable.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> table = times_of_dataset(first_order(sizes=(50, 100), replicas=20))
    >>> list(table.values), table.size_name, bool((table.time > 0).all())
    (['1 - overlap'], 'N', True)
    """
    if many := [dim for dim in swept_dims(data) if data.sizes[dim] > 1]:
        raise AnalysisError(
            f"the data sweep {', '.join(many)}",
            where="dynamics",
            remedy=f"choose one value of each: physbatch select DATA.nc {many[0]}=... -o PART.nc",
        )
    data = data.squeeze(swept_dims(data), drop=True)
    if observable is not None and not {"replica", "time"} <= set(
        data[observable].dims if observable in data else ()
    ):
        raise AnalysisError(f"no observable {observable!r} over replica and time")
    name = observable or "1 - overlap"
    values = (data[observable] if observable else 1.0 - data["overlap"]).where(
        data["status"] == STATUS_OK
    )
    count = values.count("replica")
    mean = values.mean("replica")
    error = values.std("replica", ddof=1) / np.sqrt(count) if data.sizes["replica"] > 1 else mean
    dims = ("size", control_dim(data), "time")
    grid = control_values(data).broadcast_like(mean).transpose(*dims).values
    sizes, times = (data[dim].broadcast_like(mean).transpose(*dims).values for dim in dims[::2])
    columns = [part.transpose(*dims).values for part in (mean, error)]
    flat = [np.asarray(x, np.float64).ravel() for x in (times, grid, sizes, *columns)]
    one_size = np.unique(sizes).size == 1
    table = TimeTable(
        flat[0], flat[1], None if one_size else flat[2], {name: flat[3]}, {name: flat[4]},
        {name: "power"}, "time", control_dim(data), "N", "N", str(data.attrs.get("title", "")),
    )  # fmt: skip
    return _averaged(_usable(table))
