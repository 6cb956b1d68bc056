"""Replicas that diverged: a verdict on those that did not is one on chosen runs."""

from dataclasses import replace

import numpy as np
import xarray as xr

from physbatch.dataset import STATUS_DIVERGED, STATUS_OK, control_dim
from physbatch.results.flag import Flag
from physbatch.results.flags import DIVERGED
from physbatch.scaling.order.result import UNDECIDED, TransitionOrder

#: Part of the replicas of a point on which no verdict rests.
_FEW = 0.05
#: Observables for which 0 says that student and teacher have nothing to do with each other.
_OVERLAPS = ("overlap", "function_overlap")


def has_diverged(data: xr.Dataset) -> bool:
    """Whether replicas of a dataset left the range of numbers."""
    return "status" in data and bool((data["status"] == STATUS_DIVERGED).any())


def as_unrelated(data: xr.Dataset, observable: str) -> xr.Dataset | None:
    """The dataset with overlap 0 where a replica has diverged; None if 0 would say nothing."""
    if observable not in _OVERLAPS or observable not in data:
        return None
    lost = data["status"] == STATUS_DIVERGED
    sound = np.isfinite(data[observable]) & (abs(data[observable]) <= 1.0)
    blank = lost & (~sound | (data["time"] == data["time"].max()))
    return data.assign(
        {
            observable: data[observable].where(~blank, 0.0),
            "status": data["status"].where(~lost, STATUS_OK),
        }
    )


def combined(
    survivors: TransitionOrder | str, every: TransitionOrder | None, data: xr.Dataset
) -> TransitionOrder:
    """The verdict of both forms if they agree, with a flag; undecided if they do not.

    Where no point lost more than 5 % of its replicas, it is that of the others.

    `survivors` is why there is no verdict on those that did not diverge, if there is none; `every`
    is None where those that did have no value.
    """
    flag = _flag(data)
    if isinstance(survivors, TransitionOrder) and _share(data) <= _FEW:
        return replace(survivors, flags=(flag, *survivors.flags))
    best = every or survivors
    assert isinstance(best, TransitionOrder)
    said = survivors if isinstance(survivors, str) else survivors.verdict
    if every is None:
        why = f"{flag.text} have no value; without them: {said}"
    elif said == every.verdict:
        return replace(every, flags=(flag, *every.flags))
    else:
        why = (
            f"{flag.text} diverged; with overlap 0 for them: {every.verdict}; without them: {said}"
        )
    reasons = (why, *best.reasons)
    return replace(best, verdict=UNDECIDED, reasons=reasons, flags=(flag, *best.flags))


def _share(data: xr.Dataset) -> float:
    """The largest part of the replicas of a point that diverged."""
    return float((data["status"] == STATUS_DIVERGED).mean("replica").max())


def _flag(data: xr.Dataset) -> Flag:
    lost = data["status"] == STATUS_DIVERGED
    dim = control_dim(data)
    at = data[dim].values[lost.any([d for d in lost.dims if d != dim]).values]
    where = f"{dim} = {at.min():g}" + (f" to {at.max():g}" if at.size > 1 else "")
    return DIVERGED(f"{int(lost.sum())} replicas at {where}")
