"""Every call to the system may fail: a small study with the k-th call of each kind failing.

This is the program of `tests/system/test_faults.py`, run under the library `shims.FAULTS`. It loads
everything once and forks a process for each fault. After each, a process without a fault does the
same again, and what it ends with must have the bits of an undisturbed one.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import random
import resource
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from physbatch.cli import main
from physbatch.errors import DatasetError
from physbatch.files import open_netcdf, open_tree
from physbatch.study import Study
from physbatch.sweep import plan as planning

KINDS = ("open", "read", "write", "fsync", "rename", "link", "unlink", "mkdir", "flock", "malloc")
ERRORS = ("ENOSPC", "EIO", "EINTR", "ENOLCK")
#: Ways in which a call goes wrong: it fails, or the process dies there, also in half a write.
FAIL, KILL, KILL_HALFWAY = range(3)

STUDY: dict[str, Any] = {
    "title": "a study for faults",
    "system": {"depth": 2, "wiring": {"kind": "regular", "degree": 3}},
    "dynamics": {"kind": "greedy"},
    "grid": {"size": [6, 9, 12], "batch_size": [2, 3.5, 8], "replicas": 5},
    "measurement": {"duration": 20, "test_samples": 70},
}


@dataclass(frozen=True)
class Fault:
    """The k-th call of a kind goes wrong, or the process dies after some processor seconds."""

    kind: str
    number: int
    error: str
    manner: int
    moment: float = 0.0

    def __str__(self) -> str:
        if self.moment:
            return f"killed after {self.moment:.3f} s"
        how = self.error if self.manner == FAIL else ("killed", "killed halfway")[self.manner - 1]
        return f"{self.kind} {self.number}: {how}"


@dataclass(frozen=True)
class Command:
    """A command on a folder, what is there before it, and the files that it makes."""

    name: str
    words: Callable[[Path], list[str]]
    prepare: Callable[[Path], None]
    outputs: tuple[str, ...]
    codes: tuple[int, ...] = (0, 1, 2)


class Injector:
    """The library that makes calls fail."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None)
        self._library.fault_seen.restype = ctypes.c_long

    def in_child(self, folder: Path, words: list[str], fault: Fault | None) -> tuple[int, str, Any]:
        """Run a command in a fork: its code (minus a signal), what it said, calls by kind."""
        ours, theirs = os.pipe()
        said = folder.with_suffix(".said")
        child = os.fork()
        if child == 0:
            code = 99
            with contextlib.suppress(BaseException):
                code = self._command(folder, words, fault, said, theirs)
            os._exit(code)
        os.close(theirs)
        with open(ours) as stream:
            counts = stream.read()
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status), said.read_text(), json.loads(counts or "{}")

    def _command(
        self, folder: Path, words: list[str], fault: Fault | None, said: Path, counts: int
    ) -> int:
        descriptor = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1) for number in (1, 2))
        if fault and fault.moment:  # SIGPROF, of which a process dies at once
            signal.setitimer(signal.ITIMER_PROF, fault.moment)
            fault = None
        kind = KINDS.index(fault.kind) if fault else 0
        error = getattr(errno, fault.error) if fault else 0
        manner = fault.manner if fault else FAIL
        at = fault.number if fault else 0
        self._library.fault_arm(str(folder).encode(), kind, ctypes.c_long(at), error, manner)
        try:
            return main(words)
        finally:
            self._library.fault_disarm()
            seen = {name: self._library.fault_seen(number) for number, name in enumerate(KINDS)}
            os.write(counts, json.dumps(seen).encode())


def values_of(path: Path) -> dict[str, bytes]:
    """What a file says: the bits of NetCDF variables, or the bytes; DatasetError if damaged."""
    if path.suffix != ".nc":
        return {"": path.read_bytes()}
    with netCDF4.Dataset(path) as file:
        groups = bool(file.groups)
    trees = open_tree(path) if groups else {"": open_netcdf(path)}
    return {
        f"{group}/{name}": np.ascontiguousarray(data[name].values).tobytes()
        if data[name].dtype != object
        else repr(data[name].values.tolist()).encode()
        for group, data in trees.items()
        for name in map(str, data.variables)
    }


def commands(store: Path) -> Iterator[Command]:
    """What is disturbed; `store` holds a finished study, its parts, its analysis."""

    def nothing(folder: Path) -> None:
        shutil.copy(store / "study.toml", folder)

    def parts(folder: Path) -> None:
        nothing(folder)
        shutil.copytree(store / "x.nc.cells", folder / "x.nc.cells")

    def dataset(folder: Path) -> None:
        nothing(folder)
        shutil.copy(store / "x.nc", folder)

    def results(folder: Path) -> None:
        dataset(folder)
        shutil.copy(store / "a.nc", folder)

    yield Command(
        "run",
        lambda f: ["run", f"{f}/study.toml", "-o", f"{f}/x.nc", "-w", "1"],
        nothing,
        ("x.nc",),
    )
    yield Command("merge", lambda f: ["merge", f"{f}/x.nc"], parts, ("x.nc",))
    yield Command(
        "select",
        lambda f: ["select", f"{f}/x.nc", "size=6,9", "-o", f"{f}/s.nc"],
        dataset,
        ("s.nc",),
    )
    yield Command(
        "analyse", lambda f: ["analyse", f"{f}/x.nc", "-o", f"{f}/a.nc"], dataset, ("a.nc",)
    )
    yield Command(
        "report",
        lambda f: ["report", f"{f}/x.nc", f"{f}/a.nc", "-o", f"{f}/r.html"],
        results,
        ("r.html",),
    )


