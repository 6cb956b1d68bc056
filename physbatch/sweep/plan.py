"""From a study to cells: which simulations there are, what names them, what they cost."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from physbatch.axes import SGD, PatternInputs, SampleInputs
from physbatch.dataset import SWEPT_DIMS
from physbatch.study import Greedy, Metropolis, Study, canonical_json
from physbatch.sweep.engines import Engine, engine_for
from physbatch.systems.architecture import Architecture

__all__ = ["Cell", "Estimate", "Plan", "estimate", "group_cells"]

#: Replicas of one cell at most; a study with more replicas reuses the blocks already done.
REPLICAS_PER_CELL = 32

#: Cells are grouped into one shard until it takes about this long.
SECONDS_PER_SHARD = 0.5
CELLS_PER_SHARD = 256


@dataclass(frozen=True)
class Cell:
    """One grid point and one block of replicas.

    Attributes
    ----------
    identity : str
        Canonical text of the physics of the grid point; with the seeds and the replica it
        names every random number, so it holds neither the duration nor the replica range.
    key : str
        Hash of identity, measurement, seeds and replica range: the name of the result.
    """

    size: int
    batch_size: float
    point: tuple[tuple[str, float], ...]
    first_replica: int
    replicas: int
    identity: str
    key: str

    def coordinate(self, dim: str) -> float:
        """Value of the cell along a grid dimension."""
        return dict(self.point)[dim]


class Plan:
    """All cells of a study.

    Parameters
    ----------
    study : Study
        The study; it must have been checked with `require_built`.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self.times = study.measurement.measuring_times()
        self.engine: Engine = engine_for(study)

    @cached_property
    def grid(self) -> dict[str, tuple[float, ...]]:
        """Dimension -> sorted values, in the order of the dataset's dimensions."""
        grid = self.study.grid
        dims: dict[str, tuple[float, ...]] = {"size": grid.size}
        for name in SWEPT_DIMS:
            values = getattr(grid, name)
            if values is not None:
                dims[name] = values
        dims[grid.control] = getattr(grid, grid.control)
        return dims

    @property
    def lengths(self) -> dict[str, int]:
        """Length of each dimension of a result that is not in the grid."""
        return {
            "replica": self.study.grid.replicas,
            "time": len(self.times),
            **self.engine.lengths(self),
        }

    def __len__(self) -> int:
        blocks = -(-self.study.grid.replicas // REPLICAS_PER_CELL)
        count = blocks
        for values in self.grid.values():
            count *= len(values)
        return count

    @cached_property
    def cells(self) -> list[Cell]:
        """Every cell, in grid order."""
        return list(self._make_cells())

    def _make_cells(self) -> Iterator[Cell]:
        study = self.study
        seeds = canonical_json(self.seeds)
        measurement = canonical_json(
            study.measurement.model_dump(mode="json", exclude_defaults=True)
        )
        total = study.grid.replicas
        for values in itertools.product(*self.grid.values()):
            point = dict(zip(self.grid, values, strict=True))
            batch_size = self.batch_size(point)
            identity = self._identity(point, batch_size)
            for first in range(0, total, REPLICAS_PER_CELL):
                replicas = min(REPLICAS_PER_CELL, total - first)
                text = f"cell 1\n{identity}\n{measurement}\n{seeds}\n{first}+{replicas}"
                yield Cell(
                    size=int(point["size"]),
                    batch_size=batch_size,
                    point=tuple(point.items()),
                    first_replica=first,
                    replicas=replicas,
                    identity=identity,
                    key=hashlib.sha256(text.encode()).hexdigest()[:32],
                )

    @property
    def seeds(self) -> dict[str, int]:
        """The seed of each purpose."""
        seed = self.study.seed
        return {
            "wiring": seed.of("wiring"),
            "teacher": seed.of("teacher"),
            "start": seed.of("start"),
            "dynamics": seed.of("dynamics"),
        }

    def batch_size(self, point: dict[str, float]) -> float:
        """The batch size m of a grid point."""
        if self.study.grid.control == "batch_size":
            return float(point["batch_size"])
        return float(f"{point['batch_ratio'] * point['size']:.12g}")

    @cached_property
    def _resolved_parts(self) -> tuple[dict[str, Any], dict[str, Any]]:
        study = self.study
        system = study.system.model_dump(mode="json", exclude_defaults=True)
        system.pop("initial_overlap", None)
        dynamics = study.dynamics.model_dump(mode="json", exclude_defaults=True)
        return system, dynamics

    def _identity(self, point: dict[str, float], batch_size: float) -> str:
        """The same text whether a parameter was swept or fixed."""
        system, dynamics = self._resolved_parts
        resolved = {**system, "initial_overlap": self.initial_overlap(point)}
        if self.study.degrees:
            resolved["wiring"] = {**system["wiring"], "degree": self.degree(point)}
        if isinstance(self.study.system.inputs, PatternInputs | SampleInputs):
            resolved["inputs"] = {**system["inputs"], "count": self.pattern_count(point)}
        if isinstance(self.study.dynamics, Metropolis):
            dynamics = {**dynamics, "temperature": self.temperature(point)}
        if isinstance(self.study.dynamics, SGD):
            rule = self.study.dynamics.learning_rate.rule
            rate = {"rule": rule, "base": self.base_learning_rate(point)}
            dynamics = {**dynamics, "learning_rate": rate}
        return canonical_json(
            {
                "system": resolved,
                "dynamics": dynamics,
                "size": int(point["size"]),
                "batch_size": batch_size,
            }
        )

    def degree(self, point: dict[str, float]) -> int | None:
        """Connectivity d at a grid point; None for dense wiring."""
        if "degree" in point:
            return int(point["degree"])
        return self.study.degrees[0] if self.study.degrees else None

    def pattern_count(self, point: dict[str, float]) -> int | None:
        """Number of patterns P at a grid point; None if every batch is fresh."""
        inputs = self.study.system.inputs
        if not isinstance(inputs, PatternInputs | SampleInputs):
            return None
        own = point.get("pattern_count", inputs.count)
        return None if own is None else int(own)

    def base_learning_rate(self, point: dict[str, float]) -> float:
        """The base of the learning-rate rule at a grid point; nan for discrete weights."""
        dynamics = self.study.dynamics
        if not isinstance(dynamics, SGD):
            return math.nan
        own = point.get("learning_rate", dynamics.learning_rate.base)
        return math.nan if own is None else float(own)

    def learning_rate(self, point: dict[str, float]) -> float:
        """eta of a grid point: base (fixed), m base (per-sample) or sqrt(m) base (sqrt)."""
        base = self.base_learning_rate(point)
        dynamics = self.study.dynamics
        rule = dynamics.learning_rate.rule if isinstance(dynamics, SGD) else "fixed"
        batch_size = self.batch_size(point)
        return {"fixed": 1.0, "per-sample": batch_size, "sqrt": math.sqrt(batch_size)}[rule] * base

    def initial_overlap(self, point: dict[str, float]) -> float:
        """Initial overlap r per weight at a grid point."""
        return float(point.get("initial_overlap", self.study.system.initial_overlap))

    def temperature(self, point: dict[str, float]) -> float | None:
        """Temperature at a grid point; None for greedy dynamics."""
        dynamics = self.study.dynamics
        if isinstance(dynamics, Greedy) or not isinstance(dynamics, Metropolis):
            return None
        own = point.get("temperature", dynamics.temperature)
        return None if own is None else float(own)

    def updates(self, cell: Cell) -> npt.NDArray[np.int64]:
        """Number of updates of a cell's replicas at each measuring time."""
        times = np.array(self.times, dtype=np.int64)
        if self.study.measurement.unit == "updates":
            return times
        return np.ceil(times / cell.batch_size).astype(np.int64)

    def architecture(self, cell: Cell) -> Architecture:
        """The layers of a cell's teachers."""
        return self.study.architecture(cell.size, self.degree(dict(cell.point)))

    def student_architecture(self, cell: Cell) -> Architecture:
        """The layers of a cell's students."""
        return self.study.student_architecture(cell.size, self.degree(dict(cell.point)))


def group_cells(plan: Plan, cells: Sequence[Cell]) -> Iterator[list[Cell]]:
    """Group small neighbouring cells with the same replicas into one shard each."""
    group: list[Cell] = []
    cost = 0.0
    for cell in sorted(cells, key=lambda one: one.first_replica):
        same = not group or (group[0].first_replica, group[0].replicas) == (
            cell.first_replica,
            cell.replicas,
        )
        if group and (not same or cost >= SECONDS_PER_SHARD or len(group) >= CELLS_PER_SHARD):
            yield group
            group, cost = [], 0.0
        group.append(cell)
        cost += plan.engine.seconds(plan, cell)
    if group:
        yield group


@dataclass(frozen=True)
class Estimate:
    """What a study costs if no replica learns before the end."""

    cells: int
    core_seconds: float
    dataset_bytes: int
    worker_bytes: int


def estimate(plan: Plan) -> Estimate:
    """Number of cells, time on one core and memory of a study."""
    points = len(plan) // -(-plan.study.grid.replicas // REPLICAS_PER_CELL)
    lengths = plan.lengths
    per_point = 0
    for spec in plan.engine.variables(plan).values():
        per_point += math.prod(lengths[dim] for dim in spec.dims) * np.dtype(spec.dtype).itemsize
    return Estimate(
        cells=len(plan),
        core_seconds=sum(plan.engine.seconds(plan, cell) for cell in plan.cells),
        dataset_bytes=points * per_point,
        worker_bytes=max(
            cell.replicas * plan.engine.replica_bytes(plan, cell) for cell in plan.cells
        ),
    )
