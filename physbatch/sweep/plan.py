"""From a study to cells: which simulations there are, and what they cost."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import overload

import numpy as np

from physbatch.dataset import SWEPT_DIMS, VariableSpec
from physbatch.engines.end_states import MOST_BYTES, Continuable
from physbatch.engines.point import GridPoint, GridPoints
from physbatch.engines.protocol import Engine
from physbatch.engines.registry import revision_of
from physbatch.study.grid import REPLICAS_PER_CELL
from physbatch.study.model import Study
from physbatch.typing import BoolArray, FloatArray, IntArray

#: Cells are grouped into one shard until it takes about this long.
SECONDS_PER_SHARD = 0.5
CELLS_PER_SHARD = 256

_AT_ONCE = 65_536


class Cells(Sequence[GridPoint]):
    """Cells of a plan by number, made when they are asked for.

    A cell is a grid point with one block of replicas. A plan of ten million cells is a range of
    numbers; the cells would fill ten gigabytes.
    """

    def __init__(self, plan: Plan, ordinals: IntArray) -> None:
        self._plan = plan
        self.ordinals = ordinals

    def __len__(self) -> int:
        return len(self.ordinals)

    @overload
    def __getitem__(self, index: int) -> GridPoint: ...

    @overload
    def __getitem__(self, index: slice) -> Cells: ...

    def __getitem__(self, index: int | slice) -> GridPoint | Cells:
        if isinstance(index, slice):
            return Cells(self._plan, self.ordinals[index])
        return self._plan.cell(int(self.ordinals[index]))

    def __iter__(self) -> Iterator[GridPoint]:
        return (self._plan.cell(int(ordinal)) for ordinal in self.ordinals)


class Plan:
    """All cells of a study that `require_built` has checked, and the engine that simulates them."""

    def __init__(self, study: Study, engine: Engine) -> None:
        self.study, self.engine = study, engine
        #: State of the code that makes the numbers; it is part of every cell's key.
        self.revision = revision_of(study)
        self._points = GridPoints(study, self.revision)

    @cached_property
    def name(self) -> str:
        """Names the study and the code: numbers of cells mean the same under the same name."""
        text = f"plan 2\n{self.study.hash()}\n{self.revision}"
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def times(self) -> tuple[int, ...]:
        """The measuring times."""
        return self._points.times

    @cached_property
    def grid(self) -> dict[str, tuple[float, ...]]:
        """Dimension -> sorted values, in the order of the dataset's dimensions."""
        grid = self.study.grid
        dims: dict[str, tuple[float, ...]] = {"size": grid.size}
        for name in SWEPT_DIMS:
            values = getattr(grid, name)
            if values is not None:
                dims[name] = values
        dims |= grid.options
        dims[grid.control] = getattr(grid, grid.control)
        return dims

    @cached_property
    def variables(self) -> Mapping[str, VariableSpec]:
        """What a cell's result holds."""
        return self.engine.variables(self.study)

    @cached_property
    def lengths(self) -> dict[str, int]:
        """Length of each dimension of a result that is not in the grid."""
        return {
            "replica": self.study.grid.replicas,
            "time": len(self.times),
            **self.engine.lengths(self.study),
        }

    # --- cells --------------------------------------------------------------------------

    @property
    def blocks(self) -> int:
        """Cells at one grid point: blocks of at most `REPLICAS_PER_CELL` replicas."""
        return -(-self.study.grid.replicas // REPLICAS_PER_CELL)

    @cached_property
    def point_count(self) -> int:
        """Number of grid points."""
        return math.prod(len(values) for values in self.grid.values())

    def __len__(self) -> int:
        return self.blocks * self.point_count

    @cached_property
    def present(self) -> BoolArray | None:
        """At which grid points there are cells, shape (points,); None: at all of them."""
        grid = self.study.grid
        if not grid.controls:
            return None
        controls = self.grid[grid.control]
        pairs = np.array([[grid.has(size, value) for value in controls] for size in grid.size])
        between = self.point_count // pairs.size
        return np.repeat(pairs[:, None, :], between, axis=1).ravel()

    @cached_property
    def _point_numbers(self) -> IntArray:
        """Numbers of the grid points at which there are cells."""
        if self.present is None:
            return np.arange(self.point_count, dtype=np.int64)
        return np.flatnonzero(self.present)

    @cached_property
    def cells(self) -> Cells:
        """Every cell, in grid order; `len` of a plan also counts those that a grid lacks."""
        blocks = np.arange(self.blocks, dtype=np.int64)
        return Cells(self, (self._point_numbers[:, None] * self.blocks + blocks).ravel())

    @property
    def points(self) -> Cells:
        """The first cell of every grid point that has cells."""
        return Cells(self, self._point_numbers * self.blocks)

    def cell(self, ordinal: int) -> GridPoint:
        """Cell number `ordinal`; IndexError if there is none."""
        if not 0 <= ordinal < len(self):
            raise IndexError(f"no cell {ordinal} in a plan of {len(self)}")
        number, block = divmod(ordinal, self.blocks)
        coordinates = []
        for dim, values in reversed(self.grid.items()):
            number, index = divmod(number, len(values))
            coordinates.append((dim, values[index]))
        first = block * REPLICAS_PER_CELL
        replicas = min(REPLICAS_PER_CELL, self.study.grid.replicas - first)
        return self._points.at(dict(reversed(coordinates)), first, replicas)

    def ordinal(self, coordinates: Mapping[str, float], first_replica: int) -> int | None:
        """Number of the cell at a grid point; None if the plan has none there."""
        block, rest = divmod(first_replica, REPLICAS_PER_CELL)
        if rest or not 0 <= block < self.blocks:
            return None
        number = 0
        for dim, numbers in self._numbers.items():
            index = numbers.get(float(coordinates[dim]))
            if index is None:
                return None
            number = number * len(numbers) + index
        return number * self.blocks + block

    @cached_property
    def _numbers(self) -> dict[str, dict[float, int]]:
        """Number of each value along its dimension."""
        return {
            dim: {float(value): index for index, value in enumerate(values)}
            for dim, values in self.grid.items()
        }

    @cached_property
    def batch_sizes(self) -> FloatArray:
        """Batch size m of every (size, control) pair."""
        control = self.study.grid.control
        return np.array(
            [
                [self._points.at({"size": size, control: value}).batch_size
                 for value in self.grid[control]]
                for size in self.grid["size"]
            ]
        )  # fmt: skip

    # --- what they cost -----------------------------------------------------------------

    @cached_property
    def _needs(self) -> tuple[FloatArray, int]:
        """Core seconds of the cells of each grid point, and the bytes of the largest cell.

        Shape (1 or 2, points): of a full block, and of the last one if it is smaller.
        """
        full = min(REPLICAS_PER_CELL, self.study.grid.replicas)
        last = self.study.grid.replicas - (self.blocks - 1) * REPLICAS_PER_CELL
        seconds = np.zeros((1 if last == full else 2, self.point_count))
        most = 0
        for number, cell in zip(self._point_numbers.tolist(), self.points, strict=True):
            seconds[0, number] = self.engine.seconds(cell)
            if last != full:
                seconds[1, number] = self.engine.seconds(replace(cell, replicas=last))
            most = max(most, full * self.engine.replica_bytes(cell))
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
    def core_seconds(self) -> float:
        """About how long all cells take on one core if no replica learns before the end."""
        return float(self.costs(self.cells.ordinals).sum())

    @property
    def most_bytes(self) -> int:
        """Memory of the largest cell while it runs."""
        return self._needs[1]

    @cached_property
    def end_state_bytes(self) -> int | None:
        """About how much the end states of all cells need, at most; None if none are kept."""
        if not isinstance(self.engine, Continuable):
            return None
        blocks = self.study.grid.replicas / min(REPLICAS_PER_CELL, self.study.grid.replicas)
        sizes = [self.engine.end_state_bytes(cell) for cell in self.points]
        return round(blocks * sum(size for size in sizes if size <= MOST_BYTES))

    @property
    def point_bytes(self) -> int:
        """Size in memory of all variables at one grid point."""
        return sum(
            math.prod(self.lengths[dim] for dim in spec.dims) * np.dtype(spec.dtype).itemsize
            for spec in self.variables.values()
        )

    @property
    def dataset_bytes(self) -> int:
        """Size in memory of all variables of the dataset."""
        return self.point_count * self.point_bytes


class Group(Cells):
    """The cells of one shard, all of the same replicas; `cost` in core seconds.

    `begun` names the shard of a shorter run for each cell, by its number here, that goes on from
    one.
    """

    def __init__(self, plan: Plan, ordinals: IntArray, cost: float) -> None:
        super().__init__(plan, ordinals)
        self.cost = cost
        self.begun: dict[int, str] = {}

    def go_on(self, begun: Mapping[int, str]) -> None:
        """Let cells go on from shorter runs: number of the cell in the plan -> name of a shard."""
        self.begun = {
            number: begun[ordinal]
            for number, ordinal in enumerate(self.ordinals.tolist())
            if ordinal in begun
        }


def begun_of(cells: Sequence[GridPoint]) -> Mapping[int, str]:
    """The cells, by number, that go on from a shorter run, and the names of its shards."""
    return cells.begun if isinstance(cells, Group) else {}


def group_cells(plan: Plan, ordinals: IntArray) -> Iterator[Group]:
    """Group small neighbouring cells with the same replicas into one shard each."""
    if plan.blocks > 1:
        ordinals = ordinals[np.argsort(ordinals % plan.blocks, kind="stable")]
    first, total, current = 0, 0.0, -1
    for number, (block, cost) in enumerate(_blocks_and_costs(plan, ordinals)):
        full = total >= SECONDS_PER_SHARD or number - first >= CELLS_PER_SHARD
        if number > first and (full or block != current):
            yield Group(plan, ordinals[first:number], total)
            first, total = number, 0.0
        current = block
        total += cost
    if len(ordinals) > first:
        yield Group(plan, ordinals[first:], total)


def _blocks_and_costs(plan: Plan, ordinals: IntArray) -> Iterator[tuple[int, float]]:
    """Block of replicas and cost of each cell, some at a time: lists of millions are large."""
    for start in range(0, len(ordinals), _AT_ONCE):
        part = ordinals[start : start + _AT_ONCE]
        yield from zip((part % plan.blocks).tolist(), plan.costs(part).tolist(), strict=True)
