"""Whether states that are averaged over late times are the stationary ones."""

import math
from collections.abc import Sequence

from scipy.special import stdtr

from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.results.flags import STILL_RELAXING
from physbatch.typing import FloatArray

#: Chance that any of the series of one result seems to drift if none of them does.
LEVEL = 0.01


def drift_flags(series: Sequence[tuple[str, str, FloatArray]]) -> tuple[Flag, ...]:
    """Flag the means that change from the first half of their measurements to the second.

    Each replica gives one number, so that correlations in time do not matter; Student's test of
    these numbers, with `LEVEL` shared among all series (Bonferroni).

    Parameters
    ----------
    series : sequence of tuple
        What is measured and in which state, in words, and values of shape (replica, time) at the
        late times.

    Returns
    -------
    tuple of Flag
        ``still_relaxing`` for each series that drifts, or that is one measurement.
    """
    flags = []
    for observable, state, values in series:
        half = values.shape[1] // 2
        if not half:
            text = f"the {observable} was measured once at {state}: whether it drifts is not known"
            flags.append(STILL_RELAXING(text))
            continue
        moves = values[:, -half:].mean(axis=1) - values[:, :half].mean(axis=1)
        moved = Estimate(float(moves.mean()), float(moves.std(ddof=1)) / math.sqrt(len(moves)))
        if _chance(moved, len(moves)) < LEVEL / len(series):
            text = f"the mean {observable} moves by {moved} between the halves of the times"
            flags.append(STILL_RELAXING(f"{text} at {state}"))
    return tuple(flags)


def _chance(moved: Estimate, replicas: int) -> float:
    """Chance of a mean as far from 0 as this one, of moves that are 0 in the mean."""
    if moved.stderr == 0.0:  # no spread: the common sign alone tells
        return 2.0 ** (1 - replicas) if moved.value else 1.0
    return float(2.0 * stdtr(replicas - 1, -abs(moved.value / moved.stderr)))
