"""Checkpoints inside long cells: the state of a cell that was stopped between two sweeps.

`Engine.simulate` goes on from a state and offers its own about once a second; the sweep stops it
there when a run must end, and saves it from time to time against the day the power fails. A
checkpoint is a plain array file (no pickle) with a checksum. One that is damaged, or of another
version of physbatch, is not used: the cell starts anew.
"""

import io
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

import physbatch
from physbatch.errors import DatasetError
from physbatch.files.checksums import with_checksum, without_checksum
from physbatch.files.netcdf import write_atomic

State = dict[str, npt.NDArray[np.generic]]

#: A cell can be stopped about this often, in seconds.
PIECE_SECONDS = 1.0
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

        The state is read at once or not at all. The engine lets pass the `CellPaused` that is
        raised if the run must end.
        """


class _Unsaved:
    """No checkpoint: a cell that runs from its start to its end."""

    def load(self) -> State | None:
        """Nothing to go on from."""
        return None

    def offer(self, state: State) -> None:
        """Nothing is kept."""


UNSAVED: Checkpoint = _Unsaved()


class Pauses:
    """Cuts the steps of a cell into pieces of about a second and offers its state between them.

    A state of another `device` is not used: its bits may differ. `steps` are those of the first
    piece; where little is known of their pace, 1.
    """

    def __init__(self, checkpoint: Checkpoint, device: str, steps: int = 1) -> None:
        self._checkpoint = checkpoint
        self._device = device
        #: The state to go on from; None at time 0, and when it was taken.
        self.state = checkpoint.load()
        if self.state is not None and str(self.state.pop("device", "")) != device:
            self.state = None
        self._steps = max(1, steps)
        self._offered = time.monotonic()

    def take(self) -> State | None:
        """The state to go on from, which is None from then on."""
        state, self.state = self.state, None
        return state

    def pieces(self, first: int, last: int, state: Callable[[], State]) -> Iterator[int]:
        """The steps up to which to go, one after the other, the last of them `last`.

        `state` is that at the step that was yielded before, or at `first`. CellPaused if the run
        must end.
        """
        while first < last:
            if time.monotonic() - self._offered >= PIECE_SECONDS:
                self._checkpoint.offer({"device": np.array(self._device), **state()})
                self._offered = time.monotonic()
            # Odd, so that a kernel that looks around every so many steps does not look there
            # twice, at the end of one piece and at the beginning of the next.
            stop = min(last, (first + self._steps) | 1)
            began = time.perf_counter()
            yield stop
            seconds = max(time.perf_counter() - began, 1e-9)
            pace = int(min((stop - first) * PIECE_SECONDS / seconds, 1e15))
            self._steps = max(1, min(10 * self._steps, pace))
            first = stop


def pack(name: str, arrays: Mapping[str, npt.NDArray[np.generic]]) -> State:
    """Arrays as part of a state, under a common name."""
    return {f"{name}.{key}": values for key, values in arrays.items()}


def unpack(name: str, state: State) -> State:
    """The arrays that `pack` put into a state under a name."""
    prefix = f"{name}."
    return {
        key.removeprefix(prefix): values for key, values in state.items() if key.startswith(prefix)
    }


def unpack_into(arrays: Mapping[str, npt.NDArray[np.generic]], name: str, state: State) -> None:
    """Overwrite the values of arrays by those that `pack` put into a state under a name."""
    for key, values in unpack(name, state).items():
        arrays[key][...] = values


class FileCheckpoint:
    """The checkpoint of a cell as a file beside the shards; `stop` is whether the run must end."""

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
