"""Evidence from dynamics: hysteresis between two starts, and escape times against N."""

import math
from collections.abc import Sequence

import numpy as np
import xarray as xr

from physbatch.dataset import STATUS_OK, control_dim, time_unit
from physbatch.results.estimate import Estimate
from physbatch.scaling.laws.extrapolation import extrapolate
from physbatch.scaling.laws.fits import fit_law
from physbatch.scaling.laws.power_laws import law
from physbatch.scaling.order.histograms import SIGMAS, with_two_peaks
from physbatch.scaling.order.result import FIRST_ORDER, Evidence, silent
from physbatch.scaling.order.samples import LEAST_SIZES, OrderData
from physbatch.scaling.order.sharpening import levels_of
from physbatch.scaling.times.escapes import escape_times
from physbatch.scaling.transition.result import Jump
from physbatch.scaling.transition.success_curves import success_curve

#: With fewer measuring times a mean escape time is a guess.
_LEAST_TIMES = 3
_DRAWS, _SEED = 200, 54


def hysteresis(data: OrderData, jumps: Sequence[Jump]) -> Evidence:
    """Distance of the controls at which uninformed and planted starts change sides.

    A replica is up if its order parameter ends above the cut between the two peaks. The loop
    is the control at which half of the uninformed runs end up, minus that at which half of the
    planted ones stay up; it stays for N -> infinity, at a given run time, where metastable
    states live long.
    """
    name, quantity = "hysteresis", "width of the loop"
    if data.runs is None or data.planted is None:
        return silent(name, "the data hold no second start (initial_overlap)")
    cuts = {jump.size: jump.cut for jump in with_two_peaks(jumps)}
    rows, lost = [], []
    for size in data.runs["size"].values:
        if float(size) not in cuts:
            continue
        up, down = (
            _half(runs.sel(size=size), data.observable, cuts[float(size)])
            for runs in (data.runs, data.planted)
        )
        if math.isfinite(up.value) and math.isfinite(down.value):
            loop = up.value - down.value
            rows.append((float(size), loop, math.hypot(up.stderr, down.stderr)))
        else:
            lost.append(f"N = {size:g}: {(up.flags or down.flags or ('',))[0]}")
    if not rows:
        return silent(name, f"no size gives both ends of the loop ({'; '.join(lost[:2])})")
    size, value, stderr = np.array(rows).T
    limit = extrapolate("loop", size, value, stderr).limit
    last = Estimate(float(value[-1]), float(stderr[-1]))
    text = f"loop {last} at N = {size[-1]:g}"
    points_to = ""
    if math.isfinite(limit.value):
        open_ = limit.value > SIGMAS * limit.total
        text += f", {limit} at N -> infinity, at this run time"
        points_to = FIRST_ORDER if open_ else ""
        text += "" if open_ else ": it may close"
    return Evidence(
        name, points_to, text, ("limit",), (limit,), quantity, size, value, stderr, limit.flags
    )


def _half(runs: xr.Dataset, observable: str, cut: float) -> Estimate:
    """Control at which half of the replicas end above the cut, whatever the law of the rest.

    That of the monotonic curve through the fractions, with the error of resampled counts; where
    fewer than two controls have replicas on both sides, the bracket of `success_curve`.
    """
    dim = control_dim(runs)
    last = runs.isel(time=-1).transpose(dim, "replica", ...)
    values = last[observable].values
    good = (last["status"].values == STATUS_OK) & np.isfinite(values)
    trials = good.sum(axis=1)
    upper, control = np.sum(good & (values >= cut), axis=1)[trials > 0], runs[dim].values
    control, trials = np.asarray(control, dtype=np.float64)[trials > 0], trials[trials > 0]
    mixed = np.flatnonzero((upper > 0) & (upper < trials))
    if mixed.size < 2:
        return success_curve(control, upper, trials).m_c
    generator = np.random.default_rng([_SEED, int(upper.sum())])
    fractions = np.vstack(
        [upper / trials, generator.binomial(trials, upper / trials, (_DRAWS, trials.size)) / trials]
    )
    (value, *drawn) = (levels_of(control, row, True, (0.5,))[0] for row in fractions)
    stderr = float(np.nanstd(drawn))
    if not math.isfinite(value) or not stderr > 0.0:
        return success_curve(control, upper, trials).m_c
    return Estimate(value, stderr, 0.0, (value - stderr, value + stderr))


def escapes(data: OrderData, jumps: Sequence[Jump]) -> Evidence:
    """Mean escape time at one control against N: exp(N Delta) or a power.

    An event of all N units becomes exponentially rare in N also without a transition, so this
    counts only where two peaks show that there is a state to escape from.
    """
    name, quantity = "escape times", "escape time"
    if data.runs is None:
        return silent(name, "the data hold no first passages")
    if data.runs.attrs.get("time_exponent", 0.0) != 0.0:
        units = time_unit(data.runs)
        return silent(name, f"times are in units that depend on N ({units})")
    if data.runs.sizes["time"] < _LEAST_TIMES:
        return silent(name, f"passages are known at {data.runs.sizes['time']} times only")
    dim = control_dim(data.runs)
    good = data.runs["status"] == STATUS_OK
    first = data.runs["first_passage"]
    passed = good & (first < np.inf)
    # Where all passed before the first measurement, or none at all, tau is not known.
    told = passed.any("replica") & (passed & (first > data.runs["time"][0])).any("replica")
    sizes = told.sum("size")
    if int(sizes.max()) < LEAST_SIZES:
        return silent(name, f"at no control is tau known at {LEAST_SIZES} sizes")
    share = passed.sum("replica") / good.sum("replica")
    unequal = abs(share - 0.5).mean("size").where(sizes == sizes.max(), np.inf)
    column = int(unequal.argmin(dim).item())
    times = escape_times(data.runs.isel({dim: [column]}))
    control = float(data.runs[dim].values[column])
    known = np.isfinite(times.tau) & np.isfinite(times.stderr)
    if int(known.sum()) < LEAST_SIZES:
        return silent(name, f"tau is known at {int(known.sum())} sizes only, at {control:g}")
    size, tau, stderr = times.size[known], times.tau[known], times.stderr[known]
    # All sizes count: the largest ones alone do not tell an exponential from a power.
    laws = [law("line"), law("log_power")]
    fit = fit_law(size, np.log(tau), stderr / tau, laws, quantity="ln tau", scan=False)
    exponential = fit.law == law("line")
    weight = fit.share
    delta = fit["Delta"] if exponential else fit["z"]
    if not math.isfinite(delta.value):
        text = f"at {dim} = {control:g} tau follows neither exp(N Delta) nor a power of N"
        return Evidence(name, "", text, (), (), quantity, size, tau, stderr, fit.flags)
    words = f"exp(N Delta), Delta = {delta}" if exponential else f"N^z, z = {delta}"
    text = f"at {dim} = {control:g} tau goes as {words} (weight {weight:.2g} against the other law)"
    grows = exponential and weight > 0.95 and delta.value > SIGMAS * delta.total
    decides = grows and len(with_two_peaks(jumps)) >= LEAST_SIZES
    if grows and not decides:
        text += "; as does any event of all units, without a transition"
    return Evidence(
        name, FIRST_ORDER if decides else "", text, ("Delta" if exponential else "z", "control"),
        (delta, Estimate(control, 0.0)),
        quantity, size, tau, stderr, fit.flags,
    )  # fmt: skip
