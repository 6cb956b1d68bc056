"""Which cells are chosen: where success is undecided, by expected gain for the cost."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from physbatch.exact.planted import first_order
from physbatch.scaling.design import choice, latent_overlap, slope_variance, success_posterior
from physbatch.scaling.design.choice import Chosen, Rules, candidate_controls, choose_cells
from physbatch.scaling.transition import success_counts


def generator() -> np.random.Generator:
    return np.random.default_rng(1)


def first(law: choice.SuccessPosterior, replicas: int, cost: choice.Cost) -> Chosen:
    rules = Rules(replicas=replicas, most=1, error=1e-3)
    (cell,), _ = choose_cells({1.0: law}, lambda known: known[1.0], cost, rules, generator())
    return cell


def test_a_bracket_is_halved() -> None:
    law = success_posterior([10.0, 14.0], [0, 16], [16, 16])
    cell = first(law, 16, lambda size, m: 1.0)
    assert abs(cell.control - 12.0) < 0.4
    assert cell.share > 0.5
    assert abs(cell.success - 0.5) < 0.15


def test_a_known_curve_is_asked_at_one_half() -> None:
    control = [11.0, 12.0, 13.0, 14.0, 15.0]
    successes = [round(400 / (1 + math.exp(13.0 - c))) for c in control]
    law = success_posterior(control, successes, [400] * 5)
    cell = first(law, 64, lambda size, m: 1.0)
    assert abs(cell.control - 13.0) < 0.7


def test_dear_cells_are_avoided() -> None:
    law = success_posterior([10.0, 14.0], [0, 16], [16, 16])
    cheap_below = first(law, 16, lambda size, m: 1.0 if m < 11.5 else 10.0)
    assert cheap_below.control < 11.5
    assert cheap_below.cost == 1.0


def test_the_expected_variance_is_that_of_all_outcomes() -> None:
    """Imagined outcomes against the sum over every number of successes."""
    control, successes, trials = [8.0, 12.0, 16.0], [0, 3, 8], [8, 8, 8]
    law = success_posterior(control, successes, trials)
    imagined = choice._Imagined(1.0, law, Rules(8, 1, 0.01), generator())
    expected = imagined.expected(8)
    for row in (2, 5, 8):
        c = float(imagined.candidates[row])
        p = law.probability([c])[0]
        exact = 0.0
        for k in range(9):
            chance = float((stats.binom.pmf(k, 8, p) * law.weight).sum())
            after = success_posterior([*control, c], [*successes, k], [*trials, 8])
            exact += chance * after.relative_error**2
        assert expected[row] == pytest.approx(exact, rel=0.12)


def test_size_with_most_to_gain() -> None:
    """The slope of two sizes: cells go to the one that is not known."""
    known = success_posterior([12.0, 13.0, 14.0], [20, 200, 380], [400] * 3)
    unknown = success_posterior([10.0, 20.0], [0, 16], [16, 16])
    rules = Rules(replicas=16, most=3, error=1e-3)
    cells, after = choose_cells(
        {50.0: known, 200.0: unknown}, slope_variance, lambda size, m: size, rules, generator()
    )
    assert [cell.size for cell in cells] == [200.0] * 3
    before = slope_variance({50.0: known.relative_error**2, 200.0: unknown.relative_error**2})
    assert after < 0.5 * math.sqrt(before)
    # Were it a thousand times as dear, cells of the other size would be worth more.
    cells, _ = choose_cells(
        {50.0: known, 200.0: known},
        slope_variance,
        lambda size, m: 1.0 if size < 100 else 1000.0,
        rules,
        generator(),
    )
    assert {cell.size for cell in cells} == {50.0}


def test_it_ends_where_the_error_is_expected() -> None:
    law = success_posterior([12.0, 13.0, 14.0], [2, 16, 30], [32] * 3)
    rules = Rules(replicas=32, most=50, error=0.8 * law.relative_error)
    cells, after = choose_cells({1.0: law}, lambda v: v[1.0], lambda s, m: m, rules, generator())
    assert len(cells) < 10
    assert after <= rules.error


def test_candidates_are_new_and_have_few_digits() -> None:
    law = success_posterior([12.0, 13.0, 14.0], [2, 16, 30], [32] * 3)
    known = frozenset({12.0, 12.5, 13.0, 13.5, 14.0})
    controls = candidate_controls(law, Rules(8, 1, 0.01, {1.0: known}), 1.0, generator())
    assert not known & set(controls.tolist())
    assert all(len(f"{control:.12g}") <= 6 for control in controls)
    assert np.all(np.diff(controls) > 0.0)
    whole = candidate_controls(law, Rules(8, 1, 0.01, {1.0: known}, whole=True), 1.0, generator())
    assert all(control == int(control) for control in whole)
    assert not known & set(whole.tolist())
    none = Rules(8, 1, 0.01, allowed=lambda size, control: False)
    assert candidate_controls(law, none, 1.0, generator()).size == 0


def test_slope_of_equal_errors() -> None:
    x = np.log([50.0, 100.0, 400.0])
    exact = 0.01 / float(((x - x.mean()) ** 2).sum())
    assert slope_variance({50.0: 0.01, 100.0: 0.01, 400.0: 0.01}) == pytest.approx(exact)
    assert slope_variance({50.0: 0.01, 100.0: 0.01, 400.0: 0.01}, 0.5) == pytest.approx(4 * exact)


def test_jumps_of_many_controls() -> None:
    """Coverage: planted jump of 0.66 at N = 200, 60 data sets."""
    z = []
    for seed in range(60):
        data = first_order(sizes=(200,), replicas=48, seed=seed)
        law = success_posterior(*success_counts(data, 1000.0))
        jump = latent_overlap(data, law).latent
        if math.isfinite(jump.value):
            z.append((jump.value - 0.66) / jump.stderr)
    assert len(z) > 50
    assert abs(np.mean(z)) < 4.0 * np.sqrt(np.mean(np.square(z)) / len(z)) + 0.3
    assert 0.6 < np.sqrt(np.mean(np.square(z))) < 1.6
