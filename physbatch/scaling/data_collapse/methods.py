"""Data collapse: exponents from the demand that all sizes fall on one curve."""

import math
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple, NoReturn, TypedDict, Unpack

import numpy as np
from threadpoolctl import threadpool_limits

from physbatch.errors import AnalysisError
from physbatch.results.flag import Flag
from physbatch.results.flags import CORRELATED_POINTS, ON_ERRORS
from physbatch.scaling.data_collapse.exponent_names import (
    NamedExponent,
    fixed_by_name,
    named_exponents,
)
from physbatch.scaling.data_collapse.form import ScalingForm
from physbatch.scaling.data_collapse.forms.custom import Custom
from physbatch.scaling.data_collapse.forms.make import make_form
from physbatch.scaling.data_collapse.outcome import conclude
from physbatch.scaling.data_collapse.result import Collapse
from physbatch.scaling.data_collapse.search import search_and_state
from physbatch.scaling.data_collapse.uncertainties import uncertainties_of
from physbatch.scaling.data_collapse.windows import by_spline
from physbatch.scaling.statistics.point_noise import correlated_covariance
from physbatch.tables.binning import binned
from physbatch.tables.make import checked
from physbatch.tables.table import ScalingTable

#: Errors that each method has, its usual ones first.
_ERRORS = {
    "gp": ("likelihood", "profile", "bootstrap", "posterior"),
    "spline": ("likelihood",),
    "local-linear": ("bootstrap", "quality"),
}
#: A fit of c_c, nu and zeta leaves something of as many points.
_LEAST_POINTS = 8
#: Most points of a Gaussian process, whose cost grows as their cube; more are averaged.
_MOST_POINTS = 1000


class CollapseOptions(TypedDict, total=False):
    """What else `collapse` may be told.

    Attributes
    ----------
    drift : bool
        Let c_c(N) = c_c + shift N^(-phi).
    window : {"scan", "all"}
        Scan windows and state total errors (the default); or trust the form, take all points,
        and state statistical errors alone.
    start : mapping
        One more start. The answer does not depend on it.
    seed : int
        Seed of bootstrap and posterior, by default 0.
    form : str
        The form of scaling, one of `physbatch.scaling.data_collapse.FORMS`: ``power`` (the
        default), ``kt``, ``kt-essential``, ``kt-helicity``, ``log``, ``log-additive``,
        ``activated``, ``background``, ``offset``, ``free-scale`` or ``custom``.
    x, y : str
        Formulas of a custom form: the scaling variable, and what falls onto one curve, as in
        ``x="(T - c_c)*log(L/L0)**2"`` and ``y="m*L**(1/8)"``; for several observables y is a list.
    """

    drift: bool
    window: str
    start: Mapping[str, float] | None
    seed: int
    form: str
    x: str | None
    y: str | Sequence[str] | None


