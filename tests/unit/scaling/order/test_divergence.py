"""Replicas that diverged do not vanish from a verdict."""

from __future__ import annotations

import numpy as np
import xarray as xr

from physbatch.dataset import STATUS_DIVERGED
from physbatch.exact.phases import equilibrium_first_order
from physbatch.exact.planted import smooth_crossover
from physbatch.results import flags
from physbatch.scaling import transition_order
from physbatch.scaling.order.result import CROSSOVER, FIRST_ORDER, UNDECIDED

SIZES = (50, 100, 200, 400)


def without(data: xr.Dataset, lost: xr.DataArray) -> xr.Dataset:
    """The data with replicas that diverged."""
    return data.assign(
        overlap=data["overlap"].where(~lost), status=data["status"].where(~lost, STATUS_DIVERGED)
    )


def at_random(data: xr.Dataset, share: float) -> xr.DataArray:
    """Some replicas of every point."""
    drawn = np.random.default_rng(5).random(data["status"].shape)
    return xr.DataArray(drawn < share, dims=data["status"].dims)


def test_some_of_a_crossover_are_no_transition() -> None:
    """Those that stay show a crossover; with zeros among them nobody knows."""
    data = smooth_crossover(SIZES, seed=3)
    assert transition_order(data).verdict == CROSSOVER
    order = transition_order(without(data, at_random(data, 0.15)))
    assert order.verdict in (UNDECIDED, CROSSOVER)
    assert flags.DIVERGED.among(order.flags)


def test_survivors_do_not_decide() -> None:
    """All on one side of a jump diverge: those that stay are alike, and the verdict says why."""
    data = equilibrium_first_order(SIZES)
    assert transition_order(data).verdict == FIRST_ORDER
    lost = data["overlap"].isel(time=-1) < 0.5
    order = transition_order(without(data, lost))
    assert order.verdict in (FIRST_ORDER, UNDECIDED)
    if order.verdict == UNDECIDED:
        assert "with overlap 0 for them: first order" in order.reasons[0]
    (flag,) = (flag for flag in order.flags if flags.DIVERGED.among((flag,)))
    assert flag.text.startswith(f"{int(lost.sum())} replicas at ")


def test_without_a_value_nothing_is_decided() -> None:
    """0 says nothing of an energy."""
    data = equilibrium_first_order(SIZES)
    energy = data.assign(loss=1.0 - data["overlap"])
    broken = without(energy, at_random(data, 0.2)).assign(loss=energy["loss"])
    order = transition_order(broken, "loss")
    assert order.verdict == UNDECIDED
    assert "have no value" in order.reasons[0]


def test_no_divergence_no_flag() -> None:
    assert not flags.DIVERGED.among(transition_order(equilibrium_first_order(SIZES)).flags)
