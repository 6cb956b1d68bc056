"""The largest curvature along SGD, with the lines of stability."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from physbatch.dataset import control_values
from physbatch.noise.sharpness import sharpness_band, sharpness_lines
from physbatch.plots.style import (
    DOUBLE_COLUMN_MM,
    FIT_COLOUR,
    LIMIT_COLOUR,
    figure_in_mm,
    journal_style,
    plain_numbers,
    text_size,
)

_STYLES = ("--", ":", "-.")
_NAMES = {"2/eta": r"$2/\eta$", "2 (1 - beta)/eta": r"$2(1-\beta)/\eta$"}
_NAMES["2 (1 + beta)/eta"] = r"$2(1+\beta)/\eta$"


def plot_sharpness(data: xr.Dataset) -> Figure:
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
    with journal_style():
        figure = figure_in_mm(DOUBLE_COLUMN_MM, 62.0)
        panels = figure.subplots(1, len(m), sharey=True, squeeze=False)[0]
        for number, axes in enumerate(panels):
            _draw(axes, data, number)
            for (name, value), style in zip(lines.items(), _STYLES, strict=False):
                axes.axhline(value, color=FIT_COLOUR, linestyle=style, label=_NAMES[name])
            axes.set_title(f"$m = {m[number]:g}$", fontsize=text_size(8))
            axes.set(xscale="log", yscale="log", xlabel="updates")
            axes.xaxis.set_major_locator(LogLocator(base=10, numticks=4))
            axes.xaxis.set_minor_formatter(NullFormatter())
        panels[0].set_ylabel("largest curvature")
        plain_numbers(panels[0].yaxis)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(handles))
    return figure


def _draw(axes: Axes, data: xr.Dataset, number: int) -> None:
    for name, colour, label in (
        ("batch_sharpness", "#92c5de", "next batch"),
        ("sharpness", LIMIT_COLOUR, "training set"),
    ):
        time, mean, low, high = sharpness_band(data, name, number)
        axes.fill_between(time, low, high, color=colour, alpha=0.3, lw=0)
        axes.plot(time, mean, color=colour, label=label)
