"""The general kernel, its torch definition and the bit-sliced kernel: the same integers."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from physbatch.dynamics.bitsliced.run import run_bitsliced
from physbatch.dynamics.discrete.definition import DiscreteData, run_general_definition
from physbatch.dynamics.discrete.rules import DiscreteRun, DiscreteTrajectory, InputRule
from physbatch.dynamics.discrete.run import run_discrete
from physbatch.dynamics.rules import CellRun, acceptance_table, batch_rule, batch_table
from physbatch.streams.keys import stream_keys
from physbatch.systems.architecture import build_architecture, dense_student
from physbatch.systems.binary import draw_system
from physbatch.systems.discrete import DiscreteSystem, draw_discrete_system

KEYS = stream_keys(dict.fromkeys(("wiring", "teacher", "start", "dynamics"), 7), "agree")

KNOWN: list[dict[str, Any]] = [
    {"wiring": "regular", "size": 5, "degree": 3, "depth": 1, "output": "vector"},
    {"wiring": "regular", "size": 6, "degree": 3, "depth": 2, "output": "vector"},
    {"wiring": "regular", "size": 5, "degree": 3, "depth": 4, "output": "vector"},
    {"wiring": "regular", "size": 5, "degree": 3, "depth": 3, "output": "scalar"},
    {"wiring": "tree", "size": 9, "degree": 3, "depth": 2, "output": "scalar"},
    {"wiring": "tree", "size": 9, "degree": 3, "depth": 1, "output": "vector"},
]
DENSE: list[dict[str, Any]] = [
    {"wiring": "dense", "size": 7, "hidden_units": 3, "depth": 1, "output": "vector"},
    {"wiring": "dense", "size": 7, "hidden_units": 3, "depth": 2, "output": "scalar"},
    {"wiring": "dense", "size": 5, "hidden_units": 3, "depth": 3, "output": "vector"},
]
SPARSE_TEACHERS = [KNOWN[0], KNOWN[1], KNOWN[4]]
FRESH = InputRule()
RULES: list[dict[str, Any]] = [{"ties": "reject"}, {"ties": "accept"}, {"temperature": 0.7}]


def set_up(
    system: dict[str, Any],
    *,
    learned: str = "all",
    rule: dict[str, Any] = RULES[0],
    batch_size: float = 3.4,
    refresh_each_proposal: bool = False,
    inputs: InputRule = FRESH,
    ternary: bool = False,
    hidden_units: int | None = None,
    initial_overlap: float = 0.2,
    first_replica: int = 3,
    duration: int = 4,
) -> tuple[DiscreteSystem, DiscreteRun]:
    teacher = build_architecture(**system, learned_layers=learned, odd_fan_in=True)
    student = teacher
    if ternary or hidden_units:
        wide = dataclasses.replace(teacher, learned="all") if hidden_units else teacher
        student = dataclasses.replace(dense_student(wide, hidden_units), learned=learned)
    drawn = draw_discrete_system(
        teacher,
        student,
        ternary=ternary,
        initial_overlap=initial_overlap,
        keys=KEYS,
        first_replica=first_replica,
        replicas=3,
    )
    in_halves = {
        name: 2 * value if name == "temperature" else value for name, value in rule.items()
    }
    duration = 2 if refresh_each_proposal else duration
    run = DiscreteRun(
        batch=batch_rule(batch_size),
        acceptance=acceptance_table(**in_halves),
        refresh_each_proposal=refresh_each_proposal,
        absorbing=rule.get("ties") == "reject" and inputs.label_threshold == 0,
        times=np.array([0, 1, duration], dtype=np.int64),
        duration=duration,
        test_samples=70,
        dynamics_key=KEYS.dynamics,
        test_key=KEYS.test,
        first_replica=first_replica,
        inputs=inputs,
    )
    return drawn, run


def assert_same(fast: DiscreteTrajectory, exact: DiscreteTrajectory) -> None:
    for name in DiscreteTrajectory._fields:
        np.testing.assert_array_equal(getattr(fast, name), getattr(exact, name), err_msg=name)


def patterns(count: int, *, gaussian: bool = False, noise: float = 0.0) -> InputRule:
    return InputRule(gaussian, count, round(noise * 2**32), KEYS.patterns)


INPUTS = {
    "binary": InputRule(),
    "gaussian": InputRule(gaussian=True),
    "patterns": patterns(9),
    "gaussian-patterns": patterns(6, gaussian=True, noise=0.2),
    "noisy-patterns": patterns(70, noise=0.1),
}


def altered(case: tuple[DiscreteSystem, DiscreteRun], **fields: Any) -> None:
    """Kernel and definition of a case with other fields of the run."""
    drawn, run = case
    run = dataclasses.replace(run, **fields)
    assert_same(run_discrete(drawn, run), run_general_definition(drawn, run))


@pytest.mark.parametrize("refresh_each_proposal", [False, True])
@pytest.mark.parametrize("inputs", ["binary", "gaussian", "patterns", "noisy-patterns"])
def test_batches_that_change_from_sweep_to_sweep(inputs: str, refresh_each_proposal: bool) -> None:
    """More and fewer samples than at first; the last row stays."""
    for rule in RULES:
        case = set_up(
            KNOWN[1], rule=rule, refresh_each_proposal=refresh_each_proposal, inputs=INPUTS[inputs]
        )
        altered(case, schedule=batch_table((3.4, 0.5, 6.0)))


@pytest.mark.parametrize("order", ["sequential", "permutation"])
@pytest.mark.parametrize("ternary", [False, True])
def test_orders_of_proposals(order: str, ternary: bool) -> None:
    for rule in RULES:
        for refresh_each_proposal in (False, True):
            case = set_up(
                KNOWN[1], rule=rule, refresh_each_proposal=refresh_each_proposal, ternary=ternary
            )
            altered(case, order=order)


@pytest.mark.parametrize("refresh_each_proposal", [False, True])
def test_batches_that_alternate(refresh_each_proposal: bool) -> None:
    case = set_up(KNOWN[1], rule=RULES[0], refresh_each_proposal=refresh_each_proposal)
    altered(case, batch=batch_rule(3.4, alternating=True))


@pytest.mark.parametrize("refresh_each_proposal", [False, True])
def test_reshuffled_epochs(refresh_each_proposal: bool) -> None:
    """Batches of 3 or 4 of 9 patterns, two to an epoch; of all; several replicas in one call."""
    for batch_size in (3.4, 9.0):
        case = set_up(
            KNOWN[1],
            inputs=patterns(9, noise=0.1),
            batch_size=batch_size,
            refresh_each_proposal=refresh_each_proposal,
        )
        altered(case, inputs=dataclasses.replace(case[1].inputs, epochs=True))


def test_an_epoch_holds_each_pattern_at_most_once() -> None:
    """Batches of up to 4 of 9 patterns: two to an epoch; one of subsets repeats them."""
    drawn, run = set_up(KNOWN[1], inputs=patterns(9), batch_size=3.4)
    run = dataclasses.replace(run, inputs=dataclasses.replace(run.inputs, epochs=True))
    data = DiscreteData(drawn, run, torch.device("cpu"))
    for epoch in range(5):
        batches = torch.cat([data.chosen(2 * epoch + half, 4) for half in (0, 1)], dim=1)
        assert all(len(set(row)) == 8 for row in batches.tolist())


@pytest.mark.parametrize("gaussian", [False, True])
@pytest.mark.parametrize("refresh_each_proposal", [False, True])
def test_noise_on_the_labels_of_fresh_inputs(gaussian: bool, refresh_each_proposal: bool) -> None:
    rule = InputRule(gaussian=gaussian, label_threshold=2**30)
    for system in (KNOWN[1], KNOWN[3]):
        case = set_up(system, inputs=rule, refresh_each_proposal=refresh_each_proposal)
        altered(case)


@pytest.mark.parametrize("inputs", ["binary", "patterns"])
def test_batches_below_one_sample(inputs: str) -> None:
    for rule in RULES:
        altered(set_up(KNOWN[1], rule=rule, inputs=INPUTS[inputs], batch_size=0.4))


def name(system: dict[str, Any]) -> str:
    return "-".join(map(str, system.values()))


@pytest.mark.parametrize("refresh_each_proposal", [False, True], ids=["sweep", "proposal"])
@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
@pytest.mark.parametrize("system", [*KNOWN, *DENSE], ids=name)
def test_binary_weights(
    system: dict[str, Any], inputs: InputRule, refresh_each_proposal: bool
) -> None:
    # All of a dense network is learned, unless it is a committee.
    fixed = system["wiring"] != "dense" or system["output"] == "scalar"
    for rule, learned in zip(RULES, ("all", "first" if fixed else "all", "all"), strict=True):
        case = set_up(
            system,
            learned=learned,
            rule=rule,
            inputs=inputs,
            refresh_each_proposal=refresh_each_proposal,
        )
        assert_same(run_discrete(*case), run_general_definition(*case))


@pytest.mark.parametrize("refresh_each_proposal", [False, True], ids=["sweep", "proposal"])
@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
@pytest.mark.parametrize("system", SPARSE_TEACHERS, ids=name)
def test_ternary_weights(
    system: dict[str, Any], inputs: InputRule, refresh_each_proposal: bool
) -> None:
    for rule, learned in zip(RULES, ("all", "first", "all"), strict=True):
        case = set_up(
            system,
            learned=learned,
            rule=rule,
            inputs=inputs,
            ternary=True,
            refresh_each_proposal=refresh_each_proposal,
            duration=2,
        )
        assert_same(run_discrete(*case), run_general_definition(*case))


@pytest.mark.parametrize(
    ("ternary", "hidden_units"), [(False, 1), (False, 5), (True, 2), (True, 5)]
)
def test_another_number_of_hidden_units(ternary: bool, hidden_units: int) -> None:
    system = SPARSE_TEACHERS[2] if ternary else DENSE[1]
    for learned in ("all",) if ternary else ("all", "first"):
        case = set_up(
            system, learned=learned, ternary=ternary, hidden_units=hidden_units, rule=RULES[1]
        )
        assert_same(run_discrete(*case), run_general_definition(*case))


@pytest.mark.parametrize("batch_size", [64, 65.5, 130])
def test_batches_of_more_than_a_word(batch_size: float) -> None:
    for inputs in (InputRule(), InputRule(gaussian=True), patterns(131)):
        case = set_up(KNOWN[1], batch_size=batch_size, inputs=inputs, duration=8)
        assert_same(run_discrete(*case), run_general_definition(*case))


def test_the_whole_pattern_set_is_the_batch() -> None:
    case = set_up(KNOWN[1], batch_size=9, inputs=INPUTS["patterns"], rule=RULES[2])
    assert_same(run_discrete(*case), run_general_definition(*case))


@pytest.mark.parametrize("ternary", [False, True])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_the_perfect_student(ternary: bool, noise: float) -> None:
    """Absorbing on right labels, where the kernel stops early; not on noisy ones."""
    drawn, run = set_up(
        SPARSE_TEACHERS[1],
        ternary=ternary,
        initial_overlap=1.0,
        batch_size=20,
        inputs=patterns(30, noise=noise),
        duration=6,
    )
    fast, exact = run_discrete(drawn, run), run_general_definition(drawn, run)
    assert_same(fast, exact)
    assert (fast.first_passage == 0).all()
    moved = (fast.students[:, -1] != fast.students[:, 0]).any(axis=1)
    assert moved.all() if noise else not moved.any()
    assert (fast.test_half_errors[:, 0] == 0).all()


@pytest.mark.parametrize("system", KNOWN, ids=name)
@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("refresh_each_proposal", [False, True], ids=["sweep", "proposal"])
def test_general_and_bitsliced_kernels_take_the_same_decisions(
    system: dict[str, Any], rule: dict[str, Any], refresh_each_proposal: bool
) -> None:
    drawn, run = set_up(
        system, rule=rule, batch_size=67.3, refresh_each_proposal=refresh_each_proposal
    )
    binary = draw_system(drawn.student_layers, 0.2, KEYS, run.first_replica, 3)
    fields = {name: getattr(run, name) for name in CellRun.__dataclass_fields__}
    fast = run_bitsliced(binary, CellRun(**fields | {"acceptance": acceptance_table(**rule)}))
    general = run_discrete(drawn, run)
    np.testing.assert_array_equal(general.students[:, -1], 1 - 2 * fast.student.astype(np.int8))
    np.testing.assert_array_equal(general.batch_half_errors, 2 * fast.batch_wrong)
    np.testing.assert_array_equal(general.batch_bits, fast.batch_bits)
    np.testing.assert_array_equal(general.test_half_errors, 2 * fast.test_wrong)
    np.testing.assert_array_equal(general.first_passage, fast.first_passage)


def test_replicas_do_not_depend_on_the_range_they_are_run_in() -> None:
    from_zero = set_up(DENSE[1], inputs=INPUTS["gaussian-patterns"], first_replica=0)
    from_two = set_up(DENSE[1], inputs=INPUTS["gaussian-patterns"], first_replica=2)
    whole, part = run_discrete(*from_zero), run_discrete(*from_two)
    np.testing.assert_array_equal(whole.students[2], part.students[0])
