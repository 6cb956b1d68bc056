"""Executors: they compute groups of cells, here or in worker processes.

Both yield the index of each group when its shard is on disk. Workers start with `spawn`,
use one thread each, ignore Ctrl-C (the parent decides) and end when the parent does.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from physbatch.errors import PhysbatchError, WorkerError
from physbatch.study import Study
from physbatch.sweep.cell import limit_threads, run_cell, shard_of
from physbatch.sweep.plan import Cell, Plan
from physbatch.sweep.store import Store

__all__ = ["compute_group", "run_in_processes", "run_serial"]

Groups = Sequence[Sequence[Cell]]
Stop = Callable[[], bool]


def compute_group(plan: Plan, output: Path, cells: Sequence[Cell], device: str) -> None:
    """Simulate the cells of a group and write their shard."""
    results = [run_cell(plan, cell, device) for cell in cells]
    Store(output).save(cells, shard_of(plan, cells, results))


def run_serial(plan: Plan, output: Path, groups: Groups, device: str, stop: Stop) -> Iterator[int]:
    """Compute groups one after the other in this process."""
    for index, cells in enumerate(groups):
        if stop():
            return
        compute_group(plan, output, cells, device)
        yield index


def run_in_processes(
    plan: Plan, output: Path, groups: Groups, workers: int, stop: Stop
) -> Iterator[int]:
    """Compute groups in worker processes; the largest number of `workers` at a time.

    Raises
    ------
    WorkerError
        If a worker dies or a cell fails for a reason of its own. Shards already written stay.
    PhysbatchError
        What the worker raised, for example `OutputError` on a full disk.
    """
    context = multiprocessing.get_context("spawn")
    limit_threads()
    team: list[tuple[SpawnProcess, Connection]] = []
    try:
        for _ in range(min(workers, len(groups))):
            here, there = context.Pipe()
            process = context.Process(
                target=_work, args=(there, plan.study.model_dump_json(), str(output)), daemon=True
            )
            process.start()
            there.close()
            team.append((process, here))
        yield from _hand_out(team, groups, stop)
    finally:
        for process, connection in team:
            connection.close()
            process.terminate()
        for process, _ in team:
            process.join(5)
            if process.is_alive():
                process.kill()
                process.join()
            process.close()


def _hand_out(
    team: Sequence[tuple[SpawnProcess, Connection]], groups: Groups, stop: Stop
) -> Iterator[int]:
    """Keep every worker busy until all groups are done or a stop is asked for."""
    pending = list(range(len(groups)))[::-1]
    busy: dict[Connection, tuple[SpawnProcess, int]] = {}
    idle = list(team)
    while True:
        while idle and pending and not stop():
            process, connection = idle.pop()
            index = pending.pop()
            # A worker that died while idle shows up below, when its pipe ends.
            with contextlib.suppress(OSError):
                connection.send((index, list(groups[index])))
            busy[connection] = (process, index)
        if not busy:
            return
        for ready in wait(list(busy), timeout=0.2):
            assert isinstance(ready, Connection)
            process, index = busy.pop(ready)
            try:
                failure = ready.recv()
            except (EOFError, OSError):
                process.join(5)
                raise WorkerError(
                    f"a worker process died (exit code {process.exitcode}) while it computed "
                    f"{_describe(groups[index])}",
                    where="run",
                    remedy="finished cells are saved; run the same command again to go on",
                ) from None
            if isinstance(failure, PhysbatchError):
                raise failure
            if failure is not None:
                raise WorkerError(
                    f"{_describe(groups[index])}: {failure}",
                    where="run",
                    remedy="finished cells are saved; run the same command again to go on",
                )
            idle.append((process, ready))
            yield index


def _describe(cells: Sequence[Cell]) -> str:
    one = cells[0]
    place = ", ".join(f"{dim} = {value:g}" for dim, value in one.point)
    return f"cell {place}" if len(cells) == 1 else f"{len(cells)} cells from {place}"


def _work(connection: Connection, study: str, output: str) -> None:
    """Body of a worker process: compute groups until the parent closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit_threads()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    plan = Plan(Study.from_json(study))
    while True:
        try:
            _, cells = connection.recv()
        except (EOFError, OSError):
            return
        # An error that the user can act upon reaches the parent as it is: a full disk, say.
        failure: PhysbatchError | str | None = None
        try:
            compute_group(plan, Path(output), cells, "cpu")
        except PhysbatchError as error:
            failure = error
        except Exception as error:  # the parent reports it in one line
            failure = f"{type(error).__name__}: {error}"
        try:
            connection.send(failure)
        except OSError:
            return


def _end_with_parent() -> None:
    """Leave at once if the parent is gone: an orphan would compute for nobody."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
