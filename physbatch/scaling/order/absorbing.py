"""Evidence of an absorbing state: what survives before it, and when runs of a length pass.

All of it is for N -> infinity first: at any finite N an absorbing state is reached in the end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import xarray as xr

from physbatch.dataset import STATUS_OK, control_dim
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.scaling.order.result import Evidence, silent
from physbatch.scaling.order.samples import OrderData
from physbatch.scaling.times.escapes import quasi_stationary
from physbatch.scaling.times.spinodals import ORDER_OF_LIMITS, dynamical_spinodal
from physbatch.scaling.transition.drift import fit_drift

_LEAST_TIMES = 4
_RESAMPLES = 60
#: Survivors below which a quasi-stationary mean is not stated.
_LEAST_SURVIVORS = 4


def absorbing_state(data: OrderData) -> Evidence:
    """Quasi-stationary means and the dynamical spinodal of runs with first passages.

    It decides nothing: it says what the other evidence cannot, the order in which N and t grow.
    How lifetimes grow with N is the evidence `escapes`.
    """
    name = "absorbing state"
    if data.runs is None or "first_passage" not in data.runs:
        return silent(name, "the data hold no first passages")
    runs = data.runs
    if runs.attrs.get("time_exponent", 0.0) != 0.0 or runs.sizes["time"] < _LEAST_TIMES:
        return silent(name, "the data hold too few times, or times in units that depend on N")
    passed = (runs["first_passage"] < np.inf) & (runs["status"] == STATUS_OK)
    if not bool(passed.any()):
        return silent(name, f"no run has passed; limits: {ORDER_OF_LIMITS}")
    texts = [_survivors(runs, data.observable)]
    names: tuple[str, ...] = ()
    estimates: tuple[Estimate, ...] = ()
    flags: tuple[Flag, ...] = ()
    nothing = np.empty(0)
    spinodal = dynamical_spinodal(_critical(runs))
    if math.isfinite(spinodal.m_s.value):
        names, estimates, flags = ("m_s",), (spinodal.m_s,), spinodal.flags
        texts.append(f"m_c(t) goes to m_s = {spinodal.m_s} as t^-2 at N -> infinity")
    elif spinodal.flags:
        texts.append(f"no dynamical spinodal: {spinodal.flags[0]}")
    text = "; ".join([*texts, f"limits: {ORDER_OF_LIMITS}"])
    return Evidence(name, "", text, names, estimates, "", nothing, nothing, nothing, flags)


def _survivors(runs: xr.Dataset, observable: str) -> str:
    """The mean of what survives at the largest size, nearest to where half do."""
    times = np.asarray(runs["time"].values, dtype=np.float64)
    largest = runs.isel(size=[-1])
    after = times[times > 0.0]  # the late half of ln t; runs may hold their start as well
    late = float(np.sqrt(after[0] * after[-1]))
    still = quasi_stationary(largest, "overlap", time_min=late).isel(size=0)
    count = still["survivors"].isel(time=-1)
    enough = np.flatnonzero((count >= _LEAST_SURVIVORS).values.ravel())
    if not enough.size:
        return f"fewer than {_LEAST_SURVIVORS} runs survive at N = {runs['size'].values[-1]:g}"
    dim = control_dim(runs)
    row = int(enough[np.argmin(count.values.ravel()[enough])])
    mean = Estimate(
        float(still["plateau"].values.ravel()[row]),
        float(still["plateau_stderr"].values.ravel()[row]),
    )
    where = f"{dim} = {runs[dim].values[row]:g}, N = {runs['size'].values[-1]:g}"
    return f"survivors have {observable} = {mean} from time {late:.3g} on at {where}"


def _critical(runs: xr.Dataset) -> Mapping[float, tuple[list[float], list[float], list[float]]]:
    """m_c of each size at the run times at which it can be fitted."""
    out: dict[float, tuple[list[float], list[float], list[float]]] = {}
    for row in range(runs.sizes["size"]):
        drift = fit_drift(runs.isel(size=[row]), resamples=_RESAMPLES)
        for time, m_c, stderr in zip(drift.time, drift.m_c, drift.m_c_stderr, strict=False):
            columns = out.setdefault(float(time), ([], [], []))
            for column, value in zip(columns, (drift.size, m_c, stderr), strict=True):
                column.append(float(value))
    return out
