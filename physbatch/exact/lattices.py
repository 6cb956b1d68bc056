r"""Two lattice models with known exponents: site percolation and the Ising model in 2-D.

Both live on the L x L square lattice with periodic boundaries (at L = 2 two sites are
neighbours twice over). Site percolation by the union-find algorithm of Newman and Ziff,
doi 10.1103/PhysRevLett.85.4104: p_c = 0.59274605, nu = 4/3, beta = 5/36. The Ising model by the
cluster algorithm of Wolff, doi 10.1103/PhysRevLett.62.361: T_c = 2/ln(1 + sqrt 2), nu = 1,
beta = 1/8. Every replica has its own counter-based random stream.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy

from physbatch.errors import AnalysisError
from physbatch.exact.grids import Controls, flatten_grid, table_from_samples
from physbatch.exact.lattice_kernels import all_states, last_states, wolff
from physbatch.streams.keys import stream_key
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray, IntArray


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
    """Fill L x L lattices site by site and record every state on the way (Newman and Ziff).

    Returns the sites of the largest cluster with n = 0 ... L^2 occupied sites, shape (n_replica,
    L^2 + 1), and 1 where a cluster winds around the torus in any direction. AnalysisError for L
    below 2 or no replicas.

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
    r"""Means at occupation probabilities p of a quantity Q_n, shape (..., L^2 + 1).

    .. math:: Q(p) = \sum_n \binom{L^2}{n} p^n (1 - p)^{L^2 - n} Q_n

    Shape (..., n_point). Of one replica, values at different p are strongly correlated.
    """
    values = np.asarray(states, dtype=np.float64)
    sites = values.shape[-1] - 1
    p = np.atleast_1d(np.asarray(probability, dtype=np.float64))
    weight = scipy.stats.binom.pmf(np.arange(sites + 1)[:, None], sites, p)
    return np.asarray(values @ weight)


def percolation_samples(
    size: int, probability: float, replicas: int, seed: int = 0
) -> dict[str, FloatArray]:
    """Independent lattices at occupation probability p: arrays of shape (n_replica,).

    ``largest_cluster``, the fraction s of all sites that belong to the largest cluster, its
    ``second_moment`` s^2 and ``fourth_moment`` s^4, and ``wrapping`` (0 or 1). AnalysisError for L
    below 2, no replicas, or p outside [0, 1].
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

    The observables of `percolation_samples`, with samples. Sizes are linear: nu = 4/3, zeta = -5/36
    for ``largest_cluster``, 0 for ``wrapping``.
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

    Of shape (n_replica,): ``magnetization`` abs(m), ``second_moment`` m^2, ``fourth_moment`` m^4
    and ``energy`` per site at T, in units of the coupling. `clusters` are flipped before the first
    measurement, 4 L + 20 by default; each chain's value is the mean over `measurements`, 10 flips
    apart. AnalysisError for L below 2, no replicas, a temperature that is not positive, or no
    measurement.

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

    The observables of `ising_samples`, with samples. Sizes are linear: nu = 1, zeta = -1/8 for
    ``magnetization``.
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
