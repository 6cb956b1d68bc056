"""The plane of mini-batch size and learning rate: what is stable, what is learned, how well."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, Unpack

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LinearSegmentedColormap, ListedColormap, LogNorm
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator

from physbatch.noise.performance import PerformanceMap
from physbatch.noise.stability import StableRange
from physbatch.noise.thresholds import TypicalThreshold
from physbatch.noise.transitions import TransitionLine, learned_plane
from physbatch.plots.docstrings import documented
from physbatch.plots.drawn import Drawn
from physbatch.plots.layouts import Grid, Stack
from physbatch.plots.options import Options, Where
from physbatch.plots.sheet import Sheet, new_sheet
from physbatch.plots.style import (
    DATA_COLOUR,
    FIT_COLOUR,
    LIMIT_COLOUR,
    NOTE_COLOUR,
    OPEN,
    SINGLE_COLUMN_MM,
    SizeStyle,
)
from physbatch.plots.ticks import cell_edges, in_decades, label_decades, plain_numbers
from physbatch.typing import FloatArray

#: A curve: values of m and of the learning rate.
Curve = tuple[Sequence[float] | FloatArray, Sequence[float] | FloatArray]

#: From white (nobody learns) to blue (everybody does): ordered in greyscale as well.
_SUCCESS = LinearSegmentedColormap.from_list("success", ["#f7f7f7", "#92c5de", DATA_COLOUR])
_COLOURS = ("#f4f4f4", "#92c5de", "#4393c3")
_NAMES = ("fails", "learns well", "perfect")
_STYLES: tuple[Literal["-", "--", ":", "-."], ...] = ("-", "--", ":", "-.")


@documented("one column wide")
def plot_noise_range(
    thresholds: Mapping[str, StableRange | TypicalThreshold],
    lines: Mapping[str, Curve],
    ax: Where = None,
    **options: Unpack[Options],
) -> Drawn:
    """Draw the largest stable learning rate (base of the rule) over the mini-batch size.

    Parameters
    ----------
    thresholds : mapping of str to StableRange or TypicalThreshold
        What was measured, by label; drawn as points with error bars.
    lines : mapping of str to tuple of array_like
        What is predicted or fitted, by label: values of m and of the learning rate.

    Examples
    --------
    >>> from physbatch.exact.batch_noise import stable_range_data
    >>> from physbatch.noise.stability import stable_range
    >>> measured = stable_range(stable_range_data(replicas=10))
    >>> m = measured.batch_size
    >>> plot_noise_range({"measured": measured}, {"planted": (m, 0.5 * m**-0.8)}).ax.get_xscale()
    'log'
    """
    with new_sheet(ax, options) as page:
        axes = page.lay_out(["range"])["range"]
        for number, (label, (m, rate)) in enumerate(lines.items()):
            look: SizeStyle = {"linestyle": _STYLES[number % len(_STYLES)], "zorder": 2}
            look |= {"color": LIMIT_COLOUR if number == 0 else FIT_COLOUR, "label": label}
            page.curve(axes, m, rate, **look)
        count = len(thresholds)
        colours = page.colours(range(count)) if "palette" in options else [DATA_COLOUR] * count
        for (label, measured), marker, colour in zip(
            thresholds.items(), page.markers(count), colours, strict=True
        ):
            known = np.isfinite(measured.learning_rate)
            look = {"linestyle": "none", "marker": marker, "color": colour, "zorder": 3}
            page.points(
                axes,
                measured.batch_size[known],
                measured.learning_rate[known],
                np.hypot(measured.stderr[known], measured.systematic[known]),
                label=label,
                **look,
                **OPEN,
            )
        _label(page, axes, r"largest learning rate $\eta_\mathrm{base}$")
        page.panel_legend(axes, loc="lower left")
        return page.drawn()


@documented("one column wide")
def plot_phase_diagram(
    data: xr.Dataset,
    thresholds: StableRange,
    ax: Where = None,
    *,
    size: float | None = None,
    **options: Unpack[Options],
) -> Drawn:
    """Draw the fraction of replicas that learn over m and the learning rate of one size.

    Crosses mark points at which half or more of the replicas diverged; the line with error bars
    is the upper end of the stable range.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of the schema swept over ``learning_rate`` and the batch size.
    thresholds : StableRange
        What `physbatch.noise.stability` found in it.
    size : float, optional
        Which size; by default the largest.

    Examples
    --------
    >>> from physbatch.exact.batch_noise import stable_range_data
    >>> from physbatch.noise.stability import stable_range
    >>> data = stable_range_data(replicas=10)
    >>> plot_phase_diagram(data, stable_range(data)).ax.get_yscale()
    'log'
    """
    with new_sheet(ax, options) as page:
        axes = page.lay_out(["phase diagram"], Stack(74.0))["phase diagram"]
        sizes = np.asarray(data["size"].values, dtype=np.float64)
        chosen = float(sizes[-1] if size is None else size)
        plane = learned_plane(data, float(sizes[np.argmin(np.abs(sizes - chosen))]))
        m, rates = plane.batch_size, plane.learning_rate
        colours = page.colour_map(_SUCCESS)
        mesh = _draw_map(axes, m, rates, plane.learned, cmap=colours, vmin=0, vmax=1)
        gone = np.argwhere(plane.diverged >= 0.5)
        axes.plot(m[gone[:, 1]], rates[gone[:, 0]], "x", color=NOTE_COLOUR, markersize=3)
        mine = np.isclose(thresholds.size, chosen) & np.isfinite(thresholds.learning_rate)
        page.points(
            axes,
            thresholds.batch_size[mine],
            thresholds.learning_rate[mine],
            np.hypot(thresholds.stderr[mine], thresholds.systematic[mine]),
            color=LIMIT_COLOUR,
            marker="o",
            markerfacecolor="white",
            gid="threshold",
        )
        _label(page, axes, r"learning rate (base) $\eta$")
        if 30 * m.min() < m.max() < 1000 * m.min():
            plain_numbers(axes.xaxis, LogLocator(base=2))
        page.title(axes, page.labels.size_value("N", chosen))
        page.bar(mesh, axes, "fraction of replicas that learn")
        return page.drawn()


@documented("one column wide")
def plot_performance(
    performance: PerformanceMap,
    ax: Where = None,
    *,
    label: str = "generalisation error",
    **options: Unpack[Options],
) -> Drawn:
    """Draw the mean error as a map; circles are the best learning rate of each batch size.

    Filled circles are batch sizes that are as good as the best within two standard errors;
    white cells are those in which half or more of the replicas diverged.

    Parameters
    ----------
    performance : PerformanceMap
        What `physbatch.noise.performance.performance_map` returned.
    label : str
        Of the colour bar.

    Examples
    --------
    >>> from physbatch.exact.batch_noise import optimum_batch_data
    >>> from physbatch.noise.performance import performance_map
    >>> planted = optimum_batch_data(pattern_counts=(200,)).squeeze("pattern_count")
    >>> plot_performance(performance_map(planted)).ax.get_xscale()
    'log'
    """
    with new_sheet(ax, options) as page:
        axes = page.lay_out(["performance"], Stack(70.0))["performance"]
        error = np.ma.masked_invalid(performance.error.T)
        positive = error[error > 0.0].compressed() if (error > 0.0).any() else np.ones(1)
        lowest, highest = float(positive.min()), float(positive.max())
        norm = LogNorm(lowest, max(highest, 1.0001 * lowest))
        error = np.ma.maximum(error, lowest)  # no error at all has the colour of the lowest
        m, rates = performance.batch_size, performance.learning_rate
        mesh = _draw_map(axes, m, rates, error, cmap=page.colour_map("viridis_r"), norm=norm)
        known = np.isfinite(performance.best_error)
        for good, face in ((True, LIMIT_COLOUR), (False, "white")):
            chosen = known & (performance.as_good == good)
            look = OPEN | {"color": LIMIT_COLOUR, "markerfacecolor": face, "marker": "o"}
            x, y = m[chosen], performance.best_rate[chosen]
            page.points(axes, x, y, linestyle="none", **look)
        _label(page, axes, r"learning rate $\eta_\mathrm{base}$")
        plain_numbers(axes.xaxis, LogLocator(base=2))
        bar = page.bar(mesh, axes, label)
        if bar is not None:
            label_decades(bar.ax.yaxis)
        return page.drawn()


@documented(
    "one column wide for one size and two for more; the panels are called like the sizes, ``N ="
    " 100`` ..."
)
def plot_phases(
    data: xr.Dataset,
    line: TransitionLine,
    lines: Mapping[str, Mapping[float, Curve]],
    *,
    fraction: float,
    perfect: float | None = None,
    ax: Where = None,
    **options: Unpack[Options],
) -> Drawn:
    """Draw one panel for each size: what most replicas reach, m_c(eta), and theory.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of the schema, swept over ``learning_rate`` and the batch size.
    line : TransitionLine
        m_c(eta) of perfect learning.
    lines : mapping of str to mapping of float to tuple of array_like
        Theory, by label and size: values of m and of the learning rate.
    fraction : float
        Share of the first error below which learning works well.
    perfect : float, optional
        Share of the first error below which it is perfect; by default where it succeeds.

    Examples
    --------
    >>> from physbatch.exact.batch_noise import transition_data
    >>> from physbatch.noise.transitions import transition_line
    >>> data = transition_data(replicas=10)
    >>> theory = {"m = eta/4": {100.0: ([2.0, 16.0], [8.0, 64.0])}}
    >>> list(plot_phases(data, transition_line(data), theory, fraction=0.1).panels)
    ['N = 100']
    """
    sizes = np.asarray(data["size"].values, dtype=np.float64)
    names = [f"N = {size:g}" for size in sizes]
    layout = Grid(64.0, len(sizes), share_y=True)
    with new_sheet(ax, options) as page:
        page.lay_out(names, replace(layout, width=SINGLE_COLUMN_MM) if len(sizes) == 1 else layout)
        colours = ListedColormap(page.colours([0, 1, 2]) if "palette" in options else _COLOURS)
        for name, size in zip(names, sizes, strict=True):
            if name not in page.panels:
                continue
            axes = page.panels[name]
            planes = [learned_plane(data, float(size), bar) for bar in (fraction, perfect)]
            reached = np.sum([plane.learned >= 0.5 for plane in planes], axis=0)
            m, rates = planes[0].batch_size, planes[0].learning_rate
            _draw_map(axes, m, rates, reached, cmap=colours, vmin=0, vmax=2)
            for (_, by_size), style in zip(lines.items(), _STYLES, strict=False):
                curve = by_size[float(size)]
                page.curve(axes, *curve, color=FIT_COLOUR, linestyle=style)
            _draw_line(page, axes, line, float(size))
            page.title(axes, page.labels.size_value("N", float(size)))
            _label(page, axes)
        page.first.set_ylabel(r"learning rate $\eta$")
        handles: list[Patch | Line2D] = [
            Patch(facecolor=colours(number), edgecolor=FIT_COLOUR, linewidth=0.4, label=name)
            for number, name in enumerate(_NAMES)
        ]
        critical = f"${page.labels.critical('batch_size')}$"
        look: SizeStyle = {"color": LIMIT_COLOUR, "marker": "o", "markerfacecolor": "white"}
        handles.append(Line2D([], [], label=critical, **look))
        handles += [
            Line2D([], [], color=FIT_COLOUR, linestyle=style, label=label)
            for label, style in zip(lines, _STYLES, strict=False)
        ]
        page.legend(handles, columns=4)
        return page.drawn()


def _draw_line(page: Sheet, axes: Axes, line: TransitionLine, size: float) -> None:
    """m_c(eta) of one size; bars of rates that are close to each other stand apart."""
    mine = np.isclose(line.size, size) & np.isfinite(line.batch_size)
    look = OPEN | {"color": LIMIT_COLOUR, "marker": "o", "zorder": 4}
    error = np.hypot(line.stderr[mine], line.systematic[mine])
    page.points(axes, line.batch_size[mine], line.learning_rate[mine], xerr=error, **look)


def _draw_map(
    axes: Axes, m: FloatArray, rates: FloatArray, values: FloatArray, **style: Any
) -> QuadMesh:
    """Values at learning rates (rows) and batch sizes as cells on logarithmic axes."""
    mesh = axes.pcolormesh(cell_edges(m), cell_edges(rates), values, rasterized=True, **style)
    # The map fills its panel, whatever lines go on outside of it.
    for ends, values in ((axes.set_xlim, m), (axes.set_ylim, rates)):
        edges = cell_edges(values)
        ends(float(edges[0]), float(edges[-1]))
    return mesh


def _label(page: Sheet, axes: Axes, rate: str = "") -> None:
    in_decades(axes)
    axes.set_xlabel(page.labels.control("batch_size"))
    if rate:
        axes.set_ylabel(rate)
