"""Curves of different sizes with their crossings, and the crossings against size."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from physbatch.plots.labels import control_label_of, observable_label
from physbatch.plots.style import (
    FIT_COLOUR,
    LIMIT_COLOUR,
    LIMIT_STAR,
    NOTE_COLOUR,
    POINTS,
    RING,
    SINGLE_COLUMN_MM,
    SizeStyle,
    empty_panel,
    figure_in_mm,
    journal_style,
    size_legend,
    size_styles,
    title_style,
)
from physbatch.scaling.curves.crossing_result import Crossings


def plot_crossings(result: Crossings, figure: Figure | SubFigure | None = None) -> list[Axes]:
    """Draw the curves near their crossings, and the crossings against 1/N with the limit.

    Lines are the smooth curves; open circles the crossings that are reported, crosses below the
    curves those that are not. Crossings of neighbouring sizes are filled, others open; the band is
    the total error of the limit.

    Parameters
    ----------
    result : Crossings
        What `physbatch.scaling.curves.crossings.find_crossings` returned.
    figure : matplotlib.figure.Figure or SubFigure, optional
        Where to put the two panels; by default a new single-column figure.

    Returns
    -------
    list of matplotlib.axes.Axes
        The curves, and the crossings against 1/N.

    Examples
    --------
    >>> from physbatch.exact import curie_weiss
    >>> from physbatch.scaling.curves.crossings import find_crossings
    >>> table = curie_weiss.table((32, 64, 128, 256), np.linspace(0.9, 1.2, 16))
    >>> len(plot_crossings(find_crossings(table, resamples=100)))
    2
    """
    with journal_style():
        figure = figure_in_mm(SINGLE_COLUMN_MM, 112.0) if figure is None else figure
        top, bottom = figure.subplots(2, 1, height_ratios=(1.35, 1.0))
        styles = size_styles(list(np.unique(result.size)), result.dimension)
        _draw_curves(top, result, styles)
        _draw_limit(bottom, result)
        size_legend(top, styles)
    return [top, bottom]


def _draw_curves(axes: Axes, result: Crossings, styles: dict[float, SizeStyle]) -> None:
    for size, style in styles.items():
        rows = result.size == size
        columns = (result.control[rows], result.value[rows], result.stderr[rows])
        axes.errorbar(*columns, **(style | POINTS | {"markersize": 3}))
    for small, large, (control, lower, upper) in zip(
        result.small, result.large, result.lines, strict=True
    ):
        axes.plot(control, lower, color=styles[float(small)]["color"], linewidth=0.8, zorder=2)
        axes.plot(control, upper, color=styles[float(large)]["color"], linewidth=0.8, zorder=2)
    ring = RING | {"linestyle": "none", "markersize": 6, "zorder": 5, "gid": "crossings"}
    axes.plot(result.crossing, result.level, **ring)
    others = result.candidate[result.candidate_chosen == 0]
    axes.plot(
        others,
        np.full(len(others), 0.03),
        transform=axes.get_xaxis_transform(),
        linestyle="none",
        marker="x",
        color=NOTE_COLOUR,
        gid="other-crossings",
    )
    _zoom(axes, result)
    axes.set(
        xlabel=control_label_of(result.control_name), ylabel=observable_label(result.observable)
    )


def _zoom(axes: Axes, result: Crossings) -> None:
    """Show the crossings and some of the curves around them."""
    known = result.crossing[np.isfinite(result.crossing)]
    if known.size == 0:
        return
    centre = 0.5 * (known.min() + known.max())
    windows = np.ptp(result.lines[np.isfinite(result.crossing), 0], axis=1)
    half = max(2.5 * np.ptp(known), 0.2 * float(np.median(windows)))
    low = max(centre - half, result.control.min())
    high = min(centre + half, result.control.max())
    axes.set_xlim(low, high)
    inside = (result.control >= low) & (result.control <= high)
    bottom, top = result.value[inside].min(), result.value[inside].max()
    margin = 0.08 * (top - bottom)
    axes.set_ylim(bottom - margin, top + margin)


def _draw_limit(axes: Axes, result: Crossings) -> None:
    known = np.isfinite(result.crossing)
    letter = result.dimension
    axes.set(
        xlabel=rf"inverse mean size $1/\sqrt{{{letter}_1 {letter}_2}}$",
        ylabel=f"crossing in {control_label_of(result.control_name)}",
    )
    if not known.any():
        empty_panel(axes, "no crossings")
        return
    inverse = 1.0 / result.mean_size
    neighbours = result.neighbours
    for chosen, face in ((neighbours & known, LIMIT_COLOUR), (~neighbours & known, "white")):
        axes.errorbar(
            inverse[chosen],
            result.crossing[chosen],
            result.crossing_stderr[chosen],
            marker="o",
            markersize=4,
            markerfacecolor=face,
            color=LIMIT_COLOUR,
            **POINTS,
        )
    inverse = inverse[known]
    limit = result.c_c
    if math.isfinite(limit.value):
        ends = (limit.value - limit.total, limit.value + limit.total)
        axes.axhspan(*ends, color=FIT_COLOUR, alpha=0.15, linewidth=0, zorder=0)
        star = LIMIT_STAR | {"color": LIMIT_COLOUR, "clip_on": False, "zorder": 4}
        axes.errorbar(0.0, limit.value, limit.total, elinewidth=1.2, **star)
        text, colour = rf"${letter} \to \infty$: $c_c = {limit}$", LIMIT_COLOUR
    else:
        text, colour = rf"no limit found for ${letter} \to \infty$", NOTE_COLOUR
    axes.set_title(text, color=colour, **title_style())
    axes.set_xlim(-0.05 * inverse.max(), 1.08 * inverse.max())
    axes.margins(y=0.15)
    axes.locator_params(axis="both", nbins=5)
