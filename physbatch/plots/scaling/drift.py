"""m_c against run time: how far the answer depends on how long one waits."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes

from physbatch.plots.labels import critical_axis_label, time_axis_label
from physbatch.plots.style import (
    empty_panel,
    journal_style,
    label_decades,
    panel_axes,
    size_legend,
    size_styles,
)
from physbatch.scaling.transition.result import Analysis

__all__ = ["plot_drift"]


def plot_drift(analysis: Analysis, axes: Axes | None = None, *, legend: bool = True) -> Axes:
    """Draw m_c(N, t) against the run time, on a logarithmic axis, with the fitted lines.

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
        The axes.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> from physbatch.plots import plot_drift
    >>> from physbatch.scaling import analyse
    >>> plot_drift(analyse(first_order())).get_xscale()
    'log'
    """
    with journal_style():
        axes = panel_axes(axes)
        styles = size_styles([curve.size for curve in analysis.curves])
        _log_time_axis(axes, analysis)
        drawn = [drift for drift in analysis.drifts if np.isfinite(drift.m_c).any()]
        for drift in drawn:
            style = styles[float(drift.size)]
            axes.errorbar(
                drift.time,
                drift.m_c,
                drift.m_c_stderr,
                linestyle="none",
                elinewidth=0.7,
                zorder=3,
                **style,
            )
            if math.isfinite(drift.slope.value) and math.isfinite(drift.intercept):
                # Early times that bend away are not part of the fit.
                ends = np.array([drift.window_start, drift.window_end])
                axes.plot(ends, drift.line(ends), color=style["color"], zorder=2)
        if not drawn:
            empty_panel(axes, "no drift measured")
        axes.set(
            xlabel=time_axis_label(analysis),
            ylabel=critical_axis_label(analysis),
        )
        if legend:
            size_legend(axes, styles)
    return axes


def _log_time_axis(axes: Axes, analysis: Analysis) -> None:
    """A logarithmic axis of the times at which m_c is known."""
    axes.set_xscale("log")
    times = [time for drift in analysis.drifts for time in drift.time]
    if times and min(times) == max(times):  # or all ticks would read the same
        axes.set_xlim(times[0] / 3.0, times[0] * 3.0)
    label_decades(axes.xaxis, times)
