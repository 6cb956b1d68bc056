"""Stable ranges of the learning rate against the mini-batch size, measured and predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from physbatch.noise.stability import StableRange
from physbatch.noise.thresholds import TypicalThreshold
from physbatch.plots.style import (
    DATA_COLOUR,
    FIT_COLOUR,
    LIMIT_COLOUR,
    journal_style,
    panel_axes,
    plain_numbers,
)
from physbatch.typing import FloatArray

__all__ = ["plot_noise_range"]


_LINES = ("-", "--", ":", "-.")


def plot_noise_range(
    thresholds: Mapping[str, StableRange | TypicalThreshold],
    lines: Mapping[str, tuple[Sequence[float] | FloatArray, Sequence[float] | FloatArray]],
    axes: Axes | None = None,
    *,
    base: bool = True,
) -> Axes:
    """Draw the largest stable learning rate over the mini-batch size.

    Parameters
    ----------
    thresholds : mapping of str to StableRange or TypicalThreshold
        What was measured, by label; drawn as points with error bars.
    lines : mapping of str to tuple of array_like
        What is predicted or fitted, by label: values of m and of the learning rate.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default a new single-column figure.
    base : bool
        Whether the learning rate is the base of the per-sample rule.

    Examples
    --------
    >>> from physbatch.exact.batch_noise import stable_range_data
    >>> from physbatch.noise.stability import stable_range
    >>> found = stable_range(stable_range_data(replicas=10))
    >>> m = found.batch_size
    >>> plot_noise_range({"measured": found}, {"planted": (m, 0.5 * m**-0.8)}).get_xscale()
    'log'
    """
    with journal_style():
        axes = panel_axes(axes)
        for number, (label, (m, rate)) in enumerate(lines.items()):
            colour = LIMIT_COLOUR if number == 0 else FIT_COLOUR
            axes.plot(m, rate, _LINES[number % len(_LINES)], color=colour, label=label, zorder=2)
        for (label, found), marker in zip(thresholds.items(), "osD^v", strict=False):
            known = np.isfinite(found.learning_rate)
            axes.errorbar(
                found.batch_size[known],
                found.learning_rate[known],
                np.hypot(found.stderr[known], found.systematic[known]),
                linestyle="none",
                marker=marker,
                markersize=3.5,
                color=DATA_COLOUR,
                markerfacecolor="white",
                label=label,
                zorder=3,
            )
        axes.set(xscale="log", yscale="log", xlabel="mini-batch size $m$")
        symbol = r"\eta_\mathrm{base}" if base else r"\eta"
        axes.set_ylabel(f"largest learning rate ${symbol}$")
        low, high = axes.get_ylim()
        if high < 100 * low:
            plain_numbers(axes.yaxis)
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.legend(loc="lower left")
    return axes
