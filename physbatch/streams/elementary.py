"""Elementary functions that a compiler can run for many numbers at once.

Calls into the system's mathematics library keep a loop from using vector registers, and its
last digits differ between systems. The functions here are straight-line code: polynomials in
explicit fused multiply-adds, and bits. So a loop over replicas compiles to vector code, and
every replica gives the same bits in whichever lane it is computed.
"""

import math

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_DOUBLE = ir.DoubleType()
_WORD = ir.IntType(64)


@intrinsic
def multiply_add(typing_context, a, b, c):
    """a b + c with one rounding."""

    def code(context, builder, signature, arguments):
        return builder.fma(*arguments)

    return types.float64(types.float64, types.float64, types.float64), code


@intrinsic
def float_of_bits(typing_context, bits):
    """The float64 that has these 64 bits."""

    def code(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], _DOUBLE)

    return types.float64(types.uint64), code


@intrinsic
def bits_of_float(typing_context, number):
    """The 64 bits of a float64."""

    def code(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], _WORD)

    return types.uint64(types.float64), code


def _polynomial(*coefficients):
    """A compiled polynomial, lowest power first, by Horner's rule."""

    @intrinsic
    def evaluate(typing_context, x):
        def code(context, builder, signature, arguments):
            total = ir.Constant(_DOUBLE, coefficients[-1])
            for coefficient in reversed(coefficients[:-1]):
                total = builder.fma(total, arguments[0], ir.Constant(_DOUBLE, coefficient))
            return total

        return types.float64(types.float64), code

    return evaluate


# Taylor series, long enough for the reduced arguments below: |x| <= ln(2)/2, |x| <= pi/4, and
# log(x) = 2 atanh(s) with |s| <= 0.172.
_exponential_series = _polynomial(*(1 / math.factorial(n) for n in range(14)))
_sine_series = _polynomial(*((-1) ** n / math.factorial(2 * n + 1) for n in range(9)))
_cosine_series = _polynomial(*((-1) ** n / math.factorial(2 * n) for n in range(10)))
_logarithm_series = _polynomial(*(2 / (2 * n + 1) for n in range(12)))

# exp(a^2) erfc(a) for 0 <= a <= 6.25 as a polynomial in x = 12/(a + 3.75) - 2.2, which runs
# over [-1, 1]: the Chebyshev series up to degree 17, computed with 50 digits. What is left out
# is below 1e-17.
_scaled_erfc_series = _polynomial(
    0.291043046104965,
    0.33765363090483463,
    0.20862446714969238,
    0.10410894840861115,
    0.0417898736083807,
    0.01320350788932888,
    0.003108858214544952,
    0.00046688162293037324,
    1.4036900086574957e-05,
    -1.1453205837825912e-05,
    -2.052040902199013e-06,
    1.697600811672816e-07,
    8.944761148967268e-08,
    -1.2618608546463844e-09,
    -3.6223136137574326e-09,
    -1.072753755654002e-11,
    1.3157198272500609e-10,
    -9.971916114040374e-13,
)

_52 = np.uint64(52)
_BIAS = np.uint64(1023)
#: Bits of 2^52: filling the low bits with an integer below 2^52 gives 2^52 plus the integer.
_TWO_52 = np.uint64(0x4330000000000000)
#: Adding it to a small float leaves the nearest integer in the low bits.
_ROUNDING = 1.5 * 2.0**52
_LOG2_E = 1 / math.log(2)
#: ln 2 in two parts, the first with so few bits that its multiples are exact.
_LN2_HIGH = float.fromhex("0x1.62e42fefa38p-1")
_LN2_LOW = float.fromhex("0x1.ef35793c7673p-45")
_LN2 = math.log(2)
_SQRT_HALF_BITS = np.uint64(0x3FE6A09E667F3BCD)
_EXPONENT_MASK = np.uint64(0xFFF0000000000000)
_EXPONENT_SIGN = np.uint64(0x800)
#: Undoes `_TWO_52` and `_EXPONENT_SIGN`.
_EXPONENT_ORIGIN = 2.0**52 + 2048.0
_SQRT_HALF = math.sqrt(0.5)
_SLOPE_AT_ZERO = math.sqrt(2 / math.pi)


@numba.njit(inline="always", error_model="numpy")
def float_of_word(word):
    """An integer below 2^52, held in uint64, as a float64."""
    return float_of_bits(word | _TWO_52) - 2.0**52


@numba.njit(inline="always", error_model="numpy")
def exponential(x):
    """exp(x) for x < 700, within 2 units of the last place; below -708 as at -708."""
    x = max(x, -708.0)
    shifted = multiply_add(x, _LOG2_E, _ROUNDING)
    whole = shifted - _ROUNDING
    rest = multiply_add(whole, -_LN2_LOW, multiply_add(whole, -_LN2_HIGH, x))
    power = float_of_bits((bits_of_float(shifted) + _BIAS) << _52)
    return _exponential_series(rest) * power


@numba.njit(inline="always", error_model="numpy")
def logarithm(x):
    """log(x) of a positive normal number, within 4 units of the last place."""
    bits = bits_of_float(x)
    # x = 2^e f with f in [sqrt(1/2), sqrt(2)).
    exponent_bits = (bits - _SQRT_HALF_BITS) & _EXPONENT_MASK
    f = float_of_bits(bits - exponent_bits)
    exponent = float_of_bits((exponent_bits >> _52 ^ _EXPONENT_SIGN) | _TWO_52) - _EXPONENT_ORIGIN
    s = (f - 1.0) / (f + 1.0)
    return multiply_add(exponent, _LN2, s * _logarithm_series(s * s))


@numba.njit(inline="always", error_model="numpy")
def cosine_sine(x):
    """cos(x) and sin(x) for |x| <= pi/4."""
    square = x * x
    return _cosine_series(square), x * _sine_series(square)


@numba.njit(inline="always", error_model="numpy")
def erf_and_slope(u):
    """g(u) = erf(u/sqrt 2), within 1e-15, and g'(u) = sqrt(2/pi) exp(-u^2/2), relatively so."""
    gauss = exponential(-0.5 * u * u)
    a = min(abs(u) * _SQRT_HALF, 6.25)
    tail = gauss * _scaled_erfc_series(12.0 / (a + 3.75) - 2.2)
    return math.copysign(1.0 - tail, u), _SLOPE_AT_ZERO * gauss
