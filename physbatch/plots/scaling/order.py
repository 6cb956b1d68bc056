"""The order of a transition: histograms, the jump, fluctuations and widths against size."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from physbatch.plots.labels import plain_text, size_words
from physbatch.plots.style import (
    DOUBLE_COLUMN_MM,
    FIT_COLOUR,
    LIMIT_COLOUR,
    POINTS,
    empty_panel,
    figure_in_mm,
    journal_style,
    label_decades,
    mark_band,
    panel_grid,
    size_palette,
    size_styles,
    text_size,
)
from physbatch.scaling.order.result import Evidence, TransitionOrder

#: Panels after the histograms: evidence, label of its values, and the powers to compare with.
_PANELS = (
    ("latent jump", r"jump $\Delta q$", ()),
    ("fluctuations", r"largest $\mathrm{var}(q)$", (("$N^0$", 0.0), ("$N^{-1}$", -1.0))),
    ("two peaks", r"barrier $D^2/8$", (("$N^0$", 0.0), ("$N^1$", 1.0))),
    ("self-averaging", r"width of $\mathrm{var}(q)/\langle q\rangle^2$", ()),
    ("hysteresis", "width of the loop", ()),
    (
        "scaling forms",
        "width of the transition",
        (("$N^{-1}$", -1.0), ("$N^{-2/3}$", -2.0 / 3.0), ("$N^{-1/2}$", -0.5)),
    ),
    ("escape times", r"escape time $\tau$", ()),
)
_BINDER = ("Binder minimum", "excess of the Binder parameter", ())
_EXPONENTS = {
    "fluctuations": ("a", "{N}^{{-a}},\\ a"),
    "self-averaging": ("1/nu", "{N}^{{-1/\\nu}},\\ 1/\\nu"),
    "two peaks": ("growth", "{N}^{{x}},\\ x"),
    "scaling forms": ("b", "{N}^{{b}},\\ b"),
    "Binder minimum": ("growth", "{N}^{{x}},\\ x"),
    "escape times": ("Delta", "e^{{{N}\\Delta}},\\ \\Delta"),
}
_LINES = ("-", (0, (5, 1.5)), (0, (1, 1)))
_BINS = 24
_COLUMNS = 3


def plot_order(result: TransitionOrder, figure: Figure | SubFigure | None = None) -> list[Axes]:
    """Draw the evidence on the order of a transition.

    The first panel shows the histogram of each size where its variance is largest, one above
    the other, with the means of the two peaks where there are two. The others show, against
    size, the evidence that has numbers: the jump with its limit, the largest variance, the
    barrier, the width over which the order parameter becomes self-averaging, the hysteresis,
    the width of the transition, and escape times. Lines are powers of N through the middle of
    the points, to compare with.

    Parameters
    ----------
    result : TransitionOrder
        What `physbatch.scaling.transition_order` returned.
    figure : matplotlib.figure.Figure or SubFigure, optional
        Where to put the panels; by default a new double-column figure.

    Returns
    -------
    list of matplotlib.axes.Axes
        The histograms, and the panels of the evidence.

    Examples
    --------
    >>> from physbatch.exact.phases import equilibrium_first_order
    >>> from physbatch.scaling import transition_order
    >>> result = transition_order(equilibrium_first_order((50, 100, 200)))
    >>> [axes.get_ylabel() for axes in plot_order(result)][1]
    'jump $\\\\Delta q$'
    """
    # Escape times are those of an event of all units: shown where there is a state to leave.
    last = () if result.histogram_values.size else (_BINDER,)
    shown = [
        panel
        for panel in (*_PANELS, *last)
        if _drawable(result[panel[0]]).any()
        and (panel[0] != "escape times" or result[panel[0]].points_to)
    ]
    with journal_style():
        if figure is None:
            rows = math.ceil((1 + len(shown)) / _COLUMNS)
            figure = figure_in_mm(DOUBLE_COLUMN_MM, 8.0 + 52.0 * rows)
        panels = panel_grid(figure, 1 + len(shown), _COLUMNS)
        _draw_histograms(panels[0], result)
        for axes, (name, label, guides) in zip(panels[1:], shown, strict=True):
            axes.set(xlabel=size_words(result.size_name), ylabel=label)
            _draw_evidence(axes, result[name], guides, result.size_name)
        figure.suptitle(f"{plain_text(result.observable)}: {result.verdict}", fontsize=text_size(9))
    return panels


def _drawable(evidence: Evidence) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Values that a logarithmic axis can show."""
    return np.isfinite(evidence.value) & (evidence.value > 0.0)


