"""Samples of the posterior or the bootstrap of a collapse, each exponent against each other."""

from dataclasses import dataclass
from typing import Unpack

import numpy as np
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from physbatch.plots.docstrings import documented
from physbatch.plots.drawn import Drawn
from physbatch.plots.labels import estimate_text, flag_words, math_or_text
from physbatch.plots.options import Options, Where
from physbatch.plots.scaling.collapse_words import parameter_symbol
from physbatch.plots.sheet import Sheet, new_sheet
from physbatch.plots.style import (
    DOUBLE_COLUMN_MM,
    FIT_COLOUR,
    LIMIT_COLOUR,
    NOTE_COLOUR,
    SINGLE_COLUMN_MM,
    SizeStyle,
    empty_panel,
    text_size,
)
from physbatch.scaling.data_collapse.result import Collapse
from physbatch.typing import FloatArray

_SINGLE_COLUMN = 3  # so many exponents fit into one column
_CURVES = 2000  # samples from which densities are drawn
_DOTS = 600
_GRID = 70  # points of the densities along each side
_OUTSIDE = (0.05, 0.32)  # parts of the samples outside of the two contours


@documented(
    "one column wide for up to three exponents, two for more. The panels are called like the "
    "exponents on the diagonal, those below ``c_c, nu`` ..."
)
def plot_corner(result: Collapse, ax: Where = None, **options: Unpack[Options]) -> Drawn:
    """Draw how the samples of all exponents are spread, alone and in pairs.

    On the diagonal the histogram of each exponent, with its stated value (red line) and its
    68 % interval (red band); below, each pair as dots with the contours that hold 68 % and 95 %
    of the samples. The frames hold all but 1 of 1000 samples on either side.

    Parameters
    ----------
    result : Collapse
        A fit with ``errors="posterior"``, or with another method that keeps samples.

    Raises
    ------
    ValueError
        If the result holds no samples.

    Examples
    --------
    >>> from physbatch.exact.scaling_functions import planted_table
    >>> from physbatch.plots import plot_corner
    >>> from physbatch.scaling import collapse
    >>> table = planted_table("Ising 2-D", (16, 32, 64))
    >>> drawn = plot_corner(collapse(table, method="local-linear", window="all"))
    >>> list(drawn.panels)
    ['c_c', 'c_c, nu', 'nu', 'c_c, zeta', 'nu, zeta', 'zeta']
    """
    names = list(result.parameters)
    if result.samples.shape[0] < 2 or result.samples.shape[1] != len(names):
        raise ValueError("the result holds no samples; fit with errors = 'posterior'")
    cells = [(row, column) for row in range(len(names)) for column in range(row + 1)]
    called = [
        names[row] if row == column else f"{names[column]}, {names[row]}" for row, column in cells
    ]
    with new_sheet(ax, options) as page:
        panels = page.lay_out(called, _Triangle(len(names)))
        frames = [_frame(column) for column in result.samples.T]
        for name, (row, column) in zip(called, cells, strict=True):
            if name not in panels:
                continue
            panel = panels[name]
            if column == row:
                _draw_alone(page, panel, result, row)
            else:
                _draw_pair(panel, result, row, column)
                panel.set_ylim(frames[row])
            panel.set_xlim(frames[column])
            _label(page, panel, result, row, column)
        if isinstance(page.own_page, Figure):
            page.own_page.align_labels(list(panels.values()))
        flags = flag_words(result.flags)
        if flags:
            page.head(flags, fontsize=text_size(8), color=LIMIT_COLOUR)
        return page.drawn()


@dataclass(frozen=True)
class _Triangle:
    """A square of which the cells above the diagonal stay empty."""

    exponents: int

    @property
    def width(self) -> float:
        return SINGLE_COLUMN_MM if self.exponents <= _SINGLE_COLUMN else DOUBLE_COLUMN_MM

    def page_height(self, count: int, width: float) -> float:
        return width

    def axes(self, figure: Figure | SubFigure, count: int) -> list[Axes]:
        grid = figure.add_gridspec(self.exponents, self.exponents)
        return [
            figure.add_subplot(grid[row, column])
            for row in range(self.exponents)
            for column in range(row + 1)
        ]


