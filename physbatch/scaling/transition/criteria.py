"""The critical control at every size and one run time, by either of two criteria."""

import math
from dataclasses import replace

import numpy as np
import xarray as xr

from physbatch.dataset import STATUS_OK
from physbatch.errors import AnalysisError
from physbatch.scaling.laws.extrapolation import Extrapolation, extrapolate
from physbatch.scaling.transition.result import SuccessCurve
from physbatch.scaling.transition.success_curves import counts_of, fit_success_curve, success_curve


def critical_controls(
    data: xr.Dataset, time: float | None = None, *, level: float | None = None
) -> Extrapolation:
    r"""Critical control m_c(N, t) of every size, and its limit for N to infinity.

    At m_c half of the replicas meet a criterion, by the fit of

    .. math:: P(m) = \frac{1}{1 + \exp(-(m - m_c)/w)}

    The criterion is either that a replica was perfect at or before t, which concerns all units
    and so drifts with ln N where units learn independently, or that its overlap at t is at
    least a level, which is intensive.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of the schema with one value of each swept parameter.
    time : float, optional
        Run time t, in the unit of the data; by default the last measured time. An overlap is
        that of the last measurement at or before t.
    level : float, optional
        The overlap that counts as learned; by default success counts.

    Returns
    -------
    Extrapolation
        ``size``, ``value`` and ``stderr`` of every size at which m_c is known, and ``limit``.
        The flags start with those of each size, such as ``width_unresolved`` and
        ``m_c_below_grid`` (`physbatch.scaling.success_curve`), and go on with those of
        `physbatch.scaling.extrapolate`.

    Raises
    ------
    physbatch.errors.AnalysisError
        If a swept parameter has several values, or t lies outside the measured times.

    References
    ----------
    McCullagh and Nelder, *Generalized Linear Models* (1989), doi 10.1007/978-1-4899-3242-6.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> fit = critical_controls(first_order(replicas=64, seed=2), level=0.9)
    >>> abs(fit.limit.value - 13.0) < 3.0 * fit.limit.total
    True
    """
    times = np.asarray(data["time"].values, dtype=np.float64)
    last = float(times[-1]) if time is None else float(time)
    if not times[0] <= last <= times[-1]:
        raise AnalysisError(
            f"time {last:g} is outside the measured times",
            where="critical_controls",
            remedy=f"give a time from {times[0]:g} to {times[-1]:g}",
        )
    curves = [
        fit_success_curve(part, last) if level is None else _level_curve(part, last, level)
        for part in (data.isel(size=[i]) for i in range(data.sizes["size"]))
    ]
    known = [curve for curve in curves if math.isfinite(curve.m_c.value)]
    fit = extrapolate(
        "m_c",
        [curve.size for curve in known],
        [curve.m_c.value for curve in known],
        [curve.m_c.stderr for curve in known],
    )
    flags = tuple(flag.of(f"N = {curve.size:g}") for curve in curves for flag in curve.flags)
    return replace(fit, flags=(*flags, *fit.flags))


def _level_curve(part: xr.Dataset, time: float, level: float) -> SuccessCurve:
    """The curve of the replicas of one size whose overlap is at least a level."""
    overlap = part["overlap"].sel(time=time, method="ffill")
    counted = (part["status"] == STATUS_OK) & overlap.notnull()
    counts = counts_of(part, counted, counted & (overlap >= level), where="critical_controls")
    return success_curve(*counts, size=float(part["size"].values[0]), time=time)
