"""Engines: what simulates a cell, chosen by the study's system and dynamics.

The rest of the sweep knows an engine by the protocol alone: plans, stores and executors are
the same for discrete weights, gradient descent and projected dynamics.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from physbatch.dataset import VariableSpec
from physbatch.study.study import Study
from physbatch.typing import IntArray

if TYPE_CHECKING:
    from physbatch.engines.checkpoint import Checkpoint
    from physbatch.sweep.plan import Cell, Plan

__all__ = [
    "Arrays",
    "Engine",
    "bitsliced",
    "engine_for",
    "first_passage_interval",
    "point_bytes",
    "unmeasured",
]

#: The variables of one cell, each of the shape (replica, ...) that its specification says.
Arrays = dict[str, npt.NDArray[np.generic]]


class Engine(Protocol):
    """What the sweep asks of a dynamics."""

    def variables(self, plan: Plan) -> Mapping[str, VariableSpec]:
        """What a cell's result holds: the schema's variables, and those that a study adds."""

    def lengths(self, plan: Plan) -> Mapping[str, int]:
        """Length of each dimension besides the grid, replica and time."""

    def simulate(self, plan: Plan, cell: Cell, device: str) -> Arrays:
        """Run one cell; the data depend on the plan and the cell alone."""

    def simulate_resumably(
        self, plan: Plan, cell: Cell, device: str, checkpoint: Checkpoint
    ) -> Arrays:
        """The same bits, from `checkpoint.load()` on, offering states on the way.

        Raises
        ------
        CellPaused
            If the checkpoint stops the cell.
        """

    def compile(self, plan: Plan, cells: Sequence[Cell]) -> None:
        """Put all kernels that these cells need on disk before workers start."""

    def seconds(self, plan: Plan, cell: Cell) -> float:
        """About how long one cell takes on one core if no replica ends early."""

    def replica_bytes(self, plan: Plan, cell: Cell) -> int:
        """About how much memory one replica needs while it runs."""


def engine_for(study: Study) -> Engine:
    """The engine that runs a study; `physbatch.engines.support` says what each one can do."""
    if study.system.inputs.kind == "samples":
        from physbatch.engines.classifier import ClassifierEngine

        return ClassifierEngine()
    if study.dynamics.kind == "sgd" and study.dynamics.engine == "projected":
        from physbatch.engines.projected import ProjectedEngine

        return ProjectedEngine()
    if study.dynamics.kind == "sgd":
        from physbatch.engines.gradient import GradientEngine

        return GradientEngine()
    if bitsliced(study):
        from physbatch.engines.binary import BinaryEngine

        return BinaryEngine()
    from physbatch.engines.discrete import DiscreteEngine

    return DiscreteEngine()


def bitsliced(study: Study) -> bool:
    """Whether binary weights on a known sparse graph learn from fresh binary inputs."""
    system = study.system
    return (
        system.weights == "binary"
        and system.inputs.kind == "binary"
        and system.wiring.kind != "dense"
    )


def unmeasured(plan: Plan, replicas: int) -> Arrays:
    """The variables of some replicas, each full of the value that stands for nothing measured."""
    lengths = {**plan.lengths, "replica": replicas}
    return {
        name: np.full([lengths[dim] for dim in spec.dims], spec.fill, dtype=spec.dtype)
        for name, spec in plan.engine.variables(plan).items()
    }


def first_passage_interval(sweeps: IntArray, duration: int) -> Arrays:
    """``first_passage`` and ``first_passage_lower`` from what discrete dynamics counted.

    Parameters
    ----------
    sweeps : ndarray of int, shape (replica,)
        The sweep after which a replica was first perfect, 0 at the start, -1 if it never was.
        The interval is that sweep.
    duration : int
        Sweeps of the run, up to which a replica that never was perfect is known not to be.
    """
    passed = sweeps >= 0
    lower = np.where(passed, np.maximum(sweeps - 1, 0), duration)
    return {
        "first_passage": np.where(passed, sweeps, np.inf),
        "first_passage_lower": lower.astype(np.float64),
    }


def point_bytes(plan: Plan) -> int:
    """Size in memory of all variables at one grid point."""
    lengths = plan.lengths
    return sum(
        math.prod(lengths[dim] for dim in spec.dims) * np.dtype(spec.dtype).itemsize
        for spec in plan.engine.variables(plan).values()
    )
