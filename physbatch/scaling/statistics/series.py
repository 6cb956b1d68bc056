"""Errors of functions of means: replicas, clusters of replicas, and autocorrelated series.

Every moment is a function of means of a few features of the samples (m, m^2, |m| ...). What is
independent is a *unit*: a replica, a cluster of replicas that share a graph, or a block of a
series. A unit keeps the sums of its features, so that one jackknife and one bootstrap serve
all three, and all functions of one set of units keep their correlation.

Autocorrelation times are those of `autocorrelations`: independent values have tau = 1/2.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from physbatch.errors import AnalysisError
from physbatch.scaling.statistics.resampling import bootstrap_indices, unbiased_spread
from physbatch.typing import FloatArray

#: From means of the features, shape (..., k), to values of the observables, shape (..., j).
Function = Callable[[FloatArray], FloatArray]

#: Fewer units than this give no error bar.
MINIMUM_UNITS = 4


def block_length(tau: float, length: int) -> int:
    """Length of blocks that makes the error of the error smallest: (n tau^2)^(1/3), >= 2 tau.

    Short blocks miss correlation (a fraction tau/b of the variance, most of which `blocks` puts
    back), long ones are few (relative error (2 b/n)^(1/2) of the variance).
    """
    if tau <= 0.5:
        return 1
    return int(np.ceil(max(2.0 * tau, (length * tau**2) ** (1.0 / 3.0))))


@dataclass(frozen=True, eq=False)
class Units:
    """Independent units of some samples: the sums of k features, shape (n_unit, k), of each.

    `weights`, shape (n_unit,), are the numbers of samples; `length` is that of blocks, 1 for units
    that are independent by themselves.
    """

    sums: FloatArray
    weights: FloatArray
    length: int = 1

    @property
    def count(self) -> int:
        """Number of units."""
        return self.weights.size

    @property
    def means(self) -> FloatArray:
        """Means of the features over all samples, shape (k,)."""
        return np.asarray(self.sums.sum(axis=0) / self.weights.sum(), dtype=np.float64)

    def seen(self, tau: FloatArray) -> FloatArray:
        """What the scatter of blocks sees of the variance of a mean, for each tau.

        Exact for one exponential, rho = ((2 tau - 1)/(2 tau + 1))^t; 1 for tau = 1/2.
        """
        rho = (2.0 * tau - 1.0) / (2.0 * tau + 1.0)
        b = self.length
        return np.asarray(1.0 - rho * (1.0 - rho**b) / (b * tau * (1.0 - rho) ** 2), dtype=float)


def _as_features(features: npt.ArrayLike) -> FloatArray:
    array = np.asarray(features, dtype=np.float64)
    if array.ndim != 2 or not np.isfinite(array).all():
        raise AnalysisError(
            f"features of shape {array.shape} are not finite numbers of shape (n, k)",
            where="samples",
        )
    return array


def replicas(features: npt.ArrayLike) -> Units:
    """Every sample is a unit; `features` has shape (n, k)."""
    array = _as_features(features)
    return Units(array, np.ones(array.shape[0]))


def clusters(features: npt.ArrayLike, labels: npt.ArrayLike) -> Units:
    """Samples with the same label (replicas on one graph), shapes (n, k) and (n,), are one unit."""
    array = _as_features(features)
    _, label = np.unique(np.asarray(labels), return_inverse=True)
    if label.shape != array.shape[:1]:
        raise AnalysisError(f"{label.size} labels for {array.shape[0]} samples", where="clusters")
    weights = np.asarray(np.bincount(label), dtype=np.float64)
    sums = np.zeros((weights.size, array.shape[1]))
    np.add.at(sums, label, array)
    return Units(sums, weights)


def blocks(features: npt.ArrayLike, length: int) -> Units:
    """Blocks of a series, shape (n, k), each at least 2 tau long (`block_length`).

    The few steps that fill no block are left out at its start.
    """
    array = _as_features(features)
    if not 1 <= length <= array.shape[0]:
        raise AnalysisError(f"blocks of {length} in a series of {array.shape[0]}", where="series")
    count = array.shape[0] // length
    rows = array[array.shape[0] - count * length :]
    sums = rows.reshape(count, length, -1).sum(axis=1)
    return Units(sums, np.full(count, float(length)), length)


def influence(features: npt.ArrayLike, function: Function) -> FloatArray:
    """What each sample adds to the functions of the means, to first order, shape (n, j).

    Their autocorrelation time is the one that the error of the function feels
    (Wolff, doi 10.1016/S0010-4655(03)00467-3).
    """
    array = _as_features(features)
    means = array.mean(axis=0)
    deviation = array - means
    scale = deviation.std(axis=0) / np.sqrt(array.shape[0])
    # A step far below the error of a mean: the function is linear over it.
    steps = np.diag(np.where(scale > 0, 1e-2 * scale, 1.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = (function(means + steps) - function(means - steps)) / (2.0 * np.diag(steps))[
            :, None
        ]
    slope[scale == 0.0] = 0.0  # a feature that is constant adds nothing
    return np.asarray(deviation @ slope, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Resampled:
    """Functions of means with their errors; values and errors have shape (j,).

    The bias of order 1/n is taken out of the values. `pseudo_values`, shape (n_unit, j), are one
    for each unit: their mean is the value, and their scatter, as that of independent samples, gives
    the jackknife error.
    """

    value: FloatArray
    error: FloatArray
    covariance: FloatArray
    pseudo_values: FloatArray


def jackknife(units: Units, function: Function, *, tau: npt.ArrayLike = 0.5) -> Resampled:
    r"""Functions of means, from shape (..., k) to (..., j), by leaving out one unit at a time.

    Pseudo-values :math:`\theta_J + (g m_i/n)(h_i\theta - (h_i - 1)\theta_{(i)} - \theta_J)` with
    :math:`h_i = n/m_i` for units of :math:`m_i` of n samples, :math:`\theta_J` the mean of
    :math:`h_i\theta - (h_i - 1)\theta_{(i)}` weighted with :math:`m_i`; for equal units the
    ordinary ones. Busing, Meijer and van der Leeden, doi 10.1023/A:1008800423698. `tau`, one or
    shape (j,), are the autocorrelation times of the values, for what blocks miss of the variance.
    """
    if units.count < MINIMUM_UNITS:
        raise AnalysisError(
            f"{units.count} independent samples",
            where="resampling",
            remedy=f"give at least {MINIMUM_UNITS} replicas, clusters or blocks",
        )
    total = units.weights.sum()
    share = units.weights[:, None] / total
    left_out = (units.sums.sum(axis=0) - units.sums) / (total - units.weights)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        whole = function(units.means)
        plain = whole / share - (1.0 / share - 1.0) * function(left_out)
    value = np.sum(share * plain, axis=0)
    deviation = units.count * share * (plain - value)
    pseudo = value + deviation / np.sqrt(units.seen(np.broadcast_to(tau, value.shape)))
    covariance = np.atleast_2d(np.cov(pseudo, rowvar=False)) / units.count
    return Resampled(value, np.sqrt(np.diag(covariance)), covariance, pseudo)


def bootstrap(
    units: Units,
    function: Function,
    *,
    tau: npt.ArrayLike = 0.5,
    resamples: int = 1000,
    seed: int | np.random.Generator = 0,
) -> Resampled:
    """Functions of means, their errors from units drawn with replacement.

    The value is that of `jackknife`, which needs no random numbers; pseudo-values are scaled to the
    error found here. AnalysisError for too few units or resamples.
    """
    if resamples < 50:
        raise AnalysisError(f"resamples = {resamples}", remedy="take at least 50")
    left_out = jackknife(units, function, tau=tau)
    means = _resampled_means(units, np.random.default_rng(seed), resamples)
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = function(means)
    factor = 1.0 / np.sqrt(units.seen(np.broadcast_to(tau, left_out.value.shape)))
    error = unbiased_spread(drawn, units.count) * factor
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = np.atleast_2d(np.cov(drawn, rowvar=False)) / np.outer(
            *2 * [drawn.std(0, ddof=1)]
        )
        stretch = np.where(left_out.error > 0, error / left_out.error, 1.0)
    pseudo = left_out.value + stretch * (left_out.pseudo_values - left_out.value)
    covariance = np.where(np.outer(error, error) > 0, correlation, 0.0) * np.outer(error, error)
    return Resampled(left_out.value, error, covariance, pseudo)


def _resampled_means(units: Units, generator: np.random.Generator, resamples: int) -> FloatArray:
    """Means of the features in each resample, shape (resamples, k).

    Counting drawn indices is seven times faster than multinomial counts; in portions, so that
    many units take no more memory than a few.
    """
    portion = max(1, 4_000_000 // units.count)
    means = []
    for start in range(0, resamples, portion):
        rows = min(portion, resamples - start)
        drawn = bootstrap_indices(generator, units.count, rows)
        drawn += units.count * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * units.count)
        counts = counts.reshape(rows, units.count).astype(np.float64)
        means.append((counts @ units.sums) / (counts @ units.weights)[:, None])
    return np.concatenate(means)
