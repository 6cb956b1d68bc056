"""Cells that are stopped and go on: the same bits, wherever they were stopped."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import physbatch
from physbatch.dataset import STATUS_DIVERGED
from physbatch.dynamics.bitsliced.run import advance, run_bitsliced
from physbatch.dynamics.rules import Trajectory
from physbatch.engines import checkpoint as checkpoints
from physbatch.engines.checkpoint import UNSAVED, CellPaused, FileCheckpoint, Pauses
from physbatch.engines.point import GridPoints
from physbatch.engines.protocol import Arrays
from physbatch.study.model import Study
from physbatch.sweep.executors import compute_group
from physbatch.sweep.plan import Plan
from physbatch.sweep.store import Store
from tests.conftest import TINY, plan_of
from tests.unit.dynamics.bitsliced.test_bitsliced_agrees import RULES, SYSTEMS, assert_same, set_up
from tests.unit.engines.engine_studies import STUDIES, small_study


@pytest.mark.parametrize("system", SYSTEMS[1:5:3], ids=lambda s: "-".join(map(str, s.values())))
@pytest.mark.parametrize("refresh_each_proposal", [False, True])
def test_a_kernel_stopped_anywhere_gives_the_same_integers(
    system: dict[str, Any], refresh_each_proposal: bool
) -> None:
    for rule in RULES:
        drawn, run = set_up(system, "all", rule, refresh_each_proposal, 3.4)
        whole = run_bitsliced(drawn, run)
        for count in (1, 2):
            for stops in itertools.combinations(range(1, run.duration + 1), count):
                pieces = Trajectory.empty(len(run.times), drawn.student)
                for start, pause in itertools.pairwise((0, *stops, run.duration + 1)):
                    advance(drawn, run, pieces, start, pause)
                assert_same(pieces, whole)


def test_pieces_of_an_absorbed_replica() -> None:
    """A batch so large that replicas become perfect before the stop, and between stops."""
    drawn, run = set_up(SYSTEMS[0], "all", RULES[0], False, 70)
    whole = run_bitsliced(drawn, run)
    assert (whole.first_passage >= 0).any()
    pieces = Trajectory.empty(len(run.times), drawn.student)
    for sweep in range(run.duration + 1):
        advance(drawn, run, pieces, sweep, sweep + 1)
    assert_same(pieces, whole)


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Pieces of one sweep, all worth saving."""
    monkeypatch.setattr(checkpoints, "PIECE_SECONDS", 0.0)
    monkeypatch.setattr(checkpoints, "WORTH_SAVING", 0.0)
    return plan_of(Study.from_dict(TINY))


class StopAfter:
    """Says stop at the n-th question, and from then on."""

    def __init__(self, questions: int) -> None:
        self.left = questions

    def __call__(self) -> bool:
        self.left -= 1
        return self.left < 0


def resumed(plan: Plan, number: int, folder: Path, chance: random.Random) -> tuple[Arrays, int]:
    """A cell that is stopped at random and goes on from its file, and how often it was."""
    cell, pauses = plan.cells[number], 0
    while True:
        checkpoint = FileCheckpoint(folder, cell.key, StopAfter(chance.randrange(1, 12)))
        try:
            return plan.engine.simulate(cell, "cpu", checkpoint), pauses
        except CellPaused:
            pauses += 1


