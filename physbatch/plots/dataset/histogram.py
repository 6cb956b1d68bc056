"""Histograms of the overlap below, at and above m_c: two peaks are coexistence."""

import math
from typing import Unpack

import numpy as np
import seaborn
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from physbatch.plots.docstrings import documented
from physbatch.plots.drawn import Drawn
from physbatch.plots.labels import plain_text
from physbatch.plots.layouts import Stack
from physbatch.plots.options import Options, Where
from physbatch.plots.sheet import Sheet, new_sheet
from physbatch.plots.style import LIMIT_COLOUR, NOTE_COLOUR, SizeStyle, empty_panel
from physbatch.scaling.transition.result import Analysis, Jump
from physbatch.typing import FloatArray

NO_COEXISTENCE = "no coexistence seen"
#: The panels, from the smallest control to the largest; two are without a middle.
_NAMES = {1: ("middle",), 2: ("lower", "upper"), 3: ("lower", "middle", "upper")}
_HEIGHT_MM = 84.0
_BIN_WIDTH = 0.05
#: Overlaps are within -1 and 1, and so spread over less.
_WIDEST = 2.5


@documented(
    "one column wide. The panels are called lower, middle and upper, after their controls; "
    "where m_c is next to an end of the grid there is no middle, and where the analysis holds "
    "no overlaps nothing else"
)
def plot_histograms(
    analysis: Analysis,
    ax: Where = None,
    *,
    size: float | None = None,
    height: float = _HEIGHT_MM,
    **options: Unpack[Options],
) -> Drawn:
    """Draw the overlaps of all replicas below, nearest to, and above m_c at one size.

    Dashed lines mark the means of the lower and the upper group where the analysis found
    two groups; where it did not, the panel says so.

    Parameters
    ----------
    analysis : Analysis
        What `physbatch.scaling.analyse` returned.
    size : float, optional
        The size to show; by default the largest.
    height : float
        Of a new page, in mm.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> from physbatch.plots import plot_histograms
    >>> from physbatch.scaling import analyse
    >>> list(plot_histograms(analyse(first_order()), size=50).panels)
    ['lower', 'middle', 'upper']
    """
    with new_sheet(ax, options) as page:
        names = histogram_names(analysis, size)
        page.lay_out(names, Stack(height, (1.0,) * 3), main=names[len(names) // 2])
        draw_histograms(page, analysis, size)
        return page.drawn()


def histogram_names(analysis: Analysis, size: float | None = None) -> tuple[str, ...]:
    """The panels of the histograms at a size, by default at the largest."""
    jump = _jump_at(analysis, size)
    return _NAMES[max(0 if jump is None else len(jump.control), 1)]


def draw_histograms(page: Sheet, analysis: Analysis, size: float | None = None) -> None:
    """The histograms in those of their panels that there are."""
    names = histogram_names(analysis, size)
    jump = _jump_at(analysis, size)
    shown = [page.panels[name] for name in names if name in page.panels]
    words = page.labels.order_parameter(analysis)
    if not shown:
        return
    shown[len(shown) // 2].set_ylabel("number of replicas")
    shown[-1].set_xlabel(words)
    if jump is None or not len(jump.control):
        empty_panel(shown[0], NO_COEXISTENCE)
        return
    style = page.sizes([curve.size for curve in analysis.curves])[float(jump.size)]
    edges = list(_bin_edges(jump))
    for name, control, overlap in zip(names, jump.control, jump.overlap, strict=True):
        if name in page.panels:
            _draw_panel(page.panels[name], overlap, edges, style)
            page.title(page.panels[name], _title(page, analysis, jump, control), loc="right")
    _mark_groups(page, shown, jump)
    top = 1.06 * max(axes.get_ylim()[1] for axes in shown)
    for axes in shown:
        axes.set_ylim(0, top)


def _title(page: Sheet, analysis: Analysis, jump: Jump, control: float) -> str:
    """Size and control, and the time where it is an earlier one."""
    # Where the grid is coarse, the two peaks are seen at an earlier time.
    when = f",  $t = {jump.time:g}$" if jump.time < analysis.time else ""
    name = analysis.control_name
    symbol = page.labels.control_symbol(name)
    at = f"${symbol} = {control:g}$" if symbol else f"{plain_text(name)} = {control:g}"
    return f"{page.labels.size_value('N', jump.size)},  {at}{when}"


def _jump_at(analysis: Analysis, size: float | None) -> Jump | None:
    """The jump at a size, or at the largest."""
    jumps = [jump for jump in analysis.jumps if size is None or jump.size == size]
    return max(jumps, key=lambda jump: jump.size, default=None)


def _bin_edges(jump: Jump) -> FloatArray:
    """Common bins for the three panels, with edges at round numbers."""
    overlap = jump.overlap[np.isfinite(jump.overlap)]
    if overlap.size and np.ptp(overlap) > _WIDEST:  # an observable of another scale
        return np.linspace(overlap.min(), overlap.max(), 41)
    # Counted in whole bins from 0, so that an edge lies at 0 and at 1.
    low = min(0, math.floor(overlap.min() / _BIN_WIDTH)) if overlap.size else 0
    high = max(round(1 / _BIN_WIDTH), math.ceil(overlap.max() / _BIN_WIDTH)) if overlap.size else 1
    return np.arange(low, high + 1) * _BIN_WIDTH


def _draw_panel(axes: Axes, overlap: FloatArray, edges: list[float], style: SizeStyle) -> None:
    kept = overlap[np.isfinite(overlap)]
    look: SizeStyle = {"color": style["color"], "alpha": 0.85, "edgecolor": "white"}
    words = (axes.get_xlabel(), axes.get_ylabel())
    seaborn.histplot(x=kept, bins=edges, linewidth=0.3, ax=axes, **look)
    axes.set(xlabel=words[0], ylabel=words[1])  # those of seaborn are none of ours
    axes.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))


def _mark_groups(page: Sheet, panels: list[Axes], jump: Jump) -> None:
    """The means of the two groups, or the words that there are not two."""
    groups = (jump.lower, jump.upper)
    if jump.chosen < 0 or not all(math.isfinite(group.value) for group in groups):
        middle = panels[len(panels) // 2]
        page.title(middle, NO_COEXISTENCE, loc="left", color=NOTE_COLOUR)
        return
    for axes in panels:
        for group in groups:
            axes.axvline(group.value, color=LIMIT_COLOUR, linewidth=0.8, linestyle=(0, (4, 2)))
