"""From a search to the result of a collapse: errors, what is refused, and flags."""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.results.flags import (
    BAD_FIT,
    MOSTLY_REJECTED,
    SHIFT_NOT_SEEN,
    SLOW_CORRECTIONS,
    STARTS_DISAGREE,
)
from physbatch.scaling.data_collapse.exponent_names import NamedExponent, named_estimates
from physbatch.scaling.data_collapse.identifiability import Refusals, refusals
from physbatch.scaling.data_collapse.intervals import Interval, Uncertainties
from physbatch.scaling.data_collapse.result import Collapse, PlainParameter, WindowFit
from physbatch.scaling.data_collapse.scaling_plot import on_the_plot
from physbatch.scaling.data_collapse.search import Search
from physbatch.scaling.data_collapse.total.mixture import Moments
from physbatch.scaling.data_collapse.total.stated import Statement
from physbatch.scaling.data_collapse.windows import Fit
from physbatch.scaling.statistics.acceptance import ACCEPTABLE
from physbatch.typing import FloatArray

#: A number that the data do not determine.
_REFUSED = Estimate(math.nan, math.inf, 0.0, (-math.inf, math.inf))
#: phi and 1/nu are told apart from so many standard errors on.
_SAME_POWER = 2.0
#: omega of linear sizes below which corrections are slow; of volumes omega nu, in which the
#: dimension of space drops out.
_SLOW = 0.4


def conclude(
    search: Search,
    final: Fit,
    uncertainties: Uncertainties,
    *,
    method: str,
    statement: Statement | None = None,
    judged: Search | None = None,
    named: Sequence[NamedExponent] = (),
    flags: tuple[Flag, ...] = (),
) -> Collapse:
    """The result of a collapse.

    Parameters
    ----------
    search : Search
        Where the search has led.
    final : Fit
        The fit to report: that of the search, or another in the same window.
    uncertainties : Uncertainties
        Its errors beyond the curvature at the optimum.
    method : str
        Method of the fits.
    statement : Statement, optional
        Values with total errors; without it those of the fit are stated, with the spread over
        windows.
    judged : Search, optional
        The search that says what the data determine, where it is not that of the fit.
    named : sequence of NamedExponent
        Exponents that have a name.
    flags : tuple of Flag
        Flags of the data.
    """
    form, table = final.form, final.objective.table
    plain = _plain_estimates(search.fits, final, uncertainties)
    moments = statement.total.moments if statement and statement.total else {}
    parameters = {name: _stated(plain[name], moments.get(name)) for name in form.names}
    refused = _refusals(search, final, parameters, judged, statement)
    parameters |= dict.fromkeys(refused.names & set(form.names), _REFUSED)
    ratios = {
        name.zeta: _stated_ratio(search.fits, final, plain, parameters, name.zeta, moments)
        for name in named
    }
    points, curve = on_the_plot(final)
    return Collapse(
        parameters=parameters,
        plain=tuple(
            PlainParameter(name, estimate.value, estimate.stderr, *estimate.interval68)
            for name, estimate in plain.items()
        ),
        fixed=dict(form.fixed),
        observables=form.observables,
        chi2=final.chi2,
        dof=final.dof,
        p_value=final.p_value,
        window=final.window,
        windows=tuple(map(_window_fit, search.fits)),
        starts_tried=search.optima.tried,
        starts_agreed=search.optima.agreed,
        points=points,
        curve=curve,
        covariance=_covariance(final, uncertainties),
        size_name=table.size_name,
        control_name=table.control_name,
        dimension=table.dimension,
        corrections=form.corrections,
        flags=(
            *flags,
            *uncertainties.flags,
            *(statement.flags if statement else ()),
            *refused.flags,
            *_fit_flags(search, final, method, parameters),
        ),
        method=method,
        form=form.kind,
        orders=final.orders,
        x_label=form.labels(table, form.observables[0]).x,
        y_labels=tuple(form.labels(table, name).y for name in form.observables),
        named=named_estimates(named, parameters, form.fixed, ratios),
        samples=uncertainties.samples.reshape(len(uncertainties.samples), len(form.names)),
        chains=uncertainties.chains,
    )


def _refusals(
    search: Search,
    final: Fit,
    parameters: Mapping[str, Estimate],
    judged: Search | None,
    statement: Statement | None,
) -> Refusals:
    """What must not be stated, going by the stated errors; all of it where the form is wrong."""
    refused = _not_determined(search, final, parameters, judged)
    if statement and statement.wrong_form:
        return refused._replace(names=frozenset(parameters))
    return refused


