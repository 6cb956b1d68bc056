"""The transition at finite size: overlap and success against the control, m_c against run time."""

import math
from typing import Unpack

import numpy as np
from matplotlib.axes import Axes

from physbatch.plots.docstrings import documented
from physbatch.plots.drawn import Drawn
from physbatch.plots.labels import SUCCESS_LABEL, time_label_of
from physbatch.plots.options import Options, Where
from physbatch.plots.sheet import Sheet, new_sheet
from physbatch.plots.style import (
    LIMIT_COLOUR,
    POINTS,
    SizeStyle,
    empty_panel,
)
from physbatch.plots.ticks import label_decades
from physbatch.scaling.transition.result import Analysis, SuccessCurve
from physbatch.typing import FloatArray

#: Points that are joined.
_JOINED: SizeStyle = {"linewidth": 0.7, "elinewidth": 0.7}


@documented("one column wide")
def plot_overlap(analysis: Analysis, ax: Where = None, **options: Unpack[Options]) -> Drawn:
    """Draw the mean overlap of each size against the control, at the last time.

    Parameters
    ----------
    analysis : Analysis
        What `physbatch.scaling.analyse` returned.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> from physbatch.plots import plot_overlap
    >>> from physbatch.scaling import analyse
    >>> plot_overlap(analyse(first_order())).ax.get_ylabel()
    'overlap $q$'
    """
    with new_sheet(ax, options) as page:
        draw_overlap(page, page.lay_out(["overlap"])["overlap"], analysis)
        page.size_legend(styles_of(page, analysis))
        return page.drawn()


def draw_overlap(page: Sheet, axes: Axes, analysis: Analysis) -> None:
    """The mean overlap in one panel."""
    for size, style in styles_of(page, analysis).items():
        page.points(axes, *_mean_overlap(analysis, size), **(style | _JOINED))
    axes.set(xlabel=_control(page, analysis), ylabel=page.labels.order_parameter(analysis))
    if analysis.observable == "overlap":
        axes.set_ylim(None, 1.05)


def styles_of(page: Sheet, analysis: Analysis) -> dict[float, SizeStyle]:
    """The look of every size of an analysis."""
    return page.sizes([curve.size for curve in analysis.curves])


def _control(page: Sheet, analysis: Analysis) -> str:
    return page.labels.control(analysis.control_name, analysis.control_label)


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


@documented("one column wide")
def plot_success(analysis: Analysis, ax: Where = None, **options: Unpack[Options]) -> Drawn:
    """Draw success fractions with 68 % intervals, the fitted curves, and m_c.

    Where a fit gave no width, a bar near P = 1/2 shows between which controls m_c lies. The
    dashed line is m_c for N to infinity (of the largest size where there is no limit), the
    band its statistical error.

    Parameters
    ----------
    analysis : Analysis
        What `physbatch.scaling.analyse` returned.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> from physbatch.plots import plot_success
    >>> from physbatch.scaling import analyse
    >>> plot_success(analyse(first_order())).ax.get_ylabel()
    'success probability $P$'
    """
    with new_sheet(ax, options) as page:
        draw_success(page, page.lay_out(["success"])["success"], analysis)
        page.size_legend(styles_of(page, analysis))
        return page.drawn()


def draw_success(page: Sheet, axes: Axes, analysis: Analysis) -> None:
    """Success fractions, fitted curves and m_c in one panel."""
    styles = styles_of(page, analysis)
    for rank, curve in enumerate(analysis.curves):
        style = styles[float(curve.size)]
        page.points(axes, *_fractions(curve), **(style | POINTS))
        if curve.resolved:
            control = np.linspace(np.min(curve.control), np.max(curve.control), 401)
            look: SizeStyle = {"color": style["color"], "zorder": 2}
            page.curve(axes, control, curve.probability(control), **look)
        else:
            height = 0.5 + 0.035 * (rank - (len(analysis.curves) - 1) / 2)
            _draw_bracket(axes, curve, style, height)
    _mark_critical(page, axes, analysis)
    axes.set(xlabel=_control(page, analysis), ylabel=SUCCESS_LABEL, ylim=(-0.05, 1.05))


def _fractions(curve: SuccessCurve) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Controls, fractions of success and the lengths of their bars below and above."""
    low, high = curve.fraction_interval
    # Rounding can put a fraction of 0 or 1 outside its own interval by one last digit.
    errors = np.maximum([curve.fraction - low, high - curve.fraction], 0.0)
    return curve.control, curve.fraction, errors


def _draw_bracket(axes: Axes, curve: SuccessCurve, style: SizeStyle, height: float) -> None:
    """A bar from the last control with less than half to the first with more.

    The heights differ a little, since the bars of many sizes often coincide.
    """
    if curve.bracket is not None:
        look: SizeStyle = {"marker": "|", "markersize": 6, "markeredgewidth": 1.1, "linewidth": 1.1}
        look |= {"color": style["color"], "gid": f"bracket-{curve.size:g}"}
        axes.plot(curve.bracket, (height, height), **look)


def _mark_critical(page: Sheet, axes: Axes, analysis: Analysis) -> None:
    """m_c with its error, named above the axes where no data are."""
    mark, text = page.labels.critical_mark(analysis)
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
    page.note(axes, text, x, points=2, ha=side)


@documented("one column wide")
def plot_drift(analysis: Analysis, ax: Where = None, **options: Unpack[Options]) -> Drawn:
    """Draw m_c(N, t) against the run time, on a logarithmic axis, with the fitted lines.

    Parameters
    ----------
    analysis : Analysis
        What `physbatch.scaling.analyse` returned.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> from physbatch.plots import plot_drift
    >>> from physbatch.scaling import analyse
    >>> plot_drift(analyse(first_order())).ax.get_xscale()
    'log'
    """
    with new_sheet(ax, options) as page:
        draw_drift(page, page.lay_out(["drift"])["drift"], analysis)
        page.size_legend(styles_of(page, analysis))
        return page.drawn()


def draw_drift(page: Sheet, axes: Axes, analysis: Analysis) -> None:
    """m_c against the run time in one panel."""
    styles = styles_of(page, analysis)
    _log_time_axis(axes, analysis)
    drawn = [drift for drift in analysis.drifts if np.isfinite(drift.m_c).any()]
    for drift in drawn:
        style = styles[float(drift.size)]
        page.points(axes, drift.time, drift.m_c, drift.m_c_stderr, **(style | POINTS))
        if math.isfinite(drift.slope.value) and math.isfinite(drift.intercept):
            # Early times that bend away are not part of the fit.
            ends = np.array([drift.window_start, drift.window_end])
            page.curve(axes, ends, drift.line(ends), color=style["color"], zorder=2)
    if not drawn:
        empty_panel(axes, "no drift measured")
    axes.set(
        xlabel=time_label_of(analysis.time_units),
        ylabel=page.labels.critical_axis(analysis.control_name),
    )


def _log_time_axis(axes: Axes, analysis: Analysis) -> None:
    """A logarithmic axis of the times at which m_c is known."""
    axes.set_xscale("log")
    times = [time for drift in analysis.drifts for time in drift.time]
    if times and min(times) == max(times):  # or all ticks would read the same
        axes.set_xlim(times[0] / 3.0, times[0] * 3.0)
    label_decades(axes.xaxis)
