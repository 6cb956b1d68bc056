"""Evidence of coexistence: the weight passes from one peak to the other, ever more sharply."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy
from scipy.interpolate import CubicSpline

from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.results.flags import CONSTANT_MINORITY, NO_SHARPENING, TWO_PEAKS_AT_GRID_END
from physbatch.scaling.laws.extrapolation import extrapolate
from physbatch.scaling.order.histograms import SIGMAS, scaled, with_two_peaks
from physbatch.scaling.order.result import FIRST_ORDER, Evidence, silent
from physbatch.scaling.order.samples import LEAST_SIZES, OrderData, SizeSamples
from physbatch.scaling.statistics.acceptance import ACCEPTABLE
from physbatch.scaling.statistics.two_peaks import (
    LEAST_GROUP,
    VALLEY_LEVEL,
    grain_of,
    has_two_peaks,
)
from physbatch.scaling.transition.result import Jump
from physbatch.typing import FloatArray

#: Exponents x of a width N^-x that are compared; 1 is coexistence in equilibrium.
_EXPONENTS = np.linspace(-1.0, 3.0, 401)
_WIDTHS, _FINER = 120, 8
#: Weight of the minority below which one phase has taken over, and which may be left at the end.
_TAKEN_OVER, _LEFT = 0.15, 0.03
#: Standard errors of sharpening that are enough where the curves of different sizes differ.
_SHIFTED_SIGMAS = 2.0


class _Shares(NamedTuple):
    """How many values lie above the cut at each control, in the order in which that grows."""

    volume: float
    control: FloatArray
    upper: FloatArray
    trials: FloatArray
    sign: float = 1.0  # -1 where the control is turned


#: Log-likelihoods of logistic curves, and their middles.
_Profile = tuple[FloatArray, FloatArray]


def phase_coexistence(data: OrderData, jumps: Sequence[Jump], curve: Evidence) -> Evidence:
    r"""Whether the weight of two peaks passes from one to the other over a width that falls.

    Two peaks alone may be two basins that are chosen at random, runs that got stuck, or the
    states of a broken symmetry. Where phases coexist the weight of the upper one goes from 0 to
    1 across the grid, its ends have one peak, and the width of the logistic curve

    .. math:: w_N(c) = \frac{1}{1 + \exp(-(c - c_N)/\Delta_N)}, \qquad \Delta_N \sim N^{-x}

    falls: x = 1 in equilibrium, 2/3 at a mean-field spinodal, small where droplets nucleate. The
    likelihood of all counts, c_N and the amplitude being free, gives x; one width at all sizes
    must be 3 standard errors away, or 2 where `curve`, the means at shared controls, differs from
    size to size. c_N, where both weights are equal, is extrapolated; in
    equilibrium it approaches its limit as 1/N (Borgs and Kotecky, doi 10.1007/BF01013955).
    """
    name, quantity = "coexistence", "width of the region of two peaks"
    cuts = {jump.size: jump.cut for jump in with_two_peaks(jumps)}
    if len(cuts) < LEAST_SIZES:
        return silent(name, "fewer than three sizes show two peaks")
    used = [samples for samples in data.sizes if samples.volume in cuts]
    shares = _shares(used, cuts)
    logarithms = _width_grid(shares)
    profiles = [_profile(each, logarithms) for each in shares]
    x, ratio = _sharpening(shares, logarithms, profiles)
    size = np.array([each.volume for each in shares])
    value, stderr = np.array([_width(logarithms, profile) for profile, _ in profiles]).T
    equal = _equal_weight(shares, logarithms, profiles)
    flags = _ends(used, shares)
    least = _SHIFTED_SIGMAS if curve["log10 p"].value < math.log10(ACCEPTABLE) else SIGMAS
    sharpens = x.value > 0.0 and ratio > least**2
    if not sharpens:
        flags = (
            NO_SHARPENING(f"the width over which both peaks carry weight goes as N^-x, x = {x}"),
            *flags,
        )
    text = f"both peaks carry weight over a width that goes as N^-x, x = {x} "
    text += f"(a width that does not depend on N: {math.sqrt(ratio):.2g} standard errors away)"
    text += "".join(f"; {flag.text}" for flag in flags if not NO_SHARPENING.among((flag,)))
    points_to = FIRST_ORDER if sharpens and not flags else ""
    return Evidence(
        name, points_to, text, ("x", "c_c"), (x, equal), quantity, size, value, stderr, flags
    )


def _shares(used: Sequence[SizeSamples], cuts: dict[float, float]) -> list[_Shares]:
    """Counts above the cut of each size, all turned so that they grow with the control."""
    rows = []
    for samples in used:
        upper = np.array([float(np.sum(value >= cuts[samples.volume])) for value in samples.values])
        rows.append(_Shares(samples.volume, samples.control, upper, samples.replicas.astype(float)))
    trend = sum(float(np.cov(row.control, row.upper / row.trials)[0, 1]) for row in rows)
    if trend >= 0.0:
        return rows
    return [
        _Shares(row.volume, -row.control[::-1], row.upper[::-1], row.trials[::-1], -1.0)
        for row in rows
    ]


def _width_grid(shares: Sequence[_Shares]) -> FloatArray:
    """Logarithms of widths, from well below the spacing of the controls to above their span."""
    control = np.unique(np.concatenate([row.control for row in shares]))
    spacing = min(float(np.diff(row.control).min()) for row in shares)
    low, high = math.log(spacing / 20.0), math.log(3.0 * float(np.ptp(control)))
    return np.linspace(low, high, _WIDTHS)


def _profile(shares: _Shares, logarithms: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Largest log-likelihood of a logistic curve of each width, and its middle."""
    inverse = np.exp(-logarithms)[:, None]
    x = shares.control - shares.control.mean()
    low, high = -inverse * x.max() - 40.0, -inverse * x.min() + 40.0
    for _ in range(60):  # the derivative by the shift falls: bisect
        shift = 0.5 * (low + high)
        excess = shares.trials * scipy.special.expit(inverse * x + shift) - shares.upper
        below = np.sum(excess, axis=1, keepdims=True) < 0.0
        low, high = np.where(below, shift, low), np.where(below, high, shift)
    shift = 0.5 * (low + high)
    argument = inverse * x + shift
    lower = shares.trials - shares.upper
    terms = shares.upper * scipy.special.log_expit(argument)
    logarithm = np.sum(terms + lower * scipy.special.log_expit(-argument), axis=1)
    return logarithm, shares.control.mean() - (shift / inverse)[:, 0]


