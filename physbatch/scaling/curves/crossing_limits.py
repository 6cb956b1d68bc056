"""Limits of crossings from the curves of all sizes together, and how they are stated."""

import math
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import scipy

from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.results.flags import (
    BAD_FIT,
    ERRORS_TOO_LARGE,
    ERRORS_TOO_SMALL,
    FEW_SIZES,
    FIXED_EXPONENT,
    NO_LOGARITHM,
    NOT_RESOLVED,
)
from physbatch.scaling.curves.meeting_point import CommonPoint, Moments, common_point, quotient
from physbatch.scaling.curves.smooth_curves import SmoothCurve, SmoothCurves
from physbatch.scaling.laws.local_exponents import inverse
from physbatch.scaling.statistics.acceptance import ACCEPTABLE
from physbatch.typing import FloatArray

_KNOWN = 0.6  # spread of the logarithm of an exponent, in units of the prior's, that is held
_PRIOR_SPREAD = 0.5  # of ln(1/nu)
_RIGHT = (0.6, 1.6)  # factors on the errors that are not worth a word
_CERTAIN = 1.5  # standard deviations of ln g
_ELSEWHERE = 100.0  # variance of a curve beyond its controls, in units of the range squared
_FEWEST = 4  # sizes of an extrapolation


class Limits(NamedTuple):
    """c_c and what holds there, for infinite size."""

    c_c: Estimate
    level: Estimate
    inverse_nu: Estimate
    nu: Estimate
    omega: Estimate
    quotients: dict[str, Estimate]
    chi2: float
    dof: int
    p_value: float
    basis: str  # what the limit rests on, in words
    flags: tuple[Flag, ...]


def limits_of(
    smooth: SmoothCurves,
    others: Mapping[str, Mapping[float, SmoothCurve]],
    region: tuple[float, float] | None,
    scale: float,
    names: tuple[str, str, str],
) -> Limits:
    """The limits, sought within a region; all nan where there is none.

    `names` are those of the observable and of sizes, and the dimension of sizes.
    """
    observable, size_name, dimension = names
    if region is None:
        blank = Estimate(math.nan, math.nan)
        nothing = dict.fromkeys(others, blank)
        return Limits(blank, blank, blank, blank, blank, nothing, math.nan, 0, math.nan, "none", ())
    sizes = np.array(list(smooth.curves))
    moments = partial(_moments, list(smooth.curves.values()), scale)
    volume = dimension == "N"
    point, plain = (
        common_point(sizes, moments, region, scale, volume=volume, plain=p) for p in (False, True)
    )
    dof = 2 * sizes.size - 4  # c_c, y_c, a_1 and 1/nu; corrections are in the prior
    p_value = float(scipy.stats.chi2.sf(point.chi2, dof)) if dof > 0 else math.nan
    basis, flags = _basis(sizes, size_name)
    flags += _on_errors(smooth, observable)
    if p_value < ACCEPTABLE:
        words = f"curves of {observable} meet in no point even with corrections"
        flags += (BAD_FIT(f"{words}, chi2/dof {point.chi2:.1f}/{dof}"),)
    if not point.bounded:
        words = f"c_c is not held between {region[0]:.6g} and {region[1]:.6g}"
        missing = Estimate(math.nan, math.nan, flags=(NOT_RESOLVED(words),))
        nothing = dict.fromkeys(others, missing)
        return Limits(
            missing, missing, missing, missing, missing, nothing,
            point.chi2, dof, p_value, "none", (*flags, *missing.flags),
        )  # fmt: skip
    inverse_nu = _exponent(point, plain)
    known = {name: _quotient(curves, point, plain) for name, curves in others.items()}
    flags += tuple(flag for q in (inverse_nu, *known.values()) for flag in q.flags)
    return Limits(
        _total(point.c_c, plain.c_c),
        _total(point.level, plain.level),
        inverse_nu,
        inverse(inverse_nu) if math.isfinite(inverse_nu.value) else inverse_nu,
        _omega(point),
        known,
        point.chi2,
        dof,
        p_value,
        basis,
        flags,
    )


