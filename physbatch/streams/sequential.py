"""Streams that are read in order, for compiled loops that cannot say how many numbers they need.

A cursor is an array of eight uint64: block, lane, index, replica, and the numbers of the block.
"""

import numba
import numpy as np

from physbatch.streams.compiled import philox

_ZERO = np.uint64(0)
_ONE = np.uint64(1)
_END = np.uint64(2**32)


@numba.njit
def start_stream(cursor, replica):
    """Set a cursor to the first number of a replica."""
    cursor[:] = _ZERO
    cursor[1] = np.uint64(4)
    cursor[3] = np.uint64(replica)


@numba.njit
def next_number(cursor, key):
    """Next 32-bit number, held in uint64."""
    lane = np.int64(cursor[1])
    if lane == 4:
        x0, x1, x2, x3 = philox(cursor[0], cursor[2], _ZERO, cursor[3], key)
        cursor[4], cursor[5], cursor[6], cursor[7] = x0, x1, x2, x3
        cursor[0] += _ONE
        if cursor[0] == _END:
            cursor[0] = _ZERO
            cursor[2] += _ONE
        lane = 0
    cursor[1] = np.uint64(lane + 1)
    return cursor[4 + lane]
