"""Acceptance rules and batch sizes as integers, shared by every engine.

All engines must take the same decisions bit for bit, so everything real-valued is turned
into integer thresholds here, once.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from physbatch.typing import IntArray

#: Orders of the proposals of a sweep, as compiled code numbers them.
ORDERS = {"random": 0, "sequential": 1, "permutation": 2}
#: Threshold that every 32-bit number stays below.
ALWAYS = 2**32


@dataclass(frozen=True)
class BatchRule:
    """floor(m) samples, and one more if a 32-bit number is below `threshold`.

    With 2^32 added to the threshold the number is no random one: batches alternate so that any
    n of them in a row hold n m samples within one, each replica from a random phase on.
    """

    floor: int
    threshold: int

    @property
    def largest(self) -> int:
        """The largest batch that can be drawn."""
        return self.floor + (1 if self.threshold else 0)

    @property
    def mean(self) -> float:
        """m, to 32 bits after the point."""
        return self.floor + self.threshold % ALWAYS / ALWAYS

    @property
    def alternates(self) -> bool:
        """Whether the batches alternate."""
        return self.threshold > ALWAYS


@functools.lru_cache(maxsize=4096)
def batch_rule(batch_size: float, *, alternating: bool = False) -> BatchRule:
    """A real batch size m: each batch holds floor(m) + Bernoulli(m - floor(m)) samples.

    Alternating batches have the same mean without chance; see `BatchRule`.
    """
    floor = math.floor(batch_size)
    threshold = round((batch_size - floor) * ALWAYS)
    if threshold == ALWAYS:
        return BatchRule(floor + 1, 0)
    return BatchRule(floor, threshold + ALWAYS if alternating and threshold else threshold)


class BatchTable(NamedTuple):
    """`BatchRule`s of sweep 0, 1, ...; the last is that of all sweeps that follow."""

    floors: IntArray
    thresholds: npt.NDArray[np.uint64]


def batch_table(batch_sizes: Sequence[float]) -> BatchTable:
    """The rules of batch sizes that change from sweep to sweep.

    Examples
    --------
    >>> batch_table([2, 2.5])
    BatchTable(floors=array([2, 2]), thresholds=array([         0, 2147483648], dtype=uint64))
    """
    rules = [batch_rule(batch_size) for batch_size in batch_sizes]
    return BatchTable(
        np.array([rule.floor for rule in rules], dtype=np.int64),
        np.array([rule.threshold for rule in rules], dtype=np.uint64),
    )


def acceptance_table(
    *, ties: str = "reject", temperature: float | None = None
) -> npt.NDArray[np.uint64]:
    """Acceptance thresholds for dE = 0, 1, 2, ...; the last entry holds for all larger dE.

    A move with dE < 0 is always accepted; one with dE >= 0 if a uniform 32-bit number is
    below the threshold: 2^32 exp(-dE/T), or 0 and 2^32 at T = 0.
    """
    if temperature is None:
        return np.array([ALWAYS if ties == "accept" else 0, 0], dtype=np.uint64)
    longest = math.ceil(temperature * 32 * math.log(2)) + 1
    table = [round(ALWAYS * math.exp(-change / temperature)) for change in range(longest)]
    return np.array([*table, 0], dtype=np.uint64)


@dataclass(frozen=True)
class CellRun:
    """Everything an engine needs to know of one cell besides the system.

    Attributes
    ----------
    batch : BatchRule
        How many samples a batch holds, as long as `schedule` does not say it.
    acceptance : ndarray of uint64
        See `acceptance_table`.
    refresh_each_proposal : bool
        A fresh batch for every proposal rather than for every sweep.
    absorbing : bool
        A perfect student never changes again (ties rejected at zero temperature).
    times : ndarray of int64
        Measuring times in sweeps, sorted.
    duration : int
        Number of sweeps.
    test_samples : int
        Fresh samples for each measurement of the generalisation error.
    dynamics_key, test_key : int
        Stream keys.
    first_replica : int
        Number of the first replica.
    replicas_per_graph : int
        Replica r learns on graph r // replicas_per_graph, and all replicas of a graph are
        proposed the same weights; teachers, starts, batches and decisions are their own.
    order : str
        One of `ORDERS`: each proposal is a uniformly random weight, or a sweep tries every weight
        once, in the order of the edges (layer by layer) or of a fresh random permutation.
    schedule : BatchTable, optional
        How many samples the batches of each sweep hold, if that changes.
    """

    batch: BatchRule
    acceptance: npt.NDArray[np.uint64]
    refresh_each_proposal: bool
    absorbing: bool
    times: IntArray
    duration: int
    test_samples: int
    dynamics_key: int
    test_key: int
    first_replica: int
    replicas_per_graph: int = 1
    order: str = "random"
    schedule: BatchTable | None = None

    @property
    def batches(self) -> BatchTable:
        """The rules of all sweeps; one if they are alike."""
        if self.schedule is not None:
            return self.schedule
        return BatchTable(
            np.array([self.batch.floor], dtype=np.int64),
            np.array([self.batch.threshold], dtype=np.uint64),
        )

    @property
    def largest_batch(self) -> int:
        """The largest batch that can be drawn."""
        floors, thresholds = self.batches
        return int((floors + (thresholds > 0)).max())

    def rule(self, sweep: int) -> BatchRule:
        """How many samples the batches of a sweep hold."""
        floors, thresholds = self.batches
        row = min(sweep, len(floors) - 1)
        return BatchRule(int(floors[row]), int(thresholds[row]))


class Trajectory(NamedTuple):
    """What an engine measures, as integers, so that engines can be compared bit for bit.

    Attributes
    ----------
    path_sum : ndarray of int64, shape (replica, time)
        Sum over outputs and paths of the product of w w*.
    batch_wrong, batch_bits : ndarray of int64, shape (replica, time)
        Wrong output bits on the last batch, and the number of bits it held.
    test_wrong : ndarray of int64, shape (replica, time)
        Wrong output bits on the fresh test samples.
    first_passage : ndarray of int64, shape (replica,)
        First sweep after which every path was right; -1 if there was none.
    student : ndarray of uint8, shape (replica, edge)
        Final weights as bits.
    """

    path_sum: IntArray
    batch_wrong: IntArray
    batch_bits: IntArray
    test_wrong: IntArray
    first_passage: IntArray
    student: npt.NDArray[np.uint8]

    @classmethod
    def empty(cls, times: int, student: npt.NDArray[np.uint8]) -> Trajectory:
        """Room for a trajectory from the students on, all zero; no replica has passed."""
        shape = (len(student), times)
        return cls(
            path_sum=np.zeros(shape, dtype=np.int64),
            batch_wrong=np.zeros(shape, dtype=np.int64),
            batch_bits=np.zeros(shape, dtype=np.int64),
            test_wrong=np.zeros(shape, dtype=np.int64),
            first_passage=np.full(len(student), -1, dtype=np.int64),
            student=student.copy(),
        )
