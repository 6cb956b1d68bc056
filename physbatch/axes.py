"""The axes of a study: system, dynamics, grid, measurement and seeds, as frozen models.

Every choice of the physics has its field; a choice within one model that makes no sense is
refused here, and one that involves several models in `physbatch.study`.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

__all__ = [
    "BinaryInputs",
    "DenseStudent",
    "DenseWiring",
    "Dynamics",
    "GaussianInputs",
    "Greedy",
    "Grid",
    "LearningRate",
    "LinearTimes",
    "ListedTimes",
    "LogTimes",
    "Measurement",
    "Metropolis",
    "PatternInputs",
    "RegularWiring",
    "SGD",
    "Seed",
    "System",
    "TeacherStudent",
    "TreeWiring",
]

PositiveInt = Annotated[int, Field(gt=0, strict=True)]
SeedInt = Annotated[int, Field(ge=0, lt=2**63, strict=True)]
Finite = Annotated[float, Field(allow_inf_nan=False)]

#: More grid points than anyone means to run; a mistyped step is refused before it fills memory.
MAX_VALUES = 1_000_000


class Model(BaseModel):
    """Base of all study models: immutable, and unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# --- the system -------------------------------------------------------------------------


class BinaryInputs(Model):
    """x uniform in {-1, +1}^N, fresh for every batch."""

    kind: Literal["binary"]


class GaussianInputs(Model):
    """x ~ N(0, I_N), fresh for every batch."""

    kind: Literal["gaussian"]


class PatternInputs(Model):
    """A finite set of P patterns, drawn once per replica.

    `label_noise` is a variance for continuous outputs, a flip rate for sign outputs.
    """

    kind: Literal["patterns"]
    of: Literal["binary", "gaussian"] = "gaussian"
    count: PositiveInt | None = None
    label_noise: Annotated[Finite, Field(ge=0)] = 0.0


Inputs = Annotated[BinaryInputs | GaussianInputs | PatternInputs, Field(discriminator="kind")]


class RegularWiring(Model):
    """Random d-regular bipartite graph between consecutive layers of N units."""

    kind: Literal["regular"]
    degree: PositiveInt | None = None


class TreeWiring(Model):
    """Non-overlapping receptive fields of d units."""

    kind: Literal["tree"]
    degree: PositiveInt | None = None


class DenseWiring(Model):
    """Every unit of the M hidden ones reads the whole layer before."""

    kind: Literal["dense"]
    hidden_units: PositiveInt | None = None


Wiring = Annotated[RegularWiring | TreeWiring | DenseWiring, Field(discriminator="kind")]


class TeacherStudent(Model):
    """The student knows the teacher's graph."""

    kind: Literal["teacher"]


class DenseStudent(Model):
    """The student is dense: it must find the teacher's graph."""

    kind: Literal["dense"]
    hidden_units: PositiveInt | None = None


StudentWiring = Annotated[TeacherStudent | DenseStudent, Field(discriminator="kind")]


class System(Model):
    """What is learned: a teacher and a student of the same kind."""

    wiring: Wiring
    depth: PositiveInt = 2
    output: Literal["vector", "scalar"] = "vector"
    activation: Literal["sign", "erf", "tanh", "relu", "linear"] = "sign"
    weights: Literal["binary", "ternary", "continuous"] = "binary"
    inputs: Inputs = BinaryInputs(kind="binary")
    learned_layers: Literal["all", "first"] = "all"
    student_wiring: StudentWiring = TeacherStudent(kind="teacher")
    field_scaling: Literal["unscaled", "sqrt_fan_in"] = "unscaled"
    initial_overlap: Annotated[Finite, Field(ge=-1, le=1)] = 0.0
    #: Whether the last layer's field passes through the activation, or is the output itself
    #: (a soft committee).
    readout: Literal["activated", "linear"] = "activated"
    #: First-layer vectors of a dense continuous teacher: independent Gaussian ones, or
    #: orthogonal ones of squared length N (T = 1 exactly).
    teacher_vectors: Literal["random", "orthogonal"] = "random"

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        dense_student = self.student_wiring.kind == "dense"
        if self.activation == "sign" and self.weights == "continuous":
            raise ValueError(
                "activation 'sign' has no gradient, so continuous weights cannot be learned; "
                "use erf or tanh, or binary weights"
            )
        if self.weights == "ternary" and not dense_student:
            raise ValueError(
                "ternary weights are for a dense student of a sparse teacher; "
                "set student_wiring to dense or weights to binary"
            )
        if self.weights == "binary" and dense_student and self.wiring.kind != "dense":
            raise ValueError(
                "a dense student with binary weights cannot become sparse; use ternary weights"
            )
        if self.readout == "linear" and self.weights != "continuous":
            raise ValueError("readout 'linear' needs continuous weights")
        if self.teacher_vectors == "orthogonal" and (
            self.wiring.kind != "dense" or self.weights != "continuous"
        ):
            raise ValueError("orthogonal teacher_vectors need dense wiring and continuous weights")
        if self.activation == "linear" and self.depth > 1 and self.learned_layers == "all":
            raise ValueError(
                "with linear activation only the product of the layers can be identified; "
                "use depth 1 or learned_layers 'first'"
            )
        return self


