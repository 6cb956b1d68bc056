"""Laws of the size: a quantity with its residuals, and the peaks of curves."""

import math
from typing import Unpack

import numpy as np
from matplotlib.axes import Axes

from physbatch.plots.dataset.moments import draw_observable
from physbatch.plots.docstrings import documented
from physbatch.plots.drawn import Drawn
from physbatch.plots.labels import plain_text
from physbatch.plots.layouts import Grid, Stack
from physbatch.plots.options import Options, Where
from physbatch.plots.sheet import Sheet, new_sheet
from physbatch.plots.style import (
    FIT_COLOUR,
    LIMIT_COLOUR,
    NOTE_COLOUR,
    POINTS,
    RING,
    SizeStyle,
    empty_panel,
    mark_band,
)
from physbatch.plots.ticks import in_decades, label_decades
from physbatch.scaling.curves.peaks import Peaks
from physbatch.scaling.laws.fits import ScalingFit
from physbatch.tables.table import ScalingTable

_LAW = Stack(92.0, (2.4, 1.0))
_PEAKS = Grid(56.0)
_SPAN = 10.0  # ratio of heights above which the curves get a logarithmic axis


@documented("one column wide; the panels are called law and residuals")
def plot_exponents(fit: ScalingFit, ax: Where = None, **options: Unpack[Options]) -> Drawn:
    """Draw the quantity and the fitted law, and below it the residuals in standard errors.

    The quantity's axis is logarithmic where all values are positive and span a factor of 2.
    Open markers are sizes below those that the best fit uses.

    Parameters
    ----------
    fit : ScalingFit
        What `physbatch.scaling.laws.fits.fit_law` returned.

    Examples
    --------
    >>> from physbatch.scaling.laws.fits import fit_law
    >>> n = np.array([16.0, 32.0, 64.0, 128.0])
    >>> plot_exponents(fit_law(n, 0.4 * n**1.75, 0.01 * n**1.75)).ax.get_yscale()
    'log'
    """
    with new_sheet(ax, options) as page:
        panels = page.lay_out(["law", "residuals"], _LAW)
        if not fit.value.size:
            for axes in panels.values():
                empty_panel(axes, "no size has a value")
            return page.drawn()
        if "law" in panels:
            _draw_law(page, panels["law"], fit)
            _name_law(page, panels["law"], fit)
        if "residuals" in panels:
            _draw_residuals(page, panels["residuals"], fit)
        for axes in panels.values():
            axes.set_xscale("log")
        last = list(panels.values())[-1]
        label_decades(last.xaxis)
        last.set_xlabel(page.labels.size(fit.variables[0]))
        page.align(*panels.values())
        return page.drawn()


def _draw_law(page: Sheet, axes: Axes, fit: ScalingFit) -> None:
    """The quantity against size with its errors, and the best law through it."""
    (colour,), (marker,) = page.colours([1.0]), page.markers(1)
    used = np.isfinite(fit.fitted)
    for rows, face in ((used, colour), (~used, "white")):
        page.points(
            axes,
            fit.x[rows, 0],
            fit.value[rows],
            fit.stderr[rows],
            marker=marker,
            color=colour,
            markerfacecolor=face,
            **POINTS,
        )
    if fit.curve_x.size:
        x = fit.curve_x
        page.curve(axes, x, fit.curve(x), color=FIT_COLOUR, zorder=2, gid="law")
    if fit.value.size and fit.value.min() > 0.0 and fit.value.max() > 2.0 * fit.value.min():
        in_decades(axes, "y")
    axes.set_ylabel(page.labels.observable(fit.quantity, plain_text(fit.quantity)))


def _draw_residuals(page: Sheet, axes: Axes, fit: ScalingFit) -> None:
    (colour,), (marker,) = page.colours([1.0]), page.markers(1)
    axes.axhspan(-1.0, 1.0, color=FIT_COLOUR, alpha=0.12, linewidth=0)
    axes.axhline(0.0, color=FIT_COLOUR, linewidth=0.7)
    look: SizeStyle = {"linestyle": "none", "marker": marker, "color": colour, "elinewidth": 0.7}
    page.points(axes, fit.x[:, 0], (fit.value - fit.fitted) / fit.stderr, 1.0, **look)
    axes.set_ylabel(r"residual ($\sigma$)")


def _name_law(page: Sheet, axes: Axes, fit: ScalingFit, *, form: bool = True) -> None:
    """The law, where there is room for its form, and its exponents above the axes."""
    if not all(math.isfinite(estimate.value) for estimate in fit.estimates):
        page.title(axes, "no law describes the data", color=NOTE_COLOUR)
        return
    law = [fit.law.latex(fit.variables)] if form else []
    pairs = zip(fit.law.symbols, fit.estimates, strict=True)
    listed = [f"{symbol} = {estimate}" for symbol, estimate in pairs]
    text = r",\ \ ".join((*law, *listed[:2]))
    page.title(axes, f"${text}$", color=LIMIT_COLOUR)


@documented("two columns wide; the panels are called curves, heights and positions")
def plot_peaks(
    table: ScalingTable,
    peaks: Peaks,
    heights: ScalingFit,
    positions: ScalingFit,
    ax: Where = None,
    **options: Unpack[Options],
) -> Drawn:
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

    Raises
    ------
    physbatch.errors.AnalysisError
        If the table does not hold the observable of the peaks.

    Examples
    --------
    >>> import numpy as np
    >>> from physbatch.plots import plot_peaks
    >>> from physbatch.scaling.curves.peaks import find_peaks
    >>> from physbatch.tables import make_table
    >>> size, c = np.repeat([8.0, 16.0, 32.0, 64.0], 21), np.tile(np.linspace(-1, 1, 21), 4)
    >>> chi = size / (1 + 9 * (c - 1 / size) ** 2)
    >>> table = make_table(size, c, {"chi": chi}, {"chi": 0.02 * size})
    >>> peaks = find_peaks(table, "chi", resamples=50)
    >>> drawn = plot_peaks(table, peaks, peaks.fit_heights(), peaks.fit_positions())
    >>> [axes.get_xscale() for axes in drawn.panels.values()]
    ['linear', 'log', 'log']
    """
    table.only(peaks.observable)
    with new_sheet(ax, options) as page:
        panels = page.lay_out(["curves", "heights", "positions"], _PEAKS)
        styles = page.sizes(table.sizes, table.dimension)
        if "curves" in panels:
            draw_observable(page, panels["curves"], table, peaks.observable, styles)
            _mark_peaks(panels["curves"], peaks)
            _scale_heights(panels["curves"], table, peaks)
        for name, fit in (("heights", heights), ("positions", positions)):
            if name not in panels:
                continue
            axes = panels[name]
            if not fit.value.size:
                empty_panel(axes, "no size has a value")
                continue
            _draw_law(page, axes, fit)
            _name_law(page, axes, fit, form=False)
            in_decades(axes, "x")
            axes.set_xlabel(page.labels.size(peaks.dimension))
        if "heights" in panels:
            panels["heights"].set_ylabel("height of the peak")
        if "positions" in panels:
            control = page.labels.control(table.control_name)
            panels["positions"].set_ylabel(f"peak in {control}")
            _draw_limit(panels["positions"], positions)
        page.size_legend(styles)
        return page.drawn()


def _scale_heights(axes: Axes, table: ScalingTable, peaks: Peaks) -> None:
    """A logarithmic axis where small peaks stand beside large ones."""
    known = peaks.height[np.isfinite(peaks.height)]
    values = table.values[peaks.observable]
    if known.size and values.min() > 0.0 and known.max() > _SPAN * known.min():
        axes.set_yscale("log")


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
