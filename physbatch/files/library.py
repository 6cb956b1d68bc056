"""The HDF5 library: one thread at a time, and what its errors mean.

The library that netCDF4 brings is not made for threads: two that open different files at once
crash the process.
"""

import contextlib
import ctypes
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import netCDF4
import numpy as np
import xarray as xr
from xarray.backends import NetCDF4DataStore

from physbatch.errors import DatasetError, FileBusyError
from physbatch.files.checksums import damaged
from physbatch.files.foreign import (
    LARGEST_EXPANSION,
    SMALL_CLAIM,
    BorrowedBytes,
    borrowed,
    hdf5_library,
)

#: Held by whoever calls the HDF5 library, also through netCDF4 and xarray.
HDF5 = threading.RLock()

#: Values of what was never written, by kind and width; one byte has no room for such a value.
_NEVER_WRITTEN: Mapping[str, Any] = {
    code: value for code, value in netCDF4.default_fillvals.items() if int(code[1:]) > 1
}


def in_use(path: Path) -> bool:
    """Whether another process holds a lock on a file, as HDF5 libraries do while they write."""
    try:
        import fcntl

        with open(path, "rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (ImportError, OSError):  # no such locks here
        return False
    return False


def busy(path: Path) -> FileBusyError:
    """The error of a file that somebody writes."""
    return FileBusyError(
        "is in use by another process", where=str(path), remedy="try again when that has ended"
    )


@contextlib.contextmanager
def named_errors(path: Path, *, whole: bool) -> Iterator[None]:
    """Use the HDF5 library alone, and turn what it raises into one line that names the file.

    Of a `whole` file the checksum holds: then an error of the library is no proof of damage.
    """
    try:
        with HDF5:
            yield
    except MemoryError as error:
        raise DatasetError(
            "needs more memory than there is", where=str(path), remedy="use a larger machine"
        ) from error
    # Attributes that xarray decodes may hold anything in a foreign file.
    except (OSError, RuntimeError, ValueError, KeyError, AttributeError, TypeError) as error:
        if in_use(path):
            raise busy(path) from error
        reason = " ".join(str(error).split())[:120]
        if whole and isinstance(error, OSError | RuntimeError):
            raise FileBusyError(
                f"cannot be read now ({reason}), but its checksum holds",
                where=str(path),
                remedy="is it in use, or is its file system without locks? leave "
                "HDF5_USE_FILE_LOCKING unset, and try again",
            ) from error
        raise damaged(path, reason) from error


class OpenFile:
    """A NetCDF file that is open, from its content in memory (`image`) or on the disk.

    Where the HDF5 library cannot close a file, libnetcdf 4.9 lists what is still open in it and
    dies of that. So one on the disk is opened twice: while the second handle is open, libnetcdf
    closes nothing in earnest, and that of the second handle is told.
    """

    def __init__(self, path: Path, image: bytes | None = None, mode: Literal["r", "w"] = "r"):
        self._mode = mode
        self._second = -1
        if image is not None:  # its name is nothing to the library, and some names are
            self.root: Any = netCDF4.Dataset("image.nc", memory=image)
            return
        self.root = netCDF4.Dataset(path, mode)
        self._second = hdf5_library().H5Fopen(os.fsencode(path), int(mode == "w"), 0)
        if self._second < 0 and self.root.data_model.startswith("NETCDF4"):
            _leave_open(self.root)
            raise OSError("the HDF5 library cannot open it")

    def close(self) -> None:
        """Close the file; OSError or RuntimeError if what is left cannot be written."""
        with HDF5:
            if not self.root.isopen():
                return
            try:
                if self._mode == "w":
                    self.root.sync()
            finally:
                self._close()

    def _close(self) -> None:
        try:
            self.root.close()
        except RuntimeError:
            _leave_open(self.root)
            raise
        failed = self._second >= 0 and hdf5_library().H5Fclose(self._second) < 0
        if failed and self._mode == "w":  # of a file that was read nothing is lost
            raise OSError("the HDF5 library cannot close it")


def _leave_open(file: Any) -> None:
    """Never close a file, which would be done where the object ends: its disk fails."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(file))


def groups_of(file: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """A file or group, named as given, and all groups within it by their paths."""
    yield name, file
    for inner, group in file.groups.items():
        yield from groups_of(group, f"{name}/{inner}".strip("/"))


class _Reading:
    """The lock for reading values, also long after a file was opened: errors name the file."""

    def __init__(self, path: Path, whole: bool) -> None:
        self._path, self._whole = path, whole
        self._entered: list[contextlib.AbstractContextManager[None]] = []

    def __enter__(self) -> None:
        context = named_errors(self._path, whole=self._whole)
        context.__enter__()
        self._entered.append(context)

    def __exit__(self, *error: Any) -> bool | None:
        return self._entered.pop().__exit__(*error)


def as_dataset(group: Any, path: Path, *, whole: bool, decode_cf: bool = True) -> xr.Dataset:
    """The variables of an open file, or a group of it, read when they are asked for, each alone.

    What fails then is told as by `named_errors`. The dataset does not close the file: the number
    under which the library knows it may be that of another one by then.
    """
    store: Any = NetCDF4DataStore
    data = xr.open_dataset(
        store(group, lock=_Reading(path, whole)),
        decode_cf=decode_cf,
        decode_timedelta=False if decode_cf else None,
    )
    data.set_close(None)
    return data


def require_own_bytes(path: Path, image: bytes | None) -> None:
    """Refuse a file that takes bytes from other files: they would be taken for its data."""
    try:
        with named_errors(path, whole=True):
            borrowed(path, image)
    except BorrowedBytes as error:
        raise refusal(path, error) from None


def refusal(path: Path, error: BorrowedBytes) -> DatasetError:
    """What is said of a file that takes bytes from other files."""
    return DatasetError(
        str(error), where=str(path), remedy="ask for a file that holds all of its data"
    )


def require_room(path: Path, data: xr.Dataset, size: int | None = None) -> None:
    """Refuse a file, of `size` bytes, whose values, when they are read, would be far larger."""
    size = path.stat().st_size if size is None else size
    if data.nbytes > max(SMALL_CLAIM, LARGEST_EXPANSION * size):
        raise DatasetError(
            f"claims {data.nbytes / 1e9:.3g} GB in a file of {size} bytes",
            where=str(path),
            remedy="get an undamaged copy of it",
        )


def without_unwritten(raw: xr.Dataset) -> xr.Dataset:
    """Decode a foreign dataset; cells that were never written are missing.

    The library fills them with a value of its own, 9.97e36 for floating point, which a variable
    without the attribute ``_FillValue`` does not tell.
    """
    for variable in raw.variables.values():
        code = f"{variable.dtype.kind}{variable.dtype.itemsize}"
        told = {"_FillValue", "missing_value"} & set(variable.attrs)
        if code in _NEVER_WRITTEN and not told:
            unwritten = variable.dtype.type(_NEVER_WRITTEN[code])
            if np.any(variable.values == unwritten):
                variable.attrs["_FillValue"] = unwritten
    return xr.decode_cf(raw, decode_timedelta=False)
