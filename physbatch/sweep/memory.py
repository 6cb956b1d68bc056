"""Memory: what there is, what the workers of a run need, and how many of them fit."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from physbatch.errors import StudyError
from physbatch.sweep.plan import Plan

#: A worker with its libraries and compiled kernels, before its first cell (docs/performance.md).
WORKER_BYTES = 250_000_000

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_KILO = 1024
_CGROUP = Path("/sys/fs/cgroup")
_PROC = Path("/proc")


def available_bytes() -> int | None:
    """Memory that processes started now can use; None where the system does not say.

    On Linux what the kernel calls available, or what the control groups (a container, a batch
    job, each within others) leave if that is less.
    """
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return None
    table = dict(line.split(":", 1) for line in lines if ":" in line)
    if "MemAvailable" not in table:
        return None
    free = int(table["MemAvailable"].split()[0]) * _KILO
    return min([free, *(room for folder in _control_groups() for room in _room(folder))])


def _control_groups() -> Iterator[Path]:
    """The folders of the control groups that limit this process, from its own up to the root."""
    try:
        lines = (_PROC / "self" / "cgroup").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in ("0::/", *lines):
        _, controllers, path = ([*line.split(":", 2), "", ""])[:3]
        if controllers == "":  # version 2
            root = _CGROUP
        elif "memory" in controllers.split(","):
            root = _CGROUP / "memory"
        else:
            continue
        # In a container the path may be that outside of it, and the root that of the container.
        names = [name for name in path.split("/") if name not in ("", "..")]
        for depth in range(len(names), -1, -1):
            yield root.joinpath(*names[:depth])


def _room(folder: Path) -> Iterator[int]:
    """What a control group leaves, if it limits memory: version 2 or version 1."""
    for limit_name, used_name, cache_name in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            limit = int((folder / limit_name).read_text("ascii"))  # "max" is none
            used = int((folder / used_name).read_text("ascii"))
        except (OSError, ValueError):
            continue
        cached = 0  # files that the system forgets when memory is wanted
        with contextlib.suppress(OSError, ValueError):
            for line in (folder / "memory.stat").read_text("ascii").splitlines():
                name, _, number = line.partition(" ")
                cached = int(number) if name == cache_name else cached
        yield max(limit - max(used - cached, 0), 0)


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
