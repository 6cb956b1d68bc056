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
TYPICAL_WIDTH, WIDTH_SPREAD = 0.03, 1.0
#: m_c is sought this many times below the lowest and above the highest control.
BEYOND = 8.0

#: Nodes of ln m_c and of ln(w/m_c), and the share of the highest weight below which none is kept.
_NODES, _WIDTHS = 160, 24
_FIRST_NODES, _FIRST_WIDTHS = 320, 12
_NEGLIGIBLE = 1e-6
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

    def coarse(self, factor: int = 4) -> SuccessPosterior:
        """The law on fewer nodes: as many times fewer of ln m_c, and half of those of the width."""
        return SuccessPosterior(
            self.log_m_c.reshape(-1, factor).mean(axis=1),
            self.log_ratio.reshape(-1, 2).mean(axis=1),
            self.weight.reshape(self.log_m_c.size // factor, factor, -1, 2).sum(axis=(1, 3)),
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

    .. math:: p(m_c, w) \propto \frac{1}{m_c}\, e^{-\ln^2(w/0.03 m_c)/2}
              \prod_i P_i^{k_i} (1 - P_i)^{n_i - k_i}, \qquad
              P_i = \frac{1}{1 + \exp(-(c_i - m_c)/w)}

    ln m_c is uniform from an eighth of the lowest to eight times the highest control, ln(w/m_c)
    normal around ln 0.03 with spread 1. Two digits of mean and spread are exact: the nodes are laid
    where the law is above a millionth of its maximum.

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
    13.0(7)
    """
    c = np.asarray(control, dtype=np.float64)
    k, n = np.asarray(successes, dtype=np.int64), np.asarray(trials, dtype=np.int64)
    if not c.shape == k.shape == n.shape or c.size == 0 or np.any(k < 0) or np.any(k > n):
        raise AnalysisError(
            "success counts do not fit together", remedy="give 0 <= successes <= trials per control"
        )
    if c.min() <= 0.0:
        raise AnalysisError(f"a control of {c.min():g}", remedy="controls must be above 0")
    centre = math.log(TYPICAL_WIDTH)
    log_m_c = np.linspace(math.log(c.min() / BEYOND), math.log(c.max() * BEYOND), _FIRST_NODES)
    log_ratio = np.linspace(centre - 3.5 * WIDTH_SPREAD, centre + 3.5 * WIDTH_SPREAD, _FIRST_WIDTHS)
    for _ in range(_MOST_PASSES):
        weight = _weights(log_m_c, log_ratio, Counts(c, k, n))
        first = _relevant(log_m_c, weight.max(axis=1))
        ratios = _relevant(log_ratio, weight.max(axis=0))
        narrower = _span(first) < 0.8 * _span(log_m_c) or _span(ratios) < 0.8 * _span(log_ratio)
        if log_m_c.size == _NODES and not narrower:
            break
        log_m_c = np.linspace(first[0], first[-1], _NODES)
        log_ratio = np.linspace(ratios[0], ratios[-1], _WIDTHS)
    return SuccessPosterior(log_m_c, log_ratio, weight / weight.sum())


def _weights(log_m_c: FloatArray, log_ratio: FloatArray, counts: Counts) -> FloatArray:
    """Prior times likelihood at every node, the largest 1."""
    m_c = np.exp(log_m_c)[:, None]
    width = m_c * np.exp(log_ratio)
    log = np.broadcast_to(
        -0.5 * ((log_ratio - math.log(TYPICAL_WIDTH)) / WIDTH_SPREAD) ** 2, width.shape
    ).copy()
    for c, k, n in zip(*counts, strict=True):
        z = (c - m_c) / width
        log += k * z - n * np.logaddexp(0.0, z)
    return np.asarray(np.exp(log - log.max()))


def _relevant(nodes: FloatArray, weight: FloatArray) -> FloatArray:
    """The nodes whose weight is not negligible, and one more on each side."""
    kept = np.flatnonzero(weight > _NEGLIGIBLE * weight.max())
    return nodes[max(int(kept[0]) - 1, 0) : int(kept[-1]) + 2]


def _span(nodes: FloatArray) -> float:
    return float(nodes[-1] - nodes[0])
