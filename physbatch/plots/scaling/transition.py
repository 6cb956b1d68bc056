"""The transition at finite size: overlap and success against the control, m_c against run time."""

import math

import numpy as np
from matplotlib.axes import Axes

from physbatch.plots.labels import (
    SUCCESS_LABEL,
    control_axis_label,
    critical_axis_label,
    critical_mark,
    order_parameter_label,
    time_label_of,
)
from physbatch.plots.style import (
    LIMIT_COLOUR,
    POINTS,
    SizeStyle,
    empty_panel,
    label_decades,
    note_above,
    size_panel,
)
from physbatch.scaling.transition.result import Analysis, SuccessCurve
from physbatch.typing import FloatArray


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

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> from physbatch.plots import plot_overlap
    >>> from physbatch.scaling import analyse
    >>> plot_overlap(analyse(first_order())).get_ylabel()
    'overlap $q$'
    """
    sizes = [curve.size for curve in analysis.curves]
    with size_panel(axes, sizes, legend=legend) as (axes, styles):
        for size, style in styles.items():
            points = _mean_overlap(analysis, size)
            axes.errorbar(*points, linewidth=0.7, elinewidth=0.7, **style)
        axes.set(xlabel=control_axis_label(analysis), ylabel=order_parameter_label(analysis))
        if analysis.observable == "overlap":
            axes.set_ylim(None, 1.05)
    return axes


def _mean_overlap(analysis: Analysis, size: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Controls, mean overlap of one size at the last time and its error, where there are data."""
    at_size = analysis.moments.sel(size=size)
    if "time" in at_size.dims:
        at_size = at_size.sel(time=analysis.time, method="nearest")
    control = np.asarray(at_size[analysis.control_name].values, dtype=np.float64)
    mean = np.asarray(at_size["overlap_mean"].values, dtype=np.float64)
    there = np.isfinite(mean)
    stderr = np.asarray(at_size["overlap_mean_stderr"].values, dtype=np.float64)
    return control[there], mean[there], np.nan_to_num(stderr[there])


def plot_success(analysis: Analysis, axes: Axes | None = None, *, legend: bool = True) -> Axes:
    """Draw success fractions with 68 % intervals, the fitted curves, and m_c.

    Where a fit gave no width, a bar near P = 1/2 shows between which controls m_c lies. The
    dashed line is m_c for N to infinity (of the largest size where there is no limit), the
    band its statistical error.

    Parameters
    ----------
    analysis : Analysis
        What `physbatch.scaling.analyse` returned.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default a new single-column figure.
    legend : bool
        Put a legend of the sizes above the axes.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> from physbatch.plots import plot_success
    >>> from physbatch.scaling import analyse
    >>> plot_success(analyse(first_order())).get_ylabel()
    'success probability $P$'
    """
    sizes = [curve.size for curve in analysis.curves]
    with size_panel(axes, sizes, legend=legend) as (axes, styles):
        for rank, curve in enumerate(analysis.curves):
            style = styles[float(curve.size)]
            _draw_fractions(axes, curve, style)
            if curve.resolved:
                control = np.linspace(np.min(curve.control), np.max(curve.control), 401)
                axes.plot(control, curve.probability(control), color=style["color"], zorder=2)
            else:
                height = 0.5 + 0.035 * (rank - (len(analysis.curves) - 1) / 2)
                _draw_bracket(axes, curve, style, height)
        _mark_critical(axes, analysis)
        axes.set(xlabel=control_axis_label(analysis), ylabel=SUCCESS_LABEL, ylim=(-0.05, 1.05))
    return axes


def _draw_fractions(axes: Axes, curve: SuccessCurve, style: SizeStyle) -> None:
    low, high = curve.fraction_interval
    # Rounding can put a fraction of 0 or 1 outside its own interval by one last digit.
    errors = np.maximum([curve.fraction - low, high - curve.fraction], 0.0)
    axes.errorbar(curve.control, curve.fraction, errors, **POINTS, **style)


def _draw_bracket(axes: Axes, curve: SuccessCurve, style: SizeStyle, height: float) -> None:
    """A bar from the last control with less than half to the first with more.

    The heights differ a little, since the bars of many sizes often coincide.
    """
    if curve.bracket is not None:
        look: SizeStyle = {"marker": "|", "markersize": 6, "markeredgewidth": 1.1, "linewidth": 1.1}
        look |= {"color": style["color"], "gid": f"bracket-{curve.size:g}"}
        axes.plot(curve.bracket, (height, height), **look)


def _mark_critical(axes: Axes, analysis: Analysis) -> None:
    """m_c with its error, named above the axes where no data are."""
    mark, text = critical_mark(analysis)
    value, error = mark.value, mark.stderr
    if not math.isfinite(value):
        return
    if math.isfinite(error) and error > 0.0:
        axes.axvspan(value - error, value + error, color=LIMIT_COLOUR, alpha=0.18, linewidth=0)
    axes.axvline(value, color=LIMIT_COLOUR, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
    left, right = axes.get_xlim()
    side, x = "center", (value - left) / (right - left)
    # Near an edge the words end at the edge, so that they stay above their own panel.
    if not 1 / 3 < x < 2 / 3:
        side, x = ("left", 0.0) if x < 0.5 else ("right", 1.0)
    note_above(axes, text, x, points=2, ha=side)


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

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> from physbatch.plots import plot_drift
    >>> from physbatch.scaling import analyse
    >>> plot_drift(analyse(first_order())).get_xscale()
    'log'
    """
    sizes = [curve.size for curve in analysis.curves]
    with size_panel(axes, sizes, legend=legend) as (axes, styles):
        _log_time_axis(axes, analysis)
        drawn = [drift for drift in analysis.drifts if np.isfinite(drift.m_c).any()]
        for drift in drawn:
            style = styles[float(drift.size)]
            axes.errorbar(drift.time, drift.m_c, drift.m_c_stderr, **style, **POINTS)
            if math.isfinite(drift.slope.value) and math.isfinite(drift.intercept):
                # Early times that bend away are not part of the fit.
                ends = np.array([drift.window_start, drift.window_end])
                axes.plot(ends, drift.line(ends), color=style["color"], zorder=2)
        if not drawn:
            empty_panel(axes, "no drift measured")
        axes.set(xlabel=time_label_of(analysis.time_units), ylabel=critical_axis_label(analysis))
    return axes


def _log_time_axis(axes: Axes, analysis: Analysis) -> None:
    """A logarithmic axis of the times at which m_c is known."""
    axes.set_xscale("log")
    times = [time for drift in analysis.drifts for time in drift.time]
    if times and min(times) == max(times):  # or all ticks would read the same
        axes.set_xlim(times[0] / 3.0, times[0] * 3.0)
    label_decades(axes.xaxis, times)
