"""Files: written whole or not at all, with a checksum that is verified before they are opened.

A NetCDF file that physbatch wrote ends with one line after the HDF5 content: ``physbatch
sha256`` and the digest of everything before it. HDF5 readers stop at the end-of-file address
in the superblock and never see it. A damaged file can hang or crash the HDF5 library itself,
so a file is opened only if its checksum holds, or, without one, after `physbatch.files.foreign` has
read it in a process of its own. So can a disk that fails: files up to `IN_MEMORY_BYTES` are read
here, checked, and opened in memory.
"""

import contextlib
import glob
import io
import os
import struct
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import netCDF4
import xarray as xr
from xarray.backends import NetCDF4DataStore

from physbatch.errors import DatasetError
from physbatch.files.atomic import open_regular, read_regular, replacing, write_atomic
from physbatch.files.checksums import (
    FOOTER_BYTES,
    MAKE_AGAIN,
    MARK,
    checksum_line,
    sha256,
    stream_holds_checksum,
    with_checksum,
)
from physbatch.files.foreign import HDF5_SIGNATURE, BorrowedBytes, HarmfulFile, probe
from physbatch.files.library import (
    HDF5,
    OpenFile,
    as_dataset,
    busy,
    groups_of,
    in_use,
    named_errors,
    refusal,
    require_own_bytes,
    require_room,
    without_unwritten,
)
from physbatch.files.zarr_stores import is_zarr, open_zarr

#: Files of at most this size are read into memory and opened there.
IN_MEMORY_BYTES = 256 * 2**20

#: Where the end-of-file address stands in each version of the superblock, and how far one
#: must read to have it.
_END_ADDRESS = {0: 40, 1: 44, 2: 28, 3: 28}
_SUPERBLOCK = 52

#: Filters of every variable.
COMPRESSION: Mapping[str, bool | int] = {
    "zlib": True,
    "complevel": 1,
    "shuffle": True,
    "fletcher32": True,
}

#: How each variable is written.
Encodings = dict[Hashable, dict[str, bool | int | None]]

#: Below this, compressed chunks take more room than the values.
_WORTH_PACKING = 500


# --- writing ----------------------------------------------------------------------------


def to_bytes(data: xr.Dataset) -> bytes:
    """The NetCDF-4 file image of a dataset, each variable compressed and checksummed.

    The image is cut at the end-of-file address of its HDF5 superblock, so that a file
    that lost bytes is recognised by its length alone; the checksum line follows.
    """
    return _image({"": (data, encoding_of(data))})


def save_tree(tables: Mapping[str, xr.Dataset], path: str | os.PathLike[str]) -> Path:
    """Write tables as groups of one NetCDF-4 file like `save`, that of the root under ``""``."""
    groups = {name: (table, encoding_of(table, _WORTH_PACKING)) for name, table in tables.items()}
    target = Path(path)
    write_atomic(target, _image(groups))
    return target


def _image(groups: Mapping[str, tuple[xr.Dataset, Encodings]]) -> bytes:
    """A file with datasets as its groups, each with how its variables are written."""
    try:
        image = _unchecked_image(groups)
    except RuntimeError as error:  # in memory nothing else can fail
        raise MemoryError(f"no room for a file in memory ({error})") from error
    return with_checksum(image[: _end_of_file_address(image)])


def _unchecked_image(groups: Mapping[str, tuple[xr.Dataset, Encodings]]) -> bytes:
    with HDF5:
        memory = netCDF4.Dataset("image.nc", mode="w", format="NETCDF4", memory=1)
        for name, (data, encoding) in groups.items():
            dump(data, memory.createGroup(name) if name else memory, encoding)
        return bytes(memory.close())


def dump(data: xr.Dataset, group: Any, encoding: Encodings) -> None:
    """Write a dataset into an open file, or a group of it, of netCDF4."""
    store: Any = NetCDF4DataStore
    data.dump_to_store(store(group), encoding=encoding)


def encoding_of(data: xr.Dataset, least: int = 1) -> Encodings:
    """How each variable is written: with `least` values compressed and checksummed.

    Coordinates lack nothing, and have no value that says so.
    """
    return {
        name: {
            **(COMPRESSION if variable.ndim > 0 and variable.size >= least else {}),
            **({"_FillValue": None} if name in data.coords else {}),
        }
        for name, variable in data.variables.items()
        if variable.dtype.kind in "iufb"
    }


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


def save_piecewise(path: Path, write: Callable[[Any], None]) -> None:
    """Write a NetCDF-4 file that does not fit into memory, whole or not at all, like `save`.

    `write` fills the file of netCDF4 that it is given; the checksum line is added here.
    What killed processes left of the same file is removed: nobody else may be writing it.
    """
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        with contextlib.suppress(OSError):
            left.unlink()
    with replacing(path) as temporary:
        try:
            with HDF5, contextlib.closing(OpenFile(temporary, mode="w")) as file:
                write(file.root)
        except RuntimeError as error:  # what netCDF4 makes of a full disk
            raise OSError(f"{' '.join(str(error).split())[:80]}: is the disk full?") from error
        with open(temporary, "r+b") as stream:
            end = _end_of_file_address(stream.read(_SUPERBLOCK))
            length = stream.seek(0, os.SEEK_END)
            if end is None or length < end:
                raise OSError(f"{length} of {end or 'many more'} bytes were written")
            stream.truncate(end)
            digest = sha256(stream, end)
            stream.seek(end)
            stream.write(checksum_line(digest))
            stream.flush()
            os.fsync(stream.fileno())


