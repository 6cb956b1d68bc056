"""Figures of laws show the fits that they are given."""

from __future__ import annotations

import numpy as np

from physbatch.plots import (
    figure_bytes,
    plot_exponents,
    plot_peaks,
)
from physbatch.plots.style import root_figure
from physbatch.scaling.laws.fits import fit_law
from tests.unit.plots.gallery import peaks


def lines(axes, gid: str):
    return [line for line in axes.get_lines() if line.get_gid() == gid]


def test_exponents_of_nothing_are_drawn_as_nothing() -> None:
    """A fit that no size feeds is a figure that says so."""
    empty = np.empty(0)
    drawn = plot_exponents(fit_law(empty, empty, empty, quantity="$m_c$")).axes
    assert figure_bytes(root_figure(drawn[0]), "png")
    assert [text.get_text() for text in drawn[0].texts] == ["no size has a value"]


def test_peaks_carry_their_laws() -> None:
    table, peaks_of_chi, heights, positions = peaks()
    curves, high, where = plot_peaks(table, peaks_of_chi, heights, positions).axes
    marked = next(
        container for container in curves.containers if container.lines[0].get_gid() == "peaks"
    )
    assert np.array_equal(marked.lines[0].get_xdata(), peaks_of_chi.position)
    assert np.array_equal(marked.lines[0].get_ydata(), peaks_of_chi.height)
    assert np.array_equal(high.containers[0].lines[0].get_ydata(), peaks_of_chi.height)
    (law,) = lines(high, "law")
    assert np.array_equal(law.get_ydata(), heights.curve(heights.curve_x))
    assert str(heights["b"]) in high.get_title()
    assert str(positions["phi"]) in where.get_title()
    (limit,) = lines(where, "limit")
    assert limit.get_ydata()[0] == positions["c"].value
    # Planted: heights 3 L^1.75 at T = 1 + 1/(2 L).
    assert abs(heights["b"].value - 1.75) < 4 * heights["b"].total
    assert abs(positions["c"].value - 1.0) < 4 * positions["c"].total
