"""Many tiny cells: memory, overhead for each cell, and how soon `status` answers.

    python tests/benchmarks/soak.py local --cells 100000
    python tests/benchmarks/soak.py dask --cells 100000
    python tests/benchmarks/soak.py plan --cells 10000000

The first two run a study of tiny cells on two workers and print one JSON object; the third
makes the plan, the groups and the index of a large study without computing anything.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from physbatch.engines import engine_for
from physbatch.files import open_netcdf, save
from physbatch.study import Study
from physbatch.sweep import Cluster, Plan, Store, group_cells, run_status, run_study
from physbatch.sweep import index as indices

#: Measurements begin when this share of the cells is done.
WARM_UP = 0.2


def tiny_study(cells: int) -> Study:
    """`cells` cells of about 10 microseconds of simulation."""
    sizes = min(100, cells)
    batch_sizes = -(-cells // sizes)
    return Study.from_dict(
        {
            "title": "soak",
            "system": {"depth": 2, "wiring": {"kind": "regular", "degree": 3}},
            "dynamics": {"kind": "greedy"},
            "grid": {
                "size": list(range(6, 6 + sizes)),
                "batch_size": [2 + 60 * step / batch_sizes for step in range(batch_sizes)],
                "replicas": 1,
            },
            "measurement": {"duration": 1, "test_samples": 1},
        }
    )


def resident(pid: int) -> float:
    """Resident memory of a process in MB; 0 if it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 1e6
    except OSError:
        return 0.0


def descendants(pid: int) -> list[int]:
    """All children of a process and theirs."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    own = [int(word) for word in text.split()]
    return own + [one for child in own for one in descendants(child)]


class Watch:
    """Counts cells and samples memory of this process and its children, while a run goes on."""

    def __init__(self, store: Store, plan: Plan) -> None:
        self._store, self._plan = store, plan
        self.done = self.total = 0
        self.memory: dict[int, list[float]] = {}
        self.status_seconds: list[float] = []
        self.processor_seconds = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def start(self, total: int, done: int, cost: float) -> None:
        self.total, self.done = total, done
        self.began = time.monotonic()
        self._thread.start()

    def note(self, text: str) -> None:
        print(text, file=sys.stderr)

    def advance(self, cells: int, cost: float) -> None:
        self.done += cells

    def stop(self) -> None:
        self.seconds = time.monotonic() - self.began
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._ended.wait(1.0):
            if self.done < WARM_UP * self.total:
                continue
            for pid in (os.getpid(), *descendants(os.getpid())):
                self.memory.setdefault(pid, []).append(resident(pid))
            if len(self.status_seconds) < 5:
                began = time.perf_counter()
                run_status(self._store, self._plan)
                self.status_seconds.append(time.perf_counter() - began)

    def growth(self) -> dict[str, float]:
        """Largest growth of a process after warm-up, in MB; short-lived ones do not count."""
        long = {pid: one for pid, one in self.memory.items() if len(one) > 4}
        own = long.pop(os.getpid(), [0.0])
        workers = [max(one) - one[0] for one in long.values()]
        return {"main": max(own) - own[0], "worker": max(workers, default=0.0)}


def soak(cells: int, kind: str) -> dict[str, Any]:
    """Run a study of tiny cells on two workers."""
    study = tiny_study(cells)
    plan = Plan(study, engine_for(study))
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "soak.nc"
        # What `status` imports when it opens a shard is no growth of the run.
        open_netcdf(save(xr.Dataset({"x": ("t", [1.0])}), Path(folder) / "first.nc"))
        watch = Watch(Store(target), plan)
        before = os.times()
        began = time.monotonic()
        cluster = Cluster("local") if kind == "dask" else None
        run_study(study, target, workers=2, progress=watch, cluster=cluster)
        seconds = time.monotonic() - began
        after = os.times()
        shards = len(Store(target).shard_names())
    # Children count once they are waited for, as all are at the end of a run.
    processor = sum(after[:4]) - sum(before[:4])
    growth = watch.growth()
    return {
        "cells": len(plan),
        "workers": 2,
        "shards": shards,
        "seconds": round(seconds, 1),
        "computing_seconds": round(watch.seconds, 1),
        "milliseconds_per_cell": round(1e3 * watch.seconds / len(plan), 3),
        "processor_milliseconds_per_cell": round(1e3 * processor / len(plan), 3),
        "growth_main_MB": round(growth["main"], 1),
        "growth_worker_MB": round(growth["worker"], 1),
        "status_seconds": round(max(watch.status_seconds, default=float("nan")), 3),
    }


def large_plan(cells: int) -> dict[str, Any]:
    """Plan, groups and index of a study that is never run."""
    times: dict[str, float] = {}
    clock = time.process_time  # of this process: other loads do not count
    began = clock()
    study = tiny_study(cells)
    plan = Plan(study, engine_for(study))
    times["plan"] = clock() - began
    began = clock()
    groups = list(group_cells(plan, plan.cells.ordinals))
    times["groups"] = clock() - began
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = clock()
        with indices.Index(folder, plan.name) as index:
            index.begin(2, 1.0)
            for number, group in enumerate(groups):
                index.take(group.ordinals)
                note = indices.ShardNote(f"{number:032x}.nc", "0" * 16)
                index.save(note, group.ordinals, group.cost, 0.5)
                index.release(int(group.ordinals[0]))
        times["index_written"] = clock() - began
        size = index.path.stat().st_size
        began = clock()
        record = indices.read_index(folder, plan.name, len(plan))
        done = np.zeros(len(plan), dtype=bool)
        for _, ordinals in record.shards.values():
            done[ordinals] = True
        times["index_read"] = clock() - began
        assert done.all()
    return {
        "cells": len(plan),
        "shards": len(groups),
        "processor_seconds": {stage: round(value, 2) for stage, value in times.items()},
        "index_MB": round(size / 1e6, 2),
        "peak_memory_MB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, 1),
    }


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("local", "dask", "plan"))
    parser.add_argument("--cells", type=int, default=100_000)
    words = parser.parse_args()
    result = large_plan(words.cells) if words.kind == "plan" else soak(words.cells, words.kind)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
