"""Tables: what they let in, what they refuse, and that nothing is lost on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physbatch.errors import AnalysisError
from physbatch.files.netcdf import open_netcdf, save
from physbatch.tables.make import checked, make_table
from physbatch.tables.samples import make_sample_table
from physbatch.tables.table import ScalingTable

SIZE = [8.0, 4.0, 4.0, 8.0]
CONTROL = [2.0, 1.0, 2.0, 1.0]
VALUES = [4.0, 1.0, 2.0, 3.0]
ERRORS = [0.4, 0.1, 0.2, 0.3]


def small(**changes: Any) -> ScalingTable:
    columns: dict[str, Any] = {
        "size": SIZE,
        "control": CONTROL,
        "values": {"m": VALUES},
        "errors": {"m": ERRORS},
    }
    return make_table(**{**columns, **changes})


def replaced(values: list[float], new: float) -> list[float]:
    return [*values[:1], new, *values[2:]]


def test_rows_are_sorted_with_all_that_belongs_to_them() -> None:
    covariance = np.diag(np.square(ERRORS))
    covariance[0, 1] = covariance[1, 0] = 0.01
    table = small(covariance={"m": covariance})
    assert table.size.tolist() == [4, 4, 8, 8]
    assert table.control.tolist() == [1, 2, 1, 2]
    assert table.values["m"].tolist() == [1, 2, 3, 4]
    assert table.errors["m"].tolist() == [0.1, 0.2, 0.3, 0.4]
    assert table.covariance["m"][0, 3] == table.covariance["m"][3, 0] == 0.01
    assert small(covariance={"m": covariance}, errors={}).errors["m"] == pytest.approx(
        table.errors["m"]
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": replaced(SIZE, np.nan)}, "size 'L' is nan"),
        ({"size": replaced(SIZE, 0.0)}, "above 0"),
        ({"control": replaced(CONTROL, np.inf)}, "control 'control' is inf"),
        ({"values": {"m": replaced(VALUES, np.nan)}}, "observable 'm' is nan"),
        ({"errors": {"m": replaced(ERRORS, 0.0)}}, "error of 'm' is 0"),
        ({"errors": {"m": replaced(ERRORS, -1.0)}}, "error of 'm' is -1"),
        ({"errors": {"m": replaced(ERRORS, np.nan)}}, "error of 'm' is nan"),
        ({"errors": {"n": ERRORS}}, "give every observable its error"),
        ({"errors": {"m": ERRORS[:3]}}, "error of 'm' has shape"),
        ({"values": {"m": VALUES[:3]}}, "'m' has shape"),
        ({"size": [4.0, 4.0, 4.0, 8.0]}, "stands twice"),
        ({"size": [4.0] * 4, "control": [1.0, 2.0, 3.0, 4.0]}, "one size"),
        ({"values": {"m": [1.0] * 4}}, "is 1 at all 4 points"),
        ({"covariance": {"m": np.eye(4)}}, "diagonal"),
        ({"covariance": {"m": np.outer(ERRORS, ERRORS)}}, "positive definite"),
        ({"samples": {"m": [[1.0, 2.0]] * 3 + [[np.nan, 1.0]]}}, "samples"),
    ],
)
def test_what_makes_no_table_is_refused_in_one_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(AnalysisError, match=message) as caught:
        small(**changes)
    assert "\n" not in str(caught.value)


def test_too_few_points_are_refused() -> None:
    with pytest.raises(AnalysisError, match="2 points"):
        make_table([4, 8], [1, 1], {"m": [1, 2]}, {"m": [1, 1]})


def test_a_broken_table_is_found_later_too() -> None:
    table = ScalingTable(
        np.array([8.0, 4.0, 4.0]), np.ones(3), {"m": np.arange(3.0)}, {"m": np.ones(3)}
    )
    with pytest.raises(AnalysisError, match="L = 4, control = 1 stands twice"):
        checked(table)


def test_sizes_convert_between_volumes_and_lengths() -> None:
    table = small()
    volumes = table.to_dimension("N", 3)
    assert volumes.size.tolist() == [64, 64, 512, 512]
    assert (volumes.dimension, volumes.size_name) == ("N", "N")
    np.testing.assert_array_equal(volumes.to_dimension("L", 3).size, table.size)
    assert table.to_dimension("L", 3) is table
    for wrong in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(AnalysisError, match="space dimension"):
            table.to_dimension("N", wrong)


def test_a_table_survives_its_file(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    samples = {
        name: [generator.normal(size=count) for count in (5, 8, 6, 7)] for name in ("m", "dU/dT")
    }
    table = make_sample_table(
        SIZE,
        CONTROL,
        samples,
        size_name="N",
        control_name="T",
        dimension="N",
        source="a file",
        flags=("one: word", "two: words"),
    )
    path = save(table.to_dataset(), tmp_path / "table.nc")
    again = ScalingTable.from_dataset(open_netcdf(path))
    for name in ("size_name", "control_name", "dimension", "source", "flags", "observables"):
        assert getattr(again, name) == getattr(table, name)
    np.testing.assert_array_equal(again.size, table.size)
    np.testing.assert_array_equal(again.control, table.control)
    for name in table.observables:
        np.testing.assert_array_equal(again.values[name], table.values[name])
        np.testing.assert_array_equal(again.errors[name], table.errors[name])
        for samples, expected in zip(again.samples[name], table.samples[name], strict=True):
            np.testing.assert_array_equal(samples, expected)


def test_a_covariance_survives_as_well() -> None:
    covariance = np.diag(np.square(ERRORS)) + 0.001 * (1 - np.eye(4))
    table = small(
        values={"m": VALUES, "U": VALUES},
        errors={"m": ERRORS, "U": ERRORS},
        covariance={"m": covariance},
    )
    again = ScalingTable.from_dataset(table.to_dataset())
    assert set(again.covariance) == {"m"}
    np.testing.assert_array_equal(again.covariance["m"], table.covariance["m"])
    assert not again.samples


def test_a_dataset_without_a_table_is_refused() -> None:
    with pytest.raises(AnalysisError, match="holds no table"):
        ScalingTable.from_dataset(small().to_dataset().drop_vars("stderr"))


def test_observables_are_taken_by_name() -> None:
    table = small(values={"m": VALUES, "U": ERRORS}, errors={"m": ERRORS, "U": ERRORS})
    assert table.only("U").observables == ("U",)
    with pytest.raises(AnalysisError, match="there is m, U"):
        table.only("chi")


def test_means_and_errors_of_samples() -> None:
    samples = [np.array([1.0, 2.0, 6.0]), np.array([0.0, 4.0]), np.arange(5.0), np.arange(3.0)]
    table = make_sample_table(SIZE, CONTROL, {"m": samples})
    assert table.values["m"].tolist() == [2, 2, 1, 3]
    expected = [
        point.std(ddof=1) / np.sqrt(point.size) for point in (samples[i] for i in (1, 2, 3, 0))
    ]
    np.testing.assert_allclose(table.errors["m"], expected, rtol=1e-14)
    assert [flag.partition(":")[0] for flag in table.flags] == ["few_samples"]


def test_successes_have_a_binomial_error_and_never_none() -> None:
    ones = np.ones(8)
    table = make_sample_table([4, 8, 8], [1, 1, 2], {"success": [ones, 0 * ones, [0, 1] * 4]})
    assert np.all(table.errors["success"] > 0)
    assert table.errors["success"][2] == pytest.approx(np.sqrt(0.25 / 10))


def test_points_whose_samples_agree_are_left_out_and_counted() -> None:
    agree = np.full(7, 0.1)  # its mean differs from 0.1 by rounding
    samples = [agree, np.arange(7.0), np.arange(7.0) + 1, np.arange(7.0) ** 2]
    table = make_sample_table(SIZE, CONTROL, {"m": samples})
    assert table.size.tolist() == [4, 4, 8]
    assert any(flag.startswith("points_without_spread: 1 of 4") for flag in table.flags)
    with pytest.raises(AnalysisError, match="all samples agree"):
        make_sample_table(SIZE, CONTROL, {"m": [agree] * 4})


def test_rows_that_follow_each_other_are_noticed() -> None:
    generator = np.random.default_rng(11)
    independent = generator.normal(size=(4, 400))
    walk = independent.copy()
    for step in range(1, 400):
        walk[:, step] += 0.5 * walk[:, step - 1]
    names = [
        [flag.partition(":")[0] for flag in make_sample_table(SIZE, CONTROL, {"m": series}).flags]
        for series in (independent, walk)
    ]
    assert names == [[], ["rows_correlated"]]


def test_a_single_sample_gives_no_error() -> None:
    with pytest.raises(AnalysisError, match="fewer than two samples"):
        make_sample_table([4, 8, 8], [1, 1, 2], {"m": [[1.0, 2.0], [1.0], [2.0, 1.0]]})


def test_observables_of_one_replica_keep_their_correlation() -> None:
    generator = np.random.default_rng(7)
    a = generator.normal(size=(4, 50))
    b = 2 * a + generator.normal(size=(4, 50))
    table = make_sample_table(SIZE, CONTROL, {"a": a, "b": b})
    joint = table.joint_covariance()
    order = [1, 2, 3, 0]
    for row, source in enumerate(order):
        np.testing.assert_allclose(joint[row], np.cov(a[source], b[source]) / 50, rtol=1e-12)
    np.testing.assert_allclose(joint[:, 0, 0], table.errors["a"] ** 2, rtol=1e-12)
    plain = small(values={"m": VALUES, "U": VALUES}, errors={"m": ERRORS, "U": ERRORS})
    np.testing.assert_array_equal(plain.joint_covariance()[:, 0, 1], 0.0)