def _not_determined(
    search: Search, final: Fit, parameters: Mapping[str, Estimate], judged: Search | None
) -> Refusals:
    """What the data do not determine.

    Where another search is the judge the fit itself decides on what the other form lacks alone.
    """
    spread = {name: estimate.systematic for name, estimate in parameters.items()}
    refused = refusals(final, search.fits, spread, search.rival, search.beyond)
    if judged is None:
        return refused
    settled = judged.settled
    shared = set(settled.form.names)
    spread = {name: spread.get(name, 0.0) for name in shared}
    base = refusals(settled, judged.fits, spread, judged.rival, judged.beyond)
    beside = refused.names - shared
    flags = tuple(dict.fromkeys((*base.flags, *(refused.flags if beside else ()))))
    return Refusals(frozenset(base.names | beside), flags)


# --- errors -----------------------------------------------------------------------------


def _errors(fit: Fit) -> dict[str, float]:
    variances = np.diag(fit.physical_covariance)
    return {
        name: math.sqrt(variance) if variance > 0 else math.nan
        for name, variance in zip(fit.form.names, variances, strict=True)
    }


def _covariance(fit: Fit, uncertainties: Uncertainties) -> FloatArray:
    """That of the statistical errors: of the samples, or with the correlation of the curvature."""
    if not uncertainties.intervals:
        return fit.physical_covariance
    if uncertainties.samples.size:
        return np.atleast_2d(np.cov(uncertainties.samples.T))
    errors = np.array([uncertainties.intervals[name].stderr for name in fit.form.names])
    factor = errors / np.sqrt(np.diag(fit.physical_covariance))
    return np.asarray(fit.physical_covariance * np.outer(factor, factor), dtype=np.float64)


def _plain_estimates(
    fits: Sequence[Fit], final: Fit, uncertainties: Uncertainties
) -> dict[str, Estimate]:
    """The parameters of the fit, with the spread over windows as systematic error."""
    return {
        name: _estimate(
            _parameter(final, name),
            _spread(_parameter(final, name), _others(fits, final, name)),
            uncertainties.intervals.get(name),
        )
        for name in final.form.names
    }


def _parameter(fit: Fit, name: str) -> tuple[float, float]:
    """Value and statistical error of a parameter, or of its ratio to nu."""
    values, zeta = fit.values, name.removesuffix("/nu")
    if zeta == name:
        return values[name], _errors(fit)[name]
    return values[zeta] / values["nu"], _ratio_error(fit, zeta, {})


def _variance(fit: Fit, slopes: Mapping[str, float]) -> float:
    """Variance of a function of the parameters with these slopes."""
    slope = np.array([slopes.get(name, 0.0) for name in fit.form.names])
    return float(slope @ fit.physical_covariance @ slope)


def _ratio_error(fit: Fit, zeta: str, wider: Mapping[str, float]) -> float:
    """Error of zeta/nu, the errors of both stretched by some factors."""
    values = fit.values
    slopes = {zeta: 1.0 / values["nu"], "nu": -values[zeta] / values["nu"] ** 2}
    variance = _variance(fit, {name: x * wider.get(name, 1.0) for name, x in slopes.items()})
    return math.sqrt(variance) if variance > 0 else math.nan


def _others(fits: Sequence[Fit], final: Fit, name: str) -> Iterable[tuple[float, float]]:
    """A parameter in the other accepted windows."""
    for fit in fits:
        if fit.accepted and fit.window != final.window:
            yield _parameter(fit, name)


def _spread(chosen: tuple[float, float], others: Iterable[tuple[float, float]]) -> float:
    """Spread over acceptable windows beyond what their own errors explain.

    Two nested windows differ by sigma_1^2 - sigma_2^2 for statistical reasons alone; the rest
    of the squared difference is averaged with weights of their information.
    """
    excess = weights = 0.0
    value, error_chosen = chosen
    for other, error in others:
        if not math.isfinite(error):
            continue
        weight = 1 / max(error, error_chosen) ** 2
        excess += weight * max((other - value) ** 2 - abs(error**2 - error_chosen**2), 0.0)
        weights += weight
    return math.sqrt(excess / weights) if weights > 0 else 0.0


def _estimate(
    chosen: tuple[float, float], systematic: float, interval: Interval | None
) -> Estimate:
    value, error = chosen
    interval = interval or Interval(error, value - error, value + error)
    return Estimate(value, interval.stderr, systematic, (interval.low, interval.high))


def _stated(plain: Estimate, moments: Moments | None) -> Estimate:
    """A parameter with its total error, the statistical error of the plain fit beside it."""
    if moments is None:
        return plain
    return Estimate.of_total(moments.value, moments.total, stderr=plain.stderr)


def _stated_ratio(
    fits: Sequence[Fit],
    final: Fit,
    plain: Mapping[str, Estimate],
    parameters: Mapping[str, Estimate],
    zeta: str,
    moments: Mapping[str, Moments],
) -> Estimate:
    """zeta/nu as it is stated; nan where zeta or nu is not."""
    if any(math.isnan(parameters[name].value) for name in (zeta, "nu") if name in parameters):
        return _REFUSED
    return _stated(_ratio(fits, final, plain, zeta), moments.get(f"{zeta}/nu"))


