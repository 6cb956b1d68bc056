"""The figure of the temperature leaves out what has none."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.lines import Line2D

from physbatch.noise.temperature import EffectiveTemperature, StationaryState
from physbatch.plots import (
    plot_temperature,
)

FloatArray = npt.NDArray[np.float64]


def points(axes: Axes) -> list[Line2D]:
    """The markers of every curve with error bars."""
    return [
        container.lines[0]
        for container in axes.containers
        if isinstance(container, ErrorbarContainer)
    ]


def xdata(line: Line2D) -> FloatArray:
    return np.asarray(line.get_xdata(), dtype=np.float64)


def ydata(line: Line2D) -> FloatArray:
    return np.asarray(line.get_ydata(), dtype=np.float64)


def test_temperature_leaves_out_what_has_none() -> None:
    m = np.array([4.0, 8.0, 16.0])
    temperatures = EffectiveTemperature(
        batch_size=m,
        from_energy=np.array([np.nan, 2.0, 1.0]),
        from_energy_stderr=np.array([np.nan, 0.1, 0.1]),
        from_overlap=np.array([np.nan, 2.1, 1.0]),
        from_overlap_stderr=np.array([np.nan, 0.1, 0.1]),
        difference=np.array([np.nan, -0.7, 0.0]),
        flags=(),
    )
    state = StationaryState(m, m / 20, m / 1000, 1 - m / 20, m / 1000)
    figure = plot_temperature(temperatures, [("batches", state)])
    left, right = figure.axes
    assert [xdata(curve).size for curve in points(left)] == [2, 2]
    np.testing.assert_array_equal(ydata(points(right)[0]), state.overlap)
