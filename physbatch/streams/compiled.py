"""Philox4x32-10 as compiled functions, for kernels on the CPU."""

import numba
import numpy as np

_M0 = np.uint64(0xD2511F53)
_M1 = np.uint64(0xCD9E8D57)
_W0 = np.uint64(0x9E3779B9)
_W1 = np.uint64(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)


@numba.njit(inline="always")
def philox(c0, c1, c2, c3, key):
    """Four 32-bit numbers (held in uint64) at a counter, under a 64-bit key.

    All arguments are uint64; counter words must be below 2^32.
    """
    k0 = key & _LOW
    k1 = key >> _32
    for _ in range(10):
        p0 = _M0 * c0
        p1 = _M1 * c2
        c0 = (p1 >> _32) ^ c1 ^ k0
        c1 = p1 & _LOW
        c2 = (p0 >> _32) ^ c3 ^ k1
        c3 = p0 & _LOW
        k0 = (k0 + _W0) & _LOW
        k1 = (k1 + _W1) & _LOW
    return c0, c1, c2, c3


@numba.njit(inline="always")
def bounded(number, bound):
    """Map a 32-bit number to 0 ... bound - 1 by multiply-and-shift.

    Each value has probability 1/bound within a relative bound/2^32.
    """
    return (number * bound) >> _32
