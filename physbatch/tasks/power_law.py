"""A linear student on inputs whose variances fall as a power: directions of every speed."""

from __future__ import annotations

import torch
from torch import Tensor

from physbatch.dynamics.task.draw import Draw
from physbatch.dynamics.task.options import at_least


class PowerLaw:
    """f(x) = w.x, <x_i^2> = i^(-decay)/sum_j j^(-decay); the teacher has signs, labels have noise.

    The student starts at 10^-6 of the teacher, so that every component of w - w* has the square 1:
    the mean error and the noise of the gradient are known exactly at any time
    (`physbatch.exact.critical_batch`), without fluctuations of the start.

    Parameters
    ----------
    decay : float
        The variance of input i falls as i^(-decay).
    noise : float
        Standard deviation of the noise on the labels that are learned.

    References
    ----------
    Bordelon and Pehlevan (2022), Learning curves for SGD on structured features, arXiv:2106.02713.

    Examples
    --------
    >>> PowerLaw(decay=1.0).variances(2)
    tensor([0.6667, 0.3333], dtype=torch.float64)
    """

    def __init__(self, decay: float = 1.5, noise: float = 0.0) -> None:
        at_least(0.0, decay=decay, noise=noise)
        self.decay, self.noise = decay, noise

    def variances(self, size: int) -> Tensor:
        """Variances of the inputs, shape (N,); their sum is 1."""
        powers = torch.arange(1, size + 1, dtype=torch.float64) ** -self.decay
        return powers / powers.sum()

    def inputs(self, count: int, size: int, draw: Draw) -> Tensor:
        """Normal numbers of falling variance, shape (sample, N)."""
        x = draw.normal(count, size)
        return x * self.variances(size).sqrt().to(x.dtype)

    def teacher(self, size: int, draw: Draw) -> dict[str, Tensor]:
        """Random signs."""
        z = draw.normal(size)
        return {"w": torch.where(z < 0, -torch.ones_like(z), torch.ones_like(z))}

    def student(self, size: int, draw: Draw) -> dict[str, Tensor]:
        """Hardly anything."""
        return {"w": 1e-6 * draw.normal(size)}

    def forward(self, p: dict[str, Tensor], x: Tensor) -> Tensor:
        """w.x, shape (sample,)."""
        return x @ p["w"]

    teacher_forward = forward

    def label_noise(self, targets: Tensor, draw: Draw) -> Tensor:
        """Labels with noise."""
        return targets + self.noise * draw.normal(*targets.shape) if self.noise else targets
