"""A linear student of a linear teacher, the simplest matched pair."""

from __future__ import annotations

import math

from torch import Tensor

from physbatch.dynamics.task.draw import Draw
from physbatch.dynamics.task.options import at_least


class Linear:
    """f(x) = w.x/sqrt(N) of normal x, with normal w of variance 1 for teacher and student.

    In function space the overlap is the classical one, w_s.w_t/(\\|w_s\\| \\|w_t\\|), up to the
    finite number of probes.

    Parameters
    ----------
    noise : float
        Standard deviation of the noise on the labels that are learned.

    References
    ----------
    Seung, Sompolinsky and Tishby (1992), Statistical mechanics of learning from examples,
    doi 10.1103/PhysRevA.45.6056.

    Examples
    --------
    >>> from physbatch.study import catalogue
    >>> catalogue.study("task-linear").system.task
    'physbatch.tasks:Linear'
    """

    def __init__(self, noise: float = 0.0) -> None:
        at_least(0.0, noise=noise)
        self.noise = noise

    def inputs(self, count: int, size: int, draw: Draw) -> Tensor:
        """Normal numbers, shape (sample, N)."""
        return draw.normal(count, size)

    def student(self, size: int, draw: Draw) -> dict[str, Tensor]:
        """One row of weights."""
        return {"w": draw.normal(size)}

    def forward(self, p: dict[str, Tensor], x: Tensor) -> Tensor:
        """w.x/sqrt(N), shape (sample,)."""
        return x @ p["w"] / math.sqrt(x.shape[1])

    # A matched pair: teachers are drawn and computed as students are.
    teacher, teacher_forward = student, forward

    def label_noise(self, targets: Tensor, draw: Draw) -> Tensor:
        """Labels with noise."""
        return targets + self.noise * draw.normal(*targets.shape) if self.noise else targets