class Campaign:
    """Faults in commands, and what became of them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.injector = folder, Injector()
        self.store = folder / "store"
        self.store.mkdir()
        (self.store / "study.toml").write_text(Study.from_dict(STUDY).to_toml())
        for words in (
            ["run", "study.toml", "-o", "x.nc", "-w", "1"],
            ["analyse", "x.nc", "-o", "a.nc"],
            ["report", "x.nc", "a.nc", "-o", "r.html"],  # everything is loaded and compiled now
        ):
            paths = [str(self.store / word) if "." in word else word for word in words]
            assert main(paths) == 0, words
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []

    def undisturbed(self, command: Command) -> tuple[dict[str, Any], dict[str, int], float]:
        """The files that a command makes, how often it calls what, and its processor seconds."""
        room = self._room(command)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        code, said, calls = self.injector.in_child(room, command.words(room), None)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert code == 0, said
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        files = {name: values_of(room / name) for name in command.outputs}
        shutil.rmtree(room)
        return files, calls, seconds

    def disturb(self, command: Command, fault: Fault, reference: dict[str, Any]) -> None:
        """One fault, what it left, and the same command again."""
        room = self._room(command)
        code, said, _ = self.injector.in_child(room, command.words(room), fault)
        self.counts[f"{command.name} {fault.kind}"] += 1
        wrong = self._judge_first(command, code, said, fault)
        for name in command.outputs:  # absent, or what it must be
            wrong += self._compare(room / name, reference[name], may_be_absent=True)
        again, said_again, _ = self.injector.in_child(room, command.words(room), None)
        if again != 0:
            wrong.append(f"the next run ends with {again}: {said_again[-300:]!r}")
        else:
            for name in command.outputs:
                wrong += self._compare(room / name, reference[name], may_be_absent=False)
            cells = room / "x.nc.cells"
            left = [*cells.glob("lock*"), *cells.glob(".*.tmp")]
            wrong += [f"{path.name} is left" for path in left]
        self.wrong += [f"{command.name}, {fault}: {what}" for what in wrong]
        shutil.rmtree(room)

    def _judge_first(self, command: Command, code: int, said: str, fault: Fault) -> list[str]:
        died = fault.manner != FAIL or fault.kind == "malloc"  # libraries abort without memory
        deaths = (-signal.SIGKILL, -signal.SIGPROF, -signal.SIGABRT, -signal.SIGSEGV)
        if code not in command.codes and not (died and code in deaths):
            return [f"exit code {code}: {said[-300:]!r}"]
        if "Traceback" in said:
            return [f"a traceback: {said[-300:]!r}"]
        return []

    def _compare(self, path: Path, reference: dict[str, bytes], may_be_absent: bool) -> list[str]:
        if not path.exists():
            return [] if may_be_absent else [f"no {path.name}"]
        try:
            values = values_of(path)
        except (DatasetError, OSError) as error:
            return [f"{path.name} is no whole file ({error})"]
        if path.suffix != ".nc":  # pages name their time
            return [] if values[""].rstrip().endswith(b"</html>") else [f"half of {path.name}"]
        differing = [name for name in reference if values.get(name) != reference[name]]
        return [f"{path.name} differs in {differing}"] if differing else []

    def _room(self, command: Command) -> Path:
        room = self.folder / "room"
        room.mkdir()
        command.prepare(room)
        return room


def faults(calls: dict[str, int]) -> Iterator[Fault]:
    """Every call of every kind, in every way that it may go wrong."""
    for kind in KINDS:
        for number in range(1, calls[kind] + 1):
            for error in ERRORS if kind != "malloc" else ERRORS[:1]:
                yield Fault(kind, number, error, FAIL)
            yield Fault(kind, number, "EIO", KILL)
            if kind == "write":
                yield Fault(kind, number, "EIO", KILL_HALFWAY)


def kills(seconds: float, count: int, chance: random.Random) -> Iterator[Fault]:
    """Kills spread evenly over what a command takes, one at random in each part of it."""
    for number in range(count):
        moment = seconds * (number + chance.random()) / count
        yield Fault("moment", number, "EIO", KILL, max(moment, 1e-3))


def run(folder: Path, most: int, moments: int) -> dict[str, Any]:
    """All faults of all commands, of more than `most` a random sample, and kills at `moments`."""
    planning.CELLS_PER_SHARD = 2
    campaign = Campaign(folder)
    todo = []
    calls = {}
    references = {}
    timed = []
    chance = random.Random(most)
    for command in commands(campaign.store):
        references[command.name], calls[command.name], seconds = campaign.undisturbed(command)
        todo += [(command, fault) for fault in faults(calls[command.name])]
        timed += [(command, fault) for fault in kills(seconds, moments // 5, chance)]
    if len(todo) > most:
        todo = chance.sample(todo, most)
    for number, (command, fault) in enumerate((*todo, *timed), 1):
        campaign.disturb(command, fault, references[command.name])
        if number % 50 == 0:
            print(f"{number} faults, wrong: {campaign.wrong}", file=sys.stderr, flush=True)
    return {"faults": dict(campaign.counts), "calls": calls, "wrong": campaign.wrong}


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]).resolve(), *map(int, sys.argv[2:]))))
