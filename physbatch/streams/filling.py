"""Flat arrays of random numbers from the counter-based streams, compiled for the CPU.

`physbatch.streams.keys` says what key, kind, index and replica address; all are uint64 here.
"""

import functools
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from physbatch.compilation import cached_njit
from physbatch.sources import hash_of_sources
from physbatch.streams.compiled import bounded, philox
from physbatch.streams.gaussian import normal_pair
from physbatch.typing import FloatArray, IntArray

#: What the disk cache must follow, see `hash_of_sources`.
SOURCE_HASH = hash_of_sources("streams")

_32 = np.uint64(32)
_8 = np.uint64(8)
_ONE = np.uint64(1)
_LOW = np.uint64(0xFFFFFFFF)
#: Pairs of normal numbers that are made together, in the nearest cache.
_PAIRS = 256


@numba.njit(error_model="numpy")
def _raw_pairs(first, second, start, count, low, high, replica, key):
    """The words of `count` pairs from block `start` on, two pairs a block."""
    for block in range((count + 1) // 2):
        x0, x1, x2, x3 = philox(np.uint64(start + block), low, high, replica, key)
        first[2 * block] = x0
        second[2 * block] = x1
        first[2 * block + 1] = x2
        second[2 * block + 1] = x3


@numba.njit(error_model="numpy")
def _transform(first, second, cosines, sines):
    for j in range(first.shape[0]):
        a, b = normal_pair(first[j], second[j])
        cosines[j] = a
        sines[j] = b


@numba.njit(error_model="numpy", _nrt=True)
def fill_normals(out, first, count, key, kind, index, replica):
    """Normal numbers `first` ... of an index into the front of a flat array.

    `first` is a multiple of four. Words, pairs and numbers each have a loop of their own, so
    that all of them run in vector registers.
    """
    low = index & _LOW
    high = kind | ((index >> _32) << _8)
    words = np.empty((2, _PAIRS), dtype=np.uint64)
    pairs = np.empty((2, _PAIRS), dtype=np.float64)
    for begin in range(0, (count + 1) // 2, _PAIRS):
        number = min(_PAIRS, (count + 1) // 2 - begin)
        start = (first + 2 * begin) // 4
        _raw_pairs(words[0], words[1], start, number, low, high, replica, key)
        _transform(words[0, :number], words[1, :number], pairs[0], pairs[1])
        whole = min(number, (count - 2 * begin) // 2)
        for j in range(whole):
            out[2 * (begin + j)] = pairs[0, j]
            out[2 * (begin + j) + 1] = pairs[1, j]
        if whole < number:
            out[count - 1] = pairs[0, whole]


@numba.njit
def fill_signs(out, first, count, key, kind, index, replica):
    """Random signs: bit b of the 32-bit number w is sign 32 w + b, a set bit stands for -1.

    `first` is a multiple of 128.
    """
    low = index & _LOW
    high = kind | ((index >> _32) << _8)
    for block in range((count + 127) // 128):
        words = philox(np.uint64(first // 128 + block), low, high, replica, key)
        for w in range(4):
            word = words[w]
            start = 128 * block + 32 * w
            for b in range(min(32, count - start)):
                out[start + b] = 1.0 - 2.0 * np.float64((word >> np.uint64(b)) & _ONE)


@numba.njit
def draw_numbers(out, first, count, key, kind, index, replica):
    """32-bit numbers `first` ... of an index; `first` is a multiple of four.

    `out` has room for a whole last block of four.
    """
    low = index & _LOW
    high = kind | ((index >> _32) << _8)
    for block in range((count + 3) // 4):
        x0, x1, x2, x3 = philox(np.uint64(first // 4 + block), low, high, replica, key)
        out[4 * block] = x0
        out[4 * block + 1] = x1
        out[4 * block + 2] = x2
        out[4 * block + 3] = x3


@numba.njit
def draw_permutation(order, numbers, key, kind, index, replica):
    """A random permutation of 0 ... P - 1 (Fisher and Yates).

    `numbers` has room for whole blocks of four.
    """
    count = order.shape[0]
    draw_numbers(numbers, 0, count, key, kind, index, replica)
    for i in range(count):
        order[i] = i
    for i in range(count - 1, 0, -1):
        j = np.int64(bounded(numbers[i], np.uint64(i + 1)))
        kept = order[i]
        order[i] = order[j]
        order[j] = kept


@functools.cache
def _make_rows(version: int) -> tuple[Callable[..., Any], ...]:
    @cached_njit(nogil=True)
    def fill_words(out, key, kind, index, first_replica):
        _ = version
        words = np.empty(out.shape[1] + 3, dtype=np.uint64)
        for row in range(out.shape[0]):
            replica = np.uint64(first_replica + row)
            draw_numbers(words, 0, out.shape[1], key, kind, index, replica)
            for j in range(out.shape[1]):  # a slice would bring its error messages to compile
                out[row, j] = words[j]

    @cached_njit(nogil=True)
    def fill_numbers(out, key, kind, index, first_replica):
        _ = version
        for row in range(out.shape[0]):
            replica = np.uint64(first_replica + row)
            fill_normals(out[row], 0, out.shape[1], key, kind, index, replica)

    @cached_njit(nogil=True)
    def choose(out, key, kind, first_index, first_replica, items):
        _ = version
        lanes, indices, count = out.shape
        words = np.empty(count + 3, dtype=np.uint64)
        order = np.arange(items)
        swapped = np.empty(count, dtype=np.int64)
        for lane in range(lanes):
            for position in range(indices):
                index = first_index + np.uint64(position)
                draw_numbers(words, 0, count, key, kind, index, np.uint64(first_replica + lane))
                for i in range(count):
                    j = i + np.int64(bounded(words[i], np.uint64(items - i)))
                    swapped[i] = j
                    kept = order[j]
                    order[j] = order[i]
                    order[i] = kept
                out[lane, position] = order[:count]
                for i in range(count - 1, -1, -1):  # back to 0, 1, 2 ... for the next one
                    j = swapped[i]
                    kept = order[j]
                    order[j] = order[i]
                    order[i] = kept

    return fill_words, fill_numbers, choose


def word_rows(
    key: int, kind: int, index: int, first_replica: int, replicas: int, count: int
) -> npt.NDArray[np.uint64]:
    """Uniform 32-bit numbers of some replicas, shape (replicas, count); see `normal_rows`."""
    out = np.empty((replicas, count), dtype=np.uint64)
    fill, _, _ = _make_rows(SOURCE_HASH)
    fill(out, np.uint64(key), np.uint64(kind), np.uint64(index), first_replica)
    return out


def normal_rows(
    key: int,
    kind: int,
    index: int,
    first_replica: int,
    replicas: int,
    count: int,
    *,
    dtype: npt.DTypeLike = np.float64,
) -> FloatArray:
    """Standard normal numbers of some replicas, shape (replicas, count).

    Box and Muller's transform of pairs of 32-bit numbers; replica r has the same numbers in
    every range that holds it. `physbatch.streams.tensor.normals` gives them on any device, up
    to the last digits.

    Parameters
    ----------
    key : int
        64-bit key of the stream.
    kind, index : int
        What the numbers are for, and which step, batch or layer.
    first_replica, replicas : int
        The range of replicas.
    count : int
        How many numbers each replica gets.
    dtype : float64 or float32
        The numbers of the latter are those of the former, rounded.

    References
    ----------
    Box and Muller, Ann. Math. Statist. 29 (1958) 610, doi 10.1214/aoms/1177706645.

    Examples
    --------
    >>> normal_rows(1, 0, 0, first_replica=5, replicas=2, count=3).shape
    (2, 3)
    """
    out = np.empty((replicas, count), dtype=dtype)
    _, fill, _ = _make_rows(SOURCE_HASH)
    fill(out, np.uint64(key), np.uint64(kind), np.uint64(index), first_replica)
    return out


def choice_rows(
    key: int, kind: int, first_index: int, indices: int, replicas: range, count: int, items: int
) -> IntArray:
    """Distinct items of 0 ... items - 1 in random order, shape (replica, index, count).

    The first steps of the shuffle of Fisher and Yates: every ordered choice is equally likely.

    Examples
    --------
    >>> chosen = choice_rows(1, 6, 0, indices=2, replicas=range(5, 8), count=4, items=4)
    >>> chosen.shape, sorted(chosen[1, 1].tolist())
    ((3, 2, 4), [0, 1, 2, 3])
    """
    out = np.empty((len(replicas), indices, count), dtype=np.int64)
    _, _, choose = _make_rows(SOURCE_HASH)
    choose(out, np.uint64(key), np.uint64(kind), np.uint64(first_index), replicas.start, items)
    return out