@pytest.mark.parametrize("name", STUDIES)
def test_every_engine_stopped_at_random_gives_the_same_bits(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against the engine in one go from one measuring time to the next."""
    plan = plan_of(small_study(name))
    with monkeypatch.context() as patch:
        patch.setattr(
            Pauses, "pieces", lambda self, first, last, state: (last,) if first < last else ()
        )
        whole = [plan.engine.simulate(cell, "cpu") for cell in plan.cells]
    monkeypatch.setattr(checkpoints, "PIECE_SECONDS", 0.0)
    monkeypatch.setattr(checkpoints, "WORTH_SAVING", 0.0)
    chance = random.Random(17)
    for number, expected in enumerate(whole):
        resumed_cell, pauses = resumed(plan, number, tmp_path, chance)
        assert pauses >= 1
        assert set(resumed_cell) == set(plan.variables)
        for variable, values in expected.items():
            assert resumed_cell[variable].dtype == values.dtype, variable
            assert resumed_cell[variable].tobytes() == values.tobytes(), variable
    if "diverging" in name or "divergence" in name:
        assert any((cell["status"] == STATUS_DIVERGED).any() for cell in whole)
    if "early" in name:
        assert all(np.isfinite(cell["first_passage"]).any() for cell in whole)


def test_a_state_of_another_device_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "PIECE_SECONDS", 0.0)
    monkeypatch.setattr(checkpoints, "WORTH_SAVING", 0.0)
    stopped = Pauses(FileCheckpoint(tmp_path, "0" * 32, lambda: True), "cpu")
    with pytest.raises(CellPaused):
        list(stopped.pieces(0, 9, lambda: {"x": np.arange(3)}))
    checkpoint = FileCheckpoint(tmp_path, "0" * 32, lambda: False)
    assert Pauses(checkpoint, "cuda").state is None
    same = Pauses(checkpoint, "cpu")
    state = same.take()
    assert state is not None
    np.testing.assert_array_equal(state["x"], np.arange(3))
    assert same.take() is None


def test_pieces_take_about_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that goes 1 ms with each step: 1, 11 ... steps and then about 1000."""
    now = 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    ends = [0]
    for stop in Pauses(UNSAVED, "cpu").pieces(0, 5000, dict):
        now += 1e-3 * (stop - ends[-1])
        ends.append(stop)
    assert np.diff(ends).tolist() == [1, 10, 100, 1000, 1000, 1000, 1000, 889]
    assert all(end % 2 for end in ends[1:-1])


def test_a_cell_stopped_again_and_again(plan: Plan, tmp_path: Path) -> None:
    cell = plan.cells[4]
    whole = plan.engine.simulate(cell, "cpu")
    pauses = 0
    while True:
        checkpoint = FileCheckpoint(tmp_path, cell.key, StopAfter(3))
        try:
            pieces = plan.engine.simulate(cell, "cpu", checkpoint)
            break
        except CellPaused:
            pauses += 1
            assert checkpoint.path.exists()
    assert pauses == 3  # pieces end at odd sweeps; the fourth offer stops, at 5, 11 and 17
    assert checkpoint.previous.exists()
    for name, values in whole.items():
        assert pieces[name].tobytes() == values.tobytes(), name
    checkpoint.drop()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["flip", "truncate", "version", "empty"])
