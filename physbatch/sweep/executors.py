"""Executors: they compute groups of cells, here or in worker processes.

All yield an `Outcome` for each group, when its shard is on disk. Workers start with `spawn`,
use one thread each, see no Ctrl-C and no signal of batch systems (the parent decides) and
end when the parent does. `physbatch.sweep.dask_executor` is the one for many machines.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import ModuleType

from physbatch.engines.checkpoint import CellPaused, FileCheckpoint, checkpointed
from physbatch.engines.faults import line_of, words_of
from physbatch.engines.point import GridPoint
from physbatch.engines.protocol import Arrays
from physbatch.engines.registry import engine_for
from physbatch.errors import PhysbatchError, StudyError
from physbatch.study.dynamics import OwnDynamics
from physbatch.study.model import Study
from physbatch.sweep.ends import BegunCells, EndState, usable
from physbatch.sweep.index import ShardNote
from physbatch.sweep.plan import Plan, begun_of
from physbatch.sweep.stopping import Stopper, ignore_signals, shielded
from physbatch.sweep.store import Store

#: Exit code of a worker that came upon the start of a run on its way to its work.
_UNGUARDED = 79

Groups = Sequence[Sequence[GridPoint]]

_NOTHING: Mapping[int, bytes] = {}

#: What stops a run that nothing stops.
NEVER = Stopper(lambda text: None)


def _ignore(group: int) -> None:
    """Nobody wants to know that a group is begun."""


@dataclass(frozen=True)
class Outcome:
    """What became of a group: its shard if any cell was finished, and the time it took.

    Cells are named by their number in the group; `failed` says why. A `fault` that the user can act
    upon has ended the run, after those that are finished.
    """

    group: int
    note: ShardNote | None
    finished: tuple[int, ...]
    failed: dict[int, str]
    seconds: float
    fault: PhysbatchError | None = None

    @classmethod
    def lost(cls, group: int, cells: int, reason: str) -> Outcome:
        """A group of so many cells of which nothing is left, all for the same reason."""
        return cls(group, None, (), dict.fromkeys(range(cells), reason), 0.0)


def in_one_line(error: Exception) -> str:
    """Kind and words of an error that is not one of ours."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def compute_group(
    plan: Plan,
    output: Path,
    cells: Sequence[GridPoint],
    device: str,
    *,
    group: int = 0,
    stop: Callable[[], bool] = NEVER.asked,
    begun: Mapping[int, bytes] = _NOTHING,
) -> Outcome:
    """Simulate the cells of a group and write the shard of those that succeed.

    `begun` has the end states of shorter runs from which cells go on, by their number. A cell that
    fails for a reason of its own does not stop the others; what the user can act upon, for example
    a fault in code of one's own or `OutputError` on a full disk, is raised, or given back as the
    fault of the outcome where there are cells before it, which are saved.
    """
    began = time.perf_counter()
    if cells[0].points.revision != plan.revision:  # an upgrade between the start and now
        raise StudyError(
            "this process has other code than the one that started the run",
            where="run",
            remedy="run the same command again",
        )
    store = Store(output)
    results: dict[int, Arrays] = {}
    failed: dict[int, str] = {}
    kept: list[FileCheckpoint] = []
    there = checkpointed(store.folder)
    fault: PhysbatchError | None = None
    for number, cell in enumerate(cells):
        if number and stop():
            break
        end = usable(begun.get(number, b""))
        checkpoint = FileCheckpoint(store.folder, cell.key, stop, end, there)
        try:
            results[number] = _simulate(plan, cell, device, checkpoint)
            kept.append(checkpoint)
        except CellPaused:
            break
        except PhysbatchError as error:
            fault = error
            break
        except Exception as error:
            fault = _fault_of_own_code(plan, error)
            if fault is not None:
                break
            failed[number] = in_one_line(error)
    note = None
    if results:
        done = [cells[number] for number in results]
        ends = [EndState(checkpoint.end, checkpoint.began_at) for checkpoint in kept]
        note = store.save(plan, done, list(results.values()), device, ends)
        for checkpoint in kept:
            checkpoint.drop()
    if fault is not None and note is None:
        raise fault
    return Outcome(group, note, tuple(results), failed, time.perf_counter() - began, fault)


def _fault_of_own_code(plan: Plan, error: Exception) -> StudyError | None:
    """An exception of an engine of one's own, with file and line: it would come in every cell."""
    dynamics = plan.study.dynamics
    if not isinstance(dynamics, OwnDynamics) or isinstance(error, MemoryError):
        return None
    line = line_of(error)
    if line is None:
        return None
    return StudyError(words_of(error), where=f"{line}, dynamics {dynamics.engine!r}")


def _simulate(plan: Plan, cell: GridPoint, device: str, checkpoint: FileCheckpoint) -> Arrays:
    """A cell from its last state on; from an older one, or its start, if it cannot go on there."""
    while True:
        try:
            return plan.engine.simulate(cell, device, checkpoint)
        except (CellPaused, PhysbatchError, MemoryError):
            raise
        except Exception:  # a state that does not fit may raise anything; without one it is a fault
            if not checkpoint.reject():
                raise


def run_serial(
    plan: Plan,
    output: Path,
    groups: Groups,
    device: str,
    stop: Stopper = NEVER,
    begun: Callable[[int], None] = _ignore,
) -> Iterator[Outcome]:
    """Compute groups one after the other in this process; `begun` is told of each."""
    shards = BegunCells(Store(output).folder)
    for index, group in enumerate(groups):
        if stop.asked():
            return
        begun(index)
        cells = list(group)
        states = shards.of(cells, begun_of(group))
        yield compute_group(plan, output, cells, device, group=index, stop=stop.asked, begun=states)


