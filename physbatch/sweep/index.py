"""The index of a store: what happened to which cells, without opening a shard.

One line of JSON for each event, appended by the one run that holds the lock; parts of an array
job have an index each. The index is a convenience: the shards are the truth. A line that is
missing or torn costs the time to read one shard; a line for a shard that is not there, or
that is another file by now, is not believed.

Cells are named by their number in the plan, so the file's name holds that of the plan.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from physbatch.errors import OutputError
from physbatch.files.atomic import open_to_append, read_regular
from physbatch.sweep.lock import Part
from physbatch.typing import IntArray

#: Names of shards; anything else in an index is not followed.
SHARD_NAME = re.compile(r"[0-9a-f]{32}\.nc")


@dataclass(frozen=True)
class ShardNote:
    """A shard that was written: its file and the digest that the file states."""

    name: str
    digest: str


@dataclass
class Record:
    """What the lines of an index say together.

    Cells are numbers in the plan: `shards` holds digest and cells of each file, `old` its cells
    that other code made, `begun` those that can go on from its cells, `failed` the last reason.
    `running`, of each part, has the first cell of the groups in work -> number of cells.
    `cost` is the estimate for what is done, `seconds` the processor time that it took.
    """

    shards: dict[str, tuple[str, IntArray]] = field(default_factory=dict)
    old: dict[str, IntArray] = field(default_factory=dict)
    begun: dict[str, IntArray] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)
    running: dict[str, dict[int, int]] = field(default_factory=dict)
    left_cost: dict[str, float] = field(default_factory=dict)
    workers: dict[str, int] = field(default_factory=dict)
    cost: float = 0.0
    seconds: float = 0.0

    @property
    def seconds_left(self) -> float | None:
        """Expected time of the runs together, if they go on as so far; None if unknown."""
        workers = sum(self.workers.values())
        if not workers or self.cost <= 0:
            return None
        left = sum(max(cost, 0.0) for cost in self.left_cost.values())
        return left * self.seconds / self.cost / workers


class Index:
    """The index that a run appends to, a context that closes its file; OutputError if it cannot."""

    def __init__(self, folder: Path, plan: str, part: Part | None = None) -> None:
        suffix = part.suffix if part else ""
        self.path = folder / f"{_stem(plan)}{suffix}.jsonl"
        self._stream: TextIO | None = None

    def begin(self, workers: int, cost: float) -> None:
        """A run starts: nothing is in flight, and what is left costs `cost`."""
        self._append({"begin": {"workers": workers, "cost": _short(cost)}})

    def take(self, ordinals: IntArray) -> None:
        """A group is handed to a worker."""
        self._append({"take": [int(ordinals[0]), len(ordinals)]})

    def save(self, note: ShardNote, ordinals: IntArray, cost: float, seconds: float) -> None:
        """A shard is on disk."""
        self._append(
            {
                "shard": note.name,
                "digest": note.digest,
                "cells": _ranges(ordinals),
                "cost": _short(cost),
                "seconds": _short(seconds),
            }
        )

    def met(self, note: ShardNote, ordinals: IntArray, others: Mapping[str, IntArray]) -> None:
        """A shard lay there that no index knew; it holds cells.

        `others` are ``old`` ones of other code, and those that are ``begun`` there.
        """
        line: dict[str, Any] = {"shard": note.name, "digest": note.digest}
        line |= {"cells": _ranges(ordinals), "cost": 0.0, "seconds": 0.0}
        self._append(line | {name: _ranges(cells) for name, cells in others.items() if len(cells)})

    def fail(self, ordinal: int, reason: str) -> None:
        """A cell failed."""
        self._append({"failed": ordinal, "reason": reason[:500]})

    def release(self, ordinal: int) -> None:
        """The group that starts with this cell is in no worker's hands any more."""
        self._append({"release": ordinal})

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _append(self, line: Mapping[str, Any]) -> None:
        try:
            if self._stream is None:
                # A run that was killed may have left half a line: an empty one ends it.
                self._stream = os.fdopen(open_to_append(self.path), "a", encoding="utf-8")
                self._stream.write("\n")
            self._stream.write(json.dumps(line, separators=(",", ":")) + "\n")
            self._stream.flush()
        except OSError as error:
            raise OutputError(
                f"cannot write ({error.strerror or error})",
                where=str(self.path),
                remedy="free space or choose another place with -o",
            ) from error


def read_index(folder: Path, plan: str, cells: int) -> Record:
    """What the indices of a plan, of all its parts, say; cells from number `cells` on are not."""
    record = Record()
    stem = _stem(plan)
    for path in sorted(folder.glob(f"{stem}*.jsonl")):
        try:
            lines = read_regular(path).decode("utf-8", errors="replace").splitlines()
        except OSError:
            continue
        part = path.name.removeprefix(stem).removesuffix(".jsonl")
        for line in lines:
            try:
                _apply(record, part, json.loads(line), cells)
            except (ValueError, KeyError, TypeError, IndexError, AttributeError):
                continue
    return record


def _apply(record: Record, part: str, line: Any, cells: int) -> None:
    running = record.running.setdefault(part, {})
    if "begin" in line:
        running.clear()
        record.workers[part] = int(line["begin"]["workers"])
        record.left_cost[part] = float(line["begin"]["cost"])
    elif "take" in line:
        first, count = line["take"]
        running[int(first)] = int(count)
    elif "shard" in line:
        name, ordinals = str(line["shard"]), _numbers(str(line["cells"]), cells)
        if not SHARD_NAME.fullmatch(name):
            return
        record.shards[name] = (str(line["digest"]), ordinals)
        record.old[name] = _numbers(str(line.get("old", "")), cells)
        record.begun[name] = _numbers(str(line.get("begun", "")), cells)
        record.cost += float(line["cost"])
        record.seconds += float(line["seconds"])
        if part in record.left_cost:
            record.left_cost[part] -= float(line["cost"])
        if record.failed:
            for ordinal in ordinals.tolist():
                record.failed.pop(ordinal, None)
    elif "failed" in line:
        if 0 <= int(line["failed"]) < cells:
            record.failed[int(line["failed"])] = str(line["reason"])
    elif "release" in line:
        running.pop(int(line["release"]), None)


def _stem(plan: str) -> str:
    return f"index-{plan[:16]}"


def _short(number: float) -> float:
    return float(f"{number:.4g}")


def _ranges(ordinals: Iterable[int] | IntArray) -> str:
    """``0-9,12`` for the numbers 0 to 9 and 12, in their order."""
    numbers = np.asarray(ordinals, dtype=np.int64)
    if not numbers.size:
        return ""
    starts = np.flatnonzero(np.diff(numbers, prepend=numbers[:1] - 2) != 1)
    stops = np.append(starts[1:], len(numbers)) - 1
    pieces = zip(numbers[starts].tolist(), numbers[stops].tolist(), strict=True)
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in pieces)


def _numbers(text: str, cells: int) -> IntArray:
    """The numbers that `_ranges` wrote; ValueError if it did not, or one is not below `cells`."""
    pieces = [np.empty(0, dtype=np.int64)]
    for piece in filter(None, text.split(",")):
        first, _, last = piece.partition("-")
        low, high = int(first), int(last or first)
        if not 0 <= low <= high < cells:
            raise ValueError(piece)
        pieces.append(np.arange(low, high + 1, dtype=np.int64))
    return np.concatenate(pieces)
