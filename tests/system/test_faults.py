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
    ("ways", "moments"), [(30, 10), pytest.param(100_000, 1000, marks=pytest.mark.slow)]
)
def test_no_fault_has_a_wrong_outcome(ways: int, moments: int, tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    build(FAULTS, tmp_path, "faults")  # or the test is skipped
    words = [str(tmp_path), "--ways", str(ways), "--moments", str(moments)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.system.faults", *words],
        env={**os.environ, "PYTHONPATH": str(root)},
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["wrong"] == []
    assert sum(told["faults"].values()) >= min(ways, 1000) + moments
