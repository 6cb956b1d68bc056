"""The plane of batch size and learning rate: where learning fails, and the stability line."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import LogLocator

from physbatch.noise.stability import StableRange
from physbatch.noise.transitions import learned_plane
from physbatch.plots.style import (
    DATA_COLOUR,
    LIMIT_COLOUR,
    NOTE_COLOUR,
    cell_edges,
    journal_style,
    panel_axes,
    plain_numbers,
    root_figure,
)

__all__ = ["plot_phase_diagram"]


#: From white (nobody learns) to blue (everybody does): ordered in greyscale as well.
_SUCCESS = LinearSegmentedColormap.from_list("success", ["#f7f7f7", "#92c5de", DATA_COLOUR])


def plot_phase_diagram(
    data: xr.Dataset, thresholds: StableRange, axes: Axes | None = None, size: float | None = None
) -> Axes:
    """Draw the fraction of replicas that learn over m and the learning rate of one size.

    Crosses mark points at which half or more of the replicas diverged; the line with error bars
    is the upper end of the stable range.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of the schema swept over ``learning_rate`` and the batch size.
    thresholds : StableRange
        What `physbatch.noise.stability` found in it.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default a new single-column figure.
    size : float, optional
        Which size; by default the largest.

    Examples
    --------
    >>> from physbatch.exact.batch_noise import stable_range_data
    >>> from physbatch.noise.stability import stable_range
    >>> data = stable_range_data(replicas=10)
    >>> plot_phase_diagram(data, stable_range(data)).get_yscale()
    'log'
    """
    with journal_style():
        axes = panel_axes(axes, height=74.0)
        sizes = np.asarray(data["size"].values, dtype=np.float64)
        chosen = float(sizes[-1] if size is None else size)
        plane = learned_plane(data, float(sizes[np.argmin(np.abs(sizes - chosen))]))
        m, rates = plane.batch_size, plane.learning_rate
        mesh = axes.pcolormesh(
            cell_edges(m),
            cell_edges(rates),
            plane.learned,
            cmap=_SUCCESS,
            vmin=0,
            vmax=1,
            rasterized=True,
        )
        gone = np.argwhere(plane.diverged >= 0.5)
        axes.plot(m[gone[:, 1]], rates[gone[:, 0]], "x", color=NOTE_COLOUR, markersize=3)
        mine = np.isclose(thresholds.size, chosen) & np.isfinite(thresholds.learning_rate)
        axes.errorbar(
            thresholds.batch_size[mine],
            thresholds.learning_rate[mine],
            np.hypot(thresholds.stderr[mine], thresholds.systematic[mine]),
            color=LIMIT_COLOUR,
            marker="o",
            markerfacecolor="white",
            gid="threshold",
        )
        axes.set(xscale="log", yscale="log", xlabel="mini-batch size $m$")
        axes.set_ylabel(r"learning rate (base) $\eta$")
        if m.max() < 1000 * m.min():
            plain_numbers(axes.xaxis, LogLocator(base=2 if m.max() > 30 * m.min() else 10))
        axes.set_title(f"$N = {chosen:g}$", fontsize=8, pad=3)
        bar = root_figure(axes).colorbar(mesh, ax=axes, pad=0.02)
        bar.set_label("fraction of replicas that learn")
    return axes
