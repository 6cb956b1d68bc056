"""End states: where a cell was at the end of its run, from which a longer run goes on.

A checkpoint holds a cell that was stopped, an end state one that is done, at its last time: what
was due then is measured again by whoever goes on. It stands in the cell's shard as a line of JSON,
the names, types and shapes of the arrays, and their bytes. Arrays under the common name
``measured`` have the measuring times along their second dimension, if they have two.
"""

import functools
import json
import math
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from physbatch.engines.point import GridPoint
from physbatch.errors import DatasetError

State = dict[str, npt.NDArray[np.generic]]

#: The common name of what is measured.
MEASURED = "measured"
#: End states of cells that need more bytes are not kept.
MOST_BYTES = 2**26


@runtime_checkable
class Continuable(Protocol):
    """An engine whose cells leave end states."""

    def end_state_bytes(self, point: GridPoint) -> int:
        """About how many bytes the end state of a cell has, before it is compressed."""


def pack_state(state: State) -> bytes:
    """A state as bytes; none at all if they are more than are kept.

    Examples
    --------
    >>> import numpy as np
    >>> unpack_state(pack_state({"step": np.array(7)}))
    {'step': array(7)}
    """
    if sum(array.nbytes for array in state.values()) > MOST_BYTES:
        return b""
    header = _header(tuple((name, array.dtype.str, array.shape) for name, array in state.items()))
    return b"\n".join((header, *(array.tobytes() for array in state.values())))


@functools.lru_cache(maxsize=64)  # that of most cells of a study is the same
def _header(arrays: tuple[tuple[str, str, tuple[int, ...]], ...]) -> bytes:
    return json.dumps(arrays).encode()


def unpack_state(content: bytes) -> State:
    """The state that `pack_state` made bytes of; DatasetError if it did not."""
    head, _, body = content.partition(b"\n")
    state: State = {}
    start = 0
    try:
        for name, kind, shape in json.loads(head):
            dtype, count = np.dtype(kind), math.prod(shape)
            array = np.frombuffer(body, dtype, count, start).reshape(shape)
            state[str(name)] = array.copy()
            start += count * dtype.itemsize + 1
    except (ValueError, TypeError) as error:
        raise DatasetError(f"no end state ({error})", where="shard") from error
    return state


def stretched(state: State, times: int) -> State:
    """A state with room for so many measuring times in all that is measured."""
    longer = dict(state)
    for name, array in state.items():
        if name.startswith(f"{MEASURED}.") and array.ndim > 1:
            fill = np.nan if array.dtype.kind == "f" else 0
            shape = (array.shape[0], times, *array.shape[2:])
            longer[name] = np.full(shape, fill, dtype=array.dtype)
            longer[name][:, : array.shape[1] - 1] = array[:, :-1]
    return longer
