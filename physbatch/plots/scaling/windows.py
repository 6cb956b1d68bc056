"""The exponents against the window in which they were fitted."""

import math
from dataclasses import dataclass
from typing import Unpack

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, NullLocator

from physbatch.plots.docstrings import documented
from physbatch.plots.drawn import Drawn
from physbatch.plots.labels import math_or_text, plain_text
from physbatch.plots.options import Options, Where
from physbatch.plots.scaling.collapse_words import parameter_symbol
from physbatch.plots.sheet import Sheet, new_sheet
from physbatch.plots.style import (
    LIMIT_COLOUR,
    RING,
    SINGLE_COLUMN_MM,
    WHITE_EDGE,
    SizeStyle,
    empty_panel,
    mark_band,
)
from physbatch.results.estimate import Estimate
from physbatch.scaling.data_collapse.result import Collapse, WindowFit

_PANEL_MM = 34.0
_REJECTED_COLOUR = "#a0a0a0"
_TOTAL, _STATISTICAL = 0.11, 0.17  # opacity of the bands
_BOTH = 1.0 - (1.0 - _TOTAL) * (1.0 - _STATISTICAL)  # where they lie on each other
_GROUP = 0.72  # part of the room of a smallest size that its windows take


@documented("one column wide; the panels are called like the parameters")
def plot_windows(result: Collapse, ax: Where = None, **options: Unpack[Options]) -> Drawn:
    """Draw every exponent with its error in each window of the scan.

    Windows stand at their smallest size; marker and colour say which fraction of the points
    was kept. Accepted fits are filled, rejected ones hollow and grey, the chosen one has a
    red ring. The dark band is the statistical error of the final value, the light band adds
    the systematic error. Rejected fits outside of the frame are small arrows at its edge.

    Parameters
    ----------
    result : Collapse
        What `physbatch.scaling.data_collapse.methods.collapse` returned.

    Examples
    --------
    >>> from physbatch.exact.scaling_functions import planted_table
    >>> from physbatch.plots import plot_windows
    >>> from physbatch.scaling import collapse
    >>> table = planted_table("Ising 2-D", (16, 32, 64))
    >>> list(plot_windows(collapse(table)).panels)
    ['c_c', 'nu', 'zeta']
    """
    with new_sheet(ax, options) as page:
        panels = page.lay_out(list(result.parameters), _Windows())
        for name, panel in panels.items():
            symbol = parameter_symbol(page.labels, result, name)
            panel.set_ylabel(math_or_text(symbol, name))
            if not result.windows:
                empty_panel(panel, "no windows")
                continue
            _draw_band(panel, result.parameters[name])
            panel.set_ylim(_frame(result, name))
            _draw_fits(page, panel, result, name)
            panel.yaxis.set_major_locator(MaxNLocator(nbins=4))
            alone = page.own_page is None
            _label_sizes(page, panel, result, last=alone or name == list(panels)[-1])
        page.align(*panels.values())
        if result.windows:
            _legend(page, result)
        return page.drawn()


@dataclass(frozen=True)
class _Windows:
    """A stack of panels without room between them."""

    width: float = SINGLE_COLUMN_MM

    def page_height(self, count: int, width: float) -> float:
        return max(count, 1) * _PANEL_MM + 22.0

    def axes(self, figure: Figure | SubFigure, count: int) -> list[Axes]:
        if isinstance(figure, Figure):
            figure.set_layout_engine("constrained", hspace=0.0, h_pad=0.015)
        return [panel for (panel,) in figure.subplots(count, 1, sharex=True, squeeze=False)]


# --- what is drawn ----------------------------------------------------------------------


def _sizes(result: Collapse) -> list[float]:
    return sorted({fit.window.size_min for fit in result.windows})


def _fractions(result: Collapse) -> list[float]:
    return sorted({fit.window.fraction for fit in result.windows}, reverse=True)


def _styles(page: Sheet, result: Collapse) -> dict[float, SizeStyle]:
    """Marker and colour of each fraction, the largest first and darkest."""
    fractions = _fractions(result)
    looks = zip(reversed(page.colours(fractions)), page.markers(len(fractions)), strict=True)
    return {
        fraction: {"color": colour, "marker": marker}
        for fraction, (colour, marker) in zip(fractions, looks, strict=True)
    }


def _place(result: Collapse, fit: WindowFit) -> float:
    """Where a window stands: at its smallest size, its fractions side by side."""
    fractions = _fractions(result)
    step = _GROUP / max(len(fractions), 1)
    offset = (fractions.index(fit.window.fraction) - (len(fractions) - 1) / 2) * step
    return _sizes(result).index(fit.window.size_min) + offset


def _draw_band(axes: Axes, final: Estimate) -> None:
    """The final value with its statistical and its total error."""
    if not math.isfinite(final.value):
        return
    for error, alpha, name in (
        (final.total, _TOTAL, "total"),
        (final.stderr, _STATISTICAL, "statistical"),
    ):
        mark_band(axes, final.value, error, alpha=alpha, gid=f"band-{name}")
    axes.axhline(final.value, color=LIMIT_COLOUR, linewidth=0.8, zorder=1)


