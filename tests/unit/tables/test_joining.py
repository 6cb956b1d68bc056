"""Runs of different sizes on different grids, joined, say what each said alone."""

from __future__ import annotations

import numpy as np
import pytest

from physbatch.dataset import STATUS_MISSING, STATUS_OK
from physbatch.errors import AnalysisError
from physbatch.exact.planted import first_order
from physbatch.scaling import critical_controls, fit_drift, fit_success_curve, transition_order
from physbatch.tables.joining import join_sizes

GRIDS = {
    50: (12.0, 12.5, 13.0, 13.5, 14.0),
    100: (12.0, 12.75, 13.25, 14.0),
    400: (12.25, 13.0, 13.5),
}


def parts(replicas=32):
    return [
        first_order(sizes=(size,), control=grid, replicas=replicas, width=0.5, seed=size)
        for size, grid in GRIDS.items()
    ]


def test_every_point_keeps_its_values_and_the_rest_is_missing():
    whole = join_sizes(parts()[::-1])
    assert whole["size"].values.tolist() == [50, 100, 400]
    assert whole["batch_size"].values.tolist() == sorted(
        {m for grid in GRIDS.values() for m in grid}
    )
    for part in parts():
        size = int(part["size"].values[0])
        same = whole.sel(size=[size], batch_size=part["batch_size"])
        for name in part.data_vars:
            assert np.array_equal(same[name].values, part[name].values, equal_nan=True), name
            assert same[name].dtype == part[name].dtype, name
        absent = whole.sel(size=size).drop_sel(batch_size=part["batch_size"].values)
        assert (absent["status"] == STATUS_MISSING).all()
        assert absent["overlap"].isnull().all()
        assert (absent["success"] == -1).all()
    assert int((whole["status"] == STATUS_OK).sum()) == 32 * sum(map(len, GRIDS.values()))


def test_estimators_give_bit_for_bit_what_they_give_alone():
    whole = join_sizes(parts())
    critical = critical_controls(whole)
    for row, part in enumerate(parts()):
        alone, joined = (fit_success_curve(d, 1000.0) for d in (part, whole.isel(size=[row])))
        assert (alone.m_c, alone.width, alone.deviance) == (
            joined.m_c,
            joined.width,
            joined.deviance,
        )
        assert critical.value[row] == alone.m_c.value
        slopes = [fit_drift(d, resamples=50).slope.value for d in (part, whole.isel(size=[row]))]
        assert slopes[0] == pytest.approx(slopes[1], rel=1e-12)
    assert transition_order(whole).size.tolist() == [50.0, 100.0, 400.0]


def test_refused_parts():
    small, large = parts()[:2]
    with pytest.raises(AnalysisError, match="no datasets"):
        join_sizes([])
    with pytest.raises(AnalysisError, match="more than one dataset"):
        join_sizes([small, small])
    with pytest.raises(AnalysisError, match="'time' is not the same"):
        join_sizes([small, large.isel(time=slice(3, None))])
    with pytest.raises(AnalysisError, match="'replica' is not the same"):
        join_sizes([small, large.isel(replica=slice(8))])
    ratio = large.rename(batch_size="batch_ratio").assign_coords(
        batch_size=(("size", "batch_ratio"), [[1.0] * 4])
    )
    ratio.attrs["control_dim"] = "batch_ratio"
    with pytest.raises(AnalysisError, match="controls 'batch_size' and 'batch_ratio'"):
        join_sizes([small, ratio])
