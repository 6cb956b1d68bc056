"""Schedules: how a learning rate or a batch size changes while a student learns."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from physbatch.study.base import Finite, Model, PositiveInt

_Factor = Annotated[Finite, Field(gt=0, le=2**24)]


class ConstantSchedule(Model):
    """Always 1."""

    kind: Literal["constant"]

    def factor(self, step: int) -> float:
        """The factor at a step, 1."""
        return 1.0

    @property
    def settled(self) -> int:
        """The step from which on the factor is the same."""
        return 0

    @property
    def largest(self) -> float:
        """The largest factor of all steps."""
        return 1.0


class GradualSchedule(Model):
    """From 1 to the factor `to` within `steps` steps, and constant from then on.

    With u = min(step/steps, 1): ``linear`` 1 + (to - 1) u, ``cosine`` to + (1 - to)
    (1 + cos(pi u))/2, and ``ramp`` there and back, 1 + (to - 1) (1 - |1 - 2 u|): at half time
    it is `to`, at the end 1 again.
    """

    kind: Literal["linear", "cosine", "ramp"]
    to: _Factor
    steps: PositiveInt

    def factor(self, step: int) -> float:
        """The factor at a step.

        Examples
        --------
        >>> ramp = GradualSchedule(kind="ramp", to=3, steps=100)
        >>> [ramp.factor(step) for step in (0, 25, 50, 75, 100, 200)]
        [1.0, 2.0, 3.0, 2.0, 1.0, 1.0]
        """
        u = min(step / self.steps, 1.0)
        if self.kind == "cosine":
            return self.to + 0.5 * (1.0 - self.to) * (1.0 + math.cos(math.pi * u))
        share = u if self.kind == "linear" else 1.0 - abs(1.0 - 2.0 * u)
        return 1.0 + (self.to - 1.0) * share

    @property
    def settled(self) -> int:
        """The step from which on the factor is the same."""
        return self.steps

    @property
    def largest(self) -> float:
        """The largest factor of all steps."""
        return max(1.0, self.to)


class StepSchedule(Model):
    """Factor 1, then ``factors[i]`` from step ``at[i]`` on."""

    kind: Literal["steps"]
    at: tuple[PositiveInt, ...]
    factors: tuple[_Factor, ...]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not self.at or len(self.at) != len(self.factors):
            raise ValueError("at and factors need the same number of values, at least one")
        if list(self.at) != sorted(set(self.at)):
            raise ValueError("the steps in at must increase")
        return self

    def factor(self, step: int) -> float:
        """The factor at a step.

        Examples
        --------
        >>> drops = StepSchedule(kind="steps", at=(10, 20), factors=(0.1, 0.01))
        >>> [drops.factor(step) for step in (9, 10, 20)]
        [1.0, 0.1, 0.01]
        """
        passed = sum(step >= start for start in self.at)
        return self.factors[passed - 1] if passed else 1.0

    @property
    def settled(self) -> int:
        """The step from which on the factor is the same."""
        return self.at[-1]

    @property
    def largest(self) -> float:
        """The largest factor of all steps."""
        return max(1.0, *self.factors)


def mean_factor(schedule: Schedule, steps: int) -> float:
    """The mean factor of so many steps, from a thousand of them at most.

    Examples
    --------
    >>> mean_factor(GradualSchedule(kind="linear", to=3, steps=100), 101)
    2.0
    """
    stride = max(1, steps // 1000)
    factors = [schedule.factor(step) for step in range(0, steps, stride)]
    return sum(factors) / len(factors) if factors else 1.0


Schedule = Annotated[ConstantSchedule | GradualSchedule | StepSchedule, Field(discriminator="kind")]
