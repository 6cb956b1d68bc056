"""A dask scheduler and its workers as separate processes on 127.0.0.1."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["Cluster", "cluster", "computing_processes"]

ENVIRONMENT = {
    "DASK_DISTRIBUTED__LOGGING__DISTRIBUTED": "error",
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "10",
    "OMP_NUM_THREADS": "1",
}


class Cluster:
    """One scheduler and some workers; all are ended, the workers first.

    Parameters
    ----------
    folder : Path
        For files of the cluster.
    tls : sequence of str
        Options for encryption.
    """

    def __init__(self, folder: Path, tls: Sequence[str] = ()) -> None:
        self._folder, self._tls = folder, tls
        self._scheduler_file = folder / "scheduler.json"
        self.workers: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show"
        )
        self._wait_for(self._scheduler_file)
        import json

        self.address = str(json.loads(self._scheduler_file.read_text())["address"])

    def _start(self, role: str, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "distributed.cli.dask_" + role, *words),
                *("--scheduler-file", str(self._scheduler_file), *self._tls),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **ENVIRONMENT},
            start_new_session=True,
        )

    def _wait_for(self, path: Path) -> None:
        deadline = time.monotonic() + 120
        while not path.exists() or not path.read_text().rstrip().endswith("}"):
            assert self.scheduler.poll() is None, "the scheduler ended"
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def hire(self, count: int = 1) -> None:
        """Start workers, each with its nanny."""
        for _ in range(count):
            self.workers.append(
                self._start(
                    "worker",
                    *("--host", "127.0.0.1", "--nthreads", "1", "--no-dashboard"),
                    *("--local-directory", str(self._folder), "--memory-limit", "0"),
                    *("--death-timeout", "60"),
                )
            )

    def close(self) -> None:
        """Workers first: without their scheduler they were seen to hang."""
        for process in (*self.workers, self.scheduler):
            end(process)


def computing_processes(pid: int) -> list[int]:
    """The processes that multiprocessing started for another one, by any of its threads."""
    computing = []
    with contextlib.suppress(OSError):
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in children.read_text().split():
                if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                    computing.append(int(child))
    return computing


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process and its children to end; after a while, make them."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, sent)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def cluster(folder: Path, workers: int, tls: Sequence[str] = ()) -> Iterator[Cluster]:
    """A cluster that is ended whatever happens."""
    one = Cluster(folder, tls)
    try:
        one.hire(workers)
        yield one
    finally:
        one.close()
