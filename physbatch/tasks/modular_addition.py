"""Addition modulo N, the task on which networks were first seen to generalise late."""

from __future__ import annotations

import math

from torch import Tensor

from physbatch.dynamics.task.draw import Draw
from physbatch.dynamics.task.options import at_least


class ModularAddition:
    """A network says which of N classes is (a + b) mod N; units are (u_a + w_b)^2.

    There is one teacher; a finite set (``system.pattern_count``) is that of grokking.

    Parameters
    ----------
    hidden : int
        Hidden units.

    References
    ----------
    Power et al. (2022), Grokking: generalization beyond overfitting on small algorithmic datasets,
    arXiv:2201.02177. Gromov (2023), Grokking modular arithmetic, arXiv:2301.02679.

    Examples
    --------
    >>> ModularAddition(hidden=64).hidden
    64
    """

    def __init__(self, hidden: int = 64) -> None:
        at_least(1, hidden=hidden)
        self.hidden = hidden

    def inputs(self, count: int, size: int, draw: Draw) -> dict[str, Tensor]:
        """Pairs (a, b), shape (sample, 2), and their sum, shape (sample,)."""
        pairs = draw.integers(size, count, 2)
        return {"pairs": pairs, "sum": pairs.sum(dim=1) % size}

    def teacher_forward(self, p: dict[str, Tensor], x: dict[str, Tensor]) -> Tensor:
        """The class of each pair: integers, so that the loss is the cross entropy."""
        return x["sum"]

    def student(self, size: int, draw: Draw) -> dict[str, Tensor]:
        """A vector for each first and each second number, and a readout for each class."""
        first, second = draw.normal(size, self.hidden), draw.normal(size, self.hidden)
        return {"u": first, "w": second, "v": draw.normal(size, self.hidden)}

    def forward(self, p: dict[str, Tensor], x: dict[str, Tensor]) -> Tensor:
        """A score for each class, shape (sample, N)."""
        a, b = x["pairs"].unbind(dim=1)
        return 0.5 * (p["u"][a] + p["w"][b]) ** 2 @ p["v"].T / math.sqrt(self.hidden)
