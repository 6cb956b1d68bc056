"""The collapsed points on their master curve, with the residuals below."""

import math
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Unpack

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from physbatch.errors import AnalysisError
from physbatch.plots.dataset.moments import draw_observable
from physbatch.plots.docstrings import documented
from physbatch.plots.drawn import Drawn
from physbatch.plots.labels import flag_words
from physbatch.plots.options import Options, Where
from physbatch.plots.scaling.collapse_words import (
    of_equal_length,
    title_lines,
    x_label,
    y_label,
)
from physbatch.plots.sheet import Sheet, new_sheet
from physbatch.plots.style import (
    DOUBLE_COLUMN_MM,
    FIT_COLOUR,
    POINTS,
    SINGLE_COLUMN_MM,
    SizeStyle,
    text_size,
)
from physbatch.scaling.data_collapse.result import (
    Collapse,
    CollapsedPoints,
    MasterCurve,
)
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

_PANEL_MM = 78.0  # height of one panel with its residuals and its title
_COLUMNS = 3
_NARROWEST = 55.0  # width of a panel beside others, in mm
_HEIGHTS = (3.2, 1.0)  # of a panel and of its residuals
_MANY_POINTS = 150
_MARKER_SIZES = (5.0, 3.2)  # of the smallest and of the largest size, which lies on top
_DEVIATIONS = 2.0  # where the lines among the residuals stand
_RESIDUAL_SIZE = 2.8
_BAND: SizeStyle = {"color": FIT_COLOUR, "alpha": 0.22, "linewidth": 0}
_INSET = 0.4  # part of each side that an inset takes
_INSET_SPACE = 0.17  # room for its labels
_STEP, _WIDER = 0.12, 6  # a panel is widened so often by this part of it


@documented(
    "one column wide for one observable and two columns for more. The panels are called "
    "collapse and residuals; of several observables ``collapse U``, ``residuals U`` ..."
)
def plot_collapse(result: Collapse, ax: Where = None, **options: Unpack[Options]) -> Drawn:
    """Draw the rescaled points of every size, the master curve with its band, and residuals.

    The band is one standard deviation of the master curve. Residuals are in units of the
    points' own errors, between dotted lines at two of them. Where the fit has corrections
    to scaling, the points are drawn without them. The title gives the exponents, and the
    names of the flags in red.

    Parameters
    ----------
    result : Collapse
        What `physbatch.scaling.data_collapse.methods.collapse` returned.

    Examples
    --------
    >>> from physbatch.exact.scaling_functions import planted_table
    >>> from physbatch.plots import plot_collapse
    >>> from physbatch.scaling import collapse
    >>> table = planted_table("Ising 2-D", (16, 32, 64))
    >>> result = collapse(table, window="all")
    >>> list(plot_collapse(result).panels), list(plot_collapse(result, residuals=False).panels)
    (['collapse', 'residuals'], ['collapse'])
    """
    with new_sheet(ax, options) as page:
        ends = [f" {name}" if len(result.points) > 1 else "" for name in result.observables]
        layout = _Pairs(len(result.points))
        names = [f"{panel}{end}" for end in ends for panel in ("collapse", "residuals")]
        panels = page.lay_out(names, layout) if result.points else {}
        styles = _styles(page, result)
        wide = len(result.points) < _COLUMNS
        titles = of_equal_length(
            [title_lines(page.labels, result, o, 3 if wide else 2) for o in result.observables]
        )
        for end, title, points, curve in zip_longest(ends, titles, result.points, result.curve):
            main, below = panels.get(f"collapse{end}"), panels.get(f"residuals{end}")
            if main is not None:
                draw_collapse(page, main, result, points, curve, styles)
                _write_title(page, main, result, title)
            if below is not None:
                _draw_residuals(page, below, points, styles)
                below.set(xlabel=x_label(page.labels, result), ylabel="residual")
            if main is not None and below is not None and page.own_page is not None:
                main.tick_params(labelbottom=False)
                main.set_xlabel("")
            page.align(main, below)
        _legend(page, styles)
        return page.drawn()