def _ratio(
    fits: Sequence[Fit], final: Fit, parameters: Mapping[str, Estimate], zeta: str
) -> Estimate:
    """zeta/nu; its error from those of zeta and nu with the correlation of the likelihood."""
    free = [name for name in (zeta, "nu") if name in parameters]
    value, _ = _parameter(final, f"{zeta}/nu")
    if not free:
        return Estimate(value, 0.0, 0.0, (value, value))
    # The stated errors, correlated as the likelihood says.
    curvature = _errors(final)
    wider = {name: parameters[name].stderr / curvature[name] for name in free}
    error = _ratio_error(final, zeta, wider)
    systematic = _spread((value, error), _others(fits, final, f"{zeta}/nu"))
    return Estimate(value, error, systematic, (value - error, value + error))


def _window_fit(fit: Fit) -> WindowFit:
    values = fit.values
    return WindowFit(
        window=fit.window,
        values={name: values[name] for name in fit.form.names},
        errors=_errors(fit),
        points=len(fit.objective.table.size),
        chi2=fit.chi2,
        dof=fit.dof,
        p_value=fit.p_value,
        accepted=fit.accepted,
    )


# --- goodness ---------------------------------------------------------------------------


def _fit_flags(
    search: Search, final: Fit, method: str, parameters: Mapping[str, Estimate]
) -> tuple[Flag, ...]:
    return (
        *_goodness_flags(search.fits, final, method),
        *_drift_flags(final),
        *_slow_flags(final, parameters),
        *start_flags(final, search.optima.tried, search.optima.agreed),
    )


def _goodness_flags(fits: Sequence[Fit], final: Fit, method: str) -> tuple[Flag, ...]:
    flags: tuple[Flag, ...] = ()
    bare = final.form.corrections or method == "local-linear"
    extra = "" if bare else "; try corrections to scaling"
    if not final.p_value > ACCEPTABLE:
        flags = (_bad_fit(final, method, extra),)
    # Say so if the form holds only where most of the data are left out.
    accepted, tried = sum(fit.accepted for fit in fits), len(fits)
    if tried > 1 and accepted <= max(1.0, 0.25 * tried):
        flags += (MOSTLY_REJECTED(f"the form holds in {accepted} of {tried} windows only{extra}"),)
    return flags


def _drift_flags(fit: Fit) -> tuple[Flag, ...]:
    """Say so if the drift is one that the master curve takes up.

    With phi = 1/nu the term a N^(-phi) moves x by the constant a at every size: any shift a
    collapses as well as none.
    """
    if not {"shift", "phi"} <= set(fit.form.names):
        return ()
    values = fit.values
    variance = _variance(fit, {"phi": 1.0, "nu": values["nu"] ** -2})
    if not (values["phi"] - 1 / values["nu"]) ** 2 > _SAME_POWER**2 * variance:
        return (
            SHIFT_NOT_SEEN(
                "phi = 1/nu within errors, and a shift that goes as N^(-1/nu) only "
                "moves x by a constant: its amplitude means nothing; fit without the drift"
            ),
        )
    return ()


def _slow_flags(fit: Fit, parameters: Mapping[str, Estimate]) -> tuple[Flag, ...]:
    """Say so if corrections fall slowly; those that go as a power of the logarithm always do."""
    table = fit.objective.table
    if "omega" not in parameters or fit.form.kind in ("kt", "kt-helicity", "essential"):
        return ()
    omega = parameters["omega"].value
    if not omega * (fit.values.get("nu", 1.0) if table.dimension == "N" else 1.0) < _SLOW:
        return ()
    size, (least, *_, most) = table.size_name, table.sizes
    return (
        SLOW_CORRECTIONS(
            f"omega = {omega:.2g}: from {size} = {least:g} to {most:g} corrections fall to "
            f"{100 * (least / most) ** omega:.0f} % only, so c_c, nu and zeta lean on their form"
        ),
    )


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


def start_flags(fit: Fit, tried: int, agreed: int) -> tuple[Flag, ...]:
    """Say so if few starts agree and nothing else speaks for the answer.

    Starts that end in far worse optima are harmless: finding the best is what they are for,
    and an acceptable fit without a rival is the answer however few of them reach it. Where the
    fit is not acceptable and fewer than half agree, a better optimum may have been missed.
    """
    if 2 * agreed >= tried or fit.p_value > ACCEPTABLE:
        return ()
    return (
        STARTS_DISAGREE(
            f"only {agreed} of {tried} starts lead to this optimum, which is no good "
            "fit; a better one may exist"
        ),
    )
