"""The parity of a few of many signs."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from physbatch.dynamics.task.draw import Draw
from physbatch.dynamics.task.options import at_least


class SparseParity:
    """A perceptron with one hidden layer of relu units learns the product of k of its N signs.

    Parameters
    ----------
    k : int
        Signs that count; which ones differs from replica to replica.
    hidden : int
        Hidden units.

    References
    ----------
    Barak et al. (2022), Hidden progress in deep learning: SGD learns parities near the
    computational limit, arXiv:2207.08799.

    Examples
    --------
    >>> SparseParity(k=2).k
    2
    """

    def __init__(self, k: int = 2, hidden: int = 32) -> None:
        at_least(1, k=k, hidden=hidden)
        self.k, self.hidden = k, hidden

    def inputs(self, count: int, size: int, draw: Draw) -> Tensor:
        """Signs, shape (sample, N)."""
        if self.k > size:
            raise ValueError(f"a parity of {self.k} signs needs as many, not {size}")
        return draw.signs(count, size)

    def teacher(self, size: int, draw: Draw) -> dict[str, Tensor]:
        """Which signs count."""
        return {"index": draw.permutation(size)[: self.k]}

    def teacher_forward(self, p: dict[str, Tensor], x: Tensor) -> Tensor:
        """Their product, shape (sample,)."""
        return x[:, p["index"]].prod(dim=1)

    def student(self, size: int, draw: Draw) -> dict[str, Tensor]:
        """Weights and thresholds of the hidden layer, and a readout."""
        w, v = draw.normal(self.hidden, size), draw.normal(self.hidden)
        return {"w": w, "b": torch.zeros(self.hidden), "v": v}

    def forward(self, p: dict[str, Tensor], x: Tensor) -> Tensor:
        """Output of the network, shape (sample,)."""
        h = torch.relu(x @ p["w"].T / math.sqrt(x.shape[1]) + p["b"])
        return h @ p["v"] / math.sqrt(self.hidden)
