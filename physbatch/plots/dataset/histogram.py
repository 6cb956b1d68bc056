"""Histograms of the overlap below, at and above m_c: two peaks are coexistence."""

import math

import numpy as np
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from physbatch.plots.labels import control_symbol, order_parameter_label, size_text
from physbatch.plots.style import (
    LIMIT_COLOUR,
    NOTE_COLOUR,
    SINGLE_COLUMN_MM,
    SizeStyle,
    empty_panel,
    figure_in_mm,
    journal_style,
    size_styles,
    title_style,
)
from physbatch.scaling.transition.result import Analysis, Jump
from physbatch.typing import FloatArray

NO_COEXISTENCE = "no coexistence seen"
_BIN_WIDTH = 0.05
#: Overlaps are within -1 and 1, and so spread over less.
_WIDEST = 2.5


def plot_histograms(
    analysis: Analysis, figure: Figure | SubFigure | None = None, *, size: float | None = None
) -> list[Axes]:
    """Draw the overlaps of all replicas below, nearest to, and above m_c at one size.

    Dashed lines mark the means of the lower and the upper group where the analysis found
    two groups; where it did not, the panel says so.

    Parameters
    ----------
    analysis : Analysis
        What `physbatch.scaling.analyse` returned.
    figure : matplotlib.figure.Figure or SubFigure, optional
        Where to put the three panels; by default a new single-column figure.
    size : float, optional
        The size to show; by default the largest.

    Returns
    -------
    list of matplotlib.axes.Axes
        The panels, from the smallest control to the largest: three, two where m_c is next to
        an end of the grid, an empty one where the analysis holds no overlaps.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> from physbatch.plots import plot_histograms
    >>> from physbatch.scaling import analyse
    >>> len(plot_histograms(analyse(first_order()), size=50))
    3
    """
    with journal_style():
        figure = figure_in_mm(SINGLE_COLUMN_MM, 84.0) if figure is None else figure
        jump = _jump_at(analysis, size)
        if jump is None or len(jump.control) == 0:
            empty: Axes = figure.add_subplot()
            empty_panel(empty, NO_COEXISTENCE)
            empty.set(xlabel=order_parameter_label(analysis), ylabel="number of replicas")
            return [empty]
        style = size_styles([curve.size for curve in analysis.curves])[float(jump.size)]
        grid = figure.subplots(len(jump.control), 1, sharex=True, sharey=True, squeeze=False)
        panels = list(grid[:, 0])
        edges = list(_bin_edges(jump))
        # Where the grid is coarse, the two peaks are seen at an earlier time.
        when = f",  $t = {jump.time:g}$" if jump.time < analysis.time else ""
        for axes, control, overlap in zip(panels, jump.control, jump.overlap, strict=True):
            _draw_panel(axes, overlap, edges, style)
            words = f"{size_text(jump.size)},  ${control_symbol(analysis)} = {control:g}${when}"
            axes.set_title(words, loc="right", **title_style())
        _mark_groups(panels, jump)
        panels[0].set_ylim(0, panels[0].get_ylim()[1] * 1.06)
        panels[len(panels) // 2].set_ylabel("number of replicas")
        panels[-1].set_xlabel(order_parameter_label(analysis))
    return panels


def _jump_at(analysis: Analysis, size: float | None) -> Jump | None:
    """The jump at a size, or at the largest."""
    jumps = [jump for jump in analysis.jumps if size is None or jump.size == size]
    return max(jumps, key=lambda jump: jump.size, default=None)


def _bin_edges(jump: Jump) -> FloatArray:
    """Common bins for the three panels, with edges at round numbers."""
    overlap = jump.overlap[np.isfinite(jump.overlap)]
    if overlap.size and np.ptp(overlap) > _WIDEST:  # an observable of another scale
        return np.linspace(overlap.min(), overlap.max(), 41)
    # Counted in whole bins from 0, so that an edge lies at 0 and at 1.
    low = min(0, math.floor(overlap.min() / _BIN_WIDTH)) if overlap.size else 0
    high = max(round(1 / _BIN_WIDTH), math.ceil(overlap.max() / _BIN_WIDTH)) if overlap.size else 1
    return np.arange(low, high + 1) * _BIN_WIDTH


def _draw_panel(axes: Axes, overlap: FloatArray, edges: list[float], style: SizeStyle) -> None:
    kept = overlap[np.isfinite(overlap)]
    look: SizeStyle = {"color": style["color"], "alpha": 0.85, "edgecolor": "white"}
    seaborn.histplot(x=kept, bins=edges, linewidth=0.3, ax=axes, **look)
    axes.set(xlabel="", ylabel="")
    axes.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))


def _mark_groups(panels: list[Axes], jump: Jump) -> None:
    """The means of the two groups, or the words that there are not two."""
    groups = (jump.lower, jump.upper)
    if jump.chosen < 0 or not all(math.isfinite(group.value) for group in groups):
        middle = panels[len(panels) // 2]
        middle.set_title(NO_COEXISTENCE, loc="left", color=NOTE_COLOUR, **title_style())
        return
    for axes in panels:
        for group in groups:
            axes.axvline(group.value, color=LIMIT_COLOUR, linewidth=0.8, linestyle=(0, (4, 2)))
