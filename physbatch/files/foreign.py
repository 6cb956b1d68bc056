"""Probing: a foreign NetCDF file is first read in a process of its own.

Damaged files are known to hang or crash the HDF5 library, which no exception handler survives.
The probe reads everything that the caller would read, with limits on time and memory; what
harms it harms nobody else. Run as a script, this module is the child, so it imports nothing of
physbatch.
"""

from __future__ import annotations

import functools
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

_REFUSED = 3
_SLAB_ELEMENTS = 4_000_000


class HarmfulFile(Exception):
    """What happened to the process that read a file."""


def probe(path: Path) -> None:
    """Read a whole NetCDF file in a child process.

    HarmfulFile if the file cannot be read, or the child crashed, hung or ran out of memory.
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


def _read(group: Any, file_bytes: int) -> None:
    """All attributes and values of a group, piece by piece."""
    for name in group.ncattrs():
        group.getncattr(name)
    for variable in group.variables.values():
        for name in variable.ncattrs():
            variable.getncattr(name)
        variable.set_auto_maskandscale(False)
        itemsize = getattr(variable.dtype, "itemsize", 8)
        claim = itemsize
        for length in variable.shape:
            claim *= length
        if claim > max(SMALL_CLAIM, LARGEST_EXPANSION * file_bytes):
            raise ValueError(
                f"variable {variable.name!r} claims {claim / 1e9:.3g} GB in a file of "
                f"{file_bytes} bytes"
            )
        _read_slabs(variable)
    for inner in group.groups.values():
        _read(inner, file_bytes)


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

        with netCDF4.Dataset(path) as data:
            _read(data, os.path.getsize(path))
    except MemoryError:
        print("reading it needs too much memory", file=sys.stderr)
        return _REFUSED
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(_main())
