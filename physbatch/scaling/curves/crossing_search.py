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
from physbatch.results.flags import NO_CROSSING, NO_OVERLAP, NOT_RESOLVED
from physbatch.scaling.curves.smooth_curves import SmoothCurve
from physbatch.typing import FloatArray

#: Pairs that are looked at: neighbours and those further apart; neighbours; N and 2N; given ones.
Pairs = Literal["all", "consecutive", "double"]

_APART = 1.5  # ratio of sizes from which pairs that are no neighbours count
_SIGNIFICANT = 2.6  # standard deviations on either side of a crossing
_GRID = 129
_LOST = 0.02  # of the draws
_STEPS = 16
_LINE = 101


def pairs_of_sizes(
    sizes: FloatArray, pairs: Pairs | Sequence[tuple[float, float]]
) -> list[tuple[float, float]]:
    """The pairs of sizes to compare, the smaller size first."""
    known = [float(size) for size in sizes]
    neighbours = list(pairwise(known))
    every = [(a, b) for i, a in enumerate(known) for b in known[i + 1 :]]
    if pairs == "consecutive":
        return neighbours
    if pairs == "all":
        return [(a, b) for a, b in every if (a, b) in neighbours or b / a > _APART - 1e-9]
    if pairs == "double":
        chosen = [(a, b) for a, b in every if abs(b / (2.0 * a) - 1.0) < 0.01]
    elif isinstance(pairs, str):
        raise AnalysisError(
            f"pairs = {pairs!r}",
            where="find_crossings",
            remedy="use all, consecutive, double, or a list of pairs of sizes",
        )
    else:
        chosen = [(min(a, b), max(a, b)) for a, b in pairs if a in known and b in known and a != b]
    if not chosen:
        raise AnalysisError(f"no pairs {pairs!r} among the sizes {known}")
    return chosen


class Candidate(NamedTuple):
    """A crossing of two curves, and where they differ most on either side of it."""

    control: float
    left: float
    right: float
    significance: float  # of the weaker side


def find_candidates(small: SmoothCurve, large: SmoothCurve) -> tuple[list[Candidate], Flag | None]:
    """Where the difference changes its sign significantly, or why nowhere."""
    low, high = max(small.low, large.low), min(small.high, large.high)
    if not low < high:
        return [], NO_OVERLAP("no common controls")
    at = np.linspace(low, high, _GRID)
    difference = large.at(at) - small.at(at)
    mean = difference.mean(axis=1)
    pull = mean / difference.std(axis=1)
    sign = np.where(np.abs(pull) > _SIGNIFICANT, np.sign(pull), 0.0)
    known = np.flatnonzero(sign)
    changes = [(i, j) for i, j in pairwise(known.tolist()) if sign[i] != sign[j]]
    if not changes:
        both = pull.min() < -1.0 and pull.max() > 1.0
        what = "the curves do not differ significantly on both sides"
        return [], NO_CROSSING(what if both else "one curve is above the other everywhere")
    turns = [0, *(j for _, j in changes), _GRID]  # each stretch of one sign begins here
    peaks = [
        start + int(np.argmax(np.where(sign[start:end] != 0, np.abs(pull[start:end]), 0.0)))
        for start, end in pairwise(turns)
    ]
    return [
        Candidate(
            _zero(at[i : j + 1], mean[i : j + 1]),
            float(at[left]),
            float(at[right]),
            float(min(abs(pull[left]), abs(pull[right]))),
        )
        for (i, j), (left, right) in zip(changes, pairwise(peaks), strict=True)
    ], None


def _zero(at: FloatArray, mean: FloatArray) -> float:
    """Where the mean changes its sign, the middle one of several places."""
    turns = np.flatnonzero(np.sign(mean[1:]) != np.sign(mean[:-1]))
    k = int(turns[len(turns) // 2])
    return float(at[k] + (at[k + 1] - at[k]) * mean[k] / (mean[k] - mean[k + 1]))


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
    """One crossing with its draws."""

    crossing: Estimate
    level: Estimate
    inverse_nu: Estimate  # ln(slope of the larger size / of the smaller) / ln(ratio of sizes)
    drawn_crossing: FloatArray  # shape (n_draw,); nan where a draw has none
    drawn_level: FloatArray
    drawn_inverse_nu: FloatArray
    line: FloatArray  # shape (3, n_line): control and the curves of both sizes
    flags: tuple[Flag, ...]


def cross_curves(
    small: SmoothCurve, large: SmoothCurve, candidate: Candidate | None, why: Flag | None
) -> CrossingFit:
    """The crossing of the mean curves, and those of all draws."""
    if candidate is None:
        return _no_pair(small, *([why] if why else []))
    drawn, level, slopes = _roots(small, large, candidate)
    if np.mean(np.isnan(drawn)) > _LOST:
        return _no_pair(small, NOT_RESOLVED("drawn curves do not always cross"))
    with np.errstate(invalid="ignore", divide="ignore"):
        exponent = np.log(slopes[1] / slopes[0]) / math.log(large.size / small.size)
    control = np.linspace(candidate.left, candidate.right, _LINE)
    line = np.array([control, small.at(control).mean(axis=1), large.at(control).mean(axis=1)])
    crossing, there, inverse_nu = map(estimate_of, (drawn, level, exponent))
    return CrossingFit(crossing, there, inverse_nu, drawn, level, exponent, line, ())


def estimate_of(drawn: FloatArray) -> Estimate:
    """Mean and standard deviation of draws; nan where more than 2 % of them have no value."""
    if np.mean(~np.isfinite(drawn)) > _LOST:
        return Estimate(math.nan, math.nan)
    known = drawn[np.isfinite(drawn)]
    low, high = np.quantile(known, [float(scipy.stats.norm.cdf(x)) for x in (-1.0, 1.0)])
    return Estimate(float(known.mean()), float(known.std()), 0.0, (float(low), float(high)))


def _no_pair(curve: SmoothCurve, *why: Flag) -> CrossingFit:
    blank = np.full(curve.series.shape[1], math.nan)
    nothing = Estimate(math.nan, math.nan, flags=why)
    line = np.full((3, _LINE), math.nan)
    return CrossingFit(nothing, nothing, nothing, blank, blank, blank, line, why)


def _roots(
    small: SmoothCurve, large: SmoothCurve, candidate: Candidate
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Crossing, level and slopes (2, n_draw) of all draws, within the bracket."""
    ends = np.array([candidate.left, candidate.right])
    left, right = large.at(ends) - small.at(ends)
    sign = float(np.sign(right.mean()))
    crosses = (sign * left < 0.0) & (sign * right > 0.0)
    low, high = (np.full(crosses.size, end) for end in ends)
    root = np.full(crosses.size, candidate.control)
    for _ in range(_STEPS):  # Newton's, or halving where that leaves the bracket
        value, slope = (
            sign * (other - mine)
            for mine, other in zip(small.of_draws(root), large.of_draws(root), strict=True)
        )
        low, high = np.where(value < 0.0, root, low), np.where(value < 0.0, high, root)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = root - value / slope
        root = np.where((step > low) & (step < high), step, 0.5 * (low + high))
    level, slope = small.of_draws(root)
    _, other = large.of_draws(root)
    blank = np.where(crosses, 0.0, math.nan)
    return root + blank, level + blank, np.array([slope + blank, other + blank])
