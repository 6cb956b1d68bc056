"""Sizes, control values and other swept parameters."""

from __future__ import annotations

import math
from typing import Annotated, Any, Self

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from physbatch.dataset import COORDINATES, OPTIONAL_VARIABLES, VARIABLES
from physbatch.study.base import MAX_VALUES, MOST_SAMPLES, Finite, Model, PositiveInt, sorted_unique


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


def _is_table_by_size(value: object) -> bool:
    """Whether a control is given for each size by itself."""
    return isinstance(value, dict) and bool(value) and all(str(name).isdigit() for name in value)


def _numbers(values: object) -> tuple[float, ...]:
    """The sorted numbers of one entry of a table of controls."""
    numbers = _expand_range(values)
    if not isinstance(numbers, (list, tuple)) or not all(
        isinstance(number, (int, float)) and not isinstance(number, bool) for number in numbers
    ):
        raise ValueError("a table of controls has a number, a list or a range for each size")
    return sorted_unique(tuple(float(number) for number in numbers)) or ()


#: Below 1 a batch is empty with the chance 1 - m.
BatchSize = Annotated[Finite, Field(gt=0, le=MOST_SAMPLES)]

#: Replicas of one cell at most; a study with more replicas reuses the blocks already done.
REPLICAS_PER_CELL = 32
#: Cells at most: what a plan can number within a few gigabytes.
_MOST_CELLS = 100_000_000

_SWEPT = (  # fields that are one value or many
    "size",
    "batch_size",
    "batch_ratio",
    "degree",
    "initial_overlap",
    "temperature",
    "learning_rate",
    "pattern_count",
)


#: Parameters of our own systems and dynamics, whose names an option of own code may have.
_PARAMETERS = ("temperature", "learning_rate", "pattern_count")
#: Names of variables of a dataset, which no dimension has.
_RESERVED = {*VARIABLES, *OPTIONAL_VARIABLES}


class Grid(Model):
    """Sizes, control values and other swept parameters; every combination is a cell.

    `options` sweeps numbers that own code takes, each a dimension of its name. A study file may
    give `batch_size`, or `batch_ratio`, as a table by size; `controls` holds that table, and the
    field itself all values of it. Other combinations of size and control are no cells.
    """

    size: tuple[PositiveInt, ...]
    batch_size: tuple[BatchSize, ...] | None = None
    batch_ratio: tuple[Annotated[Finite, Field(gt=0)], ...] | None = None
    degree: tuple[PositiveInt, ...] | None = None
    initial_overlap: tuple[Annotated[Finite, Field(ge=-1, le=1)], ...] | None = None
    temperature: tuple[Annotated[Finite, Field(gt=0)], ...] | None = None
    learning_rate: tuple[Annotated[Finite, Field(gt=0)], ...] | None = None
    pattern_count: tuple[PositiveInt, ...] | None = None
    options: dict[str, tuple[int | Finite, ...]] = Field(default_factory=dict)
    replicas: PositiveInt
    replicas_per_graph: PositiveInt = 1
    controls: dict[int, tuple[Finite, ...]] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _table_of_controls(cls, content: Any) -> Any:
        if not isinstance(content, dict):
            return content
        if "controls" in content:
            raise ValueError("controls is no field; give batch_size as a table by size")
        for name in ("batch_size", "batch_ratio"):
            if _is_table_by_size(content.get(name)):
                table = {int(size): _numbers(values) for size, values in content[name].items()}
                union = {value for values in table.values() for value in values}
                return {**content, name: sorted(union), "controls": dict(sorted(table.items()))}
        return content

    @model_serializer(mode="wrap")
    def _as_in_a_file(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The table stands in the place of the control, as it does in a study file."""
        content: dict[str, Any] = serialise(self)
        content.pop("controls", None)
        if self.controls:
            content[self.control] = {str(size): list(v) for size, v in self.controls.items()}
        return content

    @field_validator(*_SWEPT, mode="before")
    @classmethod
    def _range(cls, value: object) -> object:
        return _expand_range(value)

    @field_validator(*_SWEPT)
    @classmethod
    def _sorted(cls, value: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        return sorted_unique(value)

    @field_validator("options", mode="before")
    @classmethod
    def _ranges(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {name: _expand_range(values) for name, values in value.items()}

    @field_validator("options")
    @classmethod
    def _names(cls, value: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
        for name in value:
            taken = name in _RESERVED or (name in COORDINATES and name not in _PARAMETERS)
            if taken or not name.isidentifier():
                raise ValueError(f"{name!r} cannot be the name of a swept option")
        return {name: sorted_unique(values) or () for name, values in sorted(value.items())}

    @model_validator(mode="after")
    def _one_control(self) -> Self:
        if (self.batch_size is None) == (self.batch_ratio is None):
            raise ValueError("give exactly one of batch_size and batch_ratio (m = batch_ratio N)")
        if self.batch_ratio is not None and self.batch_ratio[-1] * self.size[-1] > MOST_SAMPLES:
            raise ValueError(f"batch_ratio times the largest size is above {MOST_SAMPLES} samples")
        if self.replicas % self.replicas_per_graph:
            raise ValueError("replicas must be a multiple of replicas_per_graph")
        return self

    @model_validator(mode="after")
    def _controls_of_sizes(self) -> Self:
        if self.controls and set(self.controls) != set(self.size):
            differing = sorted(set(self.controls) ^ set(self.size))
            raise ValueError(
                f"{self.control} as a table needs one entry for each size and no other; see size "
                f"{differing[0]}"
            )
        return self

    def has(self, size: float, control: float) -> bool:
        """Whether a combination of size and control is a cell."""
        return not self.controls or control in self.controls[int(size)]

    @model_validator(mode="after")
    def _countable(self) -> Self:
        """A slip such as 10^9 replicas is refused before its plan fills the memory."""
        points = math.prod(len(getattr(self, name) or (None,)) for name in _SWEPT)
        points *= math.prod(map(len, self.options.values()))
        cells = points * math.ceil(self.replicas / REPLICAS_PER_CELL)
        if cells > _MOST_CELLS:
            raise ValueError(
                f"{points} grid points with {self.replicas} replicas each are {cells:.2g} cells, "
                f"more than {_MOST_CELLS:.0e}; take fewer values or replicas"
            )
        return self

    @property
    def control(self) -> str:
        """Name of the control dimension."""
        return "batch_size" if self.batch_size is not None else "batch_ratio"
