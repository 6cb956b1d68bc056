"""The dataset schema, version 1: the single source of truth for what a file holds.

Dimensions go by name, never by order: ``size`` (N), any swept parameter, the control
(``batch_size``, or ``batch_ratio`` with a 2-D coordinate ``batch_size(size, batch_ratio)``, or
any other swept parameter), ``replica`` and ``time``. Files are plain NetCDF-4:
`xarray.open_dataset` opens them.
"""

import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from physbatch.errors import DatasetError
from physbatch.files.netcdf import IN_MEMORY_BYTES, open_netcdf
from physbatch.files.selections import with_dimension

SCHEMA_VERSION = 1

STATUS_OK = 0
STATUS_DIVERGED = 1
STATUS_MISSING = 2

CONTROL_DIMS = ("batch_size", "batch_ratio")
#: Parameters that may be swept besides size and control, in the order of their dimensions.
SWEPT_DIMS = ("degree", "initial_overlap", "temperature", "learning_rate", "pattern_count")


@dataclass(frozen=True)
class VariableSpec:
    """What the schema says of one data variable."""

    long_name: str
    dims: tuple[str, ...] = ("replica", "time")  # besides size, swept parameters and control
    dtype: str = "float64"
    fill: float | int = np.nan
    is_time: bool = False  # in the unit of the time coordinate rather than "1"


#: Dimensions that number the units of the first hidden layer, from 0.
UNIT_DIMS = ("student_unit", "other_student_unit", "teacher_unit")
#: Dimensions along which no parameter varies.
NO_CONTROLS = ("size", "replica", "time", *UNIT_DIMS)


VARIABLES: Mapping[str, VariableSpec] = {
    "overlap": VariableSpec("teacher-student overlap modulo symmetry"),
    "generalization_error": VariableSpec("fraction of wrong output bits on fresh inputs"),
    "batch_error": VariableSpec("fraction of wrong output bits on the batch last drawn"),
    "first_passage": VariableSpec(
        "upper end of the interval that holds the time of first success; inf: not within the run",
        dims=("replica",),
        is_time=True,
    ),
    "first_passage_lower": VariableSpec(
        "lower end of the interval that holds the time of first success",
        dims=("replica",),
        is_time=True,
    ),
    "success": VariableSpec(
        "1 if the student is perfect at the end, 0 if not, -1 if missing",
        dims=("replica",),
        dtype="int8",
        fill=-1,
    ),
    "status": VariableSpec(
        "how the replica ended", dims=("replica",), dtype="int8", fill=STATUS_MISSING
    ),
}

#: What every file holds; the others of `VARIABLES` belong to learning, and own data may lack them.
NEEDED = ("overlap", "first_passage", "first_passage_lower", "success", "status")

