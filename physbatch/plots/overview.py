"""The composed figure: overlap, success, drift, extrapolation and histograms side by side."""

from dataclasses import dataclass
from typing import Unpack

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from physbatch.plots.dataset.histogram import draw_histograms, histogram_names
from physbatch.plots.docstrings import documented
from physbatch.plots.drawn import Drawn
from physbatch.plots.options import Options, Where
from physbatch.plots.scaling.extrapolation import draw_extrapolation, spans_sizes
from physbatch.plots.scaling.transition import (
    draw_drift,
    draw_overlap,
    draw_success,
    styles_of,
)
from physbatch.plots.sheet import new_sheet
from physbatch.plots.style import DOUBLE_COLUMN_MM
from physbatch.scaling.transition.result import Analysis

_HEIGHT_MM = 108.0
_NARROW_MM = 120.0  # a page below it has its panels above one another
_ROW_MM = (38.0, 24.0)  # of those, and of the histograms


@documented(
    "two columns wide. The panels are called overlap, success, drift, limit, and lower, middle "
    "and upper for the histograms"
)
def plot_overview(analysis: Analysis, ax: Where = None, **options: Unpack[Options]) -> Drawn:
    """Compose a double-column figure of everything that an analysis found.

    Panels: (a) mean overlap, (b) success probability, (c) m_c against run time, (d) m_c
    against 1/N where sizes allow it, and the last panel the histograms at the largest size.

    Parameters
    ----------
    analysis : Analysis
        What `physbatch.scaling.analyse` returned.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> from physbatch.plots import plot_overview
    >>> from physbatch.scaling import analyse
    >>> figure = plot_overview(analyse(first_order())).figure
    >>> round(figure.get_size_inches()[0] * 25.4)
    178
    """
    with_sizes = spans_sizes(analysis.m_c_extrapolation)
    names = ["overlap", "success", "drift", *(["limit"] if with_sizes else [])]
    histograms = histogram_names(analysis)
    with new_sheet(ax, options) as page:
        panels = page.lay_out([*names, *histograms], _Mosaic(len(names)))
        for name, draw in (
            ("overlap", draw_overlap),
            ("success", draw_success),
            ("drift", draw_drift),
        ):
            if name in panels:
                draw(page, panels[name], analysis)
        if "limit" in panels:
            draw_extrapolation(page, panels["limit"], analysis, named=False)
        draw_histograms(page, analysis)
        if page.own_page is not None:
            lettered = [panels[name] for name in (*names, histograms[0])]
            for letter, axes in zip("abcde", lettered, strict=False):
                _letter(axes, letter)
        page.size_legend(styles_of(page, analysis))
        drawn = page.drawn()
        if ax is None:
            # Grids within grids never come to rest: each layout moves them in the last digits,
            # and with them the bytes of the file. So the layout is made once, here.
            drawn.figure.draw_without_rendering()
            drawn.figure.set_layout_engine("none")
        return drawn


@dataclass(frozen=True)
class _Mosaic:
    """Two by two panels with a column of histograms beside them, or one above the other."""

    first: int  # panels besides the histograms
    width: float = DOUBLE_COLUMN_MM

    def page_height(self, count: int, width: float) -> float:
        if width >= _NARROW_MM:
            return _HEIGHT_MM
        return 8.0 + self.first * _ROW_MM[0] + (count - self.first) * _ROW_MM[1]

    def axes(self, figure: Figure | SubFigure, count: int) -> list[Axes]:
        histograms = count - self.first
        if figure.bbox.width / figure.dpi * 25.4 < _NARROW_MM:
            heights = [_ROW_MM[0]] * self.first + [_ROW_MM[1]] * histograms
            return list(figure.subplots(count, 1, height_ratios=heights, squeeze=False)[:, 0])
        grid = figure.add_gridspec(2, 3, width_ratios=(1.0, 1.0, 1.25))
        cells = [grid[0, 0], grid[0, 1], grid[1, 0], grid[1, 1]]
        if self.first < len(cells):
            cells[2:] = [grid[1, :2]]
        column = grid[:, 2].subgridspec(histograms, 1)
        cells += [column[row] for row in range(histograms)]
        panels = [figure.add_subplot(cell) for cell in cells]
        for axes in panels[self.first : -1]:
            axes.sharex(panels[-1])
            axes.tick_params(labelbottom=False)
        return panels


def _letter(axes: Axes, letter: str) -> None:
    """The panel's letter, above its upper left corner where no data are."""
    axes.annotate(
        f"({letter})",
        (0.0, 1.0),
        xycoords="axes fraction",
        xytext=(-3, 3),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontweight="bold",
        gid=f"panel-{letter}",
    )
