"""Generalisation against the mini-batch size, the optimum, and the collapse against g."""

from __future__ import annotations

import itertools

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from physbatch.noise.optimum_batch import BatchCurves, OptimumBatch
from physbatch.noise.scale_collapse import ScaleCollapse
from physbatch.plots.style import (
    DOUBLE_COLUMN_MM,
    figure_in_mm,
    journal_style,
    size_palette,
)

__all__ = ["plot_optimum"]

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
    >>> from physbatch.noise.optimum_batch import batch_curves, optimum_batch
    >>> from physbatch.noise.scale_collapse import scale_collapse
    >>> data = optimum_batch_data(replicas=8)
    >>> best = optimum_batch(data, resamples=30)
    >>> len(plot_optimum(batch_curves(data), best, scale_collapse(data)).axes)
    3
    """
    rates, counts = np.unique(best.learning_rate), np.unique(best.pattern_count)
    colours = dict(zip(rates, size_palette(list(rates)), strict=True))
    markers = dict(zip(counts, _MARKERS, strict=False))
    styles = dict(zip(counts, itertools.cycle(_STYLES), strict=False))
    with journal_style():
        figure = figure_in_mm(DOUBLE_COLUMN_MM, 52.0)
        left, middle, right = figure.subplots(1, 3)
        table = curves.table
        shown = np.flatnonzero(curves.pattern_count == counts[-1])
        for number in shown:
            rows = table.size == number + 1
            rate = curves.learning_rate[number]
            left.errorbar(
                np.exp(table.control[rows]),
                table.values["error"][rows],
                table.errors["error"][rows],
                color=colours[rate],
                marker=markers[counts[-1]],
                markersize=2.5,
                label=rf"$\epsilon = {rate:g}$",
            )
        left.set(xscale="log", yscale="log", xlabel="mini-batch size $m$")
        left.set_ylabel(f"error, $P = {counts[-1]:g}$")
        left.legend(loc="best", fontsize=6)
        for count in counts:
            mine = (best.pattern_count == count) & np.isfinite(best.batch_size)
            middle.errorbar(
                best.learning_rate[mine],
                best.batch_size[mine],
                np.hypot(best.stderr[mine], best.systematic[mine]),
                color="#2166ac",
                marker=markers[count],
                markersize=3.5,
                markerfacecolor="white",
                label=f"$P = {count:g}$",
            )
        middle.set(xscale="log", yscale="log", xlabel=r"learning rate $\epsilon$")
        middle.set_ylabel(r"$B_\mathrm{opt}$")
        middle.legend(loc="best", fontsize=6)
        for count in counts:
            for rate in rates:
                rows = (collapse.learning_rate == rate) & (collapse.pattern_count == count)
                right.plot(
                    collapse.x[rows],
                    collapse.value[rows],
                    styles[count],
                    color=colours[rate],
                    linewidth=0.6,
                )
        right.set(xscale="log", yscale="log", xlabel=r"noise scale $g = \epsilon(P/B - 1)$")
        right.set_ylabel("error / lowest error")
        for axes in (left, middle, right):
            _plain_numbers(axes)
    return figure


def _plain_numbers(axes: Axes) -> None:
    """Numbers instead of powers of ten where an axis spans few decades."""
    for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        if high < 300 * low:
            subs = (1.0, 2.0, 5.0) if high < 100 * low else (1.0,)
            axis.set_major_locator(LogLocator(subs=subs))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
