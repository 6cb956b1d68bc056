"""The composed figure: overlap, success, drift, extrapolation and histograms side by side."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from physbatch.plots.dataset.histogram import plot_histograms
from physbatch.plots.scaling.extrapolation import plot_extrapolation, spans_sizes
from physbatch.plots.scaling.transition import plot_drift, plot_overlap, plot_success
from physbatch.plots.style import (
    DOUBLE_COLUMN_MM,
    figure_in_mm,
    journal_style,
    size_legend,
    size_styles,
)
from physbatch.scaling.transition.result import Analysis

_HEIGHT_MM = 108.0


def plot_overview(analysis: Analysis) -> Figure:
    """Compose a double-column figure of everything that an analysis found.

    Panels: (a) mean overlap, (b) success probability, (c) m_c against run time, (d) m_c
    against 1/N where sizes allow it, and the last panel the histograms at the largest size.

    Parameters
    ----------
    analysis : Analysis
        What `physbatch.scaling.analyse` returned.

    Returns
    -------
    matplotlib.figure.Figure
        The figure, 178 mm wide, its layout done; write it with `save_figure`.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> from physbatch.plots import plot_overview
    >>> from physbatch.scaling import analyse
    >>> figure = plot_overview(analyse(first_order()))
    >>> round(figure.get_size_inches()[0] * 25.4)
    178
    """
    with journal_style():
        figure = figure_in_mm(DOUBLE_COLUMN_MM, _HEIGHT_MM)
        # Room between the panels, as a fraction of a panel.
        figure.set_layout_engine("constrained", wspace=0.05, hspace=0.04)
        left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(2.05, 1.0))[0]
        with_sizes = spans_sizes(analysis.m_c_extrapolation)
        mosaic = [["overlap", "success"], ["drift", "limit" if with_sizes else "drift"]]
        panels = left.subplot_mosaic(mosaic)
        plot_overlap(analysis, panels["overlap"], legend=False)
        plot_success(analysis, panels["success"], legend=False)
        plot_drift(analysis, panels["drift"], legend=False)
        if with_sizes:
            plot_extrapolation(analysis, panels["limit"], legend=False)
        histograms = plot_histograms(analysis, right)
        for letter, axes in zip("abcde", [*panels.values(), histograms[0]], strict=False):
            _letter(axes, letter)
        size_legend(
            histograms[0], size_styles([curve.size for curve in analysis.curves]), columns=8
        )
        # Subfigures never come to rest: each layout moves them in the last digits, and with
        # them the bytes of the file. So the layout is made once, here.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    return figure


def _letter(axes: Axes, letter: str) -> None:
    """The panel's letter, above its upper left corner where no data are."""
    axes.annotate(
        f"({letter})",
        (0.0, 1.0),
        xycoords="axes fraction",
        xytext=(-3, 3),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontweight="bold",
        gid=f"panel-{letter}",
    )
