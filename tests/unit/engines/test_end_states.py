"""Runs that go on from the end of shorter ones: the bits of a run in one go."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physbatch.engines import checkpoint as checkpoints
from physbatch.engines import end_states
from physbatch.engines.checkpoint import CellPaused, FileCheckpoint
from physbatch.engines.end_states import State, pack_state, unpack_state
from physbatch.errors import DatasetError
from physbatch.study.measurement import goes_on
from physbatch.study.model import Study
from tests.conftest import plan_of
from tests.unit.engines.engine_studies import STUDIES as BUILT_IN

#: With one that learns a task in torch.
STUDIES: dict[str, dict[str, Any]] = {
    **BUILT_IN,
    "task in torch": {
        "system": {
            "kind": "torch",
            "task": str(Path(__file__).parent / "tasks.py") + ":Linear",
            "options": {"noise": 0.1},
        },
        "dynamics": {"kind": "sgd", "momentum": 0.5, "learning_rate": {"base": 0.1}},
        "grid": {"size": [5, 8], "batch_size": [2, 3.5], "replicas": 3},
        "measurement": {"duration": 40, "test_samples": 32},
    },
}


def never() -> bool:
    return False


def lasting(name: str, duration: int, **times: Any) -> Study:
    """A small study of an engine, and how long it lasts."""
    content = STUDIES[name]
    measurement = {**content["measurement"], "duration": duration}
    if times:
        measurement["times"] = times
    return Study.from_dict({"title": name, **content, "measurement": measurement})


def ends_of(study: Study, folder: Path) -> list[State]:
    """The end state of each cell of a study, as a shard keeps it."""
    states = []
    plan = plan_of(study)
    for cell in plan.cells:
        checkpoint = FileCheckpoint(folder, cell.key, never)
        plan.engine.simulate(cell, "cpu", checkpoint)
        states.append(unpack_state(checkpoint.end))
    return states


@pytest.mark.parametrize("name", STUDIES)
def test_every_engine_goes_on_with_the_bits_of_one_go(name: str, tmp_path: Path) -> None:
    """From a third of the run, also where its end is no measuring time of the whole."""
    whole = STUDIES[name]["measurement"]["duration"]
    long = plan_of(lasting(name, whole))
    states = ends_of(lasting(name, whole // 3 + 1), tmp_path)
    for cell, state in zip(long.cells, states, strict=True):
        checkpoint = FileCheckpoint(tmp_path, cell.key, never, state)
        continued = long.engine.simulate(cell, "cpu", checkpoint)
        assert checkpoint.began_at == whole // 3 + 1
        for variable, values in long.engine.simulate(cell, "cpu").items():
            assert continued[variable].tobytes() == values.tobytes(), variable


@pytest.mark.parametrize("name", STUDIES)
def test_a_run_that_goes_on_can_be_stopped_and_goes_on_again(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two steps, 1/4 to 1/2 to the whole, and stopped at random in the second."""
    whole = STUDIES[name]["measurement"]["duration"]
    half, long = plan_of(lasting(name, whole // 2)), plan_of(lasting(name, whole))
    states = ends_of(lasting(name, whole // 4), tmp_path)
    expected = [long.engine.simulate(cell, "cpu") for cell in long.cells]
    monkeypatch.setattr(checkpoints, "PIECE_SECONDS", 0.0)
    monkeypatch.setattr(checkpoints, "WORTH_SAVING", 0.0)
    chance = random.Random(3)
    for number, state in enumerate(states):
        middle = FileCheckpoint(tmp_path, half.cells[number].key, never, state)
        half.engine.simulate(half.cells[number], "cpu", middle)
        cell, pauses = long.cells[number], 0
        end = unpack_state(middle.end)
        while True:
            left = iter(range(chance.randrange(1, 9)))
            checkpoint = FileCheckpoint(
                tmp_path, cell.key, lambda left=left: next(left, None) is None, end
            )
            try:
                continued = long.engine.simulate(cell, "cpu", checkpoint)
                break
            except CellPaused:
                pauses += 1
        assert checkpoint.began_at == whole // 2
        assert pauses > 0
        for variable, values in expected[number].items():
            assert continued[variable].tobytes() == values.tobytes(), variable


def test_replicas_that_learn_at_the_very_end(tmp_path: Path) -> None:
    """The first passage is at the last time of the shorter run, which measures it."""
    content = STUDIES["bit-sliced"]
    grid = {**content["grid"], "size": [6], "batch_size": [8, 12], "replicas": 8}

    def of(duration: int) -> Study:
        measurement = {"duration": duration, "test_samples": 9}
        return Study.from_dict({**content, "title": "x", "grid": grid, "measurement": measurement})

    long = plan_of(of(60))
    ends = 0
    for number, cell in enumerate(long.cells):
        whole = long.engine.simulate(cell, "cpu")
        passages = whole["first_passage"].ravel()
        for duration in sorted({int(time) for time in passages if 0 < time < 60}):
            checkpoint = FileCheckpoint(
                tmp_path, cell.key, never, ends_of(of(duration), tmp_path)[number]
            )
            continued = long.engine.simulate(cell, "cpu", checkpoint)
            for variable, values in whole.items():
                assert continued[variable].tobytes() == values.tobytes(), variable
            ends += 1
    assert ends >= 3


def test_an_end_that_does_not_fit_is_not_used(tmp_path: Path) -> None:
    """Measured at other times before its end, or of a longer run."""
    long = plan_of(lasting("bit-sliced", 40))
    cell = long.cells[0]
    whole = long.engine.simulate(cell, "cpu")
    for other in (
        lasting("bit-sliced", 20, kind="linear", every=3),
        lasting("bit-sliced", 60),
    ):
        checkpoint = FileCheckpoint(tmp_path, cell.key, never, ends_of(other, tmp_path)[0])
        again = long.engine.simulate(cell, "cpu", checkpoint)
        for variable, values in whole.items():
            assert again[variable].tobytes() == values.tobytes(), variable


def test_an_end_of_other_shapes_is_given_up(tmp_path: Path) -> None:
    state = ends_of(lasting("bit-sliced", 20), tmp_path)[0]
    state["now.student"] = state["now.student"][:1]
    long = plan_of(lasting("bit-sliced", 40))
    checkpoint = FileCheckpoint(tmp_path, long.cells[0].key, never, state)
    with pytest.raises(ValueError, match="shapes"):
        long.engine.simulate(long.cells[0], "cpu", checkpoint)
    assert checkpoint.reject()
    assert not checkpoint.reject()
    long.engine.simulate(long.cells[0], "cpu", checkpoint)
    assert checkpoint.began_at == 0


def test_states_are_bytes_and_damaged_ones_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"x": np.arange(6.0).reshape(2, 3), "flags": np.array([True]), "empty": np.empty(0)}
    content = pack_state(state)
    back = unpack_state(content)
    for name, values in state.items():
        np.testing.assert_array_equal(back[name], values)
        assert back[name].dtype == values.dtype
    for damaged in (content[:-20], b"", b"[[1]]\n", b'[["x", "|O", [1]]]\n12345678'):
        with pytest.raises(DatasetError, match="no end state"):
            unpack_state(damaged)
    monkeypatch.setattr(end_states, "MOST_BYTES", 10)
    assert pack_state(state) == b""


def test_which_runs_go_on() -> None:
    assert goes_on((0, 1, 5, 9), (0, 1, 3))
    assert goes_on((0, 1, 3, 9), (0, 1, 3))
    assert not goes_on((0, 1, 3), (0, 1, 3))
    assert not goes_on((0, 2, 9), (0, 1, 3))
    assert not goes_on((0, 1, 2, 9), (0, 1, 3))
