"""Where learning fails, works well and becomes perfect, over the batch size and eta."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from physbatch.noise.transitions import TransitionLine, learned_plane
from physbatch.plots.style import (
    DOUBLE_COLUMN_MM,
    FIT_COLOUR,
    LIMIT_COLOUR,
    SINGLE_COLUMN_MM,
    cell_edges,
    figure_in_mm,
    journal_style,
    plain_numbers,
)
from physbatch.typing import FloatArray

__all__ = ["plot_phases"]

#: One line for each size: values of m and of eta.
Lines = Mapping[
    str, Mapping[float, tuple[Sequence[float] | FloatArray, Sequence[float] | FloatArray]]
]

_COLOURS = ("#f4f4f4", "#92c5de", "#4393c3")
_NAMES = ("fails", "learns well", "perfect")
_STYLES: tuple[Literal["-", "--", ":", "-."], ...] = ("-", "--", ":", "-.")


def plot_phases(
    data: xr.Dataset,
    line: TransitionLine,
    lines: Lines,
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
            _map(axes, data, float(size), (fraction, perfect))
            for (_, by_size), style in zip(lines.items(), _STYLES, strict=False):
                m, rate = by_size[float(size)]
                axes.plot(m, rate, style, color=FIT_COLOUR, scalex=False, scaley=False)
            mine = np.isclose(line.size, size) & np.isfinite(line.batch_size)
            axes.errorbar(
                line.batch_size[mine],
                line.learning_rate[mine],
                xerr=np.hypot(line.stderr[mine], line.systematic[mine]),
                color=LIMIT_COLOUR,
                marker="o",
                markersize=3.5,
                markerfacecolor="white",
                zorder=4,
            )
            axes.set_title(f"$N = {size:g}$", fontsize=8)
            axes.set(xscale="log", yscale="log", xlabel="mini-batch size $m$")
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


def _map(axes: Axes, data: xr.Dataset, size: float, bars: tuple[float, float | None]) -> None:
    """Colour each cell by what half or more of its replicas reach."""
    planes = [learned_plane(data, size, bar) for bar in bars]
    axes.pcolormesh(
        cell_edges(planes[0].batch_size),
        cell_edges(planes[0].learning_rate),
        np.sum([plane.learned >= 0.5 for plane in planes], axis=0),
        cmap=ListedColormap(_COLOURS),
        vmin=0,
        vmax=2,
        rasterized=True,
    )
