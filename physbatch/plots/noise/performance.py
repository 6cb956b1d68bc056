"""Error at the end over the mini-batch size and the learning rate."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.ticker import LogLocator

from physbatch.noise.performance import PerformanceMap
from physbatch.plots.style import (
    LIMIT_COLOUR,
    cell_edges,
    journal_style,
    panel_axes,
    plain_numbers,
    root_figure,
)

__all__ = ["plot_performance"]


def plot_performance(
    performance: PerformanceMap, axes: Axes | None = None, *, label: str = "generalisation error"
) -> Axes:
    """Draw the mean error as a map; circles are the best learning rate of each batch size.

    Filled circles are batch sizes that are as good as the best within two standard errors;
    white cells are those in which half or more of the replicas diverged.

    Parameters
    ----------
    performance : PerformanceMap
        What `physbatch.noise.performance.performance_map` returned.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default a new single-column figure.
    label : str
        Of the colour bar.

    Examples
    --------
    >>> from physbatch.exact.batch_noise import optimum_batch_data
    >>> from physbatch.noise.performance import performance_map
    >>> planted = optimum_batch_data(pattern_counts=(200,)).squeeze("pattern_count")
    >>> plot_performance(performance_map(planted)).get_xscale()
    'log'
    """
    with journal_style():
        axes = panel_axes(axes, height=70.0)
        lowest = float(np.nanmin(performance.error))
        highest = float(np.nanmax(performance.error))
        mesh = axes.pcolormesh(
            cell_edges(performance.batch_size),
            cell_edges(performance.learning_rate),
            np.ma.masked_invalid(performance.error.T),
            cmap="viridis_r",
            norm=LogNorm(lowest, max(highest, 1.0001 * lowest)),
            rasterized=True,
        )
        known = np.isfinite(performance.best_error)
        for good, face in ((True, LIMIT_COLOUR), (False, "white")):
            chosen = known & (performance.as_good == good)
            axes.plot(
                performance.batch_size[chosen],
                performance.best_rate[chosen],
                "o",
                color=LIMIT_COLOUR,
                markerfacecolor=face,
                markersize=3.5,
            )
        axes.set(xscale="log", yscale="log", xlabel="mini-batch size $m$")
        axes.set_ylabel(r"learning rate $\eta_\mathrm{base}$")
        plain_numbers(axes.xaxis, LogLocator(base=2))
        bar = root_figure(axes).colorbar(mesh, ax=axes, pad=0.02)
        bar.set_label(label)
        if highest < 30 * lowest:
            plain_numbers(bar.ax.yaxis)
    return axes
