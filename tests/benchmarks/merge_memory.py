"""Merging a dataset larger than memory: peak memory, time, and the bits of some cells.

    python tests/benchmarks/merge_memory.py --gigabytes 2

Writes the shards of a study with many measuring times, filled with random numbers instead of
simulated ones, merges them by `physbatch merge` in a process of its own, and compares a sample
of cells with what was written. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from physbatch import dataset
from physbatch.engines import Arrays, GridPoint, engine_for, unmeasured
from physbatch.study import Study
from physbatch.sweep import Plan, Store

CELLS_PER_SHARD = 16
_MEASURE = (
    "import json, resource, sys\nfrom physbatch.cli import main\ncode = main(sys.argv[1:])\n"
    "print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3))\nsys.exit(code)"
)


def wide_study(gigabytes: float) -> Study:
    """64 replicas and 1001 measuring times at each grid point: 1.5 MB."""
    points = max(2, round(gigabytes * 1e9 / (3 * 8 * 64 * 1001)))
    return Study.from_dict(
        {
            "title": "larger than memory",
            "system": {"depth": 2, "wiring": {"kind": "regular", "degree": 3}},
            "dynamics": {"kind": "greedy"},
            "grid": {
                "size": [60, 90],
                "batch_size": [2 + 60 * step / points for step in range(points // 2)],
                "replicas": 64,
            },
            "measurement": {
                "duration": 1000,
                "times": {"kind": "linear", "every": 1},
                "test_samples": 1,
            },
        }
    )


def numbers(plan: Plan, cell: GridPoint) -> Arrays:
    """Random values that compress as badly as measured ones, the same for every call."""
    draw = np.random.default_rng(int(cell.key, 16) % 2**32)
    out = unmeasured(plan.engine, cell)
    for name, values in out.items():
        drawn = draw.random(values.shape) if values.dtype.kind == "f" else np.zeros(values.shape)
        out[name] = drawn.astype(values.dtype)
    return out


def write_shards(plan: Plan, store: Store) -> None:
    """All cells of a plan, the replica blocks one after the other as a run does."""
    store.begin(plan.study)
    for block in range(plan.blocks):
        cells: Sequence[GridPoint] = plan.cells[block :: plan.blocks]
        for first in range(0, len(cells), CELLS_PER_SHARD):
            group = list(cells[first : first + CELLS_PER_SHARD])
            store.save(plan, group, [numbers(plan, cell) for cell in group])


def merge(target: Path) -> tuple[float, float]:
    """Seconds and peak memory in MB of `physbatch merge`."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, "merge", str(target)],
        capture_output=True,
        text=True,
        check=True,
    )
    return time.monotonic() - began, float(done.stdout.splitlines()[-1])


def measure(gigabytes: float) -> dict[str, Any]:
    """Write, merge and compare."""
    study = wide_study(gigabytes)
    plan = Plan(study, engine_for(study))
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "large.nc")
        write_shards(plan, store)
        seconds, memory = merge(store.output)
        chance = np.random.default_rng(1)
        chosen = chance.choice(len(plan), size=50, replace=False)
        with dataset.open_dataset(store.output, load=False) as data:
            for ordinal in chosen.tolist():
                cell = plan.cell(ordinal)
                rows = slice(cell.first_replica, cell.first_replica + cell.replicas)
                here = data.sel(cell.coordinates).isel(replica=rows)
                for name, values in numbers(plan, cell).items():
                    assert here[name].values.tobytes() == values.tobytes(), (cell, name)
        size = store.output.stat().st_size
    return {
        "cells": len(plan),
        "variables_GB": round(plan.dataset_bytes / 1e9, 2),
        "file_GB": round(size / 1e9, 2),
        "merge_seconds": round(seconds, 1),
        "merge_peak_memory_MB": round(memory),
        "cells_compared": len(chosen),
    }


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    print(json.dumps(measure(parser.parse_args().gigabytes), indent=2))


if __name__ == "__main__":
    main()