@documented(
    "one column wide. The panels are called curves and collapse; the inset is a part of the "
    "first, unless axes for it are given"
)
def plot_curves(
    table: ScalingTable,
    result: Collapse,
    ax: Where = None,
    *,
    inset: str | tuple[float, float, float, float] | None = None,
    **options: Unpack[Options],
) -> Drawn:
    """Draw the raw curves of an observable with their collapse as an inset.

    Parameters
    ----------
    table : ScalingTable
        The data.
    result : Collapse
        What `physbatch.scaling.collapse` made of them; its first observable is drawn.
    inset : str or tuple of float, optional
        Where the inset is: ``"upper left"``, ``"lower right"`` ..., or its left and lower end,
        width and height as fractions of the panel; by default the emptiest corner.

    Raises
    ------
    physbatch.errors.AnalysisError
        If the collapse holds no points, the table not its observable, or there is no such corner.

    Examples
    --------
    >>> from physbatch.exact.scaling_functions import planted_table
    >>> from physbatch.plots import plot_curves
    >>> from physbatch.scaling import collapse
    >>> table = planted_table("Ising 2-D", (16, 32, 64))
    >>> list(plot_curves(table, collapse(table, window="all")).panels)
    ['curves', 'collapse']
    """
    if not result.points:
        raise AnalysisError(
            "this collapse holds no points to draw", where="figure", remedy="its flags say why"
        )
    points, curve = result.points[0], result.curve[0] if result.curve else None
    table = table.only(points.observable)
    with new_sheet(ax, options) as page:
        panels = page.lay_out(["curves", "collapse"], _Inset())
        styles = page.sizes(table.sizes, result.size_name, result.size_symbol)
        if "curves" in panels:
            draw_observable(page, panels["curves"], table, points.observable, styles)
        if "collapse" not in panels:
            corner = inset or _make_room(panels["curves"], table, points.observable)
            box = _box(corner) if isinstance(corner, str) else corner
            page.add("collapse", panels["curves"].inset_axes(box))
        small = {size: style | {"markersize": 2.2} for size, style in styles.items()}
        within = page.panels["collapse"]
        draw_collapse(page, within, result, points, curve, small)
        within.tick_params(labelsize=text_size(6.5), pad=2)
        for label in (within.xaxis.label, within.yaxis.label):
            label.set_fontsize(text_size(7))
        within.locator_params(nbins=4)
        page.size_legend(styles)
        return page.drawn()


# --- axes -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Pairs:
    """Panels with their residuals below, in rows; only panels where no residuals are drawn."""

    observables: int

    @property
    def width(self) -> float:
        return SINGLE_COLUMN_MM if self.observables == 1 else DOUBLE_COLUMN_MM

    def _columns(self, width: float) -> int:
        return max(min(self.observables, _COLUMNS, int(width / _NARROWEST)), 1)

    def page_height(self, count: int, width: float) -> float:
        full = _PANEL_MM if count > self.observables else 60.0
        return math.ceil(self.observables / self._columns(width)) * full + 8.0

    def axes(self, figure: Figure | SubFigure, count: int) -> list[Axes]:
        width = figure.bbox.width / figure.dpi * 25.4
        columns = self._columns(width)
        if isinstance(figure, Figure):
            figure.set_layout_engine("constrained", hspace=0.0, h_pad=0.02)
        grid = figure.add_gridspec(math.ceil(self.observables / columns), columns)
        panels: list[Axes] = []
        for number in range(self.observables):
            cell = grid[divmod(number, columns)]
            if count == self.observables:
                panels.append(figure.add_subplot(cell))
                continue
            pair = cell.subgridspec(2, 1, height_ratios=_HEIGHTS, hspace=0.0)
            panels.append(figure.add_subplot(pair[0]))
            panels.append(figure.add_subplot(pair[1], sharex=panels[-1]))
        return panels


@dataclass(frozen=True)
class _Inset:
    """One panel; the inset in it is made when the curves are known."""

    width: float = SINGLE_COLUMN_MM

    def page_height(self, count: int, width: float) -> float:
        return 72.0

    def axes(self, figure: Figure | SubFigure, count: int) -> list[Axes]:
        return [figure.add_subplot()]


def _box(corner: str) -> tuple[float, float, float, float]:
    """An inset in a corner, with room for its labels."""
    vertical, _, horizontal = corner.partition(" ")
    if vertical not in ("lower", "upper") or horizontal not in ("left", "right"):
        raise AnalysisError(
            f"no corner {corner!r}",
            where="inset",
            remedy="give upper left, upper right, lower left or lower right, or four numbers",
        )
    far = 1.0 - _INSET - 0.03
    left = _INSET_SPACE if horizontal == "left" else far
    return (left, _INSET_SPACE if vertical == "lower" else far, _INSET, _INSET)


def _make_room(axes: Axes, table: ScalingTable, observable: str) -> str:
    """The corner of a panel with the fewest points, after the panel was widened for it."""
    corner, points = _emptiest(axes, table, observable)
    for _ in range(_WIDER):
        if not points:
            break
        left, right = axes.get_xlim()
        more = _STEP * (right - left)
        axes.set_xlim(*((left - more, right) if "left" in corner else (left, right + more)))
        corner, points = _emptiest(axes, table, observable)
    return corner


