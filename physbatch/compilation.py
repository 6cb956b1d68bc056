"""Compiled functions and their cache on disk.

Compiling a kernel takes seconds, loading it from the cache milliseconds. The cache lies beside
the source, or where the user may write. It holds code, and Python objects (pickle) around it:
who can write it can run code here. So a cache that other users can write is not used, and what is
damaged is built again.
"""

import contextlib
import functools
import hashlib
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numba

#: Set to 1 by a user who trusts a cache that others can write.
TRUST = "PHYSBATCH_TRUST_CACHE"
#: What stands before the checksum at the end of a file of the cache; numba does not read so far.
_MARK = b"physbatch sha256"


def cached_njit(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``numba.njit(cache=True, ...)`` that compiles anew where no cache can be used."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        without: Callable[..., Any] = numba.njit(**options)(function)  # compiled when called
        try:
            compiled: Any = numba.njit(cache=True, **options)(function)
        except RuntimeError:  # numba: no place for the cache
            return without
        if not _is_safe(Path(compiled._cache.cache_path)):
            return without
        compiled._cache = _MendedCache(compiled._cache)
        cached: Callable[..., Any] = compiled
        return cached

    return decorate


class _MendedCache:
    """A cache of numba whose damaged files are built again; its disk may be full."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache
        file = cache._cache_file
        self._write = file._open_for_write
        file._open_for_write = self._write_with_checksum
        for name, path in (
            ("_load_index", lambda: file._index_path),
            ("_load_data", file._data_path),
        ):
            setattr(file, name, functools.partial(_checked, getattr(file, name), path))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def load_overload(self, signature: Any, target: Any) -> Any:
        """The compiled code of a signature; None to compile it."""
        try:
            return self._cache.load_overload(signature, target)
        except OSError:
            return None
        except Exception:  # whatever a torn file of Python objects raises
            _say(f"a damaged kernel cache is built again: {self._cache.cache_path}")
            with contextlib.suppress(OSError):
                self._cache.flush()
            return None

    def save_overload(self, signature: Any, code: Any) -> None:
        """Keep compiled code, if the disk takes it."""
        with contextlib.suppress(OSError):
            try:
                self._cache.save_overload(signature, code)
            except (EOFError, ValueError, KeyError, TypeError):  # the index cannot be read
                self._cache.flush()
                self._cache.save_overload(signature, code)

    @contextlib.contextmanager
    def _write_with_checksum(self, path: str) -> Iterator[BinaryIO]:
        with self._write(path) as stream:
            yield stream
            stream.flush()
            content = Path(stream.name).read_bytes()
            stream.write(_MARK + hashlib.sha256(content).digest())


def _checked(load: Callable[..., Any], path_of: Callable[..., str], *name: str) -> Any:
    """Load a file of the cache if its checksum holds; older ones have none."""
    with contextlib.suppress(FileNotFoundError):
        content = Path(path_of(*name)).read_bytes()
        body, mark, digest = content[:-48], content[-48:-32], content[-32:]
        if mark == _MARK and hashlib.sha256(body).digest() != digest:
            raise ValueError("the checksum does not hold")
    return load(*name)


@functools.cache
def _say(text: str) -> None:
    """One line, once in each process."""
    print(f"physbatch: {text}", file=sys.stderr)


@functools.cache
def _is_safe(folder: Path) -> bool:
    """Whether nobody else can put code into a cache folder, or the user trusts who can."""
    if os.name != "posix" or os.environ.get(TRUST) == "1":
        return True
    trusted = {0, os.getuid(), Path(__file__).stat().st_uid}
    for level, path in enumerate((folder, *folder.parents)):
        try:
            facts = path.stat()
        except OSError:  # not there yet
            continue
        anyone = bool(facts.st_mode & stat.S_IWOTH)
        sticky = bool(facts.st_mode & stat.S_ISVTX) and level > 0  # names there stay their owners'
        if (anyone and not sticky) or (level == 0 and facts.st_uid not in trusted):
            _say(
                f"the kernel cache {folder} is not used: other users can write {path}; "
                f"chmod o-w it, or set {TRUST}=1 if you trust them with your account"
            )
            return False
    return True


def _nothing() -> None:
    """What `cache_is_writable` pretends to compile."""


@functools.cache
def cache_is_writable() -> bool:
    """Whether compiled functions are kept on disk for the next process."""
    try:
        numba.njit(cache=True)(_nothing)
    except RuntimeError:
        return False
    return True
