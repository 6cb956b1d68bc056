r"""Stationary states of the star closure, and the spinodal at which they end.

At a given overlap q the batch size m is chosen at every moment such that q stays; what remains of
the flow converges to a stationary state, stable or not, with its m(q). Where m(q) is largest, the
active state ends: :math:`m_s = \max_q m(q)` is the spinodal, beyond which random students learn for
N -> infinity. States on the far side are unstable: the edge of the basin of the perfect student.
"""

from dataclasses import dataclass
from functools import cache
from math import floor

import numpy as np
import numpy.typing as npt
import scipy

from physbatch.errors import AnalysisError
from physbatch.exact.sparse.closure import Closure
from physbatch.exact.sparse.rates import Ties, check_point
from physbatch.typing import FloatArray

#: Sweeps for which the rates stay as they are; the result does not depend on it.
_ROUND = 2.0
_ROUNDS = 2000
#: Relative change of m in a round, times the rounds that it would take, at the end.
_TOLERANCE = 1e-5
_WHERE = "star closure"


@dataclass(frozen=True)
class Spinodal:
    """Where the active state of the star closure ends.

    Attributes
    ----------
    batch_size : float
        m_s.
    overlap : float
        q there.
    """

    batch_size: float
    overlap: float


def _relax(
    closure: Closure, overlap: float, law: FloatArray, lower: int
) -> tuple[float, FloatArray]:
    """Batch size and law of the stationary state with an overlap; `lower` is a first guess of m.

    The batch size is 0 if even m = 1 has a larger overlap.
    """
    slope = closure.legs.overlap
    before = shift_before = np.inf
    for _ in range(_ROUNDS):
        wanted = (overlap - float(slope @ law)) / _ROUND
        low, high = closure.rates_of_whole(law, lower), closure.rates_of_whole(law, lower + 1)
        speeds = [float(slope @ closure.flow(law, rates)) for rates in (low, high)]
        while speeds[0] > wanted and lower > 1:
            lower -= 1
            high, low = low, closure.rates_of_whole(law, lower)
            speeds = [float(slope @ closure.flow(law, low)), speeds[0]]
        while speeds[1] < wanted:
            lower += 1
            low, high = high, closure.rates_of_whole(law, lower + 1)
            speeds = [speeds[1], float(slope @ closure.flow(law, high))]
        part = max((wanted - speeds[0]) / (speeds[1] - speeds[0]), 0.0)
        if lower == 1 and part == 0 and abs(speeds[0]) < _TOLERANCE:
            return 0.0, law
        law = closure.evolve(law, (1 - part) * low + part * high, _ROUND)
        m = lower + part
        shift = abs(m - before) / m
        # A geometric approach has shift/(1 - ratio) to go.
        left = shift / max(1 - shift / shift_before, 0.02) if shift_before > 0 else shift
        if left < _TOLERANCE and abs(float(slope @ law) - overlap) < _TOLERANCE:
            return m, law
        before, shift_before = m, shift
    raise AnalysisError(f"no stationary state found with overlap {overlap:g}", where=_WHERE)


class _Branch:
    """m(q) of one degree, each point found from the nearest one that is known."""

    def __init__(self, degree: int, ties: Ties) -> None:
        self.closure = Closure(degree, ties)
        self.points: dict[float, tuple[float, FloatArray]] = {}

    def batch_size(self, overlap: float) -> float:
        """m at which a state with this overlap is stationary."""
        if overlap not in self.points:
            if self.points:
                near = min(self.points, key=lambda known: abs(known - overlap))
                m, law = self.points[near]
            else:
                m, law = float(self.closure.degree), self.closure.legs.start(0.5)
            self.points[overlap] = _relax(self.closure, overlap, law, max(floor(m), 1))
        return self.points[overlap][0]


@cache
def _branch(degree: int, ties: Ties) -> _Branch:
    return _Branch(degree, ties)


def stationary_batch_sizes(
    degree: int, overlaps: npt.ArrayLike, *, ties: Ties = "reject"
) -> FloatArray:
    """Batch sizes m(q) at which states with these overlaps are stationary, stable or not.

    Parameters
    ----------
    degree : int
        d, odd, from 3 to 11.
    overlaps : array_like
        q, from 0.05 to 0.95, say.
    ties : {"reject", "accept"}
        Whether flips with dE = 0 are kept.

    Raises
    ------
    physbatch.errors.AnalysisError
        If there is no such state with m of 1 or more.

    Examples
    --------
    >>> stationary_batch_sizes(3, [0.3018, 0.472]).round(2).tolist()
    [3.0, 4.5]
    """
    branch = _branch(degree, ties)
    q = np.asarray(overlaps, dtype=np.float64)
    if not ((q > 0) & (q < 1)).all():
        raise AnalysisError("overlaps must be between 0 and 1", where=_WHERE)
    m = np.array([branch.batch_size(float(value)) for value in q.ravel()]).reshape(q.shape)
    if not m.all():
        raise AnalysisError(
            f"the overlap at m = 1 is larger than {float(q[m == 0].max()):g}", where=_WHERE
        )
    return m


@cache
def spinodal(degree: int, *, ties: Ties = "reject") -> Spinodal:
    """The largest batch size with an active state, and its overlap, for N -> infinity.

    >>> point = spinodal(3)
    >>> round(point.batch_size, 2), round(point.overlap, 1)
    (5.09, 0.8)
    """
    branch = _branch(degree, ties)
    grid = np.arange(0.3, 0.91, 0.1).round(12)
    values = [branch.batch_size(float(q)) for q in grid]
    top = int(np.argmax(values))
    if top in (0, len(grid) - 1):
        raise AnalysisError(
            f"m(q) has no maximum at d = {degree}, ties {ties}ed", where=_WHERE,
            remedy="there is no spinodal; see stationary_batch_sizes",
        )  # fmt: skip
    done = scipy.optimize.minimize_scalar(
        lambda q: -branch.batch_size(float(round(q, 6))),
        bracket=tuple(grid[top - 1 : top + 2]),
        options={"xtol": 5e-3},
    )
    return Spinodal(-float(done.fun), float(done.x))


def stationary_overlap(degree: int, batch_size: float, *, ties: Ties = "reject") -> float:
    """q of the active state for N -> infinity; nan beyond the spinodal.

    >>> round(stationary_overlap(3, 4.0), 3)
    0.396
    """
    check_point(degree, batch_size, ties)
    branch = _branch(degree, ties)
    last = spinodal(degree, ties=ties)
    if batch_size > last.batch_size:
        return float("nan")
    low = last.overlap
    while branch.batch_size(low) >= batch_size:
        low = round(low - 0.05, 2)
    return float(
        scipy.optimize.brentq(
            lambda q: branch.batch_size(float(q)) - batch_size, low, last.overlap, xtol=1e-5
        )
    )
