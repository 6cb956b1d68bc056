"""Figures of moments show the table."""

from __future__ import annotations

import numpy as np
import pytest

from physbatch.errors import AnalysisError
from physbatch.plots import plot_moments
from physbatch.plots.style import root_figure
from physbatch.tables.make import make_table
from tests.unit.plots.gallery import magnetization


def test_moments_are_those_of_the_table() -> None:
    table = magnetization()
    panels = plot_moments(table).axes
    assert [axes.get_ylabel() for axes in panels] == [
        "mean modulus of the order parameter",
        r"susceptibility $\chi$ (modulus)",
        "Binder cumulant $U$",
    ]
    for axes, name in zip(panels, table.observables, strict=True):
        for container, size in zip(axes.containers, table.sizes, strict=True):
            rows = table.size == size
            assert np.array_equal(container.lines[0].get_ydata(), table.values[name][rows])
            ends = [segment[:, 1] for segment in container.lines[2][0].get_segments()]
            assert np.allclose(np.ptp(ends, axis=1), 2 * table.errors[name][rows])
    texts = [text.get_text() for text in root_figure(panels[0]).legends[0].get_texts()]
    assert texts == ["$N = 32$", "$N = 64$", "$N = 128$", "$N = 256$"]
    with pytest.raises(AnalysisError, match="no observable 'energy'"):
        plot_moments(table, ["energy"])


def test_odd_names_are_not_read_as_math() -> None:
    table = make_table([4, 4, 8, 8], [0, 1, 0, 1], {"a $b": [1.0, 2, 3, 4]}, {"a $b": [0.1] * 4})
    assert plot_moments(table).ax.get_ylabel() == r"a \$b"
