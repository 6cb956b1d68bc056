"""The random numbers that a user's task draws: those of one replica, by counters."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from physbatch.errors import StudyError
from physbatch.streams.filling import normal_rows, word_rows
from physbatch.streams.keys import KIND_TASK

#: What a function of a task is called for.
Use = Literal["teacher", "student", "training", "noise", "probe"]

#: Calls that have a kind of their own, and where the index counts their hundreds.
_KINDS = 128
_INDEX_BITS = 44
_UNIT = {torch.float32: (8, 2.0**-24), torch.float64: (0, 2.0**-32)}


class Draw:
    """Random numbers of one replica for one purpose, in the precision of the study.

    Each number has an address (`physbatch.streams.keys`): the replica, the purpose, the batch, and
    the number of the call. So a replica has the same numbers in any company and order.

    Parameters
    ----------
    key : int
        The key of the stream.
    occasion : int
        What is drawn for: which student, or which batches.
    replica : int
        The number of the replica.
    dtype : torch.dtype
        float32 or float64.
    use : {"teacher", "student", "training", "noise", "probe"}
        What the numbers are for; a task may keep the samples of ``probe`` apart from those of
        ``training``.

    Examples
    --------
    >>> draw = Draw(1, 0, replica=5, dtype=torch.float64, use="training")
    >>> draw.normal(2, 3).shape, draw.signs(4).abs().tolist()
    (torch.Size([2, 3]), [1.0, 1.0, 1.0, 1.0])
    >>> sorted(draw.permutation(5).tolist()), int(draw.integers(10, 100).max()) < 10
    ([0, 1, 2, 3, 4], True)
    >>> again = Draw(1, 0, replica=5, dtype=torch.float64, use="training")
    >>> bool((again.normal(6).reshape(2, 3) == Draw(1, 0, 5, torch.float64, "probe").normal(2, 3)
    ...      ).all())
    True
    """

    def __init__(self, key: int, occasion: int, replica: int, dtype: torch.dtype, use: Use) -> None:
        self._key, self._occasion = key, occasion
        self._calls = 0
        #: Number of the replica, and what the numbers are for.
        self.replica, self.use = replica, use
        self.dtype = dtype

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers."""
        kind, index = self._address()
        dtype = np.float32 if self.dtype == torch.float32 else np.float64
        rows = normal_rows(self._key, kind, index, self.replica, 1, _count(shape), dtype=dtype)
        return torch.from_numpy(rows).reshape(shape)

    def uniform(self, *shape: int) -> Tensor:
        """Numbers from [0, 1), multiples of 2^-32, or of 2^-24 in float32."""
        shift, unit = _UNIT[self.dtype]
        numbers = self._words(_count(shape)) >> np.uint64(shift)
        return torch.from_numpy(numbers.astype(np.float64) * unit).to(self.dtype).reshape(shape)

    def signs(self, *shape: int) -> Tensor:
        """Numbers -1 and +1 with equal chances."""
        count = _count(shape)
        words = self._words(math.ceil(count / 32)).astype("<u4").view(np.uint8)
        bits = np.unpackbits(words, count=count, bitorder="little")
        return torch.from_numpy(bits).to(self.dtype).mul_(-2.0).add_(1.0).reshape(shape)

    def integers(self, high: int, *shape: int) -> Tensor:
        """Integers 0 ... high - 1, each within a relative high/2^32 of the same chance.

        Raises
        ------
        StudyError
            Unless 1 <= high <= 2^32.
        """
        if not 1 <= high <= 2**32:
            raise StudyError(f"integers below {high}", where="draw.integers")
        numbers = (self._words(_count(shape)) * np.uint64(high)) >> np.uint64(32)
        return torch.from_numpy(numbers.astype(np.int64)).reshape(shape)

    def permutation(self, count: int) -> Tensor:
        """The integers 0 ... count - 1 in random order."""
        words = self._words(2 * count).reshape(2, count)
        return torch.from_numpy(np.argsort(words[0] << np.uint64(32) | words[1], kind="stable"))

    def generator(self) -> torch.Generator:
        """A generator of torch with a seed of its own, for code that needs one."""
        high, low = self._words(2).tolist()
        return torch.Generator().manual_seed((high << 31 ^ low) & (2**63 - 1))

    def _words(self, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint64]]:
        kind, index = self._address()
        words: np.ndarray[tuple[int, ...], np.dtype[np.uint64]]
        words = word_rows(self._key, kind, index, self.replica, 1, count)[0]
        return words

    def _address(self) -> tuple[int, int]:
        """Kind and index of the next call."""
        number = self._calls
        self._calls += 1
        high, kind = divmod(number, _KINDS)
        if high >= 2 ** (56 - _INDEX_BITS):
            raise StudyError(
                f"more than {number} draws in one call", where="draw", remedy="draw larger arrays"
            )
        return KIND_TASK + kind, self._occasion | high << _INDEX_BITS


def _count(shape: tuple[int, ...]) -> int:
    return math.prod(shape)
