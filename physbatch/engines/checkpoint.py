"""Checkpoints inside long cells: the state of a cell that was stopped between two sweeps.

`Engine.simulate` goes on from a state and offers its own about once a second; the sweep stops it
there when a run must end, and saves it from time to time against the day the power fails. The state
at the end of a cell is kept with its result (`physbatch.engines.end_states`). A
checkpoint is a plain array file (no pickle) with a checksum, and it is bound to its cell: it holds
the cell's key, which depends on the physics and on the code, and the shapes of its arrays. One that
does not fit is set aside, and the cell goes on from the one before it or starts anew.
"""

import contextlib
import io
import json
import os
import time
import zipfile
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

import physbatch
from physbatch.engines.end_states import State, pack_state, stretched
from physbatch.errors import DatasetError
from physbatch.files.atomic import read_regular, set_aside, write_atomic
from physbatch.files.checksums import with_checksum, without_checksum
from physbatch.study.measurement import goes_on

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

    def finish(self, state: State) -> None:
        """Called with the state at the last time; what was measured there is not part of it."""


class _Unsaved:
    """No checkpoint: a cell that runs from its start to its end."""

    def load(self) -> State | None:
        """Nothing to go on from."""
        return None

    def offer(self, state: State) -> None:
        """Nothing is kept."""

    def finish(self, state: State) -> None:
        """Nothing is kept."""


UNSAVED: Checkpoint = _Unsaved()


class Pauses:
    """Cuts the steps of a cell into pieces of about a second and offers its state between them.

    A state of another `device` is not used: its bits may differ. One of a run that ended sooner,
    but measured at the same `times` until then, gets room for those that follow. `steps` are those
    of the first piece; where little is known of their pace, 1.
    """

    def __init__(
        self, checkpoint: Checkpoint, device: str, steps: int = 1, times: Sequence[int] = ()
    ) -> None:
        self._checkpoint = checkpoint
        self._named = {"device": np.array(device), "times": np.array(times, dtype=np.int64)}
        #: The state to go on from; None at time 0, and when it was taken.
        self.state = self._fitting(checkpoint.load())
        self._loaded = None if self.state is None else _shapes(self.state)
        self._steps = max(1, steps)
        self._offered = time.monotonic()

    def _fitting(self, state: State | None) -> State | None:
        """A state of the same device, with columns for all times; None if there is none."""
        if state is None or str(state.pop("device", "")) != str(self._named["device"]):
            return None
        times = self._named["times"].tolist()
        before = state.pop("times", np.array(())).tolist()
        if before == times:
            return state
        return stretched(state, len(times)) if goes_on(times, before) else None

    def take(self) -> State | None:
        """The state to go on from, which is None from then on."""
        state, self.state = self.state, None
        return state

    def finish(self, state: State) -> None:
        """Tell the state of the cell at its last time; what was measured there does not count."""
        self._checkpoint.finish({**self._named, **state})

    def pieces(self, first: int, last: int, state: Callable[[], State]) -> Iterator[int]:
        """The steps up to which to go, one after the other, the last of them `last`.

        `state` is that at the step that was yielded before, or at `first`. CellPaused if the run
        must end, ValueError if the state that was loaded has other arrays than the cell has.
        """
        if self._loaded is not None and self._loaded != _shapes(state()):
            raise ValueError("a state of other shapes")  # numpy may have stretched them
        self._loaded = None
        while first < last:
            if time.monotonic() - self._offered >= PIECE_SECONDS:
                self._checkpoint.offer({**self._named, **state()})
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


def _shapes(state: State) -> dict[str, list[Any]]:
    """Type and shape of each array of a state."""
    return {name: [str(array.dtype), *array.shape] for name, array in state.items()}


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


