"""Data collapse: exponents from the demand that all sizes fall on one curve."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from physbatch.errors import AnalysisError
from physbatch.scaling.collapse_errors import Interval, bootstrap, posterior, profile
from physbatch.scaling.collapse_result import Collapse, WindowFit, collapsed_points, master_curve
from physbatch.scaling.point_noise import correlated_covariance
from physbatch.scaling.results import Estimate
from physbatch.scaling.scaling_form import ScalingForm, make_form
from physbatch.scaling.table import ScalingTable
from physbatch.scaling.window_fits import (
    BAD_FIT,
    LEAST_SHARED,
    Fit,
    by_spline,
    global_optimum,
    scan,
    settle,
)

__all__ = ["collapse"]

FloatArray = npt.NDArray[np.float64]

_ERRORS = ("likelihood", "profile", "bootstrap", "posterior")
#: Most points of a Gaussian process; its cost grows as their cube.
_MOST_POINTS = 2000


def collapse(
    table: ScalingTable,
    observable: str | Sequence[str] | None = None,
    *,
    fixed: Mapping[str, float] | None = None,
    corrections: bool = False,
    drift: bool = False,
    method: str = "gp",
    window: str = "scan",
    errors: str = "likelihood",
    start: Mapping[str, float] | None = None,
    seed: int = 0,
) -> Collapse:
    r"""Fit :math:`y_N(c) = N^{\zeta/\nu} f(N^{1/\nu}(c - c_c))` with a smooth master curve f.

    The fit is global: starts are read off the data (`physbatch.scaling.starts`), each is
    climbed to its maximum, and the result says how many agreed with the best. Windows in
    size and in x are scanned; the one with the smallest AIC among those with an acceptable
    goodness of fit gives the values, the others the systematic error.

    Parameters
    ----------
    table : ScalingTable
        Observables with errors at points (size, control).
    observable : str or sequence of str, optional
        Which one, or several that share c_c and nu; by default all of the table.
    fixed : mapping, optional
        Exponents held at a value: ``c_c``, ``nu``, ``zeta``, ``omega``, ``phi``.
    corrections : bool
        Fit f0(x) + N^(-omega) f1(x).
    drift : bool
        Let c_c(N) = c_c + shift N^(-phi).
    method : {"gp", "spline"}
        Gaussian-process likelihood, or least squares on a cubic spline in the window that the
        former has chosen. At noise of a few per cent the first is biased by up to half of
        its error in nu, the second is not.
    window : {"scan", "all"}
        Scan windows, or take all points (then there is no systematic error).
    errors : {"likelihood", "profile", "bootstrap", "posterior"}
        Statistical errors from the curvature of the likelihood, from its profile, from
        refits of resampled data (replicas where the table has them), or from the posterior.
        All but the first need method "gp".
    start : mapping, optional
        One more start. The answer does not depend on it.
    seed : int
        Seed of bootstrap and posterior.

    Returns
    -------
    Collapse
        Exponents with errors, goodness of fit, the windows, and flags: ``bad_fit``,
        ``not_converged``, ``at_bound``, ``no_overlap``, ``flat``, ``starts_disagree``,
        ``correlated_points``.

    Raises
    ------
    AnalysisError
        If there are too few sizes or points, or an observable is not in the table.

    References
    ----------
    Harada, PRE 84 (2011) 056704, doi 10.1103/PhysRevE.84.056704.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> size = np.repeat([8.0, 16.0, 32.0], 15)
    >>> control = np.tile(np.linspace(0.9, 1.1, 15), 3)
    >>> error = np.full(45, 0.01)
    >>> value = np.tanh(size * (control - 1.0)) + error * rng.normal(size=45)
    >>> table = ScalingTable(size, control, {"U": value}, {"U": error})
    >>> result = collapse(table, fixed={"zeta": 0.0}, window="all")
    >>> abs(result.parameters["nu"].value - 1.0) < 0.1
    True
    """
    # The matrices are small: more threads would only wait for each other.
    with threadpool_limits(1, user_api="blas"):
        return _collapse(
            table,
            observable,
            fixed=fixed,
            corrections=corrections,
            drift=drift,
            method=method,
            window=window,
            errors=errors,
            start=start,
            seed=seed,
        )


def _collapse(
    table: ScalingTable,
    observable: str | Sequence[str] | None,
    *,
    fixed: Mapping[str, float] | None,
    corrections: bool,
    drift: bool,
    method: str,
    window: str,
    errors: str,
    start: Mapping[str, float] | None,
    seed: int,
) -> Collapse:
    """The fit itself, on one thread."""
    if method not in ("gp", "spline"):
        raise AnalysisError(f"method = {method!r}", where="collapse", remedy="use gp or spline")
    if errors not in _ERRORS:
        raise AnalysisError(
            f"errors = {errors!r}", where="collapse", remedy=f"use {', '.join(_ERRORS)}"
        )
    if method == "spline" and errors != "likelihood":
        raise AnalysisError(
            f"errors = {errors!r} with method 'spline'",
            where="collapse",
            remedy="use method gp, or errors likelihood",
        )
    names = _observables(table, observable)
    _check_data(table, names)
    flags = _point_noise(table, names)
    form = make_form(table, names, fixed=fixed, corrections=corrections, drift=drift)
    tried, agreed, units, best = global_optimum(form, table, start)
    fits = scan(form, table, units, best, window)
    final = settle(form, table, fits)
    if method == "spline":
        final = by_spline(form, final)
    intervals, more = _intervals(final, errors, seed)
    return _result(form, table, final, fits, tried, agreed, (*flags, *more), intervals)


# --- input ------------------------------------------------------------------------------


def _observables(table: ScalingTable, observable: str | Sequence[str] | None) -> tuple[str, ...]:
    if observable is None:
        return table.observables
    names = (observable,) if isinstance(observable, str) else tuple(observable)
    for name in names:
        if name not in table.values:
            raise AnalysisError(
                f"no observable {name!r}",
                where="collapse",
                remedy=f"choose among {', '.join(table.observables)}",
            )
    return names


def _check_data(table: ScalingTable, names: Sequence[str]) -> None:
    """Refuse what no collapse can come from."""

    def refuse(what: str, remedy: str) -> None:
        raise AnalysisError(what, where="collapse", remedy=remedy)

    if len(table.sizes) < 2:
        refuse(f"{len(table.sizes)} size", "a collapse needs two or more, three to be of use")
    if len(table.size) > _MOST_POINTS:
        refuse(
            f"{len(table.size)} points are too many for a Gaussian process",
            f"use at most {_MOST_POINTS}: a window, or averages over neighbours",
        )
    for name in names:
        value, error = table.values[name], table.errors[name]
        if not (np.isfinite(value).all() and np.isfinite(error).all() and (error > 0).all()):
            refuse(f"{name}: values and errors must be finite and errors positive", "mend them")
        if np.ptp(value) == 0:
            refuse(f"{name} is constant", "there is nothing to collapse")
    if len(table.size) < 8 or np.ptp(table.control) == 0:
        refuse(
            f"{len(table.size)} points at {len(np.unique(table.control))} controls",
            "give at least 8 points at several controls",
        )


def _point_noise(table: ScalingTable, names: Sequence[str]) -> tuple[str, ...]:
    """Flags of the observables whose points visibly move together."""
    flags = []
    for name in names:
        if name in table.covariance:
            continue
        matrix, rough = correlated_covariance(table, name)
        if matrix is not None:
            flags.append(
                f"correlated_points: neighbouring points of {name} scatter only "
                f"{math.sqrt(rough):.2g} of their errors about each other, so the errors of the "
                "fit are those of points that move together; give a covariance to do better"
            )
    return tuple(flags)


def _intervals(final: Fit, errors: str, seed: int) -> tuple[dict[str, Interval], tuple[str, ...]]:
    """Intervals of the exponents by the method asked for; none for the curvature alone."""
    if errors == "likelihood" or not final.optimum.converged:
        return {}, ()
    if errors == "profile":
        return profile(final)
    if errors == "bootstrap":
        return bootstrap(final, seed=seed)
    intervals, flags, _ = posterior(final, seed=seed)
    return intervals, flags


# --- result -----------------------------------------------------------------------------


def _result(
    form: ScalingForm,
    table: ScalingTable,
    final: Fit,
    fits: Sequence[Fit],
    tried: int,
    agreed: int,
    flags: tuple[str, ...],
    intervals: Mapping[str, Interval],
) -> Collapse:
    values = form.exponents(final.exponents)
    stderr = _physical_errors(form, final)
    systematic = _systematic(form, final, fits)
    flags = (*flags, *_quality_flags(form, final, tried, agreed), *_window_flags(form, fits))
    usable = final.sound or final.p_value > BAD_FIT
    parameters = {}
    for place, name in enumerate(form.names):
        value, error = values[name], float(stderr[place])
        if not usable or not math.isfinite(error):
            value = math.nan if not final.optimum.converged else value
        interval = intervals.get(name, Interval(error, value - error, value + error))
        parameters[name] = Estimate(
            value,
            interval.stderr,
            systematic=float(systematic[place]),
            interval68=(interval.low, interval.high),
        )
    return Collapse(
        parameters=parameters,
        fixed=dict(form.fixed),
        observables=form.observables,
        chi2=final.chi2,
        dof=final.dof,
        p_value=final.p_value,
        window=final.window,
        windows=tuple(_window_fit(form, fit) for fit in fits),
        starts_tried=tried,
        starts_agreed=agreed,
        points=collapsed_points(final.objective, final.optimum.vector),
        curve=master_curve(final.objective, final.optimum.vector),
        covariance=_physical_covariance(form, final),
        size_name=table.size_name,
        control_name=table.control_name,
        dimension=table.dimension,
        corrections=form.corrections,
        flags=flags,
    )


def _physical_covariance(form: ScalingForm, fit: Fit) -> FloatArray:
    count = len(form.names)
    jacobian = form.jacobian(fit.exponents)
    return np.asarray(jacobian @ fit.covariance[:count, :count] @ jacobian.T)


def _physical_errors(form: ScalingForm, fit: Fit) -> FloatArray:
    variances = np.diag(_physical_covariance(form, fit))
    with np.errstate(invalid="ignore"):
        return np.asarray(np.sqrt(np.where(variances > 0, variances, np.nan)), dtype=np.float64)


def _window_fit(form: ScalingForm, fit: Fit) -> WindowFit:
    values = form.exponents(fit.exponents)
    return WindowFit(
        window=fit.window,
        values={name: values[name] for name in form.names},
        errors=dict(zip(form.names, map(float, _physical_errors(form, fit)), strict=True)),
        points=len(fit.objective.table.size),
        chi2=fit.chi2,
        dof=fit.dof,
        p_value=fit.p_value,
        accepted=fit.accepted,
    )


def _systematic(form: ScalingForm, final: Fit, fits: Sequence[Fit]) -> FloatArray:
    """Spread over acceptable windows beyond what their own errors explain.

    Two nested windows differ by sigma_1^2 - sigma_2^2 for statistical reasons alone; the rest
    of the squared difference is averaged with weights of their information.
    """
    chosen = form.exponents(final.exponents)
    own = _physical_errors(form, final)
    excess = np.zeros(len(form.names))
    weights = np.zeros(len(form.names))
    for fit in fits:
        if not fit.accepted or fit.window == final.window:
            continue
        values = form.exponents(fit.exponents)
        errors = _physical_errors(form, fit)
        for place, name in enumerate(form.names):
            if not math.isfinite(errors[place]):
                continue
            difference = (values[name] - chosen[name]) ** 2
            statistical = max(errors[place] ** 2, own[place] ** 2) - min(
                errors[place] ** 2, own[place] ** 2
            )
            weight = 1 / max(errors[place], own[place]) ** 2
            excess[place] += weight * max(difference - statistical, 0.0)
            weights[place] += weight
    return np.sqrt(np.divide(excess, weights, out=np.zeros_like(excess), where=weights > 0))


def _quality_flags(form: ScalingForm, fit: Fit, tried: int, agreed: int) -> tuple[str, ...]:
    flags = []
    if not fit.optimum.converged:
        flags.append("not_converged: the likelihood has no maximum here; it is flat or runs away")
    bound = fit.objective.at_bound(fit.optimum.vector)
    if bound:
        flags.append(f"at_bound: {', '.join(bound)} ran to the end of the allowed range")
    if fit.shared < LEAST_SHARED:
        flags.append(
            f"no_overlap: only {100 * fit.shared:.0f} % of the points share their x with another "
            "size, so anything collapses"
        )
    if not fit.p_value > BAD_FIT:
        flags.append(
            f"bad_fit: chi2/dof = {fit.chi2:.4g}/{fit.dof:.4g} (p = {fit.p_value:.1g}); the form "
            "does not hold, errors mean little"
            + ("" if form.corrections else "; try corrections to scaling")
        )
    if agreed < 2 <= tried:
        flags.append(f"starts_disagree: only {agreed} of {tried} starts lead to this optimum")
    return tuple(flags)


def _window_flags(form: ScalingForm, fits: Sequence[Fit]) -> tuple[str, ...]:
    """Say so if the form holds only where most of the data are left out."""
    accepted = sum(fit.accepted for fit in fits)
    if len(fits) < 4 or accepted > 0.25 * len(fits):
        return ()
    remedy = "" if form.corrections else "; try corrections to scaling"
    return (f"mostly_rejected: the form holds in {accepted} of {len(fits)} windows only{remedy}",)
