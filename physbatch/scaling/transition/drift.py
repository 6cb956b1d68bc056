"""m_c against run time, from the same runs.

A replica of a run of length t has also run for every shorter time, so the first passages of one
set of runs give m_c at every measured time. These values are strongly correlated, which the
error of the slope has to know: the replicas are resampled, each with its whole history.
"""

import math

import numpy as np
import xarray as xr

from physbatch.dataset import control_dim
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.results.flags import CURVED, DEGENERATE_RESAMPLES, FEW_TIMES, NO_CHANGE
from physbatch.scaling.statistics.resampling import bootstrap_counts, graph_labels, unbiased_spread
from physbatch.scaling.statistics.success_fits import fit_logistic
from physbatch.scaling.transition.result import TimeDrift
from physbatch.scaling.transition.success_curves import succeeded_by
from physbatch.typing import BoolArray, FloatArray, IntArray

#: A curve needs this many successes and failures before it is fitted.
_LEAST_SUCCESSES = 5
#: Most times on the line; more of them would carry no more information.
_MOST_TIMES = 10
#: Fraction of resamples without a width above which a time is left out.
_MOST_DEGENERATE = 0.2


def fit_drift(
    data: xr.Dataset,
    *,
    time: float = math.inf,
    resamples: int = 300,
    seed: int = 0,
) -> TimeDrift:
    r"""Slope of m_c against the logarithm of run time at one size.

    .. math:: m_c(N, t) = m_c(N, t_\text{ref}) + s \ln(t / t_\text{ref})

    At up to ten measured times, spaced evenly in ln t, the logistic success curve is fitted
    to the first passages up to that time; the slope is the weighted least-squares line through
    the m_c, with weights 1/stderr^2. Where m_c bends (second derivative beyond 3 standard
    errors), the earliest times are left off the line, one by one, until it does not: the slope
    is that of the late times, from ``window_start`` to ``window_end``.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of the schema with one size and at least two controls.
    time : float
        Latest run time that is used.
    resamples, seed : int
        Of the bootstrap of the replicas of each control, each with its whole history, so that
        the correlation between times is in the errors.

    Returns
    -------
    TimeDrift
        ``slope`` per unit of ln t; at t_ref, the last time, the line has the value
        ``intercept``. Flags: ``few_times`` (fewer than three times could be fitted, no
        slope), ``no_change`` (the same replicas have succeeded at all times: slope 0 without
        an error), ``curved`` (early times were left off the line),
        ``degenerate_resamples`` (more than 5 % of the resamples at some time do not resolve
        the width).

    Notes
    -----
    A time is used if at least two controls have both successes and failures, at least 5
    replicas succeeded and 5 did not, and the fitted m_c lies within the grid. In a resample
    with only one such control the maximum of the likelihood is the step at that control.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> from physbatch.scaling import fit_drift
    >>> fit_drift(first_order(sizes=(400,), drift=-0.5, replicas=64)).slope.value < -0.3
    True
    """
    size = float(np.atleast_1d(data["size"].values)[0])
    dim = control_dim(data)
    control = np.asarray(data[dim].values, dtype=np.float64)
    times = np.asarray(data["time"].values, dtype=np.float64)
    times = times[(times > 0.0) & (times <= time)]
    counted, first_passage = _histories(data, dim)
    chosen, m_c = _fitted_times(control, counted, first_passage, times)
    errors = np.empty(0)
    if chosen.size:
        drawn, degenerate = _resampled(
            control, counted, first_passage, chosen, resamples, seed, graph_labels(data)
        )
        kept = degenerate <= _MOST_DEGENERATE
        chosen, m_c, drawn = chosen[kept], m_c[kept], drawn[:, kept]
        errors = unbiased_spread(drawn, _replicas(counted))
    if chosen.size < 3:
        flag = FEW_TIMES(
            f"m_c at N = {size:g} could be fitted at {chosen.size} of "
            f"{times.size} times, 3 are needed for a slope"
        )
        return TimeDrift(
            size, chosen, m_c, errors, Estimate(math.nan, flags=(flag,)), flags=(flag,)
        )
    return _line(
        size, chosen, m_c, errors, drawn, float(degenerate[kept].max()), _replicas(counted)
    )


def _histories(data: xr.Dataset, dim: str) -> tuple[BoolArray, FloatArray]:
    """Which replicas count, and their first passage, each shape (n_control, n_replica)."""
    counted, sound = succeeded_by(data, math.inf)
    rest = [d for d in counted.dims if d not in (dim, "replica")]
    flags, good, passage = (
        variable.isel(dict.fromkeys(rest, 0)).transpose(dim, "replica").values
        for variable in (counted, sound, data["first_passage"])
    )
    return np.asarray(flags, dtype=bool), np.where(good, passage, np.inf)


def _replicas(counted: BoolArray) -> int:
    per_control = counted.sum(axis=1)
    return int(np.median(per_control[per_control > 0]))


def _counts(weights: FloatArray, first_passage: FloatArray, time: float) -> FloatArray:
    """Weighted successes by `time`; weights (..., n_control, n_replica) -> (..., n_control)."""
    return np.asarray(np.einsum("...cr,cr->...c", weights, (first_passage <= time).astype(float)))


