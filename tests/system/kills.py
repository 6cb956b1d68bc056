"""SIGKILL at random moments, to anyone, again and again: the end has the undisturbed bits.

    python -m tests.system.kills FOLDER --kills 1000

is the program of `tests/system/test_killed_again_and_again.py`. A round is one dataset. Its runs,
local or on a cluster, are killed one after the other, each in a random phase: it starts, computes,
or merges and writes. Then it is finished, and the index must show that no cell was computed twice
except those in flight when someone was killed. Merge, select, analyse and report are one process,
and are killed in `tests.system.faults`. Everything is loaded once, and a run is a fork. Each round
is a line of `FOLDER/outcomes.jsonl`; the same command goes on there.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import xarray as xr

from physbatch import dataset
from physbatch.cli import main
from physbatch.study import Study
from physbatch.sweep import index, run_study
from physbatch.sweep import plan as planning
from tests.conftest import TINY
from tests.system.clusters import cluster, computing_processes
from tests.system.faults import Journal

#: The kernel of the tiny study; 120 cells of about 5 ms, each a shard of its own.
STUDY: dict[str, Any] = {
    **TINY,
    "title": "a study to be killed",
    "grid": {"size": [60, 75, 90], "batch_size": list(range(2, 42)), "replicas": 32},
    "measurement": {"duration": 30, "test_samples": 70},
}
CELLS = 120
#: The most kills of one dataset.
KILLS = 60
#: When a kill falls: once some more shards are there, and then a random time of so many seconds.
PHASES = {"start": 1.0, "compute": 0.05, "merge": 0.3}


class Run:
    """A run in a fork of this process, in a session of its own.

    Parameters
    ----------
    words : list of str
        The command line.
    said : Path
        Gets what the run says.
    """

    def __init__(self, words: list[str], said: Path) -> None:
        self._said = said
        self.code: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            code = 99
            with contextlib.suppress(BaseException):
                os.setsid()
                descriptor = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                for number in (1, 2):
                    os.dup2(descriptor, number)
                sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1) for number in (1, 2))
                code = main(words)
            os._exit(code)

    def ended(self) -> bool:
        """Whether it is over; `code` is its exit code then, or minus the signal that killed it."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code is not None

    def wait(self, *codes: int) -> str:
        """What it said, once it has ended with one of these codes; AssertionError if not."""
        deadline = time.monotonic() + 300
        while not self.ended():
            assert time.monotonic() < deadline, "it does not end"
            time.sleep(0.005)
        said = self._said.read_text()
        assert self.code in codes, f"exit code {self.code}: {said[-2000:]}"
        assert "Traceback" not in said, said[-2000:]
        return said


