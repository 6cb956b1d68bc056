"""The collapsed points on their master curve, with the residuals below."""

import math
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from physbatch.plots.labels import estimate_text, flag_words, plain_text
from physbatch.plots.style import (
    DOUBLE_COLUMN_MM,
    FIT_COLOUR,
    POINTS,
    SINGLE_COLUMN_MM,
    SizeStyle,
    figure_in_mm,
    journal_style,
    note_above,
    root_figure,
    size_styles,
    text_size,
)
from physbatch.results.estimate import Estimate
from physbatch.results.render import math_symbol
from physbatch.scaling.data_collapse.result import (
    Collapse,
    CollapsedPoints,
    MasterCurve,
)

_PANEL_MM = 78.0  # height of one panel with its residuals and its title
_COLUMNS = 3
_HEIGHTS = (3.2, 1.0)  # of a panel and of its residuals
_MANY_POINTS = 150
_MARKER_SIZES = (5.0, 3.2)  # of the smallest and of the largest size, which lies on top
_DEVIATIONS = 2.0  # where the lines among the residuals stand
_RESIDUAL_SIZE = 2.8
_BAND: SizeStyle = {"color": FIT_COLOUR, "alpha": 0.22, "linewidth": 0}


class CollapsePanel(NamedTuple):
    """The axes of one observable."""

    collapse: Axes
    residuals: Axes


def plot_collapse(
    result: Collapse, axes: Axes | Sequence[Axes] | None = None, *, legend: bool = True
) -> list[CollapsePanel]:
    """Draw the rescaled points of every size, the master curve with its band, and residuals.

    The band is one standard deviation of the master curve. Residuals are in units of the
    points' own errors, between dotted lines at two of them. Where the fit has corrections
    to scaling, the points are drawn without them. The title gives the exponents, and the
    names of the flags in red.

    Parameters
    ----------
    result : Collapse
        What `physbatch.scaling.data_collapse.methods.collapse` returned.
    axes : matplotlib.axes.Axes or sequence of them, optional
        One for each observable; the residuals take their lower quarter. By default a new
        figure, one column wide for one observable and two columns for more.
    legend : bool
        Put a legend of the sizes above the figure.

    Returns
    -------
    list of CollapsePanel
        The pair of axes of every observable, in the order of ``result.observables``.

    Examples
    --------
    >>> from physbatch.exact.scaling_functions import planted_table
    >>> from physbatch.plots import plot_collapse
    >>> from physbatch.scaling import collapse
    >>> table = planted_table("Ising 2-D", (16, 32, 64))
    >>> panel = plot_collapse(collapse(table, window="all"))[0]
    >>> panel.residuals.get_ylabel()
    'residual'
    """
    with journal_style():
        panels = _panels(axes, len(result.points))
        styles = _styles(result)
        wide = len(panels) < _COLUMNS
        for panel, points, curve in zip_longest(panels, result.points, result.curve):
            if curve is not None:
                _draw_curve(panel.collapse, curve)
            _draw_points(panel, points, styles)
            _draw_guides(panel.residuals, points)
            panel.collapse.set_ylabel(_y_label(result, points.observable))
            panel.collapse.tick_params(labelbottom=False)
            panel.residuals.set(xlabel=_x_label(result), ylabel="residual")
            panel.collapse.figure.align_ylabels(panel)
            _write_title(panel.collapse, result, points.observable, per_line=3 if wide else 2)
        if legend and panels:
            _legend(panels[0].collapse, styles)
    return panels


# --- axes -------------------------------------------------------------------------------


def _panels(axes: Axes | Sequence[Axes] | None, count: int) -> list[CollapsePanel]:
    if axes is None:
        return _new_panels(count)
    given = [axes] if isinstance(axes, Axes) else list(axes)
    if len(given) != count:
        raise ValueError(f"{len(given)} axes for {count} observables; give one for each")
    return [_split(panel) for panel in given]


def _new_panels(count: int) -> list[CollapsePanel]:
    columns = min(count, _COLUMNS)
    rows = math.ceil(count / _COLUMNS)
    width = SINGLE_COLUMN_MM if count == 1 else DOUBLE_COLUMN_MM
    figure = figure_in_mm(width, rows * _PANEL_MM + 8.0)
    figure.set_layout_engine("constrained", hspace=0.0, h_pad=0.02)
    grid = figure.add_gridspec(rows, max(columns, 1))
    return [_split(figure.add_subplot(grid[divmod(panel, columns)])) for panel in range(count)]


def _split(axes: Axes) -> CollapsePanel:
    """Give the lower part of some axes to the residuals."""
    figure, spec = axes.figure, axes.get_subplotspec()
    if spec is not None:
        grid = spec.subgridspec(2, 1, height_ratios=_HEIGHTS, hspace=0.0)
        axes.set_subplotspec(grid[0])
        return CollapsePanel(axes, figure.add_subplot(grid[1], sharex=axes))
    box = axes.get_position()
    cut = box.y0 + box.height * _HEIGHTS[1] / sum(_HEIGHTS)
    axes.set_position((box.x0, cut, box.width, box.y1 - cut))
    return CollapsePanel(
        axes, figure.add_axes((box.x0, box.y0, box.width, cut - box.y0), sharex=axes)
    )


# --- what is drawn ----------------------------------------------------------------------


def _styles(result: Collapse) -> dict[float, SizeStyle]:
    """Colour, marker and label of each size.

    Markers shrink with the size, so that those below show where points coincide.
    """
    sizes = [float(size) for points in result.points for size in np.unique(points.size)]
    most = max((points.x.size for points in result.points), default=0)
    name = f"${result.size_symbol}" if result.size_symbol else f"{plain_text(result.size_name)} $"
    styles = size_styles(sizes)
    shrink, edge = (0.7, 0.0) if most > _MANY_POINTS else (1.0, 0.4)
    for (size, style), width in zip(
        styles.items(), np.linspace(*_MARKER_SIZES, len(styles)), strict=True
    ):
        style["label"] = f"{name} = {size:g}$"
        style |= {"markersize": shrink * float(width), "markeredgewidth": edge}
    return styles