# --- the dynamics -----------------------------------------------------------------------


class Greedy(Model):
    """Zero-temperature single-weight moves on mini-batches (discrete weights)."""

    kind: Literal["greedy"]
    ties: Literal["reject", "accept"] = "reject"
    refresh: Literal["sweep", "proposal"] = "sweep"


class Metropolis(Model):
    """Metropolis moves at temperature T > 0 on mini-batches (discrete weights)."""

    kind: Literal["metropolis"]
    temperature: Annotated[Finite, Field(gt=0)] | None = None
    refresh: Literal["sweep", "proposal"] = "sweep"


class LearningRate(Model):
    """eta itself (fixed), m * base (per-sample) or sqrt(m) * base (sqrt)."""

    rule: Literal["fixed", "per-sample", "sqrt"] = "fixed"
    base: Annotated[Finite, Field(gt=0)] | None = None


class SGD(Model):
    """Stochastic gradient descent (continuous weights)."""

    kind: Literal["sgd"]
    engine: Literal["direct", "projected"] = "direct"
    learning_rate: LearningRate = LearningRate()
    loss: Literal["mean-square", "logistic"] = "mean-square"
    momentum: Annotated[Finite, Field(ge=0, lt=1)] = 0.0
    sampling: Literal["one-pass", "with-replacement", "without-replacement"] = "one-pass"
    precision: Literal["float32", "float64"] = "float64"


Dynamics = Annotated[Greedy | Metropolis | SGD, Field(discriminator="kind")]


# --- the grid ---------------------------------------------------------------------------


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


def _sorted_unique(values: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
    if values is None:
        return None
    if len(values) == 0:
        raise ValueError("needs at least one value")
    if len(set(values)) != len(values):
        raise ValueError("holds a value twice")
    return tuple(sorted(values))


BatchSize = Annotated[Finite, Field(ge=1, le=2**24)]


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
        return _sorted_unique(value)

    @model_validator(mode="after")
    def _one_control(self) -> Self:
        if (self.batch_size is None) == (self.batch_ratio is None):
            raise ValueError("give exactly one of batch_size and batch_ratio (m = batch_ratio N)")
        if self.batch_ratio is not None and self.batch_ratio[0] * self.size[0] < 1:
            raise ValueError("batch_ratio times the smallest size is below 1 sample")
        if self.replicas % self.replicas_per_graph:
            raise ValueError("replicas must be a multiple of replicas_per_graph")
        return self

    @property
    def control(self) -> str:
        """Name of the control dimension."""
        return "batch_size" if self.batch_size is not None else "batch_ratio"


# --- measurement and seeds --------------------------------------------------------------


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
    steps for SGD. `success_fraction` is used for continuous weights: success means a
    generalisation error below this fraction of a random student's.
    """

    duration: Annotated[int, Field(gt=0, le=2**40, strict=True)]
    times: Times = LogTimes(kind="log")
    test_samples: Annotated[int, Field(gt=0, le=2**22, strict=True)] = 512
    success_fraction: Annotated[Finite, Field(gt=0, lt=1)] = 0.01

    @model_validator(mode="after")
    def _times_fit(self) -> Self:
        if isinstance(self.times, ListedTimes):
            _sorted_unique(self.times.values)
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


class Seed(Model):
    """Seeds of the random streams; those left out take the value of `study`.

    With the first three fixed and `dynamics` changed, the same disorder is run again.
    """

    study: SeedInt = 1
    wiring: SeedInt | None = None
    teacher: SeedInt | None = None
    start: SeedInt | None = None
    dynamics: SeedInt | None = None

    def of(self, purpose: Literal["wiring", "teacher", "start", "dynamics"]) -> int:
        """The seed in use for a purpose."""
        own: int | None = getattr(self, purpose)
        return self.study if own is None else own
