"""A function of a few directions of many: the student has to find them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from physbatch.dynamics.task.draw import Draw
from physbatch.dynamics.task.options import at_least


class MultiIndex:
    """A network with one hidden layer learns a function of z_1 ... z_r, z = U x, of normal x.

    The rows of U are orthonormal. Links: ``staircase`` (z_1 + z_1 z_2 + z_1 z_2 z_3 + ...)/sqrt(r),
    which can be climbed step by step, and ``product`` z_1 z_2 ... z_r, which cannot. The part of
    the hidden weights that lies in the teacher's directions, \\|W U^T\\|^2/\\|W\\|^2, is measured
    as `subspace`.

    Parameters
    ----------
    directions : int
        r.
    link : {"staircase", "product"}
        The function.
    hidden : int
        Hidden units of the student.

    References
    ----------
    Abbe, Boix-Adsera and Misiakiewicz (2023), SGD learning on neural networks: leap complexity and
    saddle-to-saddle dynamics, arXiv:2302.11055.

    Examples
    --------
    >>> MultiIndex(link="product").product
    True
    """

    def __init__(self, directions: int = 2, link: str = "staircase", hidden: int = 32) -> None:
        if link not in ("staircase", "product"):
            raise ValueError(f"link {link!r} is none of staircase, product")
        at_least(1, directions=directions, hidden=hidden)
        self.directions, self.product, self.hidden = directions, link == "product", hidden

    def inputs(self, count: int, size: int, draw: Draw) -> Tensor:
        """Normal numbers, shape (sample, N)."""
        if self.directions > size:
            raise ValueError(f"{self.directions} directions need as many numbers, not {size}")
        return draw.normal(count, size)

    def teacher(self, size: int, draw: Draw) -> dict[str, Tensor]:
        """Orthonormal rows."""
        columns, _ = torch.linalg.qr(draw.normal(size, self.directions))
        return {"u": columns.T.contiguous()}

    def teacher_forward(self, p: dict[str, Tensor], x: Tensor) -> Tensor:
        """The link of the projections, shape (sample,)."""
        steps = (x @ p["u"].T).cumprod(dim=1)
        return steps[:, -1] if self.product else steps.sum(dim=1) / math.sqrt(self.directions)

    def student(self, size: int, draw: Draw) -> dict[str, Tensor]:
        """Weights and thresholds of the hidden layer, and a readout."""
        w, b, v = draw.normal(self.hidden, size), draw.normal(self.hidden), draw.normal(self.hidden)
        return {"w": w, "b": b, "v": v}

    def forward(self, p: dict[str, Tensor], x: Tensor) -> Tensor:
        """Output of the network, shape (sample,)."""
        h = torch.relu(x @ p["w"].T / math.sqrt(x.shape[1]) + p["b"])
        return h @ p["v"] / math.sqrt(self.hidden)

    def observables(
        self, student: dict[str, Tensor], teacher: dict[str, Tensor], inputs: Tensor
    ) -> dict[str, Tensor]:
        """Which part of the hidden weights looks where the teacher does."""
        w = student["w"]
        return {"subspace": (w @ teacher["u"].T).square().sum() / w.square().sum()}
