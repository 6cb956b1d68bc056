"""From a study to cells: which simulations there are, what names them, what they cost."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from physbatch.dataset import SWEPT_DIMS, VARIABLES
from physbatch.dynamics.rules import batch_rule
from physbatch.study import Greedy, Metropolis, Study, canonical_json
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
        wiring = dict(system["wiring"])
        wiring["degree"] = self.degree(point)
        resolved = {**system, "wiring": wiring, "initial_overlap": self.initial_overlap(point)}
        if isinstance(self.study.dynamics, Metropolis):
            dynamics = {**dynamics, "temperature": self.temperature(point)}
        return canonical_json(
            {
                "system": resolved,
                "dynamics": dynamics,
                "size": int(point["size"]),
                "batch_size": batch_size,
            }
        )

    def degree(self, point: dict[str, float]) -> int:
        """Connectivity d at a grid point."""
        return int(point["degree"]) if "degree" in point else self.study.degrees[0]

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

    def architecture(self, cell: Cell) -> Architecture:
        """The layers of a cell's networks."""
        return self.study.architecture(cell.size, self.degree(dict(cell.point)))


def seconds(plan: Plan, cell: Cell) -> float:
    """About how long one cell takes on one core if no replica learns early.

    Measured on one core at 2.6 GHz (2026-11): 22 ns a proposal and 14 ns for each further
    word of 64 samples. A flip that reaches the outputs through more than one layer touches a
    number of units that grows as d^(L - 2). A fresh batch for each proposal runs the whole
    network twice.
    """
    architecture = plan.architecture(cell)
    words = -(-batch_rule(cell.batch_size).largest // 64)
    proposals = cell.replicas * plan.study.measurement.duration * architecture.learnable
    nanoseconds = 22.0 + 14.0 * (words - 1)
    if architecture.depth > 2:
        nanoseconds *= 3.5 * architecture.layers[0].fan_in ** (architecture.depth - 2)
    if getattr(plan.study.dynamics, "refresh", "sweep") == "proposal":
        nanoseconds += 2.7 * words * architecture.edges
    return 1e-9 * nanoseconds * proposals


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
        cost += seconds(plan, cell)
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
    grid = plan.study.grid
    points = len(plan) // -(-grid.replicas // REPLICAS_PER_CELL)
    lengths = {"replica": grid.replicas, "time": len(plan.times)}
    per_point = 0
    for spec in VARIABLES.values():
        count = 1
        for dim in spec.dims:
            count *= lengths[dim]
        per_point += count * (1 if spec.dtype == "int8" else 8)
    largest = max(
        plan.study.architecture(size, degree).edges
        for size in grid.size
        for degree in plan.study.degrees
    )
    per_replica = largest * 22 + len(plan.times) * 32
    block = min(grid.replicas, REPLICAS_PER_CELL)
    return Estimate(
        cells=len(plan),
        core_seconds=sum(seconds(plan, cell) for cell in plan.cells),
        dataset_bytes=points * per_point,
        worker_bytes=block * per_replica,
    )
