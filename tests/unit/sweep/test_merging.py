"""Coordinates of a dataset that follow from others."""

from __future__ import annotations

import json
from pathlib import Path

from physbatch.study.catalogue import study
from physbatch.study.model import Study
from physbatch.sweep.run import run_study


def test_samples_are_counted_along_a_schedule_of_batches(tmp_path: Path) -> None:
    """Five steps with m = 2, then five with m = 4."""
    small = study("task-linear", size=[8], batch_size=[2], replicas=2, duration=10, test_samples=8)
    content = json.loads(small.canonical_json())
    content["measurement"]["times"] = {"kind": "list", "values": [0, 5, 7, 10]}
    constant = run_study(Study.from_dict(content), tmp_path / "constant.nc", workers=1)
    assert constant["samples"].values.tolist() == [[0, 10, 14, 20]]
    content["dynamics"]["batch_schedule"] = {"kind": "steps", "at": [5], "factors": [2]}
    growing = run_study(Study.from_dict(content), tmp_path / "growing.nc", workers=1)
    assert growing["samples"].values.tolist() == [[0, 10, 18, 30]]
