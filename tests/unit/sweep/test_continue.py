"""A raised duration: the same output goes on, with the bits of one run, whoever computes."""

from __future__ import annotations

import copy
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from physbatch.dataset import open_dataset
from physbatch.engines import checkpoint as checkpoints
from physbatch.engines.binary import BinaryEngine
from physbatch.errors import OutputError
from physbatch.files.checksums import without_checksum
from physbatch.study.model import Study
from physbatch.sweep import assembly, dask_executor
from physbatch.sweep import store as stores
from physbatch.sweep.cluster import Cluster
from physbatch.sweep.dask_executor import Task, compute_remotely
from physbatch.sweep.ends import BegunCells
from physbatch.sweep.executors import compute_group
from physbatch.sweep.run import run_study
from physbatch.sweep.status import survey
from physbatch.sweep.store import Store
from tests.conftest import TINY, plan_of


def lasting(duration: int, **grid: Any) -> Study:
    content = copy.deepcopy(TINY)
    content["measurement"]["duration"] = duration
    content["grid"] |= grid
    return Study.from_dict(content)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    return run_study(lasting(40), tmp_path_factory.mktemp("whole") / "x.nc", workers=1)


def assert_same_bits(data: xr.Dataset, reference: xr.Dataset) -> None:
    assert set(data.variables) == set(reference.variables)
    for name in reference.variables:
        assert data[name].values.tobytes() == reference[name].values.tobytes(), name


@pytest.mark.parametrize("workers", [1, 2])
def test_a_raised_duration_goes_on(workers: int, whole: xr.Dataset, tmp_path: Path) -> None:
    output = tmp_path / "x.nc"
    assert "continued" not in run_study(lasting(13), output, workers=workers).attrs
    assert Store(output).is_complete(lasting(13))
    data = run_study(lasting(40), output, workers=workers)
    assert_same_bits(data, whole)
    words = "6 of 6 cells went on from time 13 (sweep) of a shorter run"
    assert data.attrs["continued"] == words
    assert open_dataset(output).attrs["continued"] == words
    with pytest.raises(OutputError, match="belongs to another study"):
        run_study(lasting(13), output, workers=workers)


def test_nothing_is_computed_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel is asked for the sweeps from 13 on alone."""
    from physbatch.dynamics.bitsliced import run as bitsliced

    output = tmp_path / "x.nc"
    run_study(lasting(13), output, workers=1)
    starts = []
    advance = bitsliced.advance

    def noted(system: Any, run: Any, out: Any, start: int, pause: int) -> None:
        starts.append(start)
        advance(system, run, out, start, pause)

    monkeypatch.setattr(bitsliced, "advance", noted)
    run_study(lasting(40), output, workers=1)
    assert min(start for start in starts if start) == 13


def test_a_study_that_grows_goes_on_where_it_can(whole: xr.Dataset, tmp_path: Path) -> None:
    """Two batch sizes of one size first; then three of two, three times as long."""
    output = tmp_path / "x.nc"
    run_study(lasting(13, size=[6], batch_size=[2, 8]), output, workers=1)
    data = run_study(lasting(40), output, workers=1)
    assert_same_bits(data, whole)
    assert data.attrs["continued"].startswith("2 of 6 cells")


def test_the_index_remembers_who_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupted second run: its cells still go on, and no old shard is opened again."""
    output = tmp_path / "x.nc"
    run_study(lasting(13), output, workers=1)
    simulate, left = BinaryEngine.simulate, itertools.count()

    def fails_late(engine: BinaryEngine, *words: Any) -> Any:
        if next(left) >= 2:
            raise OutputError("the disk is full", where="x.nc")
        return simulate(engine, *words)

    monkeypatch.setattr(BinaryEngine, "simulate", fails_late)
    with pytest.raises(OutputError, match="full"):
        run_study(lasting(40), output, workers=1)
    monkeypatch.undo()
    plan = plan_of(lasting(40))
    store = Store(output)
    known = survey(store, plan, verify=False)
    assert len(known.begun) == 6
    monkeypatch.setattr(stores, "open_netcdf", None)
    assert survey(Store(output), plan, verify=True).begun == known.begun
    monkeypatch.undo()
    data = run_study(lasting(40), output, workers=1)
    assert data.attrs["continued"].startswith("6 of 6")


