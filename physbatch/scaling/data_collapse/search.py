"""The search of a collapse: from starts to optima, windows, the fit to report, and its rivals."""

from collections.abc import Mapping
from typing import NamedTuple

from physbatch.results.flag import Flag
from physbatch.results.flags import OUTLIERS
from physbatch.scaling.data_collapse.form import ScalingForm
from physbatch.scaling.data_collapse.identifiability import c_c_beyond, find_rival
from physbatch.scaling.data_collapse.starts import Optima, global_optima
from physbatch.scaling.data_collapse.total.stated import Statement, far_values, state
from physbatch.scaling.data_collapse.windows import Fit, scan, settle
from physbatch.tables.table import ScalingTable
from physbatch.typing import BoolArray


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
    """

    search: Search
    judged: Search | None
    statement: Statement | None


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
        return Found(search, None, None)
    far = far_values(plain, table, search.optima)
    flags: tuple[Flag, ...] = ()
    if far.any():
        flags = (_outliers_flag(table, far),)
        table = table.select(~far)
        search = search_globally(plain, table, window=window, start=known or None)
    statement = state(plain, table, search.optima, form.fixed.get("omega"))
    statement = statement._replace(flags=(*flags, *statement.flags))
    if not form.corrections:
        return Found(search, None, statement)
    corrected = search_globally(form, table, window=window, start=start)
    return Found(corrected, search, statement)


def _outliers_flag(table: ScalingTable, far: BoolArray) -> Flag:
    points = ", ".join(
        f"{table.size_name} = {size:g}, {table.control_name} = {control:g}"
        for size, control in zip(table.size[far], table.control[far], strict=True)
    )
    return OUTLIERS(f"{far.sum()} of {len(far)} points are far from all others: {points}")


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
