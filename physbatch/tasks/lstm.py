"""A recurrent network with long short-term memory learns another of the same shape."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from physbatch.dynamics.task.draw import Draw
from physbatch.dynamics.task.options import at_least


class LSTM:
    """Reads a sequence of normal vectors of N numbers, and says a number at its end.

    Gates i, f, o and candidates g are linear in (x_t/sqrt(N), h_(t-1)/sqrt(n)); c_t = f c_(t-1) +
    i tanh(g), h_t = o tanh(c_t), and the output is v.h_T/sqrt(n). The cell is written with plain
    tensors: torch.nn.LSTM cannot be computed for many replicas at once.

    Parameters
    ----------
    length : int
        T, vectors in a sequence.
    hidden : int
        n, memory cells.

    References
    ----------
    Hochreiter and Schmidhuber (1997), Long short-term memory, doi 10.1162/neco.1997.9.8.1735.

    Examples
    --------
    >>> LSTM(length=3).length
    3
    """

    def __init__(self, length: int = 4, hidden: int = 4) -> None:
        at_least(1, length=length, hidden=hidden)
        self.length, self.hidden = length, hidden

    def inputs(self, count: int, size: int, draw: Draw) -> Tensor:
        """Sequences, shape (sample, T, N)."""
        return draw.normal(count, self.length, size)

    def student(self, size: int, draw: Draw) -> dict[str, Tensor]:
        """Weights of the three gates and the candidates, from inputs and from memory; a readout."""
        gates, hidden = 4 * self.hidden, self.hidden
        return {
            "w": draw.normal(gates, size),
            "u": draw.normal(gates, hidden),
            "v": draw.normal(hidden),
        }

    def forward(self, p: dict[str, Tensor], x: Tensor) -> Tensor:
        """Output at the end, shape (sample,)."""
        from_inputs = x @ p["w"].T / math.sqrt(x.shape[2])
        h = c = torch.zeros_like(from_inputs[:, 0, : self.hidden])
        for step in range(self.length):
            gates = from_inputs[:, step] + h @ p["u"].T / math.sqrt(self.hidden)
            i, f, o, g = gates.chunk(4, dim=1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        return h @ p["v"] / math.sqrt(self.hidden)

    teacher, teacher_forward = student, forward
