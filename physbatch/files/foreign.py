"""Probing: a foreign NetCDF file is first read in a process of its own.

Damaged files are known to hang or crash the HDF5 library, which no exception handler survives.
The probe reads everything that the caller would read, with limits on time and memory; what
harms it harms nobody else. Run as a script, this module is the child, so it imports nothing of
physbatch.

HDF5 also knows variables whose bytes stand in other files. The library follows them without a word,
to any file that the reader may read: such a file is refused before its variables are looked at.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

#: Limits of the child: processor seconds (more for large files), memory, and a time after
#: which even a sleeping one is given up.
PROCESSOR_SECONDS = 5
BYTES_PER_SECOND = 50_000_000
MEMORY_BYTES = 1_200_000_000
PATIENCE = 45

#: Compression makes nothing more than 1032 times smaller: a file that claims to hold much more
#: than that holds nothing.
LARGEST_EXPANSION = 2000
SMALL_CLAIM = 256_000_000

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
#: The HDF5 library neither copies nor frees the bytes of an image, nor writes to them.
_IMAGE_IS_OURS = 2 | 4

_REFUSED = 3
_BORROWED = 4
_SLAB_ELEMENTS = 4_000_000


#: Groups within groups, and links in all of them, up to which a file is looked at.
_DEEPEST = 64
_MOST_LINKS = 100_000


class HarmfulFile(Exception):
    """What happened to the process that read a file."""


class BorrowedBytes(Exception):
    """A variable whose bytes stand in another file, in words."""


# --- bytes of other files ---------------------------------------------------------------


def borrowed(path: Path | str, image: bytes | None = None) -> None:
    """Look at all links and layouts of an HDF5 file, without following any of them.

    Its content is `image`, if that is given. BorrowedBytes if one leads to another file; OSError if
    the library cannot open it. What is no HDF5 file borrows nothing.
    """
    library = hdf5_library()
    if image is None:
        file = library.H5Fopen(os.fsencode(path), 0, 0)
    else:
        file = library.H5LTopen_file_image(image, len(image), _IMAGE_IS_OURS)
    if file < 0:
        if _is_hdf5(path, image):
            raise OSError("the HDF5 library cannot open it")
        return
    try:
        _look(library, file, "", [0])
    finally:
        library.H5Fclose(file)


def _is_hdf5(path: Path | str, image: bytes | None) -> bool:
    if image is None:
        with open(path, "rb") as stream:
            image = stream.read(len(HDF5_SIGNATURE))
    return image.startswith(HDF5_SIGNATURE)


@functools.cache
def hdf5_library() -> ctypes.CDLL:
    """The HDF5 library that netCDF4 uses; its C interface is not all in Python's."""
    extension = importlib.import_module("netCDF4._netCDF4")
    library = ctypes.CDLL(str(extension.__file__))
    identifier, size = ctypes.c_int64, ctypes.c_size_t
    for name, result, arguments in (
        ("H5Eset_auto2", ctypes.c_int, (identifier, ctypes.c_void_p, ctypes.c_void_p)),
        ("H5Fopen", identifier, (ctypes.c_char_p, ctypes.c_uint, identifier)),
        ("H5LTopen_file_image", identifier, (ctypes.c_char_p, size, ctypes.c_uint)),
        ("H5Fclose", ctypes.c_int, (identifier,)),
        ("H5Gget_info", ctypes.c_int, (identifier, ctypes.c_void_p)),
        (
            "H5Lget_name_by_idx",
            ctypes.c_ssize_t,
            (
                *(identifier, ctypes.c_char_p, ctypes.c_int, ctypes.c_int, ctypes.c_uint64),
                *(ctypes.c_char_p, size, identifier),
            ),
        ),
        (
            "H5Lget_info2",
            ctypes.c_int,
            (identifier, ctypes.c_char_p, ctypes.c_void_p, identifier),
        ),
        ("H5Oopen", identifier, (identifier, ctypes.c_char_p, identifier)),
        ("H5Oclose", ctypes.c_int, (identifier,)),
        ("H5Iget_type", ctypes.c_int, (identifier,)),
        ("H5Dget_create_plist", identifier, (identifier,)),
        ("H5Pget_external_count", ctypes.c_int, (identifier,)),
        ("H5Pget_layout", ctypes.c_int, (identifier,)),
        ("H5Pclose", ctypes.c_int, (identifier,)),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    library.H5Eset_auto2(0, None, None)  # errors are told by Python, not printed
    return library


def _look(library: ctypes.CDLL, group: int, name: str, seen: list[int], depth: int = 0) -> None:
    """Look at the links of a group; `seen` counts those of the whole file."""
    info = ctypes.create_string_buffer(64)
    if library.H5Gget_info(group, info) < 0:
        return
    links = int.from_bytes(info.raw[8:16], sys.byteorder)
    seen[0] += links
    if depth > _DEEPEST or seen[0] > _MOST_LINKS:
        raise BorrowedBytes("has groups within groups without end")
    for number in range(links):
        # By name, from the first on.
        length = library.H5Lget_name_by_idx(group, b".", 0, 0, number, None, 0, 0)
        link = ctypes.create_string_buffer(max(length, 0) + 1)
        library.H5Lget_name_by_idx(group, b".", 0, 0, number, link, length + 1, 0)
        word = link.value.decode("utf-8", errors="replace")
        library.H5Lget_info2(group, link, info, 0)
        kind = int.from_bytes(info.raw[:4], sys.byteorder, signed=True)
        if kind >= 64:  # of another file, or of a kind that the library does not know
            raise BorrowedBytes(_words(word, "external link", name))
        if kind != 0:  # a soft link leads to another name in this file
            continue
        target = library.H5Oopen(group, link, 0)
        if target < 0:
            continue
        try:
            if library.H5Iget_type(target) == 2:
                _look(library, target, f"{name}/{word}", seen, depth + 1)
            elif library.H5Iget_type(target) == 5:
                how = _layout(library, target)
                if how:
                    raise BorrowedBytes(_words(word, how, name))
        finally:
            library.H5Oclose(target)


def _layout(library: ctypes.CDLL, variable: int) -> str:
    """How the bytes of a variable stand in another file; empty if they do not."""
    properties = library.H5Dget_create_plist(variable)
    try:
        if library.H5Pget_external_count(properties) > 0:
            return "external storage"
        return "virtual dataset" if library.H5Pget_layout(properties) == 3 else ""
    finally:
        library.H5Pclose(properties)


def _words(variable: str, how: str, group: str) -> str:
    there = f", in group {group.strip('/')!r}" if group else ""
    return f"variable {variable!r} takes its bytes from another file ({how}){there}"


# --- the probe --------------------------------------------------------------------------


def probe(path: Path) -> None:
    """Read a whole NetCDF file in a child process.

    HarmfulFile if the file cannot be read, or the child crashed, hung or ran out of memory;
    BorrowedBytes if it is not all that would be read.
    """
    facts = path.stat()
    _probe_once(str(path.resolve()), facts.st_size, facts.st_mtime_ns, facts.st_ino)


@functools.lru_cache(maxsize=1024)
def _probe_once(path: str, size: int, changed: int, inode: int) -> None:
    """The same for a version of a file; only success is remembered."""
    seconds = PROCESSOR_SECONDS + size // BYTES_PER_SECOND
    words = [sys.executable, "-P", __file__, path, str(seconds)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env=environment,
            timeout=PATIENCE + 4 * seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise HarmfulFile("reading it does not end") from None
    if done.returncode == _BORROWED:
        raise BorrowedBytes(" ".join(done.stderr.split()))
    if done.returncode == _REFUSED:
        raise HarmfulFile(" ".join(done.stderr.split())[-160:])
    if done.returncode != 0:
        raise HarmfulFile("reading it crashes the HDF5 library")


# --- the child --------------------------------------------------------------------------


def _limit(seconds: int) -> None:
    """Limits of this process, as far as the platform has them."""
    try:
        import resource
    except ImportError:
        return
    for what, limit in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        try:
            resource.setrlimit(what, (limit, limit))
        except (OSError, ValueError):
            continue


def _claim(group: Any) -> int:
    """Bytes of all values of a group and its groups, as they are when they are decoded."""
    claim = 0
    for variable in group.variables.values():
        itemsize = getattr(variable.dtype, "itemsize", 8)
        if {"scale_factor", "add_offset", "_FillValue", "missing_value"} & set(variable.ncattrs()):
            itemsize = max(itemsize, 8)
        for length in variable.shape:
            itemsize *= length
        claim += itemsize
    return claim + sum(map(_claim, group.groups.values()))


def _read(group: Any) -> None:
    """All attributes and values of a group, piece by piece."""
    for name in group.ncattrs():
        group.getncattr(name)
    for variable in group.variables.values():
        for name in variable.ncattrs():
            variable.getncattr(name)
        variable.set_auto_maskandscale(False)
        _read_slabs(variable)
    for inner in group.groups.values():
        _read(inner)


def _read_slabs(variable: Any) -> None:
    if not variable.shape or 0 in variable.shape:
        variable[...]
        return
    per_row = 1
    for length in variable.shape[1:]:
        per_row *= length
    rows = max(1, _SLAB_ELEMENTS // per_row)
    for first in range(0, variable.shape[0], rows):
        variable[first : first + rows]


def _main() -> int:
    path, seconds = sys.argv[1], int(sys.argv[2])
    _limit(seconds)
    try:
        import netCDF4

        borrowed(path)
        with netCDF4.Dataset(path) as data:
            claim, size = _claim(data), os.path.getsize(path)
            if claim > max(SMALL_CLAIM, LARGEST_EXPANSION * size):
                raise ValueError(f"claims {claim / 1e9:.3g} GB in a file of {size} bytes")
            _read(data)
    except BorrowedBytes as error:
        print(error, file=sys.stderr)
        return _BORROWED
    except MemoryError:
        print("reading it needs too much memory", file=sys.stderr)
        return _REFUSED
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(_main())
