"""Overlaps of single replicas, and the times at which replicas learn or escape."""

import math

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure, SubFigure

from physbatch.plots.labels import (
    OVERLAP_LABEL,
    cell_title,
    control_label_of,
    time_label_of,
    unit_text,
)
from physbatch.plots.style import (
    FIT_COLOUR,
    LIMIT_COLOUR,
    NOTE_COLOUR,
    SINGLE_COLUMN_MM,
    cell_edges,
    empty_panel,
    figure_in_mm,
    journal_style,
    label_decades,
    needs_decades,
    panel_axes,
    root_figure,
    size_palette,
    size_panel,
    title_style,
)
from physbatch.scaling.statistics.replica_overlaps import (
    OverlapSeries,
    overlap_histograms,
    overlap_series,
    swept_dim,
)
from physbatch.scaling.times.escapes import EscapeTimes
from physbatch.scaling.times.exponential import EscapeTime
from physbatch.scaling.times.passages import Survival
from physbatch.typing import FloatArray

_BINS = 40
_SHOWN = 24  # replicas; more lines hide each other
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
        units = str(data["time"].attrs.get("units", ""))
        words = time_label_of(units) if along == "time" else control_label_of(along)
        low, high = histograms.edges[0], histograms.edges[-1]
        room = 0.02 * (high - low)
        axes.set(xlabel=words, ylabel=OVERLAP_LABEL, ylim=(low - room, high + room))
        axes.set_title(cell_title(data.squeeze()), loc="right", **title_style())
        bar = root_figure(axes).colorbar(mesh, ax=axes, pad=0.02)
        bar.set_label("fraction of replicas")
    return axes


def plot_time_series(
    data: xr.Dataset,
    survival: Survival,
    escape: EscapeTime | None = None,
    figure: Figure | SubFigure | None = None,
) -> list[Axes]:
    """Draw the overlaps of replicas against time, and the distribution of learning times.

    Above: up to 24 replicas, and the mean over all of them (thick). Below: the fraction of
    replicas that have learned by the time t, 1 - S(t), as steps with a band of one standard
    error, and, dashed, the exponential law of `escape`. The time axis is logarithmic where it
    spans more than 1.5 decades.

    Parameters
    ----------
    data : xarray.Dataset
        One cell of a dataset of the schema: one size and one control.
    survival : Survival
        What `physbatch.scaling.times.passages.survival_curve` found in its first passages.
    escape : EscapeTime, optional
        What `physbatch.scaling.times.passages.fit_escape_time` found in them.
    figure : matplotlib.figure.Figure or SubFigure, optional
        Where to put the two panels; by default a new single-column figure.

    Returns
    -------
    list of matplotlib.axes.Axes
        The time series and the distribution.

    Raises
    ------
    physbatch.errors.AnalysisError
        If the data hold more than one cell.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> from physbatch.plots import plot_time_series
    >>> from physbatch.scaling.times.passages import survival_curve
    >>> cell = first_order().sel(size=50, batch_size=13.0)
    >>> survival = survival_curve(cell["first_passage_lower"], cell["first_passage"])
    >>> plot_time_series(cell, survival)[1].get_ylabel()
    'fraction learned'
    """
    series = overlap_series(data)
    with journal_style():
        figure = figure_in_mm(SINGLE_COLUMN_MM, 96.0) if figure is None else figure
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(1.3, 1.0))
        _draw_series(top, series)
        positive = series.time[series.time > 0.0]
        logarithmic = needs_decades(series.time)
        # Room after the end of the run, where a last step shows.
        end = float(series.time[-1]) * (1.1 if logarithmic else 1.02)
        _draw_learned(bottom, survival, end)
        if escape is not None:
            _draw_law(bottom, escape, positive)
        if logarithmic:
            top.set_xscale("log")
            label_decades(bottom.xaxis, positive)
        top.set_xlim(positive[0] if logarithmic else 0.0, end)
        bottom.set_xlabel(time_label_of(str(data["time"].attrs.get("units", ""))))
        top.set_title(cell_title(data.squeeze()), loc="right", **title_style())
    return [top, bottom]


def _draw_series(axes: Axes, series: OverlapSeries) -> None:
    """Single replicas as thin lines, and their mean."""
    (colour,) = size_palette([1.0])
    time = series.time
    for row in series.overlap[:_SHOWN]:
        axes.plot(time, row, color=colour, linewidth=0.6, alpha=0.45, zorder=2, gid="replica")
    if len(series.overlap):
        axes.plot(time, series.mean, color=FIT_COLOUR, linewidth=1.6, zorder=3, gid="mean")
    axes.set(ylabel=OVERLAP_LABEL, ylim=(None, 1.05))


def _draw_learned(axes: Axes, survival: Survival, end: float) -> None:
    # Steps hold until the next one, the last until the end of the run.
    time, learned, low, high = survival.passed_steps(end)
    (colour,) = size_palette([1.0])
    axes.fill_between(time, low, high, step="post", color=colour, alpha=0.25, linewidth=0)
    axes.plot(time, learned, drawstyle="steps-post", color=colour, gid="learned")
    axes.set(ylabel="fraction learned", ylim=(-0.03, 1.03))
    words = f"{survival.passed} of {survival.replicas} learned"
    axes.set_title(words, loc="left", color=NOTE_COLOUR, **title_style())


def _draw_law(axes: Axes, escape: EscapeTime, times: FloatArray) -> None:
    """The exponential law after its delay; nothing where the fit gave no tau."""
    if not math.isfinite(escape.tau.value):
        return
    time = np.geomspace(times[0], times[-1], 301)
    law = escape.passed_by(time)
    axes.plot(time, law, color=LIMIT_COLOUR, linewidth=0.9, linestyle=(0, (4, 2)), gid="law")
    axes.set_title(rf"$\tau = {escape.tau}$", loc="right", color=LIMIT_COLOUR, **title_style())


def plot_escape_times(times: EscapeTimes, axes: Axes | None = None) -> Axes:
    """Draw the mean escape time of each size against the control, on a logarithmic axis.

    Bars are the 68 % intervals of the profile likelihood.

    Parameters
    ----------
    times : EscapeTimes
        What `physbatch.scaling.times.escapes.escape_times` returned.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default a new single-column figure.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> from physbatch.plots import plot_escape_times
    >>> from physbatch.scaling.times.escapes import escape_times
    >>> plot_escape_times(escape_times(first_order(sizes=(50, 100)))).get_yscale()
    'log'
    """
    with size_panel(axes, np.unique(times.size).tolist(), legend=True) as (axes, styles):
        axes.set_yscale("log")
        known = np.isfinite(times.tau) & (times.lower68 > 0.0) & np.isfinite(times.upper68)
        if not known.any():
            empty_panel(axes, "no escape time is known")
        for size, style in styles.items():
            rows = known & (times.size == size)
            tau = times.tau[rows]
            errors = (tau - times.lower68[rows], times.upper68[rows] - tau)
            axes.errorbar(times.control[rows], tau, errors, linewidth=0.7, elinewidth=0.7, **style)
        unit = unit_text(times.time_units)
        axes.set(
            xlabel=control_label_of(times.control_name), ylabel=rf"mean escape time $\tau${unit}"
        )
    return axes
