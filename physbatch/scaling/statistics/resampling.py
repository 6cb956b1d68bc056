"""Bootstrap over replicas: multinomial weights, so that moments are matrix products."""

import numpy as np
import numpy.typing as npt
import xarray as xr

from physbatch.typing import FloatArray, IntArray

#: Replicas from which on resamples are drawn one by one.
_MANY = 500


def bootstrap_counts(
    generator: np.random.Generator,
    replicas: int,
    resamples: int,
    clusters: npt.ArrayLike | None = None,
) -> FloatArray:
    """How often each replica is drawn in each resample, shape (resamples, replicas).

    Each row is multinomial with `replicas` draws and equal probabilities, so that
    ``counts @ x / replicas`` are the resampled means of x. With `clusters`, the label of each
    replica's cluster (replicas that share a graph), whole clusters are drawn, as many as there
    are, and each row is divided so that it sums to `replicas` again.

    Examples
    --------
    >>> generator = np.random.default_rng(4)
    >>> bootstrap_counts(generator, 4, 1, clusters=[0, 0, 1, 1]).tolist()
    [[2.0, 2.0, 0.0, 0.0]]
    """
    if clusters is None:
        counts = generator.multinomial(replicas, np.full(replicas, 1.0 / replicas), size=resamples)
        return np.asarray(counts, dtype=np.float64)
    labels, label = np.unique(np.asarray(clusters), return_inverse=True)
    drawn = bootstrap_counts(generator, labels.size, resamples)[:, label]
    return np.asarray(drawn * (replicas / drawn.sum(axis=1, keepdims=True)))


def bootstrap_means(
    generator: np.random.Generator, samples: npt.ArrayLike, resamples: int
) -> FloatArray:
    """Means of resampled replicas, the same replicas for all observables.

    From shape (n_observable, n_replica) to (n_observable, resamples).
    """
    drawn = np.asarray(samples, dtype=np.float64)
    replicas = drawn.shape[1]
    if replicas < _MANY:
        return np.asarray(drawn @ bootstrap_counts(generator, replicas, resamples).T / replicas)
    # To look replicas up costs a tenth of drawing how often each occurs.
    means = np.empty((len(drawn), resamples))
    for row in range(resamples):
        chosen = generator.integers(0, replicas, size=replicas)
        for mean, sample in zip(means, drawn, strict=True):
            mean[row] = sample[chosen].mean()
    return means


def graph_labels(data: xr.Dataset) -> IntArray | None:
    """The cluster of each replica of a dataset whose replicas share graphs; else None."""
    if "graph" not in data.coords:
        return None
    return np.asarray(data["graph"].values, dtype=np.int64)


def bootstrap_indices(
    generator: np.random.Generator,
    replicas: int,
    resamples: int,
    clusters: npt.ArrayLike | None = None,
) -> IntArray:
    """The replicas drawn in each resample, shape (resamples, replicas).

    With `clusters`, the label of each replica's cluster, whole clusters are drawn until there are
    enough replicas; the last one may be cut.
    """
    if clusters is None:
        return generator.integers(0, replicas, size=(resamples, replicas))
    labels, label = np.unique(np.asarray(clusters), return_inverse=True)
    members = [np.flatnonzero(label == number) for number in range(labels.size)]
    enough = -(-replicas // min(map(len, members)))
    drawn = generator.integers(0, labels.size, size=(resamples, enough))
    return np.stack([np.concatenate([members[c] for c in row])[:replicas] for row in drawn])


def unbiased_spread(resampled: FloatArray, replicas: int) -> FloatArray:
    """Standard error from resampled estimates, shape (resamples, ...) -> (...).

    The standard deviation over resamples times sqrt(n / (n - 1)): the resamples spread with
    the population variance of the n replicas (clusters, if those are drawn), which is too small
    by (n - 1) / n on average.
    """
    factor = np.sqrt(replicas / (replicas - 1.0)) if replicas > 1 else np.nan
    return np.asarray(factor * np.std(resampled, axis=0), dtype=np.float64)
