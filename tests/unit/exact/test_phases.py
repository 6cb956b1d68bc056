"""Datasets of test systems follow the schema, repeat by seed, and refuse bad parameters."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from physbatch.dataset import open_dataset, validate
from physbatch.errors import AnalysisError
from physbatch.exact import curie_weiss, phases, planted
from physbatch.exact.escapes import escape, nucleation_rate
from physbatch.exact.replicas import as_table, both_starts
from physbatch.files.netcdf import save

MAKERS = {
    "equilibrium": phases.equilibrium_first_order,
    "saddle_node": phases.saddle_node,
    "nucleation": phases.nucleation,
    "droplet": lambda **more: phases.nucleation(kind="droplet", **more),
    "curie_weiss": curie_weiss.sample_dataset,
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_datasets_follow_the_schema_and_their_seed(make, tmp_path):
    data = make(sizes=(50, 100), replicas=8, seed=1)
    validate(data)
    xr.testing.assert_identical(open_dataset(save(data, tmp_path / "data.nc")), data)
    xr.testing.assert_identical(make(sizes=(50, 100), replicas=8, seed=1), data)
    assert not make(sizes=(50, 100), replicas=8, seed=2)["overlap"].equals(data["overlap"])
    assert (data["success"].mean() > 0) & (data["success"].mean() < 1)


@pytest.mark.parametrize("make", [phases.saddle_node, phases.nucleation])
def test_both_starts_are_one_valid_dataset(make):
    data = both_starts(make, (7.0, 9.0, 11.0), sizes=(50, 100), replicas=6)
    validate(data)
    assert data["initial_overlap"].values.tolist() == [0.0, 0.97]


def test_first_passage_is_bracketed_by_measuring_times():
    data = phases.nucleation((100,), replicas=200, times=(1.0, 10.0, 100.0), seed=4)
    lower, upper = data["first_passage_lower"].values, data["first_passage"].values
    done = data["success"].values == 1
    np.testing.assert_array_equal(np.isfinite(upper), done)
    assert set(zip(lower[done], upper[done], strict=True)) == {(0, 1), (1, 10), (10, 100)}
    assert set(lower[~done]) == {100}


def test_the_nested_sets_grow_by_one_size():
    for small, large in zip(phases.NESTED_SIZES, phases.NESTED_SIZES[1:], strict=False):
        assert large[:-1] == small
    assert len(phases.NESTED_SIZES) == 4


def test_a_table_holds_the_samples_of_a_dataset():
    data = phases.nucleation((50, 100), replicas=20, seed=1)
    table = as_table(data.transpose("time", "replica", "batch_size", "size"))
    count = data.sizes["batch_size"]
    q = data["overlap"].values[1, 2, :, -1]
    np.testing.assert_array_equal(table.samples["overlap"][count + 2], q)
    np.testing.assert_array_equal(table.samples["fourth_moment"][count + 2], q**4)
    np.testing.assert_array_equal(
        table.values["success"], data["success"].mean("replica").values.ravel()
    )
    assert (table.size[count + 2], table.control[count + 2]) == (100, data["batch_size"].values[2])
    assert as_table(planted.independent_units((10, 20), replicas=5)).sizes.tolist() == [
        10,
        20,
    ]


def test_a_table_of_two_starts_is_refused():
    data = both_starts(phases.nucleation, (7.0, 11.0), sizes=(50,), replicas=6)
    with pytest.raises(AnalysisError, match="initial_overlap"):
        as_table(data)
    assert as_table(data.isel(initial_overlap=1, drop=True)).values["success"][1] == 1


@pytest.mark.parametrize(
    ("make", "parameters"),
    [
        (phases.equilibrium_first_order, {"slope": 0.0}),
        (phases.equilibrium_first_order, {"control": (2.0, 1.0)}),
        (phases.equilibrium_first_order, {"control": (1.0, np.nan)}),
        (phases.equilibrium_first_order, {"sizes": (100, 50), "control": (1.0,)}),
        (phases.equilibrium_first_order, {"replicas": 0}),
        (phases.saddle_node, {"times": (0.0, 1.0)}),
        (phases.nucleation, {"kind": "other"}),
        (curie_weiss.sample_dataset, {"control": ()}),
    ],
)
def test_bad_parameters_are_refused(make, parameters):
    with pytest.raises(AnalysisError):
        make(**parameters)


@pytest.mark.parametrize("wrong", [{"noise": 0.0}, {"step": 0.0}])
def test_escapes_need_noise_and_steps(wrong):
    with pytest.raises(AnalysisError, match="take both > 0"):
        escape([1.0], [1.0], 2, np.random.default_rng(1), **wrong)


def test_a_barrier_is_positive():
    with pytest.raises(AnalysisError, match="barrier"):
        nucleation_rate(100, 0.1, barrier=-1.0)