def checkpointed(folder: Path) -> set[str] | None:
    """Keys of the cells that have checkpoints in a folder of shards; None if that is not known."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name.partition(".checkpoint") for entry in entries]
    except OSError:
        return None
    return {key for key, mark, _ in names if mark}


class FileCheckpoint:
    """The checkpoint of a cell as files beside the shards: the last state, and the one before it.

    Parameters
    ----------
    folder : Path
        Where the shards are.
    key : str
        The key of the cell, which depends on its physics and on the code's revision.
    stop : callable
        Whether the run must end.
    begun : dict of ndarray, optional
        The end state of a shorter run, for a cell without a state of its own.
    there : set of str, optional
        The cells that have files; looked for if not known.

    Attributes
    ----------
    began_at : int
        Time of the shorter run from which the cell went on; 0 if from its start.
    end : bytes
        The end state of the cell, when it is done; empty without one.
    """

    def __init__(
        self,
        folder: Path,
        key: str,
        stop: Callable[[], bool],
        begun: State | None = None,
        there: Container[str] | None = None,
    ) -> None:
        # Strings, not paths: most cells are small, and none of these files is there.
        self._names = tuple(f"{folder}{os.sep}{key}.checkpoint{end}" for end in ("", ".1"))
        self._key = key
        self._stop = stop
        self._used: Path | None = None
        self._there = there is None or key in there
        self._saved = time.monotonic()
        self._begun = begun
        self.began_at, self.end = 0, b""

    @property
    def path(self) -> Path:
        """The file of the last state."""
        return Path(self._names[0])

    @property
    def previous(self) -> Path:
        """The file of the state before it."""
        return Path(self._names[1])

    def load(self) -> State | None:
        """The last state of an earlier run that fits; what does not is set aside."""
        self._used = None
        self.began_at = 0
        there = [Path(name) for name in self._names if self._there and os.path.lexists(name)]
        self._there = bool(there)
        for path in there:
            try:
                content = read_regular(path)
            except OSError:
                set_aside(path)
                continue
            state = self._read(path, content)
            if state is not None:
                self._used = path
                return state
            set_aside(path)
        if self._begun is None:
            return None
        self.began_at = int(self._begun["times"][-1])
        return dict(self._begun)

    def _read(self, path: Path, content: bytes) -> State | None:
        """The state in a file; None if it is damaged, or of another cell, code or version."""
        try:
            content = without_checksum(content, where=str(path))
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                state: State = {name: arrays[name] for name in arrays.files}
            header = json.loads(str(state.pop("header")))
        except (DatasetError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        self.began_at = int(header.pop("began_at", 0))
        return state if header == self._header(state) else None

    def _header(self, state: State) -> dict[str, Any]:
        """What a state must agree with: the cell, the version, and its own shapes."""
        return {"key": self._key, "version": physbatch.__version__, "shapes": _shapes(state)}

    def reject(self) -> bool:
        """Set aside the state that was loaded, from which the cell cannot go on; False if none."""
        used, self._used = self._used, None
        if used is None:
            begun, self._begun = self._begun, None
            return begun is not None
        set_aside(used)
        return True

    def offer(self, state: State) -> None:
        """Save if the run must end or the last save is old."""
        now = time.monotonic()
        stopping = self._stop()
        if now - self._saved >= (WORTH_SAVING if stopping else INTERVAL):
            stream = io.BytesIO()
            header = np.array(json.dumps({**self._header(state), "began_at": self.began_at}))
            arrays: dict[str, Any] = {"header": header, **state}
            np.savez(stream, allow_pickle=False, **arrays)
            with contextlib.suppress(OSError):  # there is none, or the write below says why
                os.replace(self.path, self.previous)
            write_atomic(self.path, with_checksum(stream.getvalue()))
            self._saved, self._there = now, True
            self._used = None
        if stopping:
            raise CellPaused

    def finish(self, state: State) -> None:
        """Keep the end state."""
        self.end = pack_state(state)

    def drop(self) -> None:
        """The cell is done and its result is on disk."""
        for name in self._names if self._there else ():
            with contextlib.suppress(OSError):
                os.unlink(name)
