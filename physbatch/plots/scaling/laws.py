"""Laws of the size: a quantity with its residuals, and the peaks of curves."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from physbatch.plots.dataset.moments import draw_observable
from physbatch.plots.labels import control_label_of, plain_text, size_words
from physbatch.plots.style import (
    DOUBLE_COLUMN_MM,
    FIT_COLOUR,
    LIMIT_COLOUR,
    NOTE_COLOUR,
    POINTS,
    RING,
    SINGLE_COLUMN_MM,
    SizeStyle,
    empty_panel,
    figure_in_mm,
    journal_style,
    label_decades,
    mark_band,
    size_legend,
    size_palette,
    size_styles,
    title_style,
)
from physbatch.scaling.curves.peaks import Peaks
from physbatch.scaling.laws.fits import ScalingFit
from physbatch.tables.table import ScalingTable

_HEIGHT_MM = 62.0
_SPAN = 10.0  # ratio of heights above which the curves get a logarithmic axis


def plot_exponents(fit: ScalingFit, figure: Figure | SubFigure | None = None) -> list[Axes]:
    """Draw the quantity and the fitted law, and below it the residuals in standard errors.

    The quantity's axis is logarithmic where all values are positive and span a factor of 2.
    Open markers are sizes below those that the best fit uses.

    Parameters
    ----------
    fit : ScalingFit
        What `physbatch.scaling.laws.fits.fit_law` returned.
    figure : matplotlib.figure.Figure or SubFigure, optional
        Where to put the two panels; by default a new single-column figure.

    Returns
    -------
    list of matplotlib.axes.Axes
        The law, and the residuals.

    Examples
    --------
    >>> from physbatch.scaling.laws.fits import fit_law
    >>> n = np.array([16.0, 32.0, 64.0, 128.0])
    >>> plot_exponents(fit_law(n, 0.4 * n**1.75, 0.01 * n**1.75))[0].get_yscale()
    'log'
    """
    with journal_style():
        figure = figure_in_mm(SINGLE_COLUMN_MM, 92.0) if figure is None else figure
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2.4, 1.0))
        if not fit.value.size:
            for axes in (top, bottom):
                empty_panel(axes, "no size has a value")
            return [top, bottom]
        _draw_law(top, fit)
        _draw_residuals(bottom, fit)
        for axes in (top, bottom):
            axes.set_xscale("log")
        label_decades(bottom.xaxis, fit.x[:, 0])
        _name_law(top, fit)
    return [top, bottom]


def _draw_law(axes: Axes, fit: ScalingFit) -> None:
    """The quantity against size with its errors, and the best law through it."""
    (colour,) = size_palette([1.0])
    used = np.isfinite(fit.fitted)
    for rows, face in ((used, colour), (~used, "white")):
        axes.errorbar(
            fit.x[rows, 0],
            fit.value[rows],
            fit.stderr[rows],
            marker="o",
            color=colour,
            markerfacecolor=face,
            **POINTS,
        )
    if fit.curve_x.size:
        axes.plot(fit.curve_x, fit.curve(fit.curve_x), color=FIT_COLOUR, zorder=2, gid="law")
    if fit.value.size and fit.value.min() > 0.0 and fit.value.max() > 2.0 * fit.value.min():
        axes.set_yscale("log")
    axes.set_ylabel(plain_text(fit.quantity))


def _draw_residuals(axes: Axes, fit: ScalingFit) -> None:
    (colour,) = size_palette([1.0])
    axes.axhspan(-1.0, 1.0, color=FIT_COLOUR, alpha=0.12, linewidth=0)
    axes.axhline(0.0, color=FIT_COLOUR, linewidth=0.7)
    look: SizeStyle = {"linestyle": "none", "marker": "o", "color": colour, "elinewidth": 0.7}
    axes.errorbar(fit.x[:, 0], (fit.value - fit.fitted) / fit.stderr, 1.0, **look)
    axes.set(xlabel=size_words(fit.variables[0]), ylabel=r"residual ($\sigma$)")


def _name_law(axes: Axes, fit: ScalingFit, *, form: bool = True) -> None:
    """The law, where there is room for its form, and its exponents above the axes."""
    if not all(math.isfinite(estimate.value) for estimate in fit.estimates):
        axes.set_title("no law describes the data", color=NOTE_COLOUR, **title_style())
        return
    law = [fit.law.latex(fit.variables)] if form else []
    pairs = zip(fit.law.symbols, fit.estimates, strict=True)
    listed = [f"{symbol} = {estimate}" for symbol, estimate in pairs]
    text = r",\ \ ".join((*law, *listed[:2]))
    axes.set_title(f"${text}$", color=LIMIT_COLOUR, **title_style())


def plot_peaks(
    table: ScalingTable,
    peaks: Peaks,
    heights: ScalingFit,
    positions: ScalingFit,
    figure: Figure | SubFigure | None = None,
) -> list[Axes]:
    """Draw the curves with their peaks, and heights and positions of the peaks against size.

    Open circles are the peaks that were found; the axis of the curves is logarithmic where the
    heights span more than a decade. Lines are the fitted laws; open markers are
    sizes below those that the best fit uses. The red band is the position for infinite size
    with its total error.

    Parameters
    ----------
    table : ScalingTable
        The data in which the peaks were looked for.
    peaks : Peaks
        What `physbatch.scaling.curves.peaks.find_peaks` returned.
    heights, positions : ScalingFit
        ``peaks.fit_heights()`` and ``peaks.fit_positions()``.
    figure : matplotlib.figure.Figure or SubFigure, optional
        Where to put the three panels; by default a new double-column figure.

    Returns
    -------
    list of matplotlib.axes.Axes
        The curves, the heights, the positions.

    Raises
    ------
    physbatch.errors.AnalysisError
        If the table does not hold the observable of the peaks.

    Examples
    --------
    >>> from physbatch.plots import plot_peaks
    >>> from physbatch.scaling.curves.peaks import find_peaks
    >>> from physbatch.tables import make_table
    >>> size, c = np.repeat([8.0, 16.0, 32.0, 64.0], 21), np.tile(np.linspace(-1, 1, 21), 4)
    >>> chi = size / (1 + 9 * (c - 1 / size) ** 2)
    >>> table = make_table(size, c, {"chi": chi}, {"chi": 0.02 * size})
    >>> peaks = find_peaks(table, "chi", resamples=50)
    >>> [a.get_xscale() for a in plot_peaks(table, peaks, peaks.fit_heights(),
    ...                                     peaks.fit_positions())]
    ['linear', 'log', 'log']
    """
    table.only(peaks.observable)
    styles = size_styles(table.sizes.tolist(), table.dimension)
    with journal_style():
        figure = figure_in_mm(DOUBLE_COLUMN_MM, _HEIGHT_MM) if figure is None else figure
        curves, high, where = figure.subplots(1, 3)
        draw_observable(curves, table, peaks.observable, styles)
        _mark_peaks(curves, peaks)
        known = peaks.height[np.isfinite(peaks.height)]
        values = table.values[peaks.observable]
        # Small peaks beside large ones are seen on a logarithmic axis alone.
        if known.size and values.min() > 0.0 and known.max() > _SPAN * known.min():
            curves.set_yscale("log")
        for axes, fit in ((high, heights), (where, positions)):
            _draw_law(axes, fit)
            _name_law(axes, fit, form=False)
            axes.set_xscale("log")
            label_decades(axes.xaxis, fit.x[:, 0])
            axes.set_xlabel(size_words(peaks.dimension))
        high.set_ylabel("height of the peak")
        where.set_ylabel(f"peak in {control_label_of(table.control_name)}")
        _draw_limit(where, positions)
        size_legend(curves, styles, columns=8)
    return [curves, high, where]


def _mark_peaks(axes: Axes, peaks: Peaks) -> None:
    height_error = np.nan_to_num(np.hypot(peaks.height_stderr, peaks.height_systematic))
    position_error = np.nan_to_num(np.hypot(peaks.position_stderr, peaks.position_systematic))
    look = RING | {"linestyle": "none", "markersize": 6, "zorder": 4, "gid": "peaks"}
    look |= {"ecolor": LIMIT_COLOUR, "elinewidth": 0.7, "capsize": 0}
    axes.errorbar(peaks.position, peaks.height, height_error, position_error, **look)


def _draw_limit(axes: Axes, positions: ScalingFit) -> None:
    """The position for infinite size."""
    limit = positions["c"]
    if not math.isfinite(limit.value):
        return
    axes.axhline(limit.value, color=LIMIT_COLOUR, linewidth=0.8, zorder=1, gid="limit")
    mark_band(axes, limit.value, limit.total, alpha=0.15, zorder=0)
