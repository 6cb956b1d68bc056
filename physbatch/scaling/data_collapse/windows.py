"""Windows: which sizes and how far from c_c the form is asked to hold, and the fit in each."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy

from physbatch.errors import AnalysisError
from physbatch.scaling.data_collapse.form import LEAST_SHARED, ScalingForm
from physbatch.scaling.data_collapse.optimum import (
    Objective,
    Optimum,
    climb,
    hyper_names,
    newton,
    response,
)
from physbatch.scaling.data_collapse.starts import coarse_table
from physbatch.scaling.statistics.acceptance import ACCEPTABLE
from physbatch.scaling.statistics.point_noise import correlated_covariance
from physbatch.tables.table import ScalingTable
from physbatch.typing import BoolArray, FloatArray

#: Fractions of the points, by distance |x|, that a window keeps.
FRACTIONS = (1.0, 0.7, 0.45, 0.3, 0.2)
#: A window needs this many sizes, and points of each.
LEAST_SIZES = 3
LEAST_POINTS = 3
#: Points on which windows are compared; the final fit uses all of its window. Matrices of this
#: size stay below the 128 kB above which the allocator returns memory at once, page by page.
_SCAN_POINTS = 120
#: Windows that are tried with all of their points.
_FINALISTS = 5
#: p-value of a fit with a nugget below which it is not tried without: see `Fit.hopeless`.
_HOPELESS = 1e-9


class Window(NamedTuple):
    """Smallest size, and the fraction of points nearest to c_c in the scaling variable."""

    size_min: float
    fraction: float


def windows_of(table: ScalingTable, window: str) -> list[Window]:
    """The windows to try: the whole table, and with "scan" all others after it.

    Raises
    ------
    AnalysisError
        If the window is neither "scan" nor "all".
    """
    if window not in ("scan", "all"):
        raise AnalysisError(f"window = {window!r}", where="collapse", remedy="use scan or all")
    sizes = table.sizes
    if window == "all":
        return [Window(float(sizes[0]), 1.0)]
    smallest = sizes[: max(len(sizes) - LEAST_SIZES + 1, 1)]
    return [Window(float(size_min), part) for size_min in smallest for part in FRACTIONS]


def inside(
    window: Window, form: ScalingForm, vector: FloatArray, table: ScalingTable
) -> BoolArray | None:
    """Points of the table in a window, for given exponents; None if the form needs more."""
    x = np.abs(form.rescale(vector, table, form.observables[0]).x)
    large = table.size >= window.size_min
    keep = large & (x <= np.quantile(x[large], window.fraction))
    counts = [int((keep & (table.size == size)).sum()) for size in np.unique(table.size[large])]
    enough = len(counts) >= LEAST_SIZES or window.fraction == 1.0
    if not enough or min(counts) < (LEAST_POINTS if window.fraction < 1 else 1):
        return None
    if not form.applies(table.select(keep)):
        return None
    return np.asarray(keep, dtype=bool)


def _p_value(chi2: float, dof: float) -> float:
    return float(scipy.stats.chi2.sf(chi2, dof)) if dof > 0 else math.nan


@dataclass(frozen=True, eq=False)
class Fit:
    """A fit in one window."""

    window: Window
    objective: Objective
    optimum: Optimum
    covariance: FloatArray  # of the fit vector
    chi2: float
    dof: float
    points: int  # of the window; the fit may use fewer
    orders: Mapping[str, int] = field(default_factory=dict)  # of a polynomial: n1, n2, m

    @property
    def p_value(self) -> float:
        return _p_value(self.chi2, self.dof)

    @property
    def form(self) -> ScalingForm:
        return self.objective.form

    @property
    def exponents(self) -> FloatArray:
        """The fit vector without hyperparameters."""
        return self.optimum.vector[: self.objective.exponents]

    @property
    def values(self) -> dict[str, float]:
        """Free and fixed parameters in physical units."""
        return self.form.exponents(self.exponents)

    @cached_property
    def physical_covariance(self) -> FloatArray:
        """Covariance of the free parameters in physical units."""
        count = len(self.form.names)
        jacobian = self.form.jacobian(self.exponents)
        return np.asarray(jacobian @ self.covariance[:count, :count] @ jacobian.T)

    @cached_property
    def shared(self) -> float:
        """Fraction of the points that share their x with another size."""
        return self.form.shared(self.exponents, self.objective.table)

    @property
    def sound(self) -> bool:
        """Converged, inside the bounds, and with sizes that share x."""
        return (
            self.optimum.converged
            and not self.objective.at_bound(self.optimum.vector)
            and self.overlapping
        )

    @property
    def overlapping(self) -> bool:
        """Whether sizes share x and the points are more than the curve needs."""
        return self.shared >= LEAST_SHARED and self.dof >= 2

    @property
    def accepted(self) -> bool:
        """Sound, with an acceptable chi^2."""
        return self.sound and self.p_value > ACCEPTABLE

    @property
    def hopeless(self) -> bool:
        """Whether the points scatter around the curve far more than their errors allow.

        Without a nugget the likelihood of such data has many optima, at curves that bend to
        follow single points; in which of them a search ends is a matter of rounding.
        """
        return self.p_value < _HOPELESS

    @property
    def score(self) -> float:
        """-AIC of a fit that leaves points out, up to a constant: 2 dof - chi^2.

        Scaled to all points of the window where the fit used fewer.
        """
        return (2 * self.dof - self.chi2) * self.points / len(self.objective.table.size)


# --- one window -------------------------------------------------------------------------


def _fit_window(
    form: ScalingForm,
    table: ScalingTable,
    window: Window,
    units: tuple[float, ...],
    begin: FloatArray,
) -> Fit | None:
    """Fit one window, which follows the exponents: with a nugget, then without if there is hope."""
    count = len(form.names)
    vector = begin
    names = hyper_names(form, nugget=True)
    whole = part = table
    for _ in range(2 if window.fraction < 1 else 1):
        keep = inside(window, form, vector[:count], table)
        if keep is None:
            return None
        whole = table.select(keep)
        part = coarse_table(whole, _SCAN_POINTS)
        objective = Objective(form, part, units, names)
        optimum, bend = newton(objective, climb(objective, vector, steps=60))
        vector = optimum.vector
    if _p_value(*objective.goodness(vector)) < _HOPELESS:
        return _fit_at(objective, optimum, bend, window, len(whole.size))
    bare = Objective(form, part, units, hyper_names(form, nugget=False))
    return _polish(bare, _without_nugget(objective, vector), window, len(whole.size))


def _without_nugget(objective: Objective, vector: FloatArray) -> FloatArray:
    """The vector without the last hyperparameter of each observable."""
    count, width = objective.exponents, len(objective.hyper_names)
    hyper = vector[count:].reshape(-1, width)[:, :-1]
    return np.concatenate([vector[:count], hyper.ravel()])


def _with_nugget(objective: Objective, vector: FloatArray) -> FloatArray:
    """The vector with a nugget as large as the errors for each observable."""
    count, width = objective.exponents, len(objective.hyper_names)
    hyper = vector[count:].reshape(-1, width)
    return np.concatenate([vector[:count], np.pad(hyper, ((0, 0), (0, 1))).ravel()])


def _polish(objective: Objective, begin: FloatArray, window: Window, points: int) -> Fit:
    optimum, bend = newton(objective, climb(objective, begin, steps=60))
    return _fit_at(objective, optimum, bend, window, points)


def _fit_at(
    objective: Objective, optimum: Optimum, bend: FloatArray, window: Window, points: int
) -> Fit:
    """The fit at an optimum with the curvature there."""
    covariance = _covariance(objective, optimum, bend)
    chi2, dof = objective.goodness(optimum.vector)
    return Fit(window, objective, optimum, covariance, chi2, dof, points)


def _covariance(objective: Objective, optimum: Optimum, bend: FloatArray) -> FloatArray:
    """Covariance of the fit vector; of points that move together where they visibly do."""
    try:
        inverse: FloatArray = np.asarray(np.linalg.inv(bend), dtype=np.float64)
    except np.linalg.LinAlgError:
        return np.full_like(bend, np.nan)
    table = objective.table
    noise = moving_together(table, objective.form)
    if not optimum.converged or all(matrix is None for matrix in noise):
        return inverse
    return response(objective, optimum.vector, bend, noise)


def moving_together(table: ScalingTable, form: ScalingForm) -> list[FloatArray | None]:
    """Covariance of each observable whose points visibly move together and that states none."""
    return [
        None if name in table.covariance else correlated_covariance(table, name)[0]
        for name in form.observables
    ]


# --- all windows ------------------------------------------------------------------------


def scan(
    form: ScalingForm,
    table: ScalingTable,
    units: tuple[float, ...],
    optima: Sequence[Optimum],
    window: str,
) -> list[Fit]:
    """The best fit in every window, from each of the different optima."""
    fits = []
    for tried in windows_of(table, window):
        candidates: list[Fit] = []
        for optimum in optima:
            fit = _fit_window(form, table, tried, units, optimum.vector)
            if fit is not None:
                candidates.append(fit)
            if fit is None or fit.accepted:
                break
        if candidates:
            fits.append(max(candidates, key=_preference))
    return fits


def _preference(fit: Fit) -> tuple[bool, bool, bool, float]:
    """Of fits of one window the largest is the best.

    One that follows the points and has run to a bound says more than a sound one that misses
    them; and the likelihoods of the two, one without a nugget, cannot be compared.
    """
    return fit.overlapping, not fit.hopeless, fit.sound, fit.optimum.value


# --- what is reported -------------------------------------------------------------------


def settle(form: ScalingForm, table: ScalingTable, fits: Sequence[Fit]) -> Fit:
    """The fit to report: the best window that still holds with all of its points.

    Windows are compared on part of their points. Of those with an acceptable chi^2 the one
    with the best score comes first; where none holds, the least bad one is reported.
    """
    good = [fit for fit in fits if fit.accepted]
    for fit in sorted(good, key=lambda fit: -fit.score)[:_FINALISTS]:
        final = _with_all_points(form, table, fit)
        if final.accepted:
            return final
    # A window without overlap collapses whatever the exponents: it comes last.
    rest = [fit for fit in fits if fit.sound]
    rest = rest or [fit for fit in fits if fit.overlapping]
    least = min(rest or fits, key=lambda fit: fit.chi2 / max(fit.dof, 1.0))
    return _with_all_points(form, table, least)


def _with_all_points(form: ScalingForm, table: ScalingTable, chosen: Fit) -> Fit:
    """A window with all of its points."""
    keep = inside(chosen.window, form, chosen.exponents, table)
    if keep is None or int(keep.sum()) == len(chosen.objective.table.size):
        return chosen
    points = int(keep.sum())
    objective = replace(chosen.objective, table=table.select(keep))
    final = _polish(objective, chosen.optimum.vector, chosen.window, points)
    names = hyper_names(form, nugget=True)
    if final.accepted or objective.hyper_names == names:
        return final
    noisy = replace(objective, hyper_names=names)
    begin = _with_nugget(chosen.objective, chosen.optimum.vector)
    known = _polish(noisy, begin, chosen.window, points)
    return known if known.hopeless else final
