"""Where small deviations from a perfect unit grow."""

from __future__ import annotations

import numpy as np
import pytest

from physbatch.exact.committee_stability import relu_rate


@pytest.mark.parametrize(("size", "batch_size"), [(3, 1), (6, 4), (10, 30)])
def test_a_small_deviation_of_a_relu_unit_keeps_its_mean_square_at_the_threshold(size, batch_size):
    """200 000 steps of fresh Gaussian batches; below and above it shrinks and grows."""
    generator = np.random.default_rng([size, batch_size])
    deviation = np.eye(size)[0]
    teacher = generator.normal(size=size)
    x = generator.normal(size=(200_000, batch_size, size))
    active = (x @ teacher > 0)[..., None]
    gradient = np.sum(active * x * (x @ deviation)[..., None], axis=1) / (batch_size * size)
    growth = []
    for factor in (0.9, 1.0, 1.1):
        rate = factor * relu_rate(size, batch_size) * batch_size
        squares = np.sum((deviation - rate * gradient) ** 2, axis=1)
        growth.append((squares.mean() - 1) / (squares.std() / np.sqrt(squares.size)))
    assert growth[0] < -4
    assert abs(growth[1]) < 4
    assert growth[2] > 4