# --- checking ---------------------------------------------------------------------------


def open_netcdf(
    path: str | os.PathLike[str],
    *,
    load: bool = True,
    check: Callable[[xr.Dataset], object] | None = None,
) -> xr.Dataset:
    """Load any NetCDF file into memory, with one clear line if it is damaged or none.

    A Zarr store is read as well.

    Cells of foreign files that were never written are missing.

    Parameters
    ----------
    path : path
        The file.
    load : bool
        If not, the file stays open and values are read when they are asked for.
    check : callable, optional
        Called before any value is loaded; it raises what is wrong with the dataset.

    Raises
    ------
    DatasetError
        If the file is missing, not NetCDF-4, truncated or damaged, or takes bytes from others;
        FileBusyError if another process writes it.
    """
    source = Path(path)
    if is_zarr(source):
        return open_zarr(source, load=load, check=check)
    sound = require_sound(source)
    with named_errors(source, whole=sound.ours), contextlib.ExitStack() as stack:
        file = stack.enter_context(contextlib.closing(OpenFile(source, sound.image)))
        # What is missing in a foreign file must be known before it is decoded.
        decode = sound.ours or not load
        data = as_dataset(file.root, source, whole=sound.ours, decode_cf=decode)
        require_room(source, data, sound.length)
        if check is not None:
            check(data)
        if load:
            data.load()
            return data if sound.ours else without_unwritten(data)
        stack.pop_all()
    data.set_close(file.close)
    return data


def open_tree(path: str | os.PathLike[str]) -> dict[str, xr.Dataset]:
    """Load every group of a NetCDF file like `open_netcdf`; that of the root is named ``""``."""
    source = Path(path)
    sound = require_sound(source)
    with (
        named_errors(source, whole=sound.ours),
        contextlib.closing(OpenFile(source, sound.image)) as file,
    ):
        tables = {
            name: as_dataset(group, source, whole=sound.ours)
            for name, group in groups_of(file.root)
        }
        for table in tables.values():
            require_room(source, table, sound.length)
        return {name: table.load() for name, table in tables.items()}


class Sound(NamedTuple):
    """A file that the HDF5 library may be given: whether physbatch wrote it, and its length.

    `image` is its content, if it is small enough to be in memory.
    """

    ours: bool
    length: int
    image: bytes | None


def require_sound(source: Path) -> Sound:
    """Make sure that the HDF5 library may be given a file.

    DatasetError if it is missing, not NetCDF, truncated, altered, harmful to the library, or takes
    bytes from other files.
    """
    try:
        small = source.stat().st_size <= IN_MEMORY_BYTES
        image = read_regular(source) if small else None
        with io.BytesIO(image) if image is not None else open_regular(source) as stream:
            length = stream.seek(0, os.SEEK_END)
            _require_whole(source, stream, length)
            ours = stream_holds_checksum(stream, where=source)
    except OSError as error:
        raise DatasetError(
            f"cannot read ({error.strerror or error})", where=str(source), remedy="check the path"
        ) from error
    except DatasetError as error:
        raise busy(source) if in_use(source) else error from None
    if ours:
        require_own_bytes(source, image)
        return Sound(ours, length, image)
    try:
        probe(source)
    except BorrowedBytes as error:
        raise refusal(source, error) from None
    except HarmfulFile as error:
        if in_use(source):
            raise busy(source) from None
        raise DatasetError(
            f"damaged NetCDF file ({error})",
            where=str(source),
            remedy="get an undamaged copy of it",
        ) from None
    return Sound(ours, length, image)


def _require_whole(source: Path, stream: BinaryIO, length: int) -> None:
    stream.seek(0)
    head = stream.read(_SUPERBLOCK)
    if not head.startswith(HDF5_SIGNATURE) and not head.startswith(b"CDF"):
        raise DatasetError(
            "not a NetCDF file", where=str(source), remedy="give a file that physbatch wrote"
        )
    end = _end_of_file_address(head)
    if not head.startswith(HDF5_SIGNATURE):
        return
    lost = length < _SUPERBLOCK or (end is not None and length < end)
    if end is not None and end < length < end + FOOTER_BYTES:
        stream.seek(end)
        lost = stream.read().startswith(MARK[: length - end])
    if lost:
        raise DatasetError(
            f"truncated: {length} of {end or 'many more'} bytes are there",
            where=str(source),
            remedy=MAKE_AGAIN,
        )


def _end_of_file_address(head: bytes) -> int | None:
    """End-of-file address in an HDF5 superblock with 8-byte offsets, any of its versions."""
    if len(head) < _SUPERBLOCK or not head.startswith(HDF5_SIGNATURE):
        return None
    version = head[8]
    if version not in _END_ADDRESS or head[9 if version >= 2 else 13] != 8:
        return None
    start = _END_ADDRESS[version]
    (end,) = struct.unpack("<Q", head[start : start + 8])
    return int(end)
