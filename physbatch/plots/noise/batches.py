"""The batch size beyond which larger ones stop to pay, and the noise of the gradient on the way."""

from typing import Unpack

import numpy as np
from matplotlib.axes import Axes

from physbatch.noise.critical_batch import CriticalBatch
from physbatch.noise.scale_of_gradients import GradientScale
from physbatch.plots.docstrings import documented
from physbatch.plots.drawn import Drawn
from physbatch.plots.labels import estimate_text
from physbatch.plots.layouts import Grid
from physbatch.plots.options import Options, Where
from physbatch.plots.sheet import Sheet, new_sheet
from physbatch.plots.style import DATA_COLOUR, FIT_COLOUR, LIMIT_COLOUR, NOTE_COLOUR, OPEN
from physbatch.plots.ticks import in_decades

_BATCH = "batch size $B$"


@documented("two columns wide; the panels are called steps and samples")
def plot_critical_batch(
    result: CriticalBatch, ax: Where = None, **options: Unpack[Options]
) -> Drawn:
    """Draw steps and samples to the target against the batch size.

    On the left the law S = S_min (1 + B_c/B); on the right the samples B S, their limit for small
    batches (dashed) with the excess that counts (dotted), and the critical batch with its error.

    Parameters
    ----------
    result : CriticalBatch
        What `physbatch.noise.critical_batch_size` returned.
    """
    with new_sheet(ax, options) as page:
        panels = page.lay_out(["steps", "samples"], Grid(60.0, 2, above=0.0))
        reached = np.isfinite(result.steps)
        m, steps, stderr = (
            values[reached] for values in (result.batch_size, result.steps, result.stderr)
        )
        colour = page.colours([0.0])[0] if "palette" in options else DATA_COLOUR
        look = OPEN | {"color": colour, "marker": page.markers(1)[0], "linestyle": "none"}
        for name, factor in (("steps", np.ones_like(m)), ("samples", m)):
            if name in panels:
                page.points(panels[name], m, factor * steps, factor * stderr, **look)
                in_decades(panels[name])
                panels[name].set_xlabel(page.labels.control("batch_size", _BATCH))
        if "steps" in panels:
            fine = np.geomspace(result.batch_size.min(), result.batch_size.max(), 100)
            page.curve(panels["steps"], fine, result.curve(fine), color=FIT_COLOUR)
            panels["steps"].set_ylabel("steps $S$ to the target")
            page.title(panels["steps"], rf"$B_c = {estimate_text(result.scale)}$")
        if "samples" in panels:
            _draw_limit(page, panels["samples"], result)
        return page.drawn()


def _draw_limit(page: Sheet, axes: Axes, result: CriticalBatch) -> None:
    """The serial limit, the excess, and where it is reached."""
    axes.set_ylabel(r"samples $m\,S$ to the target")
    limit = result.serial.value
    if np.isfinite(limit):
        axes.axhline(limit, color=NOTE_COLOUR, linewidth=0.7, linestyle="--")
        axes.axhline((1 + result.excess) * limit, color=NOTE_COLOUR, linewidth=0.7, linestyle=":")
    critical = result.critical
    if np.isfinite(critical.value):
        ends = (critical.value - critical.total, critical.value + critical.total)
        axes.axvspan(*ends, color=LIMIT_COLOUR, alpha=0.15, linewidth=0)
        axes.axvline(critical.value, color=LIMIT_COLOUR, linewidth=0.8)
        page.title(axes, rf"$B^* = {estimate_text(critical)}$")


@documented("two columns wide; the panels are called time and error")
def plot_gradient_scale(
    result: GradientScale, ax: Where = None, **options: Unpack[Options]
) -> Drawn:
    """Draw the gradient noise scale of every batch size against time and generalisation error.

    Parameters
    ----------
    result : GradientScale
        What `physbatch.noise.gradient_scale` returned.
    """
    with new_sheet(ax, options) as page:
        panels = page.lay_out(["time", "error"], Grid(60.0, 2))
        styles = page.sizes(result.batch_size, "m")
        for name, abscissa, label in (
            ("time", np.broadcast_to(result.time, result.scale.shape), "updates"),
            ("error", result.error, "generalisation error"),
        ):
            if name not in panels:
                continue
            for row, m in enumerate(result.batch_size.tolist()):
                known = np.isfinite(result.scale[row]) & (abscissa[row] > 0)
                columns = (abscissa[row], result.scale[row], result.stderr[row])
                page.points(panels[name], *(values[known] for values in columns), **styles[m])
            in_decades(panels[name])
            panels[name].set(xlabel=label, ylabel=r"noise scale $\mathrm{tr}\,S/|G|^2$")
        page.size_legend(styles)
        return page.drawn()