#: What only some systems and dynamics measure; a file holds those that its study asks for.
OPTIONAL_VARIABLES: Mapping[str, VariableSpec] = {
    "student_overlap": VariableSpec(
        "overlaps Q = w w'/N of the student's hidden units",
        dims=("replica", "time", "student_unit", "other_student_unit"),
    ),
    "teacher_overlap": VariableSpec(
        "overlaps R = w w*'/N of the student's with the teacher's hidden units",
        dims=("replica", "time", "student_unit", "teacher_unit"),
    ),
    "weight_error": VariableSpec("squared distance to the teacher |w - w*|^2/N"),
    "student_norm": VariableSpec(
        "root mean square of the student's weights over that of the teacher's"
    ),
    "training_error": VariableSpec("fraction of training samples in the wrong class"),
    "test_loss": VariableSpec("mean loss on the test samples"),
    "sharpness": VariableSpec(
        "largest eigenvalue of the second derivative of the mean loss on the training set"
    ),
    "batch_sharpness": VariableSpec(
        "largest eigenvalue of the second derivative of the mean loss on the next batch"
    ),
    "directional_sharpness": VariableSpec(
        "mean over mini-batches of g'Hg/g'g with gradient g and second derivative H of their loss"
    ),
    "directional_sharpness_ratio": VariableSpec("mean over mini-batches of g'Hg over that of g'g"),
    "gradient_square": VariableSpec("|G|^2, G the gradient of the mean loss"),
    "gradient_variance": VariableSpec("tr S, S the covariance of the gradients of single samples"),
    "function_overlap": VariableSpec(
        "overlap m_hat = <f_s f_t>/sqrt(<f_s^2> <f_t^2>) of what student and teacher say"
    ),
    "teacher_student_product": VariableSpec("m = <f_s f_t> on the probe inputs"),
    "student_square": VariableSpec("q = <f_s^2> on the probe inputs"),
    "teacher_square": VariableSpec("rho = <f_t^2> on the probe inputs", dims=("replica",)),
    "replica_overlap": VariableSpec(
        "overlap m_hat of two students that share the teacher alone, on the probe inputs"
    ),
    "replica_overlap_data": VariableSpec(
        "overlap m_hat of two students that share teacher, samples and batches"
    ),
    "weight_norm": VariableSpec("root mean square of the learned weights"),
    "distance_moved": VariableSpec("root mean square of the change of the weights since time 0"),
    "random_overlap": VariableSpec(
        "overlap of a random student, positive by matching alone", dims=("replica",)
    ),
    "diverged_at": VariableSpec(
        "time at which the replica left the range of floating-point numbers; inf: it did not",
        dims=("replica",),
        is_time=True,
    ),
    "stopped_at": VariableSpec(
        "time from which on the loss of all patterns was zero; inf: it was not",
        dims=("replica",),
        is_time=True,
    ),
}


#: What the coordinates of a dataset are.
COORDINATES: Mapping[str, str] = {
    "size": "number of inputs N",
    "batch_size": "mini-batch size m",
    "batch_ratio": "mini-batch size per input m/N",
    "degree": "connectivity d",
    "initial_overlap": "initial overlap per weight",
    "temperature": "temperature T",
    "learning_rate": "learning rate eta",
    "pattern_count": "number of patterns P",
    "replica": "replica",
    "student_unit": "hidden unit of the student",
    "other_student_unit": "hidden unit of the student",
    "teacher_unit": "hidden unit of the teacher",
    "graph": "number of the graph, the unit of the bootstrap",
    "time": "time",
    "samples": "samples seen, m times steps",
    "alpha": "steps over number of inputs N",
}


def plural(unit: str) -> str:
    """The plural of a unit of time that the schema stores in the singular."""
    return f"{unit}s" if unit in ("sweep", "step", "sample") else unit


#: Attribute of times that says what they count, such as sweeps, which is no unit of UDUNITS.
TIME_UNIT = "time_unit"


def coordinate(
    name: str,
    dims: str | Sequence[str],
    values: npt.ArrayLike,
    time_unit: str | None = None,
) -> xr.Variable:
    """A coordinate of a dataset, with its long name."""
    attrs = {"long_name": COORDINATES.get(name, name), "units": "1"}
    if time_unit is not None:
        attrs |= {"long_name": f"{name} in {plural(time_unit)}", TIME_UNIT: time_unit}
    return xr.Variable(dims, np.asarray(values), attrs)


def variable_attributes(name: str, spec: VariableSpec, time_unit: str) -> dict[str, Any]:
    """Attributes of a variable of a dataset."""
    attrs: dict[str, Any] = {"long_name": spec.long_name, "units": "1"}
    if spec.is_time:
        attrs[TIME_UNIT] = time_unit
    if np.dtype(spec.dtype).kind == "i" and name != "status":  # whose flags say what is missing
        attrs["_FillValue"] = np.dtype(spec.dtype).type(spec.fill)
    if name == "status":
        flags = [STATUS_OK, STATUS_DIVERGED, STATUS_MISSING]
        attrs["flag_values"] = np.array(flags, dtype=np.int8)
        attrs["flag_meanings"] = "ok diverged missing"
    return attrs


