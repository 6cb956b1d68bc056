"""Escape times against the control, one line a size."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from physbatch.plots.labels import control_label_of, plain_text, plural
from physbatch.plots.style import (
    empty_panel,
    journal_style,
    panel_axes,
    size_legend,
    size_styles,
)
from physbatch.scaling.times.escapes import EscapeTimes

__all__ = ["plot_escape_times"]


def plot_escape_times(times: EscapeTimes, axes: Axes | None = None, *, legend: bool = True) -> Axes:
    """Draw the mean escape time of each size against the control, on a logarithmic axis.

    Bars are the 68 % intervals of the profile likelihood.

    Parameters
    ----------
    times : EscapeTimes
        What `physbatch.scaling.times.escapes.escape_times` returned.
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
    >>> from physbatch.scaling.times.escapes import escape_times
    >>> plot_escape_times(escape_times(first_order(sizes=(50, 100)))).get_yscale()
    'log'
    """
    with journal_style():
        axes = panel_axes(axes)
        styles = size_styles(np.unique(times.size).tolist())
        axes.set_yscale("log")
        known = np.isfinite(times.tau) & (times.lower68 > 0.0) & np.isfinite(times.upper68)
        if not known.any():
            empty_panel(axes, "no escape time is known")
        for size, style in styles.items():
            rows = known & (times.size == size)
            tau = times.tau[rows]
            axes.errorbar(
                times.control[rows],
                tau,
                (tau - times.lower68[rows], times.upper68[rows] - tau),
                linewidth=0.7,
                elinewidth=0.7,
                **style,
            )
        unit = f" ({plain_text(plural(times.time_units))})" if times.time_units else ""
        axes.set(
            xlabel=control_label_of(times.control_name), ylabel=rf"mean escape time $\tau${unit}"
        )
        if legend:
            size_legend(axes, styles)
    return axes
