"""From a study to cells: which simulations there are, what names them, what they cost."""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, overload

import numpy as np

from physbatch.dataset import SWEPT_DIMS
from physbatch.engines.protocol import Engine, engine_for
from physbatch.study.dynamics import SGD, Metropolis
from physbatch.study.study import Study, canonical_json
from physbatch.study.system import PatternInputs, SampleInputs
from physbatch.systems.architecture import Architecture
from physbatch.typing import FloatArray, IntArray

__all__ = ["Cell", "Cells", "Group", "Plan", "describe", "group_cells"]

#: Replicas of one cell at most; a study with more replicas reuses the blocks already done.
REPLICAS_PER_CELL = 32

#: Cells are grouped into one shard until it takes about this long.
SECONDS_PER_SHARD = 0.5
CELLS_PER_SHARD = 256

_AT_ONCE = 65_536


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


def describe(cell: Cell) -> str:
    """The grid point of a cell in words."""
    return "cell " + ", ".join(f"{dim} = {value:g}" for dim, value in cell.point)


class Cells(Sequence[Cell]):
    """Cells of a plan by number, made when they are asked for.

    A plan of ten million cells is a range of numbers; the cells would fill ten gigabytes.

    Attributes
    ----------
    ordinals : ndarray of int64
        Numbers of the cells in the plan.
    """

    def __init__(self, plan: Plan, ordinals: IntArray) -> None:
        self._plan = plan
        self.ordinals = ordinals

    def __len__(self) -> int:
        return len(self.ordinals)

    @overload
    def __getitem__(self, index: int) -> Cell: ...

    @overload
    def __getitem__(self, index: slice) -> Cells: ...

    def __getitem__(self, index: int | slice) -> Cell | Cells:
        if isinstance(index, slice):
            return Cells(self._plan, self.ordinals[index])
        return self._plan.cell(int(self.ordinals[index]))

    def __iter__(self) -> Iterator[Cell]:
        return (self._plan.cell(int(ordinal)) for ordinal in self.ordinals)

    def sketches(self) -> Iterator[Cell]:
        """The cells without identity and key, which cost most of the time to make."""
        return (self._plan.cell(int(ordinal), named=False) for ordinal in self.ordinals)


