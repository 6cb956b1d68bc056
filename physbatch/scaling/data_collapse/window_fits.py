"""Fits of the scaling form: the global optimum, then every window, then the chosen one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from physbatch.errors import AnalysisError
from physbatch.scaling.data_collapse.coarse_map import coarse_table, starts
from physbatch.scaling.data_collapse.form import ScalingForm
from physbatch.scaling.data_collapse.optimum import (
    Objective,
    Optimum,
    climb,
    curvature,
    newton,
    response,
    units_of,
)
from physbatch.scaling.data_collapse.spline import fit_spline
from physbatch.scaling.data_collapse.window_choice import Window, inside, shared_fraction, windows
from physbatch.scaling.statistics.acceptance import ACCEPTABLE
from physbatch.scaling.statistics.point_noise import correlated_covariance
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

__all__ = [
    "LEAST_SHARED",
    "Fit",
    "by_spline",
    "global_optimum",
    "hyper_names",
    "scan",
    "settle",
    "shared_points",
]


#: Points on which windows are compared; the final fit uses all of its window. Matrices of this
#: size stay below the 128 kB above which the allocator returns memory at once, page by page.
_SCAN_POINTS = 120
#: Windows that are tried with all of their points.
_FINALISTS = 5
#: p-value of a fit with a nugget below which it is not tried without: see `Fit.hopeless`.
_HOPELESS = 1e-9
#: A collapse whose sizes share less of x than this is none.
LEAST_SHARED = 0.6


def _p_value(chi2: float, dof: float) -> float:
    return float(stats.chi2.sf(chi2, dof)) if dof > 0 else math.nan


@dataclass(frozen=True, eq=False)
class Fit:
    """A fit in one window."""

    window: Window
    objective: Objective
    optimum: Optimum
    covariance: FloatArray  # of the fit vector
    chi2: float
    dof: float
    shared: float
    points: int  # of the window; the fit may use fewer

    @property
    def p_value(self) -> float:
        return _p_value(self.chi2, self.dof)

    @property
    def exponents(self) -> FloatArray:
        return self.optimum.vector[: self.objective.exponents]

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


def hyper_names(form: ScalingForm, nugget: bool) -> tuple[str, ...]:
    """Hyperparameters of each observable; the nugget, if any, comes last."""
    names = ["amplitude", "length", "reach"]
    names += ["correction"] if form.corrections else []
    names += ["nugget"] if nugget else []
    return tuple(names)


def global_optimum(
    form: ScalingForm, table: ScalingTable, start: Mapping[str, float] | None
) -> tuple[int, int, tuple[float, ...], list[Optimum]]:
    """Climb from every start with a nugget, which keeps wrong exponents from trapping the fit.

    Returns how many starts were tried, how many agree with the best, the units of the
    observables, and the different optima, the best first.
    """
    small = coarse_table(table)
    vectors = starts(form, table)
    if start is not None:
        vectors.append(form.vector({**form.exponents(vectors[0]), **start}))
    units = units_of(form, small, vectors[0], form.observables)
    objective = Objective(form, small, units, hyper_names(form, nugget=True))
    found = [
        newton(objective, climb(objective, objective.start(vector), steps=80))[0]
        for vector in vectors
    ]
    found = [one for one in found if math.isfinite(one.value)]
    if not found:
        raise AnalysisError(
            "no start gives a finite likelihood", where="collapse", remedy="check the errors"
        )
    proper = [
        one for one in found if shared_points(form, small, one.vector) >= LEAST_SHARED
    ] or found
    proper.sort(key=lambda one: -one.value)
    agreed = sum(_same(form, one, proper[0]) for one in found)
    different = [proper[0]]
    for one in proper[1:]:
        if not any(_same(form, one, known) for known in different):
            different.append(one)
    return len(found), agreed, units, different[:2]


def _same(form: ScalingForm, one: Optimum, other: Optimum) -> bool:
    count = len(form.names)
    near = np.abs(one.vector[:count] - other.vector[:count]).max() < 0.02
    return bool(near or abs(one.value - other.value) < 0.02)


def shared_points(form: ScalingForm, table: ScalingTable, vector: FloatArray) -> float:
    """Fraction of the points that share their x with another size."""
    x = form.rescale(vector[: len(form.names)], table, form.observables[0]).x
    return shared_fraction(table.size, x)


def _fit_window(
    form: ScalingForm,
    table: ScalingTable,
    window: Window,
    units: tuple[float, ...],
    begin: FloatArray,
    most: int,
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
        part = coarse_table(whole, most)
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
    shared = shared_points(objective.form, objective.table, optimum.vector)
    return Fit(window, objective, optimum, covariance, chi2, dof, shared, points)


def _covariance(objective: Objective, optimum: Optimum, bend: FloatArray) -> FloatArray:
    """Covariance of the fit vector; of points that move together where they visibly do."""
    try:
        inverse: FloatArray = np.asarray(np.linalg.inv(bend), dtype=np.float64)
    except np.linalg.LinAlgError:
        return np.full_like(bend, np.nan)
    table = objective.table
    noise = [
        None if name in table.covariance else correlated_covariance(table, name)[0]
        for name in objective.form.observables
    ]
    if not optimum.converged or all(matrix is None for matrix in noise):
        return inverse
    return response(objective, optimum.vector, bend, noise)


def scan(
    form: ScalingForm,
    table: ScalingTable,
    units: tuple[float, ...],
    optima: Sequence[Optimum],
    window: str,
) -> list[Fit]:
    """The best fit in every window, from each of the different optima."""
    if window not in ("scan", "all"):
        raise AnalysisError(f"window = {window!r}", where="collapse", remedy="use scan or all")
    tried = list(windows(table)) if window == "scan" else [Window(float(table.sizes[0]), 1.0)]
    fits = []
    for one in tried:
        found: list[Fit] = []
        for optimum in optima:
            fit = _fit_window(form, table, one, units, optimum.vector, _SCAN_POINTS)
            if fit is not None:
                found.append(fit)
            if fit is None or fit.accepted:
                break
        if found:
            fits.append(max(found, key=_preference))
    return fits


def _preference(fit: Fit) -> tuple[bool, bool, bool, float]:
    """Of fits of one window the largest is the best.

    One that follows the points and has run to a bound says more than a sound one that misses
    them; and the likelihoods of the two, one without a nugget, cannot be compared.
    """
    return fit.overlapping, not fit.hopeless, fit.sound, fit.optimum.value


def settle(form: ScalingForm, table: ScalingTable, fits: Sequence[Fit]) -> Fit:
    """The fit to report: the best window that still holds with all of its points.

    Windows are compared on part of their points. Of those with an acceptable chi^2 the one
    with the best score comes first; where none holds, the least bad one is reported.
    """
    good = [fit for fit in fits if fit.accepted]
    for fit in sorted(good, key=lambda one: -one.score)[:_FINALISTS]:
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


def by_spline(form: ScalingForm, fit: Fit) -> Fit:
    """The same window by least squares; the curve that is drawn stays the Gaussian process's."""
    count = len(form.names)
    table = fit.objective.table
    spline = fit_spline(form, table, fit.exponents)
    noise = [
        None if name in table.covariance else correlated_covariance(table, name)[0]
        for name in form.observables
    ]
    exponents = spline.covariance
    if any(matrix is not None for matrix in noise):
        # Points that move together widen the errors of both methods alike.
        exponents = np.maximum(1.0, _widening(fit, count)) * exponents
    covariance = fit.covariance.copy()
    covariance[:count, :count] = exponents
    vector = np.concatenate([spline.vector, fit.optimum.vector[count:]])
    low, high = np.array(fit.objective.bounds).T
    converged = spline.converged and bool(((vector >= low) & (vector <= high)).all())
    optimum = Optimum(vector, fit.optimum.value, converged, fit.optimum.evaluations)
    shared = shared_points(form, table, vector)
    return replace(
        fit,
        optimum=optimum,
        covariance=covariance,
        chi2=spline.chi2,
        dof=float(spline.dof),
        shared=shared,
    )


def _widening(fit: Fit, count: int) -> float:
    """Variance of the exponents with correlated points over that with independent ones."""
    independent = np.linalg.inv(curvature(fit.objective, fit.optimum.vector))
    ratios = np.diag(fit.covariance)[:count] / np.diag(independent)[:count]
    return float(np.max(ratios))
