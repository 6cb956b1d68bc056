"""Observables against the control, a curve for each size: Binder cumulant, susceptibility ..."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Unpack

from matplotlib.axes import Axes

from physbatch.plots.docstrings import documented
from physbatch.plots.drawn import Drawn
from physbatch.plots.layouts import Grid
from physbatch.plots.options import Options, Where
from physbatch.plots.sheet import Sheet, new_sheet
from physbatch.plots.style import SINGLE_COLUMN_MM, SizeStyle
from physbatch.tables.table import ScalingTable

_LAYOUT = Grid(56.0)


@documented("one column wide for one observable and two for more. The panels are called like them")
def plot_moments(
    table: ScalingTable,
    observables: Sequence[str] | None = None,
    ax: Where = None,
    **options: Unpack[Options],
) -> Drawn:
    """Draw observables with their errors against the control, one panel for each.

    Parameters
    ----------
    table : ScalingTable
        Observables at (size, control), such as the moments that
        `physbatch.scaling.statistics.observables.sample_moments` returns.
    observables : sequence of str, optional
        Which of them; by default all.

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
    >>> plot_moments(table, ["binder"]).ax.get_ylabel()
    'Binder cumulant $U$'
    """
    names = table.only(*(observables or table.observables)).observables
    alone = replace(_LAYOUT, width=SINGLE_COLUMN_MM) if len(names) == 1 else _LAYOUT
    with new_sheet(ax, options) as page:
        panels = page.lay_out(names, alone)
        styles = page.sizes(table.sizes, table.dimension)
        for name, axes in panels.items():
            draw_observable(page, axes, table, name, styles)
        page.size_legend(styles)
        return page.drawn()


def draw_observable(
    page: Sheet, axes: Axes, table: ScalingTable, name: str, styles: dict[float, SizeStyle]
) -> None:
    """The curve of every size, points in the order of the control."""
    for size, style in styles.items():
        rows = table.size == size
        columns = (table.control[rows], table.values[name][rows], table.errors[name][rows])
        look = style | {"markersize": 3.2, "linewidth": 0.7, "elinewidth": 0.7}
        page.points(axes, *columns, **look)
    axes.set(xlabel=page.labels.control(table.control_name), ylabel=page.labels.observable(name))
    axes.locator_params(axis="x", nbins=5)
