"""Would a c_c beyond the controls do as well?

Fits look for c_c within the controls. Where it lies beyond them, tails of the master curve that
fall exponentially or as a power law may collapse around a wrong c_c too, with another zeta, and
with a good chi^2. Then the same search beyond the controls finds an optimum that is at least about
as likely. Where the controls do hold c_c there is none: on planted data it is less likely by a
factor of e^77 or more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from physbatch.results.flag import Flag
from physbatch.results.flags import BEYOND_CONTROLS
from physbatch.scaling.data_collapse.coarse_map import candidates, coarse_table
from physbatch.scaling.data_collapse.form import ScalingForm
from physbatch.scaling.data_collapse.optimum import Objective, Optimum, climb, newton
from physbatch.scaling.data_collapse.window_fits import LEAST_SHARED, hyper_names, shared_points
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

__all__ = ["c_c_beyond"]


#: Where the search begins, in ranges of the controls beyond their end.
_DISTANCES = np.array([0.08, 0.2, 0.4, 0.7, 1.0])
#: The region of the usual search is so wide, in ranges; the next ones lie beside it.
_REGION = 1.1
#: ln of the likelihood ratio to the best optimum above which c_c may as well lie beyond.
_MARGIN = -8.0


def c_c_beyond(
    form: ScalingForm, table: ScalingTable, units: Sequence[float], best: Optimum
) -> Flag | None:
    """The flag that says so if a c_c beyond the controls fits about as well; else nothing.

    Parameters
    ----------
    form, table, units
        As in `physbatch.scaling.data_collapse.window_fits.global_optimum`.
    best : Optimum
        Its best optimum within the controls.
    """
    if "c_c" not in form.names:
        return None
    found = max(_optima(form, table, units), key=lambda one: one[0], default=(-math.inf, math.nan))
    likelihood, control = found
    if not likelihood > best.value + _MARGIN:
        return None
    inside = form.exponents(best.vector[: len(form.names)])["c_c"]
    return BEYOND_CONTROLS(
        f"c_c = {control:.4g}, beyond the controls, fits about as well as "
        f"{inside:.4g}; add points on both sides of the transition"
    )


def _optima(
    form: ScalingForm, table: ScalingTable, units: Sequence[float]
) -> Iterator[tuple[float, float]]:
    """Likelihood and c_c of the optimum on either side, where sizes share x there."""
    small = coarse_table(table)
    for side in (-1.0, 1.0):
        shift = side * _REGION * form.control_unit
        moved = replace(form, control_middle=form.control_middle + shift)
        objective = Objective(moved, small, tuple(units), hyper_names(form, nugget=True))
        end = form.control_middle + 0.5 * side * form.control_unit
        grid = candidates(moved, small, end + side * form.control_unit * _DISTANCES)
        begin = max(
            (objective.start(vector) for row in grid for vector in row),
            key=lambda vector: _height(objective, vector),
        )
        optimum = newton(objective, climb(objective, begin, steps=80))[0]
        shared = shared_points(moved, small, optimum.vector)
        if math.isfinite(optimum.value) and shared >= LEAST_SHARED:
            yield optimum.value, moved.exponents(optimum.vector[: len(form.names)])["c_c"]


def _height(objective: Objective, vector: FloatArray) -> float:
    with np.errstate(all="ignore"):
        return objective(vector, gradient=False)[0]
