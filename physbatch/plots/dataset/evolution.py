"""Histograms of the overlap as they change with time, or with the control."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from physbatch.dataset import CONTROL_DIMS, STATUS_OK
from physbatch.errors import AnalysisError
from physbatch.plots.dataset.cell import cell_title, only_dims
from physbatch.plots.labels import OVERLAP_LABEL, control_label_of, time_label_of
from physbatch.plots.style import FIT_COLOUR, journal_style, label_decades, panel_axes, root_figure

__all__ = ["plot_evolution"]

_BINS = 40
_DECADES = 1.5  # a span above which the time axis is logarithmic
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
    across = _axis(data)
    cell = only_dims(data, "replica", across)
    ok = cell["status"] == STATUS_OK
    overlap = cell["overlap"].where(ok).transpose(across, "replica").values
    places = np.asarray(cell[across].values, dtype=np.float64)
    logarithmic = across == "time" and places[-1] > 10**_DECADES * places[places > 0.0][0]
    if logarithmic:
        overlap, places = overlap[places > 0.0], places[places > 0.0]
    known = overlap[np.isfinite(overlap)]
    edges = np.linspace(
        min(0.0, known.min(initial=0.0)), max(1.0, known.max(initial=1.0)), _BINS + 1
    )
    count = np.array([np.histogram(row[np.isfinite(row)], bins=edges)[0] for row in overlap])
    share = count / np.maximum(count.sum(axis=1, keepdims=True), 1)
    with journal_style():
        axes = panel_axes(axes, height=66.0)
        mesh = axes.pcolormesh(
            _column_edges(places, logarithmic=logarithmic),
            edges,
            share.T,
            cmap=_SHARE,
            vmin=0.0,
            vmax=1.0,
            rasterized=True,
        )
        axes.plot(
            places, [_mean(row) for row in overlap], color=FIT_COLOUR, linewidth=0.9, gid="mean"
        )
        if logarithmic:
            axes.set_xscale("log")
            label_decades(axes.xaxis, places)
        words = (
            time_label_of(str(cell["time"].attrs.get("units", "")))
            if across == "time"
            else control_label_of(across)
        )
        room = 0.02 * (edges[-1] - edges[0])
        axes.set(xlabel=words, ylabel=OVERLAP_LABEL, ylim=(edges[0] - room, edges[-1] + room))
        axes.set_title(cell_title(cell), loc="right", fontsize=8, pad=3)
        bar = root_figure(axes).colorbar(mesh, ax=axes, pad=0.02)
        bar.set_label("fraction of replicas")
    return axes


def _axis(data: xr.Dataset) -> str:
    """What the histograms are drawn against: the longer of time and control that is left."""
    left = [dim for dim in ("time", *CONTROL_DIMS) if data.sizes.get(dim, 1) > 1]
    if len(left) != 1:
        raise AnalysisError(
            f"{' and '.join(left) or 'neither time nor control'} left with more than one value",
            where="plot_evolution",
            remedy="select one time, data.isel(time=-1), or one control, data.sel(batch_size=13)",
        )
    return left[0]


def _mean(row: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    known = row[np.isfinite(row)]
    return float(known.mean()) if known.size else float("nan")


def _column_edges(
    places: np.ndarray[tuple[int], np.dtype[np.float64]], *, logarithmic: bool
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Edges half-way between the columns, in logarithms on a logarithmic axis."""
    at = np.log(places) if logarithmic else places
    middle = 0.5 * (at[1:] + at[:-1])
    edges = np.concatenate([[2.0 * at[0] - middle[0]], middle, [2.0 * at[-1] - middle[-1]]])
    return np.exp(edges) if logarithmic else edges
