"""Curves of different sizes with their crossings, and the crossings against size."""

import math
from typing import Unpack

import numpy as np
from matplotlib.axes import Axes

from physbatch.plots.docstrings import documented
from physbatch.plots.drawn import Drawn
from physbatch.plots.layouts import Stack
from physbatch.plots.options import Options, Where
from physbatch.plots.sheet import Sheet, new_sheet
from physbatch.plots.style import (
    FIT_COLOUR,
    LIMIT_COLOUR,
    LIMIT_STAR,
    NOTE_COLOUR,
    POINTS,
    RING,
    SizeStyle,
    empty_panel,
)
from physbatch.scaling.curves.crossing_result import Crossings

_LAYOUT = Stack(112.0, (1.35, 1.0), share=False)
_LEAST = 3.0  # so many steps of the grid are shown on either side of the crossings


@documented("one column wide; the panels are called curves and limit")
def plot_crossings(result: Crossings, ax: Where = None, **options: Unpack[Options]) -> Drawn:
    """Draw the curves near their crossings, and the crossings against 1/N with the limit.

    Lines are the smooth curves, thin ones join the points; open circles the crossings that are
    reported, crosses below the curves those that are not. Crossings of neighbouring sizes are
    filled, others open; the band is the total error of the limit.

    Parameters
    ----------
    result : Crossings
        What `physbatch.scaling.curves.crossings.find_crossings` returned.

    Examples
    --------
    >>> from physbatch.exact import curie_weiss
    >>> from physbatch.scaling.curves.crossings import find_crossings
    >>> table = curie_weiss.table((32, 64, 128, 256), np.linspace(0.9, 1.2, 16))
    >>> list(plot_crossings(find_crossings(table, resamples=100)).panels)
    ['curves', 'limit']
    """
    with new_sheet(ax, options) as page:
        panels = page.lay_out(["curves", "limit"], _LAYOUT)
        styles = page.sizes(result.size, result.dimension)
        if "curves" in panels:
            _draw_curves(page, panels["curves"], result, styles)
        if "limit" in panels:
            _draw_limit(page, panels["limit"], result)
        page.align(*panels.values())
        page.size_legend(styles)
        return page.drawn()


def _draw_curves(
    page: Sheet, axes: Axes, result: Crossings, styles: dict[float, SizeStyle]
) -> None:
    for size, style in styles.items():
        rows = result.size == size
        columns = (result.control[rows], result.value[rows], result.stderr[rows])
        page.points(axes, *columns, **(style | POINTS | {"markersize": 3}))
        # Outside of the windows of the polynomials the points are joined, so that they belong
        # together wherever the panel ends.
        axes.plot(*columns[:2], color=style["color"], linewidth=0.4, alpha=0.5, zorder=1)
    for small, large, (control, lower, upper) in zip(
        result.small, result.large, result.lines, strict=True
    ):
        for size, line in ((small, lower), (large, upper)):
            colour = styles[float(size)]["color"]
            page.curve(axes, control, line, color=colour, linewidth=0.8, zorder=2)
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
        xlabel=page.labels.control(result.control_name),
        ylabel=page.labels.observable(result.observable),
    )


def _zoom(axes: Axes, result: Crossings) -> None:
    """Show the crossings and so much of the curves that they are seen to cross."""
    known = result.crossing[np.isfinite(result.crossing)]
    if known.size == 0:
        return
    centre = 0.5 * (known.min() + known.max())
    windows = np.ptp(result.lines[np.isfinite(result.crossing), 0], axis=1)
    steps = np.diff(np.unique(result.control))
    near = max(0.5 * float(np.median(windows)), _LEAST * float(np.median(steps)))
    half = 0.5 * np.ptp(known) + near
    low = max(centre - half, result.control.min())
    high = min(centre + half, result.control.max())
    room = 0.03 * (high - low)
    axes.set_xlim(low - room, high + room)
    inside = (result.control >= low) & (result.control <= high)
    bottom, top = result.value[inside].min(), result.value[inside].max()
    margin = 0.08 * (top - bottom)
    axes.set_ylim(bottom - margin, top + margin)


def _draw_limit(page: Sheet, axes: Axes, result: Crossings) -> None:
    known = np.isfinite(result.crossing)
    letter = page.labels.size_symbol(result.dimension) or result.dimension
    axes.set(
        xlabel=rf"inverse mean size $1/\sqrt{{{letter}_1 {letter}_2}}$",
        ylabel=f"crossing in {page.labels.control(result.control_name)}",
    )
    if not known.any():
        empty_panel(axes, "no crossings")
        return
    inverse = 1.0 / result.mean_size
    neighbours = result.neighbours
    for chosen, face in ((~neighbours & known, "white"), (neighbours & known, LIMIT_COLOUR)):
        look: SizeStyle = {"marker": "o", "markersize": 4, "markerfacecolor": face}
        rows = (inverse[chosen], result.crossing[chosen], result.crossing_stderr[chosen])
        page.points(axes, *rows, **(POINTS | look | {"color": LIMIT_COLOUR}))
    inverse = inverse[known]
    limit = result.c_c
    if math.isfinite(limit.value):
        ends = (limit.value - limit.total, limit.value + limit.total)
        axes.axhspan(*ends, color=FIT_COLOUR, alpha=0.15, linewidth=0, zorder=0)
        star = LIMIT_STAR | {"color": LIMIT_COLOUR, "clip_on": False, "zorder": 4}
        axes.errorbar(0.0, limit.value, limit.total, elinewidth=1.2, **star)
        symbol = page.labels.critical(result.control_name)
        text, colour = rf"${letter} \to \infty$: ${symbol} = {limit}$", LIMIT_COLOUR
    else:
        text, colour = rf"no limit found for ${letter} \to \infty$", NOTE_COLOUR
    page.title(axes, text, color=colour)
    axes.set_xlim(-0.05 * inverse.max(), 1.08 * inverse.max())
    axes.margins(y=0.15)
    axes.locator_params(axis="both", nbins=5)