def collapse(
    table: ScalingTable,
    observable: str | Sequence[str] | None = None,
    *,
    exponent: str | Mapping[str, str] | None = None,
    fixed: Mapping[str, float] | None = None,
    corrections: bool = False,
    method: str = "gp",
    errors: str | None = None,
    **options: Unpack[CollapseOptions],
) -> Collapse:
    r"""Fit :math:`y_N(c) = N^{\zeta/\nu} f(N^{1/\nu}(c - c_c))` with a smooth master curve f.

    The fit is global: starts are read off the data, each is climbed to its maximum, and the
    result says how many agreed with the best. Values and total errors (`Estimate.total`) are those
    of a mixture of fits with corrections to scaling, with and without the smallest sizes and the
    points far from c_c; wrong errors of the data are part of it (docs/scaling.md). The statistical
    error beside them, the windows and the goodness are those of the plain form.

    Parameters
    ----------
    table : ScalingTable
        Observables with errors at points (size, control).
    observable : str or sequence of str, optional
        Which one, or several that share c_c and nu; by default all of the table.
    exponent : {"beta", "gamma"} or mapping, optional
        What zeta is: beta = -zeta of an order parameter, gamma = zeta of a susceptibility; for
        several observables a mapping from their names. The result then states it, and its ratio
        to nu, as `Collapse.named`.
    fixed : mapping, optional
        Exponents held at a value: ``c_c``, ``nu``, ``zeta`` (or its name), ``omega``, ``phi``.
    corrections : bool
        Fit f0(x) + N^(-omega) f1(x) too, and state omega; the total errors know of corrections in
        any case.
    method : {"gp", "spline", "local-linear"}
        Gaussian-process likelihood; least squares on a cubic spline in the window that the
        former has chosen; or the smallest S of Houdayer and Hartmann (`collapse_quality`), whose
        master curve is a straight line between neighbouring points. At noise of a few per cent
        a bias of up to a third of its error remains in nu with the first. The third is biased
        wherever the curvature between neighbouring points exceeds the noise.
    errors : {"likelihood", "profile", "bootstrap", "posterior", "quality"}, optional
        Statistical errors from the curvature of the likelihood (default of gp and spline), from
        its profile, from refits of resampled data (replicas where the table has them; default
        of local-linear), from the posterior, or from where S has risen by 1. Method gp has the
        first four, spline the first, local-linear bootstrap and quality.
    **options
        ``drift``, ``window``, ``start`` and ``seed``: see `CollapseOptions`.

    Returns
    -------
    Collapse
        Exponents with errors, goodness of fit, the windows, and flags. Where the data do not
        determine an exponent its value is nan and its error infinite, and ``not_converged``,
        ``no_overlap``, ``at_bound``, ``beyond_controls``, ``bimodal`` or ``flat`` says why.
        Warnings are ``bad_fit``, ``mostly_rejected``, ``thin_overlap``, ``one_sided``,
        ``starts_disagree``, ``shift_not_seen``; on the form ``drift_not_excluded``,
        ``log_factor_not_excluded``, ``kosterlitz_thouless_not_excluded``,
        ``analytic_kt_not_excluded``, ``slow_corrections``; on the data
        ``errors_too_small``, ``errors_too_large``, ``outliers``, ``sizes_offset``,
        ``correlated_points``, and those of the table that bear on its errors: ``few_samples``,
        ``rows_correlated``, ``points_without_spread``, ``cells_left_out``, ``errors_unknown``,
        ``binned``.

    Raises
    ------
    AnalysisError
        If there are too few sizes or points, numbers are not finite, errors not above 0, an
        observable constant or not in the table, or all exponents fixed.

    References
    ----------
    Harada, PRE 84 (2011) 056704, doi 10.1103/PhysRevE.84.056704; Houdayer and Hartmann, PRB 70
    (2004) 014418, doi 10.1103/PhysRevB.70.014418.

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
    _check_names(options)
    window, start, seed = (
        options.get("window", "scan"),
        options.get("start"),
        options.get("seed", 0),
    )
    drift, scaling = options.get("drift", False), _scaling(options)
    names = _observables(table, observable)
    plain = not (corrections or drift) and scaling == "power"
    errors = _check_methods(method, errors, plain=plain)
    table = _checked(table, names)
    named = named_exponents(exponent, names)
    form = make_form(
        table,
        names,
        form=scaling,
        fixed=fixed_by_name(fixed, named),
        start=start,
        corrections=corrections,
        drift=drift,
    )
    _check_named(form, named)
    if not form.names and method != "local-linear":
        raise AnalysisError(
            f"all of {', '.join(form.fixed)} are fixed",
            where="collapse",
            remedy="leave one free, or use method local-linear, which states S at given exponents",
        )
    _check_start(form, start)
    of_the_data = (flag for flag in table.flags if flag.kind in ON_ERRORS)
    flags = (*of_the_data, *_point_noise(table, names))
    table = form.prepared(table)
    # The matrices are small: more threads would only wait for each other.
    with threadpool_limits(1, user_api="blas"):
        settings = _Settings(method, errors, window, start, seed)
        return _fitted(form, table, settings, named, flags)


class _Settings(NamedTuple):
    """How to fit: the arguments of `collapse`."""

    method: str
    errors: str
    window: str
    start: Mapping[str, float] | None
    seed: int


def _fitted(
    form: ScalingForm,
    table: ScalingTable,
    settings: _Settings,
    named: Sequence[NamedExponent],
    flags: tuple[Flag, ...],
) -> Collapse:
    """The result of the method that is asked for."""
    method, errors, window, start, seed = settings
    if method == "local-linear":
        # Its compiled kernel needs numba, which reading and other fits must not cost.
        from physbatch.scaling.data_collapse.local_lines import (
            local_line_uncertainties,
            search_local_lines,
        )

        lines = search_local_lines(form, table, window=window, start=start)
        uncertainties = local_line_uncertainties(lines.settled, errors, seed)
        return conclude(
            lines, lines.settled, uncertainties, method=method, named=named, flags=flags
        )
    search, judged, statement = search_and_state(form, table, window=window, start=start)
    if statement and statement.total:  # which has weighed this against errors that are too large
        flags = tuple(flag for flag in flags if flag.kind != CORRELATED_POINTS)
    final = by_spline(search.settled) if method == "spline" else search.settled
    return conclude(
        search,
        final,
        uncertainties_of(final, errors, seed),
        method=method,
        statement=statement,
        judged=judged,
        named=named,
        flags=flags,
    )


# --- input ------------------------------------------------------------------------------


def _check_names(options: CollapseOptions) -> None:
    """TypeError for a name that is no option."""
    for name in options:
        if name not in CollapseOptions.__annotations__:
            every = ("exponent", "fixed", "corrections", "method", "errors")
            near = get_close_matches(name, [*every, *CollapseOptions.__annotations__])
            hint = f", did you mean {' or '.join(near)}?" if near else ""
            raise TypeError(f"collapse() got an unexpected keyword argument {name!r}{hint}")


def _scaling(options: CollapseOptions) -> str | Custom:
    """The form that is asked for, by name or by formulas."""
    form, x, y = options.get("form", "power"), options.get("x"), options.get("y")
    if x is None and y is None:
        return form
    if x is None or y is None or form not in ("power", "custom"):
        raise AnalysisError(
            f"form {form!r} with {'x' if y is None else 'y' if x is None else 'x and y'}",
            where="collapse",
            remedy="give both x and y, and form custom",
        )
    return Custom(x, y)


def _check_named(form: ScalingForm, named: Sequence[NamedExponent]) -> None:
    every = {*form.names, *form.fixed}
    for name, zeta, _ in named:
        if not {zeta, "nu"} <= every:
            raise AnalysisError(
                f"form {form.kind!r} has no {name}",
                where="collapse",
                remedy=f"its parameters are {', '.join([*form.names, *form.fixed])}",
            )


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


def _check_methods(method: str, errors: str | None, *, plain: bool) -> str:
    """The method of the errors, if it goes with that of the fit."""

    def refuse(what: str, remedy: str) -> NoReturn:
        raise AnalysisError(what, where="collapse", remedy=remedy)

    if method not in _ERRORS:
        refuse(f"method = {method!r}", f"use {', '.join(_ERRORS)}")
    every = tuple(dict.fromkeys(name for names in _ERRORS.values() for name in names))
    if errors is not None and errors not in every:
        refuse(f"errors = {errors!r}", f"use {', '.join(every)}")
    if errors is not None and errors not in _ERRORS[method]:
        others = [name for name, kinds in _ERRORS.items() if errors in kinds]
        refuse(
            f"errors = {errors!r} with method {method!r}",
            f"use method {' or '.join(others)}, or errors {' or '.join(_ERRORS[method])}",
        )
    if method == "local-linear" and not plain:
        refuse(
            "method 'local-linear' has neither corrections to scaling nor a drift nor another form",
            "use method gp or spline",
        )
    return errors or _ERRORS[method][0]


def _checked(table: ScalingTable, names: Sequence[str]) -> ScalingTable:
    """The table of these observables, sorted and short; refuse what no collapse can come from."""
    table = checked(table.only(*names), minimum_points=_LEAST_POINTS, where="collapse")
    if np.ptp(table.control) == 0:
        raise AnalysisError(
            f"all points are at {table.control_name} = {table.control[0]:g}",
            where="collapse",
            remedy="give several controls on both sides of the transition",
        )
    return binned(table, _MOST_POINTS)


def _check_start(form: ScalingForm, start: Mapping[str, float] | None) -> None:
    for name, value in (start or {}).items():
        if name not in form.names or not form.allowed(name, value):
            known = name in form.names
            remedy = form.allowed_text(name) if known else f"starts of {', '.join(form.names)}"
            raise AnalysisError(
                f"start {name} = {value}", where="collapse", remedy=f"give {remedy}"
            )


def _point_noise(table: ScalingTable, names: Sequence[str]) -> tuple[Flag, ...]:
    """Flags of the observables whose points visibly move together."""
    flags = []
    for name in names:
        if name in table.covariance:
            continue
        matrix, rough = correlated_covariance(table, name)
        if matrix is not None:
            flags.append(
                CORRELATED_POINTS(
                    f"neighbouring points of {name} scatter only "
                    f"{math.sqrt(rough):.2g} of their errors about each other, so the errors of "
                    "the fit are those of points that move together; give a covariance, or smaller "
                    "errors if these are too large"
                )
            )
    return tuple(flags)
