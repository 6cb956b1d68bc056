"""Every call to the system may fail, every moment may be the last: `tests.system.faults`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.shims import FAULTS, build


@pytest.mark.parametrize(
    ("most", "moments"), [(30, 10), pytest.param(100_000, 1000, marks=pytest.mark.slow)]
)
def test_no_fault_has_a_wrong_outcome(most: int, moments: int, tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    library = build(FAULTS, tmp_path, "faults")
    folder = tmp_path / "campaign"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tests.system.faults", str(folder), str(most), str(moments)],
        env={
            **os.environ,
            "LD_PRELOAD": str(library),
            "PYTHONPATH": str(root),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        },
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["wrong"] == []
    assert sum(told["faults"].values()) >= min(most, 1000) + moments
