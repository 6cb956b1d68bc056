"""Groups of cells on workers of dask.distributed, which may join and leave at any time.

One task for each group, few at a time. A worker that sees the folder of shards writes there
itself; one that does not sends its shard back. Tasks of a worker that dies are given to
another one by the scheduler.
"""

import contextlib
import os
import queue
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import physbatch
from physbatch.engines.registry import engine_for
from physbatch.errors import PhysbatchError, StudyError, WorkerError
from physbatch.files.checksums import digest_of, without_checksum
from physbatch.study.model import Study
from physbatch.sweep.cluster import PATIENCE, Cluster, connect, quietly
from physbatch.sweep.ends import BegunCells
from physbatch.sweep.executors import Outcome, compute_group, in_one_line, limit_threads
from physbatch.sweep.plan import Cells, Group, Plan
from physbatch.sweep.stopping import Stopper
from physbatch.sweep.store import Store

#: Tasks in flight for each thread of the cluster: one runs, one waits.
TASKS_PER_THREAD = 2
#: Seconds until a file that a worker wrote must be visible here; network file systems
#: remember for up to a minute that a file was not there.
VISIBLE_AFTER = 75.0
#: Times that one group is given out anew when its result was lost.
ATTEMPTS = 3
_MARK = ".shared-"


@dataclass(frozen=True)
class Task:
    """What a worker needs to know.

    The study and the states from which cells go on are long: they come only if the worker does not
    know that study yet, or does not see the folder in which their shards, `begun`, are.
    """

    study: str | None
    states: dict[int, bytes] | None
    begun: dict[int, str]
    ordinals: Any
    group: int
    output: str
    token: str
    version: str
    revision: str
    send_back: bool


@dataclass(frozen=True)
class Answer:
    """The outcome, or None to ask for the study and the states from which cells go on.

    And the shard if it could not be written there.
    """

    outcome: Outcome | None
    content: bytes | None


def run_on_cluster(
    plan: Plan,
    store: Store,
    groups: Sequence[Group],
    cluster: Cluster,
    workers: int,
    stop: Stopper,
    note: Callable[[str], None],
    begun: Callable[[int], None],
) -> Iterator[Outcome]:
    """Compute groups on a cluster; StudyError, WorkerError if there is none or it goes away.

    What a worker raised, for example `OutputError` on a full disk, is raised here.
    """
    token = secrets.token_hex(8)
    mark = store.folder / f"{_MARK}{token}"
    with contextlib.ExitStack() as stack:
        client = connect(cluster, workers, stack, store.folder)
        mark.touch()
        stack.callback(mark.unlink, missing_ok=True)
        yield from _Dispatcher(plan, store, groups, client, token, note, begun).run(stop)


