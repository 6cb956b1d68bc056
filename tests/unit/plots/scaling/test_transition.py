"""Overlap, success and drift show what the analysis says."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.container import ErrorbarContainer

from physbatch.plots import (
    figure_bytes,
    plot_drift,
    plot_histograms,
    plot_overlap,
    plot_success,
    size_palette,
)
from physbatch.plots.style import root_figure
from physbatch.results.estimate import Estimate
from physbatch.scaling.transition.result import Analysis


def bars(axes: Axes) -> list[ErrorbarContainer]:
    return [c for c in axes.containers if isinstance(c, ErrorbarContainer)]


def ends(container: ErrorbarContainer) -> np.ndarray:
    """Lower and upper ends of vertical error bars, shape (n, 2)."""
    segments = container.lines[2][0].get_segments()
    return np.array([[segment[0][1], segment[1][1]] for segment in segments])


def legend_texts(axes: Axes) -> list[str]:
    (legend,) = root_figure(axes).legends
    return [text.get_text() for text in legend.get_texts()]


def test_overlap_draws_the_moments(analysis: Analysis) -> None:
    axes = plot_overlap(analysis).ax
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("mini-batch size $m$", "overlap $q$")
    assert legend_texts(axes) == ["$N = 50$", "$N = 100$", "$N = 200$", "$N = 400$"]
    assert len(bars(axes)) == 4
    for container, size in zip(bars(axes), (50, 100, 200, 400), strict=True):
        data = analysis.moments.sel(size=size).isel(time=-1)
        np.testing.assert_array_equal(container.lines[0].get_xdata(), data["batch_size"])
        np.testing.assert_array_equal(container.lines[0].get_ydata(), data["overlap_mean"])
        np.testing.assert_allclose(np.diff(ends(container))[:, 0], 2 * data["overlap_mean_stderr"])


def test_overlap_leaves_out_missing_cells(analysis: Analysis) -> None:
    moments = analysis.moments.copy(deep=True)
    moments["overlap_mean"][0, 3] = np.nan
    axes = plot_overlap(replace(analysis, moments=moments)).ax
    assert [len(c.lines[0].get_xdata()) for c in bars(axes)] == [12, 13, 13, 13]


def test_every_size_has_its_colour_and_marker(analysis: Analysis) -> None:
    lines = [c.lines[0] for c in bars(plot_overlap(analysis).ax)]
    assert [to_rgb(line.get_color()) for line in lines] == size_palette([50, 100, 200, 400])
    assert len({line.get_marker() for line in lines}) == 4


def test_success_draws_fractions_and_fits(analysis: Analysis) -> None:
    axes = plot_success(analysis).ax
    assert axes.get_ylabel() == "success probability $P$"
    fits = [line for line in axes.get_lines() if len(line.get_xdata()) == 401]
    assert len(bars(axes)) == len(fits) == 4
    for curve, container, fit in zip(analysis.curves, bars(axes), fits, strict=True):
        np.testing.assert_array_equal(container.lines[0].get_ydata(), curve.fraction)
        np.testing.assert_allclose(ends(container).T, curve.fraction_interval, atol=1e-15)
        np.testing.assert_array_equal(fit.get_ydata(), curve.probability(fit.get_xdata()))
    (note,) = axes.texts
    assert note.get_text() == r"$N \to \infty$: $m_c = 13.04(5)(4)$"
    marks = [line for line in axes.get_lines() if list(line.get_xdata()) == [13.04, 13.04]]
    assert len(marks) == 1


def test_success_without_a_width_draws_the_bracket(
    analysis: Analysis, synthetic: ModuleType
) -> None:
    axes = plot_success(synthetic.without_fits(analysis)).ax
    assert not [line for line in axes.get_lines() if len(line.get_xdata()) == 401]
    brackets = [line for line in axes.get_lines() if str(line.get_gid()).startswith("bracket")]
    assert len(brackets) == 4
    for curve, bracket in zip(analysis.curves, brackets, strict=True):
        low, high = bracket.get_xdata()
        assert curve.fraction[curve.control == low] < 0.5 < curve.fraction[curve.control == high]
    assert list(axes.texts) == []


@pytest.mark.parametrize("width", [0.0, -0.1, float("nan")])
def test_a_width_that_is_none_draws_no_curve(width: float, analysis: Analysis) -> None:
    curves = tuple(replace(c, width=Estimate(width, 0.1)) for c in analysis.curves)
    axes = plot_success(replace(analysis, curves=curves)).ax
    assert not [line for line in axes.get_lines() if len(line.get_xdata()) == 401]


def test_one_size_is_not_called_a_limit(synthetic: ModuleType) -> None:
    analysis = synthetic.make_analysis((100.0,))
    (note,) = plot_success(analysis).ax.texts
    assert note.get_text() == f"$N = 100$: $m_c = {analysis.curves[0].m_c}$"


def test_drift_draws_points_and_lines(analysis: Analysis) -> None:
    axes = plot_drift(analysis).ax
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == "run time $t$ (sweeps)"
    assert axes.get_ylabel() == "critical mini-batch size $m_c$"
    fits = [line for line in axes.get_lines() if line.get_marker() == "None"]
    for drift, container in zip(analysis.drifts, bars(axes), strict=True):
        np.testing.assert_array_equal(container.lines[0].get_ydata(), drift.m_c)
        ends = np.array([drift.window_start, drift.window_end])
        expected = drift.intercept + drift.slope.value * np.log(ends / drift.reference_time)
        assert any(
            np.array_equal(fit.get_xdata(), ends) and np.allclose(fit.get_ydata(), expected)
            for fit in fits
        )


def test_a_drift_known_at_one_time_only(analysis: Analysis) -> None:
    (drift,) = (drift for drift in analysis.drifts if drift.size == analysis.drifts[-1].size)
    once = replace(drift, time=drift.time[-1:], m_c=drift.m_c[-1:], m_c_stderr=np.array([0.2]))
    axes = plot_drift(replace(analysis, drifts=(once,))).ax
    (container,) = bars(axes)
    ((low, high),) = (path[:, 1] for path in container.lines[2][0].get_segments())
    assert high - low == pytest.approx(0.4)
    axes.figure.canvas.draw()
    shown = [label.get_text() for label in axes.get_xticklabels()]
    assert len(set(shown)) == len(shown) >= 1


def test_no_drift_is_said(analysis: Analysis) -> None:
    axes = plot_drift(replace(analysis, drifts=())).ax
    assert [text.get_text() for text in axes.texts] == ["no drift measured"]


def test_batch_ratio_is_named(synthetic: ModuleType) -> None:
    analysis = synthetic.make_analysis(control_name="batch_ratio")
    assert plot_overlap(analysis).ax.get_xlabel() == "batch ratio $m / N$"
    assert "(m / N)_c = 0.1304(5)" in plot_success(analysis).ax.texts[0].get_text()
    assert plot_histograms(analysis).ax.get_title(loc="right").endswith("$m / N = 0.12$")


def test_foreign_control_keeps_its_label(analysis: Analysis) -> None:
    foreign = replace(
        analysis,
        control_name="temperature",
        control_label="temperature T in $ and \\ units",
        moments=analysis.moments.rename(batch_size="temperature"),
    )
    axes = plot_overlap(foreign).ax
    assert axes.get_xlabel() == r"temperature T in \$ and \ units"
    assert plot_drift(foreign).ax.get_ylabel() == "critical control $T_c$"
    figure_bytes(root_figure(axes), "svg")  # no text is taken for broken math
