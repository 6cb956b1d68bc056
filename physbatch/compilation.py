"""Compiled functions and their cache on disk.

Compiling a kernel takes seconds, loading it from the cache milliseconds. The cache lies beside
the source, or where the user may write.
"""

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba


def cached_njit(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``numba.njit(cache=True, ...)`` that compiles anew where no cache can be written."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            compiled = numba.njit(cache=True, **options)(function)
        except RuntimeError:  # numba: no place for the cache
            compiled = numba.njit(**options)(function)
        return compiled  # type: ignore[no-any-return]

    return decorate


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


def hash_of_sources(*folders: str) -> int:
    """Hash of the source files of some folders of this package, below 2^56.

    The cache notices a change in the file of the cached function alone, not in a helper of another
    module. A constant that depends on all of them, captured by the cached function, makes it
    compile again. To be called where a module is imported: a process that outlives a change of the
    files on disk (an upgrade during a long run) would otherwise store its old code under the hash
    of the new one, for every later process to load.

    >>> hash_of_sources("streams") == hash_of_sources("streams", "dynamics")
    False
    """
    digest = hashlib.sha256()
    for folder in folders:
        for file in sorted((Path(__file__).parent / folder).glob("*.py")):
            digest.update(file.read_bytes())
    return int.from_bytes(digest.digest()[:7], "little")
