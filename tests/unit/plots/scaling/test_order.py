"""The figure of the order of a transition shows what the result holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from physbatch.exact import phases
from physbatch.plots import plot_order
from physbatch.plots.saving import figure_bytes
from physbatch.plots.style import root_figure
from physbatch.scaling import TransitionOrder, transition_order
from physbatch.tables.make import make_table


@pytest.fixture(scope="module")
def result() -> TransitionOrder:
    return transition_order(phases.equilibrium_first_order((50, 100, 200, 400), seed=2))


def test_every_panel_shows_its_evidence(result: TransitionOrder):
    panels = plot_order(result).axes
    labels = [axes.get_ylabel() for axes in panels]
    assert labels[0] == "density, shifted"
    assert len(labels) == len(set(labels)) == 5
    assert all(np.isfinite(axes.get_ylim()).all() for axes in panels)
    jump = panels[1]
    drawn = jump.containers[0].lines[0].get_ydata()
    assert drawn.tolist() == result["latent jump"].value.tolist()
    assert str(result["latent jump"]["limit"]) in jump.get_title()
    figure = root_figure(panels[0])
    assert "first order" in figure.get_suptitle()


def test_histograms_carry_the_means_of_both_peaks(result: TransitionOrder):
    axes = plot_order(result).ax
    marks = [line.get_xdata()[0] for line in axes.lines if len(set(line.get_xdata())) == 1]
    expected = np.column_stack([result.histogram_lower, result.histogram_upper]).ravel()
    assert marks == pytest.approx(expected.tolist())
    assert axes.get_yticklabels()[0].get_text() == "$N = 50$"


def test_a_curve_says_why_there_are_no_histograms():
    x = np.tile(np.linspace(0.0, 1.0, 6), 3)
    size = np.repeat([4.0, 8.0, 16.0], 6)
    table = make_table(size, x, {"q": np.tanh(x * size)}, {"q": np.full(18, 0.01)})
    panels = plot_order(transition_order(table)).axes
    assert len(panels) == 1
    assert "no histograms" in panels[0].texts[0].get_text()


def test_odd_names_are_not_read_as_math(result: TransitionOrder):
    figure = root_figure(plot_order(replace(result, observable="cost_$x")))
    assert figure_bytes(figure, "png")[:4] == b"\x89PNG"


def test_the_same_result_gives_the_same_bytes(result: TransitionOrder):
    first, second = (figure_bytes(root_figure(plot_order(result)), "pdf") for _ in range(2))
    assert first == second
