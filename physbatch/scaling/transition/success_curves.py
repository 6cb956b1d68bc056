"""The success probability against the control: m_c and width at one size and one run time.

A replica has *succeeded by time t* if its first passage is at or before t. That is a statement
about the first time at which the student was perfect, so it holds, and can only grow with t,
also for dynamics in which a perfect student is lost again.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy import optimize

from physbatch.dataset import STATUS_DIVERGED, STATUS_OK, control_dim
from physbatch.errors import AnalysisError
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.results.flags import (
    BAD_FIT,
    DIVERGED,
    M_C_ABOVE_GRID,
    M_C_BELOW_GRID,
    NO_DATA,
    ONE_CONTROL,
    PROFILE_MISMATCH,
    WIDTH_UNRESOLVED,
)
from physbatch.scaling.statistics.acceptance import ACCEPTABLE
from physbatch.scaling.statistics.resampling import graph_labels
from physbatch.scaling.statistics.success_fits import (
    binomial_deviance,
    deviance_p_value,
    logistic,
    parameter_covariance,
)
from physbatch.scaling.transition.result import SuccessCurve
from physbatch.scaling.transition.shared_graphs import counts_by_graph, with_shared_graphs
from physbatch.typing import FloatArray, IntArray

if TYPE_CHECKING:
    import lmfit


_NOT_KNOWN = Estimate(math.nan)


def succeeded_by(data: xr.Dataset, time: float) -> tuple[xr.DataArray, xr.DataArray]:
    """Which replicas count, and which of them succeeded by `time`.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of the schema.
    time : float
        Run time t, in the unit of the data.

    Returns
    -------
    counted, succeeded : xarray.DataArray of bool
        Dims as ``first_passage``. A replica counts if its status is ok and its first passage
        is a number (inf: not within the run), or if it diverged: that is a failure to learn.
    """
    sound = (data["status"] == STATUS_OK) & data["first_passage"].notnull()
    counted = sound | (data["status"] == STATUS_DIVERGED)
    return counted, sound & (data["first_passage"] <= time)


def success_counts(data: xr.Dataset, time: float) -> tuple[FloatArray, IntArray, IntArray]:
    """Control, successes by `time` and trials of one size, each shape (n_control,).

    Raises
    ------
    physbatch.errors.AnalysisError
        If the data have more than one size or swept value.
    """
    counted, succeeded = succeeded_by(data, time)
    return counts_of(data, counted, succeeded)


def counts_of(
    data: xr.Dataset, counted: xr.DataArray, succeeded: xr.DataArray, *, where: str = ""
) -> tuple[FloatArray, IntArray, IntArray]:
    """Control, and how many replicas succeeded and count there, each shape (n_control,)."""
    dim = control_dim(data)
    for name, length in data["first_passage"].sizes.items():
        if name not in (dim, "replica") and length > 1:
            raise AnalysisError(
                f"dimension {name!r} has {length} values",
                where=where,
                remedy=f"select one, e.g. dataset.isel({name}=0)",
            )
    control = np.atleast_1d(np.asarray(data[dim].values, dtype=np.float64))
    successes, trials = (
        np.asarray(flags.sum("replica").values, dtype=np.int64).reshape(control.shape)
        for flags in (succeeded, counted)
    )
    return control, successes, trials


def fit_success_curve(data: xr.Dataset, time: float) -> SuccessCurve:
    """Fit the success probability of one size against the control at run time `time`.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of the schema with one size, e.g. ``dataset.isel(size=[0])``.
    time : float
        Run time t; success is a first passage at or before t.

    Returns
    -------
    SuccessCurve
        See `success_curve`.

    Raises
    ------
    physbatch.errors.AnalysisError
        If the data have more than one size or swept value.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> from physbatch.scaling import fit_success_curve
    >>> fit_success_curve(first_order(sizes=(400,), replicas=64, seed=1), 1000.0).width.flags
    ()
    """
    control, successes, trials = success_counts(data, time)
    size = float(np.atleast_1d(data["size"].values)[0])
    curve = success_curve(control, successes, trials, size=size, time=time)
    graphs = graph_labels(data)
    if graphs is not None and np.unique(graphs).size < graphs.size:
        counted, succeeded = succeeded_by(data, time)
        dim = control_dim(data)
        curve = with_shared_graphs(
            curve, counts_by_graph(succeeded, graphs, dim), counts_by_graph(counted, graphs, dim)
        )
    diverged = int((data["status"] == STATUS_DIVERGED).sum())
    if not diverged:
        return curve
    flag = DIVERGED(f"{diverged} replicas at N = {size:g} count as failures")
    return replace(curve, flags=(*curve.flags, flag))


def success_curve(
    control: npt.ArrayLike,
    successes: npt.ArrayLike,
    trials: npt.ArrayLike,
    *,
    size: float = math.nan,
    time: float = math.nan,
) -> SuccessCurve:
    r"""Maximum-likelihood logistic curve through success counts.

    .. math:: P(c) = \frac{1}{1 + \exp(-(c - m_c)/w)}

    The fit minimises the sum of squared deviance residuals, which is the binomial deviance
    :math:`2 \ln (L_\text{saturated}/L)`. Standard errors come from the curvature of the
    likelihood at its maximum (the Fisher information), and ``interval68`` from the profile
    likelihood (deviance + 1).

    Parameters
    ----------
    control, successes, trials : array_like, shape (n_control,)
        The control c, and how many of how many replicas succeeded there. Points without
        trials are dropped.
    size, time : float
        Size N and run time t, kept in the result.

    Returns
    -------
    SuccessCurve
        Flags of ``m_c`` and ``width``:

        ``width_unresolved``
            Fewer than two controls have both successes and failures (or the maximum could
            not be found): the width is nan, m_c is the middle of the bracket between the
            last control below one half and the first above it, its error that of a uniform
            law on the bracket, (upper - lower)/sqrt(12).
        ``m_c_above_grid``, ``m_c_below_grid``
            One half is not reached within the grid: m_c is nan.
        ``bad_fit``
            The deviance has a probability below 1e-3 under the fitted curve, or the success
            falls with the control (m_c is then nan).
        ``profile_mismatch``
            Half the profile interval and the standard error differ by more than 30 %.

    Raises
    ------
    physbatch.errors.AnalysisError
        For counts that are not 0 <= successes <= trials.

    References
    ----------
    McCullagh and Nelder, *Generalized Linear Models* (1989), doi 10.1007/978-1-4899-3242-6.

    Examples
    --------
    >>> success_curve([12.0, 12.5, 13.0, 13.5], [0, 8, 24, 32], [32] * 4).m_c
    12.75(5)
    """
    c = np.asarray(control, dtype=np.float64)
    k, n = np.asarray(successes, dtype=np.int64), np.asarray(trials, dtype=np.int64)
    if not c.shape == k.shape == n.shape or np.any(k < 0) or np.any(k > n):
        raise AnalysisError(
            "success counts do not fit together", remedy="give 0 <= successes <= trials per control"
        )
    there = n > 0
    m_c, width = _NOT_KNOWN, _NOT_KNOWN
    flags: tuple[Flag, ...] = ()
    deviance, p_value = math.nan, math.nan
    outside = _outside(c[there], k[there], n[there])
    if outside:
        m_c, width = Estimate(math.nan, flags=(outside,)), Estimate(math.nan, flags=(outside,))
        flags = (outside,)
    else:
        fit = _maximise(c[there], k[there], n[there])
        if fit is None:
            m_c, width, flags = _bracketed(c[there], k[there], n[there])
        else:
            m_c, width, deviance = fit
            flags = tuple(dict.fromkeys((*m_c.flags, *width.flags)))
            if math.isfinite(m_c.value):
                p_value = deviance_p_value(deviance, c[there], n[there], m_c.value, width.value)
                if p_value < ACCEPTABLE:
                    flags += (
                        BAD_FIT(
                            f"deviance {deviance:.1f} at {int(there.sum()) - 2} degrees of "
                            f"freedom has probability {p_value:.1g} under the logistic curve"
                        ),
                    )
    dof = max(int(there.sum()) - 2, 0)
    return SuccessCurve(size, time, c, k, n, m_c, width, deviance, dof, flags, p_value)


def _outside(c: FloatArray, k: IntArray, n: IntArray) -> Flag | None:
    """The flag if one half is not reached within the grid."""
    if c.size == 0:
        return NO_DATA("no replica has a valid status")
    total = f"{int(k.sum())} of {int(n.sum())} replicas succeeded"
    if not np.any(2 * k >= n):
        return M_C_ABOVE_GRID(f"less than half succeed up to {c.max():g} ({total})")
    if not np.any(2 * k <= n):
        return M_C_BELOW_GRID(f"more than half succeed from {c.min():g} on ({total})")
    return None


def _deviance_residuals(
    parameters: lmfit.Parameters, c: FloatArray, k: IntArray, n: IntArray
) -> FloatArray:
    z = (c - parameters["m_c"].value) * math.exp(-parameters["log_width"].value)
    sign = np.sign(k - n * logistic(z))
    return np.asarray(sign * np.sqrt(binomial_deviance(k, n, z)))


def _maximise(c: FloatArray, k: IntArray, n: IntArray) -> tuple[Estimate, Estimate, float] | None:
    """m_c, width and deviance at the maximum; None if the width is not resolved."""
    if int(np.sum((k > 0) & (k < n))) < 2:
        return None
    fraction = k / n
    if np.cov(c, fraction, aweights=n)[0, 1] <= 0.0:
        flag = BAD_FIT("the success does not grow with the control")
        return Estimate(math.nan, flags=(flag,)), Estimate(math.nan, flags=(flag,)), math.nan
    span, step = float(np.ptp(c)), float(np.diff(c).min())
    low, high = math.log(1e-3 * step), math.log(1e2 * span)
    import lmfit  # it imports matplotlib, which reading results must not cost

    parameters = lmfit.Parameters()
    parameters.add("m_c", value=_crossing(c, fraction))
    parameters.add("log_width", value=math.log(0.5 * step), min=low, max=high)
    fit = lmfit.minimize(
        _deviance_residuals,
        parameters,
        args=(c, k, n),
        scale_covar=False,
        calc_covar=False,
        xtol=1e-10,
        ftol=1e-12,
        max_nfev=2000,
    )
    log_width = float(fit.params["log_width"].value)
    if not fit.success or log_width < low + 0.01 or log_width > high - 0.01:
        return None
    m_c, width = float(fit.params["m_c"].value), math.exp(log_width)
    if m_c < c.min() or m_c > c.max():
        kind = M_C_ABOVE_GRID if m_c > c.max() else M_C_BELOW_GRID
        flag = kind(f"the fitted m_c = {m_c:.4g} is outside {c.min():g} to {c.max():g}")
        return Estimate(math.nan, flags=(flag,)), Estimate(math.nan, flags=(flag,)), math.nan
    # lmfit's covariance rests on the derivatives of the residuals alone, which is the Fisher
    # information only for large counts; the information itself is exact in the counts.
    covariance = parameter_covariance(c, n, m_c, width)
    if not np.all(np.isfinite(covariance)):
        return None
    error, width_error = np.sqrt(np.diag(covariance))
    deviance = float(np.sum(fit.residual**2))
    interval = _profile_interval(c, k, n, m_c, width, float(error), deviance)
    flags: tuple[Flag, ...] = ()
    half = 0.5 * (interval[1] - interval[0])
    if not abs(half / error - 1.0) <= 0.3:
        flags = (
            PROFILE_MISMATCH(f"error {error:.2g} from the curvature, {half:.2g} from the profile"),
        )
    width_estimate = Estimate(
        width,
        float(width_error),
        interval68=(
            width * math.exp(-width_error / width),
            width * math.exp(width_error / width),
        ),
    )
    return Estimate(m_c, float(error), interval68=interval, flags=flags), width_estimate, deviance


def _crossing(c: FloatArray, fraction: FloatArray) -> float:
    """Where the fraction first reaches one half, between the points on either side."""
    above = int(np.argmax(fraction >= 0.5))
    if above == 0:
        return float(c[0])
    low, high = fraction[above - 1], fraction[above]
    return float(c[above - 1] + (c[above] - c[above - 1]) * (0.5 - low) / (high - low))


def _profile_interval(
    c: FloatArray, k: IntArray, n: IntArray, m_c: float, width: float, error: float, best: float
) -> tuple[float, float]:
    """Where the deviance, minimised over the width, is 1 above its minimum."""

    def excess(shift: float) -> float:
        def deviance(log_width: float) -> float:
            z = (c - (m_c + shift)) * math.exp(-log_width)
            return float(binomial_deviance(k, n, z).sum())

        centre = math.log(width)
        best_width = optimize.minimize_scalar(
            deviance, bounds=(centre - 3.0, centre + 3.0), method="bounded", options={"xatol": 1e-5}
        )
        return float(best_width.fun) - best - 1.0

    ends = []
    for sign in (-1.0, 1.0):
        far = sign * error
        for _ in range(12):
            if excess(far) > 0.0:
                ends.append(m_c + float(optimize.brentq(excess, 0.0, far, xtol=1e-3 * error)))
                break
            far *= 1.5
        else:
            ends.append(math.nan)
    return ends[0], ends[1]


def _bracketed(
    c: FloatArray, k: IntArray, n: IntArray
) -> tuple[Estimate, Estimate, tuple[Flag, ...]]:
    """m_c from the controls around one half, where the width is not resolved."""
    below, above = c[2 * k < n], c[2 * k > n]
    flags: tuple[Flag, ...] = ()
    lower = float(below.max()) if below.size else float(c.min())
    upper = float(above.min()) if above.size else float(c.max())
    if lower > upper:
        lower, upper = upper, lower
        flags = (BAD_FIT(f"success does not grow with the control from {lower:g} to {upper:g}"),)
    near = np.flatnonzero((k > 0) & (k < n) & ((2 * k - n) ** 2 <= 4 * n))
    if near.size == 1 and not flags:
        # This point is compatible with one half, so m_c may lie on either side of it; as its
        # neighbours are all right or all wrong, it is closer than half way to them.
        i = int(near[0])
        lower = 0.5 * float(c[max(i - 1, 0)] + c[i])
        upper = 0.5 * float(c[min(i + 1, c.size - 1)] + c[i])
    if lower == upper:
        flag = ONE_CONTROL(f"{c.size} control values do not bracket m_c")
        return Estimate(math.nan, flags=(flag,)), Estimate(math.nan, flags=(flag,)), (flag,)
    limit = _largest_width(c, k, n, lower, upper)
    text = WIDTH_UNRESOLVED(
        f"m_c lies between {lower:g} and {upper:g}, width below {limit:.2g} (95 %)"
    )
    half = 0.5 * (upper - lower)
    middle = 0.5 * (lower + upper)
    quantile = math.erf(1.0 / math.sqrt(2.0)) * half
    flags = (text, *flags)
    interval = (middle - quantile, middle + quantile)
    m_c = Estimate(middle, half / math.sqrt(3.0), interval68=interval, flags=flags)
    return m_c, Estimate(math.nan, flags=(text,)), flags


def _largest_width(c: FloatArray, k: IntArray, n: IntArray, lower: float, upper: float) -> float:
    """One-sided 95 % limit of the width from its profile likelihood (deviance + 2.71)."""
    span = float(np.ptp(c))
    widths = np.geomspace(1e-3 * (upper - lower), 10.0 * span, 120)
    centres = np.linspace(lower - (upper - lower), upper + (upper - lower), 121)
    z = (c - centres[:, None, None]) / widths[:, None]
    profile = binomial_deviance(k, n, z).sum(axis=-1).min(axis=0)
    return float(widths[profile <= profile.min() + 2.71].max())
