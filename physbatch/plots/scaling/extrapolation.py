"""A critical value against 1/N with the forms that were fitted and the limit."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from physbatch.plots.labels import critical_axis_label, critical_symbol, plain_text
from physbatch.plots.style import (
    FIT_COLOUR,
    LIMIT_COLOUR,
    LIMIT_STAR,
    NOTE_COLOUR,
    POINTS,
    SizeStyle,
    empty_panel,
    journal_style,
    panel_axes,
    root_figure,
    size_styles,
    text_size,
    title_style,
)
from physbatch.scaling.laws.extrapolation import Extrapolation
from physbatch.scaling.transition.result import Analysis

NO_LIMIT = r"no limit found for $N \to \infty$"
_JUMP_SYMBOL = r"\Delta q"
_UNUSED_COLOUR = "#8c8c8c"
_LINES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1.5, 1, 1.5)))


def spans_sizes(result: Extrapolation | None) -> bool:
    """Whether there is more than one size to extrapolate from."""
    return result is not None and int(np.isfinite(result.value).sum()) > 1


def plot_extrapolation(
    analysis: Analysis, axes: Axes | None = None, *, quantity: str = "m_c", legend: bool = True
) -> Axes:
    """Draw m_c or the jump against 1/N, every fitted form, and the limit with its error.

    The thick bar of the limit is its statistical error, the thin one adds the spread over
    the forms.

    Parameters
    ----------
    analysis : Analysis
        What `physbatch.scaling.analyse` returned.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default a new single-column figure.
    quantity : {"m_c", "jump"}
        Which extrapolation.
    legend : bool
        Put a legend of the forms above the figure and name the limit; without it, a small
        legend goes above the axes.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> from physbatch.plots import plot_extrapolation
    >>> from physbatch.scaling import analyse
    >>> plot_extrapolation(analyse(first_order()), quantity="jump").get_xlabel()
    'inverse size $1/N$'
    """
    result = analysis.m_c_extrapolation if quantity == "m_c" else analysis.jump_extrapolation
    with journal_style():
        axes = panel_axes(axes)
        jump = rf"jump of the {plain_text(analysis.observable)} ${_JUMP_SYMBOL}$"
        value = jump if quantity == "jump" else critical_axis_label(analysis)
        axes.set(xlabel="inverse size $1/N$", ylabel=value)
        if result is None or not spans_sizes(result):
            empty_panel(axes, "no extrapolation")
            return axes
        inverse = 1.0 / result.size
        styles = size_styles([curve.size for curve in analysis.curves] + list(result.size))
        for x, value, error, size in zip(
            inverse, result.value, np.nan_to_num(result.stderr), result.size, strict=True
        ):
            axes.errorbar(x, value, error, **(styles[float(size)] | {"label": "_"}), **POINTS)
        _draw_limit(axes, result)
        # Before the forms are drawn: the logarithm has no end and would squeeze the data.
        axes.margins(y=0.15)
        axes.set_ylim(axes.get_ylim())
        _draw_forms(axes, result)
        axes.set_xlim(-0.05 * inverse.max(), 1.08 * inverse.max())
        axes.locator_params(axis="x", nbins=5)
        forms = [line for line in axes.get_lines() if not str(line.get_label()).startswith("_")]
        if legend:
            root_figure(axes).legend(
                handles=forms, loc="outside upper center", ncols=min(max(len(forms), 1), 4)
            )
            _name_limit(axes, analysis, result, quantity)
        else:
            _small_legend(axes, forms)
    return axes


def _name_limit(axes: Axes, analysis: Analysis, result: Extrapolation, quantity: str) -> None:
    symbol = critical_symbol(analysis) if quantity == "m_c" else _JUMP_SYMBOL
    known = math.isfinite(result.limit.value)
    text = rf"$N \to \infty$: ${symbol} = {result.limit}$" if known else NO_LIMIT
    axes.set_title(text, color=LIMIT_COLOUR if known else NOTE_COLOUR, **title_style())


def _small_legend(axes: Axes, forms: list[Line2D]) -> None:
    """The forms in two columns above the axes, for a panel of a composed figure."""
    axes.legend(
        handles=forms,
        loc="lower right",
        bbox_to_anchor=(1.02, 1.0),
        ncols=min(max(len(forms), 1), 2),
        fontsize=text_size(7.5),
        handlelength=1.4,
        columnspacing=0.8,
        borderpad=0.0,
    )


def _draw_forms(axes: Axes, result: Extrapolation) -> None:
    """Each form from the smallest size to the limit; one that failed is left out, one that
    does not count for the limit is grey."""
    # Not from 0 itself, where a logarithm has no value.
    inverse = np.linspace(1e-3, 1.05, 201) / result.size.min()
    curves = zip(result.laws, result.curve(1.0 / inverse), result.form_weight, strict=True)
    for index, (form, curve, weight) in enumerate(curves):
        if math.isfinite(curve[0]):
            axes.plot(
                inverse,
                curve,
                color=FIT_COLOUR if weight != 0.0 else _UNUSED_COLOUR,
                linestyle=_LINES[index % len(_LINES)],
                linewidth=0.9,
                zorder=2,
                label=f"${form.latex()}$",
            )


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
