"""The mean time of an exponential law from passages that are known up to an interval."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy
from scipy import optimize

from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag, bracketed
from physbatch.results.flags import ALL_AT_ONCE, NO_DELAY, NO_PASSAGE, NOT_EXPONENTIAL
from physbatch.results.record import Record, result
from physbatch.scaling.statistics.acceptance import ACCEPTABLE
from physbatch.scaling.times.passages import Passages, grouped
from physbatch.typing import FloatArray


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
    data = grouped(lower, upper)
    replicas, passed = data.replicas, data.passed
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
        best = optimize.minimize_scalar(
            lambda t: -_log_likelihood(data, math.exp(log_rate), t),
            bounds=(0.0, first),
            method="bounded",
            options={"xatol": 1e-9 * max(first, 1e-300)},
        )
        ends = (_log_likelihood(data, math.exp(log_rate), t) for t in (0.0, first))
        return max(-float(best.fun), *ends)

    low, high = _drop(profile, math.log(rate), highest)
    interval = (math.exp(-high), math.exp(-low))
    tau = Estimate(1.0 / rate, 0.5 * (interval[1] - interval[0]), 0.0, interval)
    p_value = _weibull_p_value(data, t_0.value, rate, highest)
    if p_value < ACCEPTABLE:
        flags = (*flags, NOT_EXPONENTIAL(f"a Weibull law is better, p = {p_value:.1g}"))
    return EscapeTime(tau, t_0, replicas, passed, highest, p_value, flags)


def _escape_flags(data: Passages, passed: int, replicas: int) -> tuple[Flag, ...]:
    if passed == 0:
        # No passage in a total time T has the probability exp(-T/tau): 16 % at the bound.
        bound = float(data.number @ data.lower) / -math.log(scipy.stats.norm.cdf(-1.0))
        return (NO_PASSAGE(f"none of {replicas} replicas passed, tau > {bound:.3g} (84 %)"),)
    if np.all(data.lower == 0.0) and np.isfinite(data.upper).all():
        return (ALL_AT_ONCE("all passed before the first time of measurement"),)
    return ()


def _log_likelihood(data: Passages, rate: float, delay: float, shape: float = 1.0) -> float:
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


def _best_rate(data: Passages, delay: float) -> tuple[float, float]:
    """Largest log-likelihood over the rate, and that rate."""
    seen = np.isfinite(data.upper)
    middle = np.where(seen, 0.5 * (data.lower + np.where(seen, data.upper, 0.0)), data.lower)
    total = float(data.number @ np.maximum(middle - delay, 0.0))
    if np.all(data.lower[seen] == data.upper[seen]) and total > 0.0:  # a closed form
        rate = float(data.number[seen].sum()) / total
        return _log_likelihood(data, rate, delay), rate
    guess = math.log(data.number[seen].sum() / total) if total > 0.0 else 0.0
    best = optimize.minimize_scalar(
        lambda log_rate: -_log_likelihood(data, math.exp(log_rate), delay),
        bounds=(guess - 6.0, guess + 6.0),
        method="bounded",
        options={"xatol": 1e-9},
    )
    return -float(best.fun), math.exp(float(best.x))


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


def _latest_delay(data: Passages) -> float:
    """No passage comes before the delay."""
    seen = np.isfinite(data.upper)
    exact = data.upper[seen] == data.lower[seen]
    # An interval must keep some length after the delay, or its probability is 0.
    last = np.where(
        exact, data.upper[seen], data.lower[seen] + 0.999 * (data.upper[seen] - data.lower[seen])
    )
    return float(last.min())


def _delay(data: Passages) -> Estimate:
    """The delay of largest likelihood, with the profile interval within its range."""
    grid = np.linspace(0.0, _latest_delay(data), 201)
    heights = np.array([_best_rate(data, t)[0] for t in grid])
    best = int(np.argmax(heights))
    inside = grid[heights >= heights[best] - 0.5]
    interval = (float(inside[0]), float(inside[-1]))
    return Estimate(float(grid[best]), 0.5 * (interval[1] - interval[0]), 0.0, interval)


def _weibull_p_value(data: Passages, delay: float, rate: float, highest: float) -> float:
    """Likelihood ratio of the exponential against a free Weibull shape."""

    def missing(v: FloatArray) -> float:
        log_rate, log_shape = float(v[0]), float(v[1])
        if abs(log_shape) > 4.0 or abs(log_rate - float(start[0])) > 20.0:
            return 1e300  # a shape without end: all passed between two times
        height = _log_likelihood(data, math.exp(log_rate), delay, math.exp(log_shape))
        # Infinite on either side: none may pass so, or one did at the delay, where densities end.
        return -height if math.isfinite(height) else 1e300

    start: FloatArray = np.array([math.log(rate), 0.0], dtype=np.float64)
    options: Any = {"xatol": 1e-5, "fatol": 1e-6}
    best = float(optimize.minimize(missing, start, method="Nelder-Mead", options=options).fun)
    return float(scipy.stats.chi2.sf(max(2.0 * (-best - highest), 0.0), 1))
