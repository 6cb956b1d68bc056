"""Where the curves of two sizes differ significantly in opposite directions, and cross there."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
import scipy

from physbatch.errors import AnalysisError
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.results.flags import BAD_LOCAL_FIT, NO_CROSSING, NO_OVERLAP, NOT_RESOLVED
from physbatch.scaling.curves.local_fits import (
    LocalFit,
    SizeCurve,
    average_resampled,
    half_widths,
    local_fit,
    nearest_roots,
)
from physbatch.scaling.statistics.acceptance import ACCEPTABLE
from physbatch.typing import BoolArray, FloatArray

_FALSE_ALARM = 1e-3  # chance that noise alone makes a sign of the difference, per pair
_DEGREES = range(1, 9)
_LENGTH = 9  # coefficients of a polynomial, padded
_LINE = 101


def pairs_of_sizes(
    sizes: FloatArray, pairs: Literal["consecutive", "double"] | Sequence[tuple[float, float]]
) -> list[tuple[float, float]]:
    """The pairs of sizes to compare, the smaller size first."""
    known = [float(size) for size in sizes]
    if pairs == "consecutive":
        return list(pairwise(known))
    if pairs == "double":
        chosen = [(a, b) for a in known for b in known if abs(b / (2.0 * a) - 1.0) < 0.01]
    elif isinstance(pairs, str):
        raise AnalysisError(
            f"pairs = {pairs!r}",
            where="find_crossings",
            remedy="use consecutive, double, or a list of pairs of sizes",
        )
    else:
        chosen = [(min(a, b), max(a, b)) for a, b in pairs if a in known and b in known and a != b]
    if not chosen:
        raise AnalysisError(f"no pairs {pairs!r} among the sizes {known}")
    return chosen


def find_candidates(small: SizeCurve, large: SizeCurve) -> tuple[list[float], Flag | None]:
    """About where the difference changes its sign significantly, or why nowhere."""
    low = max(small.control.min(), large.control.min())
    high = min(small.control.max(), large.control.max())
    at = np.unique(np.concatenate([small.control, large.control]))
    at = at[(at >= low) & (at <= high)]
    if min(small.control.size, large.control.size) < 3 or at.size < 3:
        return [], NO_OVERLAP("fewer than three common controls")
    maps = [interpolation_weights(curve.control, at) for curve in (small, large)]
    difference = maps[1] @ large.y - maps[0] @ small.y
    covariance = maps[0] @ small.covariance @ maps[0].T + maps[1] @ large.covariance @ maps[1].T
    for span in 2 ** np.arange(int(math.log2(at.size))):
        sign = significant_signs(difference, covariance, int(span))
        known = np.flatnonzero(sign)
        changes = [(i, j) for i, j in pairwise(known.tolist()) if sign[i] != sign[j]]
        if changes:
            return [_root_between(at, difference, i, j) for i, j in changes], None
    if np.unique(np.sign(difference)).size > 1:
        return [], NO_CROSSING("the curves do not differ significantly on both sides")
    return [], NO_CROSSING("one curve is above the other everywhere")


def _root_between(at: FloatArray, difference: FloatArray, i: int, j: int) -> float:
    slope, offset = np.polyfit(at[i : j + 1] - at[i], difference[i : j + 1], 1)
    root = at[i] - offset / slope if slope != 0.0 else math.nan
    return float(root if at[i] <= root <= at[j] else 0.5 * (at[i] + at[j]))


def interpolation_weights(control: FloatArray, at: FloatArray) -> FloatArray:
    """Weights of local cubic interpolation, shape (n_at, n_control)."""
    count = min(4, control.size)
    weights = np.zeros((at.size, control.size))
    first = np.clip(np.searchsorted(control, at) - count // 2, 0, control.size - count)
    for row, (x, start) in enumerate(zip(at, first, strict=True)):
        nodes = control[start : start + count]
        for k in range(count):
            others = np.delete(nodes, k)
            weights[row, start + k] = np.prod((x - others) / (nodes[k] - others))
    return weights


def significant_signs(difference: FloatArray, covariance: FloatArray, span: int) -> FloatArray:
    """-1, 0 or 1: the sign of the difference, averaged over a span, where it is significant."""
    n = difference.size
    limit = float(scipy.stats.norm.isf(0.5 * _FALSE_ALARM / n))
    near = np.abs(np.subtract.outer(np.arange(n), np.arange(n)) * 2 + (span + 1) % 2) <= span
    box = near.astype(np.float64)
    total = box @ difference
    error = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", box, covariance, box), 0.0))
    return np.where(np.abs(total) > limit * error, np.sign(total), 0.0)


def choose_chain(candidates: list[list[float]], near: float | None) -> list[int]:
    """Which candidate of each pair: the chain that moves least, or nearest to a control."""
    chains = []
    starts = [near] if near is not None else [c for pair in candidates[::-1] for c in pair]
    for start in starts:
        last, moved, chain = start, 0.0, []
        for pair in candidates[::-1]:  # from the largest sizes down
            steps = [abs(c - (start if near is not None else last)) for c in pair]
            chain.append(int(np.argmin(steps)) if steps else -1)
            if steps:
                moved, last = moved + min(steps), pair[chain[-1]]
        chains.append((moved, chain[::-1]))
    return min(chains, key=lambda chain: chain[0])[1] if chains else [-1] * len(candidates)


class CrossingFit(NamedTuple):
    """One crossing with its bootstrap replicates and the best local fits."""

    crossing: Estimate
    level: Estimate
    crossing_resampled: FloatArray
    level_resampled: FloatArray
    chi2: float
    dof: int
    line: FloatArray  # shape (3, n_line): control and the large polynomials
    flags: tuple[Flag, ...]


def cross_curves(
    small: SizeCurve, large: SizeCurve, centre: float, why: Flag | None
) -> CrossingFit:
    """The crossing near a centre, averaged over windows and degrees."""
    if why:
        return _no_pair(small, why)
    fits, weights = _joint_fits(small, large, centre)
    if not fits:
        return _no_pair(small, BAD_LOCAL_FIT("no polynomial of degree 1 to 8 describes both"))
    roots, levels, drawn_roots, drawn_levels = (
        np.array(block)
        for block in zip(*(_crossing_roots(*pair, small, large) for pair in fits), strict=True)
    )
    drawn, kept = average_resampled(drawn_roots, weights)
    if kept.sum() < 0.5:
        return _no_pair(small, NOT_RESOLVED("resampled curves do not always cross"))
    weights = kept / kept.sum()
    drawn_level, _ = average_resampled(drawn_levels, weights)
    value, level = float(weights @ roots), float(weights @ levels)
    best = fits[int(np.argmax(weights))]
    u = np.linspace(-1.0, 1.0, _LINE)
    powers = np.vander(u, _LENGTH, increasing=True).T
    line = [
        np.where(_seen(fit, curve, u), fit.coefficients(curve.y, _LENGTH) @ powers, math.nan)
        for fit, curve in zip(best, (small, large), strict=True)
    ]
    return CrossingFit(
        _estimate(value, drawn, math.sqrt(float(weights @ (roots - value) ** 2))),
        _estimate(level, drawn_level, math.sqrt(float(weights @ (levels - level) ** 2))),
        drawn,
        drawn_level,
        best[0].chi2 + best[1].chi2,
        best[0].dof + best[1].dof,
        np.array([best[0].centre + u * best[0].half, *line]),
        (),
    )


def _seen(fit: LocalFit, curve: SizeCurve, u: FloatArray) -> BoolArray:
    """Where a curve has data within the window."""
    control = (curve.control[fit.rows] - fit.centre) / fit.half
    return np.asarray((u >= control.min()) & (u <= control.max()))


def _estimate(value: float, drawn: FloatArray, systematic: float) -> Estimate:
    low, high = np.nanquantile(drawn, [float(scipy.stats.norm.cdf(x)) for x in (-1.0, 1.0)])
    return Estimate(value, float(np.nanstd(drawn)), systematic, (float(low), float(high)))


def _no_pair(curve: SizeCurve, why: Flag) -> CrossingFit:
    blank = np.full(len(curve.resampled), math.nan)
    nothing = Estimate(math.nan, math.nan, math.nan, flags=(why,))
    line = np.full((3, _LINE), math.nan)
    return CrossingFit(nothing, nothing, blank, blank, math.nan, 0, line, (why,))


def _joint_fits(
    small: SizeCurve, large: SizeCurve, centre: float
) -> tuple[list[tuple[LocalFit, LocalFit]], FloatArray]:
    """Acceptable fits of both curves in the same windows that cross inside, and weights."""
    pairs: list[tuple[LocalFit, LocalFit]] = []
    for half in half_widths(np.concatenate([small.control, large.control]), centre):
        good = [
            [
                fit
                for degree in _DEGREES
                if (fit := local_fit(c.control, c.y, c.covariance, centre, half, degree))
                and fit.p_value > ACCEPTABLE
            ]
            for c in (small, large)
        ]
        pairs += [(a, b) for a in good[0] for b in good[1]]
    aic = np.array([a.aic + b.aic for a, b in pairs])
    weights = np.exp(-0.5 * (aic - aic.min(initial=math.inf)))
    kept = [
        k for k in np.flatnonzero(weights > 1e-3) if math.isfinite(_root(*pairs[k], small, large))
    ]
    return [pairs[k] for k in kept], np.asarray(weights[kept] / np.sum(weights[kept]))


def _root(a: LocalFit, b: LocalFit, small: SizeCurve, large: SizeCurve) -> float:
    """Where the polynomials cross, in units of the window; nan if not within it."""
    difference = b.coefficients(large.y, _LENGTH) - a.coefficients(small.y, _LENGTH)
    roots = np.roots(difference[::-1])
    real = roots[(np.abs(roots.imag) < 1e-9) & (np.abs(roots.real) <= 1.0)].real
    return float(real[np.argmin(np.abs(real))]) if real.size else math.nan


def _crossing_roots(
    a: LocalFit, b: LocalFit, small: SizeCurve, large: SizeCurve
) -> tuple[float, float, FloatArray, FloatArray]:
    """Crossing, level there, and both resampled (nan where the window holds none)."""
    start = _root(a, b, small, large)
    level = float(np.polyval(a.coefficients(small.y, _LENGTH)[::-1], start))
    first = a.coefficients(small.resampled, _LENGTH)
    drawn = nearest_roots(b.coefficients(large.resampled, _LENGTH) - first, start)
    levels = np.sum(first * drawn[:, None] ** np.arange(_LENGTH), axis=-1)
    return a.centre + a.half * start, level, a.centre + a.half * drawn, levels
