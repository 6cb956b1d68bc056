"""Ticks and cells of axes, logarithmic ones first."""

import math
from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, Locator, LogLocator, MaxNLocator, NullFormatter

from physbatch.typing import FloatArray

_DECADES = 1.5  # a span above which an axis of times is logarithmic
_FEWEST = 3  # ticks on an axis
_MOST = 8
#: Steps within a decade, from few to many.
_STEPS = ((1.0,), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0))
_PLAIN = (1e-4, 1e5)  # numbers between these are written without a power of ten


class LogTicks(Locator):
    """Ticks of a logarithmic axis at so few round numbers that there are three of them.

    Examples
    --------
    >>> ticks = LogTicks()
    >>> ticks.tick_values(60.0, 260.0)
    [60.0, 80.0, 100.0, 150.0, 200.0]
    >>> ticks.tick_values(8.0, 130.0)
    [10.0, 20.0, 50.0, 100.0]
    """

    def __call__(self) -> list[float]:
        """The ticks of the axis as it is now."""
        assert self.axis is not None
        return self.tick_values(*self.axis.get_view_interval())

    def tick_values(self, vmin: float, vmax: float) -> list[float]:
        """The ticks between two ends."""
        low, high = sorted((float(vmin), float(vmax)))
        if not 0.0 < low < high < math.inf:
            return []
        decades = np.arange(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for steps in _STEPS:
            ticks = np.outer(10.0**decades, steps).ravel()
            shown = ticks[(ticks >= low * (1 - 1e-9)) & (ticks <= high * (1 + 1e-9))]
            if shown.size >= _FEWEST:
                return list(map(float, shown[:: -(-shown.size // _MOST)]))
        ticks = np.asarray(MaxNLocator(4, steps=(1, 2, 5, 10)).tick_values(low, high))
        return [float(tick) for tick in ticks if low <= tick <= high]


def tick_text(value: float, _: object = None) -> str:
    """A number, with a power of ten where it would be long.

    Examples
    --------
    >>> tick_text(150.0), tick_text(1e6), tick_text(2e-5)
    ('150', '$10^{6}$', '$2\\\\times10^{-5}$')
    """
    if value == 0.0 or _PLAIN[0] <= abs(value) < _PLAIN[1]:
        return f"{value:g}"
    power = math.floor(math.log10(abs(value)) + 1e-9)
    head = f"{value / 10.0**power:.3g}"
    return f"$10^{{{power}}}$" if head == "1" else rf"${head}\times10^{{{power}}}$"


def plain_numbers(axis: Axis, locator: Locator | None = None) -> None:
    """Numbers instead of powers of ten on a logarithmic axis, by default at 1, 2 and 5."""
    axis.set_major_locator(locator or LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(tick_text))
    axis.set_minor_formatter(NullFormatter())


def label_decades(axis: Axis) -> None:
    """Labels of a logarithmic axis: decades, and numbers between them where those are few."""
    plain_numbers(axis, LogTicks())


def in_decades(axes: Axes, which: Iterable[str] = "xy") -> None:
    """Logarithmic axes with labels at decades, or between them where those are few."""
    for name in which:
        axes.set(**{f"{name}scale": "log"})
        label_decades(axes.xaxis if name == "x" else axes.yaxis)


def needs_decades(times: FloatArray) -> bool:
    """Whether times span so much that their axis is logarithmic."""
    return bool(times[-1] > 10**_DECADES * times[times > 0.0][0])


def cell_edges(values: FloatArray, *, logarithmic: bool = True) -> FloatArray:
    """Edges half-way between values, in logarithms on a logarithmic axis."""
    at = np.log(values) if logarithmic else values
    middle = (at[1:] + at[:-1]) / 2
    ends = (middle[0], middle[-1]) if len(at) > 1 else (at[0] + 0.5, at[0] - 0.5)
    edges = np.concatenate([[2 * at[0] - ends[0]], middle, [2 * at[-1] - ends[1]]])
    return np.asarray(np.exp(edges) if logarithmic else edges)
