"""What `transition_order` says of absorbing states: survivors, spinodal, order of limits."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from physbatch.exact.phases import nucleation
from physbatch.exact.planted import first_order
from physbatch.scaling.order.absorbing import absorbing_state
from physbatch.scaling.order.samples import sample_data


def test_survivors_and_the_order_of_limits_are_named() -> None:
    """The planted overlap before the escape is 0.34."""
    data = first_order(sizes=(50, 100, 200, 400), seed=1)
    evidence = absorbing_state(sample_data(data))
    assert evidence.points_to == ""
    assert "survivors have overlap = 0.34" in evidence.text
    assert "limits: N -> infinity, then t -> infinity" in evidence.text


def test_a_start_at_time_0_does_not_count_among_late_times() -> None:
    data = first_order(sizes=(50, 100, 200, 400), seed=1)
    before = data.isel(time=[0]).assign_coords(time=[0.0])
    before["overlap"] = before["overlap"] * 0.0
    longer = xr.concat([before, data], "time", data_vars="minimal")
    text = absorbing_state(sample_data(longer)).text
    assert "survivors have overlap = 0.34" in text
    assert "from time 100 on" in text


def test_escapes_by_a_logarithm_of_time_have_no_spinodal() -> None:
    data = first_order(sizes=(50, 100, 200, 400), drift=-0.3, replicas=64, seed=2)
    evidence = absorbing_state(sample_data(data))
    assert math.isnan(evidence["m_s"].value) or evidence.flags


def test_data_with_few_times_are_silent() -> None:
    data = nucleation(sizes=(20, 40, 60), times=np.array([10.0, 100.0]), seed=1)
    evidence = absorbing_state(sample_data(data))
    assert "too few times" in evidence.text
    assert not evidence.names
