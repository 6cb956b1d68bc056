"""The decisions of a refinement: beside the shards while it runs, and in its dataset.

A row of the dataset's dimension ``decision`` is a cell that was chosen, or the stop; rows of one
``decision_round`` were chosen together, from the data that were there before.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from physbatch.errors import DatasetError
from physbatch.files.atomic import read_regular, write_atomic
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag

#: The file beside the shards.
FILE = "decisions.json"
#: Between flags.
SEPARATOR = " | "
_DIM = "decision"


@dataclass(frozen=True)
class Decision:
    """A cell that was chosen, or a stop, and what was known then.

    Attributes
    ----------
    round : int
        Counts from 1; all rows of a round were chosen from the same data.
    target : str
        The quantity.
    error_wanted : float
        The relative error to reach.
    size, control, replicas : float, float, int
        The cell; of a stop nan, nan and 0. Where every cell gets more replicas size and control
        are nan, and `replicas` is how many they have then.
    value, stderr, low, high : float
        The quantity as it was known, and its central 68 % interval.
    error_before, error_expected : float
        Its relative error, and the one expected after the round.
    cost : float
        About how many core seconds the cell takes, by the model of its engine.
    reason : str
        Why.
    flags : str
        Flags of the quantity, each ``name: text``, separated by ``" | "``.
    """

    round: int
    target: str
    error_wanted: float
    size: float
    control: float
    replicas: int
    value: float
    stderr: float
    low: float
    high: float
    error_before: float
    error_expected: float
    cost: float
    reason: str
    flags: str = ""

    @property
    def stops(self) -> bool:
        """Whether nothing was chosen any more."""
        return self.replicas == 0

    @property
    def estimate(self) -> Estimate:
        """The quantity as it was known."""
        flags = tuple(map(Flag.read, filter(None, self.flags.split(SEPARATOR))))
        return Estimate(self.value, self.stderr, interval68=(self.low, self.high), flags=flags)


_LONG_NAMES = {
    "round": "number of the round",
    "target": "quantity that is asked for",
    "error_wanted": "relative error to reach",
    "size": "size of the cell that was chosen",
    "control": "control of the cell that was chosen; nan: a stop, or all cells",
    "replicas": "replicas of the cell, or of every cell; 0: a stop",
    "value": "the quantity as it was known",
    "stderr": "its standard error",
    "low": "lower end of its central 68 % interval",
    "high": "upper end of its central 68 % interval",
    "error_before": "its relative error",
    "error_expected": "relative error expected after the round",
    "cost": "core seconds of the cell by the model of its engine",
    "reason": "why",
    "flags": "flags of the quantity",
}


def read_decisions(folder: Path) -> list[Decision]:
    """The decisions beside some shards, none without a file; DatasetError if it is damaged."""
    path = folder / FILE
    if not path.is_file():
        return []
    try:
        rows = json.loads(read_regular(path))
        return [Decision(**{name: _number(value) for name, value in row.items()}) for row in rows]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"cannot read the decisions ({error})",
            where=str(path),
            remedy="move the file away; what was computed stays",
        ) from error


def write_decisions(folder: Path, decisions: Sequence[Decision]) -> None:
    """Keep the decisions beside the shards."""
    rows = [
        {name: _plain(value) for name, value in asdict(decision).items()} for decision in decisions
    ]
    write_atomic(folder / FILE, json.dumps(rows, indent=1, allow_nan=False).encode())


def decision_variables(decisions: Sequence[Decision]) -> dict[str, Any]:
    """The decisions as variables of a dataset, each of the dimension ``decision``."""
    if not decisions:
        return {}
    return {
        f"{_DIM}_{field.name}": xr.Variable(
            _DIM,
            np.array([getattr(decision, field.name) for decision in decisions]),
            {"long_name": _LONG_NAMES[field.name]},
        )
        for field in fields(Decision)
    }


def decisions_of(data: xr.Dataset) -> list[Decision]:
    """The decisions that made a dataset, none of one that was not refined.

    Examples
    --------
    >>> import math
    >>> stop = Decision(1, "m_c at N = 100", 0.02, math.nan, math.nan, 0, 13.0, 0.2, 12.8, 13.2,
    ...                 0.015, 0.015, 0.0, "the error is reached")
    >>> decisions_of(xr.Dataset(decision_variables([stop])))[0].reason
    'the error is reached'
    """
    names = [field.name for field in fields(Decision)]
    if f"{_DIM}_round" not in data:
        return []
    columns = [np.atleast_1d(data[f"{_DIM}_{name}"].values).tolist() for name in names]
    return [Decision(*row) for row in zip(*columns, strict=True)]


def _plain(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _number(value: object) -> Any:
    return math.nan if value is None else value