def _draw_curve(axes: Axes, curve: MasterCurve) -> None:
    ends = (curve.y - curve.band, curve.y + curve.band)
    axes.fill_between(curve.x, *ends, zorder=1, gid="band", **_BAND)
    axes.plot(curve.x, curve.y, color=FIT_COLOUR, linewidth=0.8, zorder=2, gid="master-curve")


def _draw_points(
    panel: CollapsePanel, points: CollapsedPoints, styles: dict[float, SizeStyle]
) -> None:
    for size in np.unique(points.size):
        style, rows = styles[float(size)], points.size == size
        panel.collapse.errorbar(
            points.x[rows], points.leading[rows], points.error[rows], capsize=0, **POINTS, **style
        )
        panel.residuals.plot(
            points.x[rows],
            points.residual[rows],
            linestyle="none",
            zorder=3,
            **(style | {"label": "_", "markersize": _RESIDUAL_SIZE, "markeredgewidth": 0.0}),
        )


def _draw_guides(axes: Axes, points: CollapsedPoints) -> None:
    """Lines at zero and at two standard errors, in the middle of a symmetric axis."""
    axes.axhline(0.0, color=FIT_COLOUR, linewidth=0.8, zorder=2)
    for height in (-_DEVIATIONS, _DEVIATIONS):
        axes.axhline(height, color=FIT_COLOUR, linewidth=0.7, linestyle=(0, (1, 1.5)), zorder=2)
    known = np.abs(points.residual[np.isfinite(points.residual)])
    reach = max(1.15 * float(known.max(initial=0.0)), 1.7 * _DEVIATIONS)
    axes.set_ylim(-reach, reach)
    # The outermost labels would touch those of the panel above.
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, symmetric=True, prune="both"))


def _legend(axes: Axes, styles: dict[float, SizeStyle]) -> None:
    handles: list[Any] = [Line2D([], [], linestyle="none", **style) for style in styles.values()]
    line = Line2D([], [], color=FIT_COLOUR, linewidth=0.8)
    handles.append((Patch(**_BAND), line))
    figure = root_figure(axes)
    most = 7 if figure.get_size_inches()[0] * 25.4 > 1.5 * SINGLE_COLUMN_MM else 4
    rows = math.ceil(len(handles) / most)
    figure.legend(
        handles,
        [str(style["label"]) for style in styles.values()] + ["master curve"],
        loc="outside upper center",
        ncols=math.ceil(len(handles) / rows),
    )


# --- words ------------------------------------------------------------------------------


def _x_label(result: Collapse) -> str:
    size, control = result.size_symbol, result.control_symbol
    if result.form != "power":
        return plain_text(result.x_label)
    if size and control:
        critical = result.symbol("c_c") + (f"({size})" if result.drift else "")
        return rf"${size}^{{1/\nu}}\,({control} - {critical})$"
    return plain_text(f"{result.size_name}^(1/nu) ({result.control_name} - c_c)")


def _y_label(result: Collapse, observable: str) -> str:
    """The observable times its power of the size, which is left out where zeta is fixed at 0."""
    if result.form != "power":
        return plain_text(result.y_labels[result.observables.index(observable)])
    size, symbol, zeta = result.size_symbol, math_symbol(observable), _zeta(result, observable)
    if result.fixed.get(zeta) == 0.0:
        factor, plain = "", ""
    else:
        power = result.symbol(zeta) if len(result.observables) > 1 else ""
        factor = rf"\,{size}^{{-{power or chr(92) + 'zeta'}/\nu}}"
        plain = f" {result.size_name}^(-zeta/nu)"
    if not (size and symbol):
        return plain_text(f"{observable}{plain}")
    correction = rf" - {size}^{{-\omega}} f_1" if result.corrections else ""
    return f"${symbol}{factor}{correction}$"


def _zeta(result: Collapse, observable: str) -> str:
    return "zeta" if len(result.observables) == 1 else f"zeta_{observable}"


def _write_title(axes: Axes, result: Collapse, observable: str, *, per_line: int) -> None:
    """The exponents that shape this panel and the goodness of fit, above the axes."""
    others = tuple(f"_{other}" for other in result.observables if other != observable)
    parts = [
        _equation(result.symbol(name), name, estimate)
        for name, estimate in result.parameters.items()
        if name == "c_c" or not name.endswith(others)
    ]
    if result.method == "local-linear":
        parts.append(f"$S = {result.quality:.3g}$")
    elif math.isfinite(result.chi2):
        parts.append(rf"$\chi^2/\mathrm{{dof}} = {result.chi2:.3g}/{result.dof:.3g}$")
    lines = [",  ".join(parts[at : at + per_line]) for at in range(0, len(parts), per_line)]
    flags = flag_words(result.flags)
    axes.set_title("\n".join(lines), fontsize=text_size(8), pad=16 if flags else 4)
    if flags:
        note_above(axes, flags, 0.5, points=3)


def _equation(symbol: str, name: str, estimate: Estimate) -> str:
    text = estimate_text(estimate)
    if not symbol:
        return f"{plain_text(name)} = {text}"
    head, _, power = text.partition("e+") if "e+" in text else text.partition("e-")
    if not power.isdigit():
        return f"${symbol} = {text}$" if math.isfinite(estimate.value) else f"${symbol}$: {text}"
    sign = "" if "e+" in text else "-"
    return rf"${symbol} = {head} \times 10^{{{sign}{int(power)}}}$"