def time_unit(data: xr.Dataset) -> str:
    """What the times of a dataset count (sweep, step or sample), or nothing where it says none.

    Files of before have it in the attribute ``units``.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> time_unit(first_order(sizes=(50,), replicas=4))
    'sweep'
    """
    attrs = data["time"].attrs if "time" in data.variables else {}
    return str(attrs.get(TIME_UNIT, attrs.get("units", ""))).removeprefix("1")


def control_dim(data: xr.Dataset) -> str:
    """The dimension of the control; DatasetError if the dataset names none that it has."""
    name = str(data.attrs.get("control_dim", ""))
    if name in NO_CONTROLS or name not in data.dims:
        others = [str(dim) for dim in data.dims if dim not in NO_CONTROLS]
        raise DatasetError(
            f"attribute control_dim is {name!r}",
            where="dataset",
            remedy=f"it must name one of the dimensions {', '.join(others) or 'of the data'}",
        )
    return name


def swept_dims(data: xr.Dataset) -> tuple[str, ...]:
    """Dimensions of parameters that are swept besides size and control, in their order.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> swept_dims(first_order(sizes=(50,), replicas=4).expand_dims(degree=[3, 5]))
    ('degree',)
    """
    known = ("size", control_dim(data), "replica")
    dims = [str(dim) for dim in data["status"].dims if dim not in known] if "status" in data else []
    first = [dim for dim in SWEPT_DIMS if dim in data.dims and dim not in known]
    return (*first, *(dim for dim in dims if dim not in first))


def control_values(data: xr.Dataset) -> xr.DataArray:
    """Batch size m, or any other control, of every (size, control) pair.

    Returns
    -------
    xarray.DataArray
        Shape (n_size, n_control), unit 1.
    """
    dim = control_dim(data)
    return (
        data["batch_size" if dim in CONTROL_DIMS else dim]
        .broadcast_like(xr.zeros_like(data["size"] * data[dim]))
        .transpose("size", dim)
    )


def batch_sizes(data: xr.Dataset) -> xr.DataArray:
    """Batch size m of every (size, control) pair; DatasetError if another control is swept."""
    dim = control_dim(data)
    if dim not in CONTROL_DIMS:
        raise DatasetError(
            f"the control is {dim}",
            where="dataset",
            remedy="this analysis needs the batch size, batch_size or batch_ratio, as control",
        )
    return control_values(data)


def validate(data: xr.Dataset, *, where: str = "dataset") -> xr.Dataset:
    """The dataset if it follows the schema, else DatasetError with what does not.

    Dimensions of which a selection of one value left a coordinate are there again, integers that
    were decoded as missing numbers are integers, and units are those of UDUNITS.
    """
    version = data.attrs.get("physbatch_schema")
    if version is None:
        raise DatasetError(
            "not a physbatch dataset (attribute physbatch_schema is missing)",
            where=where,
            remedy="make one with `physbatch run`",
        )
    if int(version) > SCHEMA_VERSION:
        raise DatasetError(
            f"schema version {int(version)} is newer than {SCHEMA_VERSION}, the newest that this "
            "physbatch reads",
            where=where,
            remedy="upgrade physbatch",
        )
    data = _whole(data)
    control = control_dim(data)
    grid = ("size", *swept_dims(data), control)
    for name in (*grid, "replica", "time"):
        if name not in data.dims or name not in data.coords:
            remedy = f"choose one value with a list, which keeps it: data.isel({name}=[-1])"
            if name == "replica":
                remedy = "give single replicas, no means: errors come from them"
            raise DatasetError(
                f"dimension {name!r} or its coordinate is missing", where=where, remedy=remedy
            )
        values = np.asarray(data[name].values, dtype=float)
        if values.size == 0 or np.any(np.diff(values) <= 0):
            raise DatasetError(
                f"coordinate {name!r} must be strictly increasing and not empty", where=where
            )
    if control == "batch_ratio" and "batch_size" not in data.coords:
        raise DatasetError("coordinate 'batch_size' is missing", where=where)
    for name, spec in {**VARIABLES, **OPTIONAL_VARIABLES}.items():
        if name not in data:
            if name not in NEEDED:
                continue
            raise DatasetError(f"variable {name!r} is missing", where=where)
        expected = {*grid, *spec.dims}
        if set(data[name].dims) != expected:
            raise DatasetError(
                f"variable {name!r} has dims {sorted(map(str, data[name].dims))}, expected "
                f"{sorted(expected)}",
                where=where,
            )
    _require_plain_attributes(data, where)
    return data


