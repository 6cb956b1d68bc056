"""Plan, store and executors: the same bits whatever the workers, the order and the damage."""

from __future__ import annotations

import copy
import dataclasses
import random
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from physbatch.engines.binary import BinaryEngine
from physbatch.engines.point import GridPoint
from physbatch.errors import NotBuiltError, OutputError, StudyError, WorkerError
from physbatch.files.netcdf import save
from physbatch.study import catalogue
from physbatch.study.model import Study
from physbatch.sweep import executors
from physbatch.sweep.merging import merge
from physbatch.sweep.plan import group_cells
from physbatch.sweep.run import run_study
from physbatch.sweep.status import survey
from physbatch.sweep.store import Store
from tests.conftest import TINY, plan_of


def same_variables(one: xr.Dataset, other: xr.Dataset) -> None:
    """Bit for bit: nan equals nan, and nothing else is forgiven."""
    assert set(one.variables) == set(other.variables)
    for name in one.variables:
        left, right = one[name].values, other[name].values
        assert left.dtype == right.dtype, name
        assert left.tobytes() == right.tobytes(), name


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    path = tmp_path_factory.mktemp("reference") / "tiny.nc"
    return run_study(Study.from_dict(TINY), path, workers=1)


def test_two_workers_give_the_same_bits(reference: xr.Dataset, tmp_path: Path) -> None:
    study = Study.from_dict(TINY)
    same_variables(run_study(study, tmp_path / "two.nc", workers=2), reference)


