"""Compiled functions and their cache on disk.

Compiling a kernel takes seconds, loading it from the cache milliseconds. The cache lies beside
the source, or where the user may write.
"""

import functools
from collections.abc import Callable
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
