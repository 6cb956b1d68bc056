"""Figures of a collapse: what they show is in the result, and nothing covers anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from physbatch.errors import AnalysisError
from physbatch.plots import plot_windows
from physbatch.plots.saving import figure_bytes
from physbatch.plots.scaling.collapse import plot_collapse
from physbatch.plots.style import (
    DOUBLE_COLUMN_MM,
    SINGLE_COLUMN_MM,
    figure_in_mm,
    journal_style,
    root_figure,
    size_palette,
)
from physbatch.results.estimate import Estimate
from physbatch.results.flags import AT_BOUND, BAD_FIT, STARTS_DISAGREE
from physbatch.scaling.data_collapse.result import Collapse, CollapsedPoints, MasterCurve, WindowFit
from physbatch.scaling.data_collapse.windows import Window

SIZES = (8.0, 16.0, 32.0, 64.0)


def _observable(
    name: str, seed: int, sizes: tuple[float, ...]
) -> tuple[CollapsedPoints, MasterCurve]:
    rng = np.random.default_rng(seed)
    size = np.repeat(sizes, 15)
    x = size * np.tile(np.linspace(-0.1, 0.1, 15), len(sizes))
    residual = rng.normal(size=x.size)
    error = np.full(x.size, 0.02)
    correction = 0.1 * np.exp(-size)
    y = np.tanh(x) + error * residual + correction
    grid = np.linspace(x.min(), x.max(), 50)
    curve = MasterCurve(name, grid, np.tanh(grid), np.full(50, 0.01))
    return CollapsedPoints(name, size, x, y, error, residual, correction), curve


def make(*names: str, sizes: tuple[float, ...] = SIZES, **changes: object) -> Collapse:
    """A result with its scan: at size 64 the only fit is rejected, one lies far away."""
    names = names or ("U",)
    pairs = [_observable(name, seed, sizes) for seed, name in enumerate(names)]
    zetas = ["zeta"] if len(names) == 1 else [f"zeta_{name}" for name in names]
    parameters = {
        "c_c": Estimate(2.26919, 0.00031, 0.0005),
        "nu": Estimate(1.002, 0.008, 0.003),
        **{zeta: Estimate(-0.125, 0.002) for zeta in zetas},
    }
    fits = []
    for number, (size, fraction) in enumerate(
        (size, fraction) for size in SIZES for fraction in (1.0, 0.7, 0.45)
    ):
        accepted = size < 64 and number % 4 != 1
        shift = 40.0 if number == 9 else (-1) ** number * 0.5
        values = {
            name: estimate.value + shift * estimate.stderr for name, estimate in parameters.items()
        }
        errors = {name: estimate.stderr for name, estimate in parameters.items()}
        fits.append(
            WindowFit(Window(size, fraction), values, errors, 40, 38.0, 36.0, 0.4, accepted)
        )
    result = Collapse(
        parameters=parameters,
        fixed={},
        observables=names,
        chi2=61.4,
        dof=55.3,
        p_value=0.27,
        window=Window(8.0, 1.0),
        windows=tuple(fits),
        starts_tried=8,
        starts_agreed=5,
        points=tuple(points for points, _ in pairs),
        curve=tuple(curve for _, curve in pairs),
        covariance=np.diag([estimate.stderr**2 for estimate in parameters.values()]),
        size_name="L",
        control_name="T",
        dimension="L",
        corrections=False,
    )
    return replace(result, **changes)


CASES: dict[str, Callable[[], Collapse]] = {
    "one": make,
    "two": lambda: make("U", "m"),
    "three": lambda: make("U", "m", "chi"),
    "five": lambda: make("U", "m", "chi", "abs_m", "R_xi"),
    "many sizes": lambda: make(sizes=tuple(float(n) for n in range(6, 16))),
    "flagged": lambda: make(flags=(BAD_FIT("no"), STARTS_DISAGREE("no"), AT_BOUND("no"))),
    "corrections": lambda: make(corrections=True),
    "odd names": lambda: make("<|m|> $2", size_name="N sites", control_name="p & q"),
    "bad residuals": lambda: make(
        points=(replace(make().points[0], residual=500.0 * make().points[0].residual),)
    ),
    "one window": lambda: make(windows=make().windows[:1]),
    "no windows": lambda: make(windows=()),
    "all rejected": lambda: make(
        windows=tuple(replace(fit, accepted=False) for fit in make().windows)
    ),
    "nothing found": lambda: make(
        parameters={name: Estimate(np.nan) for name in make().parameters}
    ),
}
FIGURES: dict[str, Callable[[Collapse], Figure]] = {
    "collapse": lambda r: root_figure(plot_collapse(r)),
    "windows": lambda r: root_figure(plot_windows(r)),
}


def drawn(figure: Figure) -> FigureCanvasAgg:
    canvas = FigureCanvasAgg(figure)
    with journal_style():
        canvas.draw()
    return canvas


def bars(axes: Axes) -> list[ErrorbarContainer]:
    return [container for container in axes.containers if isinstance(container, ErrorbarContainer)]


def marked(axes: Axes, gid: str) -> list[Line2D]:
    return [line for line in axes.get_lines() if line.get_gid() == gid]


# --- content ----------------------------------------------------------------------------


def test_collapse_draws_the_points_and_the_curve() -> None:
    result = make("U", "m", corrections=True)
    panels = plot_collapse(result).panels
    for points, curve in zip(result.points, result.curve, strict=True):
        panel = panels[f"collapse {points.observable}"]
        assert len(bars(panel)) == len(SIZES)
        for bar, size, colour in zip(bars(panel), SIZES, size_palette(SIZES), strict=True):
            rows = points.size == size
            np.testing.assert_array_equal(bar.lines[0].get_xdata(), points.x[rows])
            np.testing.assert_array_equal(bar.lines[0].get_ydata(), points.leading[rows])
            ends = [np.ptp(segment[:, 1]) for segment in bar.lines[2][0].get_segments()]
            np.testing.assert_allclose(ends, 2 * points.error[rows])
            assert to_rgb(bar.lines[0].get_color()) == pytest.approx(colour)
        (line,) = marked(panel, "master-curve")
        np.testing.assert_array_equal(line.get_data(), (curve.x, curve.y))
        (band,) = (artist for artist in panel.collections if artist.get_gid() == "band")
        corners = np.asarray(band.get_paths()[0].vertices)
        assert corners[:, 1].max() == pytest.approx(float((curve.y + curve.band).max()))
        assert corners[:, 1].min() == pytest.approx(float((curve.y - curve.band).min()))


def test_residuals_are_those_of_the_result() -> None:
    result = make()
    main, panel = plot_collapse(result).axes
    scattered = [line for line in panel.get_lines() if line.get_linestyle() == "None"]
    for line, size in zip(scattered, SIZES, strict=True):
        rows = result.points[0].size == size
        np.testing.assert_array_equal(line.get_ydata(), result.points[0].residual[rows])
    heights = {line.get_ydata()[0] for line in panel.get_lines()} - {
        line.get_ydata()[0] for line in scattered
    }
    assert heights == {-2.0, 0.0, 2.0}
    low, high = panel.get_ylim()
    assert low == -high
    assert high > np.abs(result.points[0].residual).max()
    assert panel.get_xlim() == main.get_xlim()


@pytest.mark.parametrize(
    ("result", "x", "y"),
    [
        (make(), r"$L^{1/\nu}\,(T - T_c)$", r"$U\,L^{-\zeta/\nu}$"),
        (make(fixed={"zeta": 0.0}), r"$L^{1/\nu}\,(T - T_c)$", "$U$"),
        (make(fixed={"shift": 1.0}), r"$L^{1/\nu}\,(T - T_c(L))$", r"$U\,L^{-\zeta/\nu}$"),
        (
            make("m", "chi", size_name="size", dimension="N", control_name="beta"),
            r"$N^{1/\nu}\,(\beta - \beta_c)$",
            r"$m\,N^{-\zeta_{m}/\nu}$",
        ),
        (
            make("<|m|> $2", size_name="N sites", control_name="p $q"),
            r"N sites^(1/nu) (p \$q - c_c)",
            r"<|m|> \$2 N sites^(-zeta/nu)",
        ),
        (make(corrections=True, fixed={"zeta": 0.0}), None, r"$U - L^{-\omega} f_1$"),
    ],
)
def test_labels(result: Collapse, x: str | None, y: str) -> None:
    main, residuals, *_ = plot_collapse(result).axes
    assert x is None or residuals.get_xlabel() == x
    assert main.get_ylabel() == y


def test_title_gives_the_exponents_and_the_flags() -> None:
    panel = plot_collapse(make(flags=(BAD_FIT("because"),))).ax
    title = panel.get_title()
    for words in (
        "$T_c = 2.26919(31)(50)$",
        r"$\nu = 1.002(8)(3)$",
        r"$\zeta = -0.1250(20)$",
        "61.4/55.3",
    ):
        assert words in title
    assert [text.get_text() for text in panel.texts] == ["bad fit"]
    small = make(parameters={"c_c": Estimate(1.5e-9, 2e-10), "nu": Estimate(np.nan)})
    title = plot_collapse(small).ax.get_title()
    assert r"$T_c = 1.50(20) \times 10^{-9}$" in title
    assert r"$\nu$: not resolved" in title


def test_windows_draw_every_fit() -> None:
    result = make()
    axes = plot_windows(result).axes
    assert [panel.get_ylabel() for panel in axes] == ["$T_c$", r"$\nu$", r"$\zeta$"]
    for panel, (name, final) in zip(axes, result.parameters.items(), strict=True):
        inside = [
            fit for fit in result.windows if abs(fit.values[name] - final.value) < 10 * final.stderr
        ]
        assert [float(bar.lines[0].get_ydata()[0]) for bar in bars(panel)] == [
            fit.values[name] for fit in inside
        ]
        for bar, fit in zip(bars(panel), inside, strict=True):
            ends = bar.lines[2][0].get_segments()[0][:, 1]
            assert np.ptp(ends) == pytest.approx(2 * fit.errors[name])
            hollow = to_rgb(bar.lines[0].get_markerfacecolor()) == (1.0, 1.0, 1.0)
            assert hollow is not fit.accepted
            if not fit.accepted:
                assert len(set(to_rgb(bar.lines[0].get_color()))) == 1, "rejected fits are grey"
        assert len(marked(panel, "outside")) == len(result.windows) - len(inside) == 1
        (ring,) = marked(panel, "chosen")
        assert ring.get_ydata()[0] == result.windows[0].values[name]
        for gid, error in (("band-total", final.total), ("band-statistical", final.stderr)):
            (band,) = (patch for patch in panel.patches if patch.get_gid() == gid)
            assert isinstance(band, Rectangle)
            assert band.get_height() == pytest.approx(2 * error)
            assert band.get_y() == pytest.approx(final.value - error)
    ticks = [label.get_text() for label in axes[-1].get_xticklabels()]
    assert ticks == ["8", "16", "32", "64"]
    assert axes[-1].get_xlabel() == r"smallest size $L_{\mathrm{min}}$"


def test_windows_stand_side_by_side() -> None:
    (panel, *_) = plot_windows(make()).axes
    places = [float(bar.lines[0].get_xdata()[0]) for bar in bars(panel)]
    assert len(set(places)) == len(places)
    assert places == sorted(places)


# --- layout -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FIGURES)
@pytest.mark.parametrize("case", CASES)
def test_nothing_overlaps(kind: str, case: str) -> None:
    figure = FIGURES[kind](CASES[case]())
    renderer = drawn(figure).get_renderer()
    boxes = [legend.get_window_extent(renderer) for legend in figure.legends]
    for axes in figure.axes:
        frame = axes.get_window_extent(renderer)
        assert frame.width > 50
        assert frame.height > 25
        assert not any(box.overlaps(frame) for box in boxes), "the legend lies on a panel"
        for axis in (axes.xaxis, axes.yaxis):
            shown = [
                label.get_window_extent(renderer)
                for label in axis.get_ticklabels()
                if label.get_visible() and label.get_text()
            ]
            for first, second in combinations(shown, 2):
                assert not first.overlaps(second), "tick labels overlap"
    labels = [
        text.get_window_extent(renderer)
        for axes in figure.axes
        for text in (axes.xaxis.label, axes.yaxis.label, axes.title, *axes.texts)
        if text.get_text()
    ]
    for first, second in combinations([*labels, *boxes], 2):
        assert not first.overlaps(second), "two texts overlap"
    page = figure.bbox
    for box in [*labels, *boxes]:
        assert page.x0 - 0.5 <= box.x0 < box.x1 <= page.x1 + 0.5, "text is cut at the side"
        assert page.y0 - 0.5 <= box.y0 < box.y1 <= page.y1 + 0.5, "text is cut at the top"


@pytest.mark.parametrize("kind", FIGURES)
def test_bytes_are_the_same_each_time_and_the_users_settings_stay(kind: str) -> None:
    before = dict(matplotlib.rcParams)
    figure = FIGURES[kind](make("U", "m"))
    first = figure_bytes(figure, "pdf")
    assert first == figure_bytes(figure, "pdf"), "the second time it differs"
    assert first == figure_bytes(FIGURES[kind](make("U", "m")), "pdf")
    with matplotlib.rc_context({"font.size": 30, "axes.grid": True}):
        assert first != figure_bytes(FIGURES[kind](make("U", "m")), "pdf")
    assert dict(matplotlib.rcParams) == before


def test_widths_are_those_of_a_journal() -> None:
    for result, width in ((make(), SINGLE_COLUMN_MM), (make("U", "m"), DOUBLE_COLUMN_MM)):
        figure = FIGURES["collapse"](result)
        assert figure.get_size_inches()[0] * 25.4 == pytest.approx(width)
    assert FIGURES["windows"](make()).get_size_inches()[0] * 25.4 == pytest.approx(SINGLE_COLUMN_MM)


def test_axes_of_the_caller_are_used() -> None:
    figure = figure_in_mm(178.0, 80.0)
    left, right = figure.subplots(1, 2)
    drawn = plot_collapse(make("U", "m"), {"collapse U": left, "collapse m": right}, legend=False)
    assert drawn.axes == [left, right] == figure.axes
    assert figure.legends == []
    assert right.get_xlabel(), "without residuals the panel has the label"
    with pytest.raises(AnalysisError, match="no panel 'windows'; this figure has collapse, resid"):
        plot_collapse(make(), {"windows": left})
    with pytest.raises(AnalysisError, match="one axes has no room for residuals"):
        plot_collapse(make(), left, residuals=True)


@pytest.mark.parametrize("remove", [True, False])
def test_hidden_and_removed_panels_are_no_obstacle(remove: bool) -> None:
    drawn = plot_collapse(make())
    if remove:
        drawn.panels["residuals"].remove()
    else:
        drawn.panels["residuals"].set_visible(False)
    assert figure_bytes(drawn, "pdf")
    assert figure_bytes(drawn, "png")


def test_titles_side_by_side_have_the_same_height() -> None:
    drawn = plot_collapse(make("U", "m", "chi", fixed={"zeta_m": 0.0}))
    drawn.figure.draw_without_rendering()
    boxes = [axes.get_position() for name, axes in drawn.panels.items() if "collapse" in name]
    heights = [box.height for box in boxes]
    assert max(heights) < 1.01 * min(heights), "but for the height of their letters"


def test_named_exponents_are_shown_by_their_names() -> None:
    beta = make("m", named={"beta": Estimate(0.125, 0.002), "beta_over_nu": Estimate(0.125)})
    panel = plot_collapse(beta).ax
    assert r"$\beta = 0.1250(20)$" in panel.get_title()
    assert "zeta" not in panel.get_title()
    assert panel.get_ylabel() == r"$m\,L^{\beta/\nu}$"
    zetas = {"zeta_m": Estimate(-0.125, 0.002), "zeta_chi": Estimate(1.75, 0.01)}
    parameters = {**make().parameters, **zetas}
    del parameters["zeta"]
    both = make("m", "chi", parameters=parameters, named={"beta": Estimate(0.125, 0.002)})
    shown = plot_collapse(both).panels
    assert shown["collapse m"].get_ylabel() == r"$m\,L^{\beta/\nu}$"
    assert shown["collapse chi"].get_ylabel() == r"$\chi\,L^{-\zeta_{\chi}/\nu}$"


def test_labels_of_the_user_are_everywhere() -> None:
    labels = {"size": "$N_x$", "control": "temperature $K$", "U": "$U_4$"}
    drawn = plot_collapse(make(), labels=labels)
    main, residuals = drawn.axes
    assert residuals.get_xlabel() == r"$N_x^{1/\nu}\,(K - K_c)$"
    assert main.get_ylabel() == r"$U_4\,N_x^{-\zeta/\nu}$"
    assert "$K_c = 2.26919" in main.get_title()
    assert drawn.figure.legends[0].get_texts()[0].get_text() == "$N_x = 8$"


def test_no_figure_is_left_to_pyplot() -> None:
    from matplotlib import pyplot

    plot_collapse(make())
    plot_windows(make())
    assert pyplot.get_fignums() == []
