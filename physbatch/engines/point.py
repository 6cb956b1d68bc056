"""Grid points: all that an engine may know of what it simulates."""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, get_args

import numpy as np

from physbatch.dynamics.rules import BatchTable, batch_rule, batch_table
from physbatch.streams.keys import StreamKeys, stream_keys
from physbatch.study.dynamics import SGD, Greedy, Metropolis, OwnDynamics
from physbatch.study.measurement import Purpose
from physbatch.study.model import Study, canonical_json
from physbatch.study.system import PatternInputs, SampleInputs
from physbatch.study.torch_tasks import split_task
from physbatch.systems.architecture import Architecture
from physbatch.typing import IntArray


class GridPoints:
    """The grid points of a study; what they have in common is worked out once.

    Parameters
    ----------
    study : Study
        What they are points of.
    revision : str
        State of the code that simulates them, as of `physbatch.engines.registry.revision_of`.

    Examples
    --------
    >>> from physbatch.study.catalogue import study
    >>> point = GridPoints(study("greedy-unit")).at({"size": 9, "batch_size": 4.5}, replicas=8)
    >>> str(point), point.initial_overlap, point.student.learnable
    ('size = 9, batch_size = 4.5', 0.0, 9)
    """

    def __init__(self, study: Study, revision: str = "") -> None:
        self.study, self.revision = study, revision
        self.times = study.measurement.measuring_times()
        self.degrees = study.degrees
        self.teacher = functools.cache(study.architecture)
        self.student = functools.cache(study.student_architecture)

    def __reduce__(self) -> tuple[type[GridPoints], tuple[Study, str]]:
        return GridPoints, (self.study, self.revision)

    def at(
        self, coordinates: Mapping[str, float], first_replica: int = 0, replicas: int = 1
    ) -> GridPoint:
        """The point with these coordinates, one for each dimension of the grid."""
        return GridPoint(self, coordinates, first_replica, replicas)

    @cached_property
    def seeds(self) -> dict[str, int]:
        """The seed of each purpose."""
        purposes: tuple[Purpose, ...] = get_args(Purpose)
        return {purpose: self.study.seed.of(purpose) for purpose in purposes}

    @cached_property
    def physics(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """System and dynamics as plain data, without what depends on the point."""
        system = self.study.system.model_dump(mode="json", exclude_defaults=True)
        system.pop("initial_overlap", None)
        return system, self.study.dynamics.model_dump(mode="json", exclude_defaults=True)

    @cached_property
    def rest_of_key(self) -> str:
        """What names a result besides its physics and its replicas."""
        measurement = self.study.measurement.model_dump(mode="json", exclude_defaults=True)
        lanes = "" if self.study.system.lanes is None else f"\n{self.study.system.lanes} lanes"
        return f"{canonical_json(measurement)}\n{self._named_seeds}{lanes}"

    @cached_property
    def rest_of_state_key(self) -> str:
        """The same of a state that a longer run goes on from: whatever the duration and times."""
        measurement = self.study.measurement.model_dump(
            mode="json", exclude_defaults=True, exclude={"duration", "times"}
        )
        return f"{canonical_json(measurement)}\n{self._named_seeds}\n{self.revision}"

    @property
    def _named_seeds(self) -> str:
        paired = "\npaired" if self.study.seed.paired else ""
        return f"{canonical_json(self.seeds)}{paired}"


@dataclass(frozen=True)
class GridPoint:
    """A grid point of a study and some of its replicas; with a whole block of them, a cell.

    Attributes
    ----------
    points : GridPoints
        The points of the same study.
    coordinates : mapping
        Dimension of the grid -> value, in the order of the dataset's dimensions.
    first_replica, replicas : int
        Number of the first replica, and how many there are.
    """

    points: GridPoints = field(repr=False, compare=False)
    coordinates: Mapping[str, float]
    first_replica: int
    replicas: int

    def __str__(self) -> str:
        return ", ".join(f"{dim} = {value:g}" for dim, value in self.coordinates.items())

    @property
    def study(self) -> Study:
        """The study with all its parts: system, dynamics, measurement ..."""
        return self.points.study

    # --- where it is in the grid --------------------------------------------------------

    @property
    def size(self) -> int:
        """Number of inputs N."""
        return int(self.coordinates["size"])

    @cached_property
    def batch_size(self) -> float:
        """The batch size m."""
        if self.study.grid.control == "batch_size":
            return float(self.coordinates["batch_size"])
        return float(f"{self.coordinates['batch_ratio'] * self.coordinates['size']:.12g}")

    @property
    def largest_batch(self) -> int:
        """Samples of the largest batch that can be drawn."""
        schedule = getattr(self.study.dynamics, "batch_schedule", None)
        largest = 1.0 if schedule is None else schedule.largest
        return batch_rule(self.batch_size * largest).largest

    @property
    def batches(self) -> BatchTable | None:
        """The batches of each sweep of discrete weights; None if they are alike."""
        dynamics = self.study.dynamics
        if not isinstance(dynamics, Greedy | Metropolis):
            return None
        schedule = dynamics.batch_schedule
        if schedule.kind == "constant":
            return None
        sweeps = min(schedule.settled, self.study.measurement.duration) + 1
        return batch_table([self.batch_size * schedule.factor(sweep) for sweep in range(sweeps)])

    @property
    def degree(self) -> int | None:
        """Connectivity d; None for dense wiring."""
        if "degree" in self.coordinates:
            return int(self.coordinates["degree"])
        return self.points.degrees[0] if self.points.degrees else None

    @property
    def initial_overlap(self) -> float:
        """Initial overlap r per weight."""
        return float(self.coordinates.get("initial_overlap", self.study.system.initial_overlap))

    @property
    def pattern_count(self) -> int | None:
        """Number of patterns P; None if every batch is fresh."""
        system = self.study.system
        inputs = system.inputs
        if isinstance(inputs, PatternInputs | SampleInputs):
            fixed = inputs.count
        elif system.kind == "torch":
            fixed = system.pattern_count
        else:
            return None
        count = self.coordinates.get("pattern_count", fixed)
        return None if count is None else int(count)

    @property
    def temperature(self) -> float | None:
        """Temperature T; None for greedy dynamics."""
        dynamics = self.study.dynamics
        if not isinstance(dynamics, Metropolis):
            return None
        temperature = self.coordinates.get("temperature", dynamics.temperature)
        return None if temperature is None else float(temperature)

    @property
    def base_learning_rate(self) -> float:
        """The base of the learning-rate rule; nan for discrete weights."""
        dynamics = self.study.dynamics
        if not isinstance(dynamics, SGD):
            return math.nan
        base = self.coordinates.get("learning_rate", dynamics.learning_rate.base)
        return math.nan if base is None else float(base)

    @property
    def learning_rate(self) -> float:
        """The learning rate eta: base (fixed), m base (per-sample) or sqrt(m) base (sqrt)."""
        dynamics = self.study.dynamics
        rule = dynamics.learning_rate.rule if isinstance(dynamics, SGD) else "fixed"
        factors = {"fixed": 1.0, "per-sample": self.batch_size, "sqrt": math.sqrt(self.batch_size)}
        return factors[rule] * self.base_learning_rate

    @property
    def options(self) -> dict[str, Any]:
        """What own code was told: the options of system and dynamics, fixed and swept ones."""
        study = self.study
        fixed = study.dynamics.options if isinstance(study.dynamics, OwnDynamics) else {}
        swept = {name: self.coordinates[name] for name in study.grid.options}
        return {**study.system.options, **fixed, **swept}

    # --- what is learned, and when it is measured ---------------------------------------

    @property
    def teacher(self) -> Architecture:
        """The layers of the teachers."""
        return self.points.teacher(self.size, self.degree)

    @property
    def student(self) -> Architecture:
        """The layers of the students."""
        return self.points.student(self.size, self.degree)

    @property
    def times(self) -> tuple[int, ...]:
        """The measuring times, in the unit of the dataset's clock."""
        return self.points.times

    @cached_property
    def updates(self) -> IntArray:
        """Number of updates at each measuring time."""
        times = np.array(self.times, dtype=np.int64)
        if self.study.measurement.unit == "updates":
            return times
        return np.ceil(times / self.batch_size).astype(np.int64)

    @property
    def time_of_update(self) -> float:
        """What one update takes on the dataset's clock."""
        return 1.0 if self.study.measurement.unit == "updates" else self.batch_size

    # --- its names ----------------------------------------------------------------------

    @cached_property
    def identity(self) -> str:
        """Canonical text of the physics, the same whether a parameter was swept or fixed.

        With the seeds and the replica it names every random number, so it holds neither the
        duration nor the replicas.
        """
        system, dynamics = self._physics
        return canonical_json(
            {**self._system_of(system), "dynamics": dynamics, "batch_size": self.batch_size}
        )

    @cached_property
    def disorder(self) -> str:
        """The part of the identity that names graph, teacher, start and patterns when paired."""
        return canonical_json({"paired": True, **self._system_of(self._physics[0])})

    def _system_of(self, system: dict[str, Any]) -> dict[str, Any]:
        shared = self.study.grid.replicas_per_graph
        known = {"system": system, "size": self.size}
        return known if shared == 1 else {**known, "replicas_per_graph": shared}

    @property
    def _physics(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """System and dynamics at this point."""
        study = self.study
        system, dynamics = self.points.physics
        resolved = {**system, "initial_overlap": self.initial_overlap}
        if self.points.degrees:
            resolved["wiring"] = {**system["wiring"], "degree": self.degree}
        if isinstance(study.system.inputs, PatternInputs | SampleInputs):
            resolved["inputs"] = {**system["inputs"], "count": self.pattern_count}
        if isinstance(study.dynamics, Metropolis):
            dynamics = {**dynamics, "temperature": self.temperature}
        if isinstance(study.dynamics, SGD):
            rate = {"rule": study.dynamics.learning_rate.rule, "base": self.base_learning_rate}
            dynamics = {**dynamics, "learning_rate": rate}
        if isinstance(study.dynamics, OwnDynamics):
            resolved = {"kind": "own", "options": self.options}
            dynamics = {"kind": "own", "engine": study.dynamics.engine}
        if study.system.task is not None:
            # Neither where the file lies nor what it says: its hash is in the revision.
            name = split_task(study.system.task)[1]
            resolved = {"task": name, "options": self.options}
            if self.pattern_count is not None:
                resolved["pattern_count"] = self.pattern_count
        return resolved, dynamics

    @cached_property
    def key(self) -> str:
        """Hash of the content key and of the code's revision: the name of the result."""
        text = f"cell 2\n{self.content_key}\n{self.points.revision}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @cached_property
    def content_key(self) -> str:
        """Hash of identity, measurement, seeds and replicas: what every state of the code means."""
        replicas = f"{self.first_replica}+{self.replicas}"
        text = f"cell 1\n{self.identity}\n{self.points.rest_of_key}\n{replicas}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @cached_property
    def state_key(self) -> str:
        """Names the cell and the code, whatever the duration: whose end state it can go on from."""
        replicas = f"{self.first_replica}+{self.replicas}"
        text = f"state 1\n{self.identity}\n{self.points.rest_of_state_key}\n{replicas}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def stream_keys(self, more: str = "") -> StreamKeys:
        """The keys of the random numbers; `more` is what else their names depend on."""
        seeds = self.points.seeds
        keys = stream_keys(seeds, self.identity + more)
        if not self.study.seed.paired:
            return keys
        drawn = stream_keys(seeds, self.disorder + more)
        kept = ("wiring", "teacher", "start", "patterns")
        return replace(keys, **{purpose: getattr(drawn, purpose) for purpose in kept})
