"""Datasets in Zarr stores, which other programs and `xarray.Dataset.to_zarr` write.

A store is a folder, and the library opens what has the name of a chunk there: a pipe on which it
waits, or a link to any file that the reader may read. Where a chunk lost its end, Blosc reads on in
the memory behind it. So a store is looked at before it is opened.
"""

import importlib.util
import json
import lzma
import os
import stat
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import xarray as xr

from physbatch.errors import DatasetError
from physbatch.files.library import require_room

#: Files of a store that hold no values.
_METADATA = (".zarray", ".zattrs", ".zgroup", ".zmetadata", "zarr.json")
#: The head of what Blosc compressed, and where in it the length of the whole stands.
_BLOSC_HEAD, _BLOSC_LENGTH = 16, slice(12, 16)
#: What the library and its compressors raise of a damaged store.
_ERRORS = (
    *(OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError, IndexError),
    *(RecursionError, zlib.error, lzma.LZMAError),
)


def is_zarr(path: str | os.PathLike[str]) -> bool:
    """Whether a path is the folder of a Zarr store, of either format."""
    return any(Path(path, name).is_file() for name in ("zarr.json", ".zgroup"))


def open_zarr(
    path: str | os.PathLike[str],
    *,
    load: bool = True,
    check: Callable[[xr.Dataset], object] | None = None,
) -> xr.Dataset:
    """Open a Zarr store like `physbatch.files.open_netcdf` a file.

    Raises
    ------
    DatasetError
        If it is none, is damaged, takes bytes from elsewhere, or the package zarr is not there.
    """
    where = str(path)
    if importlib.util.find_spec("zarr") is None:
        raise DatasetError(
            "a Zarr store, which needs the package zarr",
            where=where,
            remedy="`pip install zarr`, or give a NetCDF file",
        )
    try:
        size = sum(facts.st_size for _, facts in _own_files(Path(path)))
        _require_whole_chunks(Path(path))
        data = xr.open_dataset(path, engine="zarr", consolidated=False, decode_timedelta=False)
        require_room(Path(path), data, size)
        if check is not None:
            check(data)
        return data.load() if load else data
    except _ERRORS as error:
        raise DatasetError(
            f"a Zarr store that cannot be read ({' '.join(str(error).split())[:80]})",
            where=where,
            remedy="give a NetCDF file, or a store that xarray wrote: data.to_zarr(path)",
        ) from error


def _own_files(store: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """All files of a store; DatasetError if one is a link or no file."""
    for folder, folders, names in os.walk(store):
        for name in (*folders, *names):
            path = Path(folder, name)
            facts = path.lstat()
            if stat.S_ISLNK(facts.st_mode):
                variable = path.relative_to(store).parts[0]
                raise DatasetError(
                    f"variable {variable!r} takes its bytes from another file (link {name!r})",
                    where=str(store),
                    remedy="ask for a store that holds all of its data",
                )
            if stat.S_ISREG(facts.st_mode):
                yield path, facts
            elif not stat.S_ISDIR(facts.st_mode):
                raise OSError(f"{path.relative_to(store)} is no regular file")


def _require_whole_chunks(store: Path) -> None:
    """ValueError if a chunk that Blosc compressed has lost bytes; other compressors see it."""
    for description in (*store.rglob(".zarray"), *store.rglob("zarr.json")):
        if not _ends_with_blosc(json.loads(description.read_bytes())):
            continue
        for path, facts in _own_files(description.parent):
            if path.name in _METADATA:
                continue
            with open(path, "rb") as stream:
                head = stream.read(_BLOSC_HEAD)
            told = int.from_bytes(head[_BLOSC_LENGTH], "little")
            if len(head) < _BLOSC_HEAD or told != facts.st_size:
                name = path.relative_to(store)
                raise ValueError(f"truncated: {name} has {facts.st_size} bytes, not {told}")


def _ends_with_blosc(array: Any) -> bool:
    """Whether Blosc is the last thing done to the chunks of an array, of either format."""
    codecs = array.get("codecs") or [array.get("compressor") or {}]
    return "blosc" in (codecs[-1].get("name"), codecs[-1].get("id"))
