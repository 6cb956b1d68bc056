"""The composed figure has a lettered panel for everything that was found."""

from __future__ import annotations

from types import ModuleType

import pytest
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer

from physbatch.exact.planted import first_order
from physbatch.plots import (
    figure_bytes,
    plot_overview,
)
from physbatch.plots.scaling.extrapolation import _LINES
from physbatch.scaling import analyse
from physbatch.scaling.laws.extrapolation import _LAWS


def bars(axes: Axes) -> list[ErrorbarContainer]:
    return [c for c in axes.containers if isinstance(c, ErrorbarContainer)]


def test_planted_transition_is_drawn_as_analysed() -> None:
    analysis = analyse(first_order(sizes=(50, 100, 200), replicas=16, seed=3))
    figure = plot_overview(analysis).figure
    assert len(figure.axes) == 7
    success = figure.axes[1]
    assert success.texts[0].get_text() == rf"$N \to \infty$: $m_c = {analysis.m_c}$"
    assert [c.lines[0].get_ydata().tolist() for c in bars(success)] == [
        curve.fraction.tolist() for curve in analysis.curves
    ]


def test_step_sharper_than_the_grid() -> None:
    analysis = analyse(first_order(sizes=(50, 100, 200), width=0.01, replicas=16))
    figure = plot_overview(analysis).figure
    brackets = [
        line for line in figure.axes[1].get_lines() if str(line.get_gid()).startswith("bracket")
    ]
    assert brackets
    figure_bytes(figure, "svg")


@pytest.mark.parametrize(("sizes", "count"), [((100.0,), 4), ((50.0, 100.0, 200.0), 5)])
def test_overview_letters_its_panels(
    sizes: tuple[float, ...], count: int, synthetic: ModuleType
) -> None:
    figure = plot_overview(synthetic.make_analysis(sizes)).figure
    letters = [
        text.get_text()
        for axes in figure.axes
        for text in axes.texts
        if str(text.get_gid()).startswith("panel-")
    ]
    assert letters == [f"({letter})" for letter in "abcde"[:count]]
    (legend,) = figure.legends
    assert len(legend.get_texts()) == len(sizes)


def test_two_sizes_and_many_sizes(synthetic: ModuleType) -> None:
    for count in (2, 9):
        sizes = tuple(float(50 * 2**k) for k in range(count))
        figure = plot_overview(synthetic.make_analysis(sizes)).figure
        assert len(figure.legends[0].get_texts()) == count


def test_the_forms_of_an_extrapolation_have_lines_of_their_own() -> None:
    assert len(set(_LINES)) == len(_LINES) >= len(_LAWS)
