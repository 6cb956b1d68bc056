"""The search of a collapse: from starts to optima, windows, the fit to report, and its rivals."""

from collections.abc import Mapping
from typing import NamedTuple

from physbatch.results.flag import Flag
from physbatch.scaling.data_collapse.form import ScalingForm
from physbatch.scaling.data_collapse.identifiability import c_c_beyond, find_rival
from physbatch.scaling.data_collapse.starts import Optima, global_optima
from physbatch.scaling.data_collapse.windows import Fit, scan, settle
from physbatch.tables.table import ScalingTable


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
