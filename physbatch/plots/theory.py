"""Measured points on the curves that theory gives for them, with the residuals below."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Unpack

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from physbatch.plots.drawn import Drawn
from physbatch.plots.layouts import Stack
from physbatch.plots.options import Options, Where
from physbatch.plots.sheet import Sheet, new_sheet
from physbatch.plots.style import FIT_COLOUR, POINTS, SizeStyle
from physbatch.typing import FloatArray

_LAYOUT = Stack(92.0, (2.6, 1.0))
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
    ax: Where = None,
    *,
    xlabel: str = "",
    ylabel: str = "",
    xscale: str = "linear",
    yscale: str = "linear",
    columns: int = 4,
    **options: Unpack[Options],
) -> Drawn:
    """Draw the points of every set, the exact curves, and the residuals in standard errors.

    Parameters
    ----------
    sets : sequence of Measured
        At least one; colours run from light to dark in their order.
    ax : Axes, mapping of str to Axes, Figure or SubFigure, optional
        Where to draw; by default a new page, one column wide. The panels are called theory and
        residuals.
    xlabel, ylabel : str
        Words; may hold math.
    xscale, yscale : {"linear", "log", "symlog"}
        Scales of the axes.
    columns : int
        Columns of the legend above the panels.
    **options
        How to draw: see `physbatch.plots.Options`.

    Returns
    -------
    Drawn
        The artists and the panels.

    Examples
    --------
    >>> from physbatch.plots.theory import Measured, plot_theory
    >>> x = np.arange(3.0)
    >>> points = Measured("$N = 8$", x, x**2 + 0.1, np.full(3, 0.1), x**2, x, x**2)
    >>> list(plot_theory([points], ylabel="$y$").panels)
    ['theory', 'residuals']
    """
    with new_sheet(ax, options) as page:
        panels = page.lay_out(["theory", "residuals"], _LAYOUT)
        styles = list(page.sizes(range(len(sets))).values())
        for style, points in zip(styles, sets, strict=True):
            style["label"] = points.label
        if "theory" in panels:
            for rank, (points, style) in enumerate(zip(sets, styles, strict=True)):
                _draw_points(page, panels["theory"], points, style, rank)
            panels["theory"].set(ylabel=ylabel, yscale=yscale)
            page.title(panels["theory"], "")
        if "residuals" in panels:
            _draw_residuals(page, panels["residuals"], sets, styles)
        list(panels.values())[-1].set(xlabel=xlabel, xscale=xscale)
        page.align(*panels.values())
        handles = [Line2D([], [], linestyle="none", **style) for style in styles if style["label"]]
        page.legend(handles, columns=columns)
        return page.drawn()


def _draw_residuals(
    page: Sheet, axes: Axes, sets: Sequence[Measured], styles: Sequence[SizeStyle]
) -> None:
    for points, style in zip(sets, styles, strict=True):
        page.points(axes, points.x, points.score, **(style | {"linestyle": "none"}))
    for height in (-_SIGMAS, _SIGMAS):
        axes.axhline(height, color=FIT_COLOUR, linewidth=0.5, linestyle=":")
    axes.axhline(0.0, color=FIT_COLOUR, linewidth=0.7)
    axes.set_ylabel(r"residual ($\sigma$)")
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, -3.0), max(high, 3.0))


def _draw_points(page: Sheet, axes: Axes, points: Measured, style: SizeStyle, rank: int) -> None:
    line: SizeStyle = {"color": style["color"], "linewidth": 0.9, "zorder": 2}
    page.curve(axes, points.curve_x, points.curve_y, gid="exact", **line)
    look = POINTS | {"zorder": 3 + rank} | style
    page.points(axes, points.x, points.y, np.nan_to_num(points.stderr), **look)
