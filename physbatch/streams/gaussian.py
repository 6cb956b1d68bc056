"""Gaussian numbers and lengths of Gaussian vectors from Philox words, as compiled functions."""

import math

import numba
import numpy as np

from physbatch.streams.compiled import philox
from physbatch.streams.elementary import (
    bits_of_float,
    cosine_sine,
    float_of_bits,
    float_of_word,
    logarithm,
)

_ONE = np.uint64(1)
_30 = np.uint64(30)
_63 = np.uint64(63)
_LOW_30 = np.uint64(0x3FFFFFFF)
_TWO_PI_OVER_2_32 = 2 * math.pi / 2.0**32
#: Blocks between one attempt at a chi number and the next; each block serves two of them.
CHI_ATTEMPT = np.uint64(4)


@numba.njit(inline="always", error_model="numpy")
def normal_pair(first, second):
    """Two independent standard normal numbers from two 32-bit words (Box and Muller).

    sqrt(-2 ln u) (cos, sin)(2 pi v - pi/4) with u, v = (word + 1/2)/2^32.
    """
    radius = math.sqrt(-2.0 * logarithm((float_of_word(first) + 0.5) * 2.0**-32))
    # The two highest bits turn by quarters, so that sine and cosine need no reduction.
    cosine, sine = cosine_sine(
        (float_of_word(second & _LOW_30) + 0.5 - 2.0**29) * _TWO_PI_OVER_2_32
    )
    quarter = second >> _30
    odd = (quarter & _ONE) != np.uint64(0)
    signed = float_of_bits(bits_of_float(radius) ^ ((quarter >> _ONE) << _63))
    return signed * (-sine if odd else cosine), signed * (cosine if odd else sine)


@numba.njit(inline="always", error_model="numpy")
def chi_or_minus_one(freedom, normal, word):
    """One attempt at a chi number with `freedom` > 1 degrees of freedom; -1 if it is rejected.

    Marsaglia and Tsang (ACM Trans. Math. Softw. 26 (2000) 363, doi 10.1145/358407.358414):
    with d = freedom/2 - 1/3 and v = (1 + x/sqrt(9 d))^3, x normal, u uniform, 2 d v is
    chi-square distributed if it is kept when ln u < x^2/2 + d - d v + d ln v.
    """
    d = 0.5 * freedom - 1.0 / 3.0
    root = 1.0 + normal / (3.0 * math.sqrt(d))
    safe = max(root, 1e-6)
    v = safe * safe * safe
    log_u = logarithm((float_of_word(word) + 0.5) * 2.0**-32)
    kept = root > 1e-6 and log_u < 0.5 * normal * normal + d * (1.0 - v + logarithm(v))
    return math.sqrt(2.0 * d * v) if kept else -1.0


@numba.njit(error_model="numpy")
def draw_chi(number, freedom, kind, low, replica, key, attempt):
    """Chi number `number` of an address, from the given attempt on.

    `kind` and `low` are counter words 2 and 1. One degree of freedom is |x|, x normal.
    """
    block = np.uint64(number // 2) + attempt * CHI_ATTEMPT
    while True:
        x0, x1, x2, x3 = philox(block, low, kind, replica, key)
        first, second = normal_pair(x0, x1)
        normal = first if number % 2 == 0 else second
        if freedom == 1:
            return abs(normal)
        chi = chi_or_minus_one(float(freedom), normal, x2 if number % 2 == 0 else x3)
        if chi >= 0.0:
            return chi
        block += CHI_ATTEMPT