def _emptiest(axes: Axes, table: ScalingTable, observable: str) -> tuple[str, int]:
    """The corner of a panel in which the fewest points are, and how many those are."""
    at = axes.transData.transform(np.column_stack([table.control, table.values[observable]]))
    x, y = axes.transAxes.inverted().transform(at).T
    reach = _INSET + _INSET_SPACE
    sides: dict[str, FloatArray] = {
        "upper left": (x < reach) & (y > 1.0 - reach),
        "lower right": (x > 1.0 - reach) & (y < reach),
        "upper right": (x > 1.0 - reach) & (y > 1.0 - reach),
        "lower left": (x < reach) & (y < reach),
    }
    corner = min(sides, key=lambda name: int(sides[name].sum()))
    return corner, int(sides[corner].sum())


# --- what is drawn ----------------------------------------------------------------------


def _styles(page: Sheet, result: Collapse) -> dict[float, SizeStyle]:
    """Colour, marker and label of each size.

    Markers shrink with the size, so that those below show where points coincide.
    """
    sizes = [float(size) for points in result.points for size in np.unique(points.size)]
    most = max((points.x.size for points in result.points), default=0)
    styles = page.sizes(sizes, result.size_name, result.size_symbol)
    shrink, edge = (0.7, 0.0) if most > _MANY_POINTS else (1.0, 0.4)
    for style, width in zip(styles.values(), np.linspace(*_MARKER_SIZES, len(styles)), strict=True):
        style |= {"markersize": shrink * float(width), "markeredgewidth": edge}
    return styles


def draw_collapse(
    page: Sheet,
    axes: Axes,
    result: Collapse,
    points: CollapsedPoints,
    curve: MasterCurve | None,
    styles: dict[float, SizeStyle],
) -> None:
    """The points of every size on their master curve."""
    if curve is not None:
        ends = (curve.y - curve.band, curve.y + curve.band)
        axes.fill_between(curve.x, *ends, zorder=1, gid="band", **_BAND)
        look: SizeStyle = {"color": FIT_COLOUR, "linewidth": 0.8, "zorder": 2}
        page.curve(axes, curve.x, curve.y, gid="master-curve", **look)
    for size in np.unique(points.size):
        rows = points.size == size
        columns = (points.x[rows], points.leading[rows], points.error[rows])
        page.points(axes, *columns, **({"capsize": 0} | POINTS | styles[float(size)]))
    axes.set(
        xlabel=x_label(page.labels, result),
        ylabel=y_label(page.labels, result, points.observable),
    )


def _draw_residuals(
    page: Sheet, axes: Axes, points: CollapsedPoints, styles: dict[float, SizeStyle]
) -> None:
    for size in np.unique(points.size):
        rows = points.size == size
        small = {"label": "_", "markersize": _RESIDUAL_SIZE, "markeredgewidth": 0.0}
        look: SizeStyle = styles[float(size)] | small | {"linestyle": "none", "zorder": 3}
        page.points(axes, points.x[rows], points.residual[rows], **look)
    _draw_guides(axes, points)


def _draw_guides(axes: Axes, points: CollapsedPoints) -> None:
    """Lines at zero and at two standard errors, in the middle of a symmetric axis."""
    axes.axhline(0.0, color=FIT_COLOUR, linewidth=0.8, zorder=2)
    for height in (-_DEVIATIONS, _DEVIATIONS):
        axes.axhline(height, color=FIT_COLOUR, linewidth=0.7, linestyle=(0, (1, 1.5)), zorder=2)
    known = np.abs(points.residual[np.isfinite(points.residual)])
    reach = max(1.15 * float(known.max(initial=0.0)), 1.7 * _DEVIATIONS)
    axes.set_ylim(-reach, reach)
    # The outermost labels would touch those of the panel above.
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, symmetric=True, prune="both"))


def _legend(page: Sheet, styles: dict[float, SizeStyle]) -> None:
    handles: list[Any] = [Line2D([], [], linestyle="none", **style) for style in styles.values()]
    handles.append((Patch(**_BAND), Line2D([], [], color=FIT_COLOUR, linewidth=0.8)))
    texts = [str(style["label"]) for style in styles.values()]
    most = 7 if page.width > 1.5 * SINGLE_COLUMN_MM else 4
    page.legend(handles, [*texts, "master curve"], columns=most)


def _write_title(page: Sheet, axes: Axes, result: Collapse, title: str) -> None:
    """The exponents above the axes, and the flags in red between them and the axes."""
    flags = flag_words(result.flags)
    page.title(axes, title, pad=16 if flags else 4)
    if flags:
        page.note(axes, flags, 0.5, points=3)
