"""Figures over batch size and learning rate show what the results say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.container import ErrorbarContainer
from matplotlib.lines import Line2D

from physbatch.exact.batch_noise import optimum_batch_data, stable_range_data, transition_data
from physbatch.noise.performance import performance_map
from physbatch.noise.stability import stable_range
from physbatch.noise.transitions import transition_line
from physbatch.plots import (
    plot_noise_range,
    plot_performance,
    plot_phase_diagram,
    plot_phases,
)
from physbatch.plots.saving import figure_bytes
from physbatch.plots.style import LIMIT_COLOUR, root_figure

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


def test_range_draws_points_and_lines() -> None:
    stable = stable_range(stable_range_data(replicas=10))
    m = np.array([1.0, 64.0])
    axes = plot_noise_range({"measured": stable}, {"theory": (m, 0.5 * m**-0.8)}).ax
    (measured,) = points(axes)
    np.testing.assert_allclose(ydata(measured), stable.learning_rate)
    line = next(curve for curve in axes.get_lines() if curve.get_label() == "theory")
    np.testing.assert_allclose(ydata(line), 0.5 * m**-0.8)
    legend = axes.get_legend()
    assert legend is not None
    assert {text.get_text() for text in legend.get_texts()} == {"measured", "theory"}


def test_one_batch_size_is_a_plane_too() -> None:
    data = stable_range_data(replicas=10).isel(batch_size=[2])
    axes = plot_phase_diagram(data, stable_range(data)).ax
    shares = np.asarray(axes.collections[0].get_array())
    assert shares.shape == (data.sizes["learning_rate"], 1)


def test_no_error_at_all_has_the_colour_of_the_lowest() -> None:
    performance = performance_map(
        optimum_batch_data(pattern_counts=(200,)).squeeze("pattern_count")
    )
    error = performance.error.copy()
    error[0, :2] = 0.0, np.nan
    mesh = plot_performance(replace(performance, error=error)).ax.collections[0]
    drawn = np.ma.masked_invalid(np.ma.asarray(mesh.get_array()))
    lowest = error[error > 0].min()
    assert (mesh.norm.vmin, drawn[0, 0]) == (lowest, lowest)
    assert drawn.mask.sum() == 1
    perfect = replace(performance, error=np.zeros_like(error))
    assert figure_bytes(root_figure(plot_performance(perfect)), "png")


def test_phases_take_the_colour_of_what_most_replicas_reach() -> None:
    data = transition_data(learning_rates=(8.0, 32.0), width=0.01, replicas=10)
    axes = plot_phases(
        data,
        transition_line(data),
        {"theory": {100.0: (np.array([2.0, 8.0]), np.array([8.0, 32.0]))}},
        fraction=0.1,
    ).axes[0]
    reached = axes.collections[0].get_array()
    assert reached is not None
    m = data["batch_size"].values
    np.testing.assert_array_equal(reached[0], np.where(m > 2, 2, 0))
    np.testing.assert_array_equal(reached[1], np.where(m > 8, 2, 0))
    # With a lower bar those that fail count as learning well.
    axes = plot_phases(data, transition_line(data), {}, fraction=0.6).axes[0]
    reached = axes.collections[0].get_array()
    assert reached is not None
    np.testing.assert_array_equal(reached[0], np.where(m > 2, 2, 1))


def test_performance_marks_what_is_as_good_as_the_best() -> None:
    data = optimum_batch_data(pattern_counts=(200,), replicas=12, noise=0.001)
    performance = performance_map(data.squeeze("pattern_count", drop=True), resamples=50)
    axes = plot_performance(performance).ax
    filled, open_ones = axes.get_lines()
    np.testing.assert_array_equal(xdata(filled), performance.batch_size[performance.as_good])
    assert to_rgb(filled.get_markerfacecolor()) == to_rgb(LIMIT_COLOUR)
    np.testing.assert_array_equal(xdata(open_ones), performance.batch_size[~performance.as_good])


def test_the_same_figure_gives_the_same_bytes() -> None:
    stable = stable_range(stable_range_data(replicas=5))
    first, second = (
        figure_bytes(root_figure(plot_noise_range({"a": stable}, {})), "pdf") for _ in range(2)
    )
    assert first == second
