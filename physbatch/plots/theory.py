"""Measured points on the curves that theory gives for them, with the residuals below."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from physbatch.plots.style import (
    FIT_COLOUR,
    POINTS,
    SINGLE_COLUMN_MM,
    SizeStyle,
    figure_in_mm,
    journal_style,
    size_styles,
    text_size,
)
from physbatch.typing import FloatArray

_HEIGHTS = (2.6, 1.0)  # of the panel and of its residuals
_SIGMAS = 2.0  # where the lines among the residuals stand


def _empty() -> FloatArray:
    return np.empty(0)


@dataclass(frozen=True, eq=False)
class Measured:
    """Points with errors, and what theory says.

    Attributes
    ----------
    label : str
        For the legend; may hold math.
    x, y, stderr : ndarray, shape (n_point,)
        What was measured.
    exact : ndarray, shape (n_point,)
        Theory at the points; nan where there is none.
    curve_x, curve_y : ndarray, shape (n_curve,)
        Theory as a curve; empty where another set has the same.
    """

    label: str
    x: FloatArray
    y: FloatArray
    stderr: FloatArray
    exact: FloatArray
    curve_x: FloatArray = field(default_factory=_empty)
    curve_y: FloatArray = field(default_factory=_empty)

    @property
    def score(self) -> FloatArray:
        """(y - exact)/stderr; nan without a positive error."""
        out = np.full(self.y.shape, np.nan)
        known = (self.stderr > 0) & np.isfinite(self.exact)
        return np.asarray(np.divide(self.y - self.exact, self.stderr, out=out, where=known))


def plot_theory(
    sets: Sequence[Measured],
    figure: Figure | SubFigure | None = None,
    *,
    xlabel: str = "",
    ylabel: str = "",
    xscale: str = "linear",
    yscale: str = "linear",
    title: str = "",
    columns: int = 4,
) -> list[Axes]:
    """Draw the points of every set, the exact curves, and the residuals in standard errors.

    Parameters
    ----------
    sets : sequence of Measured
        At least one; colours run from light to dark in their order.
    figure : matplotlib.figure.Figure or SubFigure, optional
        Where to put the two panels; by default a new single-column figure.
    xlabel, ylabel, title : str
        Words; may hold math.
    xscale, yscale : {"linear", "log", "symlog"}
        Scales of the axes.
    columns : int
        Columns of the legend above the panels.

    Returns
    -------
    list of matplotlib.axes.Axes
        The panel, and the residuals.

    Examples
    --------
    >>> from physbatch.plots.theory import Measured, plot_theory
    >>> x = np.arange(3.0)
    >>> points = Measured("$N = 8$", x, x**2 + 0.1, np.full(3, 0.1), x**2, x, x**2)
    >>> [axes.get_ylabel() for axes in plot_theory([points], ylabel="$y$")]
    ['$y$', 'residual ($\\\\sigma$)']
    """
    with journal_style():
        figure = figure_in_mm(SINGLE_COLUMN_MM, 92.0) if figure is None else figure
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=_HEIGHTS)
        styles = list(size_styles(range(len(sets))).values())
        for rank, (points, style) in enumerate(zip(sets, styles, strict=True)):
            _draw_points(top, points, style, rank)
            bottom.plot(points.x, points.score, linestyle="none", **style)
        for height in (-_SIGMAS, _SIGMAS):
            bottom.axhline(height, color=FIT_COLOUR, linewidth=0.5, linestyle=":")
        bottom.axhline(0.0, color=FIT_COLOUR, linewidth=0.7)
        top.set(ylabel=ylabel, yscale=yscale)
        if title:
            top.set_title(title, fontsize=text_size(8), pad=3)
        bottom.set(xlabel=xlabel, ylabel=r"residual ($\sigma$)", xscale=xscale)
        low, high = bottom.get_ylim()
        bottom.set_ylim(min(low, -3.0), max(high, 3.0))
        handles = [
            Line2D([], [], linestyle="none", **{**style, "label": points.label})
            for points, style in zip(sets, styles, strict=True)
            if points.label
        ]
        if handles:
            figure.legend(
                handles=handles, loc="outside upper center", ncols=min(len(handles), columns)
            )
    return [top, bottom]


def _draw_points(axes: Axes, points: Measured, style: SizeStyle, rank: int) -> None:
    line: SizeStyle = {"color": style["color"], "linewidth": 0.9, "zorder": 2}
    axes.plot(points.curve_x, points.curve_y, gid="exact", **line)
    look = POINTS | {"zorder": 3 + rank} | style
    axes.errorbar(points.x, points.y, np.nan_to_num(points.stderr), **look)
