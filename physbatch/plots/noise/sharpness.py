"""The largest curvature along SGD, with the lines of stability."""

from collections.abc import Sequence
from typing import Any, Literal, Unpack

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from physbatch.dataset import control_values
from physbatch.noise.sharpness import sharpness_band, sharpness_lines
from physbatch.plots.docstrings import documented
from physbatch.plots.drawn import Drawn
from physbatch.plots.layouts import Grid
from physbatch.plots.options import Options, Where
from physbatch.plots.sheet import Sheet, new_sheet
from physbatch.plots.style import FIT_COLOUR, LIMIT_COLOUR
from physbatch.plots.ticks import in_decades, label_decades

#: Variable, usual colour and label of each curvature.
_CURVES = (
    ("batch_sharpness", "#92c5de", "next batch"),
    ("sharpness", LIMIT_COLOUR, "training set"),
)
_STYLES: tuple[Literal["--", ":", "-."], ...] = ("--", ":", "-.")
_NAMES = {"2/eta": r"$2/\eta$", "2 (1 - beta)/eta": r"$2(1-\beta)/\eta$"}
_NAMES["2 (1 + beta)/eta"] = r"$2(1+\beta)/\eta$"


@documented("two columns wide; the panels are called like the batch sizes, ``m = 4`` ...")
def plot_sharpness(data: xr.Dataset, ax: Where = None, **options: Unpack[Options]) -> Drawn:
    """Draw both curvatures against the number of updates, one panel for each batch size.

    Lines are means over the replicas that did not diverge, bands their smallest and largest
    values.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of one size with ``sharpness``, swept over the batch size.
    """
    m = np.atleast_1d(control_values(data).values.ravel())
    lines = sharpness_lines(data)
    names = [f"m = {value:g}" for value in m]
    with new_sheet(ax, options) as page:
        panels = page.lay_out(names, Grid(54.0, len(names), share_y=True))
        colours = page.colours([0.0, 1.0]) if "palette" in options else None
        usual = [colour for _, colour, _ in _CURVES]
        for number, name in enumerate(names):
            if name in panels:
                _draw(page, panels[name], data, number, colours or usual)
                for (_, value), style in zip(lines.items(), _STYLES, strict=False):
                    panels[name].axhline(value, color=FIT_COLOUR, linestyle=style)
                page.title(panels[name], f"${name}$")
                panels[name].set(yscale="log", xlabel="updates")
                in_decades(panels[name], "x")
        page.first.set_ylabel("largest curvature")
        label_decades(page.first.yaxis)
        handles = [
            Line2D([], [], color=colour, label=label)
            for (_, _, label), colour in zip(_CURVES, colours or usual, strict=True)
        ]
        handles += [
            Line2D([], [], color=FIT_COLOUR, linestyle=style, label=_NAMES[name])
            for name, style in zip(lines, _STYLES, strict=False)
        ]
        page.legend(handles)
        return page.drawn()


def _draw(page: Sheet, axes: Axes, data: xr.Dataset, number: int, colours: Sequence[Any]) -> None:
    for (name, _, label), colour in zip(_CURVES, colours, strict=True):
        time, mean, low, high = sharpness_band(data, name, number)
        axes.fill_between(time, low, high, color=colour, alpha=0.3, lw=0)
        page.curve(axes, time, mean, color=colour, label=label)
