"""Noise of mini-batch gradients: its covariance, its law in m, and the noise scale."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from scipy.sparse import linalg as sparse_linalg

from physbatch.errors import AnalysisError
from physbatch.results.estimate import Estimate
from physbatch.results.record import Record, result
from physbatch.scaling.laws.fits import ScalingFit, fit_law
from physbatch.scaling.laws.power_laws import law
from physbatch.typing import Dims, FloatArray, IntArray

#: Covariances of at most so many weights are held whole.
FULL_COVARIANCE = 1024


@result("gradient noise")
@dataclass(frozen=True, eq=False, repr=False)
class GradientNoise(Record):
    """Covariance S of the gradients of single samples around their mean.

    Attributes
    ----------
    samples : int
        Number of samples P.
    mean : ndarray, shape (n,)
        Gradient of the mean loss.
    trace : float
        Trace of S (normalised with P - 1).
    eigenvalues : ndarray
        The largest eigenvalues of S, descending.
    covariance : ndarray, shape (n, n), or None
        S itself where n is at most 1024.
    """

    dims: ClassVar[Dims] = {
        "mean": ("weight",),
        "eigenvalues": ("eigenvalue",),
        "covariance": ("weight", "weight_other"),
    }

    samples: int
    mean: FloatArray
    trace: float
    eigenvalues: FloatArray
    covariance: FloatArray | None


def gradient_noise(gradients: FloatArray, *, largest: int = 5) -> GradientNoise:
    """Covariance of per-sample gradients.

    S = sum_mu (g_mu - g)(g_mu - g)' / (P - 1). For many weights S is never formed: the trace
    is a sum of squares, and the largest eigenvalues come from Lanczos iterations.

    Parameters
    ----------
    gradients : ndarray, shape (P, n)
        Gradient of the loss of each sample.
    largest : int
        How many eigenvalues.

    Raises
    ------
    AnalysisError
        For fewer than two samples or a gradient that is not finite.

    Examples
    --------
    >>> noise = gradient_noise(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]]))
    >>> round(noise.trace, 6), round(float(noise.eigenvalues[0]), 6)
    (1.0, 1.0)
    """
    _check(gradients)
    count, weights = gradients.shape
    mean = gradients.mean(axis=0)
    centred = (gradients - mean) / math.sqrt(count - 1)
    wanted = min(largest, weights, count)
    if min(count, weights) <= FULL_COVARIANCE:
        small = centred @ centred.T if count < weights else centred.T @ centred
        eigenvalues = np.linalg.eigvalsh(small)[::-1][:wanted]
    else:
        operator = sparse_linalg.LinearOperator(
            (weights, weights),
            matvec=lambda vector: centred.T @ (centred @ vector.ravel()),
            dtype=np.float64,
        )
        start = np.ones(weights) / math.sqrt(weights)
        largest_ones = sparse_linalg.eigsh(operator, k=wanted, v0=start, return_eigenvectors=False)
        eigenvalues = np.sort(largest_ones)[::-1]
    return GradientNoise(
        samples=count,
        mean=mean,
        trace=float(np.sum(centred**2)),
        eigenvalues=np.maximum(eigenvalues, 0.0),
        covariance=centred.T @ centred if weights <= FULL_COVARIANCE else None,
    )


def batch_factor(batch_size: int, samples: int, *, replacement: bool) -> float:
    """Variance of the mean gradient of a batch in units of S (normalised with P - 1).

    (1/m)(1 - m/P) without replacement and (1/m)(1 - 1/P) with: a batch of the whole set
    is not noisy in the first case.

    Parameters
    ----------
    batch_size, samples : int
        m and P.
    replacement : bool
        Whether a sample may be in a batch twice.

    Examples
    --------
    >>> batch_factor(10, 10, replacement=False)
    0.0
    """
    rest = 1 / samples if replacement else batch_size / samples
    return (1 - rest) / batch_size


def noise_scale(
    learning_rate: float,
    samples: int,
    batch_size: float,
    *,
    momentum: float = 0.0,
    loss: Literal["mean", "sum"] = "mean",
) -> float:
    """Noise scale g of stochastic gradient descent.

    g = eps (P/B - 1) / (1 - beta) where eps multiplies the gradient of the *mean* loss of
    the batch; if it multiplies that of the loss summed over the set of P samples, eps P
    takes the place of eps.

    Parameters
    ----------
    learning_rate : float
        eps.
    samples : int
        Size P of the training set.
    batch_size : float
        B.
    momentum : float
        beta, from 0 to below 1.
    loss : {"mean", "sum"}
        What eps multiplies.

    References
    ----------
    Smith and Le, arXiv 1710.06451 (2017).

    Examples
    --------
    >>> round(noise_scale(0.1, samples=1000, batch_size=10), 6)
    9.9
    """
    rate = learning_rate * (samples if loss == "sum" else 1)
    return rate * (samples / batch_size - 1) / (1 - momentum)


@result("update variance")
@dataclass(frozen=True, eq=False, repr=False)
class UpdateVariance(Record):
    """Variance of weight updates against m at constant mean update per sample.

    Attributes
    ----------
    batch_sizes : ndarray of int
        m.
    variance, stderr : ndarray
        tr Cov of the update eta_base sum_mu g_mu of a batch, and its standard error.
    reduced : ndarray
        The variance over 1 - m/P (without replacement) or 1 - 1/P (with).
    predicted : ndarray
        eta_base^2 m tr S, which `reduced` should be.
    fit : ScalingFit
        Of ``reduced = A m^b``.
    slope : Estimate
        b; 1 if the law holds.
    prefactor : Estimate
        Weighted mean of reduced/predicted; 1 if the law holds.
    """

    main_dim: ClassVar[str] = "batch_size"

    batch_sizes: IntArray
    variance: FloatArray
    stderr: FloatArray
    reduced: FloatArray
    predicted: FloatArray
    fit: ScalingFit
    slope: Estimate
    prefactor: Estimate


def update_variance(
    gradients: FloatArray,
    batch_sizes: Sequence[int],
    *,
    base_learning_rate: float,
    replacement: bool,
    draws: int = 2000,
    seed: int = 0,
) -> UpdateVariance:
    """Measure the variance of the weight update against m from drawn batches.

    With the per-sample rule eta = m eta_base an update is -eta_base sum_{mu in B} g_mu. Its
    covariance is eta_base^2 m (1 - m/P) S without replacement, so a log-log slope in m is 1
    only after division by 1 - m/P.

    Parameters
    ----------
    gradients : ndarray, shape (P, n)
        Gradients of the samples at fixed weights.
    batch_sizes : sequence of int
        m, three different ones at least, all below P without replacement.
    base_learning_rate : float
        eta_base.
    replacement : bool
        Whether a sample may be in a batch twice.
    draws, seed : int
        Number of batches for each m, and their seed.

    Raises
    ------
    AnalysisError
        If batch sizes do not fit the set, or gradients are not finite.

    References
    ----------
    Masters and Luschi, arXiv 1804.07612 (2018).
    """
    _check(gradients)
    count = len(gradients)
    sizes = np.unique(np.asarray(batch_sizes, dtype=np.int64))
    if len(sizes) < 3 or sizes[0] < 1 or (not replacement and sizes[-1] >= count):
        raise AnalysisError(
            f"batch sizes {sizes.tolist()} do not fit {count} samples",
            where="update_variance",
            remedy="give three at least, from 1 to below the number of samples",
        )
    rng = np.random.default_rng(seed)
    # The updates of a batch lie in the span of the gradients: work with their Gram matrix.
    centred = gradients - gradients.mean(axis=0)
    gram = centred @ centred.T
    variance, stderr = np.empty(len(sizes)), np.empty(len(sizes))
    for row, size in enumerate(sizes):
        squares = np.empty(draws)
        for draw in range(draws):
            rows = rng.integers(count, size=size) if replacement else rng.permutation(count)[:size]
            squares[draw] = gram[np.ix_(rows, rows)].sum()
        variance[row] = base_learning_rate**2 * squares.mean()
        stderr[row] = base_learning_rate**2 * squares.std(ddof=1) / math.sqrt(draws)
    trace = float(np.trace(gram)) / (count - 1)
    share = np.array(
        [size * batch_factor(int(size), count, replacement=replacement) for size in sizes]
    )
    reduced, error = variance / share, stderr / share
    predicted = np.asarray(base_learning_rate**2 * sizes * trace, dtype=np.float64)
    fit = fit_law(
        sizes, reduced, error, [law("power")], quantity="variance", variables=("m",), scan=False
    )
    weight = (predicted / error) ** 2
    ratio = float(np.sum(weight * reduced / predicted) / np.sum(weight))
    return UpdateVariance(
        batch_sizes=sizes,
        variance=variance,
        stderr=stderr,
        reduced=reduced,
        predicted=predicted,
        fit=fit,
        slope=fit["b"],
        prefactor=Estimate(ratio, float(np.sum(weight)) ** -0.5),
    )


def _check(gradients: FloatArray) -> None:
    if gradients.ndim != 2 or len(gradients) < 2:
        raise AnalysisError(
            f"gradients have the shape {gradients.shape}",
            where="gradients",
            remedy="give one row for each of two samples at least",
        )
    if not np.isfinite(gradients).all():
        raise AnalysisError(
            "gradients hold nan or inf", where="gradients", remedy="were the weights diverged?"
        )
