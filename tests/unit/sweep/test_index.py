"""The index: what it says is believed only as far as the shards bear it out."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from physbatch.engines.binary import BinaryEngine
from physbatch.engines.point import GridPoint
from physbatch.files.netcdf import open_netcdf
from physbatch.study.model import Study
from physbatch.sweep import executors
from physbatch.sweep.index import Index, ShardNote, _numbers, _ranges, read_index
from physbatch.sweep.lock import Lock, Part
from physbatch.sweep.run import run_study
from physbatch.sweep.status import run_status, survey
from physbatch.sweep.store import Store
from tests.conftest import TINY, plan_of

NAME = "0123456789abcdef" * 2 + ".nc"


@given(st.lists(st.integers(0, 999), max_size=40))
def test_ranges_round_trip(numbers: list[int]) -> None:
    assert _numbers(_ranges(np.array(numbers, dtype=np.int64)), 1000).tolist() == numbers


def test_lines_add_up(tmp_path: Path) -> None:
    with Index(tmp_path, "a" * 64) as index:
        index.begin(workers=2, cost=10.0)
        index.take(np.array([0, 1, 2]))
        index.take(np.array([3, 4]))
        index.save(ShardNote(NAME, "ff00"), np.array([0, 2]), cost=4.0, seconds=8.0)
        index.fail(1, "ValueError: no")
        index.release(0)
    record = read_index(tmp_path, "a" * 64, 5)
    assert record.shards[NAME][0] == "ff00"
    assert record.shards[NAME][1].tolist() == [0, 2]
    assert record.failed == {1: "ValueError: no"}
    assert record.running == {"": {3: 2}}
    # 6 core seconds by the estimate are left, at twice the estimate, on two workers.
    assert record.seconds_left == pytest.approx(6.0)
    with Index(tmp_path, "a" * 64) as index:
        index.save(ShardNote(NAME, "ff00"), np.array([1]), cost=0.0, seconds=0.0)
    assert read_index(tmp_path, "a" * 64, 5).failed == {}
    assert read_index(tmp_path, "b" * 64, 5).shards == {}


def test_torn_foreign_and_hostile_lines_are_passed_over(tmp_path: Path) -> None:
    with Index(tmp_path, "a" * 64) as index:
        index.fail(1, "first")
    good = {"shard": NAME, "digest": "00", "cells": "0-1", "cost": 1, "seconds": 1}
    with open(index.path, "a") as stream:
        for line in (
            {**good, "shard": "../../../etc/passwd"},
            {**good, "shard": f"../{NAME}"},
            {**good, "cells": "0-99999999999"},
            {**good, "cells": "-5"},
            {"failed": 77, "reason": "no such cell"},
            [],
            17,
            {"take": 3},
        ):
            stream.write(json.dumps(line) + "\n")
        stream.write('{"failed":2,"rea')  # killed here
    with Index(tmp_path, "a" * 64) as again:
        again.fail(3, "after the torn line")
    record = read_index(tmp_path, "a" * 64, 5)
    assert record.shards == {}
    assert record.failed == {1: "first", 3: "after the torn line"}


def test_status_opens_no_shard_that_the_index_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Study.from_dict(TINY)
    plan = plan_of(study)
    target = tmp_path / "tiny.nc"
    run_study(study, target, workers=1)
    target.unlink()
    opened: list[str] = []
    monkeypatch.setattr(
        "physbatch.sweep.store.open_netcdf",
        lambda path: (opened.append(path.name), open_netcdf(path))[1],
    )
    store = Store(target)
    state = run_status(store, plan)
    assert (state.done, state.running, state.failed, opened) == (6, 0, {}, [])
    # A shard whose line was lost with its writer is opened; one that is gone is not believed.
    next(store.folder.glob("index-*")).unlink()
    assert run_status(store, plan).done == 6
    assert len(opened) == 1
    for path in store.folder.glob("*.nc"):
        path.unlink()
    assert run_status(store, plan).done == 0


def test_running_cells_count_only_while_their_run_lives(tmp_path: Path) -> None:
    plan = plan_of(Study.from_dict(TINY))
    store = Store(tmp_path / "tiny.nc")
    with Lock(store.folder, Part(1, 2)) as lock:
        with Index(store.folder, plan.name, lock.part) as index:
            index.take(np.array([0, 2, 4]))
        state = run_status(store, plan)
        assert state.running == 3
        assert state.owners == [lock.owner]
    assert run_status(store, plan).running == 0


def test_a_shard_exchanged_behind_the_index_is_read_again(tmp_path: Path) -> None:
    """Same name, sound checksum, other cells: the index must not be believed."""
    plan = plan_of(Study.from_dict(TINY))
    store = Store(tmp_path / "tiny.nc")
    for number in (0, 1):
        outcome = executors.compute_group(plan, store.output, [plan.cells[number]], "cpu")
        assert outcome.note is not None
        with Index(store.folder, plan.name) as index:
            index.save(outcome.note, np.array([number]), 1.0, 1.0)
    first, second = (store.shard_path([plan.cells[number]]) for number in (0, 1))
    first.write_bytes(second.read_bytes())
    assert survey(store, plan, verify=True).done.tolist() == [False, True] + 4 * [False]


def test_a_grown_study_uses_all_cells_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = copy.deepcopy(TINY)
    content["grid"] = {"size": [6], "batch_size": [2, 8], "replicas": 32}
    target = tmp_path / "grows.nc"
    run_study(Study.from_dict(content), target, workers=1)
    computed: list[tuple[int, float, int]] = []
    original = BinaryEngine.simulate

    def counting(engine: BinaryEngine, point: GridPoint, *rest: object) -> object:
        computed.append((point.size, point.batch_size, point.first_replica))
        return original(engine, point, *rest)

    monkeypatch.setattr(BinaryEngine, "simulate", counting)
    content["grid"] = {"size": [6, 9], "batch_size": [2, 3.5, 8], "replicas": 64}
    grown = run_study(Study.from_dict(content), target, workers=1)
    old = {(6, 2.0, 0), (6, 8.0, 0)}
    new = {(n, m, r) for n in (6, 9) for m in (2.0, 3.5, 8.0) for r in (0, 32)}
    assert sorted(computed) == sorted(new - old)
    fresh = run_study(Study.from_dict(content), tmp_path / "fresh.nc", workers=1)
    for name in fresh.data_vars:
        assert grown[name].values.tobytes() == fresh[name].values.tobytes()
