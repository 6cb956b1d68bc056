"""First-passage times known up to an interval, and the probability of survival."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from physbatch.errors import AnalysisError
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag, bracketed
from physbatch.results.flags import MEDIAN_BEYOND, NO_PASSAGE, NOT_CONVERGED
from physbatch.results.record import Record, result
from physbatch.typing import FloatArray


@result("survival")
@dataclass(frozen=True, eq=False, repr=False)
class Survival(Record):
    """The probability not to have passed yet, a step function."""

    main_dim: ClassVar[str] = "step"

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

        Four arrays of shape (n_step + 2,): times; what holds from each of them to the next; its
        lower and its upper end.
        """
        time = np.concatenate([[0.0], self.time, [end]])
        passed = np.concatenate([[0.0], 1.0 - self.probability])
        stderr = np.concatenate([[0.0], np.nan_to_num(self.stderr)])
        passed, stderr = np.append(passed, passed[-1]), np.append(stderr, stderr[-1])
        low, high = np.clip([passed - stderr, passed + stderr], 0.0, 1.0)
        return time, passed, low, high


class _Steps(NamedTuple):
    """The steps of a survival curve, each array of shape (n_step,)."""

    start: FloatArray
    time: FloatArray
    probability: FloatArray
    stderr: FloatArray
    at_risk: FloatArray


class Passages(NamedTuple):
    """The different intervals and how often each occurs."""

    lower: FloatArray
    upper: FloatArray  # inf: not passed by `lower`
    number: FloatArray

    @property
    def replicas(self) -> int:
        """How many there are."""
        return int(self.number.sum())

    @property
    def passed(self) -> int:
        """How many passed while they were watched."""
        return int(self.number[np.isfinite(self.upper)].sum())


def grouped(lower: npt.ArrayLike, upper: npt.ArrayLike) -> Passages:
    """Intervals (lower, upper] of replicas, checked."""
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
    return Passages(pairs[:, 0], pairs[:, 1], count.astype(np.float64))


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
    data = grouped(lower, upper)
    replicas, passed = data.replicas, data.passed
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


def _nested(data: Passages) -> bool:
    """Whether no interval overlaps another, and nobody is lost from sight within one."""
    seen = np.isfinite(data.upper)
    low, high = data.lower[seen], data.upper[seen]
    order = np.lexsort((high, low))
    apart = bool(np.all(high[order][:-1] <= low[order][1:]))
    lost = data.lower[~seen]
    inside = (lost[:, None] > low) & (lost[:, None] < high)
    return apart and not inside.any()


def _kaplan_meier(data: Passages) -> _Steps:
    seen = np.isfinite(data.upper)
    time, step = np.unique(data.upper[seen], return_inverse=True)
    passed = np.bincount(step, weights=data.number[seen])
    start = np.zeros(time.size)
    start[step] = data.lower[seen]
    # Who is lost from sight at the very time of a passage had not passed before it.
    last = np.where(seen, data.upper, data.lower)
    at_risk = np.array([data.number[last >= t].sum() for t in time])
    probability = np.cumprod(1.0 - passed / at_risk)
    left = at_risk - passed
    terms = np.divide(passed, at_risk * left, out=np.zeros(time.size), where=left > 0)
    return _Steps(start, time, probability, probability * np.sqrt(np.cumsum(terms)), at_risk)


def _turnbull(data: Passages) -> _Steps:
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


def _turnbull_errors(data: Passages, holds: FloatArray, p: FloatArray) -> FloatArray:
    """Errors of S after each cell, from the information on the cells that hold anything."""
    filled = np.flatnonzero(p > 1e-9)
    if filled.size < 2:
        return np.zeros(len(p))
    # The probabilities add to 1, so the last one is not free.
    slope = (holds[:, filled[:-1]] - holds[:, filled[-1:]]) / (holds @ p)[:, None]
    information = (slope * data.number[:, None]).T @ slope
    covariance = np.linalg.pinv(information, hermitian=True)
    sums = np.tril(np.ones((filled.size - 1, filled.size - 1)))
    variance = np.diag(sums @ covariance @ sums.T)
    errors = np.zeros(len(p))
    errors[filled[:-1]] = np.sqrt(np.maximum(variance, 0.0))
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
