"""Every call to the system may fail: a small study with the k-th call of each kind failing.

    python -m tests.system.faults FOLDER --ways 100000 --moments 1000

is the program of `tests/system/test_faults.py`; it puts itself under the library `shims.FAULTS`. It
loads everything once and forks a process for each fault. After each, a process without a fault does
the same again, and what it ends with must have the bits of an undisturbed one. Each outcome is
a line of `FOLDER/outcomes.jsonl`; the same command again goes on there, if physbatch is the same.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import errno
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from physbatch.cli import main
from physbatch.errors import DatasetError
from physbatch.files import netcdf, open_netcdf, open_tree
from physbatch.study import Study
from physbatch.sweep import assembly
from physbatch.sweep import plan as planning
from tests.system.shims import FAULTS, build

#: Ways in which a call goes wrong: it fails, or the process dies there, also in half a write.
FAIL, KILL, KILL_HALFWAY = range(3)
ALL_ERRORS = ("ENOSPC", "EIO", "EINTR", "ENOLCK")
#: The errors of each kind of call, in the order of the library, and whether processes die there:
#: not at calls that change nothing, beside which others do.
KINDS: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
    **dict.fromkeys(("open", "read"), (ALL_ERRORS, (KILL,))),
    "write": (ALL_ERRORS, (KILL, KILL_HALFWAY)),
    **dict.fromkeys(("fsync", "rename", "link", "unlink", "mkdir", "flock"), (ALL_ERRORS, (KILL,))),
    "malloc": (("ENOMEM",), ()),
    "pread": (("EIO",), ()),
    "pwrite": (("ENOSPC", "EIO"), (KILL, KILL_HALFWAY)),
    "truncate": (("ENOSPC", "EIO"), (KILL,)),
    "stat": (("EIO",), ()),
    "list": (("EIO", "EINTR"), (KILL,)),
    "close": (("ENOSPC", "EIO"), (KILL,)),
}

STUDY: dict[str, Any] = {
    "title": "a study for faults",
    "system": {"depth": 2, "wiring": {"kind": "regular", "degree": 3}},
    "dynamics": {"kind": "greedy"},
    "grid": {"size": [6, 9, 12], "batch_size": [2, 8], "replicas": 5},
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
        if self.kind == "moment":
            return f"moment {self.number}: killed"
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
    #: As if files were too large for memory: datasets merged in pieces, files read on the disk.
    in_pieces: bool = False
    on_disk: bool = False


class Injector:
    """The library that makes calls fail."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None)
        self._library.fault_seen.restype = ctypes.c_long

    def in_child(
        self, folder: Path, command: Command, fault: Fault | None
    ) -> tuple[int, str, dict[str, int]]:
        """Run a command in a fork: its code (minus a signal), what it said, calls by kind."""
        ours, theirs = os.pipe()
        said = folder.with_suffix(".said")
        child = os.fork()
        if child == 0:
            code = 99
            with contextlib.suppress(BaseException):
                code = self._command(folder, command, fault, said, theirs)
            os._exit(code)
        os.close(theirs)
        with open(ours) as stream:
            counts = stream.read()
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status), said.read_text(), json.loads(counts or "{}")

    def _command(
        self, folder: Path, command: Command, fault: Fault | None, said: Path, counts: int
    ) -> int:
        descriptor = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1) for number in (1, 2))
        if command.in_pieces:
            assembly.IN_MEMORY_BYTES = 0
        if command.on_disk:
            netcdf.IN_MEMORY_BYTES = -1
        if fault and fault.moment:  # SIGPROF, of which a process dies at once
            signal.setitimer(signal.ITIMER_PROF, fault.moment)
            fault = None
        kind = list(KINDS).index(fault.kind) if fault else 0
        error = getattr(errno, fault.error) if fault else 0
        manner = fault.manner if fault else FAIL
        at = fault.number if fault else 0
        self._library.fault_arm(str(folder).encode(), kind, ctypes.c_long(at), error, manner)
        try:
            return main(command.words(folder))
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
    merge = Command("merge", lambda f: ["merge", f"{f}/x.nc"], parts, ("x.nc",))
    yield merge
    yield replace(merge, name="merge in pieces", in_pieces=True)
    yield Command(
        "select",
        lambda f: ["select", f"{f}/x.nc", "size=6,9", "-o", f"{f}/s.nc"],
        dataset,
        ("s.nc",),
    )
    analyse = Command(
        "analyse", lambda f: ["analyse", f"{f}/x.nc", "-o", f"{f}/a.nc"], dataset, ("a.nc",)
    )
    yield analyse
    yield replace(analyse, name="analyse on the disk", on_disk=True)
    yield Command(
        "report",
        lambda f: ["report", f"{f}/x.nc", f"{f}/a.nc", "-o", f"{f}/r.html"],
        results,
        ("r.html",),
    )


