"""Generalisation against the mini-batch size, the optimum, and the collapse against g."""

import itertools
from typing import Any, Unpack

import numpy as np
from matplotlib.axes import Axes

from physbatch.noise.best_batch import BatchCurves, OptimumBatch
from physbatch.noise.rescaled_curves import ScaleCollapse
from physbatch.plots.docstrings import documented
from physbatch.plots.drawn import Drawn
from physbatch.plots.layouts import Grid
from physbatch.plots.options import Options, Where
from physbatch.plots.sheet import Sheet, new_sheet
from physbatch.plots.style import DATA_COLOUR, OPEN, empty_panel, text_size
from physbatch.plots.ticks import in_decades
from physbatch.typing import FloatArray

#: Of each learning rate.
_Colours = dict[float, Any]

_STYLES = (":", "--", "-")
#: More learning rates than these are not all named.
_NAMED = 8


@documented("two columns wide; the panels are called curves, minima and collapse")
def plot_optimum(
    curves: BatchCurves,
    best: OptimumBatch,
    collapse: ScaleCollapse,
    ax: Where = None,
    **options: Unpack[Options],
) -> Drawn:
    """Draw the curves, their minima over eps, and all curves against the noise scale.

    Colours are learning rates, from light (small) to dark (large); on the right, dotted, dashed
    and whole lines are numbers of patterns, ascending.

    Parameters
    ----------
    curves : BatchCurves
        Generalisation errors; those of the largest number of patterns are drawn.
    best : OptimumBatch
        Their minima.
    collapse : ScaleCollapse
        The curves, divided by their lowest points, against g.

    Examples
    --------
    >>> from physbatch.exact.batch_noise import optimum_batch_data
    >>> from physbatch.noise.best_batch import batch_curves, optimum_batch
    >>> from physbatch.noise.rescaled_curves import scale_collapse
    >>> data = optimum_batch_data(replicas=8)
    >>> best = optimum_batch(data, resamples=30)
    >>> list(plot_optimum(batch_curves(data), best, scale_collapse(data)).panels)
    ['curves', 'minima', 'collapse']
    """
    rates, counts = np.unique(best.learning_rate), np.unique(best.pattern_count)
    with new_sheet(ax, options) as page:
        panels = page.lay_out(["curves", "minima", "collapse"], Grid(52.0, above=0.0))
        colours = dict(zip(rates, page.colours(rates.tolist()), strict=True))
        markers = dict(zip(counts, page.markers(len(counts)), strict=True))
        if "curves" in panels:
            _draw_curves(page, panels["curves"], curves, counts[-1], colours)
        if "minima" in panels:
            _draw_minima(page, panels["minima"], best, markers)
        if "collapse" in panels:
            _draw_collapse(page, panels["collapse"], collapse, colours, counts)
        for name, axes in panels.items():
            if name == "minima" and not np.isfinite(best.batch_size).any():
                empty_panel(axes, "no minimum within\nthe batch sizes")
            else:
                in_decades(axes)
        return page.drawn()


def _draw_curves(
    page: Sheet, axes: Axes, curves: BatchCurves, count: float, colours: _Colours
) -> None:
    """Error against the batch size, for one number of patterns."""
    table = curves.table
    (marker,) = page.markers(1)
    numbers = np.flatnonzero(curves.pattern_count == count)
    rates = np.unique(curves.learning_rate[numbers])
    named = rates[np.unique(np.linspace(0, rates.size - 1, min(_NAMED, rates.size)).astype(int))]
    for number in numbers:
        rows = table.size == number + 1
        rate = curves.learning_rate[number]
        page.points(
            axes,
            np.exp(table.control[rows]),
            table.values["error"][rows],
            table.errors["error"][rows],
            color=colours[rate],
            marker=marker,
            markersize=2.5,
            label=rf"$\epsilon = {rate:g}$" if rate in named else None,
        )
    axes.set(xlabel=page.labels.control("batch_size"), ylabel=f"error, $P = {count:g}$")
    page.panel_legend(axes, loc="best", fontsize=text_size(6))


def _draw_minima(page: Sheet, axes: Axes, best: OptimumBatch, markers: dict[float, str]) -> None:
    """The best batch size against the learning rate, one marker for each number of patterns."""
    for count, marker in markers.items():
        mine = (best.pattern_count == count) & np.isfinite(best.batch_size)
        page.points(
            axes,
            best.learning_rate[mine],
            best.batch_size[mine],
            np.hypot(best.stderr[mine], best.systematic[mine]),
            color=DATA_COLOUR,
            marker=marker,
            label=f"$P = {count:g}$",
            **OPEN,
        )
    axes.set(xlabel=r"learning rate $\epsilon$", ylabel=r"$B_\mathrm{opt}$")
    page.panel_legend(axes, loc="best", fontsize=text_size(6))


def _draw_collapse(
    page: Sheet, axes: Axes, collapse: ScaleCollapse, colours: _Colours, counts: FloatArray
) -> None:
    """All curves against the noise scale."""
    for count, style in zip(counts, itertools.cycle(_STYLES), strict=False):
        for rate, colour in colours.items():
            rows = (collapse.learning_rate == rate) & (collapse.pattern_count == count)
            look = {"linestyle": style, "color": colour, "linewidth": 0.6}
            page.curve(axes, collapse.x[rows], collapse.value[rows], **look)
    axes.set(xlabel=r"noise scale $g = \epsilon(P/B - 1)$")
    axes.set_ylabel("error / lowest error")
