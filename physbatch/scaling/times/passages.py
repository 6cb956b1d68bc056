"""First-passage times known up to an interval: survival and the mean escape time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

from physbatch.errors import AnalysisError
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag, bracketed
from physbatch.results.flags import (
    ALL_AT_ONCE,
    MEDIAN_BEYOND,
    NO_DELAY,
    NO_PASSAGE,
    NOT_CONVERGED,
    NOT_EXPONENTIAL,
)
from physbatch.results.record import Record, result
from physbatch.scaling.statistics.acceptance import ACCEPTABLE
from physbatch.typing import Dims, FloatArray

__all__ = [
    "EscapeTime",
    "Survival",
    "fit_escape_time",
    "survival_curve",
]


@result("survival")
@dataclass(frozen=True, eq=False, repr=False)
class Survival(Record):
    """The probability not to have passed yet, a step function."""

    dims: ClassVar[Dims] = dict.fromkeys(
        ("start", "time", "probability", "stderr", "at_risk"), ("step",)
    )

    method: str  # "Kaplan-Meier" or "Turnbull"
    start: FloatArray  # the step from the value before to `probability` lies somewhere
    time: FloatArray  # in (start, time]
    probability: FloatArray  # S at `time`
    stderr: FloatArray
    at_risk: FloatArray  # replicas known not to have passed before the step; nan for Turnbull
    median: Estimate  # interval68: where S within its error is 1/2
    replicas: int
    passed: int
    flags: tuple[Flag, ...]

    def __repr__(self) -> str:
        names = bracketed(self.flags)
        return (
            f"Survival({self.method}: {self.passed} of {self.replicas} passed, median "
            f"{self.median}){names}"
        )

    def passed_steps(self, end: float) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """The steps of 1 - S(t) from t = 0 to `end`, and one standard error below and above.

        Returns
        -------
        tuple of ndarray, each shape (n_step + 2,)
            Times; what holds from each of them to the next; its lower and its upper end.
        """
        time = np.concatenate([[0.0], self.time, [end]])
        passed = np.concatenate([[0.0], 1.0 - self.probability])
        stderr = np.concatenate([[0.0], np.nan_to_num(self.stderr)])
        passed, stderr = np.append(passed, passed[-1]), np.append(stderr, stderr[-1])
        low, high = np.clip([passed - stderr, passed + stderr], 0.0, 1.0)
        return time, passed, low, high


@result("escape time")
@dataclass(frozen=True, eq=False, repr=False)
class EscapeTime(Record):
    """Mean time tau of an exponential law, after a delay if one is fitted."""

    tau: Estimate  # interval68: profile likelihood
    delay: Estimate
    replicas: int
    passed: int
    log_likelihood: float
    p_value: float  # of the exponential law against a Weibull law
    flags: tuple[Flag, ...]

    def __repr__(self) -> str:
        names = bracketed(self.flags)
        return f"EscapeTime(tau = {self.tau}, {self.passed} of {self.replicas} passed){names}"

    def passed_by(self, time: npt.ArrayLike) -> FloatArray:
        """The fitted probability 1 - S(t) to have passed, shape of `time`; nan without a tau."""
        delay = self.delay.value if math.isfinite(self.delay.value) else 0.0
        later = np.maximum(np.asarray(time, dtype=np.float64) - delay, 0.0)
        return np.asarray(-np.expm1(-later / self.tau.value))


class _Steps(NamedTuple):
    """The steps of a survival curve, each array of shape (n_step,)."""

    start: FloatArray
    time: FloatArray
    probability: FloatArray
    stderr: FloatArray
    at_risk: FloatArray


class _Grouped(NamedTuple):
    """The different intervals and how often each occurs."""

    lower: FloatArray
    upper: FloatArray  # inf: not passed by `lower`
    number: FloatArray


def _grouped(lower: npt.ArrayLike, upper: npt.ArrayLike) -> _Grouped:
    low, high = (np.atleast_1d(np.asarray(v, dtype=np.float64)) for v in (lower, upper))
    if low.shape != high.shape or low.ndim != 1 or low.size == 0:
        raise AnalysisError("lower and upper ends must be lists of the same length, not empty")
    if np.isnan(low).any() or np.isnan(high).any() or np.any((low < 0.0) | (high < low)):
        raise AnalysisError(
            "a passage must lie between 0 <= lower <= upper",
            remedy="leave out replicas without a passage time; upper = inf if not passed",
        )
    if np.isinf(low).any():
        raise AnalysisError("a lower end is inf", remedy="give the time up to which it was watched")
    pairs, count = np.unique(np.column_stack([low, high]), axis=0, return_counts=True)
    return _Grouped(pairs[:, 0], pairs[:, 1], count.astype(np.float64))


def survival_curve(lower: npt.ArrayLike, upper: npt.ArrayLike) -> Survival:
    r"""Survival probability S(t) from intervals (lower, upper] that hold the passages.

    Where the intervals do not overlap (passages seen on common measuring times, or known
    exactly, lower = upper) this is the product-limit estimator of Kaplan and Meier with the
    error of Greenwood, :math:`\sigma^2 = S^2 \sum d/(r (r - d))`. Otherwise it is Turnbull's
    self-consistent estimator, with errors from the information matrix.

    Parameters
    ----------
    lower, upper : array_like, shape (n_replica,)
        Ends of the intervals; ``upper = inf``: not passed when watched up to ``lower``.

    Returns
    -------
    Survival
        Flags: ``no_passage``, ``median_beyond`` (more than half had not passed),
        ``not_converged``.

    References
    ----------
    Kaplan and Meier (1958), doi 10.1080/01621459.1958.10501452; Turnbull (1976),
    doi 10.1111/j.2517-6161.1976.tb01597.x.

    Examples
    --------
    >>> curve = survival_curve([1.0, 2.0, 2.0, 3.0], [1.0, 2.0, np.inf, 3.0])
    >>> curve.probability.tolist()
    [0.75, 0.5, 0.0]
    """
    data = _grouped(lower, upper)
    replicas, passed = int(data.number.sum()), int(data.number[np.isfinite(data.upper)].sum())
    flags: tuple[Flag, ...] = ()
    method, steps = "Kaplan-Meier", _Steps(*np.empty((5, 0)))
    if passed == 0:
        flags = (NO_PASSAGE(f"none of {replicas} replicas passed"),)
    elif _nested(data):
        steps = _kaplan_meier(data)
    else:
        method, steps = "Turnbull", _turnbull(data)
        if np.isnan(steps.stderr).any():
            flags = (NOT_CONVERGED("Turnbull's iteration; errors are not known"),)
    median = _median(steps)
    flags = (*flags, *median.flags)
    return Survival(method, *steps, median, replicas, passed, flags)


def _nested(data: _Grouped) -> bool:
    """Whether no interval overlaps another, and nobody is lost from sight within one."""
    seen = np.isfinite(data.upper)
    low, high = data.lower[seen], data.upper[seen]
    order = np.lexsort((high, low))
    apart = bool(np.all(high[order][:-1] <= low[order][1:]))
    lost = data.lower[~seen]
    inside = (lost[:, None] > low) & (lost[:, None] < high)
    return apart and not inside.any()


def _kaplan_meier(data: _Grouped) -> _Steps:
    seen = np.isfinite(data.upper)
    time, place = np.unique(data.upper[seen], return_inverse=True)
    passed = np.bincount(place, weights=data.number[seen])
    start = np.zeros(time.size)
    start[place] = data.lower[seen]
    # Who is lost from sight at the very time of a passage had not passed before it.
    last = np.where(seen, data.upper, data.lower)
    at_risk = np.array([data.number[last >= t].sum() for t in time])
    probability = np.cumprod(1.0 - passed / at_risk)
    left = at_risk - passed
    terms = np.divide(passed, at_risk * left, out=np.zeros(time.size), where=left > 0)
    return _Steps(start, time, probability, probability * np.sqrt(np.cumsum(terms)), at_risk)


def _turnbull(data: _Grouped) -> _Steps:
    # At the same time: exact passages open before anything closes, other intervals after.
    exact = data.lower == data.upper
    opens = [(t, 0 if same else 2) for t, same in zip(data.lower, exact, strict=True)]
    closes = [(t, 1) for t in data.upper]
    ends = sorted({*opens, *closes})
    cells = [(a, b) for a, b in pairwise(ends) if a[1] != 1 and b[1] == 1]
    holds = np.array(
        [[opens[i] <= a and b <= closes[i] for a, b in cells] for i in range(len(opens))], float
    )
    p = np.full(len(cells), 1.0 / len(cells))
    weight = data.number / data.number.sum()
    converged = False
    for _ in range(20_000):
        new = p * ((weight / (holds @ p)) @ holds)
        converged = bool(np.max(np.abs(new - p)) < 1e-11)
        p = new
        if converged:
            break
    finite = np.array([math.isfinite(b[0]) for _, b in cells])
    left = np.maximum(1.0 - np.cumsum(p), 0.0)
    stderr = _turnbull_errors(data, holds, p) if converged else np.full(len(p), math.nan)
    use = finite & (p > 1e-9)
    start, time = (np.array([cell[side][0] for cell in cells]) for side in (0, 1))
    risk = np.full(len(p), math.nan)
    return _Steps(start[use], time[use], left[use], stderr[use], risk[use])


def _turnbull_errors(data: _Grouped, holds: FloatArray, p: FloatArray) -> FloatArray:
    """Errors of S after each cell, from the information on the cells that hold anything."""
    held = np.flatnonzero(p > 1e-9)
    if held.size < 2:
        return np.zeros(len(p))
    # The probabilities add to 1, so the last one is not free.
    slope = (holds[:, held[:-1]] - holds[:, held[-1:]]) / (holds @ p)[:, None]
    information = (slope * data.number[:, None]).T @ slope
    covariance = np.linalg.pinv(information, hermitian=True)
    sums = np.tril(np.ones((held.size - 1, held.size - 1)))
    variance = np.diag(sums @ covariance @ sums.T)
    errors = np.zeros(len(p))
    errors[held[:-1]] = np.sqrt(np.maximum(variance, 0.0))
    return errors


def _median(steps: _Steps) -> Estimate:
    start, time, probability, stderr, _ = steps

    def crossed(curve: FloatArray) -> float:
        below = np.flatnonzero(curve <= 0.5)
        return float(time[below[0]]) if below.size else math.inf

    value = crossed(probability)
    if not math.isfinite(value):
        return Estimate(math.nan, flags=(MEDIAN_BEYOND("more than half had not passed"),))
    early = np.flatnonzero(probability - stderr <= 0.5)[0]
    interval = (float(start[early]), crossed(probability + stderr))
    return Estimate(value, 0.5 * (interval[1] - interval[0]), 0.0, interval)


def fit_escape_time(
    lower: npt.ArrayLike, upper: npt.ArrayLike, *, delay: bool = False
) -> EscapeTime:
    r"""Maximum-likelihood tau of :math:`S(t) = e^{-(t - t_0)/\tau}` from censored passages.

    Parameters
    ----------
    lower, upper : array_like, shape (n_replica,)
        As in `survival_curve`.
    delay : bool
        Fit the delay t_0 as well; it is 0 otherwise.

    Returns
    -------
    EscapeTime
        The interval is where the profile likelihood falls by 1/2. Tau is nan, with a flag, if
        none passed (``no_passage``, with a lower bound in words) or all did within the first
        interval (``all_at_once``). ``not_exponential``: a Weibull law is better with a
        probability below 1e-3. ``no_delay``: the best delay is 0.

    Examples
    --------
    >>> fit_escape_time([1.0, 2.0, 3.0, 6.0], [1.0, 2.0, 3.0, np.inf]).tau.value
    4.0
    """
    data = _grouped(lower, upper)
    replicas, passed = int(data.number.sum()), int(data.number[np.isfinite(data.upper)].sum())
    flags = _escape_flags(data, passed, replicas)
    if flags:
        nothing = Estimate(math.nan, flags=flags)
        return EscapeTime(nothing, nothing, replicas, passed, math.nan, math.nan, flags)
    t_0 = Estimate(0.0, 0.0, 0.0, (0.0, 0.0))
    if delay:
        t_0 = _delay(data)
        if t_0.value == 0.0:
            flags = (NO_DELAY("the likelihood is largest without a delay"),)
    highest, rate = _best_rate(data, t_0.value)

    def profile(log_rate: float) -> float:
        if not delay:
            return _log_likelihood(data, math.exp(log_rate), 0.0)
        first = _latest_delay(data)
        found = optimize.minimize_scalar(
            lambda t: -_log_likelihood(data, math.exp(log_rate), t),
            bounds=(0.0, first),
            method="bounded",
            options={"xatol": 1e-9 * max(first, 1e-300)},
        )
        ends = (_log_likelihood(data, math.exp(log_rate), t) for t in (0.0, first))
        return max(-float(found.fun), *ends)

    low, high = _drop(profile, math.log(rate), highest)
    interval = (math.exp(-high), math.exp(-low))
    tau = Estimate(1.0 / rate, 0.5 * (interval[1] - interval[0]), 0.0, interval)
    p_value = _weibull_p_value(data, t_0.value, rate, highest)
    if p_value < ACCEPTABLE:
        flags = (*flags, NOT_EXPONENTIAL(f"a Weibull law is better, p = {p_value:.1g}"))
    return EscapeTime(tau, t_0, replicas, passed, highest, p_value, flags)


def _escape_flags(data: _Grouped, passed: int, replicas: int) -> tuple[Flag, ...]:
    if passed == 0:
        # No passage in a total time T has the probability exp(-T/tau): 16 % at the bound.
        bound = float(data.number @ data.lower) / -math.log(stats.norm.cdf(-1.0))
        return (NO_PASSAGE(f"none of {replicas} replicas passed, tau > {bound:.3g} (84 %)"),)
    if np.all(data.lower == 0.0) and np.isfinite(data.upper).all():
        return (ALL_AT_ONCE("all passed before the first time of measurement"),)
    return ()


def _log_likelihood(data: _Grouped, rate: float, delay: float, shape: float = 1.0) -> float:
    """Of S(t) = exp(-(rate (t - delay))^shape); densities where the passage is exact."""
    low = (rate * np.maximum(data.lower - delay, 0.0)) ** shape
    terms = -low
    seen = np.isfinite(data.upper) & (data.upper > data.lower)
    exact = data.upper == data.lower
    with np.errstate(divide="ignore", invalid="ignore"):
        high = (rate * np.maximum(data.upper[seen] - delay, 0.0)) ** shape
        terms[seen] += np.log(-np.expm1(low[seen] - high))
        age = data.lower[exact] - delay
        hazard = np.log(shape * rate) + (shape - 1.0) * np.log(rate * age)
        hazard = hazard if shape != 1.0 else np.full(age.shape, math.log(rate))
        terms[exact] += np.where(age >= 0.0, hazard, -math.inf)
    total = float(data.number @ terms)
    return total if not math.isnan(total) else -math.inf


def _best_rate(data: _Grouped, delay: float) -> tuple[float, float]:
    """Largest log-likelihood over the rate, and that rate."""
    seen = np.isfinite(data.upper)
    middle = np.where(seen, 0.5 * (data.lower + np.where(seen, data.upper, 0.0)), data.lower)
    total = float(data.number @ np.maximum(middle - delay, 0.0))
    if np.all(data.lower[seen] == data.upper[seen]) and total > 0.0:  # a closed form
        rate = float(data.number[seen].sum()) / total
        return _log_likelihood(data, rate, delay), rate
    guess = math.log(data.number[seen].sum() / total) if total > 0.0 else 0.0
    found = optimize.minimize_scalar(
        lambda log_rate: -_log_likelihood(data, math.exp(log_rate), delay),
        bounds=(guess - 6.0, guess + 6.0),
        method="bounded",
        options={"xatol": 1e-9},
    )
    return -float(found.fun), math.exp(float(found.x))


def _drop(
    profile: Callable[[float], float], best: float, highest: float, width: float = 12.0
) -> tuple[float, float]:
    """Where a profile has fallen by 1/2 on both sides of its maximum."""

    def excess(x: float) -> float:
        return profile(x) - highest + 0.5

    ends = []
    for side in (-1.0, 1.0):
        step = 0.05
        while step < width and excess(best + side * step) > 0.0:
            step *= 1.6
        if excess(best + side * step) > 0.0:
            ends.append(side * math.inf)
        else:
            ends.append(float(optimize.brentq(excess, best, best + side * step, xtol=1e-7)))
    return ends[0], ends[1]


def _latest_delay(data: _Grouped) -> float:
    """No passage comes before the delay."""
    seen = np.isfinite(data.upper)
    exact = data.upper[seen] == data.lower[seen]
    # An interval must keep some length after the delay, or its probability is 0.
    last = np.where(
        exact, data.upper[seen], data.lower[seen] + 0.999 * (data.upper[seen] - data.lower[seen])
    )
    return float(last.min())


def _delay(data: _Grouped) -> Estimate:
    """The delay of largest likelihood, with the profile interval within its range."""
    grid = np.linspace(0.0, _latest_delay(data), 201)
    heights = np.array([_best_rate(data, t)[0] for t in grid])
    best = int(np.argmax(heights))
    inside = grid[heights >= heights[best] - 0.5]
    interval = (float(inside[0]), float(inside[-1]))
    return Estimate(float(grid[best]), 0.5 * (interval[1] - interval[0]), 0.0, interval)


def _weibull_p_value(data: _Grouped, delay: float, rate: float, highest: float) -> float:
    """Likelihood ratio of the exponential against a free Weibull shape."""

    def missing(v: FloatArray) -> float:
        log_rate, log_shape = float(v[0]), float(v[1])
        if abs(log_shape) > 4.0 or abs(log_rate - float(start[0])) > 20.0:
            return 1e300  # a shape without end: all passed between two times
        return -max(_log_likelihood(data, math.exp(log_rate), delay, math.exp(log_shape)), -1e300)

    start: FloatArray = np.array([math.log(rate), 0.0], dtype=np.float64)
    options: Any = {"xatol": 1e-5, "fatol": 1e-6}
    best = float(optimize.minimize(missing, start, method="Nelder-Mead", options=options).fun)
    return float(stats.chi2.sf(max(2.0 * (-best - highest), 0.0), 1))
