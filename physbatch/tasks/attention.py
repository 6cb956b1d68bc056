"""One layer of attention learns another of the same shape."""

from __future__ import annotations

import math

from torch import Tensor

from physbatch.dynamics.task.draw import Draw
from physbatch.dynamics.task.options import at_least


class Attention:
    """y_a = sum_b softmax_b(q_a.k_b/sqrt(r)) v.x_b/sqrt(N), of T normal tokens x_a.

    q_a = Q x_a/sqrt(N) and k_b = K x_b/sqrt(N) have r components.

    Parameters
    ----------
    length : int
        T, tokens in a sample.
    rank : int
        r.

    References
    ----------
    Vaswani et al. (2017), Attention is all you need, arXiv:1706.03762.
    Cui, Behrens, Krzakala and Zdeborova (2024), A phase transition between positional and semantic
    learning in a solvable model of dot-product attention, arXiv:2402.03902.

    Examples
    --------
    >>> Attention(rank=1).rank
    1
    """

    def __init__(self, length: int = 4, rank: int = 2) -> None:
        at_least(1, length=length, rank=rank)
        self.length, self.rank = length, rank

    def inputs(self, count: int, size: int, draw: Draw) -> Tensor:
        """Tokens, shape (sample, T, N)."""
        return draw.normal(count, self.length, size)

    def student(self, size: int, draw: Draw) -> dict[str, Tensor]:
        """Queries, keys and values."""
        queries, keys = draw.normal(self.rank, size), draw.normal(self.rank, size)
        return {"q": queries, "k": keys, "v": draw.normal(size)}

    def forward(self, p: dict[str, Tensor], x: Tensor) -> Tensor:
        """What each token gathers, shape (sample, T)."""
        x = x / math.sqrt(x.shape[2])
        queries, keys, values = x @ p["q"].T, x @ p["k"].T, x @ p["v"]
        attention = (queries @ keys.transpose(1, 2) / math.sqrt(self.rank)).softmax(dim=2)
        return (attention @ values[..., None])[..., 0]

    teacher, teacher_forward = student, forward