def test_the_definition_gives_the_same_bits(
    reference: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The torch engine, as on a GPU, through the whole pipeline."""
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    original = BinaryEngine.simulate
    monkeypatch.setattr(
        BinaryEngine, "simulate", lambda engine, point, *rest: original(engine, point, "meta-cpu")
    )
    from physbatch.dynamics.bitsliced import definition

    run_definition = definition.run_definition
    monkeypatch.setattr(
        definition, "run_definition", lambda system, run, device: run_definition(system, run)
    )
    study = Study.from_dict(TINY)
    data = run_study(study, tmp_path / "cuda.nc", workers=1, device="cuda")
    assert data.attrs["device"] == "cuda"
    assert data.attrs["processor"].startswith("a GPU, ")
    same_variables(data, reference)


def test_shards_merge_in_any_order(
    reference: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(Study.from_dict(TINY))
    store = Store(tmp_path / "tiny.nc")
    for cell in plan.cells:  # one shard each, unlike the grouped ones of the reference
        executors.compute_group(plan, store.output, [cell], "cpu")
    shards = [part.wanted for part in store.parts(plan)]
    assert len(shards) == len(plan)
    for seed in range(3):
        random.Random(seed).shuffle(shards)
        merged = merge(plan, shards)
        for name in merged.data_vars:
            assert merged[name].values.tobytes() == reference[name].values.tobytes()


def test_finished_cells_are_not_computed_again(
    reference: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Study.from_dict(TINY)
    plan = plan_of(study)
    target = tmp_path / "tiny.nc"
    for cell in plan.cells[:4]:
        executors.compute_group(plan, target, [cell], "cpu")
    computed: list[str] = []
    original = BinaryEngine.simulate

    def counting(engine: BinaryEngine, point: GridPoint, *rest: object) -> object:
        computed.append(point.key)
        return original(engine, point, *rest)

    monkeypatch.setattr(BinaryEngine, "simulate", counting)
    same_variables(run_study(study, target, workers=1), reference)
    assert sorted(computed) == sorted(cell.key for cell in plan.cells[4:])
    computed.clear()
    same_variables(run_study(study, target, workers=1), reference)
    assert computed == []


def test_more_replicas_reuse_full_blocks() -> None:
    content = copy.deepcopy(TINY)
    content["grid"]["replicas"] = 32
    small = Study.from_dict(content)
    content["grid"]["replicas"] = 40
    large = Study.from_dict(content)
    shared = {c.key for c in plan_of(small).cells} & {c.key for c in plan_of(large).cells}
    assert len(shared) == len(plan_of(small))


@pytest.mark.parametrize("damage", ["truncate", "flip", "foreign", "empty"])
def test_a_damaged_shard_is_computed_again(
    damage: str, reference: xr.Dataset, tmp_path: Path
) -> None:
    study = Study.from_dict(TINY)
    plan = plan_of(study)
    target = tmp_path / "tiny.nc"
    run_study(study, target, workers=1)
    target.unlink()
    shard = next(Store(target).folder.glob("*.nc"))
    content = shard.read_bytes()
    if damage == "truncate":
        shard.write_bytes(content[: len(content) // 2])
    elif damage == "flip":
        at = content.find(b"\x78\x01") + 5  # inside the first compressed chunk
        shard.write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
    elif damage == "foreign":
        save(xr.Dataset({"x": ("t", [1.0])}), shard)
    else:
        shard.write_bytes(b"")
    store = Store(target)
    assert not survey(store, plan, verify=True).done.all()
    assert len(store.damaged) == 1
    same_variables(run_study(study, target, workers=1), reference)


def test_shards_of_other_studies_in_the_folder_do_no_harm(
    reference: xr.Dataset, tmp_path: Path
) -> None:
    content = copy.deepcopy(TINY)
    content["seed"] = {"study": 99}
    other = plan_of(Study.from_dict(content))
    target = tmp_path / "tiny.nc"
    executors.compute_group(other, target, other.cells, "cpu")
    same_variables(run_study(Study.from_dict(TINY), target, workers=1), reference)


def test_an_output_of_another_study_is_not_touched(tmp_path: Path) -> None:
    target = tmp_path / "tiny.nc"
    run_study(Study.from_dict(TINY), target, workers=1)
    before = target.read_bytes()
    content = copy.deepcopy(TINY)
    content["seed"] = {"study": 2}
    with pytest.raises(OutputError, match="belongs to another study"):
        run_study(Study.from_dict(content), target, workers=1)
    assert target.read_bytes() == before
    target.write_text("my notes")
    with pytest.raises(OutputError, match="no physbatch dataset"):
        run_study(Study.from_dict(TINY), target, workers=1)
    assert target.read_text() == "my notes"
    with pytest.raises(OutputError, match="is a folder"):
        run_study(Study.from_dict(TINY), tmp_path, workers=1)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failing_cell_is_named_and_all_others_are_done(
    workers: int, reference: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cell smaller than its degree fails in the worker for a reason of its own."""
    plan = plan_of(Study.from_dict(TINY))
    store = Store(tmp_path / "tiny.nc")
    groups = [[cell] for cell in plan.cells]
    too_small = {**plan.cells[3].coordinates, "size": 2}
    groups[3] = [dataclasses.replace(plan.cells[3], coordinates=too_small), plan.cells[3]]
    if workers == 1:
        outcomes = list(executors.run_serial(plan, store.output, groups, "cpu"))
    else:
        outcomes = list(executors.run_in_processes(plan, store.output, groups, workers))
    assert sorted(outcome.group for outcome in outcomes) == list(range(6))
    failed = {outcome.group: outcome.failed for outcome in outcomes if outcome.failed}
    assert set(failed) == {3}
    assert set(failed[3]) == {0}
    assert "Error" in failed[3][0]
    assert survey(store, plan, verify=True).done.all()


def test_failures_are_recorded_and_end_the_run_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Study.from_dict(TINY)
    plan = plan_of(study)
    target = tmp_path / "tiny.nc"
    original = BinaryEngine.simulate

    def fails_at(engine: BinaryEngine, point: GridPoint, *rest: object) -> object:
        if point.key in (plan.cells[2].key, plan.cells[3].key):
            raise ZeroDivisionError("of this cell")
        return original(engine, point, *rest)

    monkeypatch.setattr(BinaryEngine, "simulate", fails_at)
    with pytest.raises(
        WorkerError,
        match=r"2 of 6 cells failed; cell size = 6, batch_size = 8: "
        r"ZeroDivisionError: of this cell; .*run the same command",
    ) as caught:
        run_study(study, target, workers=1)
    assert caught.value.exit_code == 1
    state = survey(Store(target), plan, verify=True)
    assert state.done.tolist() == [True, True, False, False, True, True]
    assert set(state.record.failed) == {2, 3}
    assert not target.exists()
    monkeypatch.setattr(BinaryEngine, "simulate", original)
    run_study(study, target, workers=1)
    assert survey(Store(target), plan, verify=True).record.failed == {}


def test_what_a_worker_cannot_write_is_an_output_error(tmp_path: Path) -> None:
    """A folder in the way of a shard: the same error, with exit code 2, as in this process."""
    plan = plan_of(Study.from_dict(TINY))
    store = Store(tmp_path / "tiny.nc")
    groups = [[cell] for cell in plan.cells]
    store.shard_path(groups[3]).mkdir(parents=True)
    steps = executors.run_in_processes(plan, store.output, groups, 1)
    with pytest.raises(OutputError, match="cannot write") as caught:
        list(steps)
    assert caught.value.exit_code == 2
    assert len(list(store.folder.glob("*.nc"))) == 4  # three shards and the folder


def test_a_gpu_that_is_not_there_is_refused(tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("a GPU is here")
    with pytest.raises(StudyError, match="no CUDA device"):
        run_study(Study.from_dict(TINY), tmp_path / "x.nc", device="cuda")
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_built_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    content = copy.deepcopy(TINY)
    content["measurement"]["sharpness"] = True
    with pytest.raises(NotBuiltError):
        run_study(Study.from_dict(content), tmp_path / "x.nc")
    assert list(tmp_path.iterdir()) == []


def test_groups_hold_each_cell_once_with_one_replica_range() -> None:
    content = copy.deepcopy(TINY)
    content["grid"] = {"size": [5, 7], "batch_size": list(range(1, 200)), "replicas": 70}
    plan = plan_of(Study.from_dict(content))
    groups = list(group_cells(plan, plan.cells.ordinals))
    keys = [cell.key for group in groups for cell in group]
    assert sorted(keys) == sorted(cell.key for cell in plan.cells)
    assert len(set(keys)) == len(plan) == 2 * 199 * 3
    assert all(len({cell.first_replica for cell in group}) == 1 for group in groups)
    assert len(groups) < 20


def test_estimate_counts_what_is_stored(reference: xr.Dataset) -> None:
    plan = plan_of(Study.from_dict(TINY))
    stored = sum(reference[name].nbytes for name in reference.data_vars)
    assert plan.dataset_bytes == stored
    assert len(plan) == 6


def test_observables_of_the_quick_catalogue_study(tmp_path: Path) -> None:
    study = catalogue.study("sparse-vector", size=[15], batch_size=[60], replicas=8, duration=2000)
    data = run_study(study, tmp_path / "x.nc", workers=1)
    overlap = data["overlap"].isel(size=0, batch_size=0)
    perfect = overlap == 1
    passage = data["first_passage"].isel(size=0, batch_size=0)
    assert bool(perfect.isel(time=-1).all())
    passed = (passage <= data["time"]).transpose(*perfect.dims)
    np.testing.assert_array_equal(perfect, passed)
    lower = data["first_passage_lower"].isel(size=0, batch_size=0)
    assert bool((passage - lower == 1).all())
    errors = data["generalization_error"].isel(size=0, batch_size=0)
    assert bool((errors.where(perfect, 0) == 0).all())
    assert bool((errors.isel(time=0) > 0.2).all())
