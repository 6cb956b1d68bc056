"""One unit with a Hermite polynomial as its link: the first steps are the hard ones."""

from __future__ import annotations

import math

from torch import Tensor

from physbatch.dynamics.task.draw import Draw
from physbatch.dynamics.task.options import at_least


class Hermite:
    """f(x) = He_k(w.x/\\|w\\|)/sqrt(k!) of normal x, for teacher and student.

    He_k is the polynomial of degree k that is orthogonal to those below it: k is the information
    exponent, and a student that knows nothing sees a gradient of order N^(-(k-1)/2). The overlap
    in function space is the k-th power of the angle's cosine, which is measured as `cosine`.

    Parameters
    ----------
    degree : int
        k, at least 1.

    References
    ----------
    Ben Arous, Gheissari and Jagannath (2021), Online stochastic gradient descent on non-convex
    losses from high-dimensional inference, arXiv:2003.10409.

    Examples
    --------
    >>> Hermite(degree=3).degree
    3
    """

    def __init__(self, degree: int = 2) -> None:
        at_least(1, degree=degree)
        self.degree = degree

    def inputs(self, count: int, size: int, draw: Draw) -> Tensor:
        """Normal numbers, shape (sample, N)."""
        return draw.normal(count, size)

    def student(self, size: int, draw: Draw) -> dict[str, Tensor]:
        """The weights of one unit."""
        return {"w": draw.normal(size)}

    def forward(self, p: dict[str, Tensor], x: Tensor) -> Tensor:
        """The polynomial, normalised to <f^2> = 1, shape (sample,)."""
        z = x @ p["w"] / p["w"].square().sum().sqrt()
        before, now = z * 0.0, z * 0.0 + 1.0
        for k in range(self.degree):
            # He_(k+1) = z He_k - k He_(k-1), each over the root of its factorial.
            before, now = now, (z * now - math.sqrt(k) * before) / math.sqrt(k + 1)
        return now

    teacher, teacher_forward = student, forward

    def observables(
        self, student: dict[str, Tensor], teacher: dict[str, Tensor], inputs: Tensor
    ) -> dict[str, Tensor]:
        """The cosine of the angle between student and teacher."""
        w, v = student["w"], teacher["w"]
        return {"cosine": w @ v / (w.square().sum() * v.square().sum()).sqrt()}
