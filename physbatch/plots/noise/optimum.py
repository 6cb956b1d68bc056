"""Generalisation against the mini-batch size, the optimum, and the collapse against g."""

import itertools

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from physbatch.noise.best_batch import BatchCurves, OptimumBatch
from physbatch.noise.rescaled_curves import ScaleCollapse
from physbatch.plots.style import (
    DATA_COLOUR,
    DOUBLE_COLUMN_MM,
    OPEN,
    figure_in_mm,
    journal_style,
    plain_numbers,
    size_palette,
    text_size,
)
from physbatch.typing import FloatArray

#: Of each learning rate.
_Colours = dict[float, tuple[float, float, float]]

_MARKERS = "osD^vP"
_STYLES = (":", "--", "-")


def plot_optimum(curves: BatchCurves, best: OptimumBatch, collapse: ScaleCollapse) -> Figure:
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
    >>> len(plot_optimum(batch_curves(data), best, scale_collapse(data)).axes)
    3
    """
    rates, counts = np.unique(best.learning_rate), np.unique(best.pattern_count)
    colours = dict(zip(rates, size_palette(list(rates)), strict=True))
    markers = dict(zip(counts, itertools.cycle(_MARKERS), strict=False))
    with journal_style():
        figure = figure_in_mm(DOUBLE_COLUMN_MM, 52.0)
        left, middle, right = figure.subplots(1, 3)
        _draw_curves(left, curves, counts[-1], colours, markers[counts[-1]])
        _draw_minima(middle, best, markers)
        _draw_collapse(right, collapse, colours, counts)
        for axes in (left, middle, right):
            _label(axes)
    return figure


def _draw_curves(
    axes: Axes, curves: BatchCurves, count: float, colours: _Colours, marker: str
) -> None:
    """Error against the batch size, for one number of patterns."""
    table = curves.table
    for number in np.flatnonzero(curves.pattern_count == count):
        rows = table.size == number + 1
        rate = curves.learning_rate[number]
        axes.errorbar(
            np.exp(table.control[rows]),
            table.values["error"][rows],
            table.errors["error"][rows],
            color=colours[rate],
            marker=marker,
            markersize=2.5,
            label=rf"$\epsilon = {rate:g}$",
        )
    axes.set(xscale="log", yscale="log", xlabel="mini-batch size $m$")
    axes.set_ylabel(f"error, $P = {count:g}$")
    axes.legend(loc="best", fontsize=text_size(6))


def _draw_minima(axes: Axes, best: OptimumBatch, markers: dict[float, str]) -> None:
    """The best batch size against the learning rate, one marker for each number of patterns."""
    for count, marker in markers.items():
        mine = (best.pattern_count == count) & np.isfinite(best.batch_size)
        axes.errorbar(
            best.learning_rate[mine],
            best.batch_size[mine],
            np.hypot(best.stderr[mine], best.systematic[mine]),
            color=DATA_COLOUR,
            marker=marker,
            label=f"$P = {count:g}$",
            **OPEN,
        )
    axes.set(xscale="log", yscale="log", xlabel=r"learning rate $\epsilon$")
    axes.set_ylabel(r"$B_\mathrm{opt}$")
    axes.legend(loc="best", fontsize=text_size(6))


def _draw_collapse(
    axes: Axes, collapse: ScaleCollapse, colours: _Colours, counts: FloatArray
) -> None:
    """All curves against the noise scale."""
    for count, style in zip(counts, itertools.cycle(_STYLES), strict=False):
        for rate, colour in colours.items():
            rows = (collapse.learning_rate == rate) & (collapse.pattern_count == count)
            axes.plot(collapse.x[rows], collapse.value[rows], style, color=colour, linewidth=0.6)
    axes.set(xscale="log", yscale="log", xlabel=r"noise scale $g = \epsilon(P/B - 1)$")
    axes.set_ylabel("error / lowest error")


def _label(axes: Axes) -> None:
    """Numbers instead of powers of ten where an axis spans few decades."""
    for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        if high < 300 * low:
            plain_numbers(axis, None if high < 100 * low else LogLocator(subs=(1.0,)))
        axis.set_minor_formatter(NullFormatter())
