"""A dataset of the schema from results of any origin, of which one observable is enough.

Three shapes are taken: arrays on a grid, arrays with labelled dimensions, and rows. All become
arrays on a grid, and then a dataset.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from physbatch.dataset import (
    NO_CONTROLS,
    OPTIONAL_VARIABLES,
    SCHEMA_VERSION,
    STATUS_MISSING,
    STATUS_OK,
    VARIABLES,
    VariableSpec,
    coordinate,
    validate,
    variable_attributes,
)
from physbatch.errors import DatasetError
from physbatch.tables.grids import (
    OF_REPLICAS,
    Grid,
    Values,
    numbers,
    of_array,
    of_frame,
    of_labelled,
    of_rows,
)
from physbatch.typing import FloatArray, IntArray

_WHERE = "make_dataset"
#: Of times of which nothing else is known; the attribute ``units`` of ``time`` may say more.
_TIME_UNIT = "unit"
_KNOWN = {**VARIABLES, **OPTIONAL_VARIABLES}


def make_dataset(
    overlap: npt.ArrayLike | xr.DataArray | pd.DataFrame | pd.Series,
    *,
    size: Values = None,
    batch_size: Values = None,
    replica: Values = None,
    time: Values = None,
    control: str | None = None,
    success_at: float | None = None,
    **more: Values,
) -> xr.Dataset:
    """A dataset that `analyse` and all other analyses take, from results of any origin.

    Parameters
    ----------
    overlap : array_like, DataArray, Series or DataFrame
        The order parameter of every replica; nan where there is none.

        * An array of two or more dimensions: the dimensions are ``size``, the swept parameters
          in the order in which they are given (``batch_size`` first), ``replica`` and
          ``time``, as far as they are given; without ``replica`` the dimension that is left over
          is that of the replicas.
        * One dimension (or a Series): rows, with the size, control ... of each.
        * A DataArray: dimensions are named ``size``, ``batch_size`` ..., or as the arguments say
          (``size="N"``).
        * A DataFrame: rows; columns are named so, or as the arguments say. All other columns of
          numbers are observables; one is called ``overlap``, or there is only one.
    size, batch_size, replica, time : array_like or str, optional
        Values of the coordinates, or the names that they have. Rows without a number of the
        replica are counted; there is one time if none is given.
    control : str, optional
        Which swept parameter is the control; by default ``batch_size``, else the last one.
    success_at : float, optional
        A replica succeeds when the overlap reaches this value: from it come ``success`` and
        ``first_passage``, known to the interval between two times. Without it they are
        unknown, unless they are given, and there is no m_c of half the replicas.
    **more
        Further swept parameters (1-D beside an array; in rows those of
        `physbatch.dataset.SWEPT_DIMS`, and whatever ``control`` names) and further observables,
        in the shape of the overlap; ``success``, ``status``, ``first_passage`` without time.

    Returns
    -------
    xarray.Dataset
        Sorted by its coordinates. Grids of rows may be ragged: what is missing has the status
        missing.

    Raises
    ------
    physbatch.errors.DatasetError
        If lengths do not fit, a row stands twice, coordinates are not finite, or there is no
        size or no control.

    Examples
    --------
    >>> import numpy as np
    >>> accuracy = np.random.default_rng(1).random((2, 3, 20))
    >>> data = make_dataset(accuracy, size=[10, 20], pattern_count=[5, 10, 20])
    >>> dict(data.sizes), data.attrs["control_dim"]
    ({'size': 2, 'pattern_count': 3, 'replica': 20, 'time': 1}, 'pattern_count')
    >>> from physbatch.scaling import moments
    >>> moments(data)["overlap_mean"].shape
    (2, 3, 1)
    """
    given: dict[str, Values] = {
        "size": size,
        "batch_size": batch_size,
        **more,
        "replica": replica,
        "time": time,
    }
    if isinstance(overlap, pd.DataFrame):
        grid = of_rows(*of_frame(overlap, given), control)
    elif isinstance(overlap, xr.DataArray):
        grid = of_labelled(overlap, given)
    else:
        values = numbers("overlap", overlap)
        plain = {name: numbers(name, v) for name, v in given.items() if v is not None}
        grid = of_rows(values, plain, control) if values.ndim == 1 else of_array(values, plain)
    data = _dataset(_sorted(grid), _control(grid, control))
    return validate(_with_success(data, success_at), where=_WHERE)


def _sorted(grid: Grid) -> Grid:
    """Coordinates in order; DatasetError for equal or infinite ones, or no size."""
    if "size" not in grid.coordinates:
        raise DatasetError("no sizes", where=_WHERE, remedy="give size=..., the N of every system")
    if np.any(grid.coordinates["size"] <= 0):
        raise DatasetError("sizes are not above 0", where=_WHERE)
    coordinates, fields = dict(grid.coordinates), dict(grid.fields)
    for axis, (name, values) in enumerate(grid.coordinates.items()):
        order = np.argsort(values, kind="stable")
        coordinates[name] = values[order]
        if not np.isfinite(values).all() or np.any(np.diff(coordinates[name]) <= 0):
            raise DatasetError(f"values of {name!r} are not finite or not different", where=_WHERE)
        fields = {key: np.take(field, order, axis=axis) for key, field in fields.items()}
    return Grid(coordinates, fields)


def _control(grid: Grid, control: str | None) -> str:
    swept = [name for name in grid.coordinates if name not in NO_CONTROLS]
    if not swept or (control is not None and control not in swept):
        raise DatasetError(
            "no control" if control is None else f"no swept parameter {control!r}",
            where=_WHERE,
            remedy="give the values of the control, such as batch_size=...",
        )
    return control or ("batch_size" if "batch_size" in swept else swept[-1])


def _dataset(grid: Grid, control: str) -> xr.Dataset:
    """The variables that are given, and the status."""
    coordinates, fields = dict(grid.coordinates), dict(grid.fields)
    dims = list(coordinates)
    for name, position in (("replica", len(dims) - ("time" in dims)), ("time", len(dims) + 1)):
        if name not in dims:
            dims.insert(position, name)
            coordinates[name] = np.array([0.0 if name == "replica" else 1.0])
            fields = {key: np.expand_dims(v, dims.index(name)) for key, v in fields.items()}
    known = ~np.isnan(fields["overlap"]).all(axis=-1)
    fields.setdefault("status", np.where(known, STATUS_OK, STATUS_MISSING)[..., None])
    swept = [dim for dim in dims if dim not in (*NO_CONTROLS, control)]
    order = ("size", *swept, control, "replica", "time")
    variables = {}
    for name, values in fields.items():
        spec = _KNOWN.get(name) or VariableSpec(name)
        if name in OF_REPLICAS:
            values = np.take(values, 0, axis=-1)
        integer = spec.dtype != "float64"
        typed = (
            np.where(np.isnan(values), spec.fill, values).astype(spec.dtype) if integer else values
        )
        labelled = xr.Variable(
            dims[: typed.ndim], typed, variable_attributes(name, spec, _TIME_UNIT)
        )
        variables[name] = labelled.transpose(*(dim for dim in order if dim in labelled.dims))
    data = xr.Dataset(variables, coords={n: _coordinate(n, v) for n, v in coordinates.items()})
    if "batch_ratio" in dims:
        data = data.assign_coords(batch_size=data["size"] * data["batch_ratio"])
    return data.assign_attrs(
        {
            "Conventions": "CF-1.11",
            "title": "own data",
            "physbatch_schema": SCHEMA_VERSION,
            "control_dim": control,
        }
    )


def _coordinate(name: str, values: FloatArray) -> xr.Variable:
    exact = name != "time" and bool(np.all(np.abs(values) < 2.0**53))
    whole = exact and bool(np.all(values == np.round(values)))
    kept: FloatArray | IntArray = values.astype(np.int64) if whole else values
    return coordinate(name, name, kept, _TIME_UNIT if name == "time" else None)


def _with_success(data: xr.Dataset, level: float | None) -> xr.Dataset:
    """The dataset with first passages and success: from the overlap, as given, or unknown."""
    stated = [name for name in ("success", "first_passage") if name in data]
    if level is not None and (np.asarray(level).dtype.kind not in "iuf" or np.isnan(level)):
        raise DatasetError(f"success_at is {level!r}, no number", where=_WHERE)
    if level is not None and stated:
        raise DatasetError(f"success_at and {stated[0]} exclude each other", where=_WHERE)
    times = data["time"].values
    before = np.concatenate(([min(0.0, times[0])], times[:-1]))
    unknown = xr.full_like(data["overlap"].isel(time=0, drop=True), np.nan)
    upper, lower, success = unknown, unknown, xr.full_like(unknown, -1.0)
    if level is not None or stated == ["success"]:
        if level is not None:
            reached = data["overlap"] >= level
            ever, first = reached.any("time"), reached.argmax("time").values
            success = reached.isel(time=-1).astype(float)
            earliest = unknown.copy(data=before[first])
            latest = unknown.copy(data=times[first])
        else:  # some time in the run
            ever, success = data["success"] == 1, data["success"]
            earliest, latest = (
                xr.zeros_like(unknown) + before[0],
                xr.zeros_like(unknown) + times[-1],
            )
        known = (data["status"] != STATUS_MISSING) & (success >= 0)
        success = success.where(known, -1.0)
        upper = latest.where(ever, np.inf).where(known)
        lower = earliest.where(ever, times[-1]).where(known)
    elif "first_passage" in data:
        upper = data["first_passage"]
        places = np.searchsorted(times, upper.values, side="left").clip(0, times.size - 1)
        lower = upper.copy(data=np.where(np.isinf(upper), times[-1], before[places]))
        lower = lower.where(upper.notnull())
        success = (upper <= times[-1]).astype(float).where(upper.notnull(), -1.0)
    made = {"first_passage": upper, "first_passage_lower": lower, "success": success}
    return data.assign(
        {
            name: xr.Variable(
                values.dims, values.values.astype(_KNOWN[name].dtype),
                variable_attributes(name, _KNOWN[name], _TIME_UNIT),
            )
            for name, values in made.items()
            if name not in data
        }
    )  # fmt: skip
