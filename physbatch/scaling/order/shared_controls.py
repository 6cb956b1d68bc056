"""Evidence at shared controls: whether one curve describes the means of all sizes."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import scipy

from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.results.flags import WEAKLY_SINGULAR_OBSERVABLE
from physbatch.scaling.order.result import CROSSOVER, Evidence, silent
from physbatch.scaling.order.samples import LEAST_SIZES, OrderData
from physbatch.scaling.statistics.acceptance import ACCEPTABLE
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

_LEAST_CONTROLS = 5  # at which sizes are compared
#: Chance of a correction to one curve, under none, below which it is seen.
_CORRECTION = 1e-3
#: A mean that varies by fewer errors over the grid shows no crossover.
_RESOLVED = 20.0

#: Size, mean and error of each size at one control.
_Cell = tuple[FloatArray, FloatArray, FloatArray]


def one_curve(data: OrderData) -> Evidence:
    r"""Whether the mean, and N var(q), are one function of the control at all sizes.

    At every control that several sizes share, the means are compared with
    :math:`\bar q(c)` and with :math:`\bar q(c) + b(c)/N`, with the errors of a variance
    :math:`v(c)/N` that is pooled over the sizes, as without a transition. A specific heat that
    grows with N shows in v(c), though the mean hardly moves.
    """
    cells, peaks = [], []
    for rows in _at_shared_controls(data):
        n, mean, replicas, variance, kurtosis = np.array(rows).T
        freedom = replicas - 1.0
        pooled = float(np.sum(freedom * n * variance) / np.sum(freedom))
        if pooled > 0.0:
            cells.append((n, mean, np.sqrt(pooled / n / replicas)))
            error = np.sqrt(np.maximum(kurtosis - 1.0, 2.0) / replicas)
            peaks.append((pooled, n * variance, error))
    # Where N var is large a singularity would be; elsewhere it rests on a few values that differ.
    most = max((pooled for pooled, *_ in peaks), default=0.0)
    near = [pooled >= 0.5 * most for pooled, *_ in peaks]
    curve = _compare(cells, "N", near)
    scatter = [_scatter(*peak[1:]) for peak, is_near in zip(peaks, near, strict=True) if is_near]
    chi2, freedom = np.sum([(0.0, 0.0), *scatter], axis=0)
    p = float(scipy.stats.chi2.sf(chi2, freedom))
    if curve.points_to != CROSSOVER or p > _CORRECTION:
        return curve
    text = f"{curve.text}; but N var(q) depends on N, chi2/dof = {chi2:.4g}/{freedom:.0f}"
    return replace(curve, points_to="", text=text, flags=(WEAKLY_SINGULAR_OBSERVABLE(text),))


def _at_shared_controls(data: OrderData) -> list[list[tuple[float, ...]]]:
    """N, mean, replicas, variance and kurtosis of every size, for each control."""
    points: dict[float, list[tuple[float, ...]]] = {}
    for samples in data.sizes:
        for control, values in zip(samples.control, samples.values, strict=True):
            second = float(values.var())
            fourth = float(np.mean((values - values.mean()) ** 4))
            row = (float(values.mean()), float(values.size), float(values.var(ddof=1)))
            kurtosis = fourth / second**2 if second > 0.0 else math.nan
            cell = points.setdefault(float(f"{control:.9g}"), [])
            cell.append((samples.volume, *row, kurtosis))
    return list(points.values())


def _scatter(value: FloatArray, error: FloatArray) -> tuple[float, int]:
    """Chi-squared of logarithms about their weighted mean, and its degrees of freedom."""
    there = value > 0.0
    if not there.any():
        return 0.0, 0
    logarithm, error = np.log(value[there]), error[there]
    rest = (logarithm - np.average(logarithm, weights=error**-2)) / error
    return float(np.sum(rest**2)), logarithm.size - 1


def curve_of_table(table: ScalingTable) -> Evidence:
    """The same for a curve with errors."""
    (name,) = table.observables
    shared = np.array([float(f"{c:.9g}") for c in table.control])
    cells = [
        (table.size[shared == c], table.values[name][shared == c], table.errors[name][shared == c])
        for c in np.unique(shared)
    ]
    return _compare(cells, table.dimension, [True] * len(cells))


def _misfit(n: FloatArray, mean: FloatArray, error: FloatArray, power: float) -> float:
    """Chi-squared of a constant, with a term of that power of the size if it is not 0."""
    columns = np.stack([n**0, n**power][: 1 + (power != 0.0)], 1) / error[:, None]
    target = mean / error
    solved = np.linalg.lstsq(columns, target, rcond=None)[0]
    return float(np.sum((target - columns @ solved) ** 2))


def _compare(cells: Sequence[_Cell], unit: str, near: Sequence[bool]) -> Evidence:
    """Chi-squared of one curve, without and with corrections; seen, where `near` says so."""
    name = "one curve"
    several = [
        (*cell, is_near)
        for cell, is_near in zip(cells, near, strict=True)
        if cell[0].size >= LEAST_SIZES
    ]
    if len(several) < _LEAST_CONTROLS:
        return silent(
            name, f"only {len(several)} controls are shared by {LEAST_SIZES} sizes or more"
        )
    chi2, freedom = np.zeros(2), np.zeros(2)
    gain, terms = 0.0, 0
    for n, mean, error, is_near in several:
        squares = np.array([_misfit(n, mean, error, power) for power in (0.0, -1.0, -0.5)])
        chi2 += squares[:2]
        freedom += (n.size - 1, n.size - 2)
        gain += float(squares[0] - squares[2]) * is_near
        terms += is_near
    p = np.asarray(scipy.stats.chi2.sf(chi2, freedom))
    means = np.concatenate([cell[1] for cell in several])
    errors = np.concatenate([cell[2] for cell in several])
    resolved = float(np.ptp(means) / np.median(errors))
    estimates, names = (Estimate(math.log10(max(float(p[0]), 1e-300)), 0.0),), ("log10 p",)
    words = (
        f"chi2/dof = {chi2[0]:.4g}/{freedom[0]:.0f} (p = {p[0]:.2g}) at {len(several)} shared "
        f"controls, {chi2[1]:.4g}/{freedom[1]:.0f} (p = {p[1]:.2g}) with a correction 1/{unit}"
    )
    # Where a size still shows, some length is as large, as at the weak singularity of an energy:
    # its corrections fall as N^-1/2 or so, at few controls, which the sum over all would hide.
    seen = scipy.stats.chi2.sf(gain, terms) < _CORRECTION
    flags: tuple[Flag, ...] = ()
    points_to = ""
    if p[0] > ACCEPTABLE and not seen:
        text = f"one curve at all sizes: {words}"
        points_to = CROSSOVER if resolved > _RESOLVED else ""
        text += "" if points_to else f", but it varies by {resolved:.2g} errors only"
    elif p.max() > ACCEPTABLE:
        text = f"one curve up to a correction that falls with {unit}: {words}"
        flags = (WEAKLY_SINGULAR_OBSERVABLE(text),)
    else:
        text = f"the curves of different sizes differ: {words}"
    return replace(
        silent(name, text), points_to=points_to, names=names, estimates=estimates, flags=flags
    )
