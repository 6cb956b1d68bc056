"""`analyse`: what it accepts, what it refuses, and thin or spoiled data."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from physbatch.errors import AnalysisError, DatasetError
from physbatch.exact.planted import first_order
from physbatch.scaling import analyse, fit_drift, fit_success_curve, flag_names


@pytest.fixture(scope="module")
def data():
    return first_order(sizes=(50, 100, 200), replicas=24, seed=1)


def test_the_parts_are_those_of_the_single_functions(data):
    result = analyse(data, resamples=50)
    assert [curve.size for curve in result.curves] == [50.0, 100.0, 200.0]
    for place, curve in enumerate(result.curves):
        one = data.isel(size=[place])
        assert curve.m_c == fit_success_curve(one, 1000.0).m_c
        np.testing.assert_array_equal(result.drifts[place].m_c, fit_drift(one).m_c)
        assert abs(result.jumps[place].control[1] - curve.m_c.value) <= 0.25
    assert result.control_name == "batch_size"
    assert result.control_label == "batch size m"
    assert (result.time, result.time_units) == (1000.0, "sweep")
    assert result.provenance["seed"] == "0"
    assert result.m_c is result.m_c_extrapolation.limit
    assert "transition: claimed" in repr(result)


def test_the_seed_decides_every_bit(data):
    assert analyse(data, resamples=50, seed=7).identical(analyse(data, resamples=50, seed=7))
    assert not analyse(data, resamples=50, seed=7).identical(analyse(data, resamples=50, seed=8))


def test_an_earlier_time_uses_nothing_that_came_later(data):
    result = analyse(data, time=150.0, resamples=50)
    assert result.time == 147.0  # the last measured time that is not later
    assert result.moments["time"].values[-1] == 147.0
    assert all(drift.time.max() <= 147.0 for drift in result.drifts)
    later = data.copy(deep=True)
    after = later["time"].values > 147.0
    later["overlap"][..., after] = 0.123
    later["first_passage"] = later["first_passage"].where(later["first_passage"] <= 147.0, np.inf)
    assert analyse(later, time=150.0, resamples=50).identical(result)
    for time in (1.0, 2000.0, math.nan):
        with pytest.raises(AnalysisError, match="outside the measured times"):
            analyse(data, time=time)


def test_a_sweep_of_a_parameter_must_be_cut_first(data):
    swept = data.expand_dims(degree=[3, 5])
    with pytest.raises(
        AnalysisError, match=r"sweep degree = 3, 5; .*physbatch select DATA.nc degree=3 -o"
    ):
        analyse(swept)
    one = analyse(swept.sel(degree=[5]), resamples=50)
    assert one.identical(analyse(data, resamples=50))


def test_a_dataset_that_breaks_the_schema_is_refused(data):
    with pytest.raises(DatasetError):
        analyse(data.drop_vars("status"))


def test_the_order_of_dimensions_does_not_matter(data):
    turned = data.transpose("time", "replica", "batch_size", "size")
    assert analyse(turned, resamples=50).identical(analyse(data, resamples=50))


def test_a_batch_ratio_is_fitted_in_its_own_unit():
    data = first_order(sizes=(50, 100, 200), replicas=24, size_shift=0.0)
    ratio = data.rename(batch_size="batch_ratio").assign_attrs(control_dim="batch_ratio")
    ratio = ratio.assign_coords(batch_ratio=ratio["batch_ratio"].values / 100.0)
    ratio = ratio.assign_coords(batch_size=ratio["size"] * ratio["batch_ratio"])
    ratio["batch_ratio"].attrs["long_name"] = "batch ratio m/N"
    result, plain = analyse(ratio, resamples=50), analyse(data, resamples=50)
    assert result.control_name == "batch_ratio"
    assert result.m_c.value == pytest.approx(plain.m_c.value / 100.0, rel=1e-4)
    assert result.transition == plain.transition


def _spoiled(data, how):
    data = data.copy(deep=True)
    if how == "all missing":
        data["status"][:] = 2
        data["overlap"][:] = np.nan
        data["first_passage"][:] = np.nan
    elif how == "all diverged":
        data["status"][:] = 1
    elif how == "all nan":
        data["overlap"][:] = np.nan
        data["first_passage"][:] = np.nan
    elif how == "all succeed":
        data["overlap"][:] = 1.0
        data["first_passage"][:] = 10.0
    elif how == "none succeeds":
        data["overlap"][:] = 0.3
        data["first_passage"][:] = np.inf
    elif how == "one size missing":
        data["status"][1] = 2
    elif how == "cells missing":
        data["status"][:, ::2] = 2
    return data


@pytest.mark.parametrize(
    "how",
    ["all missing", "all diverged", "all nan", "all succeed", "none succeeds", "one size missing"],
)
def test_data_that_cannot_show_a_transition_give_nan_flags_and_no_claim(data, how):
    result = analyse(_spoiled(data, how), resamples=50)
    assert result.transition == "not claimed"
    assert math.isnan(result.m_c.value)
    assert result.m_c.flags
    assert result.flags
    assert result.reasons
    json.dumps(result.to_json(), allow_nan=False)
    expected = {
        "all missing": "missing",
        "all diverged": "diverged",
        "all nan": "nan",
        "all succeed": "m_c_below_grid",
        "none succeeds": "m_c_above_grid",
        "one size missing": "missing",
    }
    assert expected[how] in flag_names(result.flags)


def test_replicas_that_share_graphs_are_flagged(data):
    assert "shared_graphs" not in flag_names(analyse(data, resamples=50).flags)
    shared = data.assign_coords(graph=("replica", np.arange(data.sizes["replica"]) // 4))
    assert "shared_graphs" in flag_names(analyse(shared, resamples=50).flags)


def test_missing_cells_leave_the_rest_usable(data):
    result = analyse(_spoiled(data, "cells missing"), resamples=50)
    assert math.isfinite(result.m_c.value)
    assert abs(result.m_c.value - 13.0) < 5 * result.m_c.total
    assert "missing" in flag_names(result.flags)


@pytest.mark.parametrize(
    "shape",
    [
        {"sizes": (50,)},
        {"sizes": (50, 100)},
        {"replicas": 1},
        {"control": (13.0,)},
        {"times": (1000.0,)},
        {"replicas": 2, "control": (12.0, 14.0)},
    ],
)
def test_thin_data_are_analysed_without_a_claim_or_with_a_reason(shape):
    arguments = {"sizes": (50, 100, 200), "replicas": 24, **shape}
    result = analyse(first_order(**arguments), resamples=50)
    assert len(result.curves) == len(arguments["sizes"])
    assert result.reasons
    json.dumps(result.to_json(), allow_nan=False)
    if "times" not in shape:
        assert result.transition == "not claimed"


def test_one_or_two_sizes_say_so():
    for sizes, word in (((50,), "one_size"), ((50, 100), "two_sizes")):
        result = analyse(first_order(sizes=sizes, replicas=24), resamples=50)
        assert word in flag_names(result.m_c.flags)
        assert math.isfinite(result.curves[0].m_c.value)


def test_nothing_heavy_is_imported():
    code = (
        "import sys, physbatch.scaling, physbatch.exact.planted; "
        "heavy = {'torch', 'matplotlib', 'seaborn', 'numba'} & set(sys.modules); "
        "sys.exit(f'{sorted(heavy)}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_data_are_not_changed(data):
    before = data.copy(deep=True)
    analyse(data, resamples=50)
    xr.testing.assert_identical(before, data)
