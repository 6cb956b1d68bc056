"""Compiled S of Houdayer and Hartmann and its minimum: the fast twin of `quality`.

A fit by S with its errors needs some 10^4 evaluations; with 90 points numpy needs 0.3 ms for one,
most of it to start its operations, this loop some microseconds.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from physbatch.compilation import cached_njit
from physbatch.scaling.data_collapse.form import LEAST_SHARED, ScalingForm, zeta_name
from physbatch.scaling.data_collapse.optimum import Objective, Optimum
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

#: What S is where it has no meaning: out of bounds, or with too few points that are bracketed.
NOWHERE = 1e12
#: First steps of c_c in ranges of the control, of -ln nu and of zeta/nu.
_STEPS = {"c_c": 0.02}
_STEP = 0.1
_EVALUATIONS = 150  # at most, for each exponent


@cached_njit(error_model="numpy")
def quality_terms(first, log_size, control, value, error, c_c, inverse_nu, ratio):
    """Sum of (y - Y)^2/(dy^2 + dY^2) over the points that other sizes bracket, and their number.

    Parameters
    ----------
    first : ndarray of int, shape (n_size + 1,)
        Where the points of each size begin; the last is the number of points.
    log_size, control, value, error : ndarray, shape (n,)
        ln N, c, y and its error, sorted by size and then by control.
    c_c, inverse_nu, ratio : float
        c_c, 1/nu and zeta/nu.
    """
    count = control.size
    x, y, weight = np.empty(count), np.empty(count), np.empty(count)
    for i in range(count):
        scale = np.exp(-ratio * log_size[i])
        x[i] = np.exp(inverse_nu * log_size[i]) * (control[i] - c_c)
        y[i] = scale * value[i]
        weight[i] = 1.0 / (scale * error[i]) ** 2
    sizes = first.size - 1
    # The points of every other size are walked along with those of this one: x ascends in both.
    next_point = np.empty(sizes, dtype=np.int64)
    total = 0.0
    used = 0
    for size in range(sizes):
        for other in range(sizes):
            next_point[other] = first[other]
        for i in range(first[size], first[size + 1]):
            # Sums of w, w dx, w y, w dx^2 and w dx y with dx = x_j - x_i, which loses no digits.
            k = kx = ky = kxx = kxy = 0.0
            for other in range(sizes):
                if other == size:
                    continue
                j, end = next_point[other], first[other + 1]
                while j < end and x[j] < x[i]:
                    j += 1
                next_point[other] = j
                if j == first[other] or j == end:
                    continue
                for near in (j - 1, j):
                    w, dx = weight[near], x[near] - x[i]
                    k += w
                    kx += w * dx
                    ky += w * y[near]
                    kxx += w * dx * dx
                    kxy += w * dx * y[near]
            determinant = k * kxx - kx * kx
            if determinant > 1e-12 * k * kxx:
                line = (kxx * ky - kx * kxy) / determinant
                total += (y[i] - line) ** 2 / (1.0 / weight[i] + kxx / determinant)
                used += 1
    return total, used


@cached_njit(error_model="numpy")
def mean_quality(vector, free, fixed, low, high, first, log_size, control, values, errors, least):
    """S averaged over the observables, or `NOWHERE`.

    Parameters
    ----------
    vector : ndarray, shape (n_free,)
        Free ones of c_c, -ln nu, zeta_0/nu, zeta_1/nu, ...
    free : ndarray of int, shape (n_free,)
        Which they are.
    fixed : ndarray, shape (2 + n_observable,)
        Values of the others: c_c, -ln nu, and zeta (not its ratio to nu).
    low, high : ndarray, shape (n_free,)
        Bounds.
    first, log_size, control
        As in `quality_terms`.
    values, errors : ndarray, shape (n_observable, n)
    least : float
        Least number of points that count.
    """
    full = fixed.copy()
    for column in range(free.size):
        if not (low[column] <= vector[column] <= high[column]):
            return NOWHERE
        full[free[column]] = vector[column]
    inverse_nu = np.exp(full[1])
    total = 0.0
    for row in range(values.shape[0]):
        ratio = full[2 + row] * inverse_nu
        for column in range(free.size):
            if free[column] == 2 + row:
                ratio = full[2 + row]
        terms, used = quality_terms(
            first, log_size, control, values[row], errors[row], full[0], inverse_nu, ratio
        )
        if used < least or not np.isfinite(terms):
            return NOWHERE
        total += terms / used
    return total / values.shape[0]


@cached_njit(error_model="numpy")
def simplex_minimum(
    start, steps, most, free, fixed, low, high, first, log_size, control, values, errors, least
):
    """Minimum of `mean_quality` by the simplex of Nelder and Mead (doi 10.1093/comjnl/7.4.308).

    Parameters
    ----------
    start : ndarray, shape (n_free,)
        First corner.
    steps : ndarray, shape (n_free, n_free)
        The way from there to each of the others.
    most : int
        Most evaluations.

    Returns
    -------
    best : ndarray, shape (n_free,)
    height : float
    converged : bool
        Whether the simplex shrank to 1e-6 in all directions, and in height.
    """
    data = (free, fixed, low, high, first, log_size, control, values, errors, least)
    count = start.size
    corners = np.empty((count + 1, count))
    heights = np.empty(count + 1)
    for corner in range(count + 1):
        corners[corner] = start
        if corner > 0:
            corners[corner] += steps[corner - 1]
        heights[corner] = mean_quality(corners[corner], *data)
    evaluations = count + 1
    converged = False
    while evaluations < most:
        order = np.argsort(heights)
        corners, heights = corners[order], heights[order]
        if heights[-1] - heights[0] < 1e-6 and np.abs(corners - corners[0]).max() < 1e-6:
            converged = True
            break
        middle = np.zeros(count)
        for corner in range(count):
            middle += corners[corner] / count
        away = middle - corners[-1]
        # Reflect the worst corner; go twice as far if that is the best, half as far if it is bad.
        trial = middle + away
        height = mean_quality(trial, *data)
        evaluations += 1
        if height < heights[0]:
            farther = middle + 2.0 * away
            other = mean_quality(farther, *data)
            evaluations += 1
            if other < height:
                trial, height = farther, other
        elif height >= heights[-2]:
            nearer = middle + (0.5 if height < heights[-1] else -0.5) * away
            other = mean_quality(nearer, *data)
            evaluations += 1
            if other < min(height, heights[-1]):
                trial, height = nearer, other
            else:
                for corner in range(1, count + 1):
                    corners[corner] = 0.5 * (corners[corner] + corners[0])
                    heights[corner] = mean_quality(corners[corner], *data)
                evaluations += count
                continue
        corners[-1], heights[-1] = trial, height
    lowest = np.argmin(heights)
    return corners[lowest].copy(), heights[lowest], converged


# --- S of a table -----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Quality:
    """S of a table as a function of the fit vector, averaged over the observables.

    Attributes
    ----------
    form : ScalingForm
        The scaling form.
    table : ScalingTable
        The data, sorted by size and control.
    """

    form: ScalingForm
    table: ScalingTable

    @property
    def objective(self) -> Objective:
        """The table and the form with their bounds, without hyperparameters."""
        return Objective(self.form, self.table, (1.0,) * len(self.form.observables), ())

    @cached_property
    def _data(self) -> tuple[Any, ...]:
        """What the kernel needs besides the fit vector."""
        form, table, names = self.form, self.table, self.form.observables
        every = ["c_c", "nu", *(zeta_name(names, name) for name in names)]
        values = {name: form.fixed.get(name, 0.0) for name in every}
        # The kernel knows controls as they are fitted, and -ln nu.
        values["c_c"] = (values["c_c"] - form.control_middle) / form.control_unit
        values["nu"] = -np.log(form.fixed.get("nu", 1.0))
        low, high = np.array(self.objective.bounds, dtype=np.float64).reshape(-1, 2).T
        return (
            np.array([every.index(name) for name in form.names], dtype=np.int64),
            np.array([values[name] for name in every]),
            np.ascontiguousarray(low),
            np.ascontiguousarray(high),
            np.searchsorted(table.size, [*table.sizes, np.inf]).astype(np.int64),
            np.log(table.size / form.size_unit),
            (table.control - form.control_middle) / form.control_unit,
            np.array([table.values[name] for name in names]),
            np.array([table.errors[name] for name in names]),
            LEAST_SHARED * len(table.size),
        )

    def __call__(self, vector: FloatArray) -> float:
        """S; 10^12 outside of the bounds, or where fewer than 60 % of the points count."""
        return float(mean_quality(np.asarray(vector, dtype=np.float64), *self._data))


def minimise(
    quality: Quality, begin: FloatArray, *, rounds: int = 4, steps: FloatArray | None = None
) -> Optimum:
    """Nearest minimum of S by the simplex of Nelder and Mead, begun anew until it stays.

    S is continuous in pieces only: where a point gets another neighbour it jumps, which ends
    methods with gradients early.

    Parameters
    ----------
    quality : Quality
        What to minimise.
    begin : ndarray
        Start of the fit vector.
    rounds : int
        Most simplices; each begins at the best point of the last.
    steps : ndarray, shape (n_parameter, n_parameter), optional
        Sides of the first simplex; by default 2 % of the controls for c_c and 0.1 for the others.

    Returns
    -------
    Optimum
        Its value is -S.
    """
    count = len(quality.form.names)
    best: FloatArray = np.asarray(begin, dtype=np.float64)
    height, converged = quality(best), count == 0
    if steps is None:
        steps = np.diag([_STEPS.get(name, _STEP) for name in quality.form.names])
    for number in range(rounds if count else 0):
        lowest, reached, shrunk = simplex_minimum(
            best,
            np.ascontiguousarray(steps * (-1.0) ** number),
            _EVALUATIONS * count,
            *quality._data,
        )
        gain = height - reached
        if gain > 0:
            best, height = lowest, reached
        converged = bool(shrunk and gain < 1e-3 * (1 + height))
        if converged:
            break
        steps = 0.3 * steps
    return Optimum(best, -height, converged and height < NOWHERE)
