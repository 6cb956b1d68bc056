"""The random numbers of a cell as tensors, addressed as the compiled kernels address them."""

import math

import torch
from torch import Tensor

from physbatch.dynamics.rules import BatchRule
from physbatch.streams.keys import KIND_BATCH, KIND_GAUSSIAN, KIND_INPUTS, KIND_SELECT
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
        number = self.numbers(key, KIND_BATCH, index, 1)[:, 0]
        return batch.floor + (number < batch.threshold).long()

    def selection(self, key: int, index: int, samples: int, patterns: int) -> Tensor:
        """Distinct patterns in random order, shape (replica, sample).

        The first steps of Fisher and Yates's shuffle: every ordered choice of `samples` out of
        `patterns` is equally likely.
        """
        numbers = self.numbers(key, KIND_SELECT, index, samples)
        order = torch.arange(patterns, device=self.device).expand(len(numbers), -1).clone()
        for position in range(samples):
            other = position + bounded(numbers[:, position : position + 1], patterns - position)
            kept = order[:, position : position + 1].clone()
            order[:, position : position + 1] = order.gather(1, other)
            order.scatter_(1, other, kept)
        return order[:, :samples]
