"""S of Houdayer and Hartmann against a plain double loop, and where it must be about 1."""

from __future__ import annotations

import math

import numpy as np
import pytest

from physbatch.errors import AnalysisError
from physbatch.scaling.data_collapse.methods import collapse
from physbatch.scaling.data_collapse.quality import collapse_quality, quality_of
from tests.unit.scaling.data_collapse.test_methods import planted


def plain_quality(size: np.ndarray, x: np.ndarray, y: np.ndarray, error: np.ndarray) -> float:
    """The definition, point by point, with numpy's own weighted straight-line fit."""
    terms = []
    for i in range(len(x)):
        chosen = []
        for one in np.unique(size):
            rows = [j for j in range(len(x)) if size[j] == one]
            if one == size[i]:
                continue
            below = [j for j in rows if x[j] < x[i]]
            above = [j for j in rows if x[j] >= x[i]]
            if below and above:
                chosen += [below[-1], above[0]]
        if not chosen:
            continue
        design = np.column_stack([np.ones(len(chosen)), x[chosen]])
        weights = np.diag(1 / error[chosen] ** 2)
        covariance = np.linalg.inv(design.T @ weights @ design)
        line = covariance @ design.T @ weights @ y[chosen]
        here = np.array([1.0, x[i]])
        variance = here @ covariance @ here
        terms.append((y[i] - here @ line) ** 2 / (error[i] ** 2 + variance))
    return float(np.mean(terms))


@pytest.mark.parametrize("seed", range(4))
def test_equals_the_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = np.repeat([8.0, 16.0, 32.0], [7, 9, 11])
    x = np.concatenate([np.sort(rng.uniform(-1, 1, n)) for n in (7, 9, 11)])
    error = rng.uniform(0.05, 0.2, 27)
    y = np.sin(x) + error * rng.normal(size=27)
    assert quality_of(size, x, y, error) == pytest.approx(
        plain_quality(size, x, y, error), rel=1e-9
    )


def test_about_one_for_straight_curves_within_errors() -> None:
    """Mean over 50 sets of 75 points: (y - Y)^2 has its stated variance, so S = 1 on average."""
    rng = np.random.default_rng(1)
    size = np.repeat([8.0, 16.0, 32.0], 25)
    x = np.concatenate([np.sort(rng.uniform(-1, 1, 25)) for _ in range(3)])
    error = np.full(75, 0.1)
    values = [quality_of(size, x, 2 * x + error * rng.normal(size=75), error) for _ in range(50)]
    assert abs(np.mean(values) - 1) < 4 * np.std(values) / math.sqrt(50)


def test_wrong_exponents_are_seen() -> None:
    table = planted(1, 0.03)
    right = collapse_quality(table, "m", c_c=1.0, nu=1.0, zeta=-0.125)
    assert right < 1.6
    assert collapse_quality(table, "m", c_c=1.01, nu=1.0, zeta=-0.125) > 5 * right
    assert collapse_quality(table, "m", c_c=1.0, nu=1.3, zeta=-0.125) > 2 * right


def test_nothing_is_bracketed() -> None:
    size = np.repeat([8.0, 16.0], 3)
    assert quality_of(size, np.arange(6.0), np.zeros(6), np.ones(6)) == math.inf


def test_a_result_states_it() -> None:
    table = planted(1, 0.03)
    result = collapse(table, window="all")
    values = {name: one.value for name, one in result.parameters.items()}
    assert result.quality == pytest.approx(collapse_quality(table, "m", **values), rel=1e-6)
    assert result.to_json()["goodness"]["S"] == result.quality


def test_bad_requests() -> None:
    table = planted(1)
    with pytest.raises(AnalysisError, match="no observable 'U'"):
        collapse_quality(table, "U", c_c=1.0, nu=1.0)
    with pytest.raises(AnalysisError, match="nu = 0"):
        collapse_quality(table, "m", c_c=1.0, nu=0.0)
