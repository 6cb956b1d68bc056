"""Memory: what there is, what the workers of a run need, and how many of them fit."""

import re
from pathlib import Path

from physbatch.errors import StudyError
from physbatch.sweep.plan import Plan

#: A worker with its libraries and compiled kernels, before its first cell (docs/performance.md).
WORKER_BYTES = 250_000_000

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_KILO = 1024
_CGROUP = Path("/sys/fs/cgroup")


def available_bytes() -> int | None:
    """Memory that processes started now can use; None where the system does not say.

    On Linux what the kernel calls available, or what the control group (a container, a batch
    job) leaves if that is less.
    """
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return None
    table = dict(line.split(":", 1) for line in lines if ":" in line)
    if "MemAvailable" not in table:
        return None
    free = int(table["MemAvailable"].split()[0]) * _KILO
    try:
        limit = (_CGROUP / "memory.max").read_text("ascii").strip()
        used = int((_CGROUP / "memory.current").read_text("ascii"))
    except (OSError, ValueError):
        return free
    return free if limit == "max" else min(free, max(int(limit) - used, 0))


def parse_bytes(text: str) -> int:
    """A size such as 500MB, 8GB or 2.5G, in bytes (1 kB = 1000 B); StudyError if it is none."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kMGT]?)B?", text.strip())
    if match is None or float(match[1]) == 0:
        raise StudyError(f"{text!r} is no size", where="--memory", remedy="write 500MB or 8GB")
    return round(float(match[1]) * _UNITS[match[2]])


def workers_that_fit(plan: Plan, workers: int, memory: int | None) -> int:
    """How many workers fit into the memory (bytes; None: what is free) by the largest cell.

    StudyError if not even one does.
    """
    limit = available_bytes() if memory is None else memory
    if limit is None:
        return workers
    each = WORKER_BYTES + plan.most_bytes
    fitting = min(workers, limit // each)
    if fitting < 1:
        source = "are free" if memory is None else "is the limit"
        raise StudyError(
            f"one worker needs about {each / 1e9:.2g} GB, {limit / 1e9:.2g} GB {source}",
            where="memory",
            remedy="take smaller sizes or batches, fewer measuring times, or a larger machine",
        )
    return fitting
