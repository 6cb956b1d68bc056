"""A quantity against size on logarithmic axes, with the best law and its residuals."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from physbatch.plots.labels import plain_text, size_words
from physbatch.plots.style import (
    FIT_COLOUR,
    LIMIT_COLOUR,
    NOTE_COLOUR,
    SINGLE_COLUMN_MM,
    empty_panel,
    figure_in_mm,
    journal_style,
    label_decades,
    size_palette,
)
from physbatch.scaling.laws.fits import ScalingFit

__all__ = ["draw_law", "name_law", "plot_exponents"]


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
        draw_law(top, fit)
        _draw_residuals(bottom, fit)
        for axes in (top, bottom):
            axes.set_xscale("log")
        label_decades(bottom.xaxis, fit.x[:, 0])
        name_law(top, fit)
    return [top, bottom]


def draw_law(axes: Axes, fit: ScalingFit) -> None:
    """The quantity against size with its errors, and the best law through it."""
    (colour,) = size_palette([1.0])
    used = np.isfinite(fit.fitted)
    for rows, face in ((used, colour), (~used, "white")):
        axes.errorbar(
            fit.x[rows, 0],
            fit.value[rows],
            fit.stderr[rows],
            linestyle="none",
            marker="o",
            color=colour,
            markerfacecolor=face,
            elinewidth=0.7,
            zorder=3,
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
    axes.errorbar(
        fit.x[:, 0],
        (fit.value - fit.fitted) / fit.stderr,
        1.0,
        linestyle="none",
        marker="o",
        color=colour,
        elinewidth=0.7,
    )
    axes.set(xlabel=size_words(fit.variables[0]), ylabel=r"residual ($\sigma$)")


def name_law(axes: Axes, fit: ScalingFit, *, form: bool = True) -> None:
    """The law, where there is room for its form, and its exponents above the axes."""
    if not all(math.isfinite(one.value) for one in fit.estimates):
        axes.set_title("no law describes the data", color=NOTE_COLOUR, fontsize=8, pad=3)
        return
    law = [fit.law.latex(fit.variables)] if form else []
    listed = [f"{s} = {one}" for s, one in zip(fit.law.symbols, fit.estimates, strict=True)]
    text = r",\ \ ".join((*law, *listed[:2]))
    axes.set_title(f"${text}$", color=LIMIT_COLOUR, fontsize=8, pad=3)
