"""A multilayer perceptron of any depth learns another of the same shape."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from physbatch.dynamics.task.draw import Draw
from physbatch.dynamics.task.options import at_least

_ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "erf": torch.erf}


class MLP:
    """h_0 = x, h_l = g(W_l h_(l-1)/sqrt(n_(l-1))), f = v.h_L/sqrt(n_L), normal x.

    Parameters
    ----------
    depth : int
        L, the number of hidden layers; 0 is a linear map.
    hidden : int
        Units of each of them.
    activation : {"tanh", "relu", "erf"}
        g.

    References
    ----------
    Saad and Solla (1995), On-line learning in soft committee machines,
    doi 10.1103/PhysRevE.52.4225.

    Examples
    --------
    >>> MLP(depth=3).depth
    3
    """

    def __init__(self, depth: int = 2, hidden: int = 8, activation: str = "tanh") -> None:
        if activation not in _ACTIVATIONS:
            raise ValueError(f"activation {activation!r} is none of {', '.join(_ACTIVATIONS)}")
        at_least(0, depth=depth)
        at_least(1, hidden=hidden)
        self.depth, self.hidden, self.activation = depth, hidden, _ACTIVATIONS[activation]

    def inputs(self, count: int, size: int, draw: Draw) -> Tensor:
        """Normal numbers, shape (sample, N)."""
        return draw.normal(count, size)

    def student(self, size: int, draw: Draw) -> dict[str, Tensor]:
        """A matrix for each hidden layer, and the readout."""
        widths = [size] + [self.hidden] * self.depth
        layers = {
            f"w{layer}": draw.normal(widths[layer + 1], widths[layer])
            for layer in range(self.depth)
        }
        return {**layers, "v": draw.normal(widths[-1])}

    def forward(self, p: dict[str, Tensor], x: Tensor) -> Tensor:
        """Output of the network, shape (sample,)."""
        for layer in range(self.depth):
            x = self.activation(x @ p[f"w{layer}"].T / math.sqrt(x.shape[1]))
        return x @ p["v"] / math.sqrt(x.shape[1])

    teacher, teacher_forward = student, forward
