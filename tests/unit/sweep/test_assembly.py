"""Datasets that are merged piece by piece: the bits of those merged in memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from physbatch import dataset
from physbatch.errors import DatasetError, OutputError
from physbatch.files.netcdf import open_netcdf
from physbatch.study.model import Study
from physbatch.sweep import assembly
from physbatch.sweep import plan as planning
from physbatch.sweep.lock import Part
from physbatch.sweep.run import merge_study, run_part, run_study
from physbatch.sweep.store import Store
from tests.conftest import plan_of
from tests.unit.engines.engine_studies import STUDIES

GRID: dict[str, Any] = {
    "size": [6, 9],
    "initial_overlap": [0.0, 0.2],
    "batch_size": [2, 3, 3.5, 5, 8],
    "replicas": 70,
}


def study(name: str) -> Study:
    grid = {**GRID, "size": [8, 11]} if name == "gradient" else GRID
    content = {**STUDIES[name], "title": name, "grid": grid}
    return Study.from_dict({**content, "measurement": {"duration": 5, "test_samples": 9}})


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "CELLS_PER_SHARD", 7)


@pytest.fixture(scope="module", params=["bit-sliced", "gradient"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset merged in memory, its shards beside it."""
    target = tmp_path_factory.mktemp("whole") / "x.nc"
    run_study(study(request.param), target, workers=1)
    return target


def in_order(attrs: Mapping[str, Any]) -> str:
    """Attributes with their types; the library lists them in an order of its own."""
    return str(sorted(attrs.items()))


def assert_same(data: xr.Dataset, reference: xr.Dataset) -> None:
    assert set(data.variables) == set(reference.variables)
    for name in reference.variables:
        assert data[name].dims == reference[name].dims, name
        assert data[name].dtype == reference[name].dtype, name
        assert data[name].values.tobytes() == reference[name].values.tobytes(), name
        assert in_order(data[name].attrs) == in_order(reference[name].attrs), name
    volatile = ("history", "date_created")
    assert {k: v for k, v in data.attrs.items() if k not in volatile} == {
        k: v for k, v in reference.attrs.items() if k not in volatile
    }


@pytest.mark.parametrize("slab", [1, 20_000, 150_000, 400_000])
def test_any_slab_gives_the_same_bits(
    slab: int, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From one cell at a time to all at once, through slabs that cut each dimension."""
    reference = dataset.open_dataset(whole)
    store = Store(whole)
    plan = plan_of(store.study())
    monkeypatch.setattr(assembly, "IN_MEMORY_BYTES", 0)
    monkeypatch.setattr(assembly, "SLAB_BYTES", slab)
    monkeypatch.setattr(assembly, "CHUNK_BYTES", 500)
    whole.unlink()
    with merge_study(whole) as lazy:
        assert_same(lazy.load(), reference)
    # What a reader finds is a file of ours, with a checksum, that needs no probing.
    assert_same(dataset.open_dataset(whole), reference)
    assert dataset.validate(open_netcdf(whole)) is not None
    covered = np.zeros([len(values) for values in plan.grid.values()] + [70], dtype=int)
    slabs = list(assembly._slabs(plan))
    for rectangle in slabs:
        covered[tuple(rectangle.values())] += 1
    assert (covered == 1).all()
    assert (len(slabs) == 1) == (slab == 400_000)


def test_every_chunk_divides_its_slab() -> None:
    for extents in ([1, 7, 64, 100], [3, 5, 2, 9], [1, 1, 32, 100_000], [12, 1, 1, 1]):
        chunks = assembly._chunks(extents, 8)
        assert all(extent % chunk == 0 for extent, chunk in zip(extents, chunks, strict=True))
        assert 8 * np.prod(chunks) <= assembly.CHUNK_BYTES


def test_missing_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused, or marked if asked for, as in memory."""
    target = tmp_path / "x.nc"
    run_part(study("bit-sliced"), target, Part(1, 4), workers=1)
    reference = merge_study(target, partial=True)
    target.unlink()
    monkeypatch.setattr(assembly, "IN_MEMORY_BYTES", 0)
    monkeypatch.setattr(assembly, "SLAB_BYTES", 30_000)
    with pytest.raises(OutputError, match="cells are missing at 20 of 20 grid points; compute"):
        merge_study(target)
    assert not target.exists()
    with merge_study(target, partial=True) as lazy:
        assert_same(lazy.load(), reference)
    # A damaged shard is a missing one, and named.
    shard = next((tmp_path / "x.nc.cells").glob("*.nc"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    target.unlink()
    with pytest.raises(OutputError, match=shard.name):
        merge_study(target)


def test_nothing_is_left_of_a_merge_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shard that is damaged while it goes on; a file that a killed process left."""
    target = tmp_path / "x.nc"
    run_study(study("bit-sliced"), target, workers=1)
    target.unlink()
    (tmp_path / ".x.nc.1.tmp").write_bytes(b"left")
    monkeypatch.setattr(assembly, "IN_MEMORY_BYTES", 0)
    original, opened = Store.open_shard, 0

    def damaged(store: Store, name: str) -> xr.Dataset:
        nonlocal opened
        opened += 1
        if opened > len(store.shard_names()):  # not at the first look
            raise DatasetError("damaged", where=name)
        return original(store, name)

    monkeypatch.setattr(Store, "open_shard", damaged)
    with pytest.raises(DatasetError, match="damaged"):
        merge_study(target)
    assert [path.name for path in tmp_path.iterdir()] == ["x.nc.cells"]


def test_run_ends_with_a_merge_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = run_study(study("bit-sliced"), tmp_path / "memory.nc", workers=1)
    monkeypatch.setattr(assembly, "IN_MEMORY_BYTES", 0)
    target = tmp_path / "pieces.nc"
    with run_study(study("bit-sliced"), target, workers=1) as lazy:
        assert_same(lazy.load(), reference)
    with run_study(study("bit-sliced"), target, workers=1) as again:  # is complete
        assert_same(again.load(), reference)


@pytest.mark.parametrize("limit", [4_000, 40_000])
def test_a_full_disk(limit: int, tmp_path: Path) -> None:
    """A limit on the size of files, anywhere in the writing: one line, and nothing is left."""
    target = tmp_path / "x.nc"
    run_study(study("bit-sliced"), target, workers=1)
    target.unlink()
    script = (
        "import resource, sys\nfrom physbatch.cli import main\n"
        "from physbatch.sweep import assembly\nassembly.IN_MEMORY_BYTES = 0\n"
        "assembly.SLAB_BYTES = 20000\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)\n"
        "sys.exit(main(sys.argv[2:]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(limit), "merge", str(target)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert "cannot write" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["x.nc.cells"]
