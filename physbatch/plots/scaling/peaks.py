"""Peaks of the curves of all sizes, and how their heights and positions scale."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from physbatch.plots.dataset.moments import draw_observable
from physbatch.plots.labels import control_label_of, size_words
from physbatch.plots.scaling.exponents import draw_law, name_law
from physbatch.plots.style import (
    DOUBLE_COLUMN_MM,
    LIMIT_COLOUR,
    RING,
    figure_in_mm,
    journal_style,
    label_decades,
    size_legend,
    size_styles,
)
from physbatch.scaling.curves.peaks import Peaks
from physbatch.scaling.laws.fits import ScalingFit
from physbatch.tables.table import ScalingTable

__all__ = ["plot_peaks"]

_HEIGHT_MM = 62.0
_SPAN = 10.0  # ratio of heights above which the curves get a logarithmic axis


def plot_peaks(
    table: ScalingTable,
    peaks: Peaks,
    heights: ScalingFit,
    positions: ScalingFit,
    figure: Figure | SubFigure | None = None,
    *,
    legend: bool = True,
) -> list[Axes]:
    """Draw the curves with their peaks, and heights and positions of the peaks against size.

    Open circles are the peaks that were found; the axis of the curves is logarithmic where the
    heights span more than a decade. Lines are the fitted laws; open markers are
    sizes below those that the best fit uses. The red band is the position for infinite size
    with its total error.

    Parameters
    ----------
    table : ScalingTable
        The data in which the peaks were looked for.
    peaks : Peaks
        What `physbatch.scaling.curves.peaks.find_peaks` returned.
    heights, positions : ScalingFit
        ``peaks.fit_heights()`` and ``peaks.fit_positions()``.
    figure : matplotlib.figure.Figure or SubFigure, optional
        Where to put the three panels; by default a new double-column figure.
    legend : bool
        Put a legend of the sizes above the figure.

    Returns
    -------
    list of matplotlib.axes.Axes
        The curves, the heights, the positions.

    Raises
    ------
    physbatch.errors.AnalysisError
        If the table does not hold the observable of the peaks.

    Examples
    --------
    >>> from physbatch.plots import plot_peaks
    >>> from physbatch.scaling.curves.peaks import find_peaks
    >>> from physbatch.tables import make_table
    >>> size, c = np.repeat([8.0, 16.0, 32.0, 64.0], 21), np.tile(np.linspace(-1, 1, 21), 4)
    >>> chi = size / (1 + 9 * (c - 1 / size) ** 2)
    >>> table = make_table(size, c, {"chi": chi}, {"chi": 0.02 * size})
    >>> peaks = find_peaks(table, "chi", resamples=50)
    >>> [a.get_xscale() for a in plot_peaks(table, peaks, peaks.fit_heights(),
    ...                                     peaks.fit_positions())]
    ['linear', 'log', 'log']
    """
    table.only(peaks.observable)
    styles = size_styles(table.sizes.tolist(), table.dimension)
    with journal_style():
        figure = figure_in_mm(DOUBLE_COLUMN_MM, _HEIGHT_MM) if figure is None else figure
        curves, high, where = figure.subplots(1, 3)
        draw_observable(curves, table, peaks.observable, styles)
        _mark_peaks(curves, peaks)
        known = peaks.height[np.isfinite(peaks.height)]
        values = table.values[peaks.observable]
        # Small peaks beside large ones are seen on a logarithmic axis alone.
        if known.size and values.min() > 0.0 and known.max() > _SPAN * known.min():
            curves.set_yscale("log")
        for axes, fit in ((high, heights), (where, positions)):
            draw_law(axes, fit)
            name_law(axes, fit, form=False)
            axes.set_xscale("log")
            label_decades(axes.xaxis, fit.x[:, 0])
            axes.set_xlabel(size_words(peaks.dimension))
        high.set_ylabel("height of the peak")
        where.set_ylabel(f"peak in {control_label_of(table.control_name)}")
        _draw_limit(where, positions)
        if legend:
            size_legend(curves, styles, columns=8)
    return [curves, high, where]


def _mark_peaks(axes: Axes, peaks: Peaks) -> None:
    axes.errorbar(
        peaks.position,
        peaks.height,
        np.nan_to_num(np.hypot(peaks.height_stderr, peaks.height_systematic)),
        np.nan_to_num(np.hypot(peaks.position_stderr, peaks.position_systematic)),
        linestyle="none",
        markersize=6,
        ecolor=LIMIT_COLOUR,
        elinewidth=0.7,
        capsize=0,
        zorder=4,
        gid="peaks",
        **RING,
    )


def _draw_limit(axes: Axes, positions: ScalingFit) -> None:
    """The position for infinite size."""
    limit = positions["c"]
    if not math.isfinite(limit.value):
        return
    axes.axhline(limit.value, color=LIMIT_COLOUR, linewidth=0.8, zorder=1, gid="limit")
    if math.isfinite(limit.total):
        axes.axhspan(
            limit.value - limit.total,
            limit.value + limit.total,
            color=LIMIT_COLOUR,
            alpha=0.15,
            linewidth=0,
            zorder=0,
        )