def _fitted_times(
    control: FloatArray, counted: BoolArray, first_passage: FloatArray, times: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The times at which m_c can be fitted, thinned to be even in ln t, and m_c there."""
    used = counted.any(axis=1)
    control, counted, first_passage = control[used], counted[used], first_passage[used]
    if control.size < 2 or times.size == 0:
        return np.empty(0), np.empty(0)
    weights = counted.astype(float)
    trials = weights.sum(axis=1)
    successes = np.stack([_counts(weights, first_passage, t) for t in times])
    partial = ((successes > 0) & (successes < trials)).sum(axis=1)
    enough = (successes.sum(axis=1) >= _LEAST_SUCCESSES) & (
        (trials - successes).sum(axis=1) >= _LEAST_SUCCESSES
    )
    fit = fit_logistic(control, successes, trials)
    good = fit.converged & enough & (partial >= 2) & (fit.width > 0.0)
    good &= (fit.m_c >= control.min()) & (fit.m_c <= control.max())
    places = np.flatnonzero(good)
    if places.size > _MOST_TIMES:
        logs = np.log(times[places])
        targets = np.linspace(logs[0], logs[-1], _MOST_TIMES)
        nearest = np.abs(logs[:, None] - targets).argmin(axis=0)
        places = places[np.unique(nearest)]
    return times[places], fit.m_c[places]


def _resampled(
    control: FloatArray,
    counted: BoolArray,
    first_passage: FloatArray,
    times: FloatArray,
    resamples: int,
    seed: int,
    graphs: IntArray | None,
) -> tuple[FloatArray, FloatArray]:
    """m_c of every resample at every time, and the fraction of degenerate ones at each time."""
    generator = np.random.default_rng([seed, 2])
    weights = np.zeros((resamples, *counted.shape))
    for row, flags in enumerate(counted):
        if flags.any():
            clusters = None if graphs is None else graphs[flags]
            count = int(flags.sum())
            weights[:, row, flags] = bootstrap_counts(generator, count, resamples, clusters)
    used = counted.any(axis=1)
    weights, control, first_passage = weights[:, used], control[used], first_passage[used]
    trials = counted[used].sum(axis=1).astype(float)
    successes = np.stack([_counts(weights, first_passage, t) for t in times], axis=1)
    flat = successes.reshape(-1, control.size)
    fit = fit_logistic(control, flat, trials)
    resolved = fit.converged & (fit.width > 0.0)
    m_c = np.where(resolved, fit.m_c, _step_position(control, flat, trials))
    shape = (resamples, times.size)
    return m_c.reshape(shape), 1.0 - resolved.reshape(shape).mean(axis=0)


def _step_position(control: FloatArray, successes: FloatArray, trials: FloatArray) -> FloatArray:
    """Where the likelihood of a step is largest: its one partial control, or mid-bracket."""
    partial = (successes > 0) & (successes < trials)
    below = np.where(2 * successes < trials, control, control.min()).max(axis=-1)
    above = np.where(2 * successes > trials, control, control.max()).min(axis=-1)
    at_partial = (partial * control).sum(axis=-1) / np.maximum(partial.sum(axis=-1), 1)
    middle = 0.5 * (below + above)
    return np.asarray(np.where(partial.any(axis=-1), at_partial, middle), dtype=np.float64)


def _line(
    size: float,
    times: FloatArray,
    m_c: FloatArray,
    errors: FloatArray,
    drawn: FloatArray,
    degenerate: float,
    replicas: int,
) -> TimeDrift:
    """Weighted line through m_c(ln t), errors from the resamples."""
    if np.ptp(m_c) < 1e-9 * (1.0 + abs(m_c[-1])):
        flag = NO_CHANGE(
            f"no replica at N = {size:g} passes for the first time between "
            f"t = {times[0]:g} and {times[-1]:g}, so the slope has no error"
        )
        same = Estimate(0.0, math.nan, flags=(flag,))
        line = (float(m_c[-1]), float(times[-1]), float(times[0]), float(times[-1]))
        return TimeDrift(size, times, m_c, errors, same, (flag,), *line)
    log_time = np.log(times / times[-1])
    weight = 1.0 / np.maximum(errors, 1e-12)  # of np.polyfit: 1/stderr, not squared
    first = 0
    while times.size - first >= 4 and _bends(
        log_time[first:], m_c[first:], drawn[:, first:], weight[first:], replicas
    ):
        first += 1
    late = slice(first, None)
    slope, intercept = np.polyfit(log_time[late], m_c[late], 1, w=weight[late])
    slopes = np.polyfit(log_time[late], drawn[:, late].T, 1, w=weight[late])[0]
    stderr = float(unbiased_spread(slopes, replicas))
    flags: tuple[Flag, ...] = ()
    if first:
        flags += (
            CURVED(
                f"m_c at N = {size:g} is not linear in ln t from t = {times[0]:g} on; the "
                f"slope is from t = {times[first]:g} to {times[-1]:g}"
            ),
        )
    if degenerate > 0.05:
        flags += (
            DEGENERATE_RESAMPLES(
                f"up to {100 * degenerate:.0f} % of the resamples at "
                f"N = {size:g} do not resolve the width; the error of the slope is approximate"
            ),
        )
    low, high = (float(value) for value in np.quantile(slopes, [0.15865, 0.84135]))
    estimate = Estimate(float(slope), stderr, interval68=(low, high), flags=flags)
    line = (float(intercept), float(times[-1]), float(times[first]), float(times[-1]))
    return TimeDrift(size, times, m_c, errors, estimate, flags, *line)


def _bends(
    log_time: FloatArray, m_c: FloatArray, drawn: FloatArray, weight: FloatArray, replicas: int
) -> bool:
    """Whether the second derivative of m_c in ln t is beyond 3 standard errors."""
    bend = np.polyfit(log_time, m_c, 2, w=weight)[0]
    resampled = np.polyfit(log_time, drawn.T, 2, w=weight)[0]
    return bool(abs(bend) > 3.0 * unbiased_spread(resampled, replicas))
