"""The plane of mini-batch size and learning rate: what is stable, what is learned, how well."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LinearSegmentedColormap, ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullFormatter

from physbatch.noise.performance import PerformanceMap
from physbatch.noise.stability import StableRange
from physbatch.noise.thresholds import TypicalThreshold
from physbatch.noise.transitions import TransitionLine, learned_plane
from physbatch.plots.style import (
    DATA_COLOUR,
    DOUBLE_COLUMN_MM,
    FIT_COLOUR,
    LIMIT_COLOUR,
    NOTE_COLOUR,
    OPEN,
    SINGLE_COLUMN_MM,
    cell_edges,
    figure_in_mm,
    journal_style,
    panel_axes,
    plain_numbers,
    root_figure,
    text_size,
    title_style,
)
from physbatch.typing import FloatArray

#: A curve: values of m and of the learning rate.
Curve = tuple[Sequence[float] | FloatArray, Sequence[float] | FloatArray]

#: From white (nobody learns) to blue (everybody does): ordered in greyscale as well.
_SUCCESS = LinearSegmentedColormap.from_list("success", ["#f7f7f7", "#92c5de", DATA_COLOUR])
_COLOURS = ("#f4f4f4", "#92c5de", "#4393c3")
_NAMES = ("fails", "learns well", "perfect")
_STYLES: tuple[Literal["-", "--", ":", "-."], ...] = ("-", "--", ":", "-.")


def plot_noise_range(
    thresholds: Mapping[str, StableRange | TypicalThreshold],
    lines: Mapping[str, Curve],
    axes: Axes | None = None,
) -> Axes:
    """Draw the largest stable learning rate (base of the rule) over the mini-batch size.

    Parameters
    ----------
    thresholds : mapping of str to StableRange or TypicalThreshold
        What was measured, by label; drawn as points with error bars.
    lines : mapping of str to tuple of array_like
        What is predicted or fitted, by label: values of m and of the learning rate.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default a new single-column figure.

    Examples
    --------
    >>> from physbatch.exact.batch_noise import stable_range_data
    >>> from physbatch.noise.stability import stable_range
    >>> measured = stable_range(stable_range_data(replicas=10))
    >>> m = measured.batch_size
    >>> plot_noise_range({"measured": measured}, {"planted": (m, 0.5 * m**-0.8)}).get_xscale()
    'log'
    """
    with journal_style():
        axes = panel_axes(axes)
        for number, (label, (m, rate)) in enumerate(lines.items()):
            colour = LIMIT_COLOUR if number == 0 else FIT_COLOUR
            axes.plot(m, rate, _STYLES[number % len(_STYLES)], color=colour, label=label, zorder=2)
        for (label, measured), marker in zip(thresholds.items(), "osD^v", strict=False):
            known = np.isfinite(measured.learning_rate)
            axes.errorbar(
                measured.batch_size[known],
                measured.learning_rate[known],
                np.hypot(measured.stderr[known], measured.systematic[known]),
                linestyle="none",
                marker=marker,
                color=DATA_COLOUR,
                label=label,
                zorder=3,
                **OPEN,
            )
        _label(axes, r"largest learning rate $\eta_\mathrm{base}$")
        low, high = axes.get_ylim()
        if high < 100 * low:
            plain_numbers(axes.yaxis)
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.legend(loc="lower left")
    return axes


def plot_phase_diagram(
    data: xr.Dataset, thresholds: StableRange, axes: Axes | None = None, size: float | None = None
) -> Axes:
    """Draw the fraction of replicas that learn over m and the learning rate of one size.

    Crosses mark points at which half or more of the replicas diverged; the line with error bars
    is the upper end of the stable range.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of the schema swept over ``learning_rate`` and the batch size.
    thresholds : StableRange
        What `physbatch.noise.stability` found in it.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default a new single-column figure.
    size : float, optional
        Which size; by default the largest.

    Examples
    --------
    >>> from physbatch.exact.batch_noise import stable_range_data
    >>> from physbatch.noise.stability import stable_range
    >>> data = stable_range_data(replicas=10)
    >>> plot_phase_diagram(data, stable_range(data)).get_yscale()
    'log'
    """
    with journal_style():
        axes = panel_axes(axes, height=74.0)
        sizes = np.asarray(data["size"].values, dtype=np.float64)
        chosen = float(sizes[-1] if size is None else size)
        plane = learned_plane(data, float(sizes[np.argmin(np.abs(sizes - chosen))]))
        m, rates = plane.batch_size, plane.learning_rate
        mesh = _draw_map(axes, m, rates, plane.learned, cmap=_SUCCESS, vmin=0, vmax=1)
        gone = np.argwhere(plane.diverged >= 0.5)
        axes.plot(m[gone[:, 1]], rates[gone[:, 0]], "x", color=NOTE_COLOUR, markersize=3)
        mine = np.isclose(thresholds.size, chosen) & np.isfinite(thresholds.learning_rate)
        axes.errorbar(
            thresholds.batch_size[mine],
            thresholds.learning_rate[mine],
            np.hypot(thresholds.stderr[mine], thresholds.systematic[mine]),
            color=LIMIT_COLOUR,
            marker="o",
            markerfacecolor="white",
            gid="threshold",
        )
        _label(axes, r"learning rate (base) $\eta$")
        if m.max() < 1000 * m.min():
            plain_numbers(axes.xaxis, LogLocator(base=2 if m.max() > 30 * m.min() else 10))
        axes.set_title(f"$N = {chosen:g}$", **title_style())
        bar = root_figure(axes).colorbar(mesh, ax=axes, pad=0.02)
        bar.set_label("fraction of replicas that learn")
    return axes


def plot_performance(
    performance: PerformanceMap, axes: Axes | None = None, *, label: str = "generalisation error"
) -> Axes:
    """Draw the mean error as a map; circles are the best learning rate of each batch size.

    Filled circles are batch sizes that are as good as the best within two standard errors;
    white cells are those in which half or more of the replicas diverged.

    Parameters
    ----------
    performance : PerformanceMap
        What `physbatch.noise.performance.performance_map` returned.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default a new single-column figure.
    label : str
        Of the colour bar.

    Examples
    --------
    >>> from physbatch.exact.batch_noise import optimum_batch_data
    >>> from physbatch.noise.performance import performance_map
    >>> planted = optimum_batch_data(pattern_counts=(200,)).squeeze("pattern_count")
    >>> plot_performance(performance_map(planted)).get_xscale()
    'log'
    """
    with journal_style():
        axes = panel_axes(axes, height=70.0)
        error = np.ma.masked_invalid(performance.error.T)
        positive = error[error > 0.0].compressed() if (error > 0.0).any() else np.ones(1)
        lowest, highest = float(positive.min()), float(positive.max())
        norm = LogNorm(lowest, max(highest, 1.0001 * lowest))
        error = np.ma.maximum(error, lowest)  # no error at all has the colour of the lowest
        m, rates = performance.batch_size, performance.learning_rate
        mesh = _draw_map(axes, m, rates, error, cmap="viridis_r", norm=norm)
        known = np.isfinite(performance.best_error)
        for good, face in ((True, LIMIT_COLOUR), (False, "white")):
            chosen = known & (performance.as_good == good)
            style = OPEN | {"color": LIMIT_COLOUR, "markerfacecolor": face}
            axes.plot(m[chosen], performance.best_rate[chosen], "o", **style)
        _label(axes, r"learning rate $\eta_\mathrm{base}$")
        plain_numbers(axes.xaxis, LogLocator(base=2))
        bar = root_figure(axes).colorbar(mesh, ax=axes, pad=0.02)
        bar.set_label(label)
        if highest < 30 * lowest:
            plain_numbers(bar.ax.yaxis)
    return axes


def plot_phases(
    data: xr.Dataset,
    line: TransitionLine,
    lines: Mapping[str, Mapping[float, Curve]],
    *,
    fraction: float,
    perfect: float | None = None,
) -> Figure:
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
    >>> len(plot_phases(data, transition_line(data), theory, fraction=0.1).axes)
    1
    """
    sizes = np.asarray(data["size"].values, dtype=np.float64)
    with journal_style():
        figure = figure_in_mm(SINGLE_COLUMN_MM if len(sizes) == 1 else DOUBLE_COLUMN_MM, 72.0)
        panels = figure.subplots(1, len(sizes), sharey=True, squeeze=False)[0]
        for axes, size in zip(panels, sizes, strict=True):
            planes = [learned_plane(data, float(size), bar) for bar in (fraction, perfect)]
            reached = np.sum([plane.learned >= 0.5 for plane in planes], axis=0)
            m, rates = planes[0].batch_size, planes[0].learning_rate
            _draw_map(axes, m, rates, reached, cmap=ListedColormap(_COLOURS), vmin=0, vmax=2)
            for (_, by_size), style in zip(lines.items(), _STYLES, strict=False):
                curve = by_size[float(size)]
                axes.plot(*curve, style, color=FIT_COLOUR, scalex=False, scaley=False)
            mine = np.isclose(line.size, size) & np.isfinite(line.batch_size)
            axes.errorbar(
                line.batch_size[mine],
                line.learning_rate[mine],
                xerr=np.hypot(line.stderr[mine], line.systematic[mine]),
                color=LIMIT_COLOUR,
                marker="o",
                zorder=4,
                **OPEN,
            )
            axes.set_title(f"$N = {size:g}$", fontsize=text_size(8))
            _label(axes)
        panels[0].set_ylabel(r"learning rate $\eta$")
        for axis in (panels[0].yaxis, *(axes.xaxis for axes in panels)):
            plain_numbers(axis)
        handles: list[Patch | Line2D] = [
            Patch(facecolor=colour, edgecolor=FIT_COLOUR, linewidth=0.4, label=name)
            for colour, name in zip(_COLOURS, _NAMES, strict=True)
        ]
        handles.append(
            Line2D([], [], color=LIMIT_COLOUR, marker="o", markerfacecolor="white", label="$m_c$")
        )
        handles += [
            Line2D([], [], color=FIT_COLOUR, linestyle=style, label=label)
            for label, style in zip(lines, _STYLES, strict=False)
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=4)
    return figure


def _draw_map(
    axes: Axes, m: FloatArray, rates: FloatArray, values: FloatArray, **style: Any
) -> QuadMesh:
    """Values at learning rates (rows) and batch sizes as cells on logarithmic axes."""
    return axes.pcolormesh(cell_edges(m), cell_edges(rates), values, rasterized=True, **style)


def _label(axes: Axes, rate: str = "") -> None:
    axes.set(xscale="log", yscale="log", xlabel="mini-batch size $m$")
    if rate:
        axes.set_ylabel(rate)
