"""Histograms count every replica, and say where there are no two groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import xarray as xr

from physbatch.exact.planted import independent_units, smooth_crossover
from physbatch.plots import (
    plot_histograms,
)
from physbatch.plots.dataset.histogram import NO_COEXISTENCE
from physbatch.scaling import analyse
from physbatch.scaling.transition.result import Analysis


def test_histograms_count_every_replica(analysis: Analysis) -> None:
    panels = plot_histograms(analysis).axes
    jump = analysis.jumps[-1]
    assert len(panels) == 3
    for axes, control, overlap in zip(panels, jump.control, jump.overlap, strict=True):
        assert sum(bar.get_height() for bar in axes.patches) == len(overlap)
        assert axes.get_title(loc="right") == f"$N = 400$,  $m = {control:g}$"
        marked = [line.get_xdata()[0] for line in axes.get_lines()]
        assert marked == [jump.lower.value, jump.upper.value]
    assert panels[-1].get_xlabel() == "overlap $q$"
    assert panels[1].get_ylabel() == "number of replicas"


def test_histograms_of_a_chosen_size(analysis: Analysis) -> None:
    assert "N = 50" in plot_histograms(analysis, size=50).ax.get_title(loc="right")


@pytest.mark.parametrize("shift", [-2.3, 0.0, 1.7])
def test_histograms_keep_overlaps_outside_the_unit_interval(
    shift: float, analysis: Analysis
) -> None:
    jump = replace(analysis.jumps[-1], overlap=analysis.jumps[-1].overlap + shift)
    for axes in plot_histograms(replace(analysis, jumps=(jump,))).axes:
        assert sum(bar.get_height() for bar in axes.patches) == 32


def test_no_two_groups_is_said(analysis: Analysis, synthetic: ModuleType) -> None:
    panels = plot_histograms(synthetic.without_fits(analysis)).axes
    assert panels[1].get_title(loc="left") == NO_COEXISTENCE
    assert not [line for axes in panels for line in axes.get_lines()]
    (empty,) = plot_histograms(replace(analysis, jumps=())).axes
    assert [text.get_text() for text in empty.texts] == [NO_COEXISTENCE]


def test_histograms_of_nothing_but_nan(analysis: Analysis) -> None:
    jump = analysis.jumps[-1]
    nothing = replace(jump, overlap=np.full_like(jump.overlap, np.nan))
    assert len(plot_histograms(replace(analysis, jumps=(nothing,))).axes) == 3


@pytest.mark.parametrize("trap", [independent_units, smooth_crossover])
def test_traps_show_no_coexistence(trap: Callable[..., xr.Dataset]) -> None:
    panels = plot_histograms(analyse(trap(sizes=(50, 100, 200), replicas=16))).axes
    texts = [text.get_text() for axes in panels for text in axes.texts]
    titles = [axes.get_title(loc="left") for axes in panels]
    assert NO_COEXISTENCE in texts + titles
