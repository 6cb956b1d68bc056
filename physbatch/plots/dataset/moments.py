"""Observables against the control, a curve for each size: Binder cumulant, susceptibility ..."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from physbatch.plots.labels import control_label_of, observable_label
from physbatch.plots.style import (
    DOUBLE_COLUMN_MM,
    SINGLE_COLUMN_MM,
    SizeStyle,
    figure_in_mm,
    journal_style,
    panel_grid,
    size_legend,
    size_styles,
)
from physbatch.tables.table import ScalingTable

_PANEL_MM = 56.0
_COLUMNS = 3


def plot_moments(
    table: ScalingTable,
    observables: Sequence[str] | None = None,
    figure: Figure | SubFigure | None = None,
) -> list[Axes]:
    """Draw observables with their errors against the control, one panel for each.

    Parameters
    ----------
    table : ScalingTable
        Observables at (size, control), such as the moments that
        `physbatch.scaling.statistics.observables.sample_moments` returns.
    observables : sequence of str, optional
        Which of them; by default all.
    figure : matplotlib.figure.Figure or SubFigure, optional
        Where to put the panels; by default a new figure, one column wide for one observable
        and two columns, with three panels in a row, for more.

    Returns
    -------
    list of matplotlib.axes.Axes
        The panels, in the order of the observables.

    Raises
    ------
    physbatch.errors.AnalysisError
        If there is no such observable.

    Examples
    --------
    >>> import numpy as np
    >>> from physbatch.exact import curie_weiss
    >>> from physbatch.plots import plot_moments
    >>> table = curie_weiss.table((32, 64), np.linspace(0.9, 1.2, 7))
    >>> plot_moments(table, ["binder"])[0].get_ylabel()
    'Binder cumulant $U$'
    """
    names = table.only(*(observables or table.observables)).observables
    styles = size_styles(table.sizes.tolist(), table.dimension)
    with journal_style():
        alone = len(names) == 1
        if figure is None:
            rows = math.ceil(len(names) / _COLUMNS)
            width = SINGLE_COLUMN_MM if alone else DOUBLE_COLUMN_MM
            figure = figure_in_mm(width, rows * _PANEL_MM + 8.0)
        panels = panel_grid(figure, len(names), _COLUMNS)
        for axes, name in zip(panels, names, strict=True):
            draw_observable(axes, table, name, styles)
        size_legend(panels[0], styles, columns=4 if alone else 8)
    return panels


def draw_observable(
    axes: Axes, table: ScalingTable, name: str, styles: dict[float, SizeStyle]
) -> None:
    """The curve of every size, points in the order of the control."""
    for size, style in styles.items():
        rows = table.size == size
        columns = (table.control[rows], table.values[name][rows], table.errors[name][rows])
        axes.errorbar(*columns, linewidth=0.7, elinewidth=0.7, **(style | {"markersize": 3.2}))
    axes.set(xlabel=control_label_of(table.control_name), ylabel=observable_label(name))
    axes.locator_params(axis="x", nbins=5)
