"""Studies: what to simulate, as frozen models that read and write TOML.

A study names every choice of the physics: the system, the dynamics, the grid of sizes and
control values, what is measured when, and the seeds. A combination that makes no sense is
refused with the reason, and one that is not built yet is refused by name (see
`physbatch.engines.registry`), never silently replaced.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Self

import pydantic
import tomli_w
from pydantic import Field, model_validator

from physbatch.errors import StudyError
from physbatch.results.render import flat_rows, html_table
from physbatch.study.base import Model
from physbatch.study.checks import (
    check_batches,
    check_classified,
    check_distinct,
    check_inputs,
    check_scheduled,
    check_stopping,
    largest_batch,
)
from physbatch.study.dynamics import SGD, Dynamics, Greedy, Metropolis, OwnDynamics
from physbatch.study.grid import Grid
from physbatch.study.measurement import Measurement, Seed
from physbatch.study.own import is_own, own_kind_in_full
from physbatch.study.projection import projected_problems
from physbatch.study.refusals import refusal
from physbatch.study.system import (
    ConvolutionalWiring,
    DenseStudent,
    DenseWiring,
    NoWiring,
    PatternInputs,
    RegularWiring,
    SampleInputs,
    System,
    TreeWiring,
)
from physbatch.study.torch_tasks import check_task, placed, refuse_tasks_of_others, without_folder
from physbatch.systems.architecture import (
    Architecture,
    OddFanIn,
    build_architecture,
    dense_student,
)

#: Parts of a dotted key in a study file, or of a sentence with full stops in one line.
_MOST_PARTS = 500

#: Where a study keeps a parameter that its grid does not sweep; see `Study.path_of`.
FIXED_FIELDS = {
    "degree": "system.wiring.degree",
    "pattern_count": "system.inputs.count",
    "temperature": "dynamics.temperature",
    "learning_rate": "dynamics.learning_rate.base",
    "initial_overlap": "system.initial_overlap",
}


class Study(Model):
    """A complete study.

    Examples
    --------
    >>> from physbatch.study.model import Study
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

    @model_validator(mode="before")
    @classmethod
    def _own_kind_in_short(cls, content: Any) -> Any:
        return own_kind_in_full(content)

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        self._check_swept()
        if self.dynamics.kind not in ("greedy", "metropolis"):
            check_batches(self.grid)
        if is_own(self.system, self.dynamics, self.grid, self.measurement):
            return self
        check_stopping(self.system, self.dynamics)
        if self.system.kind == "torch":
            check_task(self.system, self.dynamics, self.grid, self.measurement)
            return self
        refuse_tasks_of_others(self.dynamics, self.measurement)
        if self.dynamics.kind == "sgd" and self.system.weights != "continuous":
            raise ValueError("dynamics 'sgd' needs continuous weights; use greedy or metropolis")
        if self.dynamics.kind != "sgd" and self.system.weights == "continuous":
            raise ValueError(f"dynamics {self.dynamics.kind!r} needs discrete weights; use sgd")
        if self.measurement.unit == "samples" and self.dynamics.kind != "sgd":
            raise ValueError("measurement.unit 'samples' is for sgd; discrete weights count sweeps")
        inputs = self.system.inputs
        check_inputs(self.system, self.dynamics)
        if isinstance(inputs, SampleInputs):
            self._check_classifier()
            return self
        if isinstance(self.dynamics, SGD):
            self._check_gradient_descent(self.dynamics)
            self._check_projected(self.dynamics)
        else:
            self._check_discrete()
        for size in self.grid.size:
            for degree in self.degrees or (None,):
                self.student_architecture(size, degree)
        return self

    def _check_discrete(self) -> None:
        """What only discrete weights ask for."""
        grid, inputs = self.grid, self.system.inputs
        assert isinstance(self.dynamics, Greedy | Metropolis)  # others are checked elsewhere
        check_scheduled(self.dynamics, grid, self.measurement)
        if self.dynamics.sampling != "subsets" and not isinstance(inputs, PatternInputs):
            raise ValueError("sampling 'epochs' needs a finite set; set inputs.kind to patterns")
        if self.system.weights == "ternary" and min(grid.initial_overlap or (0,)) < 0:
            raise ValueError("grid.initial_overlap of ternary weights must not be negative")
        if isinstance(inputs, PatternInputs):
            check_distinct(inputs, self.dynamics, grid, self.measurement)

    def _check_projected(self, dynamics: SGD) -> None:
        """The overlaps must be a Markov chain of their own."""
        if dynamics.engine != "projected":
            return
        problems = projected_problems(self.system, dynamics, self.grid.size)
        if problems:
            raise ValueError(
                f"projected dynamics is not exact for {', '.join(problems)}; use engine 'direct'"
            )

    def _check_gradient_descent(self, dynamics: SGD) -> None:
        """What only continuous weights ask for."""
        system = self.system
        if isinstance(system.inputs, PatternInputs):
            if dynamics.sampling == "one-pass":
                raise ValueError(
                    "patterns are a finite set; set dynamics.sampling to with-replacement, subsets "
                    "or epochs"
                )
            if dynamics.sampling != "with-replacement":
                check_distinct(system.inputs, dynamics, self.grid, self.measurement)
        elif dynamics.sampling != "one-pass":
            raise ValueError(
                f"sampling {dynamics.sampling!r} needs a finite set; set inputs.kind to patterns"
            )
        relu = "relu" in (system.activation, system.teacher_activation)
        relu_outputs = relu and system.readout == "activated"
        largest_batch(dynamics, self.grid, self.measurement)
        if dynamics.loss != "mean-square" and relu_outputs:
            raise ValueError(
                f"relu outputs have one sign only, so the {dynamics.loss} loss has nothing to tell "
                "apart; use readout 'linear'"
            )
        if system.teacher_vectors == "orthogonal":
            for size in self.grid.size:
                units = self.architecture(size, None).layers[0].units
                if units > size:
                    raise ValueError(
                        f"{units} orthogonal teacher_vectors do not fit into size {size}; set "
                        "wiring.hidden_units"
                    )

    def _check_classifier(self) -> None:
        """Samples are a finite set: batches are drawn from it, whole ones."""
        dynamics = self.dynamics
        if not isinstance(dynamics, SGD) or dynamics.engine != "direct":
            raise ValueError("inputs 'samples' are learned by direct sgd")
        if dynamics.sampling == "one-pass":
            raise ValueError(
                "samples are a finite set; set dynamics.sampling to with-replacement, subsets or "
                "epochs"
            )
        check_classified(dynamics)
        if self.grid.batch_size is None or any(m != int(m) for m in self.grid.batch_size):
            raise ValueError("inputs 'samples' need whole batch sizes in grid.batch_size")
        if self.grid.initial_overlap is not None:
            raise ValueError(
                "inputs 'samples' have no teacher to start from; leave grid.initial_overlap out"
            )

    def _check_swept(self) -> None:
        """Each parameter stands in one place: its own field, or the grid if it is swept."""
        for name, path in FIXED_FIELDS.items():
            # Both have a value for studies that say nothing.
            if name == "initial_overlap" or (name, self.system.kind) == ("pattern_count", "torch"):
                continue
            *steps, field = path.split(".")
            owner: Any = self
            for step in steps:
                owner = getattr(owner, step, None)
            swept = getattr(self.grid, name) is not None
            needed = hasattr(owner, field)
            if swept and not needed:
                raise ValueError(f"grid.{name} means nothing for this system and dynamics")
            if needed and (getattr(owner, field) is not None) == swept:
                raise ValueError(f"give exactly one of {path} and grid.{name}")
        if self.grid.initial_overlap is not None and self.system.initial_overlap != 0:
            raise ValueError("give only one of system.initial_overlap and grid.initial_overlap")

    def path_of(self, dim: str) -> str:
        """Where a study keeps a parameter that its grid does not sweep."""
        if dim == "pattern_count" and self.system.kind == "torch":
            return "system.pattern_count"
        return FIXED_FIELDS[dim]

    @property
    def degrees(self) -> tuple[int, ...]:
        """The degrees d in use (none for dense wiring)."""
        wiring = self.system.wiring
        if not isinstance(wiring, RegularWiring | TreeWiring):
            return ()
        if self.grid.degree is not None:
            return self.grid.degree
        assert wiring.degree is not None  # _check_swept has made sure
        return (wiring.degree,)

    def architecture(self, size: int, degree: int | None) -> Architecture:
        """The teacher's layers at one size and, unless the wiring is dense, degree."""
        wiring = self.system.wiring
        if isinstance(wiring, ConvolutionalWiring | NoWiring):
            raise StudyError(f"wiring {wiring.kind!r} has no layers of independent weights")
        return build_architecture(
            wiring=wiring.kind,
            size=size,
            degree=degree,
            hidden_units=wiring.hidden_units if isinstance(wiring, DenseWiring) else None,
            depth=self.system.depth,
            output=self.system.output,
            learned_layers=self.system.learned_layers,
            odd_fan_in=self._odd_fan_in(self.system.activation == "sign"),
        )

    def student_architecture(self, size: int, degree: int | None) -> Architecture:
        """The student's layers: the teacher's, or dense ones between the same ends."""
        teacher = self.architecture(size, degree)
        student = self.system.student_wiring
        if not isinstance(student, DenseStudent):
            return teacher
        if self.system.wiring.kind == "dense":  # a committee: its upper weights are all 1
            teacher = dataclasses.replace(teacher, learned="all")
        # A ternary unit may leave terms out, so its field can be zero whatever it reads.
        odd = self.system.activation == "sign" and self.system.weights == "binary"
        layers = dense_student(
            teacher,
            student.hidden_units,
            odd_fan_in=self._odd_fan_in(odd),
        )
        return dataclasses.replace(layers, learned=self.system.learned_layers)

    def _odd_fan_in(self, signs: bool) -> OddFanIn:
        """Which fan-ins must be odd, for signs of sums of binary terms."""
        return "above-first" if signs and self.system.gaussian_inputs else signs

    @property
    def bitsliced(self) -> bool:
        """Whether binary weights on a known sparse graph learn from fresh binary inputs."""
        system = self.system
        return (
            system.kind == "teacher-student"
            and system.weights == "binary"
            and system.inputs.kind == "binary"
            and system.inputs.label_noise == 0
            and system.wiring.kind != "dense"
        )

    @property
    def time_units(self) -> str:
        """Unit of the time coordinate."""
        if isinstance(self.dynamics, OwnDynamics):
            return self.dynamics.time_unit
        if self.dynamics.kind != "sgd":
            return "sweep"
        return "sample" if self.measurement.unit == "samples" else "step"

    # --- in and out ---------------------------------------------------------------------

    @classmethod
    def from_dict(cls, content: dict[str, Any], *, where: str = "study") -> Study:
        """Build a study from plain data; StudyError in one line names the field and its fault."""
        try:
            return cls.model_validate(content)
        except pydantic.ValidationError as error:
            raise StudyError(refusal(error, cls), where=where) from error

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> Study:
        """Read a study file; StudyError if it cannot be read, is not TOML or is no valid study."""
        source = Path(path)
        try:
            text = source.read_bytes().decode("utf-8")
            _refuse_long_keys(text, source)
            content = tomllib.loads(text)
        except OSError as error:
            raise StudyError(
                f"cannot read ({error.strerror or error})",
                where=str(source),
                remedy="give the path of a study file",
            ) from error
        except (ValueError, RecursionError) as error:  # also of an integer that never ends
            raise StudyError(
                f"not a TOML file ({str(error) or 'nested too deep'})",
                where=str(source),
                remedy="see analysis/quickstart/study.toml for an example",
            ) from error
        return cls.from_dict(placed(content, source.parent), where=str(source))

    @classmethod
    def from_json(cls, text: str, *, where: str = "study") -> Study:
        """Read a study from its JSON form, for example the ``study`` attribute of a dataset."""
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise StudyError(f"not JSON ({error})", where=where) from error
        if not isinstance(content, dict):
            raise StudyError("not a JSON object", where=where)
        return cls.from_dict(content, where=where)

    def to_toml(self) -> str:
        """The resolved study, every default of its kind of system written out, as TOML."""
        foreign = {"system": self.system.foreign}
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True, exclude=foreign))

    def _repr_html_(self) -> str:
        """A notebook shows every field under the name that a study file uses."""
        rows = [
            row for row in flat_rows(tomllib.loads(self.to_toml())) if row[1] and row[0] != "title"
        ]
        return html_table(self.title, ("field", "value"), rows)

    def canonical_json(self) -> str:
        """Sorted, compact JSON without the fields that have their default value.

        Leaving defaults out keeps the hashes of old studies when a new field arrives.
        """
        return canonical_json(self.model_dump(mode="json", exclude_defaults=True))

    def __hash__(self) -> int:
        return hash(self.canonical_json())

    def hash(self) -> str:
        """SHA-256 of the physics: title, description, references and folders do not count."""
        content = self.model_dump(
            mode="json",
            exclude_defaults=True,
            exclude={"title", "description", "references"},
        )
        return hashlib.sha256(canonical_json(without_folder(content)).encode()).hexdigest()


def _refuse_long_keys(text: str, source: Path) -> None:
    """StudyError for a dotted key that no study has: the parser needs the square of its length.

    >>> _refuse_long_keys("a.b.c = 1", Path("study.toml"))
    """
    for number, line in enumerate(text.splitlines(), 1):
        if line.count(".") < _MOST_PARTS:
            continue
        parts = 0
        for piece in line.split("."):
            parts = parts + 1 if piece.strip() else 0
            if parts > _MOST_PARTS:
                raise StudyError(
                    f"line {number} has a key of more than {_MOST_PARTS} parts",
                    where=str(source),
                    remedy="see analysis/quickstart/study.toml for an example",
                )


def canonical_json(content: Any) -> str:
    """JSON with sorted keys and no white space, the form that is hashed."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
