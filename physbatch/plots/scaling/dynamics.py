"""Observables in time on their scaling function."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure, SubFigure

from physbatch.plots.labels import estimate_text, flag_words, math_or_text, plain_text
from physbatch.plots.style import (
    DOUBLE_COLUMN_MM,
    FIT_COLOUR,
    POINTS,
    SINGLE_COLUMN_MM,
    figure_in_mm,
    journal_style,
    note_above,
    size_palette,
    text_size,
)
from physbatch.results.render import math_symbol
from physbatch.scaling.dynamic_scaling.result import DynamicPoints, DynamicScaling
from physbatch.typing import FloatArray

_HEIGHT_MM = 72.0
_PER_LINE = 3
_SYMBOLS = {"c_c": "c_c", "nu_par": r"\nu_\parallel"}


def plot_dynamics(result: DynamicScaling, figure: Figure | SubFigure | None = None) -> list[Axes]:
    """Draw each observable over its power of the time against (c - c_c) t^(1/nu_par).

    Colours are times, from light to dark. Where there are sizes the curve depends on t^(1/z)/L as
    well: grey crosses are the curve at the points. With one control the abscissa is t^(1/z)/L, or
    the time.

    Parameters
    ----------
    result : DynamicScaling
        What `physbatch.scaling.fit_dynamics` returned.
    figure : matplotlib.figure.Figure or SubFigure, optional
        Where to put the panels; by default a new figure.

    Returns
    -------
    list of matplotlib.axes.Axes
        One for each observable.

    Examples
    --------
    >>> from physbatch.plots import plot_dynamics
    >>> from physbatch.scaling import fit_dynamics, read_times
    >>> t = np.geomspace(4, 400, 12)
    >>> fit = fit_dynamics(read_times({"t": t, "rho": t**-0.5, "rho_err": 0.01 * t**-0.5}))
    >>> plot_dynamics(fit)[0].get_xlabel()
    'time $t$'
    """
    with journal_style():
        count = max(len(result.points), 1)
        width = SINGLE_COLUMN_MM if count == 1 else DOUBLE_COLUMN_MM
        figure = figure_in_mm(width, _HEIGHT_MM) if figure is None else figure
        panels = list(figure.subplots(1, count, squeeze=False)[0])
        times = np.concatenate([points.time for points in result.points])
        ends = float(times.min()), float(times.max())
        colours = LinearSegmentedColormap.from_list("times", size_palette(list(range(9))))
        scale = ScalarMappable(
            LogNorm(ends[0], ends[1] if ends[1] > ends[0] else 2 * ends[0]), colours
        )
        for axes, points in zip(panels, result.points, strict=False):
            _draw_panel(axes, result, points, scale)
        bar = panels[-1].figure.colorbar(scale, ax=panels[-1])
        bar.set_label(_time_label(result))
        _write_title(panels[0], result)
    return panels


def _draw_panel(
    axes: Axes, result: DynamicScaling, points: DynamicPoints, scale: ScalarMappable
) -> None:
    x, label = _abscissa(result, points)
    order = np.argsort(x)
    if points.v.any() and points.x.any():
        axes.plot(x, points.curve, "x", color=FIT_COLOUR, markersize=2.5, zorder=2, gid="curve")
    else:
        axes.plot(x[order], points.curve[order], color=FIT_COLOUR, zorder=2, gid="curve")
    for time in np.unique(points.time):
        rows = points.time == time
        error = points.error[rows] if np.isfinite(points.error[rows]).all() else None
        axes.errorbar(
            x[rows],
            points.y[rows],
            error,
            marker="o",
            markersize=3.0,
            color=tuple(scale.to_rgba(np.full(1, time))[0]),
            capsize=0,
            **POINTS,
        )
    if not points.x.any() and (x > 0).all():
        axes.set_xscale("log")
    axes.set_xlabel(label)
    power = "2/z" if points.growth == "spread" else r"\kappa"
    symbol = math_symbol(points.observable)
    time = math_symbol(result.time_name)
    if symbol and time:
        axes.set_ylabel(f"${symbol}\\,{time}^{{-{power}}}$")
    else:
        axes.set_ylabel(plain_text(f"{points.observable} {result.time_name}^(-kappa)"))


def _abscissa(result: DynamicScaling, points: DynamicPoints) -> tuple[FloatArray, str]:
    if points.x.any():
        control, time = math_symbol(result.control_name), math_symbol(result.time_name)
        if control and time:
            critical = f"{control}_c" if "_" not in control and "{" not in control else "c_c"
            return points.x, rf"$({control} - {critical})\,{time}^{{1/\nu_\parallel}}$"
        return points.x, plain_text(f"({result.control_name} - c_c) {result.time_name}^(1/nu_par)")
    if points.v.any():
        return points.v, plain_text(f"{result.time_name}^(1/z)/{result.size_name}")
    return points.time, _time_label(result)


def _time_label(result: DynamicScaling) -> str:
    return f"time {math_or_text(math_symbol(result.time_name), result.time_name)}"


def _write_title(axes: Axes, result: DynamicScaling) -> None:
    """The parameters and the flags, above the axes."""
    parts = [
        f"{math_or_text(_SYMBOLS.get(name) or math_symbol(name), name)} = {estimate_text(estimate)}"
        for name, estimate in result.parameters.items()
        if name.partition("_")[0] in ("c", "delta", "theta", "nu", "z") and name != "nu_perp"
    ]
    if math.isfinite(result.chi2):
        parts.append(rf"$\chi^2/\mathrm{{dof}} = {result.chi2:.3g}/{result.dof:.3g}$")
    lines = [", ".join(parts[at : at + _PER_LINE]) for at in range(0, len(parts), _PER_LINE)]
    flags = flag_words(result.flags)
    axes.set_title("\n".join(lines), fontsize=text_size(8), pad=16 if flags else 4)
    if flags:
        note_above(axes, flags, 0.5, points=3)