def _frame(result: Collapse, name: str) -> tuple[float, float]:
    """Limits that hold the final value and all accepted fits, if there are any."""
    final = result.parameters[name]
    shown = [fit for fit in result.windows if fit.accepted or fit.window == result.window]
    ends = [final.value - final.total, final.value + final.total]
    for fit in shown if any(fit.accepted for fit in shown) else result.windows:
        value, error = fit.values[name], fit.errors[name]
        ends += [value - error, value + error] if math.isfinite(error) else [value]
    known = [end for end in ends if math.isfinite(end)]
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    room = 0.08 * (high - low) or 0.05 * abs(low) or 1.0
    return low - room, high + room


def _draw_fits(page: Sheet, axes: Axes, result: Collapse, name: str) -> None:
    styles = _styles(page, result)
    low, high = axes.get_ylim()
    for fit in result.windows:
        x, value, error = _place(result, fit), fit.values[name], fit.errors[name]
        if not low <= value <= high:
            _draw_arrow(axes, x, up=value > high)
            continue
        style = styles[fit.window.fraction]
        colour = style["color"] if fit.accepted else _REJECTED_COLOUR
        page.points(
            axes,
            [x],
            [value],
            [error if math.isfinite(error) else 0.0],
            linestyle="none",
            elinewidth=0.8,
            capsize=0,
            color=colour,
            marker=style["marker"],
            markerfacecolor=colour if fit.accepted else "white",
            markeredgewidth=0.4 if fit.accepted else 0.8,
            markeredgecolor="white" if fit.accepted else colour,
            zorder=4 if fit.accepted else 3,
        )
        if fit.window == result.window:
            axes.plot(x, value, markersize=8, zorder=5, gid="chosen", **RING)


def _draw_arrow(axes: Axes, x: float, *, up: bool) -> None:
    """A rejected fit that lies above or below the frame."""
    axes.plot(
        x,
        0.95 if up else 0.05,
        transform=axes.get_xaxis_transform(),
        marker="$\\uparrow$" if up else "$\\downarrow$",
        markersize=5,
        color=_REJECTED_COLOUR,
        markeredgewidth=0.0,
        zorder=3,
        gid="outside",
    )


# --- words ------------------------------------------------------------------------------


def _label_sizes(page: Sheet, axes: Axes, result: Collapse, *, last: bool) -> None:
    sizes = _sizes(result)
    axes.set_xticks(np.arange(len(sizes)), [f"{size:g}" for size in sizes])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(-0.5, len(sizes) - 0.5)
    for number in range(1, len(sizes)):
        axes.axvline(number - 0.5, color="#d9d9d9", linewidth=0.5, zorder=0)
    axes.tick_params(axis="x", length=0, labelbottom=last)
    symbol = page.labels.size_symbol(result.size_name, result.size_symbol)
    name = rf"${symbol}_{{\mathrm{{min}}}}$" if symbol else plain_text(result.size_name)
    if last:
        axes.set_xlabel(f"smallest size {name}")


def _legend(page: Sheet, result: Collapse) -> None:
    """Fractions in the first row, what marks and bands mean in the second."""
    fractions: list[Artist] = [
        Line2D(
            [],
            [],
            linestyle="none",
            label=_fraction_text(fraction, first=number == 0),
            **WHITE_EDGE,
            **style,
        )
        for number, (fraction, style) in enumerate(_styles(page, result).items())
    ]
    marks: list[Artist] = [_hollow(LIMIT_COLOUR, 8.0, "chosen")]
    if not all(fit.accepted for fit in result.windows):
        marks.append(_hollow(_REJECTED_COLOUR, 4.0, "rejected"))
    marks.append(Patch(color=LIMIT_COLOUR, alpha=_BOTH, linewidth=0, label="statistical"))
    if any(final.systematic > 0 for final in result.parameters.values()):
        marks.append(Patch(color=LIMIT_COLOUR, alpha=_TOTAL, linewidth=0, label="total"))
    columns = max(len(fractions), len(marks))
    rows = [
        row + [Line2D([], [], linestyle="none", label=" ") for _ in range(columns - len(row))]
        for row in (fractions, marks)
    ]
    # Legends are filled column by column.
    handles = [handle for pair in zip(*rows, strict=True) for handle in pair]
    page.legend(handles, columns=columns)


def _fraction_text(fraction: float, *, first: bool) -> str:
    if fraction == 1.0:
        return "all points"
    return f"{100 * fraction:.0f} %{' of points' if first else ''}"


def _hollow(colour: str, size: float, label: str) -> Line2D:
    style = RING | {"markeredgecolor": colour}
    return Line2D([], [], linestyle="none", markersize=size, label=label, **style)