class Journal:
    """Outcomes of faults, a line each; those of other code than this do not count."""

    def __init__(self, path: Path) -> None:
        digest = hashlib.sha256()
        for source in sorted(Path(planning.__file__).parents[1].rglob("*.py")):
            digest.update(source.read_bytes())
        self._code = digest.hexdigest()[:16]
        self._path = path
        self.done: dict[tuple[str, str], list[str]] = {}
        for line in path.read_text().splitlines() if path.exists() else ():
            outcome = json.loads(line)
            if outcome["code"] == self._code:
                self.done[outcome["command"], outcome["fault"]] = outcome["wrong"]

    def add(self, command: str, fault: str, wrong: list[str]) -> None:
        self.done[command, fault] = wrong
        outcome = {"command": command, "fault": fault, "wrong": wrong}
        with open(self._path, "a") as stream:
            stream.write(json.dumps({**outcome, "code": self._code}) + "\n")


class Campaign:
    """Faults in commands, and what became of them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.injector = folder, Injector()
        self.store = folder / "store"
        for old in (self.store, folder / "room"):
            shutil.rmtree(old, ignore_errors=True)
        self.store.mkdir()
        (self.store / "study.toml").write_text(Study.from_dict(STUDY).to_toml())
        for words in (
            ["run", "study.toml", "-o", "x.nc", "-w", "1"],
            ["analyse", "x.nc", "-o", "a.nc"],
            ["report", "x.nc", "a.nc", "-o", "r.html"],  # everything is loaded and compiled now
        ):
            paths = [str(self.store / word) if "." in word else word for word in words]
            assert main(paths) == 0, words
        #: States of the folder from which a command was seen to end well.
        self._mended: set[str] = set()

    def undisturbed(self, command: Command) -> tuple[dict[str, Any], dict[str, int], float]:
        """The files that a command makes, how often it calls what, and its processor seconds."""
        room = self._room(command)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        code, said, calls = self.injector.in_child(room, command, None)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert code == 0, said
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        files = {name: values_of(room / name) for name in command.outputs}
        shutil.rmtree(room)
        return files, calls, seconds

    def disturb(self, command: Command, fault: Fault, reference: dict[str, Any]) -> list[str]:
        """What went wrong after one fault: what it left, and the same command again."""
        room = self._room(command)
        code, said, _ = self.injector.in_child(room, command, fault)
        if fault.moment and code == 0:  # it was quicker than that
            shutil.rmtree(room)
            return self.disturb(command, replace(fault, moment=0.8 * fault.moment), reference)
        wrong = self._judge_first(command, code, said, fault)
        for name in command.outputs:  # absent, or what it must be
            wrong += self._compare(room / name, reference[name], may_be_absent=True)
        state = self._state(command, room) if not wrong else None
        if state is None or state not in self._mended:
            wrong += self._do_again(command, room, reference)
        if state is not None and not wrong:
            self._mended.add(state)
        shutil.rmtree(room)
        return wrong

    def _do_again(self, command: Command, room: Path, reference: dict[str, Any]) -> list[str]:
        code, said, _ = self.injector.in_child(room, command, None)
        if code != 0:
            return [f"the next run ends with {code}: {said[-300:]!r}"]
        wrong = []
        for name in command.outputs:
            wrong += self._compare(room / name, reference[name], may_be_absent=False)
        cells = room / "x.nc.cells"
        left = [*cells.glob("lock*"), *cells.glob(".*.tmp")]
        return wrong + [f"{path.name} is left" for path in left]

    def _state(self, command: Command, room: Path) -> str:
        """Every byte below a folder; of what a command makes, that it is there and right."""
        digest = hashlib.sha256(command.name.encode())
        for path in sorted(room.rglob("*")):
            right = path.parent == room and path.name in command.outputs
            content = path.read_bytes() if path.is_file() and not right else b""
            digest.update(f"{path} {right} {len(content)} ".encode() + content)
        return digest.hexdigest()

    def _judge_first(self, command: Command, code: int, said: str, fault: Fault) -> list[str]:
        deaths = () if fault.manner == FAIL else (-signal.SIGKILL, -signal.SIGPROF)
        if fault.kind == "malloc":  # libraries die of it (docs/reliability.md, "Not covered")
            deaths = (-signal.SIGABRT, -signal.SIGSEGV)
        if code not in (*command.codes, *deaths):
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
    for kind, (errors, deaths) in KINDS.items():
        for number in range(1, calls[kind] + 1):
            for error in errors:
                yield Fault(kind, number, error, FAIL)
            for manner in deaths:
                yield Fault(kind, number, "EIO", manner)


def kills(command: Command, seconds: float, count: int) -> Iterator[Fault]:
    """Kills spread evenly over what a command takes, one at random in each part of it."""
    for number in range(count):
        part = random.Random(f"{command.name} {number}").random()
        moment = seconds * (number + part) / count
        yield Fault("moment", number, "EIO", KILL, max(moment, 1e-3))


def run(folder: Path, ways: int, moments: int) -> dict[str, Any]:
    """All faults of all commands, of more than `ways` a random sample, and kills at `moments`."""
    planning.CELLS_PER_SHARD = 2
    campaign, journal = Campaign(folder), Journal(folder / "outcomes.jsonl")
    everything = list(commands(campaign.store))
    todo: list[tuple[Command, Fault]] = []
    timed: list[tuple[Command, Fault]] = []
    calls, references = {}, {}
    for number, command in enumerate(everything):
        references[command.name], calls[command.name], seconds = campaign.undisturbed(command)
        todo += [(command, fault) for fault in faults(calls[command.name])]
        count = moments * (number + 1) // len(everything) - moments * number // len(everything)
        timed += [(command, fault) for fault in kills(command, seconds, count)]
    chance = random.Random(ways)  # what is done of a campaign that is stopped is a random sample
    every = len(todo)
    # Most calls are those by which HDF5 reads, and many are alike: the others come first.
    todo.sort(key=lambda way: (way[1].kind == "pread" and chance.random() < 0.9, chance.random()))
    todo = [*timed, *todo[:ways]]
    for number, (command, fault) in enumerate(todo, 1):
        key = (command.name, str(fault))
        if key not in journal.done:
            journal.add(*key, campaign.disturb(command, fault, references[command.name]))
        if number % 50 == 0:
            print(f"{number} of {len(todo)}", file=sys.stderr, flush=True)
    outcomes = {key: journal.done[key] for key in ((c.name, str(f)) for c, f in todo)}
    return {
        "ways": every,
        "calls": calls,
        "faults": Counter(f"{name}, {fault.split()[0]}" for name, fault in outcomes),
        "wrong": [f"{', '.join(key)}: {what}" for key, wrong in outcomes.items() for what in wrong],
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--ways", type=int, default=100_000)
    parser.add_argument("--moments", type=int, default=1000)
    return parser.parse_args()


if __name__ == "__main__":
    words = arguments()
    words.folder.mkdir(parents=True, exist_ok=True)
    if "PHYSBATCH_FAULTS" not in os.environ:  # this process again, under the library
        library = build(FAULTS, words.folder.resolve(), "faults")
        environment = {
            **os.environ,
            "PHYSBATCH_FAULTS": "armed",
            "LD_PRELOAD": str(library),
            "HDF5_USE_FILE_LOCKING": "TRUE",  # or no call of flock could fail
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        os.execve(
            sys.executable,
            [sys.executable, "-m", "tests.system.faults", *sys.argv[1:]],
            environment,
        )
    print(json.dumps(run(words.folder.resolve(), words.ways, words.moments)))