class Plan:
    """All cells of a study.

    Parameters
    ----------
    study : Study
        The study; it must have been checked with `require_built`.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self._architecture = functools.cache(study.architecture)
        self._student_architecture = functools.cache(study.student_architecture)
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

    @property
    def blocks(self) -> int:
        """Cells at one grid point: blocks of at most `REPLICAS_PER_CELL` replicas."""
        return -(-self.study.grid.replicas // REPLICAS_PER_CELL)

    def __len__(self) -> int:
        return self._length

    @cached_property
    def _length(self) -> int:
        return self.blocks * math.prod(len(values) for values in self.grid.values())

    @cached_property
    def cells(self) -> Cells:
        """Every cell, in grid order."""
        return Cells(self, np.arange(len(self), dtype=np.int64))

    def cell(self, ordinal: int, *, named: bool = True) -> Cell:
        """Cell number `ordinal`; without identity and key unless `named`.

        Raises
        ------
        IndexError
            If there is no such cell.
        """
        if not 0 <= ordinal < len(self):
            raise IndexError(f"no cell {ordinal} in a plan of {len(self)}")
        number, block = divmod(ordinal, self.blocks)
        coordinates = []
        for dim, values in reversed(self.grid.items()):
            number, index = divmod(number, len(values))
            coordinates.append((dim, values[index]))
        point = tuple(reversed(coordinates))
        places = dict(point)
        batch_size = self.batch_size(places)
        first = block * REPLICAS_PER_CELL
        replicas = min(REPLICAS_PER_CELL, self.study.grid.replicas - first)
        identity = self._identity(places, batch_size) if named else ""
        text = f"cell 1\n{identity}\n{self._rest_of_key}\n{first}+{replicas}" if named else ""
        return Cell(
            size=int(places["size"]),
            batch_size=batch_size,
            point=point,
            first_replica=first,
            replicas=replicas,
            identity=identity,
            key=hashlib.sha256(text.encode()).hexdigest()[:32] if named else "",
        )

    def ordinal(self, point: Mapping[str, float], first_replica: int) -> int | None:
        """Number of the cell at a grid point; None if the plan has none there."""
        block, rest = divmod(first_replica, REPLICAS_PER_CELL)
        if rest or not 0 <= block < self.blocks:
            return None
        number = 0
        for dim, places in self._places.items():
            index = places.get(float(point[dim]))
            if index is None:
                return None
            number = number * len(places) + index
        return number * self.blocks + block

    @cached_property
    def _places(self) -> dict[str, dict[float, int]]:
        return {
            dim: {float(value): index for index, value in enumerate(values)}
            for dim, values in self.grid.items()
        }

    @cached_property
    def _rest_of_key(self) -> str:
        """What names a result besides its physics and its replicas."""
        measurement = self.study.measurement.model_dump(mode="json", exclude_defaults=True)
        return f"{canonical_json(measurement)}\n{canonical_json(self.seeds)}"

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
        shared = self.study.grid.replicas_per_graph
        return canonical_json(
            {
                "system": resolved,
                "dynamics": dynamics,
                "size": int(point["size"]),
                "batch_size": batch_size,
                **({} if shared == 1 else {"replicas_per_graph": shared}),
            }
        )

    def degree(self, point: dict[str, float]) -> int | None:
        """Connectivity d at a grid point; None for dense wiring."""
        if "degree" in point:
            return int(point["degree"])
        return self._degrees[0] if self._degrees else None

    @cached_property
    def _degrees(self) -> tuple[int, ...]:
        return self.study.degrees

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
        if not isinstance(dynamics, Metropolis):
            return None
        own = point.get("temperature", dynamics.temperature)
        return None if own is None else float(own)

    def updates(self, cell: Cell) -> IntArray:
        """Number of updates of a cell's replicas at each measuring time."""
        times = np.array(self.times, dtype=np.int64)
        if self.study.measurement.unit == "updates":
            return times
        return np.ceil(times / cell.batch_size).astype(np.int64)

    @cached_property
    def _needs(self) -> tuple[FloatArray, int]:
        """Core seconds of the cells of each grid point, and the bytes of the largest cell.

        Shape (1 or 2, points): of a full block, and of the last one if it is smaller.
        """
        full = min(REPLICAS_PER_CELL, self.study.grid.replicas)
        last = self.study.grid.replicas - (self.blocks - 1) * REPLICAS_PER_CELL
        seconds = np.empty((1 if last == full else 2, len(self) // self.blocks))
        most = 0
        for number, cell in enumerate(self.points()):
            seconds[0, number] = self.engine.seconds(self, cell)
            if last != full:
                seconds[1, number] = self.engine.seconds(self, replace(cell, replicas=last))
            most = max(most, full * self.engine.replica_bytes(self, cell))
        return seconds, most

    def costs(self, ordinals: IntArray) -> FloatArray:
        """About how many core seconds some cells take."""
        points, blocks = np.divmod(ordinals, self.blocks)
        seconds, _ = self._needs
        costs: FloatArray = np.where(
            blocks == self.blocks - 1, seconds[-1, points], seconds[0, points]
        )
        return costs

    @property
    def most_bytes(self) -> int:
        """Memory of the largest cell while it runs."""
        return self._needs[1]

    def points(self) -> Iterator[Cell]:
        """The first cell of every grid point, without identity and key."""
        return (self.cell(number, named=False) for number in range(0, len(self), self.blocks))

    def architecture(self, cell: Cell) -> Architecture:
        """The layers of a cell's teachers."""
        return self._architecture(cell.size, self.degree(dict(cell.point)))

    def student_architecture(self, cell: Cell) -> Architecture:
        """The layers of a cell's students."""
        return self._student_architecture(cell.size, self.degree(dict(cell.point)))


class Group(Cells):
    """The cells of one shard, all of the same replicas.

    Attributes
    ----------
    cost : float
        About how many core seconds they take.
    """

    def __init__(self, plan: Plan, ordinals: IntArray, cost: float) -> None:
        super().__init__(plan, ordinals)
        self.cost = cost


def group_cells(plan: Plan, ordinals: IntArray) -> Iterator[Group]:
    """Group small neighbouring cells with the same replicas into one shard each."""
    if plan.blocks > 1:
        ordinals = ordinals[np.argsort(ordinals % plan.blocks, kind="stable")]
    first, total, current = 0, 0.0, -1
    for place, (block, cost) in enumerate(_blocks_and_costs(plan, ordinals)):
        full = total >= SECONDS_PER_SHARD or place - first >= CELLS_PER_SHARD
        if place > first and (full or block != current):
            yield Group(plan, ordinals[first:place], total)
            first, total = place, 0.0
        current = block
        total += cost
    if len(ordinals) > first:
        yield Group(plan, ordinals[first:], total)


def _blocks_and_costs(plan: Plan, ordinals: IntArray) -> Iterator[tuple[int, float]]:
    """Block of replicas and cost of each cell, some at a time: lists of millions are large."""
    for start in range(0, len(ordinals), _AT_ONCE):
        part = ordinals[start : start + _AT_ONCE]
        yield from zip((part % plan.blocks).tolist(), plan.costs(part).tolist(), strict=True)
