"""S as a function of the exponents, and its nearest minimum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from physbatch.scaling.data_collapse.form import ScalingForm
from physbatch.scaling.data_collapse.optimum import Objective, Optimum
from physbatch.scaling.data_collapse.quality_kernel import NOWHERE, mean_quality, simplex_minimum
from physbatch.scaling.data_collapse.window_fits import LEAST_SHARED
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

__all__ = ["Quality", "minimise"]


#: First steps of c_c in ranges of the control, of -ln nu and of zeta/nu.
_STEPS = {"c_c": 0.02}
_STEP = 0.1
_EVALUATIONS = 150  # at most, for each exponent


@dataclass(frozen=True, eq=False)
class Quality:
    """S of a table as a function of the fit vector, averaged over the observables.

    Attributes
    ----------
    form : ScalingForm
        The scaling form.
    table : ScalingTable
        The data, sorted by size and control.
    values : mapping
        Other values of the observables than those of the table (resampled ones).
    """

    form: ScalingForm
    table: ScalingTable
    values: Mapping[str, FloatArray] = field(default_factory=dict)

    @property
    def objective(self) -> Objective:
        """The table and the form with their bounds, without hyperparameters."""
        return Objective(self.form, self.table, (1.0,) * len(self.form.observables), ())

    @cached_property
    def _data(self) -> tuple[Any, ...]:
        """What the kernel needs besides the fit vector."""
        form, table, names = self.form, self.table, self.form.observables
        every = ["c_c", "nu", *(["zeta"] if len(names) == 1 else [f"zeta_{n}" for n in names])]
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
            np.array([self.values.get(name, table.values[name]) for name in names]),
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
    height, evaluations, converged = quality(best), 1, count == 0
    if steps is None:
        steps = np.diag([_STEPS.get(name, _STEP) for name in quality.form.names])
    for number in range(rounds if count else 0):
        found, reached, spent, shrunk = simplex_minimum(
            best,
            np.ascontiguousarray(steps * (-1.0) ** number),
            _EVALUATIONS * count,
            *quality._data,
        )
        evaluations += spent
        gain = height - reached
        if gain > 0:
            best, height = found, reached
        converged = bool(shrunk and gain < 1e-3 * (1 + height))
        if converged:
            break
        steps = 0.3 * steps
    return Optimum(best, -height, converged and height < NOWHERE, evaluations)