def _equal_weight(
    shares: Sequence[_Shares], logarithms: FloatArray, profiles: Sequence[_Profile]
) -> Estimate:
    """The control at which both peaks have the same weight, for N -> infinity."""
    rows = []
    for row, (profile, middle) in zip(shares, profiles, strict=True):
        best = int(np.argmax(profile))
        width, c = math.exp(logarithms[best]), float(middle[best])
        slope = scipy.special.expit((row.control - c) / width)
        known = float(np.sum(row.trials * slope * (1.0 - slope)))
        # Never better known than where it lies between two controls, if no control is mixed.
        spacing = float(np.diff(row.control).min())
        rows.append((row.volume, c, width / math.sqrt(known) if known > 1.0 else spacing))
    size, value, stderr = np.array(rows).T
    limit = extrapolate("control of equal weight", size, value, stderr).limit
    return limit if shares[0].sign > 0.0 else scaled(limit, -1.0)


def _sharpening(
    shares: Sequence[_Shares], logarithms: FloatArray, profiles: Sequence[_Profile]
) -> tuple[Estimate, float]:
    """The exponent x, and twice the logarithm of the likelihood ratio against x = 0."""
    growth = np.log([row.volume / shares[0].volume for row in shares])
    curves = [CubicSpline(logarithms, profile) for profile, _ in profiles]
    # Finer than any width is known, or the largest likelihood would go in steps.
    amplitudes = np.linspace(logarithms[0], logarithms[-1], _FINER * logarithms.size)
    total = np.empty(_EXPONENTS.size)
    for row, x in enumerate(_EXPONENTS):
        widths = np.clip(amplitudes - x * growth[:, None], logarithms[0], logarithms[-1])
        together = [curve(at) for curve, at in zip(curves, widths, strict=True)]
        total[row] = np.sum(together, axis=0).max()
    value, low, high = _likeliest(_EXPONENTS, total)
    ratio = 2.0 * float(total.max() - np.interp(0.0, _EXPONENTS, total))
    return Estimate(value, 0.5 * (high - low), 0.0, (low, high)), max(ratio, 0.0)


