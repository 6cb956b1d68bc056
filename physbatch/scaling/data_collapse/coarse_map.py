"""Starts for a collapse from the data alone, so that the answer does not depend on a guess.

A coarse map of the likelihood over c_c and nu, with zeta/nu read off the data at each c_c, is
made with a fixed smooth curve and generous noise; its local maxima are the starts.
"""

from __future__ import annotations

import numpy as np

from physbatch.scaling.data_collapse.form import ScalingForm
from physbatch.scaling.data_collapse.optimum import Objective, units_of
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

__all__ = ["candidates", "coarse_table", "local_maxima", "starts"]


_CONTROLS = 41
#: nu per linear size; per volume it is d times larger.
_NU = np.geomspace(0.25, 8.0, 13)
_POINTS = 120
_MAP_POINTS = 90
#: Noise of the map, in units of the spread of the data.
_MAP_NOISE = 0.05
_MAP_LENGTHS = (0.15, 0.6)


def coarse_table(table: ScalingTable, most: int = _POINTS) -> ScalingTable:
    """At most about `most` points, spread evenly over sizes and over the controls of each."""
    if len(table.size) <= most:
        return table
    per_size = max(6, most // len(table.sizes))
    keep = np.zeros(len(table.size), dtype=bool)
    for size in table.sizes:
        rows = np.flatnonzero(table.size == size)
        chosen = np.unique(np.linspace(0, len(rows) - 1, min(per_size, len(rows))).round())
        keep[rows[chosen.astype(int)]] = True
    return table.select(keep)


def _slope_at(table: ScalingTable, observable: str, control: float) -> float:
    """zeta/nu if c_c were `control`: slope of ln|y| against ln N there; 0 if it has no sign."""
    log_size, log_value = [], []
    for size in table.sizes:
        rows = table.size == size
        value = float(np.interp(control, table.control[rows], table.values[observable][rows]))
        if value == 0:
            return 0.0
        log_size.append(np.log(size))
        log_value.append(np.log(abs(value)))
    return float(np.clip(np.polyfit(log_size, log_value, 1)[0], -5, 5))


def candidates(
    form: ScalingForm, table: ScalingTable, controls: FloatArray | None = None
) -> list[list[FloatArray]]:
    """Fit vectors on a grid of c_c (rows; by default over the controls) and nu (columns)."""
    if "c_c" not in form.names:
        controls = np.array([form.fixed["c_c"]])
    elif controls is None:
        controls = np.linspace(table.control.min(), table.control.max(), _CONTROLS)
    nus = _NU if "nu" in form.names else np.array([form.fixed["nu"]])
    rows = []
    for control in controls:
        slopes = {name: _slope_at(table, name, float(control)) for name in form.observables}
        row = []
        for nu in nus:
            values = {**form.fixed, "c_c": float(control), "nu": float(nu)}
            for name in form.observables:
                zeta = "zeta" if len(form.observables) == 1 else f"zeta_{name}"
                values.setdefault(zeta, slopes[name] * float(nu))
            values.setdefault("omega", 1.0)
            values.setdefault("phi", 1.0 / float(nu) + 1.0)
            values.setdefault("shift", 0.0)
            row.append(form.vector(values))
        rows.append(row)
    return rows


def starts(form: ScalingForm, table: ScalingTable, *, most: int = 8) -> list[FloatArray]:
    """Starting exponents, the most promising first.

    Parameters
    ----------
    form : ScalingForm
        The scaling form.
    table : ScalingTable
        The data.
    most : int
        Number of starts at most.
    """
    small = coarse_table(table, _MAP_POINTS)
    grid = candidates(form, small)
    middle = grid[len(grid) // 2][len(grid[0]) // 2]
    units = units_of(form, small, middle, form.observables)
    generous = ScalingTable(
        small.size,
        small.control,
        small.values,
        {
            name: np.hypot(
                small.errors[name], _MAP_NOISE * unit * _scale(form, small, middle, name)
            )
            for name, unit in zip(form.observables, units, strict=True)
        },
    )
    objective = Objective(form, generous, units, ("amplitude", "length"))
    heights = np.array([[_height(objective, vector) for vector in row] for row in grid])
    order = local_maxima(heights)
    return [grid[i][j] for i, j in order[:most]]


def _scale(form: ScalingForm, table: ScalingTable, vector: FloatArray, name: str) -> FloatArray:
    return np.exp(form.rescale(vector, table, name).log_scale)


def _height(objective: Objective, vector: FloatArray) -> float:
    """Best likelihood over a few lengths of the curve."""
    values = []
    for length in _MAP_LENGTHS:
        hyper = [0.0, np.log(length)] * len(objective.form.observables)
        with np.errstate(all="ignore"):
            values.append(objective(np.concatenate([vector, hyper]), gradient=False)[0])
    return max(values)


def local_maxima(heights: FloatArray) -> list[tuple[int, int]]:
    """Grid points that no neighbour tops, the highest first."""
    padded = np.pad(np.where(np.isfinite(heights), heights, -np.inf), 1, constant_values=-np.inf)
    found = []
    for i, j in np.ndindex(*heights.shape):
        around = padded[i : i + 3, j : j + 3]
        if np.isfinite(heights[i, j]) and heights[i, j] >= around.max():
            found.append((float(heights[i, j]), i, j))
    return [(i, j) for _, i, j in sorted(found, reverse=True)]
