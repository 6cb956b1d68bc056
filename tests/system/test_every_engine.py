"""Every engine through every executor, and through time limits: the same bits."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from physbatch import dataset
from physbatch.cli import main
from physbatch.engines import checkpoint as checkpoints
from physbatch.sweep import Cluster, Part, merge_study, run_part, run_study, stopping
from physbatch.sweep import plan as planning
from tests.system.clusters import cluster
from tests.unit.engines.engine_studies import small_study

ENGINES = ("bit-sliced", "discrete", "gradient", "projected", "classifier", "task")


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """One cell each, so that every worker gets some."""
    monkeypatch.setattr(planning, "CELLS_PER_SHARD", 1)


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> dict[str, xr.Dataset]:
    """Each study in this process, undisturbed."""
    folder = tmp_path_factory.mktemp("serial")
    return {
        name: run_study(small_study(name), folder / f"{name}.nc", workers=1) for name in ENGINES
    }


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A scheduler with three workers."""
    pytest.importorskip("distributed", reason="component missing: dask.distributed")
    with cluster(tmp_path_factory.mktemp("cluster"), workers=3) as one:
        yield one.address


def assert_same_bits(data: xr.Dataset, reference: xr.Dataset) -> None:
    assert set(data.variables) == set(reference.variables)
    for name in reference.variables:
        assert data[name].values.tobytes() == reference[name].values.tobytes(), name
    finite = [np.isfinite(data[name].values).any() for name in ("overlap", "generalization_error")]
    assert all(finite)


@pytest.mark.parametrize("name", ENGINES)
def test_two_processes(name: str, serial: dict[str, xr.Dataset], tmp_path: Path) -> None:
    data = run_study(small_study(name), tmp_path / "x.nc", workers=2)
    assert_same_bits(data, serial[name])


@pytest.mark.parametrize("name", ENGINES)
def test_three_dask_workers(
    name: str, serial: dict[str, xr.Dataset], address: str, tmp_path: Path
) -> None:
    data = run_study(small_study(name), tmp_path / "x.nc", cluster=Cluster(address))
    assert_same_bits(data, serial[name])


@pytest.mark.parametrize("name", ENGINES)
def test_parts_and_merge(name: str, serial: dict[str, xr.Dataset], tmp_path: Path) -> None:
    for number in (2, 1):
        run_part(small_study(name), tmp_path / "x.nc", Part(number, 2), workers=1)
    assert_same_bits(merge_study(tmp_path / "x.nc"), serial[name])


@pytest.mark.parametrize("name", ENGINES)
def test_time_limits(
    name: str,
    serial: dict[str, xr.Dataset],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Again and again with a limit that is too short: exit code 75 until the study is done.

    The run's clock moves on by a second whenever it is looked at.
    """
    monkeypatch.setattr(stopping, "time", SimpleNamespace(monotonic=itertools.count().__next__))
    monkeypatch.setattr(checkpoints, "PIECE_SECONDS", 0.0)
    monkeypatch.setattr(checkpoints, "WORTH_SAVING", 0.0)
    study = tmp_path / "study.toml"
    study.write_text(small_study(name).to_toml())
    target = tmp_path / "x.nc"
    words = ["run", str(study), "-o", str(target), "-w", "1", "--time-limit", "30", "--allow-code"]
    most = 0
    for _ in range(60):
        code = main(words)
        line = capsys.readouterr().err.strip().splitlines()[-1]
        if code == 0:
            break
        assert code == 75, line
        assert "stopped by the time limit" in line
        assert line.endswith("run the same command again to go on")
        most = max(most, len(list((tmp_path / "x.nc.cells").glob("*.checkpoint"))))
    assert code == 0
    assert most >= 1
    assert not list((tmp_path / "x.nc.cells").glob("*.checkpoint"))
    assert_same_bits(dataset.open_dataset(target), serial[name])
