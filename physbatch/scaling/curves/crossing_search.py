"""Where the curves of two sizes differ significantly in opposite directions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from scipy import stats

from physbatch.errors import AnalysisError
from physbatch.results.flag import Flag
from physbatch.results.flags import NO_CROSSING, NO_OVERLAP
from physbatch.scaling.curves.local_fits import covariance_block, looks_correlated, resampled_values
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray, IntArray

__all__ = [
    "Curve",
    "choose_chain",
    "curves_of_sizes",
    "find_candidates",
    "interpolation_weights",
    "pairs_of_sizes",
    "significant_signs",
]


_FALSE_ALARM = 1e-3  # chance that noise alone makes a sign of the difference, per pair


class Curve(NamedTuple):
    """The points of one size."""

    size: float
    rows: IntArray  # places in the table
    control: FloatArray
    y: FloatArray
    covariance: FloatArray
    resampled: FloatArray  # shape (resamples, n_point)
    correlated: bool  # smoother than independent points can be


def curves_of_sizes(
    table: ScalingTable, name: str, resamples: int, generator: np.random.Generator
) -> dict[float, Curve]:
    """The points of each size, with bootstrap replicates of the whole table."""
    values, errors = table.values[name], table.errors[name]
    covariance, samples = table.covariance.get(name), table.samples.get(name)
    blocks = {
        size: (rows, covariance_block(errors, covariance, rows))
        for size in table.sizes
        for rows in (np.flatnonzero(table.size == size),)
    }
    drawn = resampled_values(values, errors, covariance, samples, resamples, generator)
    curves = {}
    for size, (rows, block) in blocks.items():
        smooth = covariance is None and looks_correlated(
            table.control[rows], values[rows], errors[rows]
        )
        if smooth:  # the whole curve may move
            drawn[:, rows] += np.outer(generator.standard_normal(resamples), errors[rows])
        curves[float(size)] = Curve(
            float(size), rows, table.control[rows], values[rows], block, drawn[:, rows], smooth
        )
    return curves


def pairs_of_sizes(
    sizes: FloatArray, pairs: Literal["consecutive", "double"] | Sequence[tuple[float, float]]
) -> list[tuple[float, float]]:
    """The pairs of sizes to compare, the smaller size first."""
    known = [float(size) for size in sizes]
    if pairs == "consecutive":
        return list(pairwise(known))
    if pairs == "double":
        found = [(a, b) for a in known for b in known if abs(b / (2.0 * a) - 1.0) < 0.01]
    elif isinstance(pairs, str):
        raise AnalysisError(
            f"pairs = {pairs!r}",
            where="find_crossings",
            remedy="use consecutive, double, or a list of pairs of sizes",
        )
    else:
        found = [(min(a, b), max(a, b)) for a, b in pairs if a in known and b in known and a != b]
    if not found:
        raise AnalysisError(f"no pairs {pairs!r} among the sizes {known}")
    return found


def find_candidates(one: Curve, two: Curve) -> tuple[list[float], Flag | None]:
    """About where the difference changes its sign significantly, or why nowhere."""
    low = max(one.control.min(), two.control.min())
    high = min(one.control.max(), two.control.max())
    at = np.unique(np.concatenate([one.control, two.control]))
    at = at[(at >= low) & (at <= high)]
    if min(one.control.size, two.control.size) < 3 or at.size < 3:
        return [], NO_OVERLAP("fewer than three common controls")
    maps = [interpolation_weights(curve.control, at) for curve in (one, two)]
    difference = maps[1] @ two.y - maps[0] @ one.y
    covariance = maps[0] @ one.covariance @ maps[0].T + maps[1] @ two.covariance @ maps[1].T
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
    limit = float(stats.norm.isf(0.5 * _FALSE_ALARM / n))
    near = np.abs(np.subtract.outer(np.arange(n), np.arange(n)) * 2 + (span + 1) % 2) <= span
    box = near.astype(np.float64)
    total = box @ difference
    error = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", box, covariance, box), 0.0))
    return np.where(np.abs(total) > limit * error, np.sign(total), 0.0)


def choose_chain(candidates: list[list[float]], near: float | None) -> list[int]:
    """Which candidate of each pair: the chain that moves least, or nearest to a control."""
    chains = []
    starts = [near] if near is not None else [c for found in candidates[::-1] for c in found]
    for start in starts:
        last, moved, chain = start, 0.0, []
        for found in candidates[::-1]:  # from the largest sizes down
            steps = [abs(c - (start if near is not None else last)) for c in found]
            chain.append(int(np.argmin(steps)) if steps else -1)
            if steps:
                moved, last = moved + min(steps), found[chain[-1]]
        chains.append((moved, chain[::-1]))
    return min(chains, key=lambda one: one[0])[1] if chains else [-1] * len(candidates)
