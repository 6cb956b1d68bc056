"""The dataset schema, version 1: the single source of truth for what a file holds.

Dimensions go by name, never by order: ``size`` (N), any swept parameter, the control
(``batch_size``, or ``batch_ratio`` with a 2-D coordinate ``batch_size(size, batch_ratio)``),
``replica`` and ``time``. Files are plain NetCDF-4: `xarray.open_dataset` opens them.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from physbatch.errors import DatasetError, OutputError

__all__ = [
    "OPTIONAL_VARIABLES",
    "SCHEMA_VERSION",
    "STATUS_DIVERGED",
    "STATUS_MISSING",
    "STATUS_OK",
    "SWEPT_DIMS",
    "UNIT_DIMS",
    "VARIABLES",
    "VariableSpec",
    "control_dim",
    "control_values",
    "open_dataset",
    "open_netcdf",
    "save",
    "validate",
]

SCHEMA_VERSION = 1

STATUS_OK = 0
STATUS_DIVERGED = 1
STATUS_MISSING = 2

CONTROL_DIMS = ("batch_size", "batch_ratio")
#: Parameters that may be swept besides size and control, in the order of their dimensions.
SWEPT_DIMS = ("degree", "initial_overlap", "temperature", "learning_rate", "pattern_count")

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
#: Where the end-of-file address stands in each version of the superblock, and how far one
#: must read to have it.
_END_ADDRESS = {0: 40, 1: 44, 2: 28, 3: 28}
_SUPERBLOCK = 52


@dataclass(frozen=True)
class VariableSpec:
    """What the schema says of one data variable."""

    dims: tuple[str, ...]  # besides size, swept parameters and control
    dtype: str
    fill: float | int
    long_name: str
    is_time: bool = False  # in the unit of the time coordinate rather than "1"


#: Dimensions that number the units of the first hidden layer, from 0.
UNIT_DIMS = ("student_unit", "other_student_unit", "teacher_unit")


VARIABLES: Mapping[str, VariableSpec] = {
    "overlap": VariableSpec(
        ("replica", "time"), "float64", np.nan, "teacher-student overlap modulo symmetry"
    ),
    "generalization_error": VariableSpec(
        ("replica", "time"), "float64", np.nan, "fraction of wrong output bits on fresh inputs"
    ),
    "batch_error": VariableSpec(
        ("replica", "time"),
        "float64",
        np.nan,
        "fraction of wrong output bits on the batch last drawn",
    ),
    "first_passage": VariableSpec(
        ("replica",),
        "float64",
        np.nan,
        "upper end of the interval that holds the time of first success; inf: not within the run",
        is_time=True,
    ),
    "first_passage_lower": VariableSpec(
        ("replica",),
        "float64",
        np.nan,
        "lower end of the interval that holds the time of first success",
        is_time=True,
    ),
    "success": VariableSpec(
        ("replica",), "int8", -1, "1 if the student is perfect at the end, 0 if not, -1 if missing"
    ),
    "status": VariableSpec(("replica",), "int8", STATUS_MISSING, "how the replica ended"),
}

#: What only some systems and dynamics measure; a file holds those that its study asks for.
OPTIONAL_VARIABLES: Mapping[str, VariableSpec] = {
    "student_overlap": VariableSpec(
        ("replica", "time", "student_unit", "other_student_unit"),
        "float64",
        np.nan,
        "overlaps Q = w w'/N of the student's hidden units",
    ),
    "teacher_overlap": VariableSpec(
        ("replica", "time", "student_unit", "teacher_unit"),
        "float64",
        np.nan,
        "overlaps R = w w*'/N of the student's with the teacher's hidden units",
    ),
    "weight_error": VariableSpec(
        ("replica", "time"), "float64", np.nan, "squared distance to the teacher |w - w*|^2/N"
    ),
    "student_norm": VariableSpec(
        ("replica", "time"),
        "float64",
        np.nan,
        "root mean square of the student's weights over that of the teacher's",
    ),
    "random_overlap": VariableSpec(
        ("replica",), "float64", np.nan, "overlap of a random student, positive by matching alone"
    ),
    "diverged_at": VariableSpec(
        ("replica",),
        "float64",
        np.nan,
        "time at which the replica left the range of floating-point numbers; inf: it did not",
        is_time=True,
    ),
}


def control_dim(data: xr.Dataset) -> str:
    """Name of the control dimension: ``batch_size`` or ``batch_ratio``.

    Raises
    ------
    DatasetError
        If the dataset names none, or one that it lacks.
    """
    name = str(data.attrs.get("control_dim", ""))
    if name not in CONTROL_DIMS or name not in data.dims:
        raise DatasetError(
            f"attribute control_dim is {name!r}",
            where="dataset",
            remedy=f"it must name one of the dimensions {', '.join(CONTROL_DIMS)}",
        )
    return name


def control_values(data: xr.Dataset) -> xr.DataArray:
    """Batch size m of every (size, control) pair, shape (n_size, n_control), unit 1."""
    dim = control_dim(data)
    return (
        data["batch_size"]
        .broadcast_like(xr.zeros_like(data["size"] * data[dim]))
        .transpose("size", dim)
    )


def validate(data: xr.Dataset, *, where: str = "dataset") -> xr.Dataset:
    """Return `data` if it follows the schema, or say what does not.

    Raises
    ------
    DatasetError
        For a missing dimension or variable, wrong dims, unsorted or duplicate
        coordinates, a newer schema, or attributes that NetCDF cannot hold.
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
    grid = ("size", *[d for d in SWEPT_DIMS if d in data.dims], control_dim(data))
    for name in (*grid, "replica", "time"):
        if name not in data.dims or name not in data.coords:
            raise DatasetError(f"dimension {name!r} or its coordinate is missing", where=where)
        values = np.asarray(data[name].values, dtype=float)
        if values.size == 0 or np.any(np.diff(values) <= 0):
            raise DatasetError(
                f"coordinate {name!r} must be strictly increasing and not empty", where=where
            )
    if "batch_size" not in data.coords:
        raise DatasetError("coordinate 'batch_size' is missing", where=where)
    for name, spec in {**VARIABLES, **OPTIONAL_VARIABLES}.items():
        if name not in data:
            if name in OPTIONAL_VARIABLES:
                continue
            raise DatasetError(f"variable {name!r} is missing", where=where)
        expected = {*grid, *spec.dims}
        if set(data[name].dims) != expected:
            raise DatasetError(
                f"variable {name!r} has dims {sorted(map(str, data[name].dims))}, expected "
                f"{sorted(expected)}",
                where=where,
            )
    owners: list[dict[Any, Any]] = [data.attrs, *(one.attrs for one in data.variables.values())]
    for attrs in owners:
        for key, value in attrs.items():
            if isinstance(value, bool) or not isinstance(
                value, (str, int, float, np.integer, np.floating, np.ndarray)
            ):
                raise DatasetError(
                    f"attribute {key!r} is a {type(value).__name__}",
                    where=where,
                    remedy="attributes are strings or numbers",
                )
    return data


