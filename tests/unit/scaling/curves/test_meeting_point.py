"""The common point of curves that obey the law exactly."""

from __future__ import annotations

import numpy as np
import pytest

from physbatch.scaling.curves.meeting_point import Moments, common_point, quotient
from physbatch.typing import FloatArray

SIZES = np.array([8.0, 12.0, 16.0, 24.0])


def moments(control: FloatArray, b: float = 0.02, error: float = 1e-4) -> Moments:
    """y = 0.5 + 0.1 L^0.8 (c - 1) + b (L/8)^-1."""
    slope = np.broadcast_to(0.1 * SIZES**0.8, (control.size, 4))
    value = 0.5 + slope * (control[:, None] - 1.0) + b * (SIZES / 8.0) ** -1.0
    covariance = np.zeros((control.size, 4, 2, 2))
    covariance[..., 0, 0], covariance[..., 1, 1] = error**2, (10.0 * error) ** 2
    return Moments(np.stack([value, slope], axis=-1), covariance)


@pytest.mark.parametrize("b", [0.0, 0.02, -0.05])
def test_the_total_holds_the_correction(b: float) -> None:
    point, plain = (
        common_point(
            SIZES, lambda c: moments(c, b), (0.8, 1.2), 0.6, volume=False, plain=without
        )
        for without in (False, True)
    )  # fmt: skip
    assert point.bounded
    for (value, total), exact in (
        (point.c_c, 1.0), (point.level, 0.5), (point.inverse_nu, 0.8),
    ):  # fmt: skip
        assert abs(value - exact) < 3.0 * total
    assert plain.c_c[1] < point.c_c[1] < 0.05
    # Left out, a correction of 0.05 moves c_c by many errors of the fit without.
    assert (abs(plain.c_c[0] - 1.0) > 5.0 * plain.c_c[1]) == (b != 0.0)


def test_a_region_that_does_not_hold_the_point_is_told() -> None:
    point = common_point(SIZES, moments, (1.05, 1.2), 0.6, volume=False)
    assert not point.bounded


def test_quotients_give_the_power_of_another_observable() -> None:
    point = common_point(SIZES, moments, (0.8, 1.2), 0.6, volume=False)

    def logarithm(control: FloatArray) -> tuple[FloatArray, FloatArray]:
        value = -0.4 * np.log(SIZES) + 0.03 * (SIZES / 8.0) ** -1.0 + 0.5 * (control[:, None] - 1.0)
        return value, np.full((control.size, 4), 1e-6)

    value, total = quotient(SIZES, logarithm, point)
    assert abs(value + 0.4) < 3.0 * total < 0.3
