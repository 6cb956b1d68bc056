"""The largest curvature along SGD, with the lines of stability."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from physbatch.dataset import STATUS_OK, control_dim, control_values
from physbatch.noise.sharpness import sharpness_lines
from physbatch.plots.style import (
    DOUBLE_COLUMN_MM,
    FIT_COLOUR,
    LIMIT_COLOUR,
    figure_in_mm,
    journal_style,
    plain_numbers,
)

__all__ = ["plot_sharpness"]

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
    control = control_dim(data)
    at = data.squeeze([dim for dim in data["success"].dims if dim not in (control, "replica")])
    m = np.atleast_1d(control_values(data).values.ravel())
    lines = sharpness_lines(data)
    with journal_style():
        figure = figure_in_mm(DOUBLE_COLUMN_MM, 62.0)
        panels = figure.subplots(1, len(m), sharey=True, squeeze=False)[0]
        for number, axes in enumerate(panels):
            _draw(axes, at.isel({control: number}))
            for (name, value), style in zip(lines.items(), _STYLES, strict=False):
                axes.axhline(value, color=FIT_COLOUR, linestyle=style, label=_NAMES[name])
            axes.set_title(f"$m = {m[number]:g}$", fontsize=8)
            axes.set(xscale="log", yscale="log", xlabel="updates")
            axes.xaxis.set_major_locator(LogLocator(base=10, numticks=4))
            axes.xaxis.set_minor_formatter(NullFormatter())
        panels[0].set_ylabel("largest curvature")
        plain_numbers(panels[0].yaxis)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(handles))
    return figure


def _draw(axes: Axes, at: xr.Dataset) -> None:
    good = at["status"] == STATUS_OK
    time = at["time"].values.astype(float)
    shown = time > 0
    for name, colour, label in (
        ("batch_sharpness", "#92c5de", "next batch"),
        ("sharpness", LIMIT_COLOUR, "training set"),
    ):
        held = at[name].where(good)
        mean = held.mean("replica").values
        low, high = held.min("replica").values, held.max("replica").values
        axes.fill_between(time[shown], low[shown], high[shown], color=colour, alpha=0.3, lw=0)
        axes.plot(time[shown], mean[shown], color=colour, label=label)
