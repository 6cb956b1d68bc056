"""Parts of xarray datasets: stored tables, one time, and cells as rows of numbers."""

import numpy as np
import xarray as xr

from physbatch.errors import DatasetError
from physbatch.results.flag import Flag
from physbatch.results.flags import CELLS_LEFT_OUT, TIME
from physbatch.tables.columns import Columns, Roles, listed, named_column
from physbatch.tables.make import Limits, checked
from physbatch.tables.samples import Rows
from physbatch.tables.table import Dimension, ScalingTable

#: Global attributes of the files that hold what an analysis found.
_RESULTS = ("physbatch_collapse", "physbatch_record", "physbatch_results")


def stored_table(
    data: xr.Dataset, given: Roles, dimension: Dimension | None, source: str, limits: Limits
) -> ScalingTable:
    """The table that `ScalingTable.to_dataset` stored, or some of its observables.

    Such a table has one size, one control and the error of each observable, so that other names
    for them are mistakes.
    """
    table = ScalingTable.from_dataset(data)
    errors = ("stderr", *(f"{name}_error" for name in table.observables))
    for role, known, wanted in (
        ("size", ("size", table.size_name), given.size),
        ("control", ("control", table.control_name), given.control),
        ("error", errors, given.error),
    ):
        for name in listed(wanted):
            named_column(known, name, role, source)
    if dimension not in (None, table.dimension):
        raise DatasetError(
            f"sizes are {table.dimension}, not {dimension}",
            where=source,
            remedy="convert them with the dimension of space (ScalingTable.to_dimension)",
        )
    names = [
        named_column(table.observables, name, "observable", source)
        for name in listed(given.observable)
    ]
    return checked(table.only(*names) if names else table, **limits)


def refuse_results(data: xr.Dataset, source: str) -> None:
    """Refuse a file of results, which holds no observables at sizes and controls."""
    if any(name in data.attrs for name in _RESULTS):
        raise DatasetError(
            "holds the results of an analysis, not data",
            where=source,
            remedy="give the table or the dataset that they came from",
        )


def at_time(
    data: xr.Dataset, time: float | None, source: str
) -> tuple[xr.Dataset, tuple[Flag, ...]]:
    """The dataset at one time, and a flag if the last was taken unasked."""
    if time is None:
        last = f"{float(data['time'][-1]):g}" if "time" in data.coords else "the last"
        return data.isel(time=-1), (TIME(f"{last}, the last of {data.sizes['time']}"),)
    times = np.asarray(data["time"].values, dtype=np.float64)
    at = np.flatnonzero(np.isclose(times, time, rtol=1e-9, atol=0.0))
    if at.size != 1:
        first = ", ".join(f"{there:g}" for there in times[:12])
        raise DatasetError(f"no time {time:g}", where=source, remedy=f"there is {first}")
    return data.isel(time=int(at[0])), ()


def cells_of(
    data: xr.Dataset, columns: Columns, replica_dim: str | None, source: str
) -> tuple[Rows, tuple[Flag, ...]]:
    """Flat columns of all cells that hold a number, and a flag if some do not."""
    grid = {str(dim) for name in (columns.size, columns.control) for dim in data[name].dims}
    first = data[columns.observables[0]]
    for name in (*columns.observables, *columns.errors):
        if set(data[name].dims) != set(first.dims) or not grid <= set(map(str, first.dims)):
            raise DatasetError(
                f"{name!r} has dimensions {', '.join(map(str, data[name].dims))}",
                where=source,
                remedy=f"it must have those of {first.name!r}, size and control",
            )
    extra = [str(d) for d in first.dims if str(d) not in grid and first.sizes[d] > 1]
    replicas = [replica_dim] if replica_dim else extra
    allowed = replicas if len(replicas) == 1 and not columns.errors else []
    wrong = [dim for dim in extra if dim not in allowed]
    if wrong:
        raise DatasetError(
            f"{first.name!r} also has dimension {', '.join(wrong)}",
            where=source,
            remedy=f"physbatch select DATA.nc {wrong[0]}=... -o PART.nc chooses one value; or name "
            "the dimension of the replicas",
        )
    whole = xr.broadcast(*(data[name] for name in columns.all))
    try:
        flat = [np.asarray(array.values, dtype=np.float64).ravel() for array in whole]
    except (TypeError, ValueError) as error:
        raise DatasetError(
            "a variable holds something else than numbers", where=source, remedy="name another"
        ) from error
    size, control, *rest = flat
    empty = np.all(np.isnan(rest), axis=0)
    values, errors = rest[: len(columns.observables)], rest[len(columns.observables) :]
    if columns.errors == () and extra:
        # A cell in which fewer than two replicas ended well gives no error bar.
        shape = [whole[0].sizes[dim] for dim in whole[0].dims]
        axis = [str(dim) for dim in whole[0].dims].index(extra[0])
        count = np.sum(~empty.reshape(shape), axis=axis, keepdims=True)
        empty |= np.broadcast_to(count < 2, shape).ravel()
    keep = ~empty
    if not keep.any():
        raise DatasetError(f"{first.name!r} holds no number", where=source, remedy="name another")
    flags = (
        (CELLS_LEFT_OUT(f"{empty.sum()} of {empty.size} hold no number"),) if empty.any() else ()
    )
    return (
        Rows(
            size[keep],
            control[keep],
            {n: column[keep] for n, column in zip(columns.observables, values, strict=True)},
            {n: column[keep] for n, column in zip(columns.observables, errors, strict=False)},
        ),
        flags,
    )
