"""What the sweep asks of an engine, and what engines share.

The sweep knows an engine by this protocol alone, and an engine knows grid points alone: plans,
stores and executors are the same for discrete weights, gradient descent and projected dynamics.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from physbatch.dataset import VariableSpec
from physbatch.engines.checkpoint import UNSAVED, Checkpoint
from physbatch.engines.point import GridPoint
from physbatch.study.model import Study
from physbatch.typing import FloatArray, IntArray

#: The variables of one cell, each of the shape (replica, ...) that its specification says.
Arrays = dict[str, npt.NDArray[np.generic]]


class Engine(Protocol):
    """What simulates the cells of a study."""

    def variables(self, study: Study) -> Mapping[str, VariableSpec]:
        """What a cell's result holds: the schema's variables, and those that a study adds."""

    def lengths(self, study: Study) -> Mapping[str, int]:
        """Length of each dimension besides the grid, replica and time."""

    def simulate(self, point: GridPoint, device: str, checkpoint: Checkpoint = UNSAVED) -> Arrays:
        """Run the replicas of a grid point; the data depend on the point alone.

        The checkpoint has the state of an earlier run and is offered others on the way: a cell
        that it stopped (CellPaused) and that goes on gives the same bits.
        """

    def compile(self, points: Sequence[GridPoint]) -> None:
        """Put all kernels that these points need on disk before workers start."""

    def seconds(self, point: GridPoint) -> float:
        """About how long the replicas take on one core if none of them ends early."""

    def replica_bytes(self, point: GridPoint) -> int:
        """About how much memory one replica needs while it runs."""


def unmeasured(engine: Engine, point: GridPoint) -> Arrays:
    """The variables of some replicas, each full of the value that stands for nothing measured."""
    lengths = {
        "replica": point.replicas,
        "time": len(point.times),
        **engine.lengths(point.study),
    }
    return {
        name: np.full([lengths[dim] for dim in spec.dims], spec.fill, dtype=spec.dtype)
        for name, spec in engine.variables(point.study).items()
    }


def share_of(part: IntArray, whole: IntArray) -> FloatArray:
    """The ratio of two counts; nan of an empty batch.

    Examples
    --------
    >>> share_of(np.array([1, 0]), np.array([4, 0]))
    array([0.25,  nan])
    """
    share: FloatArray = np.full(np.shape(whole), np.nan)
    np.divide(part, whole, out=share, where=whole > 0)
    return share


def first_passage_interval(sweeps: IntArray, duration: int) -> Arrays:
    """First passage and its lower bound from the sweep after which a replica was first perfect.

    `sweeps` (replica,) is 0 at the start, -1 if it never was, as is then known up to `duration`.
    """
    passed = sweeps >= 0
    lower = np.where(passed, np.maximum(sweeps - 1, 0), duration)
    return {
        "first_passage": np.where(passed, sweeps, np.inf),
        "first_passage_lower": lower.astype(np.float64),
    }
