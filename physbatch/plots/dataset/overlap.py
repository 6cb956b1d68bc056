"""The mean overlap against the control: the order parameter jumps or grows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from physbatch.plots.labels import OVERLAP_LABEL, control_axis_label
from physbatch.plots.style import journal_style, panel_axes, size_legend, size_styles
from physbatch.scaling.transition.result import Analysis
from physbatch.typing import FloatArray

__all__ = ["plot_overlap"]

# The names in `Analysis.moments`, in one place.
_MEAN, _ERROR = "overlap_mean", "overlap_mean_stderr"


class _MeanOverlap(NamedTuple):
    control: FloatArray
    mean: FloatArray
    stderr: FloatArray


def plot_overlap(analysis: Analysis, axes: Axes | None = None, *, legend: bool = True) -> Axes:
    """Draw the mean overlap of each size against the control, at the last time.

    Parameters
    ----------
    analysis : Analysis
        What `physbatch.scaling.analyse` returned.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default a new single-column figure.
    legend : bool
        Put a legend of the sizes above the axes.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; ``axes.figure`` is the figure.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> from physbatch.plots import plot_overlap
    >>> from physbatch.scaling import analyse
    >>> plot_overlap(analyse(first_order())).get_ylabel()
    'overlap $q$'
    """
    with journal_style():
        axes = panel_axes(axes)
        styles = size_styles([curve.size for curve in analysis.curves])
        for size, style in styles.items():
            data = _mean_overlap(analysis, size)
            axes.errorbar(
                data.control, data.mean, data.stderr, linewidth=0.7, elinewidth=0.7, **style
            )
        axes.set(xlabel=control_axis_label(analysis), ylabel=OVERLAP_LABEL, ylim=(None, 1.05))
        if legend:
            size_legend(axes, styles)
    return axes


def _mean_overlap(analysis: Analysis, size: float) -> _MeanOverlap:
    """Mean overlap of one size at the last time, where there are data."""
    at_size = analysis.moments.sel(size=size)
    if "time" in at_size.dims:
        at_size = at_size.sel(time=analysis.time, method="nearest")
    control = np.asarray(at_size[analysis.control_name].values, dtype=np.float64)
    mean = np.asarray(at_size[_MEAN].values, dtype=np.float64)
    there = np.isfinite(mean)
    stderr = np.asarray(at_size[_ERROR].values, dtype=np.float64)
    return _MeanOverlap(control[there], mean[there], np.nan_to_num(stderr[there]))
