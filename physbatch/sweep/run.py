"""Run a study: plan, compute what is missing, merge."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Protocol

import xarray as xr

from physbatch import dataset
from physbatch.errors import InterruptedRun, StudyError
from physbatch.study import Study
from physbatch.support import require_built
from physbatch.sweep.executors import run_in_processes, run_serial
from physbatch.sweep.plan import Plan, group_cells
from physbatch.sweep.store import Store

__all__ = ["Progress", "default_workers", "resolve_device", "run_study"]


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
    """``auto`` is the bit-sliced CPU kernel, the fastest engine for discrete weights.

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


def run_study(
    study: Study,
    output: str | os.PathLike[str],
    *,
    workers: int | None = None,
    device: str = "auto",
    progress: Progress | None = None,
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
        The data are the same, bit for bit, on every device.
    progress : Progress, optional
        Where to show progress.

    Returns
    -------
    xarray.Dataset
        Schema version 1, as written.

    Raises
    ------
    NotBuiltError
        If the study asks for something that is not implemented.
    OutputError
        If the output exists and belongs to another study, or cannot be written.
    InterruptedRun
        After Ctrl-C; finished cells are saved and the same call goes on from there.

    Examples
    --------
    >>> import tempfile
    >>> from physbatch.catalogue import study
    >>> from physbatch.sweep.run import run_study
    >>> small = study("greedy-unit", replicas=4, duration=10)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     data = run_study(small, f"{folder}/unit.nc", workers=1)
    >>> data["overlap"].dims
    ('size', 'degree', 'batch_size', 'replica', 'time')
    """
    require_built(study)
    target = Path(output)
    plan = Plan(study)
    display: Progress = progress or Quiet()
    place = resolve_device(device)
    store = Store(target)
    if store.claim(study):
        display.note(f"{target} is complete; nothing to do")
        return dataset.open_dataset(target)
    done = store.finished(plan)
    for line in store.damaged:
        display.note(f"computing again: {line}")
    left = [cell for cell in plan.cells if cell.key not in done]
    groups = list(group_cells(plan, left))
    costs = [sum(plan.engine.seconds(plan, cell) for cell in group) for group in groups]
    # The longest first, so that the workers finish together.
    order = sorted(range(len(groups)), key=lambda index: -costs[index])
    groups, costs = [groups[index] for index in order], [costs[index] for index in order]

    count = min(default_workers() if workers is None else workers, max(len(groups), 1))
    if place == "cpu" and left:
        display.note("compiling kernels (cached on disk for the next time)")
        plan.engine.compile(plan, left)
    finished = len(plan.cells) - len(left)
    display.start(len(plan.cells), finished, sum(costs))
    try:
        with _gentle_interrupt(display) as stop:
            if place == "cpu" and count > 1:
                steps = run_in_processes(plan, target, groups, count, stop)
            else:
                steps = run_serial(plan, target, groups, place, stop)
            for index in steps:
                finished += len(groups[index])
                display.advance(len(groups[index]), costs[index])
    except KeyboardInterrupt:
        raise _interrupted(finished, len(plan.cells)) from None
    finally:
        display.stop()
    if finished < len(plan.cells):
        raise _interrupted(finished, len(plan.cells))
    merged = store.merge(plan, place)
    dataset.save(merged, target)
    return merged


def _interrupted(finished: int, total: int) -> InterruptedRun:
    return InterruptedRun(
        f"interrupted: {finished} of {total} cells are saved",
        remedy="run the same command again to go on",
    )


@contextmanager
def _gentle_interrupt(display: Progress) -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C lets the cells in flight finish, the second stops at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        display.note("stopping when the cells in flight are done; Ctrl-C again stops now")

    previous = signal.signal(signal.SIGINT, handle)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, previous)
