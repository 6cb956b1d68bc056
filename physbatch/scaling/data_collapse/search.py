"""The fits of a collapse: the Gaussian process from every start, the spline in its window."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from physbatch.results.flag import Flag
from physbatch.scaling.data_collapse.beyond_controls import c_c_beyond
from physbatch.scaling.data_collapse.form import ScalingForm
from physbatch.scaling.data_collapse.identifiability import find_rival
from physbatch.scaling.data_collapse.optimum import Optimum
from physbatch.scaling.data_collapse.outcome import Search
from physbatch.scaling.data_collapse.result import collapsed_points, master_curve
from physbatch.scaling.data_collapse.uncertainties import Interval, bootstrap, posterior, profile
from physbatch.scaling.data_collapse.window_fits import Fit, by_spline, global_optimum, scan, settle
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

__all__ = ["search_globally", "statistical_errors", "with_spline"]


#: ln of the likelihood ratio above which a start of the user replaces those of the data.
_FAR_BETTER = 5.0


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
    tried, agreed, units, optima = _optima(form, table, start)
    fits = scan(form, table, units, optima, window)
    final = settle(form, table, fits)
    rival = find_rival(form, table, units, optima, window, final)
    beyond = c_c_beyond(form, table, units, optima[0])
    return _drawn(Search(final, fits, tried, agreed, rival, (), (), beyond))


def with_spline(search: Search) -> Search:
    """The same search, its final fit replaced by the spline's in the same window."""
    # Steps of hopeless fits leave the range of numbers; they end in flags.
    with np.errstate(over="ignore", invalid="ignore"):
        final = by_spline(search.final.objective.form, search.final)
    return _drawn(search._replace(final=final))


def _drawn(search: Search) -> Search:
    objective, vector = search.final.objective, search.final.optimum.vector
    return search._replace(
        points=collapsed_points(objective, vector), curve=master_curve(objective, vector)
    )


def _optima(
    form: ScalingForm, table: ScalingTable, start: Mapping[str, float] | None
) -> tuple[int, int, tuple[float, ...], list[Optimum]]:
    """The global optimum; the user's start counts among the starts, and where it is far better.

    The same optimum is reached to other digits from every start, and where corrections make it
    a long ridge windows may then be chosen differently. So the search goes on from the optima of
    the starts that the data gave, unless the user's leads to one that is far more likely.
    """
    found = global_optimum(form, table, start)
    if start is None:
        return found
    own = global_optimum(form, table, None)
    if found[3][0].value > own[3][0].value + _FAR_BETTER:
        return found
    return found[0], found[1], own[2], own[3]


def statistical_errors(
    final: Fit, errors: str, seed: int
) -> tuple[dict[str, Interval], FloatArray, tuple[Flag, ...]]:
    """Intervals of the exponents by the method asked for; none for the curvature alone.

    Parameters
    ----------
    final : Fit
        The fit that is reported.
    errors : {"likelihood", "profile", "bootstrap", "posterior"}
    seed : int
        Of bootstrap and posterior.

    Returns
    -------
    intervals : dict
        For each free exponent.
    samples : ndarray, shape (n_sample, n_exponent)
        Of the posterior.
    flags : tuple of Flag
    """
    nothing = np.empty((0, len(final.exponents)))
    if errors == "likelihood" or not final.optimum.converged:
        return {}, nothing, ()
    if errors == "profile":
        intervals, flags = profile(final)
        return intervals, nothing, flags
    if errors == "bootstrap":
        intervals, flags = bootstrap(final, seed=seed)
        return intervals, nothing, flags
    intervals, flags, samples = posterior(final, seed=seed)
    return intervals, samples, flags
