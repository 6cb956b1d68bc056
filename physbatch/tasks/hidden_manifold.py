"""Inputs on a manifold of few dimensions, labels that depend on the place on it."""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

from physbatch.dynamics.task.draw import Draw
from physbatch.dynamics.task.options import at_least


class HiddenManifold:
    """Inputs x = tanh(F c/sqrt(D)), D normal coordinates c; labels by a network of c alone.

    Student and teacher are committees v.erf(W ./sqrt(n))/sqrt(K): the student sees the N inputs,
    the teacher the D coordinates. The map F is fixed: its entries are normal, and the same for all
    replicas and batches of one N.

    Parameters
    ----------
    latent : int
        D.
    teacher_units, hidden : int
        K of teacher and student.

    References
    ----------
    Goldt, Mezard, Krzakala and Zdeborova (2020), Modeling the influence of data structure on
    learning in neural networks: the hidden manifold model, doi 10.1103/PhysRevX.10.041044.

    Examples
    --------
    >>> HiddenManifold(latent=5).latent
    5
    """

    def __init__(self, latent: int = 4, teacher_units: int = 2, hidden: int = 8) -> None:
        at_least(1, latent=latent, teacher_units=teacher_units, hidden=hidden)
        self.latent, self.teacher_units, self.hidden = latent, teacher_units, hidden

    def inputs(self, count: int, size: int, draw: Draw) -> dict[str, Tensor]:
        """Inputs, shape (sample, N), and where they lie, shape (sample, D)."""
        c = draw.normal(count, self.latent)
        features = _features(self.latent, size, draw.dtype)
        return {"x": torch.tanh(c @ features / math.sqrt(self.latent)), "latent": c}

    def teacher(self, size: int, draw: Draw) -> dict[str, Tensor]:
        """A committee on the manifold."""
        units = self.teacher_units
        return {"w": draw.normal(units, self.latent), "v": draw.normal(units)}

    def teacher_forward(self, p: dict[str, Tensor], x: dict[str, Tensor]) -> Tensor:
        """The label, shape (sample,)."""
        return _committee(p, x["latent"])

    def student(self, size: int, draw: Draw) -> dict[str, Tensor]:
        """A committee on the inputs."""
        return {"w": draw.normal(self.hidden, size), "v": draw.normal(self.hidden)}

    def forward(self, p: dict[str, Tensor], x: dict[str, Tensor]) -> Tensor:
        """Output of the network, shape (sample,)."""
        return _committee(p, x["x"])


@functools.lru_cache(maxsize=64)
def _features(latent: int, size: int, dtype: torch.dtype) -> Tensor:
    """F, shape (D, N): drawn once, as every batch needs it."""
    generator = torch.Generator().manual_seed(size)
    return torch.randn(latent, size, generator=generator, dtype=dtype)


def _committee(p: dict[str, Tensor], x: Tensor) -> Tensor:
    return torch.erf(x @ p["w"].T / math.sqrt(x.shape[1])) @ p["v"] / math.sqrt(p["v"].shape[0])