def test_a_checkpoint_that_cannot_be_trusted_is_not_used(
    damage: str, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = plan.cells[4]
    with pytest.raises(CellPaused):
        plan.engine.simulate(cell, "cpu", FileCheckpoint(tmp_path, cell.key, StopAfter(1)))
    checkpoint = FileCheckpoint(tmp_path, cell.key, lambda: False)
    state = checkpoint.load()
    assert state is not None
    assert int(state["sweep"]) == 1
    content = bytearray(checkpoint.path.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
    elif damage == "truncate":
        del content[-10:]
    elif damage == "version":
        monkeypatch.setattr(physbatch, "__version__", "another")
    else:
        content.clear()
    checkpoint.path.write_bytes(content)
    assert checkpoint.load() is None
    assert not checkpoint.path.exists()
    assert checkpoint.path.with_name(f"{cell.key}.checkpoint.damaged").exists()
    whole = plan.engine.simulate(cell, "cpu")
    again = plan.engine.simulate(cell, "cpu", checkpoint)
    for name, values in whole.items():
        assert again[name].tobytes() == values.tobytes(), name


def stop_often(plan: Plan, number: int, folder: Path, offers: int) -> FileCheckpoint:
    """A cell that is stopped after some offers, each of them saved."""
    cell = plan.cells[number]
    checkpoint = FileCheckpoint(folder, cell.key, StopAfter(offers))
    with pytest.raises(CellPaused):
        plan.engine.simulate(cell, "cpu", checkpoint)
    return checkpoint


def assert_cells_are_right(plan: Plan, output: Path, numbers: Sequence[int]) -> None:
    """Compute cells with what lies in the folder, and compare with cells that were undisturbed."""
    cells = [plan.cells[number] for number in numbers]
    outcome = compute_group(plan, output, cells, "cpu")
    assert outcome.failed == {}
    assert outcome.note is not None
    shard = Store(output).open_shard(outcome.note.name)
    for row, cell in enumerate(cells):
        for name, values in plan.engine.simulate(cell, "cpu").items():
            assert shard[name].isel(cell=row).values.tobytes() == values.tobytes(), name


def test_a_checkpoint_of_another_cell_is_set_aside(plan: Plan, tmp_path: Path) -> None:
    """Two files exchanged: both cells start anew, and nothing of one gets into the other."""
    output = tmp_path / "x.nc"
    folder = Store(output).folder
    first, second = (stop_often(plan, number, folder, 1) for number in (0, 1))
    spare = folder / "spare"
    first.path.rename(spare)
    second.path.rename(first.path)
    spare.rename(second.path)
    assert_cells_are_right(plan, output, (0, 1))
    assert len(list(folder.glob("*.checkpoint.damaged"))) == 2
    assert not list(folder.glob("*.checkpoint"))


def test_a_damaged_checkpoint_leaves_the_one_before(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "x.nc"
    monkeypatch.setattr(checkpoints, "INTERVAL", 0.0)
    checkpoint = stop_often(plan, 4, Store(output).folder, 2)
    again = FileCheckpoint(Store(output).folder, plan.cells[4].key, lambda: False)
    checkpoint.path.write_bytes(b"torn")
    state = again.load()
    assert state is not None
    assert int(state["sweep"]) == 1  # the last was at 3
    assert_cells_are_right(plan, output, (4,))
    assert not checkpoint.previous.exists()


@pytest.mark.parametrize("change", ["stretched", "cut", "missing"])
def test_a_state_of_other_shapes_is_set_aside(
    change: str, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that names the right cell: numpy would stretch a state of one replica over all."""
    output = tmp_path / "x.nc"
    checkpoint = stop_often(plan, 4, Store(output).folder, 1)
    state = checkpoint.load()
    assert state is not None
    if change == "stretched":
        state["measured.path_sum"] = state["measured.path_sum"][:1]
    elif change == "cut":
        state["measured.path_sum"] = state["measured.path_sum"][:-1]
    else:
        del state["measured.path_sum"]
    monkeypatch.setattr(checkpoint, "_saved", -1e9)
    with pytest.raises(CellPaused):
        checkpoint.offer(state)
    checkpoint.previous.unlink()
    assert_cells_are_right(plan, output, (4,))
    assert len(list(Store(output).folder.glob("*.checkpoint.damaged"))) == 1


def test_a_checkpoint_of_other_code_has_another_name(plan: Plan, tmp_path: Path) -> None:
    """Two states of the code, one version: neither sees what the other left."""
    cell = plan.cells[4]
    other = replace(cell, points=GridPoints(plan.study, "another revision"))
    assert other.key != cell.key
    assert other.content_key == cell.content_key
    stop_often(plan, 4, tmp_path, 1)
    assert FileCheckpoint(tmp_path, other.key, lambda: False).load() is None


def test_a_group_keeps_what_is_finished_when_it_is_stopped(plan: Plan, tmp_path: Path) -> None:
    """The cells before the stop become a shard, the one in flight a checkpoint."""
    output = tmp_path / "x.nc"
    cells = list(plan.cells[:4])
    outcome = compute_group(plan, output, cells, "cpu", stop=StopAfter(15))
    assert outcome.finished == (0,)
    assert outcome.failed == {}
    assert [path.stem for path in Store(output).folder.glob("*.checkpoint")] == [cells[1].key]
    outcome = compute_group(plan, output, cells[1:], "cpu")
    assert outcome.finished == (0, 1, 2)
    assert list(Store(output).folder.glob("*.checkpoint")) == []
    assert len(list(Store(output).folder.glob("*.nc"))) == 2


def test_states_hold_no_objects(plan: Plan, tmp_path: Path) -> None:
    """A checkpoint is data: numpy refuses to unpickle."""
    checkpoint = FileCheckpoint(tmp_path, "0" * 32, lambda: True)
    with pytest.raises(ValueError, match="pickle"):
        checkpoint.offer({"bad": np.array([object()])})
