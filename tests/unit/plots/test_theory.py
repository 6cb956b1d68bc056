"""The figure of points on exact curves shows what it was given."""

from __future__ import annotations

import numpy as np
import pytest

from physbatch.plots.saving import figure_bytes
from physbatch.plots.style import DOUBLE_COLUMN_MM, figure_in_mm, root_figure
from physbatch.plots.theory import Measured, plot_theory

X = np.array([1.0, 2.0, 4.0])


def measured(label: str, shift: float) -> Measured:
    return Measured(label, X, X**2 + shift, np.array([0.1, 0.2, 0.0]), X**2, X, X**2)


def test_points_curves_and_residuals() -> None:
    top, bottom = plot_theory(
        [measured("$N = 8$", 0.1), measured("$N = 16$", -0.2)],
        xlabel="$x$",
        ylabel="$y$",
        xscale="log",
        title="a title",
    ).axes
    assert [container.lines[0].get_ydata().tolist() for container in top.containers] == [
        (X**2 + 0.1).tolist(),
        (X**2 - 0.2).tolist(),
    ]
    curves = [line for line in top.lines if line.get_gid() == "exact"]
    assert [line.get_ydata().tolist() for line in curves] == [(X**2).tolist()] * 2
    first = bottom.lines[0].get_ydata()
    assert first[:2] == pytest.approx([1.0, 0.5])
    assert np.isnan(first[2]), "a point without an error has no residual"
    assert bottom.get_xscale() == "log"
    assert top.get_title() == "a title"
    texts = [text.get_text() for text in root_figure(top).legends[0].get_texts()]
    assert texts == ["$N = 8$", "$N = 16$"]


def test_two_of_them_side_by_side_give_the_same_bytes_again() -> None:
    drawn = []
    for _ in range(2):
        figure = figure_in_mm(DOUBLE_COLUMN_MM, 80.0)
        for part, shift in zip(figure.subfigures(1, 2), (0.1, -0.1), strict=True):
            plot_theory([measured("points", shift)], part)
        drawn.append(figure_bytes(figure, "png"))
    assert drawn[0] == drawn[1]
