"""The extrapolation draws every form and the limit."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer

from physbatch.errors import DatasetError
from physbatch.plots import (
    plot_extrapolation,
)
from physbatch.plots.scaling.extrapolation import NO_LIMIT
from physbatch.plots.style import root_figure
from physbatch.results.estimate import Estimate
from physbatch.scaling.transition.result import Analysis


def bars(axes: Axes) -> list[ErrorbarContainer]:
    return [c for c in axes.containers if isinstance(c, ErrorbarContainer)]


def legend_texts(axes: Axes) -> list[str]:
    (legend,) = root_figure(axes).legends
    return [text.get_text() for text in legend.get_texts()]


@pytest.mark.parametrize(("quantity", "symbol"), [("m_c", "m_c"), ("jump", r"\Delta q")])
def test_extrapolation_draws_forms_and_limit(
    quantity: str, symbol: str, analysis: Analysis
) -> None:
    axes = plot_extrapolation(analysis, quantity=quantity).ax
    result = getattr(analysis, f"{quantity}_extrapolation")
    assert legend_texts(axes) == [
        "$a$",
        "$a + b/N$",
        r"$a + b/\sqrt{N}$",
        r"$a + b\,\ln N$",
    ]
    assert axes.get_title() == rf"$N \to \infty$: ${symbol} = {result.limit}$"
    points = [c.lines[0].get_xydata()[0] for c in bars(axes)]
    assert [0.0, result.limit.value] in [list(point) for point in points]
    for size, value in zip(result.size, result.value, strict=True):
        assert any(np.allclose(point, [1 / size, value]) for point in points)
    lines = {line.get_label(): line for line in axes.get_lines()}
    line = lines["$a + b/N$"]
    expected = result.form_limit[1] + result.form_slope[1] * line.get_xdata()
    np.testing.assert_allclose(line.get_ydata(), expected)


def test_form_without_a_limit_is_drawn(analysis: Analysis) -> None:
    result = analysis.m_c_extrapolation
    assert result is not None
    logarithm = replace(
        result,
        limit=Estimate(float("nan")),
        forms=("a + b ln N", "a + b / sqrt(N)", "a", "a + b / N"),
        form_limit=np.array([np.nan, np.nan, np.nan, np.nan]),
        form_intercept=np.array([12.0, np.nan, np.nan, np.nan]),
        form_slope=np.array([0.2, 0.0, 0.0, 1.0]),
    )
    axes = plot_extrapolation(replace(analysis, m_c_extrapolation=logarithm)).ax
    (line,) = [line for line in axes.get_lines() if str(line.get_label()).startswith("$a")]
    np.testing.assert_allclose(line.get_ydata(), 12.0 - 0.2 * np.log(line.get_xdata()))
    assert axes.get_title() == (NO_LIMIT % "N")
    low, high = axes.get_ylim()
    reach = np.ptp(result.value) + 2 * result.stderr.max()
    assert high - low < 2 * reach, "a form without end squeezes the data"


def test_a_form_that_is_not_known_is_refused_by_its_name(analysis: Analysis) -> None:
    result = analysis.m_c_extrapolation
    assert result is not None
    other = replace(result, forms=("a", "not known here", "a + b / N", "a + b ln N"))
    with pytest.raises(DatasetError, match="not known here"):
        plot_extrapolation(replace(analysis, m_c_extrapolation=other))


def test_no_extrapolation_is_said(synthetic: ModuleType) -> None:
    axes = plot_extrapolation(synthetic.make_analysis((100.0,))).ax
    assert [text.get_text() for text in axes.texts] == ["no extrapolation"]
