"""Drawn curves: values and slopes within their errors, and the factor on the errors."""

from __future__ import annotations

import numpy as np
import pytest

from physbatch.scaling.curves.local_fits import curves_of_sizes
from physbatch.scaling.curves.smooth_curves import SmoothCurves, draw_curves
from physbatch.tables import make_table

AT = np.array([0.85, 0.95, 1.0, 1.1, 1.25])


def drawn(seed: int, stated: float = 1.0, noise: float = 0.01) -> SmoothCurves:
    generator = np.random.default_rng(seed)
    size, c = np.repeat([8.0, 16.0], 12), np.tile(np.linspace(0.7, 1.3, 12), 2)
    y = np.tanh((c - 1.0) * size / 2.0) + noise * generator.standard_normal(24)
    table = make_table(size, c, {"y": y}, {"y": np.full(24, stated * noise)})
    return draw_curves(curves_of_sizes(table, "y", 0, generator), 100, generator)


def test_values_and_slopes_have_the_errors_that_the_draws_have() -> None:
    z = []
    for seed in range(30):
        for size, curve in drawn(seed).curves.items():
            x = (AT - 1.0) * size / 2.0
            slopes = size / 2.0 / np.cosh(x) ** 2
            for values, exact in (
                (curve.at(AT), np.tanh(x)), (curve.slope_at(AT), slopes),
            ):  # fmt: skip
                z.append((values.mean(axis=1) - exact) / values.std(axis=1))
    square = np.mean(np.square(z), axis=0)
    # Measured 1.2 to 1.8 on these curves, whose shoulders 12 points hardly resolve (U of the exact
    # Curie-Weiss model: 0.6 to 1.5). 120 numbers at each control, correlated: +- 0.2.
    assert np.all((square > 0.5) & (square < 2.4))


def test_values_of_single_draws_are_those_of_the_grid() -> None:
    curve = drawn(1).curves[8.0]
    value, slope = curve.of_draws(np.full(100, 1.1))
    np.testing.assert_allclose(value, curve.at(np.array([1.1]))[0], rtol=1e-9)
    step = (curve.at(np.array([1.1 + 1e-6])) - curve.at(np.array([1.1 - 1e-6])))[0] / 2e-6
    np.testing.assert_allclose(slope, step, rtol=1e-5)


@pytest.mark.parametrize("stated", [0.3, 1.0, 3.0])
def test_the_scatter_tells_the_factor_on_the_errors(stated: float) -> None:
    logs = [np.log(drawn(seed, stated).noise * stated) for seed in range(8)]
    # 24 points less 8 of the curves know it to 18 %, eight seeds to 6 %; the prior draws to 1.
    assert abs(np.mean(logs)) < 0.3
