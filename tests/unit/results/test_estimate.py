"""A number with one total error."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from physbatch.results import Estimate, open_results
from physbatch.scaling import collapse
from tests.unit.scaling.data_collapse.test_methods import planted


def test_of_total_splits_the_error_beside_the_statistical_part() -> None:
    estimate = Estimate.of_total(1.0, 0.05, stderr=0.03)
    assert (estimate.total, estimate.stderr) == (0.05, 0.03)
    assert estimate.systematic == pytest.approx(0.04)
    assert estimate.interval68 == (0.95, 1.05)
    assert str(estimate) == "1.00(5)"


def test_a_total_below_the_statistical_part_is_stated_all_the_same() -> None:
    """Errors that are too large: the total goes by the scatter, the plain fit by the errors."""
    estimate = Estimate.of_total(1.0, 0.03, stderr=0.05)
    assert (estimate.total, estimate.systematic) == (0.03, 0.0)
    assert str(estimate) == "1.000(30)"


def test_without_a_statistical_part_all_of_it_is_systematic() -> None:
    estimate = Estimate.of_total(1.0, 0.05)
    assert math.isnan(estimate.stderr)
    assert estimate.systematic == estimate.total == 0.05


def test_totals_survive_a_file(tmp_path: Path) -> None:
    result = collapse(planted(3, sizes=(8, 16, 32), points=9), fixed={"c_c": 1.0})
    again = open_results(result.save(tmp_path / "collapse.nc"))
    for name, estimate in result.parameters.items():
        assert math.isfinite(estimate.stated)
        assert again.parameters[name] == estimate
        assert str(again.parameters[name]) == str(estimate)
        assert again.to_json()["parameters"][name]["total"] == estimate.total
    np.testing.assert_array_equal(again.plain[0].stderr, result.plain[0].stderr)
