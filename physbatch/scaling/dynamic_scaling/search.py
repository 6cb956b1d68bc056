"""Starts from the data alone, and the optimum to which they lead.

A coarse map of the likelihood over c_c, eta and zeta, with the slopes read off the data at each c_c
and generous noise, has local maxima: those are the starts. Times that turn out to be frequencies
are sought as well.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import numpy as np

from physbatch.errors import AnalysisError
from physbatch.scaling.dynamic_scaling.coordinates import Frame
from physbatch.scaling.dynamic_scaling.objective import Objective
from physbatch.tables.times import TimeTable
from physbatch.typing import FloatArray

_MAP_POINTS, _COARSE_POINTS, _MOST_POINTS = 90, 150, 400
#: What the map tries: 1/nu_par, and 1/z.
_ETAS = np.geomspace(0.15, 2.0, 9)
_ZETAS = np.array([0.3, 0.5, 0.65, 0.9, 1.3])
_CONTROLS = 21
#: Noise of the map, relative to the values.
_MAP_NOISE = 0.05
_STARTS = 4
_LEAST_TIMES = 6
#: ln of a likelihood ratio from which a column is that of frequencies.
_FREQUENCIES = 10.0
#: Optima are the same if all parameters, as they are fitted, are nearer than this.
_SAME = 0.02


class Optimum(NamedTuple):
    """Where the starts have led."""

    objective: Objective
    vector: FloatArray
    value: float
    tried: int
    agreed: int


def thinned(table: TimeTable, most: int) -> TimeTable:
    """At most about `most` points: fewer times, evenly in ln t, and then fewer controls.

    Times of the same runs are so much alike that little is lost.
    """
    count = len(table.time)
    if count <= most:
        return table
    times = np.unique(table.time)
    wanted = min(times.size, max(_LEAST_TIMES, int(times.size * most / count)))
    targets = np.linspace(math.log(times[0]), math.log(times[-1]), wanted)
    nearest = np.abs(np.log(times)[:, None] - targets).argmin(axis=0)
    part = table.select(np.isin(table.time, times[np.unique(nearest)]))
    if len(part.time) <= most:
        return part
    controls = np.unique(part.control)
    wanted = max(5, int(controls.size * most / len(part.time)))
    kept = controls[np.unique(np.linspace(0, controls.size - 1, wanted).round().astype(int))]
    part = part.select(np.isin(part.control, kept))
    rows = np.unique(np.linspace(0, len(part.time) - 1, most).round().astype(int))
    keep = np.zeros(len(part.time), dtype=bool)
    keep[rows] = True
    return part.select(keep)


def find_optimum(table: TimeTable) -> Optimum:
    """The best optimum from all starts, with all points.

    Raises
    ------
    physbatch.errors.AnalysisError
        If no start gives a finite likelihood.
    """
    best = _coarse(table, falling=False)
    if "eta" in best.objective.frame.names:
        other = _coarse(table, falling=True)
        if other.value > best.value + _FREQUENCIES:
            best = other
    return on_all_points(best, thinned(table, _MOST_POINTS))


def on_all_points(known: Optimum, table: TimeTable) -> Optimum:
    """The same optimum with other points."""
    objective = Objective(known.objective.frame, table, known.objective.correction)
    vector, value = objective.climb(known.vector)
    return known._replace(objective=objective, vector=vector, value=value)


def _coarse(table: TimeTable, *, falling: bool) -> Optimum:
    """The best of the starts, with some of the points."""
    whole = Frame.of(table, falling=falling)
    small = thinned(table, _COARSE_POINTS)
    climbed = []
    for start in _starting(whole, table):
        frame = whole
        if "c_c" in whole.names:
            frame = whole.about(start["c_c"], table.control)
            start = {**start, "c_c": (start["c_c"] - frame.origin) / frame.unit}
        objective = Objective(frame, small)
        vector, value = objective.climb(
            objective.start(np.array([start[name] for name in frame.names]))
        )
        climbed.append((value, objective, vector))
    climbed = [end for end in climbed if math.isfinite(end[0]) and end[0] > -1e9]
    if not climbed:
        raise AnalysisError(
            "no start gives a finite likelihood",
            where=table.source or "dynamics",
            remedy="check the values and errors",
        )
    value, objective, vector = max(climbed, key=lambda end: end[0])
    best = _physical(objective, vector)
    agreed = sum(
        bool(np.all(np.abs(_physical(other, end) - best) < _SAME)) for _, other, end in climbed
    )
    return Optimum(objective, vector, value, len(climbed), agreed)


def _physical(objective: Objective, vector: FloatArray) -> FloatArray:
    """Parameters, with c_c in units of half of the range."""
    frame, out = objective.frame, vector[: objective.count].copy()
    if "c_c" in frame.names:
        out[0] = (frame.origin + frame.unit * out[0]) / frame.half_range
    return out


def _starting(frame: Frame, table: TimeTable) -> list[dict[str, float]]:
    """The most promising of the map, in units of the data."""
    small = thinned(table, _MAP_POINTS)
    etas = _ETAS if "eta" in frame.names else np.array([math.nan])
    zetas = _ZETAS if frame.sized else np.array([math.nan])
    controls = _controls(table) if "c_c" in frame.names else np.array([math.nan])
    heights = np.full((controls.size, etas.size, zetas.size), -np.inf)
    starts: dict[tuple[int, ...], dict[str, float]] = {}
    noisy = _with_noise(small)
    for i, c_c in enumerate(controls):
        slopes = _slopes(frame, table, float(c_c))
        objective = Objective(frame, noisy)
        for j, k in product(range(etas.size), range(zetas.size)):
            start = {"c_c": float(c_c), "eta": float(etas[j]), "zeta": float(zetas[k]), **slopes}
            if not frame.sized and "zeta" in slopes:
                start["zeta"] = slopes["zeta"]
            starts[i, j, k] = start
            fitted = {**start, "c_c": (start["c_c"] - frame.origin) / frame.unit}
            vector = objective.start(np.array([fitted[name] for name in frame.names]))
            with np.errstate(all="ignore"):
                heights[i, j, k] = objective(vector, gradient=False)[0]
    return [starts[at] for at in _maxima(heights)[:_STARTS]]


def _with_noise(table: TimeTable) -> TimeTable:
    """The table with the noise of the map."""
    errors = {}
    for name, values in table.values.items():
        least = _MAP_NOISE * np.maximum(np.abs(values), 0.1 * float(np.median(np.abs(values))))
        errors[name] = np.hypot(table.errors.get(name, 0.0 * values), least)
    return replace(table, errors=errors)


def _controls(table: TimeTable) -> FloatArray:
    """Where c_c may be: evenly over the range, or among the controls where these are not even."""
    distinct = np.unique(table.control)
    even = np.linspace(distinct[0], distinct[-1], _CONTROLS)
    steps = np.diff(distinct)
    if distinct.size < 4 or steps.max() < 30.0 * steps.min():
        return even
    places = np.linspace(0.0, distinct.size - 1.0, 2 * _CONTROLS)
    return np.asarray(np.interp(places, np.arange(distinct.size), distinct))


def _slopes(frame: Frame, table: TimeTable, c_c: float) -> dict[str, float]:
    """Slope of ln y against ln t at a control, of the largest size, by lines between points."""
    if table.size is not None and frame.sized:
        table = table.select(table.size == table.size.max())
    sign = -1.0 if frame.falling else 1.0
    out: dict[str, float] = {}
    logs = np.log(table.time)
    grid = np.linspace(logs.min(), logs.max(), 8)[1:-1]
    controls = np.unique(table.control)
    for name, values in table.values.items():
        rows = []
        for control in controls:
            at = (table.control == control) & (values > 0)
            order = np.argsort(logs[at])
            if at.sum() > 1:
                rows.append((control, np.interp(grid, logs[at][order], np.log(values[at])[order])))
        slope = 0.0
        if rows:
            known = np.array([row[0] for row in rows])
            curves = np.array([row[1] for row in rows])
            curve = curves[0]
            if "c_c" in frame.names:
                curve = np.array([np.interp(c_c, known, column) for column in curves.T])
            slope = sign * float(np.clip(np.polyfit(grid, curve, 1)[0], -4.0, 4.0))
        if frame.growths[name] == "spread":
            out["zeta"] = float(np.clip(0.5 * slope, 0.1, 3.0))
        else:
            out[f"kappa_{name}"] = slope
    return out


def _maxima(heights: FloatArray) -> list[tuple[int, ...]]:
    """Grid points that no neighbour tops, the highest first."""
    padded = np.pad(heights, 1, constant_values=-np.inf)
    maxima = []
    for at in np.ndindex(*heights.shape):
        around = padded[tuple(slice(i, i + 3) for i in at)]
        if np.isfinite(heights[at]) and heights[at] >= around.max():
            maxima.append((float(heights[at]), at))
    return [at for _, at in sorted(maxima, reverse=True)]
