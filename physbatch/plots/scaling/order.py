"""The order of a transition: histograms, the jump, fluctuations and widths against size."""

import math
from typing import Unpack

import numpy as np
from matplotlib.axes import Axes

from physbatch.plots.docstrings import documented
from physbatch.plots.drawn import Drawn
from physbatch.plots.labels import plain_text
from physbatch.plots.layouts import Grid
from physbatch.plots.options import Options, Where
from physbatch.plots.sheet import Sheet, new_sheet
from physbatch.plots.style import (
    FIT_COLOUR,
    LIMIT_COLOUR,
    POINTS,
    empty_panel,
    mark_band,
    text_size,
)
from physbatch.plots.ticks import in_decades, label_decades
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
_LAYOUT = Grid(52.0)


@documented("two columns wide; the panels are called histograms and like the evidence")
def plot_order(result: TransitionOrder, ax: Where = None, **options: Unpack[Options]) -> Drawn:
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

    Examples
    --------
    >>> from physbatch.exact.phases import equilibrium_first_order
    >>> from physbatch.scaling import transition_order
    >>> result = transition_order(equilibrium_first_order((50, 100, 200)))
    >>> list(plot_order(result).panels)[:3]
    ['histograms', 'latent jump', 'fluctuations']
    """
    # Escape times are those of an event of all units: shown where there is a state to leave.
    last = () if result.histogram_values.size else (_BINDER,)
    shown = [
        panel
        for panel in (*_PANELS, *last)
        if _drawable(result[panel[0]]).any()
        and (panel[0] != "escape times" or result[panel[0]].points_to)
    ]
    with new_sheet(ax, options) as page:
        panels = page.lay_out(["histograms", *(name for name, *_ in shown)], _LAYOUT)
        if "histograms" in panels:
            _draw_histograms(page, panels["histograms"], result)
        for name, label, guides in shown:
            if name in panels:
                panels[name].set(xlabel=page.labels.size(result.size_name), ylabel=label)
                _draw_evidence(page, panels[name], result, result[name], guides)
        words = f"{plain_text(result.observable)}: {result.verdict}"
        page.head(words, fontsize=text_size(9))
        return page.drawn()


def _drawable(evidence: Evidence) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Values that a logarithmic axis can show."""
    return np.isfinite(evidence.value) & (evidence.value > 0.0)


def _draw_histograms(page: Sheet, axes: Axes, result: TransitionOrder) -> None:
    """The density of every size, shifted upwards by size."""
    name = page.labels.observable(result.observable, plain_text(result.observable))
    axes.set(xlabel=f"order parameter ({name})", ylabel="density, shifted")
    values = result.histogram_values
    if not values.size:
        empty_panel(axes, "no histograms: a curve with errors")
        return
    edges = np.linspace(np.nanmin(values), np.nanmax(values), _BINS + 1)
    styles = page.sizes(result.size, result.size_name)
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
    texts = [str(styles[float(size)]["label"]) for size in result.size]
    axes.set_yticks(np.arange(result.size.size) + 0.45, texts)
    axes.tick_params(axis="y", length=0)
    axes.minorticks_off()
    axes.set_ylim(0.0, result.size.size + 0.1)


def _draw_evidence(
    page: Sheet,
    axes: Axes,
    result: TransitionOrder,
    evidence: Evidence,
    guides: tuple[tuple[str, float], ...],
) -> None:
    """One quantity against size, with powers of N to compare with."""
    used = _drawable(evidence)
    size, value, stderr = (x[used] for x in (evidence.size, evidence.value, evidence.stderr))
    (colour,), (marker,) = page.colours([1.0]), page.markers(1)
    page.points(axes, size, value, stderr, marker=marker, color=colour, **POINTS)
    exponential = evidence.name == "escape times"  # a line on these axes
    axes.set_xscale("linear" if exponential else "log")
    if guides or value.max() > 2.0 * value.min():
        in_decades(axes, "y")
    else:
        axes.set_ylim(0.0, 1.3 * float((value + stderr).max()))
    if not exponential:
        label_decades(axes.xaxis)
    # Guides pass through the middle of the points, in logarithms.
    centre, height = np.exp(np.mean(np.log(size))), np.exp(np.mean(np.log(value)))
    for style, (label, exponent) in zip(_LINES, guides, strict=False):
        line = height * (size / centre) ** exponent
        look = {"color": FIT_COLOUR, "linewidth": 0.7, "linestyle": style, "label": label}
        page.curve(axes, size, line, **look)
    if guides:
        span = value.max() / value.min()
        axes.set_ylim(value.min() / (2.0 + 0.1 * span**0.5), value.max() * (2.0 + 0.1 * span**0.5))
        page.panel_legend(axes, fontsize=text_size(7), handlelength=1.8)
    _name(page, axes, evidence, page.labels.size_symbol(result.size_name) or "N")


def _name(page: Sheet, axes: Axes, evidence: Evidence, letter: str) -> None:
    """The parameter of the evidence above its panel; the limit of the jump as a band."""
    limit = evidence["limit"]
    if math.isfinite(limit.value):
        axes.axhline(limit.value, color=LIMIT_COLOUR, linewidth=0.8)
        mark_band(axes, limit.value, limit.total, alpha=0.2)
        page.title(axes, rf"${letter} \to \infty$: ${limit}$", color=LIMIT_COLOUR)
        return
    parameter, law = _EXPONENTS.get(evidence.name, ("limit", ""))
    exponent = evidence[parameter]
    if math.isfinite(exponent.value):
        page.title(axes, f"${law.format(N=letter)} = {exponent}$", color=LIMIT_COLOUR)
