"""The exponents against the window in which they were fitted."""

import math
from collections.abc import Sequence
from itertools import cycle

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, NullLocator

from physbatch.plots.labels import math_or_text, plain_text
from physbatch.plots.style import (
    LIMIT_COLOUR,
    RING,
    SINGLE_COLUMN_MM,
    WHITE_EDGE,
    SizeStyle,
    empty_panel,
    figure_in_mm,
    journal_style,
    mark_band,
    root_figure,
    size_palette,
)
from physbatch.results.estimate import Estimate
from physbatch.scaling.data_collapse.result import Collapse, WindowFit

_PANEL_MM = 34.0
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_REJECTED_COLOUR = "#a0a0a0"
_TOTAL, _STATISTICAL = 0.11, 0.17  # opacity of the bands
_BOTH = 1.0 - (1.0 - _TOTAL) * (1.0 - _STATISTICAL)  # where they lie on each other
_GROUP = 0.72  # part of the room of a smallest size that its windows take


def plot_windows(result: Collapse, axes: Sequence[Axes] | None = None) -> list[Axes]:
    """Draw every exponent with its error in each window of the scan.

    Windows stand at their smallest size; marker and colour say which fraction of the points
    was kept. Accepted fits are filled, rejected ones hollow and grey, the chosen one has a
    red ring. The dark band is the statistical error of the final value, the light band adds
    the systematic error. Rejected fits outside of the frame are small arrows at its edge.

    Parameters
    ----------
    result : Collapse
        What `physbatch.scaling.data_collapse.methods.collapse` returned.
    axes : sequence of matplotlib.axes.Axes, optional
        One for each free parameter; by default a new single-column figure.

    Returns
    -------
    list of matplotlib.axes.Axes
        The axes of every parameter, in the order of ``result.parameters``.

    Examples
    --------
    >>> from physbatch.exact.scaling_functions import planted_table
    >>> from physbatch.plots import plot_windows
    >>> from physbatch.scaling import collapse
    >>> table = planted_table("Ising 2-D", (16, 32, 64))
    >>> [panel.get_ylabel() for panel in plot_windows(collapse(table))][1:]
    ['$\\\\nu$', '$\\\\zeta$']
    """
    names = list(result.parameters)
    with journal_style():
        panels = _new_axes(len(names)) if axes is None else list(axes)
        if len(panels) < len(names):
            raise ValueError(f"{len(panels)} axes for {len(names)} parameters; give one for each")
        for name, panel in zip(names, panels, strict=False):
            panel.set_ylabel(math_or_text(result.symbol(name), name))
            if not result.windows:
                empty_panel(panel, "no windows")
                continue
            _draw_band(panel, result.parameters[name])
            panel.set_ylim(_frame(result, name))
            _draw_fits(panel, result, name)
            panel.yaxis.set_major_locator(MaxNLocator(nbins=4))
            _label_sizes(panel, result, last=axes is not None or panel is panels[-1])
        if panels and axes is None:
            root_figure(panels[0]).align_ylabels(panels)
        if panels and result.windows:
            _legend(panels[0], result)
    return panels


def _new_axes(count: int) -> list[Axes]:
    figure = figure_in_mm(SINGLE_COLUMN_MM, max(count, 1) * _PANEL_MM + 22.0)
    figure.set_layout_engine("constrained", hspace=0.0, h_pad=0.015)
    return [panel for (panel,) in figure.subplots(count, 1, sharex=True, squeeze=False)]


# --- what is drawn ----------------------------------------------------------------------


def _sizes(result: Collapse) -> list[float]:
    return sorted({fit.window.size_min for fit in result.windows})


def _styles(result: Collapse) -> dict[float, SizeStyle]:
    """Marker and colour of each fraction, the largest first and darkest."""
    fractions = sorted({fit.window.fraction for fit in result.windows}, reverse=True)
    colours = reversed(size_palette(fractions))
    return {
        fraction: {"color": colour, "marker": marker}
        for fraction, colour, marker in zip(fractions, colours, cycle(_MARKERS), strict=False)
    }


def _place(result: Collapse, fit: WindowFit) -> float:
    """Where a window stands: at its smallest size, its fractions side by side."""
    fractions = list(_styles(result))
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


def _draw_fits(axes: Axes, result: Collapse, name: str) -> None:
    styles = _styles(result)
    low, high = axes.get_ylim()
    for fit in result.windows:
        x, value, error = _place(result, fit), fit.values[name], fit.errors[name]
        if not low <= value <= high:
            _draw_arrow(axes, x, up=value > high)
            continue
        style = styles[fit.window.fraction]
        colour = style["color"] if fit.accepted else _REJECTED_COLOUR
        axes.errorbar(
            x,
            value,
            error if math.isfinite(error) else 0.0,
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


def _label_sizes(axes: Axes, result: Collapse, *, last: bool) -> None:
    sizes = _sizes(result)
    axes.set_xticks(np.arange(len(sizes)), [f"{size:g}" for size in sizes])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(-0.5, len(sizes) - 0.5)
    for number in range(1, len(sizes)):
        axes.axvline(number - 0.5, color="#d9d9d9", linewidth=0.5, zorder=0)
    axes.tick_params(axis="x", length=0, labelbottom=last)
    symbol = result.size_symbol
    name = rf"${symbol}_{{\mathrm{{min}}}}$" if symbol else plain_text(result.size_name)
    if last:
        axes.set_xlabel(f"smallest size {name}")


def _legend(axes: Axes, result: Collapse) -> None:
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
        for number, (fraction, style) in enumerate(_styles(result).items())
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
    root_figure(axes).legend(handles=handles, loc="outside upper center", ncols=columns)


def _fraction_text(fraction: float, *, first: bool) -> str:
    if fraction == 1.0:
        return "all points"
    return f"{100 * fraction:.0f} %{' of points' if first else ''}"


def _hollow(colour: str, size: float, label: str) -> Line2D:
    style = RING | {"markeredgecolor": colour}
    return Line2D([], [], linestyle="none", markersize=size, label=label, **style)
