"""A tiny GPT learns what another of the same shape says next."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import gelu, layer_norm

from physbatch.dynamics.task.draw import Draw
from physbatch.dynamics.task.options import at_least


class GPT:
    """One block of causal attention and perceptron on a stream of N numbers, of random tokens.

    The student learns the scores of the next token that the teacher gives at each position. Layers
    are normalised before attention, perceptron and readout, without weights of their own.

    Parameters
    ----------
    vocabulary, length : int
        Different tokens, and tokens in a sample.
    heads : int
        Heads of attention; N is a multiple of it.

    References
    ----------
    Radford et al. (2019), Language models are unsupervised multitask learners,
    https://github.com/openai/gpt-2.

    Examples
    --------
    >>> GPT(vocabulary=5).vocabulary
    5
    """

    def __init__(self, vocabulary: int = 8, length: int = 4, heads: int = 2) -> None:
        at_least(1, length=length, heads=heads)
        at_least(2, vocabulary=vocabulary)
        self.vocabulary, self.length, self.heads = vocabulary, length, heads

    def inputs(self, count: int, size: int, draw: Draw) -> Tensor:
        """Tokens, shape (sample, T)."""
        return draw.integers(self.vocabulary, count, self.length)

    def student(self, size: int, draw: Draw) -> dict[str, Tensor]:
        """Embeddings, attention, perceptron and readout."""
        if size % self.heads:
            raise ValueError(f"{size} numbers are no multiple of {self.heads} heads")
        shapes = {
            "tokens": (self.vocabulary, size),
            "positions": (self.length, size),
            "attention": (3 * size, size),
            "gathered": (size, size),
            "up": (2 * size, size),
            "down": (size, 2 * size),
            "readout": (self.vocabulary, size),
        }
        return {name: draw.normal(*shape) for name, shape in shapes.items()}

    def forward(self, p: dict[str, Tensor], x: Tensor) -> Tensor:
        """Scores of the next token at each position, shape (sample, T, vocabulary)."""
        stream = p["tokens"][x] + p["positions"]
        stream = stream + _linear(self._attention(p, _normal(stream)), p["gathered"])
        stream = stream + _linear(gelu(_linear(_normal(stream), p["up"])), p["down"])
        return _linear(_normal(stream), p["readout"])

    def _attention(self, p: dict[str, Tensor], x: Tensor) -> Tensor:
        """What each position gathers from itself and those before it."""
        count, length, size = x.shape
        parts = _linear(x, p["attention"]).reshape(count, length, 3, self.heads, -1)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4).unbind(0)
        scores = queries @ keys.transpose(2, 3) / math.sqrt(size // self.heads)
        later = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
        gathered = scores.masked_fill(later, -torch.inf).softmax(dim=3) @ values
        return gathered.transpose(1, 2).reshape(count, length, size)

    teacher, teacher_forward = student, forward


def _linear(x: Tensor, w: Tensor) -> Tensor:
    return x @ w.T / math.sqrt(x.shape[-1])


def _normal(x: Tensor) -> Tensor:
    return layer_norm(x, x.shape[-1:])
