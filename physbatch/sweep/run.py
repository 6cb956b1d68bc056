"""Run a study: plan, compute what is missing, merge."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, Unpack

import numpy as np
import xarray as xr

from physbatch.engines.registry import engine_for, require_built
from physbatch.errors import StudyError, WorkerError
from physbatch.study.model import Study
from physbatch.sweep.assembly import open_whole, write_dataset
from physbatch.sweep.cluster import Cluster, require_packages
from physbatch.sweep.dask_executor import run_on_cluster
from physbatch.sweep.display import Heard, ProgressDisplay, Quiet
from physbatch.sweep.executors import Outcome, leave_if_importing, run_in_processes, run_serial
from physbatch.sweep.index import Index
from physbatch.sweep.lock import Lock, Part, forget_dead
from physbatch.sweep.memory import workers_that_fit
from physbatch.sweep.plan import Cells, Group, Plan, group_cells
from physbatch.sweep.status import survey
from physbatch.sweep.stopping import Stopper
from physbatch.sweep.store import Store
from physbatch.typing import IntArray


class RunOptions(TypedDict, total=False):
    """The keywords of `run_study`."""

    workers: int | None
    device: str
    progress: ProgressDisplay | None
    time_limit: float | None
    cluster: Cluster | None
    memory: int | None
    keep_old: bool


@dataclass
class _Means:
    """What a run computes with: the keywords of `run_study`."""

    workers: int | None = None
    device: str = "auto"
    progress: ProgressDisplay | None = None
    time_limit: float | None = None
    cluster: Cluster | None = None
    memory: int | None = None
    keep_old: bool = False

    def __post_init__(self) -> None:
        self.device = resolve_device(self.device)
        if self.cluster is not None:
            require_packages(self.cluster)  # before anything is compiled for it
        self.display = Heard(self.progress or Quiet())


def default_workers() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def resolve_device(device: str) -> str:
    """Where to compute, ``cpu`` or ``cuda``; ``auto`` is the CPU. StudyError without a GPU."""
    if device in ("auto", "cpu"):
        return "cpu"
    import torch

    if not torch.cuda.is_available():
        raise StudyError(
            "no CUDA device is available", where="--device cuda", remedy="use --device cpu"
        )
    return "cuda"


def run_study(
    study: Study, output: str | os.PathLike[str], **options: Unpack[RunOptions]
) -> xr.Dataset:
    """Simulate every cell of a study that is not done yet and write the dataset.

    Parameters
    ----------
    study : Study
        What to simulate.
    output : path
        The dataset; shards of finished cells are kept in ``OUTPUT.cells/``.
    workers : int, optional
        Worker processes; by default one per core. 1 computes in this process.
    device : {"auto", "cpu", "cuda"}
        With discrete weights the data are the same, bit for bit, on every device; continuous
        weights agree to rounding.
    progress : ProgressDisplay, optional
        Where to show progress.
    time_limit : float, optional
        Seconds after which to save and stop.
    cluster : Cluster, optional
        Compute on dask workers.
    memory : int, optional
        Bytes that all worker processes together may use; by default what is free. There are
        fewer workers if not all of them fit.
    keep_old : bool
        Use cells that another revision of the code made; by default they are computed again.

    Returns
    -------
    xarray.Dataset
        Schema version 1, as written. If its variables need more than 256 MB, its
        file stays open and values are read when they are asked for.

    Raises
    ------
    NotBuiltError
        If the study asks for something that is not implemented.
    OutputError
        If the output exists and belongs to another study, is being written by another run, or
        cannot be written.
    WorkerError
        If cells failed; all others are saved.
    InterruptedRun
        After Ctrl-C; finished cells are saved and the same call goes on from there.
    PausedRun
        The same after the time limit, SIGUSR1, SIGTERM or SIGHUP.

    Examples
    --------
    >>> import tempfile
    >>> from physbatch.study.catalogue import study
    >>> from physbatch.sweep.run import run_study
    >>> small = study("greedy-unit", replicas=4, duration=10)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     data = run_study(small, f"{folder}/unit.nc", workers=1)
    >>> data["overlap"].dims
    ('size', 'degree', 'batch_size', 'replica', 'time')
    """
    leave_if_importing()
    require_built(study)
    means = _Means(**options)
    store = Store(Path(output), keep_old=means.keep_old)
    plan = Plan(study, engine_for(study))
    if store.is_complete(study):
        forget_dead(store.folder)
        data = open_whole(store.output, plan)
        means.display.note(f"{store.output} is complete; nothing to do{_other_code(plan, data)}")
        return data
    with _stopper(means) as stopper, Lock(store.folder) as lock:
        _begin(stopper, lock, means)
        with Index(store.folder, plan.name) as index:
            _Run(plan, store, stopper, index, means, plan.cells.ordinals).compute()
        return write_dataset(store, plan, partial=False)


def run_part(
    study: Study,
    output: str | os.PathLike[str],
    part: Part,
    **options: Unpack[RunOptions],
) -> int:
    """Simulate one part of a study's cells, for array jobs; `merge_study` makes the dataset.

    Parameters
    ----------
    study, output
        As for `run_study`.
    part : Part
        Which part: every total-th cell.
    **options
        The keywords of `run_study`.

    Returns
    -------
    int
        Number of cells of the part, all of which are done now.

    See Also
    --------
    run_study : the errors raised.
    """
    leave_if_importing()
    require_built(study)
    means = _Means(**options)
    store = Store(Path(output), keep_old=means.keep_old)
    plan = Plan(study, engine_for(study))
    ordinals = plan.cells.ordinals[part.number - 1 :: part.total]
    if not store.is_complete(study):
        with _stopper(means) as stopper, Lock(store.folder, part) as lock:
            _begin(stopper, lock, means)
            with Index(store.folder, plan.name, part) as index:
                _Run(plan, store, stopper, index, means, ordinals).compute()
    return len(ordinals)


def merge_study(
    output: str | os.PathLike[str],
    sources: Sequence[str | os.PathLike[str]] = (),
    *,
    partial: bool = False,
    keep_old: bool = False,
) -> xr.Dataset:
    """Write the dataset of a store from the shards of all its parts.

    Parameters
    ----------
    output : path
        The dataset; its shards are in ``OUTPUT.cells/``.
    sources : sequence of path
        Other outputs, for parts that ran where the folder is not shared: their shards are
        copied.
    partial : bool
        Write the dataset even if cells are missing; it says which.
    keep_old : bool
        Take cells of another revision of the code where there are no others; the dataset lists
        who made how many.

    Raises
    ------
    OutputError
        If cells are missing, or a run is still writing.
    """
    store = Store(Path(output), keep_old=keep_old)
    others = [Store(Path(source)) for source in sources]
    study = next((known for known in (store, *others) if known.exists()), store).study()
    require_built(study, where=str(output))
    plan = Plan(study, engine_for(study))
    if store.is_complete(study):
        forget_dead(store.folder)
        return open_whole(store.output, plan)
    with _stopper(_Means()), Lock(store.folder):
        store.begin(study)
        for other in others:
            store.copy_shards(other)
        return write_dataset(store, plan, partial=partial)


def _other_code(plan: Plan, data: xr.Dataset) -> str:
    """What to say of a dataset that this code has not made."""
    if data.attrs.get("revision") == plan.revision:
        return ""
    return f" (other code made it, {data.attrs.get('source', 'unknown')}; move it away to go anew)"


def _begin(stopper: Stopper, lock: Lock, means: _Means) -> None:
    """The lock is taken: it can be lost, and it may have moved something away."""
    stopper.lost = lock.lost.is_set
    for path in lock.aside:
        means.display.note(f"set aside, no regular file: {path}")


def _stopper(means: _Means) -> Stopper:
    return Stopper(means.display.note, means.time_limit)


class _Run:
    """One run over some cells of a plan."""

    def __init__(
        self,
        plan: Plan,
        store: Store,
        stopper: Stopper,
        index: Index,
        means: _Means,
        ordinals: IntArray,
    ) -> None:
        self.plan, self.store, self.stopper, self.index = plan, store, stopper, index
        self.means, self.display = means, means.display
        self.ordinals = ordinals
        self.failed: dict[int, str] = {}
        self.finished = 0

    def compute(self) -> None:
        """Compute what is missing; see `run_study` for the errors."""
        self.store.begin(self.plan.study)
        cells = survey(self.store, self.plan, verify=True, index=self.index)
        done = cells.done
        self._say_old(int(cells.old[self.ordinals].sum()))
        for line in self.store.damaged:
            self.display.note(f"computing again: {line}")
        left = self.ordinals[~done[self.ordinals]]
        # The longest first, so that the workers finish together.
        groups = sorted(self._grouped(left, cells.begun), key=lambda group: -group.cost)
        cost = sum(group.cost for group in groups)
        workers = self._prepare(groups, left)
        self._finish(len(self.ordinals) - len(left))
        self.index.begin(workers, cost)
        self.display.start(len(self.ordinals), self.finished, cost)
        try:
            with self.stopper.cells_in_flight():
                for outcome in self._outcomes(groups, workers):
                    self._note(groups[outcome.group], outcome)
                    self._finish(len(outcome.finished))
                    if outcome.fault is not None:
                        raise outcome.fault
        finally:
            self.display.stop()
        if self.failed:
            raise self._failure()
        if self.finished < len(self.ordinals):
            raise self.stopper.error()

    def _grouped(self, left: IntArray, begun: Mapping[int, str]) -> Iterator[Group]:
        """Groups of the cells that are left; some go on from the ends of shorter runs."""
        count = sum(ordinal in begun for ordinal in left.tolist()) if begun else 0
        if count:
            self.display.note(f"{count} cells go on from the end of a shorter run")
        for group in group_cells(self.plan, left):
            if count:
                group.go_on(begun)
            yield group

    def _say_old(self, cells: int) -> None:
        if cells and self.means.keep_old:
            self.display.note(f"{cells} cells are kept that other code made")
        elif cells:
            self.display.note(
                f"{cells} cells that other code made are computed again; --keep-old keeps them"
            )

    def _finish(self, cells: int) -> None:
        """Count that many more cells."""
        self.finished += cells
        self.stopper.state = f"{self.finished} of {len(self.ordinals)} cells are saved"

    def _prepare(self, groups: Sequence[Group], left: IntArray) -> int:
        """Compile what the cells that are left need on this machine; how many workers compute."""
        means = self.means
        wanted = default_workers() if means.workers is None else means.workers
        workers = wanted = min(wanted, max(len(groups), 1))
        if groups and (means.cluster is None or means.cluster.address == "local"):
            workers = workers_that_fit(self.plan, wanted, means.memory)
            if workers < wanted:
                self.display.note(f"{workers} of {wanted} workers: more do not fit into memory")
            if means.device == "cpu":
                self.display.note(_about_compiling())
                points = np.unique(left // self.plan.blocks) * self.plan.blocks
                self.plan.engine.compile(Cells(self.plan, points))
        return workers

    def _outcomes(self, groups: Sequence[Group], workers: int) -> Iterator[Outcome]:
        plan, output, means, stopper = self.plan, self.store.output, self.means, self.stopper

        def begun(group: int) -> None:
            self.index.take(groups[group].ordinals)

        if means.cluster is not None:
            note = self.display.note
            return run_on_cluster(
                plan, self.store, groups, means.cluster, workers, stopper, note, begun
            )
        if means.device == "cpu" and workers > 1:
            return run_in_processes(plan, output, groups, workers, stopper, begun)
        return run_serial(plan, output, groups, means.device, stopper, begun)

    def _note(self, group: Group, outcome: Outcome) -> None:
        """Keep what became of a group."""
        finished = np.array(outcome.finished, dtype=np.int64)
        cost = group.cost * len(finished) / len(group)
        if outcome.note is not None:
            self.index.save(outcome.note, group.ordinals[finished], cost, outcome.seconds)
        for number, reason in outcome.failed.items():
            ordinal = int(group.ordinals[number])
            self.failed[ordinal] = reason
            self.index.fail(ordinal, reason)
        self.index.release(int(group.ordinals[0]))
        self.display.advance(len(finished), cost)

    def _failure(self) -> WorkerError:
        first = min(self.failed)
        return WorkerError(
            f"{len(self.failed)} of {len(self.ordinals)} cells failed; "
            f"cell {self.plan.cell(first)}: {self.failed[first]}",
            where="run",
            remedy="finished cells are saved; run the same command again to go on",
        )


def _about_compiling() -> str:
    """What the user should know about the seconds before the first cell."""
    from physbatch.compilation import cache_is_writable  # loads the compiler

    if cache_is_writable():
        return "compiling kernels (cached on disk for the next time)"
    return (
        "compiling kernels, every process its own: neither the folder of the package nor the "
        "user's cache can be written; set NUMBA_CACHE_DIR to a folder that can"
    )
