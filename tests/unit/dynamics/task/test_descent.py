"""Students of a task: their steps are those of torch.optim, their bits those of any company."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from physbatch.dynamics.task.descent import Network, TaskDescent, torch_of_its_own
from physbatch.dynamics.task.optimizers import Rule
from physbatch.dynamics.task.run import SAME_DATA, SAME_TEACHER, STUDENT, TaskRun
from physbatch.dynamics.task.samples import whole
from physbatch.dynamics.task.tracing import trace
from physbatch.errors import StudyError
from physbatch.streams.keys import stream_keys
from physbatch.study.schedules import GradualSchedule
from tests.unit.engines.tasks import Classes, Linear, SparseParity

RUN = TaskRun(
    size=6,
    batch_size=3.0,
    learning_rate=0.1,
    batch_factor=lambda step: 1.0,
    rate_factor=lambda step: 1.0,
    largest_factor=1.0,
    optimizer=Rule("sgd"),
    loss="mean-square",
    patterns=0,
    sampling="subsets",
    replicas=range(4),
    keys=stream_keys(dict.fromkeys(("wiring", "teacher", "start", "dynamics"), 1), "a test"),
    dtype=torch.float64,
    device=torch.device("cpu"),
)


def descent(task: Any, run: TaskRun = RUN, **changes: Any) -> TaskDescent:
    with torch_of_its_own(run.dtype):
        return TaskDescent(Network(task, replace(run, **changes)))


OPTIMIZERS: dict[str, tuple[Rule, Any]] = {
    "sgd": (Rule("sgd"), torch.optim.SGD),
    "decay": (Rule("sgd", weight_decay=0.1), torch.optim.SGD),
    "momentum": (Rule("sgd", momentum=0.9, weight_decay=0.01), torch.optim.SGD),
    "nesterov": (Rule("sgd", momentum=0.8, nesterov=True), torch.optim.SGD),
    "adam": (Rule("adam", weight_decay=0.1), torch.optim.Adam),
    "adamw": (Rule("adamw", weight_decay=0.1, betas=(0.8, 0.99), epsilon=1e-6), torch.optim.AdamW),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("task", [SparseParity(k=2, hidden=5), Classes()], ids=["f", "class"])
def test_every_optimizer_is_that_of_torch_step_by_step(name: str, task: Any) -> None:
    """1e-12 in double precision, with a schedule of the rate and batches of 3 and 4 samples."""
    rule, kind = OPTIMIZERS[name]
    rates = GradualSchedule(kind="cosine", to=0.1, steps=20)
    mine = descent(task, optimizer=rule, batch_size=3.5, rate_factor=rates.factor)
    row = 2
    weights = {n: w[row].clone().requires_grad_() for n, w in mine.learned.items()}
    more: dict[str, Any] = {"weight_decay": rule.weight_decay, "lr": 0.1}
    if rule.kind == "sgd":
        more |= {"momentum": rule.momentum, "nesterov": rule.nesterov}
    else:
        more |= {"betas": rule.betas, "eps": rule.epsilon}
    optimizer = kind(weights.values(), **more)
    for step in range(25):
        mine.advance(step + 1)
        number, position = divmod(step, mine.run.pool_steps)
        inputs, targets, there = mine.source.pool(number).batch(position)
        assert there is not None
        chosen = there[row] > 0
        outputs = mine.network.calls.forward(weights, whole(inputs)[row][chosen])
        losses = mine.network.calls.losses(outputs, targets[row][chosen])
        optimizer.param_groups[0]["lr"] = 0.1 * rates.factor(step)
        optimizer.zero_grad()
        (losses.sum() / 3.5).backward()
        optimizer.step()
        for n, w in weights.items():
            torch.testing.assert_close(mine.learned[n][row], w.detach(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("changes", [{}, {"patterns": 9}, {"batch_size": 2.5}], ids=str)
def test_stopped_and_gone_on_is_the_same(changes: dict[str, Any]) -> None:
    rule = Rule("adam")
    straight = descent(SparseParity(k=2), optimizer=rule, **changes)
    straight.advance(40)
    first = descent(SparseParity(k=2), optimizer=rule, **changes)
    first.advance(17)
    second = descent(SparseParity(k=2), optimizer=rule, **changes)
    second.restore(first.state())
    second.advance(40)
    assert set(second.state()) == set(straight.state())
    for name, array in straight.state().items():
        assert array.tobytes() == second.state()[name].tobytes(), name
    assert straight.batch_loss().tobytes() == second.batch_loss().tobytes()


def test_members_share_what_they_are_said_to_share() -> None:
    with torch_of_its_own(RUN.dtype):
        network = Network(SparseParity(k=2), replace(RUN, patterns=9))
        students, same_data, same_teacher = (
            TaskDescent(network, member) for member in (STUDENT, SAME_DATA, SAME_TEACHER)
        )
    starts = [d.learned["w"] for d in (students, same_data, same_teacher)]
    assert not torch.equal(starts[0], starts[1])
    assert not torch.equal(starts[1], starts[2])
    for number in range(3):
        pools = [d.source.pool(number).inputs[""] for d in (students, same_data, same_teacher)]
        assert torch.equal(pools[0], pools[1])
        assert not torch.equal(pools[0], pools[2])
    sets = [d.source.patterns for d in (students, same_data, same_teacher)]
    assert sets[0] is not None
    assert sets[2] is not None
    assert not torch.equal(sets[0][0][""], sets[2][0][""])


def test_an_epoch_shows_every_sample_once() -> None:
    mine = descent(Linear(), patterns=9, batch_size=2.5, sampling="without-replacement")
    for first in (0, 30, 4000):
        chosen = mine.source._numbers(first * 3, 6, 3)
        for row in chosen.reshape(4, 2, 9):
            assert all(sorted(epoch.tolist()) == list(range(9)) for epoch in row)
            assert row[0].tolist() != row[1].tolist()
        for step in range(6):  # the same batches in any pool
            np.testing.assert_array_equal(
                mine.source._numbers(first * 3 + step, 1, 3)[:, 0], chosen[:, step]
            )


@pytest.mark.parametrize("sampling", ["subsets", "without-replacement"])
def test_batches_of_a_set_are_distinct_samples_of_it(sampling: str) -> None:
    mine = descent(Linear(), patterns=7, batch_size=7.0, sampling=sampling)
    patterns = mine.source.patterns
    assert patterns is not None
    batch, targets, weights = mine.source.pool(3).batch(2)
    assert weights is None
    for row in range(4):
        order = batch[""][row][:, 0].sort().indices
        there = patterns[0][""][row][:, 0].sort().indices
        assert torch.equal(batch[""][row][order], patterns[0][""][row][there])
        assert torch.equal(targets[row][order], patterns[1][row][there])


def test_batch_sizes_follow_their_schedule() -> None:
    """Within 4.5 standard errors of the mean, which is real, over 400 batches."""
    ramp = GradualSchedule(kind="ramp", to=4.0, steps=200)
    run = replace(
        RUN, batch_size=2.5, batch_factor=ramp.factor, largest_factor=4.0, replicas=range(200)
    )
    for step in (0, 57, 100, 199, 300):
        number, position = divmod(step, run.pool_steps)
        counts = run.counts(STUDENT, number)[:, position]
        mean = 2.5 * ramp.factor(step)
        spread = np.sqrt((mean % 1) * (1 - mean % 1) / 200)
        assert abs(counts.mean() - mean) <= 4.5 * spread + 1e-9
        assert run.room(number) >= counts.max()
    assert replace(run, size=4096).room(0) == 3


class Stateful(Linear):
    """Its forward depends on how often it was called."""

    calls = 0.0

    def forward(self, p: dict[str, Tensor], x: Tensor) -> Tensor:
        self.calls += 1.0
        return x @ p["w"] + self.calls


class Branching(Linear):
    """Its forward looks at the numbers: no operation for all replicas at once can."""

    def forward(self, p: dict[str, Tensor], x: Tensor) -> Tensor:
        return x @ p["w"] if float(x.sum()) > 0 else x @ p["w"] * 2


class Undefined(Linear):
    """The square root has no derivative at 0."""

    def forward(self, p: dict[str, Tensor], x: Tensor) -> Tensor:
        return (x @ p["w"]).abs().sqrt()


def test_faults_of_a_task_are_named() -> None:
    with pytest.raises(StudyError, match="other numbers for the same arguments"):
        descent(Stateful()).advance(1)
    with pytest.raises(RuntimeError, match="item"):
        descent(Branching()).advance(1)
    with pytest.raises(StudyError, match="first gradient of the loss by 'w' is not finite"):
        descent(Undefined()).advance(1)


def test_a_trace_gives_the_same_bits() -> None:
    with torch_of_its_own(torch.float32):
        network = Network(SparseParity(), replace(RUN, dtype=torch.float32))
        students = network.students(0)
        inputs = TaskDescent(network).source.inputs(11, "probe")
        expected = torch.stack(
            [
                network.calls.forward({n: w[row] for n, w in students.items()}, inputs[""][row])
                for row in range(4)
            ]
        )
        torch.testing.assert_close(network.outputs(students, inputs), expected)
        assert torch.equal(network.outputs(students, inputs), network.outputs(students, inputs))


def test_what_cannot_be_traced_runs_as_it_is() -> None:
    def odd(x: Tensor) -> list[Tensor]:
        return [x.clone().numpy() and x] if x.numel() == 0 else [torch.from_numpy(x.numpy() * 2)]

    assert trace(odd, [torch.ones(2)], "odd")(torch.ones(2))[0].tolist() == [2.0, 2.0]


class Scaled:
    """A linear student of inputs that the task multiplies by a number or a tensor of its own."""

    def __init__(self, scale: Any) -> None:
        self.scale = scale

    def inputs(self, count: int, size: int, draw: Any) -> Tensor:
        inputs: Tensor = draw.normal(count, size)
        return inputs

    def student(self, size: int, draw: Any) -> dict[str, Tensor]:
        return {"w": draw.normal(size)}

    def forward(self, p: dict[str, Tensor], x: Tensor) -> Tensor:
        return self.scale * (x @ p["w"])

    teacher, teacher_forward = student, forward


def test_cells_share_the_traces_of_a_task_known_by_numbers() -> None:
    """Equal numbers share, other numbers and tensors do not; learning has the same bits."""
    first, same, other = (descent(Scaled(scale)) for scale in (2.0, 2.0, 3.0))
    for students in (first, same, other):
        students.advance(5)
    assert first.network._traced is same.network._traced
    assert first.network._traced is not other.network._traced
    kept = [descent(Scaled(torch.tensor(2.0, dtype=torch.float64))) for _ in range(2)]
    assert kept[0].network._traced is not kept[1].network._traced
    kept[0].advance(5)
    assert torch.equal(first.learned["w"], same.learned["w"])
    assert torch.equal(first.learned["w"], kept[0].learned["w"])
    assert not torch.equal(first.learned["w"], other.learned["w"])