class _Dispatcher:
    """Gives groups to the cluster and takes their outcomes back."""

    def __init__(
        self,
        plan: Plan,
        store: Store,
        groups: Sequence[Group],
        client: Any,
        token: str,
        note: Callable[[str], None],
        begun: Callable[[int], None],
    ) -> None:
        self._plan, self._store, self._groups = plan, store, groups
        self._client, self._token, self._note, self._begun = client, token, note, begun
        self._study = plan.study.model_dump_json()
        self._submitted = 0
        self._flying: dict[str, tuple[int, Any]] = {}
        self._landed: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._attempts: dict[int, int] = {}
        self._room = 0
        self._room_known = -1e9
        self._said_waiting = False
        self._last_contact = time.monotonic()

    def run(self, stop: Stopper) -> Iterator[Outcome]:
        """Yield outcomes until all groups are done or a stop is asked for."""
        waiting = iter(range(len(self._groups)))
        upcoming = next(waiting, None)
        stop_file = self._store.folder / f"{_MARK}{self._token}.stop"
        try:
            while upcoming is not None or self._flying:
                if stop.asked():
                    stop_file.touch()
                    upcoming = None
                    if stop.overdue():
                        return
                while upcoming is not None and len(self._flying) < self._free_room():
                    self._begun(upcoming)
                    self._submit(upcoming)
                    upcoming = next(waiting, None)
                try:
                    key = self._landed.get(timeout=0.2)
                except queue.Empty:
                    self._check_scheduler()
                    continue
                index, future = self._flying.pop(key)
                outcome = self._collect(index, future)
                if outcome is not None:
                    yield outcome
        finally:
            quietly(self._client.cancel, futures=[future for _, future in self._flying.values()])
            stop_file.unlink(missing_ok=True)

    def _free_room(self) -> int:
        """How many tasks may be in flight, from the threads that the cluster has now."""
        now = time.monotonic()
        if now - self._room_known > 2.0:
            try:
                threads = sum(self._client.nthreads().values())
                self._last_contact = now
            except (OSError, TimeoutError, RuntimeError, ValueError):
                threads = 0
            if threads == 0 and not self._said_waiting:
                self._note("waiting for dask workers")
            self._said_waiting = threads == 0
            self._room, self._room_known = TASKS_PER_THREAD * threads, now
        return self._room

    def _submit(self, index: int, *, send_back: bool = False, in_full: bool = False) -> None:
        self._submitted += 1
        group = self._groups[index]
        shards = BegunCells(self._store.folder)
        key = f"physbatch-{self._token}-{index}-{self._submitted}"
        task = Task(
            study=self._study if in_full else None,
            states=shards.of(group, group.begun) if in_full else None,
            begun=group.begun,
            ordinals=group.ordinals,
            group=index,
            output=str(self._store.output.resolve()),
            token=self._token,
            version=physbatch.__version__,
            revision=self._plan.revision,
            send_back=send_back,
        )
        future = self._client.submit(compute_remotely, task, key=key, pure=False, retries=1)
        self._flying[key] = (index, future)
        future.add_done_callback(lambda _, key=key: self._landed.put(key))

    def _collect(self, index: int, future: Any) -> Outcome | None:
        """The outcome of a future that is done; None if the group flies again."""
        try:
            answer: Answer = future.result(timeout=PATIENCE)
        except PhysbatchError:
            raise
        except Exception as error:
            if type(error).__name__ in ("CancelledError", "FutureCancelledError", "TimeoutError"):
                self._check_scheduler(patience=0.0)
                return self._again(index, "its result was lost")
            return Outcome.lost(index, len(self._groups[index]), in_one_line(error))
        outcome = answer.outcome
        if outcome is None:
            self._submit(index, in_full=True)
            return None
        shard = outcome.note
        if shard is None:
            return outcome
        if answer.content is not None:
            without_checksum(answer.content, where=f"shard {shard.name} from a worker")
            self._store.write(shard.name, answer.content)
        elif not _is_visible(self._store.folder / shard.name, shard.digest):
            return self._again(index, "its shard does not show up in the shared folder")
        return outcome

    def _again(self, index: int, reason: str) -> Outcome | None:
        self._attempts[index] = self._attempts.get(index, 1) + 1
        if self._attempts[index] <= ATTEMPTS:
            self._submit(index, send_back=True, in_full=True)
            return None
        return Outcome.lost(index, len(self._groups[index]), reason)

    def _check_scheduler(self, patience: float = PATIENCE) -> None:
        """Give up if the scheduler is gone for good."""
        now = time.monotonic()
        if self._client.status == "running":
            self._last_contact = now
        elif self._client.status == "closed" or now - self._last_contact > patience:
            raise WorkerError(
                "the dask scheduler went away",
                where="run",
                remedy="finished cells are saved; run the same command again to go on",
            )


def _is_visible(path: Path, digest: str) -> bool:
    """Wait until a file that another machine wrote is there as it was written."""
    end = time.monotonic() + VISIBLE_AFTER
    while True:
        with contextlib.suppress(OSError):
            os.listdir(path.parent)  # makes a network file system look again
            if (digest_of(path) or "").startswith(digest):
                return True
        if time.monotonic() > end:
            return False
        time.sleep(0.2)


# --- on the worker ----------------------------------------------------------------------


#: Plans of the last runs that used this worker, by token.
_plans: dict[str, Plan] = {}
_MOST_PLANS = 4


def _plan_of(task: Task) -> Plan | None:
    """The plan of a task; None if this worker has not been told the study."""
    if task.study is not None and task.token not in _plans:
        while len(_plans) >= _MOST_PLANS:
            _plans.pop(next(iter(_plans)), None)
        study = Study.from_json(task.study)
        _plans[task.token] = Plan(study, engine_for(study))
    return _plans.get(task.token)


def compute_remotely(task: Task) -> Answer:
    """Compute one group on a worker; StudyError if it has another version of physbatch."""
    if task.version != physbatch.__version__:
        raise StudyError(
            f"a dask worker has physbatch {physbatch.__version__}, this is {task.version}",
            where="dask",
            remedy="install the same version on all machines",
        )
    limit_threads()
    plan = _plan_of(task)
    if plan is None:
        return Answer(None, None)
    if plan.revision != task.revision:
        raise StudyError(
            f"a dask worker has other code (revision {plan.revision}), this is {task.revision}",
            where="dask",
            remedy="install the same code on all machines and start the workers again",
        )
    cells = list(Cells(plan, task.ordinals))
    output = Path(task.output)
    folder = Store(output).folder
    if not task.send_back and (folder / f"{_MARK}{task.token}").exists():
        stop_file = folder / f"{_MARK}{task.token}.stop"
        begun = BegunCells(folder).of(cells, task.begun)
        outcome = compute_group(
            plan, output, cells, "cpu", group=task.group, stop=stop_file.exists, begun=begun
        )
        return Answer(outcome, None)
    if task.begun and task.states is None:
        return Answer(None, None)
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch) / "part.nc"
        states = task.states or {}
        outcome = compute_group(plan, output, cells, "cpu", group=task.group, begun=states)
        name = None if outcome.note is None else outcome.note.name
        content = None if name is None else (Store(output).folder / name).read_bytes()
    return Answer(outcome, content)
