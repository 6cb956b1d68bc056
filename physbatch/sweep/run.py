"""Run a study: plan, compute what is missing, merge."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import xarray as xr

from physbatch.engines.support import require_built
from physbatch.errors import StudyError, WorkerError
from physbatch.study.study import Study
from physbatch.sweep.assembly import open_whole, write_dataset
from physbatch.sweep.completeness import survey
from physbatch.sweep.executors import Outcome, leave_if_importing, run_in_processes, run_serial
from physbatch.sweep.index import Index
from physbatch.sweep.lock import Lock, Part
from physbatch.sweep.memory import workers_that_fit
from physbatch.sweep.plan import Cells, Group, Plan, describe, group_cells
from physbatch.sweep.slurm import SlurmWorkers
from physbatch.sweep.stopping import Stopper
from physbatch.sweep.store import Store
from physbatch.typing import IntArray

__all__ = [
    "Cluster",
    "Progress",
    "default_workers",
    "merge_study",
    "resolve_device",
    "run_part",
    "run_study",
]


class Progress(Protocol):
    """What a progress display is told."""

    def start(self, total: int, done: int, cost: float) -> None:
        """`done` of `total` cells are there; the others cost `cost` core seconds at most."""

    def note(self, text: str) -> None:
        """Something worth a line."""

    def advance(self, cells: int, cost: float) -> None:
        """That many more cells are done."""

    def stop(self) -> None:
        """No more cells will come."""


class Quiet:
    """No display."""

    def start(self, total: int, done: int, cost: float) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def advance(self, cells: int, cost: float) -> None:
        """Say nothing."""

    def stop(self) -> None:
        """Say nothing."""


def default_workers() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def resolve_device(device: str) -> str:
    """Where to compute, ``cpu`` or ``cuda``; ``auto`` is the CPU.

    Raises
    ------
    StudyError
        If a GPU is asked for and there is none.
    """
    if device in ("auto", "cpu"):
        return "cpu"
    import torch

    if not torch.cuda.is_available():
        raise StudyError(
            "no CUDA device is available", where="--device cuda", remedy="use --device cpu"
        )
    return "cuda"


@dataclass(frozen=True)
class Cluster:
    """Workers of dask.distributed instead of own processes.

    Attributes
    ----------
    address : str
        ``tcp://host:8786`` or ``tls://host:8786`` of a scheduler, or ``local`` for one with
        workers on this machine, which listens on 127.0.0.1 only.
    tls_ca, tls_cert, tls_key : path, optional
        Certificates for ``tls://``; a plain connection is refused then.
    slurm : SlurmWorkers, optional
        Jobs of Slurm as workers; the scheduler runs in this process.
    """

    address: str
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    slurm: SlurmWorkers | None = None


def run_study(
    study: Study,
    output: str | os.PathLike[str],
    *,
    workers: int | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    time_limit: float | None = None,
    cluster: Cluster | None = None,
    memory: int | None = None,
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
    progress : Progress, optional
        Where to show progress.
    time_limit : float, optional
        Seconds after which to save and stop.
    cluster : Cluster, optional
        Compute on dask workers.
    memory : int, optional
        Bytes that all worker processes together may use; by default what is free. There are
        fewer workers if not all of them fit.

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
        The same after the time limit, SIGUSR1 or SIGTERM.

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
    target = Path(output)
    display: Progress = progress or Quiet()
    place = resolve_device(device)
    store = Store(target)
    if store.is_complete(study):
        display.note(f"{target} is complete; nothing to do")
        return open_whole(target, Plan(study))
    with Lock(store.folder) as lock:
        plan = Plan(study)
        with Index(store.folder, study.hash()) as index:
            run = _Run(plan, store, lock, index, place, display)
            run.compute(workers, time_limit, cluster, memory)
        return write_dataset(store, plan, place, partial=False)


def run_part(
    study: Study,
    output: str | os.PathLike[str],
    part: Part,
    *,
    workers: int | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    time_limit: float | None = None,
    cluster: Cluster | None = None,
    memory: int | None = None,
) -> int:
    """Simulate one part of a study's cells, for array jobs; `merge_study` makes the dataset.

    Parameters
    ----------
    part : Part
        Which part: every total-th cell.

    Returns
    -------
    int
        Number of cells of the part, all of which are done now.

    See Also
    --------
    run_study : the other parameters, and the errors raised.
    """
    leave_if_importing()
    require_built(study)
    place = resolve_device(device)
    store = Store(Path(output))
    plan = Plan(study)
    mine = np.arange(part.number - 1, len(plan), part.total, dtype=np.int64)
    if store.is_complete(study):
        return len(mine)
    with Lock(store.folder, part) as lock, Index(store.folder, study.hash(), part) as index:
        run = _Run(plan, store, lock, index, place, progress or Quiet(), mine)
        run.compute(workers, time_limit, cluster, memory)
    return len(mine)


def merge_study(
    output: str | os.PathLike[str],
    sources: Sequence[str | os.PathLike[str]] = (),
    *,
    partial: bool = False,
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

    Raises
    ------
    OutputError
        If cells are missing, or a run is still writing.
    """
    store = Store(Path(output))
    others = [Store(Path(source)) for source in sources]
    study = next((one for one in (store, *others) if one.exists()), store).study()
    require_built(study, where=str(output))
    if store.is_complete(study):
        return open_whole(store.output, Plan(study))
    with Lock(store.folder):
        store.begin(study)
        for other in others:
            store.copy_shards(other)
        return write_dataset(store, Plan(study), "cpu", partial=partial)


