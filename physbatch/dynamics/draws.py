"""The random numbers of a cell as tensors, addressed as the compiled kernels address them."""

import math

import torch
from torch import Tensor

from physbatch.dynamics.rules import ALWAYS, BatchRule
from physbatch.streams.keys import (
    KIND_BATCH,
    KIND_GAUSSIAN,
    KIND_INPUTS,
    KIND_ORDER,
    KIND_PROPOSAL,
    KIND_SELECT,
)
from physbatch.streams.tensor import bounded, normals, stream_numbers


class CellStreams:
    """Streams of some replicas.

    Parameters
    ----------
    first_replica, replicas : int
        The replicas.
    size : int
        Number of inputs N.
    device : torch.device
        Where the tensors live.
    """

    def __init__(self, first_replica: int, replicas: int, size: int, device: torch.device) -> None:
        self.size = size
        self.device = device
        self.replica = torch.arange(first_replica, first_replica + replicas, device=device)[:, None]

    def numbers(self, key: int, kind: int, index: int, count: int) -> Tensor:
        """The first `count` 32-bit numbers of an index, shape (replica, count)."""
        return stream_numbers(key, kind, index, self.replica[:, 0], count)

    def binary_inputs(self, key: int, index: int, samples: int) -> Tensor:
        """Inputs +-1, shape (replica, sample, N); bit s of word w is sample 64 w + s."""
        words = math.ceil(samples / 64)
        numbers = self.numbers(key, KIND_INPUTS, index, 2 * words * self.size)
        halves = numbers.reshape(-1, words, self.size, 2)
        sample = torch.arange(samples, device=self.device)
        packed = halves[:, sample // 64, :, sample % 64 // 32].transpose(0, 1)
        bits: Tensor = (packed >> (sample % 32)[:, None]) & 1
        return 1 - 2 * bits

    def gaussian_inputs(self, key: int, index: int, samples: int) -> Tensor:
        """Inputs from N(0, 1), shape (replica, sample, N); number s N + i is x_i of sample s."""
        count = samples * self.size
        numbers = normals(self.numbers(key, KIND_GAUSSIAN, index, count + count % 2))
        return numbers[:, :count].reshape(-1, samples, self.size)

    def batch_count(self, key: int, batch: BatchRule, index: int) -> Tensor:
        """Number of samples in each replica's batch, shape (replica,)."""
        if not batch.alternates:
            number = self.numbers(key, KIND_BATCH, index, 1)[:, 0]
            return batch.floor + (number < batch.threshold).long()
        share = batch.threshold % ALWAYS
        phase = self.numbers(key, KIND_BATCH, 0, 1)[:, 0]
        # One more where another unit is reached by adding the share to what was left.
        left = (index * share + phase) % ALWAYS
        return batch.floor + (left + share >= ALWAYS).long()

    def positions(self, key: int, order: str, sweep: int, count: int) -> Tensor:
        """Which of `count` weights a sweep tries, one after the other, shape (replica, count)."""
        if order == "sequential":
            return torch.arange(count, device=self.device).expand(len(self.replica), -1)
        if order == "permutation":
            return permutation(self.numbers(key, KIND_ORDER, sweep, count))
        return bounded(self.numbers(key, KIND_PROPOSAL, sweep, count), count)

    def selection(self, key: int, index: int, samples: int, patterns: int) -> Tensor:
        """Distinct patterns in random order, shape (replica, sample).

        Every ordered choice of `samples` out of `patterns` is equally likely.
        """
        return selection(self.numbers(key, KIND_SELECT, index, samples), patterns)


def selection(numbers: Tensor, patterns: int) -> Tensor:
    """Distinct ones of 0 ... `patterns` - 1, by the first steps of Fisher and Yates's shuffle.

    `numbers` are 32-bit ones, shape (replica, chosen); the result has the same shape.
    """
    samples = numbers.shape[1]
    order = torch.arange(patterns, device=numbers.device).expand(len(numbers), -1).clone()
    for position in range(samples):
        other = position + bounded(numbers[:, position : position + 1], patterns - position)
        _exchange(order, position, other)
    return order[:, :samples]


def permutation(numbers: Tensor) -> Tensor:
    """A random permutation of 0 ... P - 1 from P 32-bit numbers, shape (replica, P).

    By Fisher and Yates from the last place on, as `physbatch.streams.filling.draw_permutation`.
    """
    count = numbers.shape[1]
    order = torch.arange(count, device=numbers.device).expand(len(numbers), -1).clone()
    for position in range(count - 1, 0, -1):
        _exchange(order, position, bounded(numbers[:, position : position + 1], position + 1))
    return order


def _exchange(order: Tensor, position: int, other: Tensor) -> None:
    """Exchange what stands at a position with what stands at others, shape (replica, 1)."""
    kept = order[:, position : position + 1].clone()
    order[:, position : position + 1] = order.gather(1, other)
    order.scatter_(1, other, kept)