def _frame(values: FloatArray) -> tuple[float, float]:
    low, high = (float(end) for end in np.quantile(values, [0.001, 0.999]))
    room = 0.08 * (high - low) or 0.05 * abs(low) or 1.0
    return low - room, high + room


def _thinned(samples: FloatArray, most: int) -> FloatArray:
    """At most so many samples, evenly spread over the chain."""
    chosen = np.linspace(0, len(samples) - 1, min(most, len(samples))).round().astype(int)
    return np.asarray(samples[chosen], dtype=np.float64)


def _draw_alone(page: Sheet, axes: Axes, result: Collapse, column: int) -> None:
    values = result.samples[:, column]
    estimate = list(result.parameters.values())[column]
    if np.ptp(values) == 0:
        empty_panel(axes, "all the same")
    else:
        seaborn.histplot(
            x=values,
            ax=axes,
            bins=min(40, max(8, len(values) // 25)),
            stat="density",
            element="step",
            color=FIT_COLOUR,
            alpha=0.25,
            linewidth=0.8,
        )
    low, high = estimate.interval68
    if np.isfinite([low, high]).all():
        axes.axvspan(low, high, color=LIMIT_COLOUR, alpha=0.15, linewidth=0, gid="interval")
    if np.isfinite(estimate.value):
        axes.axvline(estimate.value, color=LIMIT_COLOUR, linewidth=0.8, gid="value")
    axes.set_yticks([])
    axes.minorticks_off()
    text = estimate_text(estimate)
    page.title(axes, f"${text}$" if np.isfinite(estimate.value) else text)


def _draw_pair(axes: Axes, result: Collapse, row: int, column: int) -> None:
    dots = _thinned(result.samples, _DOTS)
    dot: SizeStyle = {"marker": ".", "markersize": 1.6, "markeredgewidth": 0.0, "alpha": 0.35}
    columns = (dots[:, column], dots[:, row])
    axes.plot(*columns, linestyle="none", color=NOTE_COLOUR, zorder=1, gid="samples", **dot)
    both = _thinned(result.samples, _CURVES)[:, [column, row]]
    # Without a width in two directions there is no density to draw.
    if np.linalg.matrix_rank(np.corrcoef(both.T) if (np.ptp(both, axis=0) > 0).all() else 0) == 2:
        seaborn.kdeplot(
            x=both[:, 0],
            y=both[:, 1],
            ax=axes,
            levels=_OUTSIDE,
            gridsize=_GRID,
            color=FIT_COLOUR,
            linewidths=0.9,
            zorder=2,
        )
    estimates = list(result.parameters.values())
    x, y = estimates[column].value, estimates[row].value
    if np.isfinite([x, y]).all():
        axes.plot(x, y, marker="+", markersize=6, color=LIMIT_COLOUR, zorder=3, gid="value")


def _label(page: Sheet, axes: Axes, result: Collapse, row: int, column: int) -> None:
    """Labels at the outer sides of the triangle; in axes of the user all of them."""
    names = list(result.parameters)
    words = [math_or_text(parameter_symbol(page.labels, result, name), name) for name in names]
    alone = page.own_page is None
    last, first = alone or row == len(names) - 1, alone or column == 0
    axes.xaxis.set_major_locator(MaxNLocator(nbins=3, prune="both"))
    axes.tick_params(axis="x", labelbottom=last, rotation=35)
    axes.set_xlabel(words[column] if last else "")
    if column == row:
        axes.set_ylabel("")
        return
    axes.yaxis.set_major_locator(MaxNLocator(nbins=3, prune="both"))
    axes.tick_params(axis="y", labelleft=first, rotation=0)
    axes.set_ylabel(words[row] if first else "")