def _width(logarithms: FloatArray, profile: FloatArray) -> tuple[float, float]:
    """Width of one size and its error; nan where it is below the spacing of the controls."""
    value, low, high = _likeliest(logarithms, profile)
    if low == logarithms[0] or high == logarithms[-1]:
        return math.nan, math.nan
    return math.exp(value), math.exp(value) * 0.5 * (high - low)


def _likeliest(x: FloatArray, logarithm: FloatArray) -> tuple[float, float, float]:
    """Where a likelihood is largest, and the ends of the interval in which it falls by 1/2."""
    fine = np.linspace(x[0], x[-1], 20 * x.size)
    curve = CubicSpline(x, logarithm)(fine)
    inside = np.flatnonzero(curve > curve.max() - 0.5)
    return float(fine[curve.argmax()]), float(fine[inside[0]]), float(fine[inside[-1]])


# --- the ends of the grid ---------------------------------------------------------------


def _ends(used: Sequence[SizeSamples], shares: Sequence[_Shares]) -> tuple[Flag, ...]:
    """What speaks against coexistence at the ends of the grid of the largest size."""
    samples, last = used[-1], shares[-1]
    grain = grain_of(samples.values)
    lower_end, upper_end = samples.values[0], samples.values[-1]
    if last.sign < 0.0:
        lower_end, upper_end = upper_end, lower_end
    flags: list[Flag] = []
    share = last.upper / last.trials
    sides = (("lower", lower_end, share), ("upper", upper_end, 1.0 - share[::-1]))
    for word, values, minority in sides:
        trials = last.trials if word == "lower" else last.trials[::-1]
        left, beyond = _left(minority, trials)
        if math.isnan(left):
            flags.append(
                TWO_PEAKS_AT_GRID_END(
                    f"at N = {last.volume:g} the {word} peak has not taken over at its end of the "
                    f"grid (weight {1.0 - minority[0]:.2g})"
                )
            )
        elif left > _LEFT and left * beyond >= LEAST_GROUP:
            flags.append(
                CONSTANT_MINORITY(
                    f"at N = {last.volume:g} a part {left:.2g} of the runs stays outside the "
                    f"{word} peak however far the control is from the transition"
                )
            )
        elif has_two_peaks(values, grain, VALLEY_LEVEL):
            flags.append(
                TWO_PEAKS_AT_GRID_END(
                    f"at N = {last.volume:g} the histogram has two peaks at the {word} end"
                )
            )
    return tuple(flags)


def _left(minority: FloatArray, trials: FloatArray) -> tuple[float, float]:
    """Weight of the minority in the outer half of where one phase has taken over, and its runs.

    It falls exponentially with the distance from the transition where two phases coexist, so
    that nothing is left in the outer half; of stuck runs the same part is everywhere.
    """
    over = int(np.argmax(np.append(minority, 1.0) > _TAKEN_OVER))
    if over == 0:
        return math.nan, 0.0
    outer = slice(0, (over + 1) // 2)
    runs = float(trials[outer].sum())
    return float(np.sum(minority[outer] * trials[outer])) / runs, runs
