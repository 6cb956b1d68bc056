"""Clouds of points in two classes, of which a line can or cannot tell."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from physbatch.dynamics.task.draw import Draw
from physbatch.dynamics.task.options import at_least


class GaussianMixture:
    """A network with one hidden layer classifies x = centre + normal numbers of variance 1.

    ``pair``: centres +d e_1 and -d e_1, a class each. ``xor``: four centres, +-d e_1 of one class
    and +-d e_2 of the other, so that the classes have equal means. Students start in all
    directions alike, so axes are as good as any other centres.

    Parameters
    ----------
    centres : {"pair", "xor"}
        Where the clouds are.
    distance : float
        d, in units of the clouds' width.
    hidden : int
        Hidden units.

    References
    ----------
    Refinetti, Goldt, Krzakala and Zdeborova (2021), Classifying high-dimensional Gaussian mixtures:
    where kernel methods fail and neural networks succeed, arXiv:2102.11742.

    Examples
    --------
    >>> GaussianMixture("pair").axes
    1
    """

    def __init__(self, centres: str = "xor", distance: float = 4.0, hidden: int = 16) -> None:
        if centres not in ("pair", "xor"):
            raise ValueError(f"centres {centres!r} are none of pair, xor")
        at_least(0.0, distance=distance)
        at_least(1, hidden=hidden)
        self.axes = 1 if centres == "pair" else 2
        self.distance, self.hidden = distance, hidden

    def inputs(self, count: int, size: int, draw: Draw) -> dict[str, Tensor]:
        """Points, shape (sample, N), and their classes, shape (sample,)."""
        cloud, sign = draw.integers(2, count), draw.signs(count)
        axis = cloud * (self.axes - 1)
        x = draw.normal(count, size)
        x[torch.arange(count), axis] += self.distance * sign
        return {"x": x, "class": cloud if self.axes == 2 else (sign > 0).long()}

    def teacher_forward(self, p: dict[str, Tensor], x: dict[str, Tensor]) -> Tensor:
        """The class from which a point was drawn: 0 or 1."""
        return x["class"]

    def student(self, size: int, draw: Draw) -> dict[str, Tensor]:
        """Weights and thresholds of the hidden layer, and a readout for each class."""
        w, v = draw.normal(self.hidden, size), draw.normal(2, self.hidden)
        return {"w": w, "b": torch.zeros(self.hidden), "v": v}

    def forward(self, p: dict[str, Tensor], x: dict[str, Tensor]) -> Tensor:
        """A score for each class, shape (sample, 2)."""
        h = torch.relu(x["x"] @ p["w"].T / math.sqrt(x["x"].shape[1]) + p["b"])
        return h @ p["v"].T / math.sqrt(self.hidden)