def to_bytes(data: xr.Dataset) -> bytes:
    """The NetCDF-4 file image of a dataset, each variable compressed and checksummed.

    The image is cut at the end-of-file address of its HDF5 superblock, so that a file
    that lost bytes is recognised by its length alone.
    """
    encoding = {
        name: {"zlib": True, "complevel": 1, "shuffle": True, "fletcher32": True}
        for name, variable in data.variables.items()
        if variable.ndim > 0 and variable.size > 0 and variable.dtype.kind in "iufb"
    }
    image = bytes(data.to_netcdf(engine="netcdf4", format="NETCDF4", encoding=encoding))
    end = _end_of_file_address(image)
    return image if end is None else image[:end]


def write_atomic(path: Path, content: bytes) -> None:
    """Write `content` to `path` whole or not at all.

    Raises
    ------
    OutputError
        If the folder or the disk does not take it; `path` is then as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        # A read-only folder refuses the removal too; the first error is the one to report.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise OutputError(
            f"cannot write ({error.strerror or error})",
            where=str(path),
            remedy="free space or choose another place with -o",
        ) from error


def save(data: xr.Dataset, path: str | os.PathLike[str]) -> Path:
    """Write a dataset atomically (temporary name, fsync, rename) and return its path.

    Raises
    ------
    OutputError
        If it cannot be written; an existing file stays untouched.
    """
    target = Path(path)
    write_atomic(target, to_bytes(data))
    return target


def open_netcdf(path: str | os.PathLike[str]) -> xr.Dataset:
    """Load any NetCDF file into memory, with one clear line if it is damaged or none.

    Raises
    ------
    DatasetError
        If the file is missing, not NetCDF-4, truncated or damaged.
    """
    source = Path(path)
    try:
        with open(source, "rb") as stream:
            head = stream.read(_SUPERBLOCK)
        length = source.stat().st_size
    except OSError as error:
        raise DatasetError(
            f"cannot read ({error.strerror or error})", where=str(source), remedy="check the path"
        ) from error
    if not head.startswith(_HDF5_SIGNATURE) and not head.startswith(b"CDF"):
        raise DatasetError(
            "not a NetCDF file", where=str(source), remedy="give a file that physbatch wrote"
        )
    end = _end_of_file_address(head)
    if head.startswith(_HDF5_SIGNATURE) and (
        length < _SUPERBLOCK or (end is not None and length < end)
    ):
        raise DatasetError(
            f"truncated: {length} of {end or 'many more'} bytes are there",
            where=str(source),
            remedy="make it again; finished cells are reused",
        )
    try:
        with xr.open_dataset(source, engine="netcdf4", decode_timedelta=False) as data:
            return data.load()
    except (OSError, RuntimeError, ValueError, KeyError, AttributeError) as error:
        raise DatasetError(
            f"damaged NetCDF file ({' '.join(str(error).split())[:120]})",
            where=str(source),
            remedy="make it again; finished cells are reused",
        ) from error


def open_dataset(path: str | os.PathLike[str]) -> xr.Dataset:
    """Load a physbatch dataset and check it against the schema.

    Raises
    ------
    DatasetError
        If the file is missing, damaged, not ours, or from a newer schema.
    """
    return validate(open_netcdf(path), where=str(path))


def _end_of_file_address(head: bytes) -> int | None:
    """End-of-file address in an HDF5 superblock with 8-byte offsets, any of its versions."""
    if len(head) < _SUPERBLOCK or not head.startswith(_HDF5_SIGNATURE):
        return None
    version = head[8]
    if version not in _END_ADDRESS or head[9 if version >= 2 else 13] != 8:
        return None
    start = _END_ADDRESS[version]
    (end,) = struct.unpack("<Q", head[start : start + 8])
    return int(end)


def _sync_folder(folder: Path) -> None:
    """Make a rename durable; not every platform lets one open a folder."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
