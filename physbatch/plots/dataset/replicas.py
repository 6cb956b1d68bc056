"""Overlaps of single replicas, and the times at which replicas learn or escape."""

import math
from typing import Unpack

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from physbatch.dataset import time_unit
from physbatch.plots.docstrings import documented
from physbatch.plots.drawn import Drawn
from physbatch.plots.labels import OVERLAP_LABEL, time_label_of, unit_text
from physbatch.plots.layouts import Stack
from physbatch.plots.options import Options, Where
from physbatch.plots.sheet import Sheet, new_sheet
from physbatch.plots.style import (
    FIT_COLOUR,
    LIMIT_COLOUR,
    NOTE_COLOUR,
    empty_panel,
)
from physbatch.plots.ticks import cell_edges, in_decades, needs_decades
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

_MAP = Stack(66.0)
_SERIES = Stack(96.0, (1.3, 1.0))
_BINS = 40
_SHOWN = 24  # replicas; more lines hide each other
#: Lightness falls all the way, so that the figure is read in greyscale as well.
SHARE = LinearSegmentedColormap.from_list("share", ["#ffffff", "#7fb8d8", "#22588f", "#0b1f3a"])


@documented("one column wide")
def plot_evolution(data: xr.Dataset, ax: Where = None, **options: Unpack[Options]) -> Drawn:
    """Draw the histogram of the overlap over replicas against time, or against the control.

    Every column is one histogram: the darker, the more replicas have that overlap. The line
    is the mean. Two dark bands at one time or control are coexistence; a band that moves is a
    continuous change.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of the schema with one size, and either one control (then the histograms are
        drawn against time) or one time (against the control).

    Raises
    ------
    physbatch.errors.AnalysisError
        If more than time or control is left besides the replicas.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> from physbatch.plots import plot_evolution
    >>> data = first_order()
    >>> plot_evolution(data.sel(size=400).isel(time=-1)).ax.get_xlabel()
    'mini-batch size $m$'
    >>> plot_evolution(data.sel(size=400, batch_size=13.0)).ax.get_xlabel()
    'run time $t$ (sweeps)'
    """
    along = swept_dim(data)
    times = np.asarray(data["time"].values, dtype=np.float64)
    logarithmic = along == "time" and needs_decades(times)
    if logarithmic:
        data = data.sel(time=times > 0.0)
    histograms = overlap_histograms(data, bins=_BINS)
    with new_sheet(ax, options) as page:
        axes = page.lay_out(["evolution"], _MAP)["evolution"]
        mesh = axes.pcolormesh(
            cell_edges(histograms.coordinate, logarithmic=logarithmic),
            histograms.edges,
            histograms.share.T,
            cmap=page.colour_map(SHARE),
            vmin=0.0,
            vmax=1.0,
            rasterized=True,
        )
        line = (histograms.coordinate, histograms.mean)
        page.curve(axes, *line, color=FIT_COLOUR, linewidth=0.9, gid="mean")
        if logarithmic:
            in_decades(axes, "x")
        units = time_unit(data)
        words = time_label_of(units) if along == "time" else page.labels.control(along)
        low, high = histograms.edges[0], histograms.edges[-1]
        room = 0.02 * (high - low)
        name = page.labels.observable("overlap", OVERLAP_LABEL)
        axes.set(xlabel=words, ylabel=name, ylim=(low - room, high + room))
        page.title(axes, page.labels.cell(data.squeeze()), loc="right")
        page.bar(mesh, axes, "fraction of replicas")
        return page.drawn()


