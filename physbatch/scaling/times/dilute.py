r"""Linear stability of the perfect state: growth of dilute deviations from it.

Replicas start with a small fraction of wrong weights, far apart. While they stay dilute, the mean
deviation v = 1 - q grows or shrinks as :math:`\langle v \rangle \sim e^{\lambda t}` once the
small clusters around the seeds have found their shape. The control at which :math:`\lambda`
changes sign is the end of stability of the perfect state (m_low), found for every dynamics at the
cost of a short run. Where it meets the end of the active state (the upper spinodal) a transition is
continuous, where it lies apart there is a loop and the transition is of first order. How many
replicas survive says less: small clusters persist for long on either side.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import xarray as xr

from physbatch.dataset import control_dim
from physbatch.errors import AnalysisError
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag, bracketed
from physbatch.results.flags import STILL_RELAXING, TOO_FEW_POINTS
from physbatch.results.record import Record, result
from physbatch.scaling.statistics.resampling import bootstrap_counts, graph_labels
from physbatch.scaling.times.growth import growth_threshold
from physbatch.typing import Dims, FloatArray

_LEAST = 3  # times of a fit
_SIGMAS = 4.0


@result("linear stability")
@dataclass(frozen=True, eq=False, repr=False)
class LinearStability(Record):
    """Growth rates of dilute deviations, and the control at which they change sign.

    Attributes
    ----------
    control_name : str
        What is swept.
    start, largest : float
        Times from `start` on were used, while the mean deviation was at most `largest`.
    size, control : ndarray, shape (point,)
        Size and control of every point.
    rate, stderr : ndarray, shape (point,)
        Growth rate of the mean deviation per unit of time, and its bootstrap error.
    thresholds : mapping of str to Estimate
        Where the rate changes sign, by ``N = ...``.
    flags : tuple of Flag
        ``still_relaxing`` where the rate is not constant in time, and those of the thresholds.
    """

    main_dim: ClassVar[str] = "point"
    dims: ClassVar[Dims] = {"thresholds": ("threshold",)}

    control_name: str
    start: float
    largest: float
    size: FloatArray
    control: FloatArray
    rate: FloatArray
    stderr: FloatArray
    thresholds: Mapping[str, Estimate]
    flags: tuple[Flag, ...]

    def __repr__(self) -> str:
        listed = ", ".join(f"{name}: {value}" for name, value in self.thresholds.items())
        return f"LinearStability({self.control_name} at {listed}){bracketed(self.flags)}"


def linear_stability(
    data: xr.Dataset,
    variable: str = "overlap",
    *,
    start: float = 0.0,
    largest: float = 0.02,
    resamples: int = 400,
    seed: int = 0,
) -> LinearStability:
    r"""Fit growth rates of dilute deviations, and find where they change sign.

    At every point :math:`\ln \langle v(t) \rangle` is fitted by a line in t; replicas (graphs,
    where they share them) are resampled for its error. At every size with three controls or
    more `growth_threshold` finds the zero of the rate.

    Parameters
    ----------
    data : xarray.Dataset
        Replicas that start near the perfect state, such as those of the study ``dilute-seeds``.
    variable : str
        ``overlap``, whose deviation is v = 1 - q, or a positive deviation such as
        ``weight_error``.
    start : float
        Times before are left out: seeds become clusters.
    largest : float
        Times from the first on at which the mean deviation is larger are left out.
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    LinearStability

    Raises
    ------
    physbatch.errors.AnalysisError
        If there is no such variable, or another parameter is swept as well.

    Examples
    --------
    >>> from physbatch.dataset import open_dataset
    >>> stability = linear_stability(open_dataset("seeds.nc"), start=10)  # doctest: +SKIP
    >>> stability.thresholds  # doctest: +SKIP
    {'N = 1600': 2.79(6)}
    """
    name = control_dim(data)
    dims = ("size", name, "replica", "time")
    if variable not in data or not set(data[variable].dims) <= set(dims):
        swept = sorted(map(str, set(data[variable].dims) - set(dims))) if variable in data else []
        raise AnalysisError(
            f"{', '.join(swept)} swept as well" if swept else f"no variable {variable!r}",
            where="linear stability",
            remedy="select one value of every other swept dimension first",
        )
    values = data[variable].transpose(*dims).values
    values = 1.0 - values if variable == "overlap" else np.asarray(values, dtype=np.float64)
    time = np.asarray(data["time"].values, dtype=np.float64)
    counts = bootstrap_counts(
        np.random.default_rng(seed), values.shape[2], resamples, graph_labels(data)
    )
    rows, flags, thresholds = [], [], {}
    controls = np.asarray(data[name].values, dtype=np.float64)
    for position, size in enumerate(data["size"].values):
        for column, control in enumerate(controls):
            rate, stderr, flag = _rate(values[position, column], time, counts, start, largest)
            rows.append((float(size), float(control), rate, stderr))
            if flag:
                flags.append(flag.at(f"N = {size:g}, {name} = {control:g}"))
        of_size = np.array(rows[-controls.size :]).T
        if np.isfinite(of_size[3]).sum() >= _LEAST:
            threshold = growth_threshold(*of_size[1:]).threshold
            thresholds[f"N = {size:g}"] = threshold
            flags += threshold.flags
    return LinearStability.of_rows(
        rows,
        control_name=name,
        start=start,
        largest=largest,
        thresholds=thresholds,
        flags=tuple(dict.fromkeys(flags)),
    )


def _rate(
    v: FloatArray, time: FloatArray, counts: FloatArray, start: float, largest: float
) -> tuple[float, float, Flag | None]:
    """Rate, its error, and what is wrong with it, of deviations (replica, time)."""
    there = np.isfinite(v).all(axis=1)
    mean = v[there].mean(axis=0) if there.any() else np.zeros(time.size)
    late = (time >= start) & (mean > largest)
    end = time[late].min() if late.any() else math.inf
    used = (time >= start) & (time < end) & (mean > 0)
    if used.sum() < _LEAST or there.sum() < 2:
        words = f"{int(used.sum())} times with a mean deviation above 0 and below {largest:g}"
        return math.nan, math.nan, TOO_FEW_POINTS(words)
    drawn = counts[:, there] @ v[there][:, used] / counts[:, there].sum(axis=1, keepdims=True)
    drawn = drawn[(drawn > 0).all(axis=1)]
    t = time[used]
    rate = float(_slopes(np.log(mean[None, used]), t)[0])
    if len(drawn) < 2:
        return rate, math.nan, TOO_FEW_POINTS("too few replicas still deviate for an error")
    slopes = _slopes(np.log(drawn), t)
    flag = None
    half = t.size // 2
    if half >= _LEAST:
        early = _slopes(np.log(np.vstack([mean[used], drawn])[:, :half]), t[:half])
        late_slopes = _slopes(np.log(np.vstack([mean[used], drawn])[:, half:]), t[half:])
        change = late_slopes - early
        if abs(change[0]) > _SIGMAS * change[1:].std(ddof=1):
            flag = STILL_RELAXING(f"rate {early[0]:.3g} early, {late_slopes[0]:.3g} late")
    return rate, float(slopes.std(ddof=1)), flag


def _slopes(y: FloatArray, t: FloatArray) -> FloatArray:
    """Slopes of lines through rows of y, shape (row, time)."""
    centred = t - t.mean()
    return np.asarray(y @ centred / (centred @ centred))
