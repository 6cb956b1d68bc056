"""One peak or two: the best split of a sample, its separation, and the valley between."""

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy

from physbatch.typing import FloatArray, IntArray

#: No split with a separation below this is a jump, whatever the number of replicas.
LEAST_SEPARATION = 4.5
#: Both groups need this many replicas.
LEAST_GROUP = 3
#: Chance of a valley below which it is one. With the separation a peak without width at the end
#: of a uniform law, the hardest case, is then taken for two peaks in about 1 of 100 samples.
VALLEY_LEVEL = 0.003


class Split(NamedTuple):
    """The best split of each sample in two groups; every array has shape (n_sample,)."""

    lower: FloatArray  # mean of the lower group
    upper: FloatArray
    separation: FloatArray
    smaller: IntArray  # replicas in the smaller group; 0: all values are equal
    cut: FloatArray  # half way between the groups


def split_in_two(samples: FloatArray, grain: float = 0.0) -> Split:
    r"""Split each row where the variance between the two groups is largest (kernel).

    This is the exact one-dimensional 2-means split (Otsu, doi 10.1109/TSMC.1979.4310076). The
    separation is :math:`D = |\mu_1 - \mu_2| / \sqrt{(s_1^2 + s_2^2)/2}` (Ashman's D, doi
    10.1086/117248), where no s is taken smaller than `grain`.

    Parameters
    ----------
    samples : ndarray, shape (n_sample, n)
        Values without nan.
    grain : float
        Step between neighbouring values of a discrete quantity. A peak cannot be known to be
        narrower: without it two neighbouring values would be infinitely well separated.

    Returns
    -------
    Split
        Half a Gaussian against the other half has D = 2.65, half a uniform law 3.46.

    Examples
    --------
    >>> split = split_in_two(np.array([[0.1, 0.8, 0.2, 0.9, 0.85, 0.15]]))
    >>> split.lower.round(2).tolist(), split.upper.round(2).tolist()
    ([0.15], [0.85])
    """
    x = np.sort(np.atleast_2d(samples), axis=-1)
    n = x.shape[-1]
    if n < 2 or x.shape[0] == 0:
        blank = np.full(x.shape[0], np.nan)
        return Split(blank, blank, blank, np.zeros(x.shape[0], dtype=np.int64), blank)
    centre = x.mean(axis=-1, keepdims=True)
    x = x - centre  # no digits are lost if all values are close to 1
    k = np.arange(1, n)
    total = np.cumsum(x, axis=-1)[:, :-1]
    square = np.cumsum(x * x, axis=-1)
    between = total**2 * (1.0 / k + 1.0 / (n - k))  # as the sum over all is 0
    split = between.argmax(axis=-1)
    rows = np.arange(x.shape[0])
    left = (split + 1).astype(np.int64)
    lower, upper = total[rows, split] / left, -total[rows, split] / (n - left)
    inner_left = square[rows, split] - left * lower**2
    inner_right = square[rows, -1] - square[rows, split] - (n - left) * upper**2
    variances = [
        np.maximum(np.maximum(inner, 0.0) / np.maximum(count - 1, 1), grain**2)
        for inner, count in ((inner_left, left), (inner_right, n - left))
    ]
    spread = np.sqrt(0.5 * (variances[0] + variances[1]))
    distinct = x[:, -1] > x[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        separation = np.where(distinct, (upper - lower) / spread, 0.0)
    smaller = np.where(distinct, np.minimum(left, n - left), 0)
    cut = 0.5 * (x[rows, split] + x[rows, split + 1]) + centre[:, 0]
    return Split(lower + centre[:, 0], upper + centre[:, 0], separation, smaller, cut)


@functools.cache
def separation_threshold(replicas: int) -> float:
    """Separation that one peak reaches with a probability of 1e-3.

    The law with one peak that is hardest to tell from two is the uniform one (as in the dip
    test, doi 10.1214/aos/1176346577). The separation does not depend on position and width, so
    its quantile depends on the number of replicas alone; it is simulated with a fixed seed
    (40 000 samples), counting only splits with at least 3 replicas in each group. Never below
    4.5. A claim needs three sizes, so the chance that one peak leads to it is far smaller.

    Parameters
    ----------
    replicas : int
        Replicas in the sample.

    Returns
    -------
    float
        The threshold; inf for fewer than 6 replicas.
    """
    if replicas < 2 * LEAST_GROUP:
        return math.inf
    generator = np.random.default_rng(1985)
    reached = np.zeros(40_000)
    for block in reached.reshape(20, -1):
        split = split_in_two(generator.random((block.size, replicas)))
        block[:] = np.where(split.smaller >= LEAST_GROUP, split.separation, 0.0)
    return max(LEAST_SEPARATION, float(np.quantile(reached, 1.0 - 1e-3)))


def grain_of(rows: Sequence[FloatArray]) -> float:
    """Smallest step between different values of several samples; rounding does not count."""
    steps = np.diff(np.unique(np.concatenate(rows))) if rows else np.empty(0)
    steps = steps[steps > 1e-9]
    return float(steps.min()) if steps.size else 0.0


def has_two_peaks(sample: FloatArray, grain: float = 0.0, level: float = VALLEY_LEVEL) -> bool:
    """Whether the best split of one sample counts as two peaks.

    Both groups have three values, the separation is beyond `separation_threshold`, and one peak
    leaves such a valley with a chance below `level` (`valley_p_value`).

    >>> sample = np.random.default_rng(1).normal(size=60)
    >>> has_two_peaks(sample), has_two_peaks(np.concatenate([sample, sample + 9.0]))
    (False, True)
    """
    split = split_in_two(sample[None], grain)
    return bool(
        split.smaller[0] >= LEAST_GROUP
        and split.separation[0] > separation_threshold(sample.size)
        and valley_p_value(sample, float(split.cut[0]), grain) < level
    )


def valley_p_value(sample: FloatArray, cut: float, grain: float = 0.0) -> float:
    r"""Chance that one peak leaves so few values between the two groups.

    A separation alone is fooled by a peak with no width at the end of a broad law: perfect
    students at q = 1 and a continuum below them. With a single peak somewhere in the upper
    group the density does not fall on the way up to it. So, of the values from the lowest one
    up to the upper group, none falls in the gap (length g of a total L) with probability at most
    :math:`(1 - g/L)^{n_1 - 1}`; and the middle third between the two means holds at least half
    as many as the range of one third on both sides of the lower mean, on average (a binomial
    test, which a few students caught between the phases do not upset). The smaller of the two
    counts. The same with the peak in the lower group; the larger of both is returned.

    Parameters
    ----------
    sample : ndarray, shape (n,)
        Values.
    cut : float
        Boundary between the two groups.
    grain : float
        Step between neighbouring values, taken off the gap.

    Returns
    -------
    float
        The p-value; 1 if a group is empty.
    """
    lower, upper = sample[sample < cut], sample[sample >= cut]
    if lower.size == 0 or upper.size == 0:
        return 1.0
    # With the peak in one group, the other one is the tail; mirrored, the upper is the lower.
    return max(_tail_p_value(lower, upper, grain), _tail_p_value(-upper, -lower, grain))


def _tail_p_value(tail: FloatArray, peak: FloatArray, grain: float) -> float:
    """Chance of the valley if the density does not fall from the tail up to the peak."""
    gap = max(float(peak.min() - tail.max()) - grain, 0.0)
    length = float(peak.min() - tail.min())
    empty = (1.0 - gap / length) ** (tail.size - 1)
    third = float(peak.mean() - tail.mean()) / 3.0
    values = np.concatenate([tail, peak])
    middle = int(np.sum((values > tail.mean() + third) & (values < peak.mean() - third)))
    around = int(np.sum(np.abs(values - tail.mean()) <= third))
    return min(empty, float(scipy.stats.binom.cdf(middle, middle + around, 1.0 / 3.0)))
