"""What all study models share: they are frozen, strict, and refuse unknown fields."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _number(value: object) -> object:
    """Refuse "4" and true, which would be taken for 4 and 1."""
    if isinstance(value, (str, bool)):
        raise ValueError("must be a number")
    return value


#: Sizes, replicas, degrees ...: more than fits anywhere is a slip, and would overflow later.
PositiveInt = Annotated[int, Field(gt=0, le=2**40, strict=True)]
SeedInt = Annotated[int, Field(ge=0, lt=2**63, strict=True)]
Finite = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Switch = Annotated[bool, Field(strict=True)]

#: Samples of a mini-batch at most.
MOST_SAMPLES = 2**24

#: More grid points than anyone means to run; a mistyped step is refused before it fills memory.
MAX_VALUES = 1_000_000


#: What own code takes: numbers, words and switches by name.
Options = dict[str, bool | int | Annotated[float, Field(allow_inf_nan=False)] | str]


class Model(BaseModel):
    """Base of all study models: immutable, and unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def sorted_unique(values: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
    """The values in order; refused if there is none or one stands twice."""
    if values is None:
        return None
    if len(values) == 0:
        raise ValueError("needs at least one value")
    if len(set(values)) != len(values):
        raise ValueError("holds a value twice")
    return tuple(sorted(values))