def test_a_second_run_that_is_stopped_goes_on(
    whole: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped inside each cell, again and again: its own checkpoint comes before the end state."""
    monkeypatch.setattr(checkpoints, "PIECE_SECONDS", 0.0)
    monkeypatch.setattr(checkpoints, "WORTH_SAVING", 0.0)
    output = tmp_path / "x.nc"
    run_study(lasting(13), output, workers=1)
    plan, store = plan_of(lasting(40)), Store(output)
    begun = survey(store, plan, verify=True).begun
    for ordinal in plan.cells.ordinals.tolist():
        cells, stops = [plan.cell(ordinal)], 0
        states = BegunCells(store.folder).of(cells, {0: begun[ordinal]})
        finished = False
        while not finished:
            questions = iter(range(3))
            outcome = compute_group(
                plan,
                output,
                cells,
                "cpu",
                stop=lambda left=questions: next(left, None) is None,
                begun=states,
            )
            assert outcome.failed == {}
            finished = outcome.finished == (0,)
            stops += not finished
            assert stops < 40
        assert stops > 1
    data = run_study(lasting(40), output, workers=1)
    assert_same_bits(data, whole)
    assert data.attrs["continued"].startswith("6 of 6")


def test_large_datasets_say_so_as_well(
    whole: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly, "IN_MEMORY_BYTES", 0)
    output = tmp_path / "x.nc"
    run_study(lasting(13), output, workers=1).close()
    with run_study(lasting(40), output, workers=1) as data:
        assert data.attrs["continued"].startswith("6 of 6")
        assert_same_bits(data.load(), whole)


def test_on_dask(whole: xr.Dataset, tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="component missing: dask.distributed")
    output = tmp_path / "x.nc"
    run_study(lasting(13), output, workers=1)
    data = run_study(lasting(40), output, workers=1, cluster=Cluster("local"))
    assert_same_bits(data, whole)
    assert data.attrs["continued"].startswith("6 of 6")


def test_a_dask_worker_without_the_folder_is_sent_the_states(
    whole: xr.Dataset, tmp_path: Path
) -> None:
    """It asks for them, and its shard comes back."""
    output = tmp_path / "x.nc"
    run_study(lasting(13), output, workers=1)
    plan, store = plan_of(lasting(40)), Store(output)
    begun = survey(store, plan, verify=True).begun
    names = {number: begun[number] for number in range(len(plan.cells))}
    task = Task(
        study=plan.study.model_dump_json(),
        states=None,
        begun=names,
        ordinals=plan.cells.ordinals,
        group=0,
        output=str(tmp_path / "elsewhere" / "x.nc"),
        token="ends",
        version=dask_executor.physbatch.__version__,
        revision=plan.revision,
        send_back=False,
    )
    answer = compute_remotely(task)
    assert answer.outcome is None
    states = BegunCells(store.folder).of(plan.cells, names)
    answer = compute_remotely(replace(task, states=states))
    assert answer.outcome is not None
    assert answer.content is not None
    without_checksum(answer.content, where="shard")
    assert answer.outcome.note is not None
    store.write(answer.outcome.note.name, answer.content)
    shard = store.open_shard(answer.outcome.note.name)
    assert (shard["began_at"] == 13).all()
    assert shard["overlap"].values.tobytes() == whole["overlap"].values.tobytes()


def test_states_of_other_code_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "x.nc"
    run_study(lasting(13), output, workers=1)
    monkeypatch.setattr("physbatch.sweep.plan.revision_of", lambda study: "another")
    plan = plan_of(lasting(40))
    assert survey(Store(output), plan, verify=True).begun == {}


def test_a_damaged_state_starts_the_cell_anew(whole: xr.Dataset, tmp_path: Path) -> None:
    """A shard that loses its checksum after it was found: its cells have no state."""
    output = tmp_path / "x.nc"
    run_study(lasting(13), output, workers=1)
    plan, store = plan_of(lasting(40)), Store(output)
    begun = survey(store, plan, verify=True).begun
    cell = plan.cells[0]
    assert BegunCells(store.folder).content(begun[0], cell)
    path = store.folder / begun[0]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert BegunCells(store.folder).content(begun[0], cell) == b""
    data = run_study(lasting(40), output, workers=1)
    assert_same_bits(data, whole)
    assert np.isfinite(data["overlap"]).all()