def _draw_histograms(axes: Axes, result: TransitionOrder) -> None:
    """The density of every size, shifted upwards by size."""
    axes.set(xlabel=f"order parameter ({plain_text(result.observable)})", ylabel="density, shifted")
    values = result.histogram_values
    if not values.size:
        empty_panel(axes, "no histograms: a curve with errors")
        return
    edges = np.linspace(np.nanmin(values), np.nanmax(values), _BINS + 1)
    styles = size_styles(result.size.tolist())
    rows = zip(result.size, values, result.histogram_lower, result.histogram_upper, strict=True)
    for level, (size, row, lower, upper) in enumerate(rows):
        height, _ = np.histogram(row[np.isfinite(row)], bins=edges)
        height = 0.9 * height / height.max()
        colour = styles[float(size)]["color"]
        axes.stairs(height + level, edges, baseline=level, fill=True, color=colour, alpha=0.85)
        axes.axhline(level, color=FIT_COLOUR, linewidth=0.4)
        for peak in (lower, upper):
            if math.isfinite(peak):
                axes.plot([peak, peak], [level, level + 0.95], color=LIMIT_COLOUR, linewidth=0.8)
    axes.set_yticks(np.arange(result.size.size) + 0.45, [f"$N = {n:g}$" for n in result.size])
    axes.tick_params(axis="y", length=0)
    axes.minorticks_off()
    axes.set_ylim(0.0, result.size.size + 0.1)


def _draw_evidence(
    axes: Axes, evidence: Evidence, guides: tuple[tuple[str, float], ...], size_name: str
) -> None:
    """One quantity against size, with powers of N to compare with."""
    used = _drawable(evidence)
    size, value, stderr = (x[used] for x in (evidence.size, evidence.value, evidence.stderr))
    (colour,) = size_palette([1.0])
    axes.errorbar(size, value, stderr, marker="o", color=colour, **POINTS)
    exponential = evidence.name == "escape times"  # a line on these axes
    axes.set_xscale("linear" if exponential else "log")
    if guides or value.max() > 2.0 * value.min():
        axes.set_yscale("log")
    else:
        axes.set_ylim(0.0, 1.3 * float((value + stderr).max()))
    if not exponential:
        label_decades(axes.xaxis, size)
    # Guides pass through the middle of the points, in logarithms.
    centre, height = np.exp(np.mean(np.log(size))), np.exp(np.mean(np.log(value)))
    for style, (label, exponent) in zip(_LINES, guides, strict=False):
        line = height * (size / centre) ** exponent
        axes.plot(size, line, color=FIT_COLOUR, linewidth=0.7, linestyle=style, label=label)
    if guides:
        span = value.max() / value.min()
        axes.set_ylim(value.min() / (2.0 + 0.1 * span**0.5), value.max() * (2.0 + 0.1 * span**0.5))
        axes.legend(fontsize=text_size(7), frameon=False, handlelength=1.8)
    _name(axes, evidence, size_name)


def _name(axes: Axes, evidence: Evidence, size_name: str) -> None:
    """The parameter of the evidence above its panel; the limit of the jump as a band."""
    limit = evidence["limit"]
    if math.isfinite(limit.value):
        axes.axhline(limit.value, color=LIMIT_COLOUR, linewidth=0.8)
        mark_band(axes, limit.value, limit.total, alpha=0.2)
        axes.set_title(
            rf"$N \to \infty$: ${limit}$", color=LIMIT_COLOUR, fontsize=text_size(8), pad=3
        )
        return
    parameter, law = _EXPONENTS.get(evidence.name, ("limit", ""))
    exponent = evidence[parameter]
    if math.isfinite(exponent.value):
        law = law.format(N=size_name if size_name in ("N", "L") else "N")
        axes.set_title(f"${law} = {exponent}$", color=LIMIT_COLOUR, fontsize=text_size(8), pad=3)