def run_in_processes(
    plan: Plan,
    output: Path,
    groups: Groups,
    workers: int,
    stop: Stopper = NEVER,
    begun: Callable[[int], None] = _ignore,
) -> Iterator[Outcome]:
    """Compute groups in worker processes; the largest number of `workers` at a time.

    A worker that dies is replaced, and the group that it computed has failed. A PhysbatchError
    of a worker is raised here; shards already written stay.
    """
    limit_threads()
    team = _Team(plan.study, output)
    try:
        for _ in range(min(workers, len(groups))):
            team.hire()
        yield from _hand_out(team, groups, stop, begun)
    finally:
        team.dismiss()


def limit_threads() -> None:
    """One thread per worker: parallelism is over cells, and idle threads would spin."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def leave_if_importing() -> None:
    """End this process if it is a worker that imports the script of its parent.

    A script with dynamics of its own that starts a run without ``if __name__ == "__main__":``
    starts it again in every worker, before that one can do any work; the parent is told by the
    exit code.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        os._exit(_UNGUARDED)


@contextlib.contextmanager
def _without_the_script() -> Iterator[None]:
    """Processes that start in here do not import the script which this one runs."""
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


class _Team:
    """Worker processes, each with a pipe; `busy` says which group each one computes."""

    def __init__(self, study: Study, output: Path) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._arguments = (study.model_dump_json(), str(output))
        # Dynamics of one's own may be registered by the script; no other study needs it.
        registered = study.system.kind == "own"
        self._starting = contextlib.nullcontext if registered else _without_the_script
        self._all: dict[Connection, SpawnProcess] = {}
        self.idle: list[Connection] = []
        self.busy: dict[Connection, int] = {}

    def hire(self) -> None:
        """Start one more worker."""
        here, there = self._context.Pipe()
        process = self._context.Process(target=_work, args=(there, *self._arguments), daemon=True)
        with shielded(), self._starting():
            process.start()
        there.close()
        self._all[here] = process
        self.idle.append(here)

    def give(self, index: int, cells: Sequence[GridPoint]) -> None:
        """Hand a group to an idle worker."""
        connection = self.idle.pop()
        # A worker that died while idle shows when its pipe ends.
        with contextlib.suppress(OSError):
            connection.send((index, list(cells), begun_of(cells)))
        self.busy[connection] = index

    def ask_to_stop(self) -> None:
        """Tell all busy workers to save what they have: any message does."""
        for connection in self.busy:
            with contextlib.suppress(OSError):
                connection.send(None)

    def bury(self, connection: Connection) -> int | None:
        """Forget a dead worker and return its exit code."""
        process = self._all.pop(connection)
        process.join(5)
        code = process.exitcode
        connection.close()
        return code

    def dismiss(self) -> None:
        """End all workers, those that compute as well: files are written whole or not at all."""
        for connection, process in self._all.items():
            connection.close()
            process.kill()
        for process in self._all.values():
            process.join()
            process.close()


def _hand_out(
    team: _Team, groups: Groups, stop: Stopper, begun: Callable[[int], None]
) -> Iterator[Outcome]:
    """Keep every worker busy until all groups are done or a stop is asked for."""
    waiting = iter(range(len(groups)))
    upcoming = next(waiting, None)
    told = False
    while True:
        while team.idle and upcoming is not None and not stop.asked():
            begun(upcoming)
            team.give(upcoming, groups[upcoming])
            upcoming = next(waiting, None)
        if not team.busy or stop.overdue():
            return
        if stop.asked() and not told:
            team.ask_to_stop()
            told = True
        for ready in wait(list(team.busy), timeout=0.2):
            assert isinstance(ready, Connection)
            index = team.busy.pop(ready)
            try:
                answer = ready.recv()
            except (EOFError, OSError):
                code = team.bury(ready)
                if code == _UNGUARDED:
                    raise StudyError(
                        "the script with dynamics of its own starts its run again in every worker "
                        "process",
                        where="run_study",
                        remedy='call it under `if __name__ == "__main__":`, or with workers=1',
                    ) from None
                if upcoming is not None and not stop.asked():
                    team.hire()
                if not stop.asked():
                    reason = f"a worker process died (exit code {code})"
                    yield Outcome.lost(index, len(groups[index]), reason)
                continue
            if isinstance(answer, PhysbatchError):
                raise answer
            team.idle.append(ready)
            yield answer


def _work(connection: Connection, study: str, output: str) -> None:
    """Body of a worker process: compute groups until the parent closes the pipe."""
    ignore_signals()
    limit_threads()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    resolved = Study.from_json(study)
    plan = Plan(resolved, engine_for(resolved))
    shards = BegunCells(Store(Path(output)).folder)
    while True:
        try:
            message = connection.recv()
        except (EOFError, OSError):
            return
        if message is None:  # asked to stop after the last group was done
            continue
        index, cells, begun = message
        # An error that the user can act upon reaches the parent as it is: a full disk, say.
        answer: PhysbatchError | Outcome
        try:
            answer = compute_group(
                plan,
                Path(output),
                cells,
                "cpu",
                group=index,
                stop=connection.poll,
                begun=shards.of(cells, begun),
            )
        except PhysbatchError as error:
            answer = error
        except Exception as error:  # outside any cell: memory for the shard, say
            answer = Outcome.lost(index, len(cells), in_one_line(error))
        try:
            connection.send(answer)
        except OSError:
            return


def _end_with_parent() -> None:
    """Leave at once if the parent is gone: an orphan would compute for nobody."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
