"""A critical value against 1/N with the forms that were fitted and the limit."""

import math
from typing import Unpack

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from physbatch.plots.docstrings import documented
from physbatch.plots.drawn import Drawn
from physbatch.plots.options import Options, Where
from physbatch.plots.sheet import Sheet, new_sheet
from physbatch.plots.style import (
    FIT_COLOUR,
    LIMIT_COLOUR,
    LIMIT_STAR,
    NOTE_COLOUR,
    POINTS,
    SizeStyle,
    empty_panel,
    text_size,
)
from physbatch.scaling.laws.extrapolation import Extrapolation
from physbatch.scaling.transition.result import Analysis

NO_LIMIT = r"no limit found for $%s \to \infty$"
_JUMP_SYMBOL = r"\Delta q"
_UNUSED_COLOUR = "#8c8c8c"
#: As many as there are forms, so that each has a line of its own.
_LINES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1.5, 1, 1.5)), (0, (4, 1, 1, 1, 1, 1)))


def spans_sizes(result: Extrapolation | None) -> bool:
    """Whether there is more than one size to extrapolate from."""
    return result is not None and int(np.isfinite(result.value).sum()) > 1


@documented("one column wide")
def plot_extrapolation(
    analysis: Analysis, ax: Where = None, *, quantity: str = "m_c", **options: Unpack[Options]
) -> Drawn:
    """Draw m_c or the jump against 1/N, every fitted form, and the limit with its error.

    The thick bar of the limit is its statistical error, the thin one adds the spread over
    the forms.

    Parameters
    ----------
    analysis : Analysis
        What `physbatch.scaling.analyse` returned.
    quantity : {"m_c", "jump"}
        Which extrapolation.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> from physbatch.plots import plot_extrapolation
    >>> from physbatch.scaling import analyse
    >>> plot_extrapolation(analyse(first_order()), quantity="jump").ax.get_xlabel()
    'inverse size $1/N$'
    """
    with new_sheet(ax, options) as page:
        axes = page.lay_out(["extrapolation"])["extrapolation"]
        forms = draw_extrapolation(page, axes, analysis, quantity)
        page.legend(forms, columns=4)
        return page.drawn()


def draw_extrapolation(
    page: Sheet, axes: Axes, analysis: Analysis, quantity: str = "m_c", *, named: bool = True
) -> list[Line2D]:
    """The extrapolation in one panel, by default with its limit in words; the lines of forms."""
    result = analysis.m_c_extrapolation if quantity == "m_c" else analysis.jump_extrapolation
    letter = page.labels.size_symbol() or "N"
    name = page.labels.observable(analysis.observable)
    jump = rf"jump of the {name} ${_JUMP_SYMBOL}$"
    value = jump if quantity == "jump" else page.labels.critical_axis(analysis.control_name)
    axes.set(xlabel=f"inverse size $1/{letter}$", ylabel=value)
    if result is None or not spans_sizes(result):
        empty_panel(axes, "no extrapolation")
        return []
    inverse = 1.0 / result.size
    styles = page.sizes([curve.size for curve in analysis.curves] + list(result.size))
    for x, y, error, size in zip(
        inverse, result.value, np.nan_to_num(result.stderr), result.size, strict=True
    ):
        page.points(axes, [x], [y], [error], **(styles[float(size)] | POINTS | {"label": "_"}))
    _draw_limit(axes, result)
    # Before the forms are drawn: the logarithm has no end and would squeeze the data.
    axes.margins(y=0.15)
    axes.set_ylim(axes.get_ylim())
    forms = _draw_forms(page, axes, result)
    axes.set_xlim(-0.05 * inverse.max(), 1.08 * inverse.max())
    axes.locator_params(axis="x", nbins=5)
    if named:
        critical = page.labels.critical(analysis.control_name)
        symbol = critical if quantity == "m_c" else _JUMP_SYMBOL
        known = math.isfinite(result.limit.value)
        limit = rf"${letter} \to \infty$: ${symbol} = {result.limit}$"
        colour = LIMIT_COLOUR if known else NOTE_COLOUR
        page.title(axes, limit if known else NO_LIMIT % letter, color=colour)
    else:
        _small_legend(page, axes, forms)
    return forms


def _small_legend(page: Sheet, axes: Axes, forms: list[Line2D]) -> None:
    """The forms in two columns above the axes, for a panel of a composed figure."""
    page.panel_legend(
        axes,
        handles=forms,
        loc="lower right",
        bbox_to_anchor=(1.02, 1.0),
        ncols=min(max(len(forms), 1), 2),
        fontsize=text_size(7.5),
        handlelength=1.4,
        columnspacing=0.8,
        borderpad=0.0,
    )


def _draw_forms(page: Sheet, axes: Axes, result: Extrapolation) -> list[Line2D]:
    """Each form from the smallest size to the limit; one that failed is left out, one that
    does not count for the limit is grey."""
    # Not from 0 itself, where a logarithm has no value.
    inverse = np.linspace(1e-3, 1.05, 201) / result.size.min()
    curves = zip(result.laws, result.curve(1.0 / inverse), result.form_weight, strict=True)
    return [
        page.curve(
            axes,
            inverse,
            curve,
            color=FIT_COLOUR if weight != 0.0 else _UNUSED_COLOUR,
            linestyle=_LINES[index % len(_LINES)],
            linewidth=0.9,
            zorder=2,
            label=f"${form.latex()}$",
        )
        for index, (form, curve, weight) in enumerate(curves)
        if math.isfinite(curve[0])
    ]


def _draw_limit(axes: Axes, result: Extrapolation) -> None:
    limit = result.limit
    if not math.isfinite(limit.value):
        return
    error = limit.stderr if math.isfinite(limit.stderr) else 0.0
    common: SizeStyle = {"color": LIMIT_COLOUR, "zorder": 4, "clip_on": False}
    axes.errorbar(
        0.0, limit.value, math.hypot(error, limit.systematic), elinewidth=0.7, capsize=2, **common
    )
    common |= {"linestyle": "none", **LIMIT_STAR}
    axes.errorbar(0.0, limit.value, error, elinewidth=1.8, capsize=0, **common)
