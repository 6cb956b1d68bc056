"""SIGKILL at random moments, to anyone: every dataset ends with the undisturbed bits.

The moment lies in a random phase of the run: it starts, computes, or merges and writes. Merge,
select, analyse and report are one process, and are killed in `tests.system.faults`. After each run,
the index shows that no cell was computed twice except those in flight when someone was killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from physbatch import dataset
from physbatch.study import Study
from physbatch.sweep import index, run_study
from tests.conftest import TINY, plan_of
from tests.system.clusters import cluster

pytest.importorskip("distributed", reason="component missing: dask.distributed")
if not Path("/proc/self/task").exists():
    pytest.skip("no /proc on this system", allow_module_level=True)

#: The kernel of the tiny study; 24 cells of about 50 ms, each a shard of its own.
STUDY: dict[str, Any] = {
    **TINY,
    "title": "a study to be killed",
    "grid": {"size": [60, 90], "batch_size": list(range(2, 14)), "replicas": 32},
    "measurement": {"duration": 800, "test_samples": 70},
}
SCRIPT = (
    "import sys\nfrom physbatch.sweep import plan\nplan.CELLS_PER_SHARD = 1\n"
    "from physbatch.cli import main\n"
    "if __name__ == '__main__':\n    sys.exit(main(sys.argv[1:]))\n"
)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    return run_study(Study.from_dict(STUDY), tmp_path_factory.mktemp("ref") / "x.nc", workers=1)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study") / "study.toml"
    path.write_text(Study.from_dict(STUDY).to_toml())
    return path


def start(study: Path, target: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, "run", str(study), "-o", str(target), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def shards(target: Path) -> int:
    return len(list(target.with_name(target.name + ".cells").glob("*.nc")))


def wait_for_shards(target: Path, count: int, process: subprocess.Popen[str]) -> bool:
    """False if the run ended before."""
    deadline = time.monotonic() + 180
    while shards(target) < count:
        if process.poll() is not None:
            return False
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return True


def wait_for_phase(target: Path, process: subprocess.Popen[str], chance: random.Random) -> bool:
    """Until a random moment of a random phase; false if the run ended before."""
    first, last, longest = chance.choice(((0, 0, 3.0), (1, 20, 0.1), (24, 24, 0.5)))
    reached = wait_for_shards(target, chance.randint(first, last), process)
    time.sleep(chance.uniform(0, longest) if reached else 0)
    return reached and process.poll() is None


def worker_of(process: subprocess.Popen[str], chance: random.Random) -> int | None:
    found = []
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(int(child))
    return chance.choice(found) if found else None


def assert_sound(target: Path, undisturbed: xr.Dataset) -> None:
    """The same bits, and each cell in exactly one shard of the index."""
    data = dataset.open_dataset(target)
    for name in undisturbed.variables:
        assert data[name].values.tobytes() == undisturbed[name].values.tobytes(), name
    count = len(plan_of(Study.from_dict(STUDY)))
    saved: Counter[int] = Counter()
    folder = target.with_name(target.name + ".cells")
    for path in folder.glob("index-*.jsonl"):
        for line in path.read_text().splitlines():
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if "shard" in event:
                    saved.update(index._numbers(event["cells"], count).tolist())
    assert saved == Counter(np.arange(count).tolist())
    assert not list(folder.glob("*.damaged"))
    assert not list(folder.glob("lock*"))


def finish(study: Path, target: Path, undisturbed: xr.Dataset) -> None:
    process = start(study, target, "--workers", "2")
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert_sound(target, undisturbed)


def disturb_locally(
    study: Path, folder: Path, undisturbed: xr.Dataset, chance: random.Random
) -> None:
    """Kill the main process or a worker at a random moment, then finish."""
    target = folder / "x.nc"
    process = start(study, target, "--workers", str(chance.choice((1, 2))))
    if wait_for_phase(target, process, chance):
        worker = worker_of(process, chance)
        if worker is not None and chance.random() < 0.5:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
            _, errors = process.communicate(timeout=300)
            assert process.returncode in (0, 1), errors
            assert "Traceback" not in errors
        else:
            process.kill()
    process.communicate()
    finish(study, target, undisturbed)


def disturb_a_cluster(
    study: Path, folder: Path, undisturbed: xr.Dataset, chance: random.Random, kill_scheduler: bool
) -> None:
    """Kill a dask worker, which must not disturb the run, or the scheduler, which ends it."""
    target = folder / "x.nc"
    with cluster(folder, workers=2) as one:
        process = start(study, target, "--scheduler", one.address)
        if wait_for_phase(target, process, chance):
            if kill_scheduler:
                one.scheduler.kill()
            else:
                victim = one.computing_process(chance.choice(one.workers))
                if victim is not None:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(victim, signal.SIGKILL)
        _, errors = process.communicate(timeout=300)
    assert "Traceback" not in errors
    killed_first = kill_scheduler and "no dask scheduler answers" in errors  # before it was reached
    codes = (2,) if killed_first else (0, 1) if kill_scheduler else (0,)
    assert process.returncode in codes, errors
    finish(study, target, undisturbed)


@pytest.mark.parametrize(
    "round_", [0, *(pytest.param(number, marks=pytest.mark.slow) for number in (1, 2))]
)
def test_local_runs(round_: int, study: Path, tmp_path: Path, undisturbed: xr.Dataset) -> None:
    disturb_locally(study, tmp_path, undisturbed, random.Random(round_))


@pytest.mark.slow
@pytest.mark.parametrize("round_", range(100))
def test_a_hundred_kills(round_: int, study: Path, tmp_path: Path, undisturbed: xr.Dataset) -> None:
    chance = random.Random(1000 + round_)
    if round_ % 4 < 2:
        disturb_locally(study, tmp_path, undisturbed, chance)
    else:
        disturb_a_cluster(study, tmp_path, undisturbed, chance, kill_scheduler=round_ % 4 == 3)
