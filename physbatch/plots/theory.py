"""Measured points on the curves that theory gives for them, with the residuals below."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Unpack

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from physbatch.plots.docstrings import documented
from physbatch.plots.drawn import Drawn
from physbatch.plots.labels import OVERLAP_LABEL, SUCCESS_LABEL, typeset
from physbatch.plots.layouts import Stack
from physbatch.plots.options import Options, Where
from physbatch.plots.sheet import Sheet, new_sheet
from physbatch.plots.style import FIT_COLOUR, POINTS, SizeStyle
from physbatch.theory.comparison import Comparison
from physbatch.typing import FloatArray

_LAYOUT = Stack(92.0, (2.6, 1.0))
_ONE_PANEL = 64.0  # mm, its height
_DASHES: tuple[Literal["--", ":", "-."], ...] = ("--", ":", "-.")  # of thresholds
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


@documented("one column wide. The panels are called theory and residuals")
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
    xlabel, ylabel : str
        Words; may hold math.
    xscale, yscale : {"linear", "log", "symlog"}
        Scales of the axes.
    columns : int
        Columns of the legend above the panels.

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


@documented("one column wide; the panels are called theory and, of predicted curves, residuals")
def plot_comparison(result: Comparison, ax: Where = None, **options: Unpack[Options]) -> Drawn:
    """Draw what was measured against the control, and what theory says for it.

    Points are means over replicas at the last time. Curves join the predictions at the controls of
    the study, with the residuals in standard errors below; vertical lines are predicted
    thresholds, in the colour of their size where they depend on it.

    Parameters
    ----------
    result : Comparison
        What `physbatch.theory.compare` returned.

    Examples
    --------
    >>> from physbatch.exact.sparse import simulate_dataset
    >>> from physbatch.study import catalogue
    >>> from physbatch.theory import compare
    >>> study = catalogue.study("sparse-proposal-3", size=[12], batch_size=[4, 5], duration=4)
    >>> data = simulate_dataset([12], 3, [4, 5], [4], replicas=50)
    >>> drawn = plot_comparison(compare(data.assign_attrs(study=study.canonical_json())))
    >>> list(drawn.panels)
    ['theory', 'residuals']
    """
    predicted = bool(np.isfinite(result.predicted).any())
    names, layout = ["theory", "residuals"], _LAYOUT
    if not predicted:
        names, layout = names[:1], Stack(_ONE_PANEL)
    with new_sheet(ax, options) as page:
        panels = page.lay_out(names, layout)
        styles = page.sizes(result.size)
        sets = [_set_of(result, size) for size in styles]
        common = len(sets) > 1 and all(np.array_equal(some.exact, sets[0].exact) for some in sets)
        if "theory" in panels:
            axes = panels["theory"]
            for rank, (points, style) in enumerate(zip(sets, styles.values(), strict=True)):
                colour = FIT_COLOUR if common else style["color"]
                _draw_points(page, axes, points, style, rank, colour)
            overlap = page.labels.observable("overlap", OVERLAP_LABEL)
            axes.set_ylabel(overlap if result.quantity == "overlap" else SUCCESS_LABEL)
            axes.set_ylim(None if predicted else -0.05, 1.05)
            kinds = _draw_thresholds(axes, result, styles)
            page.title(axes, typeset(result.prediction.theory))
        if "residuals" in panels:
            _draw_residuals(page, panels["residuals"], sets, list(styles.values()))
        last = list(panels.values())[-1]
        last.set_xlabel(page.labels.control(result.control_name))
        page.align(*panels.values())
        handles = [Line2D([], [], linestyle="none", **style) for style in styles.values()]
        page.legend([*handles, *(kinds if "theory" in panels else ())])
        return page.drawn()


def _set_of(result: Comparison, size: float) -> Measured:
    """Points and predictions of one size."""
    rows = result.size == size
    columns = (result.control, result.value, result.stderr, result.predicted)
    x, y, stderr, exact = (column[rows] for column in columns)
    return Measured("", x, y, stderr, exact, x, exact)


def _draw_thresholds(
    axes: Axes, result: Comparison, styles: Mapping[float, SizeStyle]
) -> list[Line2D]:
    """Vertical lines at the predicted thresholds within the data; one handle of each kind."""
    low, high = axes.get_xlim()
    shown: dict[str, Line2D] = {}
    for size, style in styles.items():
        for kind, at in result.thresholds_of(size):
            if not low <= at <= high:
                continue
            dashes = _DASHES[len(shown) % len(_DASHES)]
            handle = Line2D([], [], color=FIT_COLOUR, linestyle=dashes, label=typeset(kind))
            handle = shown.setdefault(kind, handle)
            colour = style["color"] if result.depends_on_size(kind) else FIT_COLOUR
            line: SizeStyle = {"linestyle": handle.get_linestyle(), "linewidth": 0.9, "zorder": 1}
            axes.axvline(at, color=colour, gid="threshold", **line)
    return list(shown.values())


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


def _draw_points(
    page: Sheet, axes: Axes, points: Measured, style: SizeStyle, rank: int, colour: Any = None
) -> None:
    line: SizeStyle = {"color": colour or style["color"], "linewidth": 0.9, "zorder": 2}
    page.curve(axes, points.curve_x, points.curve_y, gid="exact", **line)
    look = POINTS | {"zorder": 3 + rank} | style
    page.points(axes, points.x, points.y, np.nan_to_num(points.stderr), **look)