@documented("one column wide; the panels are called series and learned")
def plot_time_series(
    data: xr.Dataset,
    survival: Survival,
    escape: EscapeTime | None = None,
    ax: Where = None,
    **options: Unpack[Options],
) -> Drawn:
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
    >>> list(plot_time_series(cell, survival).panels)
    ['series', 'learned']
    """
    series = overlap_series(data)
    positive = series.time[series.time > 0.0]
    logarithmic = needs_decades(series.time)
    # Room after the end of the run, where a last step shows.
    end = float(series.time[-1]) * (1.1 if logarithmic else 1.02)
    with new_sheet(ax, options) as page:
        panels = page.lay_out(["series", "learned"], _SERIES)
        if "series" in panels:
            _draw_series(page, panels["series"], series)
            page.title(panels["series"], page.labels.cell(data.squeeze()), loc="right")
        if "learned" in panels:
            _draw_learned(page, panels["learned"], survival, end)
            if escape is not None:
                _draw_law(page, panels["learned"], escape, positive)
        for axes in panels.values():
            if logarithmic:
                in_decades(axes, "x")
            axes.set_xlim(positive[0] if logarithmic else 0.0, end)
        axes.set_xlabel(time_label_of(time_unit(data)))
        page.align(*panels.values())
        return page.drawn()


def _draw_series(page: Sheet, axes: Axes, series: OverlapSeries) -> None:
    """Single replicas as thin lines, and their mean."""
    (colour,) = page.colours([1.0])
    time = series.time
    for row in series.overlap[:_SHOWN]:
        axes.plot(time, row, color=colour, linewidth=0.6, alpha=0.45, zorder=2, gid="replica")
    if len(series.overlap):
        look = {"color": FIT_COLOUR, "linewidth": 1.6, "zorder": 3, "gid": "mean"}
        page.curve(axes, time, series.mean, **look)
    axes.set(ylabel=page.labels.observable("overlap", OVERLAP_LABEL), ylim=(None, 1.05))


def _draw_learned(page: Sheet, axes: Axes, survival: Survival, end: float) -> None:
    # Steps hold until the next one, the last until the end of the run.
    time, learned, low, high = survival.passed_steps(end)
    (colour,) = page.colours([1.0])
    axes.fill_between(time, low, high, step="post", color=colour, alpha=0.25, linewidth=0)
    axes.plot(time, learned, drawstyle="steps-post", color=colour, gid="learned")
    axes.set(ylabel="fraction learned", ylim=(-0.03, 1.03))
    words = f"{survival.passed} of {survival.replicas} learned"
    page.title(axes, words, loc="left", color=NOTE_COLOUR)


def _draw_law(page: Sheet, axes: Axes, escape: EscapeTime, times: FloatArray) -> None:
    """The exponential law after its delay; nothing where the fit gave no tau."""
    if not math.isfinite(escape.tau.value):
        return
    time = np.geomspace(times[0], times[-1], 301)
    look = {"color": LIMIT_COLOUR, "linewidth": 0.9, "linestyle": (0, (4, 2)), "gid": "law"}
    page.curve(axes, time, escape.passed_by(time), **look)
    page.title(axes, rf"$\tau = {escape.tau}$", loc="right", color=LIMIT_COLOUR)


@documented("one column wide")
def plot_escape_times(times: EscapeTimes, ax: Where = None, **options: Unpack[Options]) -> Drawn:
    """Draw the mean escape time of each size against the control, on a logarithmic axis.

    Bars are the 68 % intervals of the profile likelihood.

    Parameters
    ----------
    times : EscapeTimes
        What `physbatch.scaling.times.escapes.escape_times` returned.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> from physbatch.plots import plot_escape_times
    >>> from physbatch.scaling.times.escapes import escape_times
    >>> plot_escape_times(escape_times(first_order(sizes=(50, 100)))).ax.get_yscale()
    'log'
    """
    with new_sheet(ax, options) as page:
        axes = page.lay_out(["escape times"])["escape times"]
        styles = page.sizes(times.size)
        in_decades(axes, "y")
        known = np.isfinite(times.tau) & (times.lower68 > 0.0) & np.isfinite(times.upper68)
        if not known.any():
            empty_panel(axes, "no escape time is known")
        for size, style in styles.items():
            rows = known & (times.size == size)
            tau = times.tau[rows]
            errors = (tau - times.lower68[rows], times.upper68[rows] - tau)
            look = style | {"linewidth": 0.7, "elinewidth": 0.7}
            page.points(axes, times.control[rows], tau, errors, **look)
        unit = unit_text(times.time_units)
        control = page.labels.control(times.control_name)
        axes.set(xlabel=control, ylabel=rf"mean escape time $\tau${unit}")
        page.size_legend(styles)
        return page.drawn()
