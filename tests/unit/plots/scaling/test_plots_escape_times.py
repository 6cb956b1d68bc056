"""The figure of escape times draws what the result holds."""

from __future__ import annotations

import numpy as np

from physbatch.exact.planted import first_order
from physbatch.plots.scaling.escape_times import plot_escape_times
from physbatch.scaling.times.escapes import escape_times


def test_points_and_bars_are_those_of_the_result() -> None:
    times = escape_times(first_order(sizes=(50, 100), replicas=48, seed=4))
    axes = plot_escape_times(times)
    for container, size in zip(axes.containers, (50.0, 100.0), strict=True):
        rows = (times.size == size) & np.isfinite(times.tau)
        line, _, (bars,) = container.lines
        assert line.get_xdata().tolist() == times.control[rows].tolist()
        assert line.get_ydata().tolist() == times.tau[rows].tolist()
        ends = np.array([segment[:, 1] for segment in bars.get_segments()])
        assert np.allclose(ends[:, 0], times.lower68[rows], rtol=1e-12)
        assert np.allclose(ends[:, 1], times.upper68[rows], rtol=1e-12)
    assert axes.get_xlabel() == "mini-batch size $m$"
    assert axes.get_ylabel() == r"mean escape time $\tau$ (sweeps)"


def test_nothing_known_is_said() -> None:
    data = first_order(sizes=(50,), control=(2.0, 3.0), replicas=8)
    axes = plot_escape_times(escape_times(data))
    assert [text.get_text() for text in axes.texts] == ["no escape time is known"]