def _whole(data: xr.Dataset) -> xr.Dataset:
    """The dataset as physbatch wrote it, whatever xarray, another format or an age made of it."""
    specs = {**VARIABLES, **OPTIONAL_VARIABLES}
    grid = ("size", str(data.attrs.get("control_dim", "")), "replica", "time")
    cells = [name for name in data.data_vars if name in specs or set(data[name].dims) & {*grid}]
    for dim in grid:
        if dim in data.dims or dim not in data.variables:
            continue
        lacking = [
            name
            for name in cells
            if name not in specs or dim not in ("replica", "time") or dim in specs[str(name)].dims
        ]
        if "batch_size" in data.coords and grid[1] == "batch_ratio" and dim in grid[:2]:
            lacking.append("batch_size")
        data = with_dimension(data, dim, lacking)
        swept = [d for d in data.dims if d not in (*grid, *UNIT_DIMS, "decision")]
        order = (grid[0], *swept, *grid[1:], *UNIT_DIMS)
        data = data.transpose(*order, ..., missing_dims="ignore")
    integers = {
        name: xr.Variable(
            data[name].dims,
            data[name].fillna(spec.fill).values.astype(spec.dtype),
            {**data[name].attrs, "_FillValue": np.dtype(spec.dtype).type(spec.fill)},
        )
        for name, spec in specs.items()
        if name in data and spec.dtype != "float64" and data[name].dtype.kind == "f"
    }
    data = data.assign(integers) if integers else data
    unit = time_unit(data)
    if unit and data["time"].attrs.get("units") == unit:
        data = data.copy()
        for variable in data.variables.values():
            if variable.attrs.get("units") == unit:
                variable.attrs |= {"units": "1", TIME_UNIT: unit}
    return data


def _require_plain_attributes(data: xr.Dataset, where: str) -> None:
    """Refuse attributes that NetCDF cannot hold."""
    for attrs in (data.attrs, *(variable.attrs for variable in data.variables.values())):
        for key, value in attrs.items():
            numbers = value if isinstance(value, list) else [value]  # lists: what Zarr stores
            if isinstance(value, bool) or not all(
                isinstance(number, (str, int, float, np.integer, np.floating, np.ndarray))
                for number in numbers
            ):
                raise DatasetError(
                    f"attribute {key!r} is a {type(value).__name__}",
                    where=where,
                    remedy="attributes are strings or numbers",
                )


def is_large(path: str | os.PathLike[str]) -> bool:
    """Whether values of a file are better read as they are needed; not of a folder, or of none."""
    return os.path.isfile(path) and os.path.getsize(path) > IN_MEMORY_BYTES


def open_dataset(path: str | os.PathLike[str], *, load: bool = True) -> xr.Dataset:
    """Load a physbatch dataset and check it against the schema.

    Parameters
    ----------
    path : path
        The file, or the folder of a Zarr store.
    load : bool
        If not, the file stays open and values are read when they are asked for: for datasets
        larger than memory.

    Raises
    ------
    DatasetError
        If the file is missing, damaged, not ours, or from a newer schema.
    """
    data = open_netcdf(path, load=load, check=functools.partial(validate, where=str(path)))
    whole = validate(data, where=str(path))
    if whole is not data:
        whole.set_close(data.close)
    return whole
