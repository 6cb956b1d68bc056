"""Own data: every shape gives the dataset that the arrays came from, and bad ones are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from physbatch.cli import main
from physbatch.dataset import batch_sizes, open_dataset
from physbatch.errors import DatasetError, PhysbatchError
from physbatch.exact.planted import first_order
from physbatch.files.netcdf import save
from physbatch.scaling import analyse, moments, transition_order
from physbatch.study.selection import select
from physbatch.tables import from_dataset, make_dataset
from physbatch.views import view


@pytest.fixture(scope="module")
def planted() -> xr.Dataset:
    return first_order(sizes=(50, 100, 200), replicas=24, seed=2)


@pytest.fixture(scope="module")
def made(planted: xr.Dataset) -> xr.Dataset:
    return make_dataset(
        planted["overlap"].values,
        size=planted["size"].values,
        batch_size=planted["batch_size"].values,
        time=planted["time"].values,
        success_at=1.0,
    )


def test_success_and_passages_are_those_of_the_simulation(
    made: xr.Dataset, planted: xr.Dataset
) -> None:
    for name in ("overlap", "first_passage", "first_passage_lower", "success", "status"):
        np.testing.assert_array_equal(made[name].values, planted[name].values, err_msg=name)


def test_every_shape_gives_the_same_dataset(made: xr.Dataset, planted: xr.Dataset) -> None:
    frame = planted["overlap"].to_dataframe().reset_index().sample(frac=1, random_state=3)
    renamed = frame.rename(columns={"size": "N", "overlap": "q", "batch_size": "m"})
    assert make_dataset(frame, success_at=1.0).equals(made)
    assert make_dataset(renamed, size="N", batch_size="m", success_at=1.0).equals(made)
    rows = {name: frame[name] for name in ("size", "batch_size", "replica", "time")}
    assert make_dataset(frame["overlap"], success_at=1.0, **rows).equals(made)
    labelled = planted["overlap"].transpose("time", "replica", "batch_size", "size")[::-1, :, ::-1]
    assert make_dataset(labelled, success_at=1.0).equals(made)
    named = labelled.rename(size="N")
    assert make_dataset(named, size="N", success_at=1.0).equals(made)


def test_rows_without_numbers_of_replicas_are_counted_and_gaps_are_missing() -> None:
    data = make_dataset(
        [0.1, 0.2, 0.3, 0.4], size=[10, 10, 20, 10], batch_size=[1, 1, 2, 2], accuracy=[1, 2, 3, 4]
    )
    np.testing.assert_array_equal(data["overlap"][0, :, :, 0], [[0.1, 0.2], [0.4, np.nan]])
    assert data["status"].values.tolist() == [[[0, 0], [0, 2]], [[2, 2], [0, 2]]]
    assert float(data["accuracy"].sel(size=20, batch_size=2, replica=0, time=1)) == 3.0
    assert data["first_passage"].isnull().all()
    assert (data["success"] == -1).all()


def test_success_alone_bounds_the_passage_by_the_run() -> None:
    data = make_dataset(
        np.full((1, 1, 2, 2), 0.5),
        size=[9],
        batch_size=[3],
        time=[5.0, 10.0],
        success=np.array([[[1, 0]]]),
    )
    assert data["first_passage"].values.ravel().tolist() == [10.0, np.inf]
    assert data["first_passage_lower"].values.ravel().tolist() == [0.0, 10.0]


@pytest.fixture(scope="module")
def swept(planted: xr.Dataset) -> xr.Dataset:
    shape = (3, 1, *planted["overlap"].shape[1:])
    return make_dataset(
        0.5 + 0.01 * planted["overlap"].values.reshape(shape),
        size=planted["size"].values,
        batch_size=[32],
        pattern_count=planted["batch_size"].values,
        time=planted["time"].values,
        accuracy=planted["overlap"].values.reshape(shape),
        success=planted["success"].values.reshape(shape[:-1]),
        first_passage=planted["first_passage"].values.reshape(shape[:-1]),
    )


def test_any_observable_and_control_give_what_the_overlap_and_the_batch_size_give(
    swept: xr.Dataset, planted: xr.Dataset
) -> None:
    ours = analyse(planted, resamples=60)
    theirs = analyse(swept, "accuracy", control="pattern_count", resamples=60)
    assert (theirs.observable, theirs.control_name) == ("accuracy", "pattern_count")
    for size, other in zip(ours.curves, theirs.curves, strict=True):
        assert size.m_c.value == other.m_c.value
        assert size.m_c.stderr == other.m_c.stderr
    assert [j.latent.value for j in ours.jumps] == [j.latent.value for j in theirs.jumps]
    assert theirs.transition == ours.transition == "claimed"
    assert any("the accuracy has two peaks" in reason for reason in theirs.reasons)
    orders = [
        transition_order(planted, resamples=60),
        transition_order(swept, "accuracy", control="pattern_count", resamples=60),
    ]
    assert orders[0].verdict == orders[1].verdict
    peaks = [order["two peaks"].points_to for order in orders]
    assert peaks == ["first order", "first order"]
    seen = view(swept, "accuracy", "pattern_count").squeeze("batch_size")
    first, second = moments(planted, resamples=60), moments(seen, resamples=60)
    np.testing.assert_array_equal(first["binder"].values, second["binder"].values)


def test_tables_take_any_observable_and_control(swept: xr.Dataset, planted: xr.Dataset) -> None:
    ours = from_dataset(planted)
    theirs = from_dataset(swept, observable="accuracy", control="pattern_count")
    np.testing.assert_array_equal(ours.values["overlap"], theirs.values["accuracy"])
    np.testing.assert_array_equal(ours.control, theirs.control)


def test_the_command_line_takes_them_too(
    swept: xr.Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, results = save(swept, tmp_path / "own.nc"), tmp_path / "results.nc"
    assert open_dataset(file).identical(swept)
    chosen = ["--observable", "accuracy", "--control", "pattern_count"]
    assert main(["analyse", str(file), *chosen, "-o", str(results)]) == 0
    assert "latent accuracy" in capsys.readouterr().out
    page = tmp_path / "page.html"
    assert main(["report", str(file), str(results), "-o", str(page)]) == 0
    assert "Mean accuracy over the replicas" in page.read_text()
    assert main(["moments", str(file), *chosen]) == 0
    assert main(["order", str(file), *chosen]) == 0
    assert "first order" in capsys.readouterr().out
    assert main(["analyse", str(file), "--observable", "acuracy"]) == 2
    error = capsys.readouterr().err
    assert "no observable 'acuracy'" in error
    assert "accuracy" in error
    assert main(["analyse", str(file), "--control", "degree"]) == 2
    assert "no swept parameter 'degree'" in capsys.readouterr().err


def test_a_part_of_a_parameter_of_any_name_can_be_selected() -> None:
    values = np.arange(2 * 3 * 2 * 4, dtype=float).reshape(2, 3, 2, 4)
    data = make_dataset(values, size=[5, 6], batch_size=[1, 2, 3], depth=[2, 4], control="depth")
    part = select(data, {"batch_size": [2]})
    assert part["overlap"].dims == ("size", "depth", "replica", "time")
    np.testing.assert_array_equal(part["overlap"].values[..., 0], values[:, 1])
    with pytest.raises(DatasetError, match="the control is depth"):
        batch_sizes(part)


def test_masked_values_are_missing_and_large_sizes_stay() -> None:
    masked = np.ma.masked_greater(np.array([[[1.0, 2.0], [3.0, 4.0]]]), 3.5)
    data = make_dataset(masked, size=[10.0**30], batch_size=[1, 2])
    assert float(data["size"][0]) == 10.0**30
    np.testing.assert_array_equal(data["overlap"].values.ravel(), [1.0, 2.0, 3.0, np.nan])
    assert data["status"].values.ravel().tolist() == [0, 0, 0, 2]


GOOD: dict[str, Any] = {"size": [5, 6], "batch_size": [1, 2]}


@pytest.mark.parametrize(
    ("overlap", "given", "words"),
    [
        (np.ones((2, 3, 4)), GOOD, r"shape \(2, 3, 4\), its coordinates \(2, 2, 4\)"),
        (np.ones((2, 2)), {"size": [1, 2, 3], "batch_size": [1, 2]}, "its coordinates"),
        (np.ones((2, 4)), {"batch_size": [1, 2]}, "no sizes"),
        (np.ones((2, 4)), {"size": [1, 2]}, "no control"),
        (np.ones((2, 2, 4)), {**GOOD, "control": "degree"}, "no swept parameter 'degree'"),
        (np.ones((2, 2, 4)), {**GOOD, "batch_size": [1, 1]}, "'batch_size' are not"),
        (np.ones((2, 2, 4)), {**GOOD, "batch_size": [1, np.nan]}, "'batch_size' are not"),
        (np.full((2, 2, 4), np.inf), GOOD, "'overlap' holds an infinite number"),
        (np.full((2, 2, 4), "a"), GOOD, "'overlap' holds something else"),
        (np.full((2, 2, 4), 1j), GOOD, "'overlap' holds something else"),
        (np.ones((2, 2, 4)), {**GOOD, "size": [-5, 6]}, "sizes are not above 0"),
        (np.ones((2, 2, 4)), {**GOOD, "success_at": "high"}, "success_at is 'high', no number"),
        (np.ones((2, 2, 4)), {**GOOD, "accuracy": np.ones((2, 2, 3))}, "'accuracy' has the shape"),
        (np.ones(2), {**GOOD, "replica": [0, 0], "size": [5, 5], "batch_size": [1, 1]}, "twice"),
        (np.ones(2), {"size": [5, np.nan], "batch_size": 1}, "'size' of row 1"),
        (
            np.ones((2, 2, 4)),
            {**GOOD, "success": np.ones((2, 2, 4)), "success_at": 1.0},
            "exclude each other",
        ),
    ],
)
def test_what_does_not_fit_is_named(
    overlap: np.ndarray[Any, Any], given: dict[str, Any], words: str
) -> None:
    with pytest.raises(PhysbatchError, match=words):
        make_dataset(overlap, **given)
