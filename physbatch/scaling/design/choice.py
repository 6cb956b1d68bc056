"""Which cells to compute next: the greatest expected fall of the error for its cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy import special

from physbatch.scaling.design.posterior import SuccessPosterior
from physbatch.scaling.statistics.success_fits import logistic
from physbatch.typing import FloatArray

#: A quantity's variance from the variance of ln m_c of each size.
Objective = Callable[[Mapping[float, float]], float]
#: About how much one cell costs, from its size and control.
Cost = Callable[[float, float], float]

#: Imagined outcomes over which expectations are taken.
_OUTCOMES = 64
_UNIFORM = np.asarray((np.arange(_OUTCOMES) * 0.6180339887498949 + 0.5) % 1.0)
#: Candidates lie where the predicted success is about as much.
_LEVELS = np.array([0.03, 0.08, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.92, 0.97])
#: Nodes with less than this share of the highest weight are left out.
_NEGLIGIBLE = 1e-4


@dataclass(frozen=True)
class Chosen:
    """A cell to compute, and why.

    `success` is the predicted success there, `share` by how much the cell is expected to lower the
    variance of the asked quantity (of that which is left after the cells before it), and `cost`
    what it takes.
    """

    size: float
    control: float
    success: float
    share: float
    cost: float

    def __str__(self) -> str:
        return (
            f"success {100 * self.success:.0f} % expected, the variance falls by "
            f"{100 * self.share:.0f} %"
        )


@dataclass(frozen=True)
class Rules:
    """What limits a choice.

    `replicas` of a cell, `most` cells, the relative error to reach, the controls there are
    (size -> values), whether new ones must be whole, and whether there can be a cell of some size
    and control.
    """

    replicas: int
    most: int
    error: float
    known: Mapping[float, frozenset[float]] = field(default_factory=dict)
    whole: bool = False
    allowed: Callable[[float, float], bool] = field(default=lambda size, control: True)


def choose_cells(
    posteriors: Mapping[float, SuccessPosterior],
    objective: Objective,
    cost: Cost,
    rules: Rules,
    generator: np.random.Generator,
) -> tuple[list[Chosen], float]:
    """The cells that promise most, one after the other, and the error expected after them.

    Parameters
    ----------
    posteriors : mapping
        Size -> the law of m_c and width there.
    objective : callable
        Variance of the asked quantity (relative, as the error of the rules) from that of ln m_c.
    cost : callable
        Cost of a cell of a size and control.
    rules : Rules
        Where to end.
    generator : numpy.random.Generator
        Draws the imagined outcomes, and where candidates lie.

    Returns
    -------
    cells : list of Chosen
        Empty if no control is left.
    error : float
        Expected after them.
    """
    sizes = {
        size: _Imagined(size, posterior, rules, generator) for size, posterior in posteriors.items()
    }
    now = objective({size: imagined.variance for size, imagined in sizes.items()})
    cells: list[Chosen] = []
    while len(cells) < rules.most and not (cells and math.sqrt(now) <= rules.error):
        best: tuple[float, _Imagined, int, float, float] | None = None
        for size, imagined in sizes.items():
            others = {other: each.variance for other, each in sizes.items()}
            for row, expected in enumerate(imagined.expected(rules.replicas)):
                after = objective({**others, size: float(expected)})
                price = cost(size, float(imagined.candidates[row]))
                gain = (now - after) / price
                if best is None or gain > best[0]:
                    best = (gain, imagined, row, after, price)
        if best is None:
            break
        _, imagined, row, after, price = best
        share = 1.0 - after / now if now > 0.0 else 0.0
        cells.append(imagined.take(row, rules.replicas, share, price))
        now = objective({size: each.variance for size, each in sizes.items()})
    return cells, math.sqrt(now)


class _Imagined:
    """The law at one size under imagined outcomes of the cells that were chosen."""

    def __init__(
        self,
        size: float,
        posterior: SuccessPosterior,
        rules: Rules,
        generator: np.random.Generator,
    ) -> None:
        self.size = size
        posterior = posterior.coarse()
        self.candidates = candidate_controls(posterior, rules, size, generator)
        self._predicted = posterior.predicted(self.candidates)
        rows, columns = np.nonzero(posterior.weight > _NEGLIGIBLE * posterior.weight.max())
        start = posterior.weight[rows, columns] / posterior.weight[rows, columns].sum()
        self._log_m_c = posterior.log_m_c[rows]
        m_c = np.exp(self._log_m_c)
        width = m_c * np.exp(posterior.log_ratio[columns])
        # log odds of success, shape (n_candidate, n_node)
        self._odds = (self.candidates[:, None] - m_c) / width
        #: Law under each imagined outcome, shape (n_outcome, n_node), and the truth there.
        self._weight = np.tile(start, (_OUTCOMES, 1))
        places = (np.arange(_OUTCOMES) + generator.random()) / _OUTCOMES
        self._truth = np.minimum(np.searchsorted(np.cumsum(start), places), start.size - 1)
        self.variance = posterior.relative_error**2

    def expected(self, replicas: int) -> FloatArray:
        """Variance of ln m_c after `replicas` more at each candidate, shape (n_candidate,)."""
        return np.array(
            [_variances(self._after(row, replicas), self._log_m_c).mean()
             for row in range(self.candidates.size)]
        )  # fmt: skip

    def take(self, row: int, replicas: int, share: float, cost: float) -> Chosen:
        """Let a candidate be computed: outcomes are imagined, and it is no candidate any more."""
        self._weight = self._after(row, replicas)
        self.variance = float(_variances(self._weight, self._log_m_c).mean())
        chosen = Chosen(
            self.size, float(self.candidates[row]), float(self._predicted[row]), share, cost
        )
        self.candidates = np.delete(self.candidates, row)
        self._predicted = np.delete(self._predicted, row)
        self._odds = np.delete(self._odds, row, axis=0)
        return chosen

    def _after(self, row: int, replicas: int) -> FloatArray:
        """The law under each imagined outcome of a candidate, shape (n_outcome, n_node)."""
        odds: FloatArray = self._odds[row]
        # The same uniform numbers for every candidate: differences are not those of luck.
        k = _quantiles(_UNIFORM, replicas, logistic(odds[self._truth]))
        log = k[:, None] * odds - replicas * np.logaddexp(0.0, odds)
        weight = self._weight * np.exp(log - log.max(axis=1, keepdims=True))
        return np.asarray(weight / weight.sum(axis=1, keepdims=True))


def _quantiles(level: FloatArray, trials: int, chance: FloatArray) -> FloatArray:
    """The number of successes below which a law of binomial counts has that probability."""
    inside = np.clip(chance, 1e-12, 1.0 - 1e-12)
    return np.clip(np.ceil(special.bdtrik(level, trials, inside)), 0, trials)


def _variances(weight: FloatArray, values: FloatArray) -> FloatArray:
    mean = weight @ values
    return np.asarray(weight @ values**2 - mean**2)


def candidate_controls(
    posterior: SuccessPosterior,
    rules: Rules,
    size: float,
    generator: np.random.Generator,
    levels: FloatArray = _LEVELS,
) -> FloatArray:
    """New controls, increasing, at which success is undecided; they have few digits.

    They are where the predicted success passes levels, by default from 3 to 97 %, moved by a random
    part of the distance between these: then m_c has no preferred place between the controls.
    """
    odds = np.log(levels / (1.0 - levels))
    odds = odds + 0.4 * (generator.random() - 0.5)
    controls = _where(posterior, 1.0 / (1.0 + np.exp(-odds)))
    step = 1.0 if rules.whole else _step(posterior)
    known = rules.known.get(size, frozenset())
    new = {float(f"{round(control / step) * step:.12g}") for control in controls}
    if not rules.whole:
        new = {_beside(control, step, known) for control in new}
    return np.array(
        sorted(
            value
            for value in new
            if value > 0.0 and value not in known and rules.allowed(size, value)
        )
    )


def _where(posterior: SuccessPosterior, levels: FloatArray) -> FloatArray:
    """Controls at which the predicted success passes some levels."""
    p = posterior.marginal
    below = np.cumsum(p)
    low, high = np.interp([1e-3, 1.0 - 1e-3], below, posterior.log_m_c)
    reach = 4.0 * posterior.width.value
    grid = np.linspace(max(math.exp(low) - reach, 0.2 * math.exp(low)), math.exp(high) + reach, 120)
    success = np.maximum.accumulate(posterior.predicted(grid))
    return np.asarray(np.interp(levels, success, grid))


def _step(posterior: SuccessPosterior) -> float:
    """A power of ten, or half of it, of about a tenth of what m_c is uncertain by."""
    scale = 0.15 * min(posterior.m_c.stderr, 3.0 * posterior.width.value)
    power = 10.0 ** math.floor(math.log10(scale))
    return 5.0 * power if scale >= 5.0 * power else power


def _beside(control: float, step: float, known: frozenset[float]) -> float:
    """The nearest multiple of the step that is no control yet."""
    number = round(control / step)
    for shift in range(10_000):
        for sign in (1, -1):
            value = float(f"{(number + sign * shift) * step:.12g}")
            if value > 0.0 and value not in known:
                return value
    return control
