"""The corner plot shows the samples that the result holds, and nothing overlaps."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg

from physbatch.plots import Drawn, plot_corner
from physbatch.plots.saving import figure_bytes
from physbatch.plots.style import DOUBLE_COLUMN_MM, SINGLE_COLUMN_MM, figure_in_mm, root_figure
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.scaling.data_collapse.result import Collapse
from physbatch.scaling.data_collapse.windows import Window

VALUES = {"c_c": 2.269185, "nu": 1.002, "zeta": -0.1253, "omega": 1.7}
ERRORS = {"c_c": 3e-5, "nu": 0.008, "zeta": 0.002, "omega": 0.3}


def make(count: int = 3, samples: int = 3000, flags: tuple[str, ...] = ()) -> Collapse:
    """A result with normal samples, the first two correlated by -0.8."""
    names = list(VALUES)[:count]
    rng = np.random.default_rng(3)
    z = rng.normal(size=(samples, count))
    if count > 1:
        z[:, 1] = -0.8 * z[:, 0] + 0.6 * z[:, 1]
    values = np.array([VALUES[n] for n in names])
    errors = np.array([ERRORS[n] for n in names])
    return Collapse(
        parameters={
            n: Estimate(v, e, 0.0, (v - e, v + e))
            for n, v, e in zip(names, values, errors, strict=True)
        },
        fixed={},
        observables=("U",),
        chi2=60.0,
        dof=55.0,
        p_value=0.3,
        window=Window(8.0, 1.0),
        windows=(),
        starts_tried=8,
        starts_agreed=8,
        points=(),
        curve=(),
        covariance=np.diag(errors**2),
        size_name="L",
        control_name="T",
        dimension="L",
        corrections=False,
        flags=tuple(map(Flag.read, flags)),
        samples=values + errors * z,
    )


def rows(drawn: Drawn) -> list[list[Axes]]:
    """The triangle, row by row."""
    panels, out = drawn.axes, []
    while panels:
        out.append(panels[: len(out) + 1])
        panels = panels[len(out) :]
    return out


def test_every_panel_shows_its_samples() -> None:
    result = make()
    triangle = rows(plot_corner(result))
    assert [len(row) for row in triangle] == [1, 2, 3]
    for row, panels in enumerate(triangle):
        for column, panel in enumerate(panels[:-1]):
            (dots,) = (line for line in panel.get_lines() if line.get_gid() == "samples")
            pairs = {tuple(sample) for sample in result.samples[:, [column, row]]}
            shown = list(zip(*dots.get_data(), strict=True))
            assert len(shown) == 600
            assert all(tuple(map(float, sample)) in pairs for sample in shown)
            (cross,) = (line for line in panel.get_lines() if line.get_gid() == "value")
            stated = list(result.parameters.values())
            assert (cross.get_xdata()[0], cross.get_ydata()[0]) == (
                stated[column].value,
                stated[row].value,
            )
        diagonal, estimate = panels[-1], list(result.parameters.values())[row]
        (band,) = (patch for patch in diagonal.patches if patch.get_gid() == "interval")
        low, high = estimate.interval68
        assert (band.get_x(), band.get_width()) == pytest.approx((low, high - low), rel=1e-6)
        (line,) = (drawn for drawn in diagonal.get_lines() if drawn.get_gid() == "value")
        assert line.get_xdata()[0] == estimate.value


def test_contours_hold_what_they_say() -> None:
    """The outer one 95 %, the inner one 68 % of normal samples, within 3 %."""
    result = make(2, 4000)
    panel = rows(plot_corner(result))[1][0]
    paths = [
        path
        for contours in panel.collections
        for path in contours.get_paths()
        if len(path.vertices)
    ]
    inside = sorted(float(path.contains_points(result.samples).mean()) for path in paths)
    assert len(inside) == 2
    assert inside == pytest.approx([0.68, 0.95], abs=0.03)


def test_labels() -> None:
    triangle = rows(plot_corner(make()))
    assert [panel.get_xlabel() for panel in triangle[-1]] == ["$T_c$", r"$\nu$", r"$\zeta$"]
    assert [row[0].get_ylabel() for row in triangle] == ["", r"$\nu$", r"$\zeta$"]
    assert triangle[0][0].get_title() == "$2.269185(30)$"


@pytest.mark.parametrize(
    "result", [make(1), make(2), make(3), make(4), make(3, 30, ("bad_fit: x",))]
)
def test_nothing_overlaps(result: Collapse) -> None:
    figure = root_figure(plot_corner(result))
    wide = len(result.parameters) > 3
    expected = DOUBLE_COLUMN_MM if wide else SINGLE_COLUMN_MM
    assert figure.get_size_inches()[0] * 25.4 == pytest.approx(expected)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    shown = [axes for axes in figure.axes if axes.get_visible()]
    texts = [axes.title for axes in shown if axes.get_title()]
    texts += [axis.label for axes in shown for axis in (axes.xaxis, axes.yaxis)]
    boxes = [text.get_window_extent(renderer) for text in texts if text.get_text()]
    for first, second in combinations(boxes, 2):
        assert not first.overlaps(second)
    page = figure.bbox
    for box in boxes:
        assert page.x0 - 0.5 <= box.x0 < box.x1 <= page.x1 + 0.5
        assert page.y0 - 0.5 <= box.y0 < box.y1 <= page.y1 + 0.5


def test_degenerate_samples_and_refused_values() -> None:
    result = make(2)
    constant = result.samples.copy()
    constant[:, 1] = 1.0
    parameters = {**result.parameters, "nu": Estimate(np.nan, np.inf, 0.0, (-np.inf, np.inf))}
    triangle = rows(plot_corner(replace(result, samples=constant, parameters=parameters)))
    assert [text.get_text() for text in triangle[1][1].texts] == ["all the same"]
    assert triangle[1][1].get_title() == "not resolved"


def test_bytes_are_the_same_each_time_and_the_users_settings_stay() -> None:
    before = dict(matplotlib.rcParams)
    first, second = (figure_bytes(root_figure(plot_corner(make(2))), "pdf") for _ in "ab")
    assert first == second
    assert dict(matplotlib.rcParams) == before


def test_axes_of_the_caller_and_bad_requests() -> None:
    square = figure_in_mm(100.0, 100.0).subplots(2, 2)
    drawn = plot_corner(make(2), {"c_c, nu": square[1][0], "nu": square[1][1]})
    assert drawn.panels["c_c, nu"] is square[1][0]
    assert not square[0][1].lines, "nothing else is changed"
    with pytest.raises(ValueError, match="no samples"):
        plot_corner(replace(make(2), samples=np.empty((0, 2))))
