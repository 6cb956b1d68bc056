"""Histograms of the overlap as they change with time, or with the control."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from physbatch.plots.labels import OVERLAP_LABEL, cell_title, control_label_of, time_label_of
from physbatch.plots.style import (
    FIT_COLOUR,
    cell_edges,
    journal_style,
    label_decades,
    needs_decades,
    panel_axes,
    root_figure,
)
from physbatch.scaling.statistics.replica_overlaps import overlap_histograms, swept_dim

__all__ = ["plot_evolution"]

_BINS = 40
#: Lightness falls all the way, so that the figure is read in greyscale as well.
_SHARE = LinearSegmentedColormap.from_list("share", ["#ffffff", "#7fb8d8", "#22588f", "#0b1f3a"])


def plot_evolution(data: xr.Dataset, axes: Axes | None = None) -> Axes:
    """Draw the histogram of the overlap over replicas against time, or against the control.

    Every column is one histogram: the darker, the more replicas have that overlap. The line
    is the mean. Two dark bands at one time or control are coexistence; a band that moves is a
    continuous change.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of the schema with one size, and either one control (then the histograms are
        drawn against time) or one time (against the control).
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default a new single-column figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; the colour bar is a further axes of the figure.

    Raises
    ------
    physbatch.errors.AnalysisError
        If more than time or control is left besides the replicas.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> from physbatch.plots import plot_evolution
    >>> data = first_order()
    >>> plot_evolution(data.sel(size=400).isel(time=-1)).get_xlabel()
    'mini-batch size $m$'
    >>> plot_evolution(data.sel(size=400, batch_size=13.0)).get_xlabel()
    'run time $t$ (sweeps)'
    """
    along = swept_dim(data)
    times = np.asarray(data["time"].values, dtype=np.float64)
    logarithmic = along == "time" and needs_decades(times)
    if logarithmic:
        data = data.sel(time=times > 0.0)
    histograms = overlap_histograms(data, bins=_BINS)
    with journal_style():
        axes = panel_axes(axes, height=66.0)
        mesh = axes.pcolormesh(
            cell_edges(histograms.coordinate, logarithmic=logarithmic),
            histograms.edges,
            histograms.share.T,
            cmap=_SHARE,
            vmin=0.0,
            vmax=1.0,
            rasterized=True,
        )
        axes.plot(
            histograms.coordinate, histograms.mean, color=FIT_COLOUR, linewidth=0.9, gid="mean"
        )
        if logarithmic:
            axes.set_xscale("log")
            label_decades(axes.xaxis, histograms.coordinate)
        words = (
            time_label_of(str(data["time"].attrs.get("units", "")))
            if along == "time"
            else control_label_of(along)
        )
        low, high = histograms.edges[0], histograms.edges[-1]
        room = 0.02 * (high - low)
        axes.set(xlabel=words, ylabel=OVERLAP_LABEL, ylim=(low - room, high + room))
        axes.set_title(cell_title(data.squeeze()), loc="right", fontsize=8, pad=3)
        bar = root_figure(axes).colorbar(mesh, ax=axes, pad=0.02)
        bar.set_label("fraction of replicas")
    return axes
