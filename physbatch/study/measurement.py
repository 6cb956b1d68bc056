"""How long to run, what to measure when, and the seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from physbatch.study.base import (
    MAX_VALUES,
    Finite,
    Model,
    PositiveInt,
    SeedInt,
    Switch,
    sorted_unique,
)


class LogTimes(Model):
    """Time 0, then about `per_decade` times per factor of ten, and the last time."""

    kind: Literal["log"]
    per_decade: Annotated[int, Field(gt=0, le=1000, strict=True)] = 8


class LinearTimes(Model):
    """Time 0, every `every` units, and the last time."""

    kind: Literal["linear"]
    every: PositiveInt


class ListedTimes(Model):
    """Exactly these times."""

    kind: Literal["list"]
    values: tuple[Annotated[int, Field(ge=0, strict=True)], ...]


Times = Annotated[LogTimes | LinearTimes | ListedTimes, Field(discriminator="kind")]


class Measurement(Model):
    """How long to run and what to measure when.

    `duration` counts sweeps (as many proposals as learnable weights) for discrete weights,
    steps for SGD, or samples seen by SGD if `unit` says so: equal numbers of epochs at every
    batch size, where the state at time t is that after ceil(t/m) steps. `success_fraction` is
    used for continuous weights: success means a generalisation error below this fraction of a
    random student's. `sharpness` adds the largest eigenvalue of the second derivative of the
    loss of classifiers and of tasks in torch. `sharpness_batches` is the number of mini-batches
    over which the curvature of their loss along its own gradient is averaged; all of them where
    there are no more. `gradient_noise` adds the square of the mean gradient of a task and
    the variance of that of one sample. `replica_overlaps` trains two more students of each
    replica of a task in torch, at three times the cost.
    """

    duration: Annotated[int, Field(gt=0, le=2**40, strict=True)]
    unit: Literal["updates", "samples"] = "updates"
    times: Times = LogTimes(kind="log")
    test_samples: Annotated[int, Field(gt=0, le=2**22, strict=True)] = 512
    success_fraction: Annotated[Finite, Field(gt=0, lt=1)] = 0.01
    sharpness: Switch = False
    sharpness_batches: Annotated[int, Field(ge=0, le=4096, strict=True)] = 0
    gradient_noise: Switch = False
    replica_overlaps: Switch = False

    @model_validator(mode="after")
    def _times_fit(self) -> Self:
        if isinstance(self.times, ListedTimes):
            sorted_unique(self.times.values)
            if max(self.times.values) != self.duration:
                raise ValueError(
                    f"the last listed time must be the duration {self.duration}, "
                    f"not {max(self.times.values)}"
                )
        if isinstance(self.times, LinearTimes) and self.duration // self.times.every > MAX_VALUES:
            raise ValueError("more than a million measuring times; measure less often")
        return self

    def measuring_times(self) -> tuple[int, ...]:
        """The times at which everything is measured, in the dynamics' own unit."""
        if isinstance(self.times, ListedTimes):
            return tuple(sorted(self.times.values))
        if isinstance(self.times, LinearTimes):
            return tuple(sorted({*range(0, self.duration + 1, self.times.every), self.duration}))
        count = math.floor(math.log10(self.duration) * self.times.per_decade + 1e-9) + 1
        logarithmic = {round(10 ** (index / self.times.per_decade)) for index in range(count)}
        return tuple(sorted({0, *logarithmic, self.duration}))


def goes_on(times: Sequence[int], old_times: Sequence[int]) -> bool:
    """Whether a run measured at `times` can go on from the end of one measured at `old_times`.

    It must last longer, and measure at the same times before that end.

    Examples
    --------
    >>> goes_on((0, 1, 10, 100), (0, 1, 10, 30)), goes_on((0, 5, 100), (0, 1, 10))
    (True, False)
    """
    end = len(old_times) - 1
    return (
        end >= 0
        and times[-1] > old_times[-1]
        and tuple(times[:end]) == tuple(old_times[:end])
        and times[end] >= old_times[end]
    )


Purpose = Literal["wiring", "teacher", "start", "dynamics"]


class Seed(Model):
    """Seeds of the random streams; those left out take the value of `study`.

    With the first three fixed and `dynamics` changed, the same disorder is run again. In a `paired`
    study a replica has the same disorder (graph, teacher, start, patterns) at every control and
    under every dynamics; otherwise each cell draws its own.
    """

    study: SeedInt = 1
    wiring: SeedInt | None = None
    teacher: SeedInt | None = None
    start: SeedInt | None = None
    dynamics: SeedInt | None = None
    paired: Switch = False

    def of(self, purpose: Purpose) -> int:
        """The seed in use for a purpose."""
        seed: int | None = getattr(self, purpose)
        return self.study if seed is None else seed
