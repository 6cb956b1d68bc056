"""Results of any shape as arrays on a grid: arrays, labelled arrays, rows and tables of rows."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from physbatch.dataset import NO_CONTROLS, OPTIONAL_VARIABLES, SWEPT_DIMS, VARIABLES
from physbatch.errors import DatasetError
from physbatch.typing import FloatArray

_WHERE = "make_dataset"
#: Variables with one value for each replica.
OF_REPLICAS = ("success", "status", "first_passage", "first_passage_lower")
Values = npt.ArrayLike | str | xr.DataArray | pd.Series | None


class Grid(NamedTuple):
    """Coordinates in the order of the dimensions, and the fields along all of these."""

    coordinates: dict[str, FloatArray]
    fields: dict[str, FloatArray]


def numbers(name: str, values: object) -> FloatArray:
    """An array of numbers, nan where it is masked, or the error that names it."""
    try:
        if np.asarray(values).dtype.kind == "c":  # numpy would cut them
            raise TypeError("complex numbers")
        if isinstance(values, np.ma.MaskedArray):
            values = np.ma.filled(values.astype(np.float64), np.nan)
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DatasetError(f"{name!r} holds something else than numbers", where=_WHERE) from error
    if np.isinf(array).any() and not name.startswith("first_passage"):
        raise DatasetError(
            f"{name!r} holds an infinite number",
            where=_WHERE,
            remedy="put nan, and status=1 for replicas that diverged",
        )
    return array


def of_array(overlap: FloatArray, given: Mapping[str, FloatArray]) -> Grid:
    axes = {
        name: np.atleast_1d(values)
        for name, values in given.items()
        if name in ("size", "batch_size", "replica", "time")
        or (values.ndim <= 1 and name not in (*VARIABLES, *OPTIONAL_VARIABLES))
    }
    names = [name for name in axes if name not in ("replica", "time")]
    if "replica" not in axes and overlap.ndim == len(axes) + 1:
        at = len(names)
        axes["replica"] = np.arange(overlap.shape[at], dtype=np.float64)
    names += [name for name in ("replica", "time") if name in axes]
    lengths = tuple(axes[name].size for name in names)
    if overlap.shape != lengths:
        words = ", ".join(f"{name} {axes[name].size}" for name in names)
        raise DatasetError(
            f"the overlap has the shape {overlap.shape}, its coordinates {lengths} ({words})",
            where=_WHERE,
            remedy="give one value of each coordinate for every place along its dimension",
        )
    fields = {"overlap": overlap} | {n: v for n, v in given.items() if n not in axes}
    full = {name: _full(name, field, names, axes) for name, field in fields.items()}
    return Grid({name: axes[name] for name in names}, full)


def _full(
    name: str, values: FloatArray, names: list[str], axes: Mapping[str, FloatArray]
) -> FloatArray:
    """A field along all dimensions; what belongs to replicas stays the same at all times."""
    shape = tuple(axes[dim].size for dim in names)
    if name in OF_REPLICAS and "time" in axes and values.shape == shape[:-1]:
        values = values[..., None]
    elif values.shape != shape:
        raise DatasetError(
            f"{name!r} has the shape {values.shape}, the overlap {shape}",
            where=_WHERE,
            remedy="observables have the shape of the overlap",
        )
    return np.broadcast_to(values, shape)


def of_labelled(overlap: xr.DataArray, given: Mapping[str, Values]) -> Grid:
    """A DataArray, whose dimensions have names."""
    new = {str(old): name for name, old in given.items() if isinstance(old, str)}
    fields = {"overlap": overlap} | {
        name: values for name, values in given.items() if isinstance(values, xr.DataArray)
    }
    if lost := [old for old in new if old not in overlap.dims]:
        raise DatasetError(
            f"no dimension {lost[0]!r}",
            where=_WHERE,
            remedy=f"choose among {', '.join(map(str, overlap.dims))}",
        )
    renamed = {
        name: field.rename({old: to for old, to in new.items() if old in field.dims})
        for name, field in fields.items()
    }
    dims = [str(dim) for dim in renamed["overlap"].dims]
    order = ["size", *(d for d in dims if d not in NO_CONTROLS), "replica", "time"]
    order = [dim for dim in order if dim in dims]
    if odd := set(dims) - set(order):
        raise DatasetError(f"dimension {min(odd)!r} has no place", where=_WHERE)
    plain: dict[str, FloatArray] = {}
    for dim in order:
        stated = given.get(dim)
        if dim != "replica" and dim not in renamed["overlap"].coords and stated is None:
            raise DatasetError(f"dimension {dim!r} has no coordinate", where=_WHERE)
        named = stated is None or isinstance(stated, str)
        plain[dim] = numbers(dim, renamed["overlap"][dim].values if named else stated)
    for name, field in renamed.items():
        plain[name] = numbers(name, field.transpose(*(d for d in order if d in field.dims)).values)
    return of_array(plain.pop("overlap"), plain)


def of_frame(
    frame: pd.DataFrame, given: Mapping[str, Values]
) -> tuple[FloatArray, dict[str, FloatArray]]:
    """The overlap and all other columns of a table."""
    names = {name: values for name, values in given.items() if isinstance(values, str)}
    columns = [str(column) for column in frame.columns]
    for wanted in names.values():
        if wanted not in columns:
            raise DatasetError(
                f"no column {wanted!r}", where=_WHERE, remedy=f"there is {', '.join(columns)}"
            )
    role = {str(column): name for name, column in names.items()}
    table = frame.set_axis([role.get(column, column) for column in columns], axis=1)
    values = {
        str(name): numbers(str(name), table[name].to_numpy())
        for name in table.columns
        if pd.api.types.is_numeric_dtype(table[name])
    }
    values |= {n: numbers(n, v) for n, v in given.items() if v is not None and n not in names}
    places = ("size", "replica", "time", "batch_size", *SWEPT_DIMS, *names, *given)
    free = [name for name in values if name not in places]
    if "overlap" not in values and len(free) != 1:
        raise DatasetError(
            f"the columns {', '.join(free) or 'of observables'} may be the order parameter",
            where=_WHERE,
            remedy='rename it: frame.rename(columns={"q": "overlap"})',
        )
    return values.pop("overlap" if "overlap" in values else free[0]), values


def of_rows(overlap: FloatArray, given: Mapping[str, FloatArray], control: str | None) -> Grid:
    """Rows, each with its coordinates."""
    for name, values in given.items():
        if values.ndim and values.shape != overlap.shape:
            raise DatasetError(
                f"{name!r} has the shape {values.shape}, the overlap {overlap.shape}",
                where=_WHERE,
                remedy="rows have one value of everything",
            )
    rows = {name: np.broadcast_to(values, overlap.shape) for name, values in given.items()}
    swept = ["size", "batch_size", *SWEPT_DIMS, "batch_ratio", *filter(None, [control])]
    names = [name for name in dict.fromkeys([*swept, "replica", "time"]) if name in rows]
    keys = {name: rows[name] for name in names}
    for name, key in keys.items():
        if not np.isfinite(key).all():
            raise DatasetError(f"{name!r} of row {_first(~np.isfinite(key))} is no finite number",
                               where=_WHERE)  # fmt: skip
    if "replica" not in keys:
        keys = {**{n: k for n, k in keys.items() if n != "time"}, "replica": _counted(keys)} | {
            n: k for n, k in keys.items() if n == "time"
        }
    coordinates, rows_of = {}, []
    for name, key in keys.items():
        coordinates[name], positions = np.unique(key, return_inverse=True)
        rows_of.append(positions)
    shape = tuple(values.size for values in coordinates.values())
    flat = np.ravel_multi_index(tuple(rows_of), shape)
    if np.unique(flat).size < flat.size:
        order = np.argsort(flat, kind="stable")
        at = int(order[1:][np.diff(flat[order]) == 0][0])
        words = ", ".join(f"{name} = {key[at]:g}" for name, key in keys.items())
        raise DatasetError(
            f"row {at} stands twice: {words}", where=_WHERE, remedy="number the replicas"
        )
    fields = {}
    for name, values in {"overlap": overlap, **rows}.items():
        if name not in keys:
            block = np.full(int(np.prod(shape)), np.nan)
            block[flat] = values
            fields[name] = block.reshape(shape)
    return Grid(coordinates, fields)


def _counted(keys: Mapping[str, FloatArray]) -> FloatArray:
    """Which of the rows with the same coordinates each row is, from 0 on."""
    rows = pd.DataFrame(dict(keys))
    return np.asarray(rows.groupby(list(rows.columns)).cumcount(), dtype=np.float64)


def _first(flags: npt.NDArray[np.bool_]) -> int:
    return int(np.flatnonzero(flags)[0])
