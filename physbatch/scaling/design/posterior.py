"""What is known of m_c and the width of a success curve, as a law and not as a maximum.

After a few cells the likelihood of a success curve often has no maximum: a control below which
all failed and one above which all learned fit a step anywhere in between. The law of (m_c, w) given
the counts has a mean and a spread from the first cell on, and by Bayes' rule it does not depend on
how the controls were chosen nor on when one stopped looking.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from physbatch.errors import AnalysisError
from physbatch.results.estimate import Estimate
from physbatch.scaling.statistics.success_fits import logistic
from physbatch.typing import FloatArray, IntArray

#: Prior of the width: ln(w/m_c) is normal with this mean and spread.
TYPICAL_WIDTH, WIDTH_SPREAD = 0.03, 2.0
#: Least and greatest w/m_c.
WIDTHS = (1e-4, 1.0)
#: m_c is sought this many times below the lowest and above the highest control.
BEYOND = 8.0

#: Nodes of ln m_c and of ln(w/m_c), and the shares of the highest weight below which
#: none is kept, at the end and on the way there.
_NODES, _WIDTHS = 240, 24
_FIRST_NODES, _FIRST_WIDTHS = 320, 12
_NEGLIGIBLE, _TINY = 1e-6, 1e-20
_MOST_PASSES = 12


class Counts(NamedTuple):
    """How many of how many replicas succeeded at each control of one size, shape (n_control,)."""

    control: FloatArray
    successes: IntArray
    trials: IntArray


@dataclass(frozen=True, eq=False)
class SuccessPosterior:
    """The law of (m_c, w) on a grid of nodes: ln m_c, ln(w/m_c) and the weight of each.

    Attributes
    ----------
    log_m_c : ndarray, shape (n_m_c,)
    log_ratio : ndarray, shape (n_width,)
        ln(w/m_c).
    weight : ndarray, shape (n_m_c, n_width)
        Probabilities; their sum is 1.
    """

    log_m_c: FloatArray
    log_ratio: FloatArray
    weight: FloatArray

    @property
    def marginal(self) -> FloatArray:
        """The probability of each node of ln m_c, shape (n_m_c,)."""
        return np.asarray(self.weight.sum(axis=1), dtype=np.float64)

    @property
    def relative_error(self) -> float:
        """Standard deviation of ln m_c."""
        return math.sqrt(variance(self.log_m_c, self.marginal))

    @property
    def m_c(self) -> Estimate:
        """Mean, standard deviation and central 68 % interval of m_c."""
        m_c, p = np.exp(self.log_m_c), self.marginal
        mean = float(p @ m_c)
        return Estimate(mean, math.sqrt(float(p @ (m_c - mean) ** 2)), interval68=self._interval())

    @property
    def width(self) -> Estimate:
        """Mean and standard deviation of w."""
        w = np.exp(self.log_m_c[:, None] + self.log_ratio)
        mean = float((self.weight * w).sum())
        return Estimate(mean, math.sqrt(float((self.weight * (w - mean) ** 2).sum())))

    def _interval(self) -> tuple[float, float]:
        below = np.concatenate([[0.0], np.cumsum(self.marginal)])
        step = self.log_m_c[1] - self.log_m_c[0]
        edges = np.append(self.log_m_c - 0.5 * step, self.log_m_c[-1] + 0.5 * step)
        tail = 0.5 * math.erfc(math.sqrt(0.5))
        low, high = np.exp(np.interp([tail, 1.0 - tail], below, edges))
        return float(low), float(high)

    def coarse(self, nodes: int = 40) -> SuccessPosterior:
        """The law on fewer nodes of ln m_c, at the means of groups of nodes with like weights.

        Those of the width are half as many. The nodes of ln m_c are no more equally far apart.
        """
        marginal = self.marginal
        share = np.cumsum(0.8 * marginal + 0.2 / marginal.size)
        starts = np.unique((nodes * share).astype(np.int64), return_index=True)[1]
        total = np.add.reduceat(marginal, starts)
        weight = np.add.reduceat(self.weight, starts, axis=0)
        return SuccessPosterior(
            np.add.reduceat(marginal * self.log_m_c, starts) / total,
            self.log_ratio.reshape(-1, 2).mean(axis=1),
            weight.reshape(starts.size, -1, 2).sum(axis=2),
        )

    def probability(self, control: npt.ArrayLike) -> FloatArray:
        """P(success) at each control for each node, shape (n_control, n_m_c, n_width)."""
        c = np.asarray(control, dtype=np.float64).reshape(-1, 1, 1)
        m_c = np.exp(self.log_m_c)[:, None]
        return logistic((c - m_c) / (m_c * np.exp(self.log_ratio)))

    def predicted(self, control: npt.ArrayLike) -> FloatArray:
        """P(success) at each control, averaged over the law, shape (n_control,)."""
        return np.asarray(np.einsum("cij,ij->c", self.probability(control), self.weight))


def variance(values: FloatArray, probability: FloatArray) -> float:
    """Variance of some values with these probabilities."""
    mean = float(probability @ values)
    return float(probability @ (values - mean) ** 2)


def success_posterior(
    control: npt.ArrayLike, successes: npt.ArrayLike, trials: npt.ArrayLike
) -> SuccessPosterior:
    r"""The law of m_c and the width of a success curve given counts.

    .. math:: p(m_c, w) \propto \frac{1}{m_c}\, e^{-\ln^2(w/0.03 m_c)/8}
              \prod_i P_i^{k_i} (1 - P_i)^{n_i - k_i}, \qquad
              P_i = \frac{1}{1 + \exp(-(c_i - m_c)/w)}

    ln m_c is uniform from an eighth of the lowest to eight times the highest control, ln(w/m_c)
    normal around ln 0.03 with spread 2, from w/m_c = 1e-4 to 1. The
    nodes are laid where the law is above a millionth of its maximum; mean and spread are right to
    a few per cent of the spread.

    Parameters
    ----------
    control, successes, trials : array_like, shape (n_control,)
        The control c, above 0, and how many of how many replicas succeeded there.

    Returns
    -------
    SuccessPosterior

    Raises
    ------
    physbatch.errors.AnalysisError
        For counts that are not 0 <= successes <= trials, or controls that are not above 0.

    References
    ----------
    Chaloner and Verdinelli, Statist. Sci. 10 (1995) 273, doi 10.1214/ss/1177009939.

    Examples
    --------
    >>> success_posterior([8.0, 12.0, 16.0], [0, 2, 8], [8, 8, 8]).m_c
    12.6(6)
    """
    c = np.asarray(control, dtype=np.float64)
    k, n = np.asarray(successes, dtype=np.int64), np.asarray(trials, dtype=np.int64)
    if not c.shape == k.shape == n.shape or c.size == 0 or np.any(k < 0) or np.any(k > n):
        raise AnalysisError(
            "success counts do not fit together", remedy="give 0 <= successes <= trials per control"
        )
    if c.min() <= 0.0:
        raise AnalysisError(f"a control of {c.min():g}", remedy="controls must be above 0")
    law = _on_nodes(
        np.linspace(math.log(c.min() / BEYOND), math.log(c.max() * BEYOND), _FIRST_NODES),
        np.linspace(math.log(WIDTHS[0]), math.log(WIDTHS[1]), _FIRST_WIDTHS),
        Counts(c, k, n),
    )
    # Far from its maximum the law prefers other widths: m_c first, then both, then without tails.
    for negligible, both in ((_TINY, False), (_TINY, True), (_NEGLIGIBLE, True)):
        law = _narrowed(law, Counts(c, k, n), negligible, both=both)
    return law


def _narrowed(
    law: SuccessPosterior, counts: Counts, negligible: float, *, both: bool
) -> SuccessPosterior:
    """The law on nodes that are laid where its weight is not negligible, until they stay there."""
    for _ in range(_MOST_PASSES):
        log_m_c = _relevant(law.log_m_c, law.weight.max(axis=1), negligible)
        log_ratio = law.log_ratio
        if both:
            log_ratio = _relevant(log_ratio, law.weight.max(axis=0), negligible)
        moved = _span(log_m_c) < 0.8 * _span(law.log_m_c) or (
            _span(log_ratio) < 0.8 * _span(law.log_ratio)
        )
        if law.log_m_c.size == _NODES and not moved:
            break
        law = _on_nodes(
            np.linspace(log_m_c[0], log_m_c[-1], _NODES),
            np.linspace(log_ratio[0], log_ratio[-1], _WIDTHS),
            counts,
        )
    return law


def _on_nodes(log_m_c: FloatArray, log_ratio: FloatArray, counts: Counts) -> SuccessPosterior:
    """Prior times likelihood at every node, normalised."""
    m_c = np.exp(log_m_c)[:, None]
    width = m_c * np.exp(log_ratio)
    log = np.broadcast_to(
        -0.5 * ((log_ratio - math.log(TYPICAL_WIDTH)) / WIDTH_SPREAD) ** 2, width.shape
    ).copy()
    log[:, [0, -1]] -= math.log(2.0)  # the trapezoidal rule
    for c, k, n in zip(*counts, strict=True):
        z = (c - m_c) / width
        log += k * z - n * np.logaddexp(0.0, z)
    weight = np.exp(log - log.max())
    return SuccessPosterior(log_m_c, log_ratio, weight / weight.sum())


def _relevant(nodes: FloatArray, weight: FloatArray, negligible: float) -> FloatArray:
    """The nodes whose weight is not negligible, and one more on each side."""
    kept = np.flatnonzero(weight > negligible * weight.max())
    return nodes[max(int(kept[0]) - 1, 0) : int(kept[-1]) + 2]


def _span(nodes: FloatArray) -> float:
    return float(nodes[-1] - nodes[0])
