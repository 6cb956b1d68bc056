"""Sizes, control values and other swept parameters."""

from __future__ import annotations

import math
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from physbatch.study.base import MAX_VALUES, MOST_SAMPLES, Finite, Model, PositiveInt, sorted_unique

__all__ = [
    "Grid",
]


def _expand_range(value: object) -> object:
    """Turn ``{start, stop, step}`` into the values it means, end included."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return [value]
    if not isinstance(value, dict):
        return value
    if set(value) != {"start", "stop", "step"}:
        raise ValueError("a range needs exactly start, stop and step")
    numbers: dict[str, float] = {}
    for name, number in value.items():
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise ValueError(f"{name} of the range must be a number")
        if not math.isfinite(number):
            raise ValueError(f"{name} of the range must be finite")
        numbers[name] = number
    start, stop, step = numbers["start"], numbers["stop"], numbers["step"]
    if step <= 0 or stop < start:
        raise ValueError("a range needs step > 0 and stop >= start")
    count = math.floor((stop - start) / step + 1e-9) + 1
    if count > MAX_VALUES:
        raise ValueError(f"the range holds {count} values, more than {MAX_VALUES}")
    # Twelve digits: 10 + 7 * 0.1 must be the same control value as a typed 10.7.
    values = [float(f"{start + index * step:.12g}") for index in range(count)]
    whole = all(isinstance(number, int) for number in value.values())
    return [int(number) for number in values] if whole else values


BatchSize = Annotated[Finite, Field(ge=1, le=MOST_SAMPLES)]

#: Grid points times blocks of replicas at most: what a plan can number within a few gigabytes.
_MOST_BLOCKS = 100_000_000
_REPLICAS_PER_BLOCK = 32  # a cell holds as many


class Grid(Model):
    """Sizes, control values and other swept parameters; every combination is a cell."""

    size: tuple[PositiveInt, ...]
    batch_size: tuple[BatchSize, ...] | None = None
    batch_ratio: tuple[Annotated[Finite, Field(gt=0)], ...] | None = None
    degree: tuple[PositiveInt, ...] | None = None
    initial_overlap: tuple[Annotated[Finite, Field(ge=-1, le=1)], ...] | None = None
    temperature: tuple[Annotated[Finite, Field(gt=0)], ...] | None = None
    learning_rate: tuple[Annotated[Finite, Field(gt=0)], ...] | None = None
    pattern_count: tuple[PositiveInt, ...] | None = None
    replicas: PositiveInt
    replicas_per_graph: PositiveInt = 1

    @field_validator(
        "size",
        "batch_size",
        "batch_ratio",
        "degree",
        "initial_overlap",
        "temperature",
        "learning_rate",
        "pattern_count",
        mode="before",
    )
    @classmethod
    def _range(cls, value: object) -> object:
        return _expand_range(value)

    @field_validator(
        "size",
        "batch_size",
        "batch_ratio",
        "degree",
        "initial_overlap",
        "temperature",
        "learning_rate",
        "pattern_count",
    )
    @classmethod
    def _sorted(cls, value: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        return sorted_unique(value)

    @model_validator(mode="after")
    def _one_control(self) -> Self:
        if (self.batch_size is None) == (self.batch_ratio is None):
            raise ValueError("give exactly one of batch_size and batch_ratio (m = batch_ratio N)")
        if self.batch_ratio is not None and self.batch_ratio[0] * self.size[0] < 1:
            raise ValueError("batch_ratio times the smallest size is below 1 sample")
        if self.batch_ratio is not None and self.batch_ratio[-1] * self.size[-1] > MOST_SAMPLES:
            raise ValueError(f"batch_ratio times the largest size is above {MOST_SAMPLES} samples")
        if self.replicas % self.replicas_per_graph:
            raise ValueError("replicas must be a multiple of replicas_per_graph")
        return self

    @model_validator(mode="after")
    def _countable(self) -> Self:
        """A slip such as 10^9 replicas is refused before its plan fills the memory."""
        swept = (
            self.size, self.batch_size, self.batch_ratio, self.degree, self.initial_overlap,
            self.temperature, self.learning_rate, self.pattern_count,
        )  # fmt: skip
        points = math.prod(len(values) for values in swept if values is not None)
        blocks = points * math.ceil(self.replicas / _REPLICAS_PER_BLOCK)
        if blocks > _MOST_BLOCKS:
            raise ValueError(
                f"{points} grid points with {self.replicas} replicas each are {blocks:.2g} cells, "
                f"more than {_MOST_BLOCKS:.0e}; take fewer values or replicas"
            )
        return self

    @property
    def control(self) -> str:
        """Name of the control dimension."""
        return "batch_size" if self.batch_size is not None else "batch_ratio"
