"""The analysis of a dataset larger than memory: what it holds, and that nothing else changes."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from physbatch.cli import main
from physbatch.dataset import open_dataset
from physbatch.exact.planted import first_order
from physbatch.files.netcdf import save
from physbatch.scaling import moments
from physbatch.scaling.statistics import replica_moments

BLOCK = "physbatch.scaling.statistics.replica_moments._AT_ONCE"


def test_moments_of_a_dataset_on_disk_hold_a_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never more than a quarter is in memory, and the numbers are the same."""
    data = first_order(sizes=(50, 100), replicas=500, times=np.arange(10.0, 70.0))
    whole = moments(data, resamples=50)
    path = save(data, tmp_path / "data.nc")
    monkeypatch.setattr(BLOCK, 2**19)
    with open_dataset(path, load=False) as there:
        tracemalloc.start()
        try:
            part = moments(there, resamples=50)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < data.nbytes / 4
    for name in whole:
        np.testing.assert_array_equal(part[name], whole[name])


def test_cells_come_in_their_order_however_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    data = first_order(sizes=(50, 100), replicas=5, times=(10, 100))[["overlap", "status"]]
    whole = list(replica_moments.cells_in_turn(data, ("size", "batch_size")))
    assert [size for size, _ in whole] == [50.0] * 13 + [100.0] * 13
    for most in (1, 300, 3000):
        monkeypatch.setattr(BLOCK, most)
        parts = list(replica_moments.cells_in_turn(data, ("size", "batch_size")))
        assert [size for size, _ in parts] == [size for size, _ in whole]
        for (_, mine), (_, other) in zip(parts, whole, strict=True):
            assert all(np.array_equal(mine[name], other[name]) for name in other)


def test_the_command_reads_large_files_as_it_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save(first_order(sizes=(50, 100), replicas=40), tmp_path / "data.nc")
    printed = []
    for most in (2**28, 1):
        monkeypatch.setattr("physbatch.dataset.IN_MEMORY_BYTES", most)
        assert main(["analyse", str(path), "--json"]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
