"""The bit-sliced kernel and the torch definition: the same integers on every path."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from physbatch.dynamics.bitsliced.definition import run_definition
from physbatch.dynamics.bitsliced.run import advance, run_bitsliced
from physbatch.dynamics.rules import (
    CellRun,
    Trajectory,
    acceptance_table,
    batch_rule,
    batch_table,
)
from physbatch.streams.keys import stream_keys
from physbatch.systems.architecture import build_architecture
from physbatch.systems.binary import BinarySystem, draw_system

SYSTEMS: list[dict[str, Any]] = [
    {"wiring": "regular", "size": 6, "degree": 3, "depth": 1, "output": "vector"},
    {"wiring": "regular", "size": 9, "degree": 3, "depth": 2, "output": "vector"},
    {"wiring": "regular", "size": 7, "degree": 5, "depth": 2, "output": "vector"},
    {"wiring": "regular", "size": 8, "degree": 3, "depth": 3, "output": "vector"},
    {"wiring": "regular", "size": 6, "degree": 3, "depth": 4, "output": "vector"},
    {"wiring": "regular", "size": 7, "degree": 3, "depth": 3, "output": "scalar"},
    {"wiring": "tree", "size": 15, "degree": 3, "depth": 2, "output": "scalar"},
    {"wiring": "tree", "size": 27, "degree": 3, "depth": 3, "output": "scalar"},
    {"wiring": "tree", "size": 18, "degree": 3, "depth": 2, "output": "vector"},
    {"wiring": "tree", "size": 7, "degree": 7, "depth": 1, "output": "vector"},
    {"wiring": "regular", "size": 11, "degree": 9, "depth": 2, "output": "vector"},
]
RULES: list[dict[str, Any]] = [{"ties": "reject"}, {"ties": "accept"}, {"temperature": 0.7}]


def set_up(
    system: dict[str, Any],
    learned: str,
    rule: dict[str, Any],
    refresh_each_proposal: bool,
    batch_size: float,
    first_replica: int = 3,
    replicas: int = 3,
    replicas_per_graph: int = 1,
) -> tuple[BinarySystem, CellRun]:
    architecture = build_architecture(
        **system,
        learned_layers=learned,
        odd_fan_in=True,
    )
    keys = stream_keys(dict.fromkeys(("wiring", "teacher", "start", "dynamics"), 7), "agree")
    drawn = draw_system(architecture, 0.2, keys, first_replica, replicas, replicas_per_graph)
    duration = 3 if refresh_each_proposal else 8
    run = CellRun(
        batch=batch_rule(batch_size),
        acceptance=acceptance_table(**rule),
        refresh_each_proposal=refresh_each_proposal,
        absorbing=rule.get("ties") == "reject",
        times=np.array([0, 1, 2, duration], dtype=np.int64),
        duration=duration,
        test_samples=150,
        dynamics_key=keys.dynamics,
        test_key=keys.test,
        first_replica=first_replica,
        replicas_per_graph=replicas_per_graph,
    )
    return drawn, run


def assert_same(fast: Trajectory, exact: Trajectory) -> None:
    for name in Trajectory._fields:
        np.testing.assert_array_equal(getattr(fast, name), getattr(exact, name), err_msg=name)


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda s: "-".join(map(str, s.values())))
@pytest.mark.parametrize("learned", ["all", "first"])
def test_kernel_equals_definition(system: dict[str, Any], learned: str) -> None:
    # Each number of words is a kernel of its own, which takes seconds to compile.
    sizes = (3.4, 70) if system in (SYSTEMS[1], SYSTEMS[3], SYSTEMS[6]) else (3.4,)
    for rule in RULES:
        for refresh_each_proposal in (False, True):
            for batch_size in sizes:
                case = set_up(system, learned, rule, refresh_each_proposal, batch_size)
                assert_same(run_bitsliced(*case), run_definition(*case))


@pytest.mark.parametrize("batch_size", [128, 200, 321.5])
def test_kernel_equals_definition_with_many_words(batch_size: float) -> None:
    case = set_up(SYSTEMS[1], "all", RULES[0], False, batch_size)
    assert_same(run_bitsliced(*case), run_definition(*case))


@pytest.mark.parametrize("system", [SYSTEMS[2], SYSTEMS[3]], ids=["two layers", "three layers"])
def test_replicas_that_share_a_graph(system: dict[str, Any]) -> None:
    """Five replicas to a graph, from the middle of one: side by side in lanes of 16 bits."""
    for rule in RULES:
        for learned in ("all", "first"):
            case = set_up(system, learned, rule, False, 3.4, 3, 9, replicas_per_graph=5)
            assert_same(run_bitsliced(*case), run_definition(*case))
    case = set_up(system, "all", RULES[1], True, 3.4, 3, 4, replicas_per_graph=5)
    assert_same(run_bitsliced(*case), run_definition(*case))


@pytest.mark.parametrize("batch_size", [20.5, 50, 70])
def test_replicas_that_share_a_graph_with_larger_batches(batch_size: float) -> None:
    """In lanes of 32 and 64 bits; above 64 samples each fills a row of its own."""
    case = set_up(SYSTEMS[1], "all", RULES[0], False, batch_size, 0, 4, replicas_per_graph=2)
    assert_same(run_bitsliced(*case), run_definition(*case))


@pytest.mark.parametrize("order", ["sequential", "permutation"])
def test_orders_of_proposals(order: str) -> None:
    """Kernel and definition, replicas that share a graph (and the order of a sweep) as well."""
    for rule in RULES:
        for refresh_each_proposal in (False, True):
            drawn, run = set_up(SYSTEMS[1], "all", rule, refresh_each_proposal, 3.4)
            run = replace(run, order=order)
            assert_same(run_bitsliced(drawn, run), run_definition(drawn, run))
    drawn, run = set_up(SYSTEMS[2], "first", RULES[0], False, 3.4, 3, 9, replicas_per_graph=5)
    run = replace(run, order=order)
    assert_same(run_bitsliced(drawn, run), run_definition(drawn, run))


@pytest.mark.parametrize("refresh_each_proposal", [False, True])
def test_batches_that_alternate(refresh_each_proposal: bool) -> None:
    """Above and below one sample, replicas that share a graph as well."""
    for batch_size in (3.4, 0.3):
        for shared in (1, 5):
            drawn, run = set_up(
                SYSTEMS[2], "all", RULES[0], refresh_each_proposal, batch_size, 3, 4, shared
            )
            run = replace(run, batch=batch_rule(batch_size, alternating=True))
            assert_same(run_bitsliced(drawn, run), run_definition(drawn, run))


def test_batches_that_alternate_hold_m_samples_on_average() -> None:
    """Any n in a row hold n m samples within one; replicas begin at phases of their own."""
    drawn, run = set_up(SYSTEMS[0], "all", RULES[0], False, 2.3, 0, 64)
    run = replace(run, duration=40, times=np.arange(41), batch=batch_rule(2.3, alternating=True))
    samples = run_bitsliced(drawn, run).batch_bits[:, 1:] // 6
    assert set(np.unique(samples)) == {2, 3}
    for length in (1, 7, 10, 33):
        windows = np.lib.stride_tricks.sliding_window_view(samples, length, axis=1).sum(axis=2)
        assert (np.abs(windows - 2.3 * length) < 1).all()
    assert 2.0 < samples[:, 0].mean() < 2.6
    assert samples[:, 0].std() > 0.2


def test_batches_that_change_from_sweep_to_sweep() -> None:
    """More and fewer samples than at first, within one word and beyond; the last row stays."""
    for refresh_each_proposal in (False, True):
        for system, table, shared in (
            (SYSTEMS[1], (3.4, 3.4, 0.3, 20.5, 2.0), 1),
            (SYSTEMS[1], (3.4, 70.0, 5.0), 1),
            (SYSTEMS[2], (3.4, 15.5), 5),
        ):
            for rule in RULES:
                drawn, run = set_up(system, "all", rule, refresh_each_proposal, 3.4, 3, 4, shared)
                run = replace(run, schedule=batch_table(table))
                fast = run_bitsliced(drawn, run)
                assert_same(fast, run_definition(drawn, run))
                in_pieces = Trajectory.empty(len(run.times), drawn.student)
                for start, stop in ((0, 1), (1, 3), (3, run.duration + 1)):
                    advance(drawn, run, in_pieces, start, stop)
                assert_same(in_pieces, fast)


def test_a_sweep_in_order_tries_every_weight_once() -> None:
    """Free moves of one sweep flip each weight: with an empty batch every move is a tie."""
    for order, flipped in (("sequential", True), ("permutation", True), ("random", False)):
        drawn, run = set_up(SYSTEMS[1], "all", RULES[1], False, 1e-9)
        run = replace(run, order=order, duration=1, times=np.array([0, 1]))
        end = run_bitsliced(drawn, run)
        assert (end.student == 1 - drawn.student).all() == flipped
        assert (end.batch_bits == 0).all()


@pytest.mark.parametrize("refresh_each_proposal", [False, True])
def test_batches_below_one_sample(refresh_each_proposal: bool) -> None:
    for rule in RULES:
        for shared in (1, 5):
            case = set_up(
                SYSTEMS[1], "all", rule, refresh_each_proposal, 0.4, replicas_per_graph=shared
            )
            assert_same(run_bitsliced(*case), run_definition(*case))


def test_more_replicas_than_fit_side_by_side() -> None:
    case = set_up(SYSTEMS[1], "all", RULES[0], False, 3.4, 2, 70, replicas_per_graph=36)
    assert_same(run_bitsliced(*case), run_definition(*case))


def test_replicas_of_a_graph_share_it_and_the_proposals_but_nothing_else() -> None:
    drawn, _ = set_up(SYSTEMS[2], "all", RULES[0], False, 3.4, 0, 4, replicas_per_graph=2)
    alone, _ = set_up(SYSTEMS[2], "all", RULES[0], False, 3.4, 0, 4)
    np.testing.assert_array_equal(drawn.sources, alone.sources[[0, 0, 1, 1]])
    np.testing.assert_array_equal(drawn.teacher, alone.teacher)
    np.testing.assert_array_equal(drawn.student, alone.student)


@pytest.mark.parametrize("replicas_per_graph", [1, 4])
def test_in_pieces_or_in_one_go(replicas_per_graph: int) -> None:
    case = set_up(SYSTEMS[1], "all", RULES[0], False, 3.4, 1, 6, replicas_per_graph)
    whole = run_bitsliced(*case)
    pieces = Trajectory.empty(len(case[1].times), case[0].student)
    for start, pause in ((0, 2), (2, 3), (3, 7), (7, 9)):
        advance(*case, pieces, start, pause)
    assert_same(pieces, whole)


def test_the_perfect_student_is_absorbing_with_ties_rejected() -> None:
    """The kernel stops early there; the definition goes on and must find the same."""
    drawn, run = set_up(SYSTEMS[1], "all", RULES[0], False, 40)
    perfect = BinarySystem(drawn.architecture, drawn.sources, drawn.teacher, drawn.teacher.copy())
    fast, exact = run_bitsliced(perfect, run), run_definition(perfect, run)
    assert_same(fast, exact)
    assert (fast.first_passage == 0).all()
    assert (fast.test_wrong == 0).all()


def test_replicas_do_not_depend_on_the_range_they_are_run_in() -> None:
    drawn, run = set_up(SYSTEMS[1], "all", RULES[1], False, 5.5, first_replica=0)
    later, later_run = set_up(SYSTEMS[1], "all", RULES[1], False, 5.5, first_replica=2)
    whole, part = run_bitsliced(drawn, run), run_bitsliced(later, later_run)
    np.testing.assert_array_equal(whole.path_sum[2], part.path_sum[0])
    np.testing.assert_array_equal(whole.student[2], part.student[0])


def test_a_longer_run_continues_the_same_trajectory() -> None:
    drawn, run = set_up(SYSTEMS[2], "all", RULES[2], False, 4.0)
    longer = CellRun(
        **{**run.__dict__, "duration": 20, "times": np.array([*run.times, 20], dtype=np.int64)}
    )
    np.testing.assert_array_equal(
        run_bitsliced(drawn, run).path_sum, run_bitsliced(drawn, longer).path_sum[:, :4]
    )
