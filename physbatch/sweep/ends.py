"""End states in shards: what a longer run of the same cells goes on from.

Each shard has, for each of its cells, the key of its end state, its place among the bytes of all,
and the time of the shorter run from which the cell itself went on, if any did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from physbatch.engines.end_states import State, unpack_state
from physbatch.engines.point import GridPoint
from physbatch.errors import DatasetError
from physbatch.files.netcdf import open_netcdf

_KEY = "state_key"
_BYTES = "end_state"
_STOP = "end_state_stop"
_BEGAN = "began_at"


class EndState(NamedTuple):
    """The end state of a cell as bytes, none if it has none, and where the cell began."""

    content: bytes
    began_at: int


def end_variables(cells: Sequence[GridPoint], ends: Sequence[EndState]) -> dict[str, Any]:
    """The end states of cells as variables of their shard."""
    content = b"".join(end.content for end in ends)
    keys = [cell.state_key if end.content else "" for cell, end in zip(cells, ends, strict=True)]
    variables: dict[str, Any] = {}
    if any(end.began_at for end in ends):
        variables[_BEGAN] = ("cell", np.array([end.began_at for end in ends]))
    if content:
        stops = np.cumsum([len(end.content) for end in ends])
        variables |= {
            _KEY: ("cell", np.array(keys, dtype=np.bytes_)),
            _STOP: ("cell", stops),
            _BYTES: ("end_state_byte", np.frombuffer(content, dtype=np.uint8)),
        }
    return variables


def state_keys(shard: xr.Dataset) -> list[str] | None:
    """Key of the end state of each cell, empty without one; None if the shard has none."""
    if not {_KEY, _STOP, _BYTES} <= set(map(str, shard.variables)):
        return None
    keys: list[str] = np.atleast_1d(shard[_KEY].values).astype(str).tolist()
    return keys


def add_begun(counts: Counter[int], shard: xr.Dataset) -> None:
    """Count the cells of a shard by the time of the shorter run from which they went on."""
    if _BEGAN in shard:
        counts.update(np.atleast_1d(shard[_BEGAN].values).tolist())
    else:
        counts[0] += shard.sizes["cell"]


def words_for_begun(counts: Mapping[int, int], unit: str) -> str:
    """What a dataset says of cells that went on from shorter runs; empty if there are none.

    Examples
    --------
    >>> words_for_begun({0: 4, 300: 20}, "sweep")
    '20 of 24 cells went on from time 300 (sweep) of a shorter run'
    """
    total = sum(counts.values())
    return "; ".join(
        f"{cells} of {total} cells went on from time {time} ({unit}) of a shorter run"
        for time, cells in sorted(counts.items())
        if time
    )


class BegunCells:
    """End states of shorter runs in a folder of shards; the shard read last is kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name, self._shard = "", xr.Dataset()

    def content(self, name: str, cell: GridPoint) -> bytes:
        """The end state that a cell goes on from, in the shard of that name; empty if not there."""
        try:
            if name != self._name:
                self._shard, self._name = open_netcdf(self._folder / name), name
            keys = state_keys(self._shard)
        except DatasetError:  # it was damaged since it was found: the cell starts anew
            return b""
        if keys is None or cell.state_key not in keys:
            return b""
        row = keys.index(cell.state_key)
        stops = [0, *np.atleast_1d(self._shard[_STOP].values).tolist()]
        content: bytes = self._shard[_BYTES].values[stops[row] : stops[row + 1]].tobytes()
        return content

    def of(self, cells: Sequence[GridPoint], begun: Mapping[int, str]) -> dict[int, bytes]:
        """The end states of some cells by number; `begun` has the names of their shards."""
        return {number: self.content(name, cells[number]) for number, name in begun.items()}


def usable(content: bytes) -> State | None:
    """The end state in some bytes; None if there is none."""
    if not content:
        return None
    try:
        return unpack_state(content)
    except DatasetError:
        return None
