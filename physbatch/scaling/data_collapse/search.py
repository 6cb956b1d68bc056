"""The search of a collapse: from starts to optima, windows, the fit to report, and its rivals."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from physbatch.results.flag import Flag
from physbatch.results.flags import ANALYTIC_KT_NOT_EXCLUDED, OUTLIERS
from physbatch.scaling.data_collapse.form import ScalingForm
from physbatch.scaling.data_collapse.forms.evidence import form_evidence
from physbatch.scaling.data_collapse.identifiability import c_c_beyond, find_rival
from physbatch.scaling.data_collapse.starts import Optima, global_optima
from physbatch.scaling.data_collapse.total.stated import Statement, far_values, state
from physbatch.scaling.data_collapse.windows import Fit, scan, settle
from physbatch.tables.table import ScalingTable
from physbatch.typing import BoolArray

#: ln of the ratio of evidences above which x that is analytic in c_c is not excluded.
_NOT_EXCLUDED = -6.0


class Search(NamedTuple):
    """What a search has led to.

    Attributes
    ----------
    optima : Optima
        Where the starts have led, with all points.
    fits : list of Fit
        The best fit in every window.
    settled : Fit
        That of the chosen window, with all of its points.
    rival : Fit or None
        Another answer that the data allow.
    beyond : Flag or None
        Says that c_c may lie beyond the controls.
    """

    optima: Optima
    fits: list[Fit]
    settled: Fit
    rival: Fit | None
    beyond: Flag | None = None


class Found(NamedTuple):
    """A search with what is to be stated.

    Attributes
    ----------
    search : Search
        Of the form that was asked for, or where its fit is no use of that without corrections.
    judged : Search or None
        That of the form without corrections, which says what the data determine, where it is not
        `search`.
    statement : Statement or None
        Values with total errors; None with all points in one window, where the form is trusted.
    table : ScalingTable
        The points, without outliers.
    """

    search: Search
    judged: Search | None
    statement: Statement | None
    table: ScalingTable


def search_and_state(
    form: ScalingForm,
    table: ScalingTable,
    *,
    window: str,
    start: Mapping[str, float] | None = None,
) -> Found:
    """Search without outliers, and find total errors; arguments as `search_globally`.

    Corrections to scaling are part of the total error whether the form has them or not. Where it
    has, its own fit says how large omega is, if it is a sound one.
    """
    plain = form.without_corrections()
    known = {name: value for name, value in (start or {}).items() if name != "omega"}
    search = search_globally(plain, table, window=window, start=known or None)
    if window == "all":
        if form.corrections:
            search = search_globally(form, table, window=window, start=start)
        return Found(search, None, None, table)
    far = far_values(plain, table, search.optima)
    flags: tuple[Flag, ...] = ()
    if far.any() and form.applies(table.select(~far)):
        flags = (_outliers_flag(table, far),)
        table = table.select(~far)
        search = search_globally(plain, table, window=window, start=known or None)
    statement = state(plain, table, search.optima, form.fixed.get("omega"))
    ratio = _analytic_over_essential(plain, table)
    statement = statement._replace(
        flags=(*flags, *statement.flags, *_analytic_flags(ratio)),
        wrong_form=statement.wrong_form or ratio > 0,
    )
    if not form.corrections:
        return Found(search, None, statement, table)
    corrected = search_globally(form, table, window=window, start=start)
    return Found(corrected, search, statement, table)


def _outliers_flag(table: ScalingTable, far: BoolArray) -> Flag:
    points = ", ".join(
        f"{table.size_name} = {size:g}, {table.control_name} = {control:g}"
        for size, control in zip(table.size[far], table.control[far], strict=True)
    )
    return OUTLIERS(f"{far.sum()} of {len(far)} points are far from all others: {points}")


def _analytic_over_essential(form: ScalingForm, table: ScalingTable) -> float:
    """ln of the evidence of the form kt over that of essential; -inf for any other form.

    In L exp(-b/|c - c_c|^(1/2)) all sizes are alike at c_c, which real data are not: they lead to a
    c_c on the side of the disorder, with a small error and a good chi^2.
    """
    if form.kind != "essential":
        return -math.inf
    fixed = {name: value for name, value in form.fixed.items() if name not in ("b", "L0", "omega")}
    analytic, essential = (
        form_evidence(table, form.observables, kind, fixed=fixed) for kind in ("kt", form.kind)
    )
    ratio = analytic.log_evidence - essential.log_evidence
    # At a bound there is no evidence.
    height = analytic.log_posterior - essential.log_posterior
    return ratio if math.isfinite(ratio) else height


def _analytic_flags(ratio: float) -> tuple[Flag, ...]:
    if not ratio > _NOT_EXCLUDED:
        return ()
    better = "better" if ratio > 0 else "about as well"
    return (
        ANALYTIC_KT_NOT_EXCLUDED(
            f"x = (c - c_c) ln(L/L0)^2 describes the data {better} (ln of the ratio of evidences "
            f"{ratio:+.1f}); use --form kt"
        ),
    )


def search_globally(
    form: ScalingForm,
    table: ScalingTable,
    *,
    window: str,
    start: Mapping[str, float] | None = None,
) -> Search:
    """Fit the Gaussian process from every start, in every window.

    Parameters
    ----------
    form, table : ScalingForm, ScalingTable
        What to fit, sorted and checked.
    window : {"scan", "all"}
        Scan windows, or take all points.
    start : mapping, optional
        One more start.

    Raises
    ------
    AnalysisError
        If the window is unknown, or no start gives a finite likelihood.
    """
    optima = global_optima(form, table, start)
    fits = scan(form, table, optima.units, optima.different, window)
    settled = settle(form, table, fits)
    rival = find_rival(form, table, optima, window, settled)
    return Search(optima, fits, settled, rival, c_c_beyond(form, table, optima))
