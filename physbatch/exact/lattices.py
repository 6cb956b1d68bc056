r"""Two lattice models with known exponents: site percolation and the Ising model in 2-D.

Both live on the L x L square lattice with periodic boundaries (at L = 2 two sites are
neighbours twice over). Site percolation by the union-find algorithm of Newman and Ziff,
doi 10.1103/PhysRevLett.85.4104: p_c = 0.59274605, nu = 4/3, beta = 5/36. The Ising model by the
cluster algorithm of Wolff, doi 10.1103/PhysRevLett.62.361: T_c = 2/ln(1 + sqrt 2), nu = 1,
beta = 1/8. Every replica has its own counter-based random stream.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

from physbatch.errors import AnalysisError
from physbatch.exact.grids import Controls, flatten_grid, table_from_samples
from physbatch.exact.lattice_kernels import all_states, last_states, wolff
from physbatch.streams.keys import stream_key
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray, IntArray

__all__ = [
    "canonical_average",
    "ising_samples",
    "ising_table",
    "percolation_runs",
    "percolation_samples",
    "percolation_table",
]


def _key(model: str, seed: int, size: int, control: float) -> np.uint64:
    return np.uint64(stream_key("dynamics", seed, f"exact {model} {size} {control!r}"))


def _check(size: int, replicas: int) -> None:
    if size < 2 or size != int(size) or replicas < 1:
        raise AnalysisError(
            f"L = {size:g}, {replicas} replicas", remedy="take a whole L >= 2 and a replica"
        )


def percolation_runs(
    size: int, replicas: int, seed: int = 0
) -> tuple[IntArray, npt.NDArray[np.int8]]:
    """Fill lattices site by site and record every state on the way (Newman and Ziff).

    Parameters
    ----------
    size : int
        Linear size L >= 2.
    replicas : int
        Independent orders of filling.
    seed : int
        The same seed gives the same bits.

    Returns
    -------
    largest : ndarray of int, shape (n_replica, L^2 + 1)
        Sites of the largest cluster with n = 0 ... L^2 occupied sites.
    wrapping : ndarray of int8, shape (n_replica, L^2 + 1)
        1 if a cluster winds around the torus in any direction.

    Raises
    ------
    physbatch.errors.AnalysisError
        For L below 2 or no replicas.

    Examples
    --------
    >>> largest, wrapping = percolation_runs(2, 3)
    >>> largest[0].tolist()[-1], wrapping[0].tolist()  # two sites on a diagonal do not touch
    (4, [0, 0, 0, 1, 1])
    """
    _check(size, replicas)
    largest = np.empty((replicas, size * size + 1), dtype=np.int64)
    wrapping = np.empty((replicas, size * size + 1), dtype=np.int8)
    all_states(size, _key("percolation run", seed, size, 0.0), largest, wrapping)
    return largest, wrapping


def canonical_average(states: npt.ArrayLike, probability: npt.ArrayLike) -> FloatArray:
    r"""Means at occupation probability p of a quantity known at every number of sites.

    .. math:: Q(p) = \sum_n \binom{L^2}{n} p^n (1 - p)^{L^2 - n} Q_n

    Parameters
    ----------
    states : array_like, shape (..., L^2 + 1)
        Q_n.
    probability : array_like, shape (n_point,)

    Returns
    -------
    ndarray, shape (..., n_point)
        Of one replica, values at different p are strongly correlated.

    Examples
    --------
    >>> canonical_average([0, 1, 2, 3, 4], [0.25, 0.5]).round(12).tolist()
    [1.0, 2.0]
    """
    values = np.asarray(states, dtype=np.float64)
    sites = values.shape[-1] - 1
    p = np.atleast_1d(np.asarray(probability, dtype=np.float64))
    weight = stats.binom.pmf(np.arange(sites + 1)[:, None], sites, p)
    return np.asarray(values @ weight)


def percolation_samples(
    size: int, probability: float, replicas: int, seed: int = 0
) -> dict[str, FloatArray]:
    """Independent lattices at occupation probability p.

    Parameters
    ----------
    size, replicas, seed
        As in `percolation_runs`.
    probability : float
        p in [0, 1].

    Returns
    -------
    dict of ndarray, shape (n_replica,)
        ``largest_cluster``, the fraction s of all sites that belong to the largest cluster, its
        ``second_moment`` s^2 and ``fourth_moment`` s^4, and ``wrapping`` (0 or 1).

    Raises
    ------
    physbatch.errors.AnalysisError
        For L below 2, no replicas, or p outside [0, 1].

    Examples
    --------
    >>> percolation_samples(4, 1.0, 2)["largest_cluster"].tolist()
    [1.0, 1.0]
    """
    _check(size, replicas)
    if not 0.0 <= probability <= 1.0:
        raise AnalysisError(f"p = {probability:g}", remedy="take p from 0 to 1")
    key = _key("percolation", seed, size, probability)
    counts = np.random.default_rng(int(key)).binomial(size * size, probability, size=replicas)
    largest = np.empty(replicas, dtype=np.int64)
    wrapping = np.empty(replicas, dtype=np.int8)
    last_states(size, counts.astype(np.int64), key, largest, wrapping)
    fraction = largest / (size * size)
    return {
        "largest_cluster": fraction,
        "second_moment": fraction**2,
        "fourth_moment": fraction**4,
        "wrapping": wrapping.astype(np.float64),
    }


def percolation_table(
    sizes: Sequence[int], probabilities: Controls, replicas: int = 1000, seed: int = 0
) -> ScalingTable:
    """Site percolation with independent points, the control being p.

    Parameters
    ----------
    sizes : sequence of int
        L.
    probabilities : array_like or mapping of size to array_like
    replicas, seed
        As in `percolation_samples`.

    Returns
    -------
    ScalingTable
        The observables of `percolation_samples`, with samples. Sizes are linear: nu = 4/3,
        zeta = -5/36 for ``largest_cluster``, 0 for ``wrapping``.

    Examples
    --------
    >>> table = percolation_table((8, 16), (0.55, 0.6), replicas=50)
    >>> table.observables
    ('largest_cluster', 'second_moment', 'fourth_moment', 'wrapping')
    """
    size, p = flatten_grid(sizes, probabilities)
    points = [
        percolation_samples(int(n), float(probability), replicas, seed)
        for n, probability in zip(size, p, strict=True)
    ]
    return _lattice_table(size, p, points, "p", f"site percolation, seed {seed}")


def ising_samples(
    size: int,
    temperature: float,
    replicas: int,
    seed: int = 0,
    *,
    clusters: int | None = None,
    measurements: int = 1,
) -> dict[str, FloatArray]:
    """Independent Wolff chains of the 2-D Ising model, each from a random start.

    Parameters
    ----------
    size : int
        Linear size L >= 2.
    temperature : float
        T > 0 in units of the coupling.
    replicas : int
        Independent chains.
    seed : int
        The same seed gives the same bits.
    clusters : int, optional
        Cluster flips before the first measurement; 4 L + 20 by default.
    measurements : int
        Each chain's value is the mean over so many measurements, 10 flips apart.

    Returns
    -------
    dict of ndarray, shape (n_replica,)
        ``magnetization`` abs(m), ``second_moment`` m^2, ``fourth_moment`` m^4 and ``energy``
        per site.

    Raises
    ------
    physbatch.errors.AnalysisError
        For L below 2, no replicas, a temperature that is not positive, or no measurement.

    Examples
    --------
    >>> ising_samples(4, 0.1, 2)["energy"].tolist()
    [-2.0, -2.0]
    """
    _check(size, replicas)
    clusters = 4 * size + 20 if clusters is None else clusters
    if not temperature > 0.0 or clusters < 1 or measurements < 1:
        raise AnalysisError(
            f"T = {temperature:g}, {clusters} clusters, {measurements} measurements",
            remedy="take all of them positive",
        )
    threshold = np.uint64(round(-math.expm1(-2.0 / temperature) * 2.0**32))
    values = np.empty((4, replicas))
    key = _key("Ising", seed, size, temperature)
    wolff(size, threshold, clusters, measurements, 10, key, values)
    names = ("magnetization", "second_moment", "fourth_moment", "energy")
    return dict(zip(names, values, strict=True))


def ising_table(
    sizes: Sequence[int],
    temperatures: Controls,
    replicas: int = 400,
    seed: int = 0,
    *,
    clusters: int | None = None,
    measurements: int = 1,
) -> ScalingTable:
    """The 2-D Ising model with independent points, the control being T.

    Parameters
    ----------
    sizes : sequence of int
        L.
    temperatures : array_like or mapping of size to array_like
    replicas, seed, clusters, measurements
        As in `ising_samples`.

    Returns
    -------
    ScalingTable
        The observables of `ising_samples`, with samples. Sizes are linear: nu = 1, zeta = -1/8
        for ``magnetization``.

    Examples
    --------
    >>> ising_table((4, 8), (2.0, 2.5), replicas=20).sizes.tolist()
    [4.0, 8.0]
    """
    size, t = flatten_grid(sizes, temperatures)
    points = [
        ising_samples(
            int(n), float(temperature), replicas, seed, clusters=clusters, measurements=measurements
        )
        for n, temperature in zip(size, t, strict=True)
    ]
    return _lattice_table(size, t, points, "T", f"2-D Ising model, seed {seed}")


def _lattice_table(
    size: FloatArray,
    control: FloatArray,
    points: Sequence[dict[str, FloatArray]],
    control_name: str,
    source: str,
) -> ScalingTable:
    return table_from_samples(
        size,
        control,
        {name: np.array([point[name] for point in points]) for name in points[0]},
        size_name="L",
        control_name=control_name,
        dimension="L",
        source=f"physbatch.exact.lattices, {source}",
    )
