"""Refinements of m_c without files: the decisions of `refine`, the cells of the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physbatch.results import Estimate
from physbatch.scaling.design import Rules, choose_cells, success_posterior

FloatArray = NDArray[np.float64]

#: Upper ends of the first passage of each replica of a cell: control -> shape (n_replica,).
Simulate = Callable[[float], FloatArray]
#: A round adds at most a third of the cells that are there, as `refine` does.
SHARE = 3


class Refined(NamedTuple):
    """What a refinement states, its relative error, its controls and what they cost."""

    m_c: Estimate
    error: float
    controls: tuple[float, ...]
    cost: float

    def holds(self, truth: float) -> bool:
        """Whether the 68 % interval has the truth in it."""
        low, high = self.m_c.interval68
        return low <= truth <= high


def refine_m_c(
    simulate: Simulate, start: Sequence[float], duration: float, error: float, seed: int
) -> Refined:
    """From some controls to a relative error; a cell costs m times the time that it ran."""
    passages = {control: simulate(control) for control in start}
    for number in range(1, 80):
        controls = np.array(sorted(passages))
        runs = np.array([np.minimum(passages[control], duration) for control in controls])
        successes = np.array([(passages[control] <= duration).sum() for control in controls])
        law = success_posterior(controls, successes, [row.size for row in runs])
        if law.relative_error <= error:
            break
        rules = Rules(
            replicas=runs.shape[1],
            most=max(1, controls.size // SHARE),
            error=error,
            known={1.0: frozenset(passages)},
        )
        shares = runs.mean(axis=1)

        def cost(
            _: float, control: float, known: FloatArray = controls, shares: FloatArray = shares
        ) -> float:
            return control * float(np.interp(control, known, shares))

        generator = np.random.default_rng([seed, number])
        cells, _ = choose_cells({1.0: law}, lambda known: known[1.0], cost, rules, generator)
        passages |= {cell.control: simulate(cell.control) for cell in cells}
    return Refined(
        law.m_c,
        law.relative_error,
        tuple(passages),
        sum(m * np.minimum(row, duration).sum() for m, row in passages.items()),
    )


def planted(m_c: float, width: float, replicas: int, seed: int) -> Simulate:
    """Replicas that pass at half of the time 1, with the chance of a logistic curve, or never."""
    generator = np.random.default_rng([seed, 1])

    def simulate(control: float) -> FloatArray:
        chance = 0.5 * (1.0 + np.tanh(0.5 * (control - m_c) / width))
        return np.where(generator.random(replicas) < chance, 0.5, np.inf)

    return simulate
