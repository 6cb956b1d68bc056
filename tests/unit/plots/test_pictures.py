"""A result of any class is drawn, or refused by its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from physbatch.errors import AnalysisError
from physbatch.exact.batch_noise import optimum_batch_data, stable_range_data
from physbatch.exact.planted import first_order
from physbatch.noise.performance import performance_map
from physbatch.noise.stability import stable_range
from physbatch.plots import draw, figure_bytes, pictures_of
from physbatch.plots.pictures import _PICTURES
from physbatch.scaling.curves.exponents import fit_exponents
from physbatch.scaling.times.escapes import escape_times
from physbatch.scaling.times.passages import survival_curve
from tests.unit.plots import gallery
from tests.unit.plots.noise_gallery import compared, critical, gradients

RESULTS: dict[str, Callable[[], object]] = {
    "Analysis": gallery.analysis,
    "Coexistence": gallery.coexistence,
    "Collapse": lambda: gallery.fitted("U"),
    "Comparison": compared,
    "CriticalBatch": critical,
    "Crossings": gallery.crossings,
    "DynamicScaling": gallery.dynamics,
    "EscapeTimes": lambda: escape_times(first_order(seed=4)),
    "GradientScale": gradients,
    "LinearStability": gallery.dilute,
    "PerformanceMap": lambda: performance_map(
        optimum_batch_data(pattern_counts=(200,), replicas=4).squeeze("pattern_count", drop=True),
        resamples=5,
    ),
    "ScalingFit": gallery.power_law,
    "SizeExponents": lambda: fit_exponents(gallery.scaled_table().only("chi")),
    "StableRange": lambda: stable_range(stable_range_data(replicas=10)),
    "TransitionOrder": gallery.order,
}
#: The first picture of a result is the figure of its function in the gallery.
SAME = {
    "Analysis": "overview",
    "Coexistence": "coexistence",
    "Collapse": "collapse",
    "Comparison": "comparison",
    "CriticalBatch": "noise-critical",
    "Crossings": "crossings",
    "DynamicScaling": "dynamics",
    "EscapeTimes": "escape-times",
    "GradientScale": "noise-gradient",
    "LinearStability": "stability",
    "ScalingFit": "exponents",
    "TransitionOrder": "order",
}


@pytest.mark.parametrize("name", RESULTS)
def test_every_result_with_a_plan_is_drawn(name: str) -> None:
    result = RESULTS[name]()
    first = figure_bytes(draw(result), "png")
    if name in SAME:
        assert first == figure_bytes(gallery.FIGURES[SAME[name]](), "png")
    pictures = pictures_of(result)
    assert all(picture.name and picture.caption.endswith(".") for picture in pictures)
    assert len({picture.name for picture in pictures}) == len(pictures)


def test_no_plan_is_forgotten_here() -> None:
    # The threshold of the typical replica has the fields and the figure of the stable range.
    assert {kind.__name__ for kind in _PICTURES} == {*RESULTS, "TypicalThreshold"}


def test_a_collapse_has_the_figures_that_it_has_data_for() -> None:
    names = [picture.name for picture in pictures_of(gallery.fitted("U"))]
    assert names == ["collapse", "windows"]
    assert [picture.name for picture in pictures_of(gallery.sampled())] == ["collapse", "corner"]


@pytest.mark.parametrize("value", [survival_curve([1.0, 2.0], [1.0, 2.0]), 3.0])
def test_what_has_no_figure_is_refused_by_its_name(value: object) -> None:
    with pytest.raises(AnalysisError, match=f"{type(value).__name__} has no figure") as refused:
        draw(value)
    assert "Analysis, Coexistence, Collapse, Comparison" in str(refused.value)


def test_a_result_without_any_number_is_refused() -> None:
    """Everybody learns at every learning rate: there are thresholds, but none is known."""
    known = stable_range(stable_range_data(replicas=10))
    nowhere = replace(known, learning_rate=np.full_like(known.learning_rate, np.nan))
    with pytest.raises(AnalysisError, match="this StableRange holds nothing to draw"):
        draw(nowhere)
