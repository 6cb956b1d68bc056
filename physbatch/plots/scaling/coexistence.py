"""Histograms of the energy with two phases, and the controls of coexistence against size."""

from typing import Unpack

import numpy as np
from matplotlib.axes import Axes

from physbatch.plots.docstrings import documented
from physbatch.plots.drawn import Drawn
from physbatch.plots.layouts import Stack
from physbatch.plots.options import Options, Where
from physbatch.plots.sheet import Sheet, new_sheet
from physbatch.plots.style import FIT_COLOUR, LIMIT_COLOUR, POINTS, SizeStyle, empty_panel
from physbatch.scaling.reweighting.coexistence_result import Coexistence

_LAYOUT = Stack(112.0, (1.35, 1.0), share=False)
_UNSURE = 0.5  # error of ln P of points that are not shown


@documented("one column wide; the panels are called histograms and controls")
def plot_coexistence(result: Coexistence, ax: Where = None, **options: Unpack[Options]) -> Drawn:
    """Draw ln P(E) of every size, and the controls of equal heights and weights against 1/N.

    Points are counts of all runs together, lines the smooth curve from which heights are taken;
    both are relative to the highest point of the curve. Of several controls of a size the first is
    drawn.

    Parameters
    ----------
    result : Coexistence
        What `physbatch.scaling.find_coexistence` returned.

    Examples
    --------
    >>> from physbatch.scaling import find_coexistence
    >>> generator = np.random.default_rng(1)
    >>> phase = np.where(generator.random(4000) < 0.5, -60.0, -40.0)
    >>> columns = {"N": np.full(4000, 100.0), "beta": np.ones(4000)}
    >>> columns["E"] = phase + 4.0 * generator.standard_normal(4000)
    >>> list(plot_coexistence(find_coexistence(columns, resamples=50)).panels)
    ['histograms', 'controls']
    """
    with new_sheet(ax, options) as page:
        panels = page.lay_out(["histograms", "controls"], _LAYOUT)
        styles = page.sizes(result.size, result.dimension)
        if "histograms" in panels:
            _draw_histograms(page, panels["histograms"], result, styles)
        if "controls" in panels:
            _draw_controls(page, panels["controls"], result)
        page.align(*panels.values())
        page.size_legend(styles)
        return page.drawn()


def _draw_histograms(
    page: Sheet, axes: Axes, result: Coexistence, styles: dict[float, SizeStyle]
) -> None:
    for size, volume in zip(result.size, result.volume, strict=True):
        rows = result.histogram_size == size
        rows &= result.histogram_control == result.histogram_control[rows][0]
        top = result.smooth[rows].max()
        energy = result.energy[rows] / volume
        error = result.log_density_stderr[rows]
        shown = error < _UNSURE
        columns = (energy[shown], result.log_density[rows][shown] - top, error[shown])
        style = styles[float(size)]
        look = POINTS | {"markersize": 2, "alpha": 0.4, "elinewidth": 0.4}
        page.points(axes, *columns, **(style | look))
        between = (energy >= energy[shown].min()) & (energy <= energy[shown].max())
        page.curve(
            axes, energy[between], result.smooth[rows][between] - top,
            color=style["color"], linewidth=1.0, zorder=3,
        )  # fmt: skip
    axes.set(xlabel=f"energy per site ${result.energy_name}/N$", ylabel=r"$\ln P/P_{\max}$")


def _draw_controls(page: Sheet, axes: Axes, result: Coexistence) -> None:
    axes.set(xlabel=r"inverse volume $1/N$", ylabel=page.labels.control(result.control_name))
    kinds = (
        ("equal_height", "equal heights", "o", LIMIT_COLOUR),
        ("equal_weight", "equal weights", "s", FIT_COLOUR),
    )
    for name, words, marker, colour in kinds:
        value, total = result.columns(name)
        known = np.isfinite(value)
        look: SizeStyle = {"marker": marker, "markersize": 4, "label": words}
        columns = (1.0 / result.volume[known], value[known], total[known])
        page.points(axes, *columns, **(POINTS | look | {"color": colour}))
    if not np.isfinite(result.columns("equal_height")[0]).any():
        empty_panel(axes, "one peak at every size")
        return
    axes.set_xlim(left=0.0)
    axes.margins(y=0.15)
    axes.locator_params(axis="both", nbins=5)
    page.panel_legend(axes, loc="best")
