"""Cells that improve an exponent of a data collapse most for their cost."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from scipy.interpolate import BSpline

from physbatch.results.estimate import Estimate
from physbatch.scaling.data_collapse.result import Collapse
from physbatch.scaling.design.choice import Chosen, Cost, Rules, candidate_controls
from physbatch.scaling.design.posterior import SuccessPosterior
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

#: Pieces of the free master curve, and what keeps the information matrix invertible.
_PIECES, _RIDGE = 8, 1e-9
_PARAMETERS = ("c_c", "nu", "zeta")
#: beta = -zeta and gamma = zeta.
_COLUMN = {"nu": 1, "zeta": 2, "beta": 2, "gamma": 2}


def relative_error(estimate: Estimate) -> float:
    """Error over value; inf where either is not known or the value is 0."""
    if not (math.isfinite(estimate.value) and math.isfinite(estimate.stderr)):
        return math.inf
    return estimate.stderr / abs(estimate.value) if estimate.value else math.inf


class _Information:
    """What points tell of c_c, nu, zeta and a free master curve."""

    def __init__(self, collapse: Collapse, table: ScalingTable) -> None:
        known = {**collapse.fixed, **{n: e.value for n, e in collapse.parameters.items()}}
        self._values = [float(known.get(name, 0.0)) for name in _PARAMETERS]
        self._fixed = [n for n, name in enumerate(_PARAMETERS) if name in collapse.fixed]
        (curve,) = collapse.curve[:1]
        self._x, self._y = curve.x, curve.y
        self._slope = np.gradient(curve.y, curve.x)
        inner = np.linspace(curve.x[0], curve.x[-1], _PIECES + 1)
        self._knots = np.concatenate([[inner[0]] * 3, inner, [inner[-1]] * 3])
        (name,) = collapse.observables[:1]
        self._spread = _Spread(table, name)

    def of(self, size: FloatArray, control: FloatArray, replicas: FloatArray) -> FloatArray:
        """Information matrices of some points, shape (n_point, n_parameter, n_parameter)."""
        c_c, nu, zeta = self._values
        scale, stretch = size ** (zeta / nu), size ** (1.0 / nu)
        x = stretch * (control - c_c)
        inside = (x >= self._x[0]) & (x <= self._x[-1])
        y = np.interp(x, self._x, self._y)
        slope = np.interp(x, self._x, self._slope)
        log = np.log(size)
        columns = np.stack(
            [-slope * stretch, -log / nu**2 * (zeta * y + slope * x), log / nu * y], axis=1
        )
        columns[:, self._fixed] = 0.0
        basis = BSpline.design_matrix(np.clip(x, self._x[0], self._x[-1]), self._knots, 3).toarray()
        rows = scale[:, None] * np.concatenate([columns, basis], axis=1)
        weight = np.where(inside, replicas / self._spread(size, control) ** 2, 0.0)
        return np.asarray(weight[:, None, None] * rows[:, :, None] * rows[:, None, :])


class _Spread:
    """Spread of one replica's observable at the measured point that is nearest."""

    def __init__(self, table: ScalingTable, name: str) -> None:
        self._size, self._control = table.size, table.control
        counts = [len(sample) for sample in table.samples[name]]
        self.replicas = np.array(counts, dtype=np.float64)
        self._spread = table.errors[name] * np.sqrt(self.replicas)

    def __call__(self, size: FloatArray, control: FloatArray) -> FloatArray:
        """Shape (n_point,)."""
        span = np.ptp(self._control) or 1.0
        far = np.abs(np.log(size[:, None] / self._size)) * 10.0
        near = np.argmin(far + np.abs(control[:, None] - self._control) / span, axis=1)
        floor = 1e-3 * float(self._spread.max())
        return np.asarray(np.maximum(self._spread[near], floor))


def choose_for_exponent(
    collapse: Collapse | None,
    table: ScalingTable | None,
    name: str,
    error: float,
    laws: Mapping[float, SuccessPosterior],
    rules: Rules,
    cost: Cost,
    generator: np.random.Generator,
) -> tuple[list[Chosen], float]:
    r"""The next cells for an exponent of a collapse, one after the other.

    A point of n replicas at x = N^(1/nu) (c - c_c) has the information

    .. math:: I = \frac{n}{s^2} g g^T, \qquad g = \partial y/\partial(c_c, \nu, \zeta, a)

    with y = N^(zeta/nu) f(x), f a cubic spline with coefficients a, and s the spread of one replica
    near by. The cell is taken that lowers the exponent's element of the inverse sum most for its
    cost; the error falls in that proportion. Where the exponent is not known, the cells are those
    that tell m_c of each size.

    Parameters
    ----------
    collapse, table
        The collapse so far, None where there is none yet, and what it is of.
    name : str
        ``nu``, ``zeta``, ``beta`` or ``gamma``.
    error : float
        Its relative error.
    laws : mapping
        Size -> law of m_c there: candidates lie where success is undecided.
    rules, cost, generator
        As for `choose_cells`.

    Returns
    -------
    cells : list of Chosen
    error : float
        Expected after them.
    """
    points = [
        (size, float(control))
        for size, law in laws.items()
        for control in candidate_controls(law.coarse(), rules, size, generator)
    ]
    if collapse is None or table is None or not points or not math.isfinite(error):
        return _spread_out(points, laws, rules, cost), error
    size, control = (np.array(column) for column in zip(*points, strict=True))
    information = _Information(collapse, table)
    there = information.of(table.size, table.control, _counts(table)).sum(axis=0)
    new = information.of(size, control, np.full(size.size, float(rules.replicas)))
    there = there + _RIDGE * np.diag(np.maximum(np.diag(there), 1e-30))
    costs = np.array([cost(*point) for point in points])
    column, first = _COLUMN[name], 0.0
    start = float(np.linalg.inv(there)[column, column])
    now, cells = start, list[Chosen]()
    open_rows = list(range(len(points)))
    while open_rows and len(cells) < rules.most:
        if cells and error * math.sqrt(now / start) <= rules.error:
            break
        after = np.linalg.inv(there + new[open_rows])[:, column, column]
        best = int(np.argmax((now - after) / costs[open_rows]))
        row = open_rows.pop(best)
        first = 1.0 - float(after[best]) / now
        there, now = there + new[row], float(after[best])
        success = float(laws[float(size[row])].predicted(control[row])[0])
        cells.append(
            Chosen(float(size[row]), float(control[row]), success, first, float(costs[row]))
        )
    return cells, error * math.sqrt(now / start)


def _counts(table: ScalingTable) -> FloatArray:
    samples = table.samples[table.observables[0]]
    return np.array([len(sample) for sample in samples], dtype=np.float64)


def _spread_out(
    points: list[tuple[float, float]],
    laws: Mapping[float, SuccessPosterior],
    rules: Rules,
    cost: Cost,
) -> list[Chosen]:
    """Cells of undecided success at all sizes in turn, where nothing better is known."""
    cells = []
    for size, law in laws.items():
        controls = [control for known, control in points if known == size]
        for control in controls[:: max(1, len(controls) // max(1, rules.most // len(laws)))]:
            success = float(law.predicted(control)[0])
            cells.append(Chosen(size, control, success, 0.0, cost(size, control)))
    return sorted(cells, key=lambda cell: abs(cell.success - 0.5))[: rules.most]