def _moments(curves: list[SmoothCurve], scale: float, control: FloatArray) -> Moments:
    """Means and covariances of value and slope over the draws."""
    mean = np.empty((control.size, len(curves), 2))
    covariance = np.empty((*mean.shape, 2))
    for k, curve in enumerate(curves):
        at = np.clip(control, curve.low, curve.high)
        drawn = np.stack([curve.at(at), curve.slope_at(at)], axis=1)  # (control, 2, draw)
        mean[:, k] = drawn.mean(axis=2)
        rest = drawn - mean[:, k, :, None]
        covariance[:, k] = np.einsum("cid,cjd->cij", rest, rest) / (drawn.shape[2] - 1)
        wide = scale**2 * np.array([_ELSEWHERE, (curve.high - curve.low) ** -2.0])
        covariance[at != control, k] = np.diag(wide)
    return Moments(mean, covariance)


def _total(pair: tuple[float, float], plain: tuple[float, float]) -> Estimate:
    return Estimate.of_total(*pair, stderr=plain[1])


def _exponent(point: CommonPoint, plain: CommonPoint) -> Estimate:
    value, spread = point.inverse_nu
    if spread > _KNOWN * _PRIOR_SPREAD * value:
        words = f"slopes give 1/nu to a factor of {math.exp(spread / value):.2g}"
        return Estimate(math.nan, math.nan, flags=(FIXED_EXPONENT(words),))
    return _total(point.inverse_nu, plain.inverse_nu)


def _omega(point: CommonPoint) -> Estimate:
    """Omega where the data say more than the prior."""
    mean, spread = point.log_omega
    if spread > _KNOWN * point.omega_spread:
        return Estimate(math.nan, math.nan, flags=(FIXED_EXPONENT("omega is averaged over"),))
    omega = math.exp(mean)
    return Estimate.of_total(omega, omega * spread)


def _quotient(
    curves: Mapping[float, SmoothCurve], point: CommonPoint, plain: CommonPoint
) -> Estimate:
    sizes = np.array(list(curves))
    pairs = [_log_moments(curve, point.nodes[:, 0]) for curve in curves.values()]
    if any(np.isnan(mean).any() for mean, _ in pairs):
        words = NO_LOGARITHM("it is not above 0 at c_c at all sizes")
        return Estimate(math.nan, math.nan, flags=(words,))
    stated = [
        quotient(sizes, partial(_all_log_moments, list(curves.values())), p, plain=simple)
        for p, simple in ((point, False), (plain, True))
    ]
    return _total(*stated)


def _all_log_moments(
    curves: list[SmoothCurve], control: FloatArray
) -> tuple[FloatArray, FloatArray]:
    columns = [_log_moments(curve, control) for curve in curves]
    mean, variance = (np.array(block).T for block in zip(*columns, strict=True))
    return mean, variance


def _log_moments(curve: SmoothCurve, control: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Of ln O over the draws; nan where some are not above 0."""
    at = np.clip(control, curve.low, curve.high)
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = np.log(curve.at(at))
        mean, variance = drawn.mean(axis=1), drawn.var(axis=1, ddof=1)
    known = np.isfinite(mean)
    variance = np.where(at == control, variance, _ELSEWHERE)
    return np.where(known, mean, math.nan), np.where(known, variance, math.nan)


def _basis(sizes: FloatArray, size_name: str) -> tuple[str, tuple[Flag, ...]]:
    """What the limit rests on, with a flag where that is no extrapolation."""
    listed = " and ".join(f"{size:g}" for size in sizes)
    if sizes.size >= _FEWEST:
        return f"extrapolation over {sizes.size} sizes", ()
    what = "the crossing of one pair" if sizes.size == 2 else "the common crossing of three sizes"
    basis = f"{what}, {size_name} = {listed}"
    words = "which corrections of the usual size widen and no fit has tested"
    return basis, (FEW_SIZES(f"c_c is {basis}, {words}"),)


def _on_errors(smooth: SmoothCurves, observable: str) -> tuple[Flag, ...]:
    """What the scatter of the points about their curves says of their errors."""
    g = smooth.noise
    if _RIGHT[0] <= g <= _RIGHT[1] or abs(math.log(g)) < _CERTAIN * smooth.noise_spread:
        return ()
    kind = ERRORS_TOO_SMALL if g > 1.0 else ERRORS_TOO_LARGE
    return (kind(f"{observable} scatters by {g:.2g} of its errors about smooth curves"),)
