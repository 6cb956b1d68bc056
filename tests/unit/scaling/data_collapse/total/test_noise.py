"""What the scatter of the data says about their errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from physbatch.scaling.data_collapse.total.noise import (
    OFFSETS,
    TOGETHER,
    NoiseModel,
    error_factor,
    noise_covariance,
    outliers,
    smoother,
)
from physbatch.tables import ScalingTable, make_table


def test_covariance_by_hand() -> None:
    """Two sizes, three controls; the reach is a third of the range of a size."""
    table = make_table(
        [8, 8, 8, 16], [1.0, 1.5, 2.0, 1.0], {"m": [1, 2, 3, 4]}, {"m": [0.1, 0.2, 0.3, 0.4]}
    )
    model = NoiseModel(rough=0.25, reach=0.5, offset=2.0)
    covariance = noise_covariance(table, "m", model, table)
    common = 0.75 * math.exp(-0.5 * (0.5 / 0.5) ** 2)  # 0.5 apart, reach 0.5 of a range of 1
    offset = (2.0 * 0.2) ** 2  # the median error of the size is 0.2
    assert covariance[0, 0] == pytest.approx(0.1**2 + offset)
    assert covariance[0, 1] == pytest.approx(common * 0.1 * 0.2 + offset)
    assert covariance[0, 2] == pytest.approx(0.75 * math.exp(-2.0) * 0.1 * 0.3 + offset)
    assert covariance[2, 3] == 0.0
    assert covariance[3, 3] == pytest.approx(0.4**2 + (2.0 * 0.4) ** 2)


def test_where_all_sizes_have_the_same_controls_the_common_part_is_narrower_in_large_ones() -> None:
    """lambda = 0.5 of the range at N = 16, and 2^0.75 times that at 8."""
    table = make_table([8, 8, 16, 16], [1.0, 2.0] * 2, {"m": np.arange(4)}, {"m": np.ones(4)})
    model = NoiseModel(rough=0.0, reach=0.5, falling=0.75)
    covariance = noise_covariance(table, "m", model, table)
    assert covariance[2, 3] == pytest.approx(math.exp(-0.5 * 2.0**2))
    assert covariance[0, 1] == pytest.approx(math.exp(-0.5 * (2.0 / 2**0.75) ** 2))


def test_points_that_move_together_are_compared_with_smoother_ones() -> None:
    assert not list(smoother(NoiseModel(), 0.75))
    assert not list(smoother(NoiseModel(offset=2.0), 0.75))
    further = list(smoother(NoiseModel(0.1, 0.1), 0.75))
    assert [(model.reach, model.falling) for model in further] == [
        (0.1, 0.0),
        *[(0.1, 0.75), (1 / 3, 0.75)] * 2,
    ]
    assert [model.rough for model in further] == pytest.approx([0.01, 0.1, 0.1, 0.01, 0.01])
    # Whether the scatter of points judges their errors.
    assert [model.smooth for model in further] == [True, False, False, True, True]
    least = NoiseModel(1e-4, 0.1, 0.75)
    assert not list(smoother(least, 0.75))


def test_a_stated_covariance_stays() -> None:
    stated = np.array([[1.0, 0.4], [0.4, 1.0]])
    size, control = np.array([8.0, 16.0]), np.ones(2)
    table = ScalingTable(size, control, {"m": size}, {"m": control}, covariance={"m": stated})
    together = noise_covariance(table, "m", NoiseModel(rough=0.1), table)
    np.testing.assert_array_equal(together, stated)
    off = noise_covariance(table, "m", NoiseModel(offset=2.0), table)
    np.testing.assert_allclose(off, stated + 4.0 * np.eye(2))


@pytest.mark.parametrize("model", [*TOGETHER, *OFFSETS], ids=str)
def test_every_model_is_a_covariance_with_the_stated_errors(model: NoiseModel) -> None:
    rng = np.random.default_rng(5)
    size, control = np.repeat([8, 16, 32], 12), np.tile(np.linspace(0, 1, 12), 3)
    errors = rng.uniform(0.5, 2.0, 36)
    table = make_table(size, control, {"m": rng.normal(size=36)}, {"m": errors})
    covariance = noise_covariance(table, "m", model, table)
    assert np.linalg.eigvalsh(covariance).min() > 0
    np.testing.assert_allclose(covariance, covariance.T)
    medians = np.repeat(np.median(errors.reshape(3, 12), axis=1), 12)
    offset = (model.offset * medians) ** 2
    np.testing.assert_allclose(np.diag(covariance), errors**2 + offset)


def test_outliers_are_found_against_the_median_of_the_scores() -> None:
    scores = np.tile([0.6745, -0.6745], 10)  # a robust standard deviation of 1
    assert not outliers([scores]).any()
    far = scores.copy()
    far[3], far[7] = 6.5, -9.0
    assert np.flatnonzero(outliers([far])).tolist() == [7]  # the worst one alone
    assert not outliers([3.0 * scores]).any()  # all errors too small are no outliers
    assert np.flatnonzero(outliers([scores, 3.0 * far])).tolist() == [7]
    assert not outliers([np.full(20, math.nan)]).any()


SIZES = np.repeat([8.0, 16.0, 32.0], 12)


@pytest.mark.parametrize(
    ("factor", "deviation", "wrong"),
    [(1.5, 0.1, False), (2.0, 0.1, True), (2.0, 0.4, False), (0.5, 0.1, True), (0.7, 0.1, False)],
)
def test_a_factor_is_called_wrong_where_it_is_far_from_one_and_known(
    factor: float, deviation: float, wrong: bool
) -> None:
    scores = np.tile([1.0, -1.0], 18)
    known = error_factor(math.log(factor), deviation, SIZES, scores)
    assert known.factor == pytest.approx(factor)
    assert known.wrong is wrong
    assert known.of_sizes == {}


def test_factors_by_size_where_they_differ() -> None:
    scores = np.tile([1.0, -1.0], 18) * np.repeat([2.0, 0.5, 0.5], 12)
    known = error_factor(math.log(2.0), 0.1, SIZES, scores)
    assert known.of_sizes == pytest.approx({8.0: 4.0, 16.0: 1.0, 32.0: 1.0})
    assert error_factor(0.0, 0.1, SIZES, scores).of_sizes == {}  # right on the whole: nothing said
