"""Starts for a collapse from the data alone, and the optima to which they lead.

A coarse map of the likelihood over c_c and nu, with zeta/nu read off the data at each c_c, is
made with a fixed smooth curve and generous noise; its local maxima are the starts. So the answer
does not depend on a guess.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, NoReturn

import numpy as np

from physbatch.errors import AnalysisError
from physbatch.scaling.data_collapse.form import LEAST_SHARED, Levels, ScalingForm
from physbatch.scaling.data_collapse.optimum import (
    Objective,
    Optimum,
    climb,
    hyper_names,
    newton,
    units_of,
)
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

_CONTROLS = 41
_POINTS = 120
_MAP_POINTS = 90
#: Noise of the map, in units of the spread of the data.
_MAP_NOISE = 0.05
_MAP_LENGTHS = (0.15, 0.6)
#: ln of the likelihood ratio above which a start of the user replaces those of the data.
_FAR_BETTER = 5.0
#: Optima are the same if all exponents, as they are fitted, or their heights are nearer than this.
_SAME = 0.02


class Optima(NamedTuple):
    """Where the starts of a global search have led."""

    tried: int  # starts
    agreed: int  # starts that lead to the best optimum
    units: tuple[float, ...]  # of the observables
    different: tuple[Optimum, ...]  # the best first, two at most

    @property
    def best(self) -> Optimum:
        """The highest optimum."""
        return self.different[0]


# --- starts -----------------------------------------------------------------------------


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


def _levels_at(table: ScalingTable, observable: str, control: float) -> Levels:
    """What each size has at a control, by straight lines between points."""
    rows = (table.size == size for size in table.sizes)
    values = [np.interp(control, table.control[r], table.values[observable][r]) for r in rows]
    return Levels(table.sizes, np.array(values))


def candidates(
    form: ScalingForm, table: ScalingTable, controls: FloatArray | None = None
) -> list[list[FloatArray]]:
    """Fit vectors on a grid of c_c (rows; by default over the controls) and nu (columns).

    A form without nu has columns for what it has instead.
    """
    if "c_c" not in form.names:
        controls = np.array([form.fixed.get("c_c", form.control_middle)])
    elif controls is None:
        controls = np.linspace(table.control.min(), table.control.max(), _CONTROLS)
    rows = []
    for control in map(float, controls):
        levels = {name: _levels_at(table, name, control) for name in form.observables}
        rows.append(
            [
                form.vector(form.completed({**form.fixed, "c_c": control, **column}, levels))
                for column in form.columns()
            ]
        )
    return rows


def starting_vectors(form: ScalingForm, table: ScalingTable, *, most: int = 8) -> list[FloatArray]:
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
    generous = {}
    for name, unit in zip(form.observables, units, strict=True):
        scale = np.exp(form.rescale(middle, small, name).log_scale)
        generous[name] = np.hypot(small.errors[name], _MAP_NOISE * unit * scale)
    noisy = form.widened(ScalingTable(small.size, small.control, small.values, generous))
    objective = Objective(form, noisy, units, ("amplitude", "length"))
    curves = [[0.0, np.log(length)] * len(form.observables) for length in _MAP_LENGTHS]
    heights = np.array(
        [
            [
                max(height(objective, np.concatenate([vector, curve])) for curve in curves)
                for vector in row
            ]
            for row in grid
        ]
    )
    return [grid[i][j] for i, j in local_maxima(heights)[:most]]


def height(objective: Objective, vector: FloatArray) -> float:
    """Log posterior at a vector that may be out of all reason."""
    with np.errstate(all="ignore"):
        return objective(vector, gradient=False)[0]


def local_maxima(heights: FloatArray) -> list[tuple[int, int]]:
    """Grid points that no neighbour tops, the highest first."""
    padded = np.pad(np.where(np.isfinite(heights), heights, -np.inf), 1, constant_values=-np.inf)
    maxima = []
    for i, j in np.ndindex(*heights.shape):
        around = padded[i : i + 3, j : j + 3]
        if np.isfinite(heights[i, j]) and heights[i, j] >= around.max():
            maxima.append((float(heights[i, j]), i, j))
    return [(i, j) for _, i, j in sorted(maxima, reverse=True)]


# --- optima -----------------------------------------------------------------------------


def global_optima(
    form: ScalingForm, table: ScalingTable, start: Mapping[str, float] | None = None
) -> Optima:
    """Climb from every start with a nugget, which keeps wrong exponents from trapping the fit.

    The same optimum is reached to other digits from every start, and where corrections make it
    a long ridge windows may then be chosen differently. So the search goes on from the optima of
    the starts that the data gave, unless the user's leads to one that is far more likely.

    Parameters
    ----------
    form, table : ScalingForm, ScalingTable
        What to fit.
    start : mapping, optional
        Exponents of one more start; it counts among those that were tried.

    Raises
    ------
    AnalysisError
        If no start gives a finite likelihood.
    """
    small = coarse_table(table)
    vectors = starting_vectors(form, table)
    if not vectors:
        _refuse_all()
    units = units_of(form, small, vectors[0], form.observables)
    objective = Objective(form, small, units, hyper_names(form, nugget=True))
    climbed = [_climbed(objective, vector) for vector in vectors]
    if start is None:
        return _ranked(objective, climbed)
    extra = _climbed(objective, form.vector({**form.exponents(vectors[0]), **start}))
    with_extra = _ranked(objective, [*climbed, extra])
    of_the_data = _ranked(objective, climbed)
    if with_extra.best.value > of_the_data.best.value + _FAR_BETTER:
        return with_extra
    return of_the_data._replace(tried=with_extra.tried, agreed=with_extra.agreed)


def _climbed(objective: Objective, exponents: FloatArray) -> Optimum:
    return newton(objective, climb(objective, objective.start(exponents), steps=80))[0]


def _ranked(objective: Objective, climbed: Sequence[Optimum]) -> Optima:
    """The different ones of some optima, the best first; those where sizes share x, if any do."""
    form = objective.form
    finite = [optimum for optimum in climbed if math.isfinite(optimum.value)]
    if not finite:
        _refuse_all()
    proper = [
        optimum
        for optimum in finite
        if form.shared(optimum.vector, objective.table) >= LEAST_SHARED
    ] or finite
    proper.sort(key=lambda optimum: -optimum.value)
    agreed = sum(_same(form, optimum, proper[0]) for optimum in finite)
    different = [proper[0]]
    for optimum in proper[1:]:
        if not any(_same(form, optimum, known) for known in different):
            different.append(optimum)
    return Optima(len(finite), agreed, objective.units, tuple(different[:2]))


def _refuse_all() -> NoReturn:
    raise AnalysisError(
        "no start gives a finite likelihood",
        where="collapse",
        remedy="check the errors, and the formulas of a custom form",
    )


def _same(form: ScalingForm, optimum: Optimum, other: Optimum) -> bool:
    count = len(form.names)
    near = np.abs(optimum.vector[:count] - other.vector[:count]).max(initial=0.0) < _SAME
    return bool(near or abs(optimum.value - other.value) < _SAME)