class _Run:
    """One run over the cells of a plan, or over some of them."""

    def __init__(
        self,
        plan: Plan,
        store: Store,
        lock: Lock,
        index: Index,
        device: str,
        display: Progress,
        ordinals: IntArray | None = None,
    ) -> None:
        self.plan, self.store, self.lock = plan, store, lock
        self.device, self.display = device, display
        self.ordinals = np.arange(len(plan), dtype=np.int64) if ordinals is None else ordinals
        self.index = index
        self.failed: dict[int, str] = {}

    def compute(
        self,
        workers: int | None,
        time_limit: float | None,
        cluster: Cluster | None,
        memory: int | None,
    ) -> None:
        """Compute what is missing; see `run_study` for the errors."""
        self.store.begin(self.plan.study)
        done = survey(self.store, self.plan, verify=True, index=self.index).done
        for line in self.store.damaged:
            self.display.note(f"computing again: {line}")
        left = self.ordinals[~done[self.ordinals]]
        # The longest first, so that the workers finish together.
        groups = sorted(group_cells(self.plan, left), key=lambda group: -group.cost)
        cost = sum(group.cost for group in groups)
        count = min(default_workers() if workers is None else workers, max(len(groups), 1))
        here = cluster is None or cluster.address == "local"
        if groups and here:
            wanted, count = count, workers_that_fit(self.plan, count, memory)
            if count < wanted:
                self.display.note(f"{count} of {wanted} workers: more do not fit into memory")
        if groups and here and self.device == "cpu":
            self.display.note(_about_compiling())
            points = np.unique(left // self.plan.blocks) * self.plan.blocks
            self.plan.engine.compile(self.plan, Cells(self.plan, points))
        finished = len(self.ordinals) - len(left)
        self.index.begin(count, cost)
        self.display.start(len(self.ordinals), finished, cost)
        stopper = Stopper(self.display.note, time_limit, self.lock.lost.is_set)
        try:
            with stopper:
                for outcome in self._steps(groups, count, cluster, stopper):
                    self._note(groups[outcome.group], outcome)
                    finished += len(outcome.finished)
        except KeyboardInterrupt:
            raise stopper.error(finished, len(self.ordinals)) from None
        finally:
            self.display.stop()
        if self.failed:
            raise self._failure()
        if finished < len(self.ordinals):
            raise stopper.error(finished, len(self.ordinals))

    def _steps(
        self, groups: Sequence[Group], workers: int, cluster: Cluster | None, stopper: Stopper
    ) -> Iterator[Outcome]:
        output = self.store.output

        def begun(group: int) -> None:
            self.index.take(groups[group].ordinals)

        if cluster is not None:
            from physbatch.sweep.dask_executor import run_on_cluster

            note = self.display.note
            return run_on_cluster(
                self.plan, self.store, groups, cluster, workers, stopper, note, begun
            )
        if self.device == "cpu" and workers > 1:
            return run_in_processes(self.plan, output, groups, workers, stopper, begun)
        return run_serial(self.plan, output, groups, self.device, stopper, begun)

    def _note(self, group: Group, outcome: Outcome) -> None:
        """Keep what became of a group."""
        places = np.array(outcome.finished, dtype=np.int64)
        cost = group.cost * len(places) / len(group)
        if outcome.note is not None:
            self.index.save(outcome.note, group.ordinals[places], cost, outcome.seconds)
        for place, reason in outcome.failed.items():
            ordinal = int(group.ordinals[place])
            self.failed[ordinal] = reason
            self.index.fail(ordinal, reason)
        self.index.release(int(group.ordinals[0]))
        self.display.advance(len(places), cost)

    def _failure(self) -> WorkerError:
        first = min(self.failed)
        return WorkerError(
            f"{len(self.failed)} of {len(self.ordinals)} cells failed; "
            f"{describe(self.plan.cell(first))}: {self.failed[first]}",
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
