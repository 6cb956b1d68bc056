"""Data collapse: exponents from the demand that all sizes fall on one curve."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Unpack

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
from physbatch.scaling.data_collapse.forms.make import make_form
from physbatch.scaling.data_collapse.methods.arguments import (
    CollapseOptions,
    check_methods,
    check_named,
    check_names,
    check_start,
    checked_table,
    observables_of,
    orders_of,
    point_noise_flags,
    scaling_of,
    table_of,
)
from physbatch.scaling.data_collapse.methods.polynomial import by_polynomial
from physbatch.scaling.data_collapse.methods.spline import by_spline
from physbatch.scaling.data_collapse.outcome import conclude
from physbatch.scaling.data_collapse.result import Collapse
from physbatch.scaling.data_collapse.search import search_and_state
from physbatch.scaling.data_collapse.uncertainties import uncertainties_of
from physbatch.tables.columns import Names
from physbatch.tables.table import ScalingTable


def collapse(
    table: ScalingTable | Any,
    observable: Names = None,
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
    table : ScalingTable or data
        Observables with errors at points (size, control); or what `physbatch.read_table` takes: a
        file, a data frame, a mapping of names to columns.
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
    method : {"gp", "spline", "polynomial", "local-linear"}
        Gaussian-process likelihood; least squares on a cubic spline in the window that the
        former has chosen; least squares, with all points, on the polynomials of Slevin and Ohtsuki
        in the fields, with corrections to scaling and a nonlinear relevant field as the data ask
        for them; or the smallest S of Houdayer and Hartmann (`collapse_quality`), whose master
        curve is a straight line between neighbouring points. At noise of a few per cent a bias of
        up to a third of its error remains in nu with the first. The last is biased wherever the
        curvature between neighbouring points exceeds the noise.
    errors : {"likelihood", "profile", "bootstrap", "posterior", "quality"}, optional
        Statistical errors from the curvature of the likelihood (default but for local-linear), from
        its profile, from refits of resampled data (replicas where the table has them; default
        of local-linear), from the posterior, or from where S has risen by 1. Method gp has the
        first four, spline and polynomial the first, local-linear bootstrap and quality.
    **options
        ``drift``, ``window``, ``start``, ``seed``, ``form`` and ``orders``, and for data that are
        no table yet ``size``, ``control`` and ``error``: see `CollapseOptions`.

    Returns
    -------
    Collapse
        Exponents with errors, goodness of fit, the windows, and flags. Where the data do not
        determine an exponent its value is nan and its error infinite, and ``not_converged``,
        ``no_overlap``, ``at_bound``, ``beyond_controls``, ``bimodal`` or ``flat`` says why.
        Warnings are ``bad_fit``, ``mostly_rejected``, ``thin_overlap``, ``one_sided``,
        ``starts_disagree``, ``shift_not_seen``; on the form ``drift_not_excluded``,
        ``log_factor_not_excluded``, ``kosterlitz_thouless_not_excluded``,
        ``analytic_kt_not_excluded``, ``power_law_not_excluded``, ``slow_corrections``; on the data
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
    (2004) 014418, doi 10.1103/PhysRevB.70.014418; Slevin and Ohtsuki, PRL 82 (1999) 382, doi
    10.1103/PhysRevLett.82.382.

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
    >>> columns = {"L": size, "T": control, "U": value, "dU": error}
    >>> same = collapse(columns, "U", size="L", control="T", fixed={"zeta": 0.0}, window="all")
    >>> same["nu"].value == result["nu"].value
    True
    """
    check_names(options)
    table, observable = table_of(table, observable, options)
    window, start, seed = (
        options.get("window", "scan"),
        options.get("start"),
        options.get("seed", 0),
    )
    drift, scaling = options.get("drift", False), scaling_of(options)
    orders = orders_of(options, method, corrections=corrections)
    corrections = corrections or orders.get("n2", 0) > 0
    names = observables_of(table, observable)
    plain = not (corrections or drift) and scaling == "power"
    errors = check_methods(method, errors, plain=plain)
    table = checked_table(table, names)
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
    check_named(form, named)
    if not form.names and method != "local-linear":
        raise AnalysisError(
            f"all of {', '.join(form.fixed)} are fixed",
            where="collapse",
            remedy="leave one free, or use method local-linear, which states S at given exponents",
        )
    check_start(form, start)
    of_the_data = (flag for flag in table.flags if flag.kind in ON_ERRORS)
    flags = (*of_the_data, *point_noise_flags(table, names))
    table = form.prepared(table)
    # The matrices are small: more threads would only wait for each other.
    with threadpool_limits(1, user_api="blas"):
        settings = _Settings(method, errors, window, start, seed, orders)
        return _fitted(form, table, settings, named, flags)


class _Settings(NamedTuple):
    """How to fit: the arguments of `collapse`."""

    method: str
    errors: str
    window: str
    start: Mapping[str, float] | None
    seed: int
    orders: Mapping[str, int]


def _fitted(
    form: ScalingForm,
    table: ScalingTable,
    settings: _Settings,
    named: Sequence[NamedExponent],
    flags: tuple[Flag, ...],
) -> Collapse:
    """The result of the method that is asked for."""
    method, errors, window, start, seed, orders = settings
    if method == "local-linear":
        # Its compiled kernel needs numba, which reading and other fits must not cost.
        from physbatch.scaling.data_collapse.methods.local_lines import (
            local_line_uncertainties,
            search_local_lines,
        )

        lines = search_local_lines(form, table, window=window, start=start)
        uncertainties = local_line_uncertainties(lines.settled, errors, seed)
        return conclude(
            lines, lines.settled, uncertainties, method=method, named=named, flags=flags
        )
    search, judged, statement, table = search_and_state(form, table, window=window, start=start)
    if statement and statement.total:  # which has weighed this against errors that are too large
        flags = tuple(flag for flag in flags if flag.kind != CORRELATED_POINTS)
    final = search.settled
    if method == "spline":
        final = by_spline(final)
    elif method == "polynomial":
        final = by_polynomial(table, search.fits, orders)
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