class Round:
    """One dataset whose runs are killed.

    Parameters
    ----------
    folder : Path
        Empty; it gets the study and the dataset.
    undisturbed : Dataset
        What it must be in the end.
    chance : Random
        Draws who is killed when.
    """

    def __init__(self, folder: Path, undisturbed: xr.Dataset, chance: random.Random) -> None:
        self.folder, self.undisturbed, self.chance = folder, undisturbed, chance
        self.study, self.target = folder / "study.toml", folder / "x.nc"
        self.study.write_text(Study.from_dict(STUDY).to_toml())
        #: Who was killed in which phase, for example "worker: compute".
        self.killed: list[str] = []

    def locally(self, kills: int) -> None:
        """Kill the main process or a worker so many times, unless the dataset is done before."""
        while self._goes_on(kills):
            process = self._start("--workers", self.chance.choice("122"))
            codes = [-signal.SIGKILL, 0]
            phase = self._wait_for_phase(process)
            while phase:
                worker = self._worker_of(process.pid) if self.chance.random() < 0.7 else None
                self._kill(worker or process.pid, f"{'worker' if worker else 'main'}: {phase}")
                if not worker:
                    break
                codes.append(1)  # its cells failed; a run goes on without a worker
                phase = self._wait_for_phase(process) if len(self.killed) < kills else ""
            process.wait(*codes)
        self.finish()

    def on_a_cluster(self, kills: int) -> None:
        """Kill dask workers, which must not disturb a run, the run, or at last the scheduler."""
        with cluster(self.folder, workers=2) as dask:
            alive = True
            while alive and self._goes_on(kills):
                process = self._start("--scheduler", dask.address)
                codes = [0, -signal.SIGKILL]
                for _ in range(KILLS):
                    phase = self._wait_for_phase(process)
                    if not phase or len(self.killed) >= kills:
                        break
                    victim = self.chance.choice(("worker",) * 5 + ("main",) * 4 + ("scheduler",))
                    computing = self._worker_of(self.chance.choice(dask.workers).pid)
                    if victim == "worker" and computing is not None:
                        self._kill(computing, f"dask worker: {phase}")
                    elif victim == "main":
                        self._kill(process.pid, f"main of a cluster: {phase}")
                        break
                    elif victim == "scheduler":
                        self._kill(dask.scheduler.pid, f"scheduler: {phase}")
                        alive = False
                        codes += [1, 2]  # 2 where it was never reached
                        break
                process.wait(*codes)
        self.finish()

    def finish(self) -> None:
        """The same command again: the same bits, each cell in exactly one shard of the index."""
        self._start("--workers", "2").wait(0)
        data = dataset.open_dataset(self.target)
        for name in self.undisturbed.variables:
            same = data[name].values.tobytes() == self.undisturbed[name].values.tobytes()
            assert same, f"{name} differs"
        saved: Counter[int] = Counter()
        for path in self._cells.glob("index-*.jsonl"):
            for line in path.read_text().splitlines():
                with contextlib.suppress(ValueError):
                    event = json.loads(line)
                    if "shard" in event:
                        saved.update(index._numbers(event["cells"], CELLS).tolist())
        assert saved == Counter(range(CELLS)), f"shards in the index: {saved}"
        left = [path.name for kind in ("*.damaged", "lock*") for path in self._cells.glob(kind)]
        assert not left, f"left: {left}"

    def _goes_on(self, kills: int) -> bool:
        """Whether there is more to kill; few kills of a run that has nothing to compute."""
        late = self._shards() == CELLS and self.chance.random() < 0.4
        return len(self.killed) < kills and not self.target.exists() and not late

    @property
    def _cells(self) -> Path:
        return self.target.with_name(self.target.name + ".cells")

    def _start(self, *more: str) -> Run:
        words = ["run", str(self.study), "-o", str(self.target), *more]
        return Run(words, self.folder / "said.txt")

    def _kill(self, pid: int, words: str) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.killed.append(words)

    def _wait_for_phase(self, process: Run) -> str:
        """Until a random moment of a random phase; "" if the run ended before."""
        there = self._shards()
        weights = (0, 0, 1) if there == CELLS else (2, 9, 1)
        (phase,) = self.chance.choices(tuple(PHASES), weights)
        more = {"start": 0, "compute": self.chance.randint(1, 4), "merge": CELLS}[phase]
        deadline = time.monotonic() + 180
        while self._shards() < min(there + more, CELLS):
            if process.ended():
                return ""
            assert time.monotonic() < deadline, "no more shards come"
            time.sleep(0.005)
        time.sleep(self.chance.uniform(0, PHASES[phase]))
        return phase if not process.ended() else ""

    def _shards(self) -> int:
        return len(list(self._cells.glob("*.nc")))

    def _worker_of(self, pid: int) -> int | None:
        """A process that computes for a local run."""
        workers = computing_processes(pid)
        return self.chance.choice(workers) if workers else None


def undisturbed(folder: Path) -> xr.Dataset:
    """The study of all rounds, computed in one process; each cell is a shard from now on."""
    planning.CELLS_PER_SHARD = 1
    return run_study(Study.from_dict(STUDY), folder / "undisturbed.nc", workers=1)


def disturb(number: int, folder: Path, reference: xr.Dataset) -> tuple[list[str], str]:
    """Round `number`, the odd ones on a cluster: who was killed when, and what was wrong."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    chance = random.Random(number)
    disturbed = Round(folder, reference, chance)
    act = disturbed.on_a_cluster if number % 2 else disturbed.locally
    try:
        act(chance.randint(1, KILLS))
    except AssertionError as error:
        return disturbed.killed, str(error)
    return disturbed.killed, ""


def run(folder: Path, kills: int) -> dict[str, Any]:
    """Rounds until so many kills were taken."""
    journal, reference = Journal(folder / "outcomes.jsonl"), undisturbed(folder)
    killed: Counter[str] = Counter()
    wrong = []
    for number in range(10 * kills):
        if killed.total() >= kills:
            break
        key = (f"round {number}", "kills")
        if key not in journal.done:
            taken, failure = disturb(number, folder / "room", reference)
            journal.add(*key, [*taken, failure])
        *taken, failure = journal.done[key]
        killed.update(taken)
        wrong += [f"{key[0]}: {failure}"] if failure else []
        print(f"{killed.total()} kills, {len(wrong)} wrong", file=sys.stderr, flush=True)
    return {"kills": killed, "wrong": wrong}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=1000)
    words = parser.parse_args()
    words.folder.mkdir(parents=True, exist_ok=True)
    print(json.dumps(run(words.folder.resolve(), words.kills)))
