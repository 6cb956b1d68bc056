"""What the general discrete dynamics is told and what it returns, as integers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from physbatch.dynamics.rules import CellRun
from physbatch.typing import IntArray

#: Gaussian inputs are rounded to multiples of 1/NORMAL_UNIT and held as integers (below 7 in
#: size, so that 32 bits hold them). Sums of them are exact: equal in any order on any device,
#: and zero exactly where the weights say so.
NORMAL_UNIT = 2.0**24


@dataclass(frozen=True)
class InputRule:
    """Where the samples of a batch come from.

    Attributes
    ----------
    gaussian : bool
        x ~ N(0, I_N) rather than uniform in {-1, +1}^N.
    pattern_count : int
        Number P of patterns drawn once per replica; 0: every batch is fresh. A batch holds
        distinct patterns, by default drawn anew from the whole set each time a fresh one would be.
    label_threshold : int
        An output bit of a sample is flipped if its 32-bit number is below; that of a pattern for
        the whole run.
    key : int
        Stream key of the set.
    epochs : bool
        A batch holds the next of a random permutation of the set, which is drawn anew when fewer
        are left of it than the largest batch holds.
    """

    gaussian: bool = False
    pattern_count: int = 0
    label_threshold: int = 0
    key: int = 0
    epochs: bool = False


@dataclass(frozen=True)
class DiscreteRun(CellRun):
    """Instructions for one cell.

    The energy is counted in half errors: an output 0 that should be a sign is one, the wrong
    sign two. `acceptance` has one entry for each number of half errors.
    """

    inputs: InputRule = InputRule()


class DiscreteTrajectory(NamedTuple):
    """What is measured, as integers, so that engines can be compared bit for bit.

    Attributes
    ----------
    students : ndarray of int8, shape (replica, time, edge)
        Weights at each measuring time.
    batch_half_errors, batch_bits : ndarray of int64, shape (replica, time)
        Half errors on the last batch, and the number of output bits it held.
    test_half_errors : ndarray of int64, shape (replica, time)
        Half errors on fresh test samples, against the teacher itself.
    training_half_errors : ndarray of int64, shape (replica, time)
        Half errors on the whole set of patterns; 0 without one.
    first_passage : ndarray of int64, shape (replica,)
        First sweep after which the student was perfect; -1 if there was none.
    """

    students: npt.NDArray[np.int8]
    batch_half_errors: IntArray
    batch_bits: IntArray
    test_half_errors: IntArray
    training_half_errors: IntArray
    first_passage: IntArray

    @classmethod
    def empty(cls, replicas: int, times: int, edges: int) -> DiscreteTrajectory:
        """Room for a trajectory, all zero; no replica has passed."""
        shape = (replicas, times)
        return cls(
            students=np.zeros((*shape, edges), dtype=np.int8),
            batch_half_errors=np.zeros(shape, dtype=np.int64),
            batch_bits=np.zeros(shape, dtype=np.int64),
            test_half_errors=np.zeros(shape, dtype=np.int64),
            training_half_errors=np.zeros(shape, dtype=np.int64),
            first_passage=np.full(replicas, -1, dtype=np.int64),
        )
