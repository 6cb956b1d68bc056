"""The star closure: its numbers, its bookkeeping, its steps, and the limit of many legs."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from physbatch.errors import AnalysisError
from physbatch.exact import sparse
from physbatch.exact.sparse.legs import leg_states
from physbatch.exact.sparse.rates import acceptance, hidden_flip, output_flip, reader_chances


def test_states_are_in_the_order_of_their_rank() -> None:
    for degree, count in ((3, 20), (5, 252), (7, 3432)):
        states = leg_states(degree).states
        ranks = [sum(math.comb(int(e) + i, i + 1) for i, e in enumerate(row)) for row in states]
        assert ranks == list(range(count))


@pytest.mark.parametrize("overlap", [0.0, 0.4, 0.999])
def test_start_has_the_overlap_of_independent_weights(overlap: float) -> None:
    law = leg_states(5).start(overlap)
    assert law.sum() == pytest.approx(1, abs=1e-12)
    assert leg_states(5).overlap @ law == pytest.approx(overlap**2, abs=1e-12)


@pytest.mark.parametrize("ties", ["reject", "accept"])
def test_rates_against_the_mean_over_all_readers(ties: str) -> None:
    """Every pair of contexts of the other two readers at d = 3, with its weight."""
    closure = sparse.Closure(3, ties)
    law = np.random.default_rng(3).dirichlet(np.ones(20))
    rates = closure.rates(law, 4.5)
    weights: dict[tuple[int, tuple[int, ...]], float] = {}
    for row, chance in zip(closure.legs.states.tolist(), law, strict=True):
        for leg in range(3):
            key = (row[leg], tuple(row[:leg] + row[leg + 1 :]))
            weights[key] = weights.get(key, 0.0) + chance

    def stubs(label: int) -> list[tuple[tuple[float, float], float]]:
        """(g, l) and chance of another reader, seen from a leg with this label and sign +."""
        seen = [(reader_chances(3, c), w) for (e, c), w in weights.items() if e == label]
        seen += [(reader_chances(3, c)[::-1], w) for (e, c), w in weights.items() if e == 3 - label]
        total = sum(w for _, w in seen)
        return [(pair, w / total) for pair, w in seen]

    row, leg = 7, 1
    label = int(closure.legs.states[row, leg])
    context = [int(e) for i, e in enumerate(closure.legs.states[row]) if i != leg]
    own = reader_chances(3, context)
    found = rates[label, closure.legs.contexts[row, leg]]
    for move, down in ((0, False), (1, True)):
        choices = label if down else 3 - label
        mean = sum(
            p * q * acceptance(hidden_flip(3, label, down, [own, first, second], 4.5), ties)
            for (first, p), (second, q) in itertools.product(stubs(label), repeat=2)
        )
        assert found[move] == pytest.approx(choices * mean, abs=1e-8)
    assert found[2] == pytest.approx(acceptance(output_flip(3, label, own, 4.5), ties), abs=1e-8)


def test_flow_keeps_the_sum_and_the_perfect_state() -> None:
    closure = sparse.Closure(5)
    law = closure.legs.start(0.2)
    assert closure.velocity(law, 12.3).sum() == pytest.approx(0, abs=1e-14)
    perfect = closure.legs.start(1.0)
    assert np.abs(closure.velocity(perfect, 12.3)).max() < 1e-12


def test_overlaps_of_the_first_look() -> None:
    """Stationary q at d = 3, from an independent program, to its three digits."""
    known = {2.0: 0.239, 3.0: 0.302, 4.0: 0.396, 4.5: 0.472}
    for m, overlap in known.items():
        assert sparse.stationary_overlap(3, m) == pytest.approx(overlap, abs=6e-4)
    late = sparse.overlap_curve(3, 4.0, [50.0, 150.0])
    assert late[-1] == pytest.approx(sparse.stationary_overlap(3, 4.0), abs=5e-4)
    assert math.isnan(sparse.stationary_overlap(3, 5.2))


def test_trajectory_does_not_depend_on_where_it_is_measured() -> None:
    few = sparse.overlap_curve(3, 4.8, [0.0, 30.0])
    many = sparse.overlap_curve(3, 4.8, np.arange(0.0, 31.0, 1.0).tolist())
    assert many[-1] == pytest.approx(few[-1], abs=2e-4)


def test_spinodals() -> None:
    three, five = sparse.spinodal(3), sparse.spinodal(5)
    assert three.batch_size == pytest.approx(5.091, abs=2e-3)
    assert five.batch_size == pytest.approx(24.959, abs=5e-3)
    assert five.overlap == pytest.approx(0.38, abs=0.01)
    # The active state ends there: m(q) falls on both sides.
    around = sparse.stationary_batch_sizes(5, [0.33, 0.43])
    assert (around < five.batch_size).all()


def test_many_legs() -> None:
    point = sparse.scaled_spinodal()
    assert point.batch_size == pytest.approx(1.6085, abs=5e-5)
    assert point.overlap == pytest.approx(0.714, abs=5e-4)
    assert sparse.scaled_batch_sizes(sparse.scaled_overlap(1.2)) == pytest.approx(1.2)
    assert math.isnan(sparse.scaled_overlap(1.61))


@pytest.mark.slow
def test_spinodals_go_to_the_limit_of_many_legs() -> None:
    """m_s/d^2 at d = 3, 5, 7, 9 by a + b/d + c/d^2: a within 3 % of 1.6085."""
    degrees = np.array([3, 5, 7, 9])
    scaled = np.array([sparse.spinodal(int(d)).batch_size for d in degrees]) / degrees**2
    limit = np.linalg.lstsq(np.vander(1 / degrees, 3, increasing=True), scaled)[0][0]
    assert limit == pytest.approx(sparse.scaled_spinodal().batch_size, rel=0.03)


def test_refusals() -> None:
    with pytest.raises(AnalysisError, match="odd degree"):
        sparse.Closure(4)
    with pytest.raises(AnalysisError, match="d up to 11"):
        sparse.spinodal(13)
    with pytest.raises(AnalysisError, match="increase"):
        sparse.overlap_curve(3, 2.0, [3.0, 1.0])
    with pytest.raises(AnalysisError, match="between 0 and 1"):
        sparse.scaled_batch_sizes([0.0])
    with pytest.raises(AnalysisError, match="overlap at m = 1"):
        sparse.stationary_batch_sizes(3, [0.1])
