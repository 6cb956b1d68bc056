"""Checkpoints inside long cells: the state of a cell that was stopped between two sweeps.

An engine that can go on from a state offers `Resumable.simulate_resumably`; the sweep then
stops it when a run must end, and saves it from time to time against the day the power fails.
A checkpoint is a plain array file (no pickle) with a checksum. One that is damaged, or of
another version of physbatch, is not used: the cell starts anew.
"""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

import physbatch
from physbatch.errors import DatasetError
from physbatch.files import with_checksum, without_checksum, write_atomic

if TYPE_CHECKING:
    from physbatch.sweep.plan import Cell, Plan

__all__ = ["CellPaused", "Checkpoint", "FileCheckpoint", "Resumable"]

State = dict[str, npt.NDArray[np.generic]]

#: Seconds between two saves of a cell that runs undisturbed.
INTERVAL = 120.0
#: A cell that has run for less is not worth a file when it is stopped: it starts anew.
WORTH_SAVING = 3.0


class CellPaused(Exception):
    """A cell stopped because the run must end; its state is saved if that was worth it."""


class Checkpoint(Protocol):
    """Where an engine finds the state of an earlier run and offers its own."""

    def load(self) -> State | None:
        """The state to go on from; None to start at time 0."""

    def offer(self, state: State) -> None:
        """Called about once a second at a point from which the cell can go on.

        Parameters
        ----------
        state : dict of ndarray
            What `load` will return; it is read at once or not at all.

        Raises
        ------
        CellPaused
            If the run must end; the engine lets it pass.
        """


@runtime_checkable
class Resumable(Protocol):
    """An engine whose cells can be stopped and go on with the same bits."""

    def simulate_resumably(
        self, plan: Plan, cell: Cell, device: str, checkpoint: Checkpoint
    ) -> dict[str, npt.NDArray[np.generic]]:
        """Like `Engine.simulate`, from `checkpoint.load()` on, offering states on the way."""


class FileCheckpoint:
    """The checkpoint of one cell as a file beside the shards.

    Parameters
    ----------
    folder : Path
        The folder of shards.
    key : str
        The key of the cell; everything that the state depends on is in it.
    stop : callable
        Whether the run must end.
    """

    def __init__(self, folder: Path, key: str, stop: Callable[[], bool]) -> None:
        self.path = folder / f"{key}.checkpoint"
        self._stop = stop
        self._began = self._saved = time.monotonic()

    def load(self) -> State | None:
        """The state of an earlier run, if there is one that can be trusted."""
        try:
            content = without_checksum(self.path.read_bytes(), where=str(self.path))
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                state: State = {name: arrays[name] for name in arrays.files}
        except (OSError, DatasetError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        return state if str(state.pop("version", "")) == physbatch.__version__ else None

    def offer(self, state: State) -> None:
        """Save if the run must end or the last save is old."""
        now = time.monotonic()
        stopping = self._stop()
        if now - self._saved >= (WORTH_SAVING if stopping else INTERVAL):
            stream = io.BytesIO()
            arrays: dict[str, Any] = {"version": np.array(physbatch.__version__), **state}
            np.savez(stream, allow_pickle=False, **arrays)
            write_atomic(self.path, with_checksum(stream.getvalue()))
            self._saved = now
        if stopping:
            raise CellPaused

    def drop(self) -> None:
        """The cell is done and its result is on disk."""
        self.path.unlink(missing_ok=True)
