"""The fraction of replicas that learn, against the control, with the fitted curve."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes

from physbatch.plots.labels import (
    SUCCESS_LABEL,
    control_axis_label,
    critical_mark,
)
from physbatch.plots.style import (
    LIMIT_COLOUR,
    SizeStyle,
    journal_style,
    panel_axes,
    size_legend,
    size_styles,
)
from physbatch.scaling.transition.result import Analysis, SuccessCurve

__all__ = ["plot_success"]


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

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> from physbatch.plots import plot_success
    >>> from physbatch.scaling import analyse
    >>> plot_success(analyse(first_order())).get_ylabel()
    'success probability $P$'
    """
    with journal_style():
        axes = panel_axes(axes)
        styles = size_styles([curve.size for curve in analysis.curves])
        for rank, curve in enumerate(analysis.curves):
            _draw_fractions(axes, curve, styles[float(curve.size)])
            if curve.resolved:
                _draw_fit(axes, curve, styles[float(curve.size)])
            else:
                height = 0.5 + 0.035 * (rank - (len(analysis.curves) - 1) / 2)
                _draw_bracket(axes, curve, styles[float(curve.size)], height)
        _mark_critical(axes, analysis)
        axes.set(xlabel=control_axis_label(analysis), ylabel=SUCCESS_LABEL, ylim=(-0.05, 1.05))
        if legend:
            size_legend(axes, styles)
    return axes


def _draw_fractions(axes: Axes, curve: SuccessCurve, style: SizeStyle) -> None:
    low, high = curve.fraction_interval
    # Rounding can put a fraction of 0 or 1 outside its own interval by one last digit.
    errors = np.maximum([curve.fraction - low, high - curve.fraction], 0.0)
    axes.errorbar(
        curve.control, curve.fraction, errors, linestyle="none", elinewidth=0.7, zorder=3, **style
    )


def _draw_fit(axes: Axes, curve: SuccessCurve, style: SizeStyle) -> None:
    control = np.linspace(np.min(curve.control), np.max(curve.control), 401)
    axes.plot(control, curve.probability(control), color=style["color"], zorder=2)


def _draw_bracket(axes: Axes, curve: SuccessCurve, style: SizeStyle, height: float) -> None:
    """A bar from the last control with less than half to the first with more.

    The heights differ a little, since the bars of many sizes often coincide.
    """
    if curve.bracket is not None:
        axes.plot(
            curve.bracket,
            (height, height),
            color=style["color"],
            marker="|",
            markersize=6,
            markeredgewidth=1.1,
            linewidth=1.1,
            gid=f"bracket-{curve.size:g}",
        )


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
    place = (value - left) / (right - left)
    # Near an edge the words end at the edge, so that they stay above their own panel.
    side, x = ("center", place)
    if not 1 / 3 < place < 2 / 3:
        side, x = ("left", 0.0) if place < 0.5 else ("right", 1.0)
    axes.annotate(
        text,
        (x, 1.0),
        xycoords="axes fraction",
        xytext=(0, 2),
        textcoords="offset points",
        ha=side,
        va="bottom",
        fontsize=8,
        color=LIMIT_COLOUR,
    )
