"""Parameters between what is stated and what is fitted."""

from __future__ import annotations

import math

import pytest

from physbatch.scaling.data_collapse.forms.parameters import Kind, Parameter

CASES: tuple[tuple[Kind, float, tuple[float, ...]], ...] = (
    ("plain", -1.3, (math.nan, math.inf)),
    ("inverse", 1.3, (0.0, -1.0, math.inf)),
    ("positive", 0.4, (0.0, -1.0)),
    ("below", 0.5, (0.0, 8.0, 9.0, math.nan)),
)


@pytest.mark.parametrize(("kind", "value", "impossible"), CASES)
def test_there_and_back(kind: Kind, value: float, impossible: tuple[float, ...]) -> None:
    parameter = Parameter("a", kind, -3.0, 3.0, unit=8.0)
    fitted = parameter.fitted(value)
    assert parameter.value(fitted) == pytest.approx(value, rel=1e-14)
    step = 1e-6
    slope = (parameter.value(fitted + step) - parameter.value(fitted - step)) / (2 * step)
    assert parameter.slope(fitted) == pytest.approx(slope, rel=1e-8)
    assert parameter.allowed(value)
    assert not any(map(parameter.allowed, impossible))


def test_numbers_beyond_floating_point_end_at_its_border() -> None:
    for kind in ("inverse", "positive", "below"):
        parameter = Parameter("a", kind, -3.0, 3.0)
        assert math.isfinite(parameter.value(1e5))
        assert math.isfinite(parameter.value(-1e5))
