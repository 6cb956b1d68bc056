"""Observables in time on their scaling function."""

import math
from dataclasses import replace
from typing import Unpack

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, LogNorm

from physbatch.plots.docstrings import documented
from physbatch.plots.drawn import Drawn
from physbatch.plots.labels import (
    Labels,
    estimate_text,
    flag_words,
    math_or_text,
    plain_text,
)
from physbatch.plots.layouts import Grid
from physbatch.plots.options import Options, Where
from physbatch.plots.sheet import Sheet, new_sheet
from physbatch.plots.style import FIT_COLOUR, POINTS, SINGLE_COLUMN_MM
from physbatch.results.render import math_symbol
from physbatch.scaling.dynamic_scaling.result import DynamicPoints, DynamicScaling
from physbatch.typing import FloatArray

_LAYOUT = Grid(72.0, above=0.0)
_PER_LINE = 3
_SYMBOLS = {"nu_par": r"\nu_\parallel"}


@documented(
    "one column wide for one observable and two for more. The panels are called like the "
    "observables"
)
def plot_dynamics(result: DynamicScaling, ax: Where = None, **options: Unpack[Options]) -> Drawn:
    """Draw each observable over its power of the time against (c - c_c) t^(1/nu_par).

    Colours are times, from light to dark. Where there are sizes the curve depends on t^(1/z)/L as
    well: grey crosses are the curve at the points. With one control the abscissa is t^(1/z)/L, or
    the time.

    Parameters
    ----------
    result : DynamicScaling
        What `physbatch.scaling.fit_dynamics` returned.

    Examples
    --------
    >>> from physbatch.plots import plot_dynamics
    >>> from physbatch.scaling import fit_dynamics, read_times
    >>> t = np.geomspace(4, 400, 12)
    >>> fit = fit_dynamics(read_times({"t": t, "rho": t**-0.5, "rho_err": 0.01 * t**-0.5}))
    >>> plot_dynamics(fit).ax.get_xlabel()
    'time $t$'
    """
    names = [points.observable for points in result.points]
    alone = replace(_LAYOUT, width=SINGLE_COLUMN_MM) if len(names) == 1 else _LAYOUT
    with new_sheet(ax, options) as page:
        panels = page.lay_out(names, alone)
        times = np.concatenate([points.time for points in result.points])
        ends = float(times.min()), float(times.max())
        ramp = page.colours([float(step) for step in range(9)])
        colours = LinearSegmentedColormap.from_list("times", ramp)
        scale = ScalarMappable(
            LogNorm(ends[0], ends[1] if ends[1] > ends[0] else 2 * ends[0]), colours
        )
        for points in result.points:
            if points.observable in panels:
                _draw_panel(page, panels[points.observable], result, points, scale)
        last = list(panels.values())[-1]
        page.bar(scale, last, _time_label(result))
        _write_title(page, result)
        return page.drawn()


def _draw_panel(
    page: Sheet,
    axes: Axes,
    result: DynamicScaling,
    points: DynamicPoints,
    scale: ScalarMappable,
) -> None:
    x, label = _abscissa(page.labels, result, points)
    order = np.argsort(x)
    if points.v.any() and points.x.any():
        axes.plot(x, points.curve, "x", color=FIT_COLOUR, markersize=2.5, zorder=2, gid="curve")
    else:
        page.curve(axes, x[order], points.curve[order], color=FIT_COLOUR, zorder=2, gid="curve")
    (marker,) = page.markers(1)
    for time in np.unique(points.time):
        rows = points.time == time
        error = points.error[rows] if np.isfinite(points.error[rows]).all() else None
        page.points(
            axes,
            x[rows],
            points.y[rows],
            error,
            marker=marker,
            markersize=3.0,
            color=tuple(scale.to_rgba(np.full(1, time))[0]),
            capsize=0,
            **POINTS,
        )
    if not points.x.any() and (x > 0).all():
        axes.set_xscale("log")
    axes.set_xlabel(label)
    power = "2/z" if points.growth == "spread" else r"\kappa"
    symbol = page.labels.observable_symbol(points.observable)
    time = math_symbol(result.time_name)
    if symbol and time:
        axes.set_ylabel(f"${symbol}\\,{time}^{{-{power}}}$")
    else:
        axes.set_ylabel(plain_text(f"{points.observable} {result.time_name}^(-kappa)"))


def _abscissa(
    labels: Labels, result: DynamicScaling, points: DynamicPoints
) -> tuple[FloatArray, str]:
    if points.x.any():
        control, time = labels.control_symbol(result.control_name), math_symbol(result.time_name)
        if control and time:
            critical = labels.critical(result.control_name)
            return points.x, rf"$({control} - {critical})\,{time}^{{1/\nu_\parallel}}$"
        return points.x, plain_text(f"({result.control_name} - c_c) {result.time_name}^(1/nu_par)")
    if points.v.any():
        return points.v, plain_text(f"{result.time_name}^(1/z)/{result.size_name}")
    return points.time, _time_label(result)


def _time_label(result: DynamicScaling) -> str:
    return f"time {math_or_text(math_symbol(result.time_name), result.time_name)}"


def _write_title(page: Sheet, result: DynamicScaling) -> None:
    """The parameters and the flags, above the first panel."""
    symbols = {"c_c": page.labels.critical(result.control_name), **_SYMBOLS}
    parts = [
        f"{math_or_text(symbols.get(name) or math_symbol(name), name)} = {estimate_text(estimate)}"
        for name, estimate in result.parameters.items()
        if name.partition("_")[0] in ("c", "delta", "theta", "nu", "z") and name != "nu_perp"
    ]
    if math.isfinite(result.chi2):
        parts.append(rf"$\chi^2/\mathrm{{dof}} = {result.chi2:.3g}/{result.dof:.3g}$")
    lines = [", ".join(parts[at : at + _PER_LINE]) for at in range(0, len(parts), _PER_LINE)]
    flags = flag_words(result.flags)
    page.title(page.first, "\n".join(lines), pad=16 if flags else 4)
    if flags:
        page.note(page.first, flags, 0.5, points=3)
