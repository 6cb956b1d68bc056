"""Studies: what to simulate, as frozen models that read and write TOML.

A study names every choice of the physics: the system, the dynamics, the grid of sizes and
control values, what is measured when, and the seeds. Each axis has its field; a combination
that makes no sense is refused with the reason, and one that is not built yet is refused by
name (see `physbatch.support`), never silently replaced.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pydantic
import tomli_w
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from physbatch.errors import StudyError
from physbatch.systems.architecture import Architecture, build_architecture

__all__ = [
    "BinaryInputs",
    "DenseStudent",
    "DenseWiring",
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
    "Study",
    "System",
    "TeacherStudent",
    "TreeWiring",
    "canonical_json",
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


# --- the study --------------------------------------------------------------------------


class Study(Model):
    """A complete study.

    Examples
    --------
    >>> from physbatch.study import Study
    >>> study = Study.from_dict({
    ...     "title": "one unit",
    ...     "system": {"depth": 1, "wiring": {"kind": "tree", "degree": 3}},
    ...     "dynamics": {"kind": "greedy", "ties": "accept", "refresh": "proposal"},
    ...     "grid": {"size": [3], "batch_size": [2], "replicas": 4},
    ...     "measurement": {"duration": 10},
    ... })
    >>> len(study.hash())
    64
    """

    title: Annotated[str, Field(min_length=1, max_length=500)]
    description: Annotated[str, Field(max_length=20_000)] = ""
    references: tuple[str, ...] = ()
    system: System
    dynamics: Dynamics
    grid: Grid
    measurement: Measurement
    seed: Seed = Seed()

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        self._check_swept()
        if self.dynamics.kind == "sgd" and self.system.weights != "continuous":
            raise ValueError("dynamics 'sgd' needs continuous weights; use greedy or metropolis")
        if self.dynamics.kind != "sgd" and self.system.weights == "continuous":
            raise ValueError(f"dynamics {self.dynamics.kind!r} needs discrete weights; use sgd")
        if self.system.wiring.kind != "dense":
            for size in self.grid.size:
                for degree in self.degrees:
                    self.architecture(size, degree)
        return self

    def _check_swept(self) -> None:
        """Each parameter stands in one place: its own field, or the grid if it is swept."""
        wiring, inputs, dynamics = self.system.wiring, self.system.inputs, self.dynamics
        degree = None if isinstance(wiring, DenseWiring) else wiring.degree
        pattern_count = inputs.count if isinstance(inputs, PatternInputs) else None
        temperature = dynamics.temperature if isinstance(dynamics, Metropolis) else None
        rate = dynamics.learning_rate.base if isinstance(dynamics, SGD) else None
        for name, place, own, needed in (
            ("degree", "system.wiring.degree", degree, not isinstance(wiring, DenseWiring)),
            (
                "pattern_count",
                "system.inputs.count",
                pattern_count,
                isinstance(inputs, PatternInputs),
            ),
            (
                "temperature",
                "dynamics.temperature",
                temperature,
                isinstance(dynamics, Metropolis),
            ),
            ("learning_rate", "dynamics.learning_rate.base", rate, isinstance(dynamics, SGD)),
        ):
            swept = getattr(self.grid, name) is not None
            if swept and not needed:
                raise ValueError(f"grid.{name} means nothing for this system and dynamics")
            if needed and (own is not None) == swept:
                raise ValueError(f"give exactly one of {place} and grid.{name}")
        if self.grid.initial_overlap is not None and self.system.initial_overlap != 0:
            raise ValueError("give only one of system.initial_overlap and grid.initial_overlap")

    @property
    def degrees(self) -> tuple[int, ...]:
        """The degrees d in use (none for dense wiring)."""
        wiring = self.system.wiring
        if isinstance(wiring, DenseWiring):
            return ()
        if self.grid.degree is not None:
            return self.grid.degree
        assert wiring.degree is not None  # _check_swept has made sure
        return (wiring.degree,)

    def architecture(self, size: int, degree: int) -> Architecture:
        """The layers at one size and degree."""
        return build_architecture(
            wiring=self.system.wiring.kind,
            size=size,
            degree=degree,
            depth=self.system.depth,
            output=self.system.output,
            learned_layers=self.system.learned_layers,
            odd_fan_in=self.system.activation == "sign" and self.system.weights == "binary",
        )

    @property
    def time_units(self) -> str:
        """Unit of the time coordinate."""
        return "step" if self.dynamics.kind == "sgd" else "sweep"

    # --- in and out ---------------------------------------------------------------------

    @classmethod
    def from_dict(cls, content: dict[str, Any], *, where: str = "study") -> Study:
        """Build a study from plain data.

        Raises
        ------
        StudyError
            With one line that names the field and what is wrong with it.
        """
        try:
            return cls.model_validate(content)
        except pydantic.ValidationError as error:
            raise StudyError(_one_line(error), where=where) from error

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> Study:
        """Read a study file.

        Raises
        ------
        StudyError
            If the file cannot be read, is not TOML, or is not a valid study.
        """
        source = Path(path)
        try:
            content = tomllib.loads(source.read_bytes().decode("utf-8"))
        except OSError as error:
            raise StudyError(
                f"cannot read ({error.strerror or error})",
                where=str(source),
                remedy="give the path of a study file",
            ) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise StudyError(
                f"not a TOML file ({str(error) or 'nested too deep'})",
                where=str(source),
                remedy="see analysis/quickstart/study.toml for an example",
            ) from error
        return cls.from_dict(content, where=str(source))

    @classmethod
    def from_json(cls, text: str, *, where: str = "study") -> Study:
        """Read a study from its JSON form, for example the ``study`` attribute of a dataset."""
        try:
            content = json.loads(text)
        except ValueError as error:
            raise StudyError(f"not JSON ({error})", where=where) from error
        if not isinstance(content, dict):
            raise StudyError("not a JSON object", where=where)
        return cls.from_dict(content, where=where)

    def to_toml(self) -> str:
        """The resolved study, every default written out, as TOML."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))

    def canonical_json(self) -> str:
        """Sorted, compact JSON without the fields that have their default value.

        Leaving defaults out keeps the hashes of old studies when a new field arrives.
        """
        return canonical_json(self.model_dump(mode="json", exclude_defaults=True))

    def hash(self) -> str:
        """SHA-256 of the physics: title, description and references do not count."""
        content = self.model_dump(
            mode="json",
            exclude_defaults=True,
            exclude={"title", "description", "references"},
        )
        return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def canonical_json(content: Any) -> str:
    """JSON with sorted keys and no white space, the form that is hashed."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _one_line(error: pydantic.ValidationError) -> str:
    """The first problem of a validation in words, and how many more there are."""
    problems = error.errors(include_url=False)
    first = problems[0]
    place = ".".join(str(part) for part in first["loc"])
    kind = first["type"]
    if kind == "extra_forbidden":
        text = f"unknown field {place!r}"
    elif kind == "missing":
        text = f"field {place!r} is missing"
    else:
        reason = first["msg"].removeprefix("Value error, ")
        reason = reason[:1].lower() + reason[1:]
        given = first.get("input")
        shown = f" (given: {given!r})" if isinstance(given, (str, int, float, bool)) else ""
        text = f"{place}: {reason}{shown}" if place else reason
    more = len(problems) - 1
    return text if more == 0 else f"{text} (and {more} more problem{'s' if more > 1 else ''})"
