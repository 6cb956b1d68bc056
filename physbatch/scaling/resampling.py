"""Bootstrap over replicas: multinomial weights, so that moments are matrix products."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

__all__ = ["bootstrap_counts", "bootstrap_indices", "unbiased_spread"]


def bootstrap_counts(generator: np.random.Generator, replicas: int, resamples: int) -> FloatArray:
    """How often each replica is drawn in each resample, shape (resamples, replicas).

    Each row is multinomial with `replicas` draws and equal probabilities, so that
    ``counts @ x / replicas`` are the resampled means of x.
    """
    counts = generator.multinomial(replicas, np.full(replicas, 1.0 / replicas), size=resamples)
    return np.asarray(counts, dtype=np.float64)


def bootstrap_indices(
    generator: np.random.Generator, replicas: int, resamples: int
) -> npt.NDArray[np.int64]:
    """The replicas drawn in each resample, shape (resamples, replicas)."""
    return generator.integers(0, replicas, size=(resamples, replicas))


def unbiased_spread(resampled: FloatArray, replicas: int) -> FloatArray:
    """Standard error from resampled estimates, shape (resamples, ...) -> (...).

    The standard deviation over resamples times sqrt(n / (n - 1)): the resamples spread with
    the population variance of the n replicas, which is too small by (n - 1) / n on average.
    """
    factor = np.sqrt(replicas / (replicas - 1.0)) if replicas > 1 else np.nan
    return np.asarray(factor * np.std(resampled, axis=0), dtype=np.float64)
