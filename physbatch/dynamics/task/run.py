"""What a descent of students of a task is told: sizes, rates, streams, and where it computes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from physbatch.dynamics.rules import BatchRule, batch_rule
from physbatch.dynamics.task.draw import Draw, Use
from physbatch.dynamics.task.optimizers import Rule
from physbatch.streams.filling import word_rows
from physbatch.streams.keys import KIND_BATCH, StreamKeys

#: Numbers of the samples of one replica that are made together, about: they stay in the cache.
_POOL_NUMBERS = 32768
#: Samples that are made together at most.
_POOL_SAMPLES = 4096
#: Bits of an index that count batches; above them stands the number of the student.
BATCH_BITS = 37

#: Batches that are only measured have the numbers of data from here on.
_MEASURED_DATA = 64
#: Bits of the number of a batch that is only measured: those above a half go into that of the data.
_MEASURED_BITS = BATCH_BITS - 1

_KEYS: dict[Use, str] = {
    "teacher": "teacher",
    "student": "start",
    "training": "dynamics",
    "noise": "patterns",
    "probe": "test",
}


class Member(NamedTuple):
    """Which student of a replica: its start, and its samples and batches, by number."""

    start: int = 0
    data: int = 0


#: The student of a replica, one that shares its data, and one that shares its teacher alone.
STUDENT, SAME_DATA, SAME_TEACHER = Member(0, 0), Member(1, 0), Member(2, 1)
#: Random students, for what is reached by chance.
RANDOM_STUDENTS = tuple(Member(start, 0) for start in range(8, 16))


@dataclass(frozen=True)
class TaskRun:
    """What is computed, besides the task itself.

    Attributes
    ----------
    size : int
        N.
    batch_size, learning_rate : float
        m and eta at step 0.
    batch_factor, rate_factor : callable
        What they are multiplied by, as a function of the step; `largest_factor` is the largest of
        the first.
    optimizer : Rule
        How the gradient is used.
    loss : str
        The loss of numbers: mean-square or logistic.
    patterns : int
        Size of the finite set of samples; 0 if all are fresh.
    sampling : str
        How batches of the set are drawn: with-replacement, subsets (distinct samples), or
        without-replacement: pieces of a permutation, reshuffled when the rest of it is too short
        for the largest batch.
    replicas : range
        The replicas, which are computed together.
    keys : StreamKeys
        Their random numbers.
    dtype, device
        How numbers are kept, and where.
    """

    size: int
    batch_size: float
    learning_rate: float
    batch_factor: Callable[[int], float]
    rate_factor: Callable[[int], float]
    largest_factor: float
    optimizer: Rule
    loss: str
    patterns: int
    sampling: str
    replicas: range
    keys: StreamKeys
    dtype: torch.dtype
    device: torch.device

    def rule(self, step: int) -> BatchRule:
        """How many samples the batch of a step holds: a real number at least 1."""
        return batch_rule(self.mean_batch(step))

    def mean_batch(self, step: int) -> float:
        """The batch size m at a step."""
        return max(self.batch_size * self.batch_factor(step), 1.0)

    @functools.cached_property
    def most_samples(self) -> int:
        """Samples of the largest batch."""
        return batch_rule(max(self.batch_size * self.largest_factor, 1.0)).largest

    @functools.cached_property
    def pool_steps(self) -> int:
        """Batches that are made together; it depends on sizes alone."""
        samples = max(1, min(_POOL_NUMBERS // self.size, _POOL_SAMPLES))
        return max(1, samples // self.most_samples)

    def measured_data(self, batch: int) -> tuple[int, int]:
        """Numbers of the data, and of the batch, of one that is only measured; below 2^42."""
        high, low = divmod(batch, 1 << _MEASURED_BITS)
        return _MEASURED_DATA + high, low

    def room(self, pool: int) -> int:
        """Samples that the batches of a pool have room for: few different numbers."""
        steps = range(pool * self.pool_steps, (pool + 1) * self.pool_steps)
        needed = max(self.rule(step).largest for step in steps)
        room = self.most_samples
        while room > 1 and (room + 1) // 2 >= needed:
            room = (room + 1) // 2
        return room

    def draw(self, replica: int, use: Use, number: int = 0, batch: int = 0) -> Draw:
        """Random numbers of a replica: of its student or data with a number, and of a batch."""
        name = _KEYS[use]
        if use == "training" and self.patterns:
            name = "patterns"
        key: int = getattr(self.keys, name)
        # The noise of a finite set stands beside its samples, that of batches beside them.
        if use == "noise" and not self.patterns:
            key = self.keys.dynamics
        beside = int(use == "noise") << (BATCH_BITS - 1)
        return Draw(key, number << BATCH_BITS | beside | batch, replica, self.dtype, use)

    def counts(self, member: Member, pool: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
        """Samples of each batch of a pool, shape (replica, step)."""
        steps = range(pool * self.pool_steps, (pool + 1) * self.pool_steps)
        rules = [self.rule(step) for step in steps]
        index = member.data << BATCH_BITS | pool
        first, lanes = self.replicas.start, len(self.replicas)
        words = word_rows(self.keys.dynamics, KIND_BATCH, index, first, lanes, len(rules))
        floors = np.array([rule.floor for rule in rules])
        thresholds = np.array([rule.threshold for rule in rules], dtype=np.uint64)
        counts: np.ndarray[tuple[int, int], np.dtype[np.int64]] = floors + (words < thresholds)
        return counts
