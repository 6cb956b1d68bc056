"""From fits in windows to the result of a collapse: errors, what is refused, and flags."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.results.flags import BAD_FIT, MOSTLY_REJECTED, SHIFT_NOT_SEEN
from physbatch.scaling.data_collapse.exponent_names import NamedExponent, named_estimates
from physbatch.scaling.data_collapse.form import ScalingForm
from physbatch.scaling.data_collapse.identifiability import refusals, start_flags
from physbatch.scaling.data_collapse.result import Collapse, CollapsedPoints, MasterCurve, WindowFit
from physbatch.scaling.data_collapse.uncertainties import Interval
from physbatch.scaling.data_collapse.window_fits import Fit
from physbatch.scaling.statistics.acceptance import ACCEPTABLE
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

__all__ = ["Search", "outcome"]


#: phi and 1/nu are told apart from so many standard errors on.
_SAME_POWER = 2.0


class Search(NamedTuple):
    """What the fits of one method found."""

    final: Fit
    fits: Sequence[Fit]  # every window
    tried: int
    agreed: int
    rival: Fit | None
    points: tuple[CollapsedPoints, ...]
    curve: tuple[MasterCurve, ...]
    beyond: Flag | None = None  # c_c may lie beyond the controls


def outcome(
    form: ScalingForm,
    table: ScalingTable,
    search: Search,
    *,
    method: str,
    intervals: Mapping[str, Interval],
    samples: FloatArray,
    named: Sequence[NamedExponent],
    flags: tuple[Flag, ...],
) -> Collapse:
    """The result of a collapse.

    Parameters
    ----------
    form, table : ScalingForm, ScalingTable
        What was fitted.
    search : Search
        The fits.
    method : str
        Method of the fits.
    intervals : mapping
        Intervals of the exponents beyond the curvature at the optimum, where there are any.
    samples : ndarray, shape (n_sample, n_parameter)
        Of the posterior or the bootstrap; may be empty.
    named : sequence of NamedExponent
        Exponents that have a name.
    flags : tuple of Flag
        Flags that are known already.
    """
    final, fits = search.final, search.fits
    systematic = {
        name: _spread(_parameter(form, final, name), _others(form, search, name))
        for name in form.names
    }
    refused = refusals(form, final, fits, systematic, search.rival, search.beyond)
    parameters = {
        name: _estimate(
            _parameter(form, final, name),
            systematic[name],
            intervals.get(name),
            refused=name in refused.names,
        )
        for name in form.names
    }
    ratios = {one.zeta: _ratio(form, search, parameters, one.zeta) for one in named}
    return Collapse(
        parameters=parameters,
        fixed=dict(form.fixed),
        observables=form.observables,
        chi2=final.chi2,
        dof=final.dof,
        p_value=final.p_value,
        window=final.window,
        windows=tuple(_window_fit(form, fit) for fit in fits),
        starts_tried=search.tried,
        starts_agreed=search.agreed,
        points=search.points,
        curve=search.curve,
        covariance=_covariance(form, final),
        size_name=table.size_name,
        control_name=table.control_name,
        dimension=table.dimension,
        corrections=form.corrections,
        flags=(
            *flags,
            *refused.flags,
            *_goodness_flags(form, search, method),
            *_drift_flags(form, search.final),
            *start_flags(final, search.tried, search.agreed),
        ),
        method=method,
        named=named_estimates(named, parameters, form.fixed, ratios),
        samples=samples,
    )


# --- errors -----------------------------------------------------------------------------


def _covariance(form: ScalingForm, fit: Fit) -> FloatArray:
    """Covariance of the physical parameters."""
    count = len(form.names)
    jacobian = form.jacobian(fit.exponents)
    return np.asarray(jacobian @ fit.covariance[:count, :count] @ jacobian.T)


def _errors(form: ScalingForm, fit: Fit) -> dict[str, float]:
    variances = np.diag(_covariance(form, fit))
    return {
        name: math.sqrt(variance) if variance > 0 else math.nan
        for name, variance in zip(form.names, variances, strict=True)
    }


def _parameter(form: ScalingForm, fit: Fit, name: str) -> tuple[float, float]:
    """Value and statistical error of a parameter, or of its ratio to nu."""
    values, zeta = form.exponents(fit.exponents), name.removesuffix("/nu")
    if zeta == name:
        return values[name], _errors(form, fit)[name]
    return values[zeta] / values["nu"], _ratio_error(form, fit, zeta, {})


def _ratio_error(form: ScalingForm, fit: Fit, zeta: str, wider: Mapping[str, float]) -> float:
    """Error of zeta/nu, the errors of both stretched by some factors."""
    values = form.exponents(fit.exponents)
    slopes = {zeta: 1.0 / values["nu"], "nu": -values[zeta] / values["nu"] ** 2}
    slope = np.array([slopes.get(one, 0.0) * wider.get(one, 1.0) for one in form.names])
    variance = float(slope @ _covariance(form, fit) @ slope)
    return math.sqrt(variance) if variance > 0 else math.nan


def _others(form: ScalingForm, search: Search, name: str) -> Iterable[tuple[float, float]]:
    """A parameter in the other accepted windows."""
    for fit in search.fits:
        if fit.accepted and fit.window != search.final.window:
            yield _parameter(form, fit, name)


def _spread(chosen: tuple[float, float], others: Iterable[tuple[float, float]]) -> float:
    """Spread over acceptable windows beyond what their own errors explain.

    Two nested windows differ by sigma_1^2 - sigma_2^2 for statistical reasons alone; the rest
    of the squared difference is averaged with weights of their information.
    """
    excess = weights = 0.0
    value, own = chosen
    for other, error in others:
        if not math.isfinite(error):
            continue
        weight = 1 / max(error, own) ** 2
        excess += weight * max((other - value) ** 2 - abs(error**2 - own**2), 0.0)
        weights += weight
    return math.sqrt(excess / weights) if weights > 0 else 0.0


def _estimate(
    chosen: tuple[float, float], systematic: float, interval: Interval | None, *, refused: bool
) -> Estimate:
    if refused:
        return Estimate(math.nan, math.inf, 0.0, (-math.inf, math.inf))
    value, error = chosen
    interval = interval or Interval(error, value - error, value + error)
    return Estimate(value, interval.stderr, systematic, (interval.low, interval.high))


def _ratio(
    form: ScalingForm, search: Search, parameters: Mapping[str, Estimate], zeta: str
) -> Estimate:
    """zeta/nu; its error from those of zeta and nu with the correlation of the likelihood."""
    free = [name for name in (zeta, "nu") if name in parameters]
    value, _ = _parameter(form, search.final, f"{zeta}/nu")
    if not free:
        return Estimate(value, 0.0, 0.0, (value, value))
    if any(math.isnan(parameters[name].value) for name in free):
        return Estimate(math.nan, math.inf, 0.0, (-math.inf, math.inf))
    # The stated errors, correlated as the likelihood says.
    own = _errors(form, search.final)
    wider = {name: parameters[name].stderr / own[name] for name in form.names if name in free}
    error = _ratio_error(form, search.final, zeta, wider)
    systematic = _spread((value, error), _others(form, search, f"{zeta}/nu"))
    return Estimate(value, error, systematic, (value - error, value + error))


def _window_fit(form: ScalingForm, fit: Fit) -> WindowFit:
    values = form.exponents(fit.exponents)
    return WindowFit(
        window=fit.window,
        values={name: values[name] for name in form.names},
        errors=_errors(form, fit),
        points=len(fit.objective.table.size),
        chi2=fit.chi2,
        dof=fit.dof,
        p_value=fit.p_value,
        accepted=fit.accepted,
    )


# --- goodness ---------------------------------------------------------------------------


def _goodness_flags(form: ScalingForm, search: Search, method: str) -> tuple[Flag, ...]:
    flags: tuple[Flag, ...] = ()
    fit = search.final
    extra = "" if form.corrections or method == "local-linear" else "; try corrections to scaling"
    if not fit.p_value > ACCEPTABLE:
        flags = (_bad_fit(fit, method, extra),)
    # Say so if the form holds only where most of the data are left out.
    accepted, tried = sum(one.accepted for one in search.fits), len(search.fits)
    if tried > 1 and accepted <= max(1.0, 0.25 * tried):
        flags += (MOSTLY_REJECTED(f"the form holds in {accepted} of {tried} windows only{extra}"),)
    return flags


def _drift_flags(form: ScalingForm, fit: Fit) -> tuple[Flag, ...]:
    """Say so if the drift is one that the master curve takes up.

    With phi = 1/nu the term a N^(-phi) moves x by the constant a at every size: any shift a
    collapses as well as none.
    """
    if not {"shift", "phi"} <= set(form.names):
        return ()
    values = form.exponents(fit.exponents)
    slopes = {"phi": 1.0, "nu": values["nu"] ** -2}
    slope = np.array([slopes.get(name, 0.0) for name in form.names])
    variance = float(slope @ _covariance(form, fit) @ slope)
    if not (values["phi"] - 1 / values["nu"]) ** 2 > _SAME_POWER**2 * variance:
        return (
            SHIFT_NOT_SEEN(
                "phi = 1/nu within errors, and a shift that goes as N^(-1/nu) only "
                "moves x by a constant: its amplitude means nothing; fit without the drift"
            ),
        )
    return ()


def _bad_fit(fit: Fit, method: str, extra: str) -> Flag:
    if method == "local-linear":
        return BAD_FIT(
            f"S = {fit.chi2 / fit.dof if fit.dof > 0 else math.nan:.3g} where 1 is "
            f"expected (p = {fit.p_value:.1g}); the form does not hold, or straight lines between "
            "neighbouring points miss the curvature of the master curve: use method gp or spline"
        )
    return BAD_FIT(
        f"chi2/dof = {fit.chi2:.4g}/{fit.dof:.4g} (p = {fit.p_value:.1g}); the form "
        f"does not hold, errors mean little{extra}"
    )
