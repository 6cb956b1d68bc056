"""Small simulations of systems whose exponents are known exactly, for tests of collapses.

Everything is drawn here and now, corrections to scaling and all. Each function gives a table and
the exact exponents.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy

from physbatch.exact import curie_weiss
from physbatch.tables import ScalingTable, make_table

FloatArray = npt.NDArray[np.float64]
Exact = dict[str, float]


def curie_weiss_draws(replicas: int, seed: int) -> tuple[ScalingTable, Exact]:
    """Mean abs(magnetisation) of exact draws; corrections fall as N^(-1/2)."""
    points = [
        (size, float(beta))
        for size in (64, 128, 256, 512, 1024, 2048)
        for beta in 1.0 + 2.0 * size**-0.5 * np.linspace(-1, 1, 9)
    ]
    drawn = []
    for row, (size, beta) in enumerate(points):
        generator = np.random.default_rng([seed, row, 3])
        drawn.append(np.abs(curie_weiss.sample(size, beta, replicas, generator)))
    table = _table(points, "m", drawn, {"size_name": "N", "control_name": "beta"})
    return table, {"c_c": 1.0, "nu": 2.0, "zeta": -0.5}


def _table(
    points: Sequence[tuple[int, float]],
    name: str,
    drawn: Sequence[FloatArray],
    names: dict[str, str],
) -> ScalingTable:
    """Means and standard errors of independent samples at every point."""
    size, control = np.array(points, dtype=float).T
    mean = np.array([samples.mean() for samples in drawn])
    error = np.array([samples.std(ddof=1) / np.sqrt(samples.size) for samples in drawn])
    return make_table(size, control, {name: mean}, {name: error}, **names)


def site_percolation(
    samples: int, seed: int, *, common: bool = False
) -> tuple[ScalingTable, Exact]:
    """Largest cluster per site of the square lattice with open borders.

    With `common` all controls of a size come from the same random numbers: curves are smooth, and
    wrong as a whole.
    """
    generator = np.random.default_rng([seed, 1])
    links = np.zeros((3, 3, 3))
    links[1] = [[0, 1, 0], [1, 1, 1], [0, 1, 0]]  # none between one sample and the next
    points = [
        (length, p)
        for length in (8, 12, 16, 24, 32)
        for p in 0.592746 + 0.6 * length**-0.75 * np.linspace(-1, 1, 11)
    ]
    drawn = []
    for length, p in points:
        if common:
            generator = np.random.default_rng([seed, length])
        occupied = generator.random((samples, length, length)) < p
        labels, _ = scipy.ndimage.label(occupied, links)
        sizes = np.bincount(labels.ravel())
        sizes[0] = 0
        drawn.append(sizes[labels].reshape(samples, -1).max(axis=1) / length**2)
    exact = {"c_c": 0.592746, "nu": 4 / 3, "zeta": -5 / 36}
    return _table(points, "P", drawn, {"size_name": "L", "control_name": "p"}), exact


def random_graphs(samples: int, seed: int) -> tuple[ScalingTable, Exact]:
    """Largest component per node of graphs with c N/2 random edges."""
    generator = np.random.default_rng([seed, 2])
    points = [
        (nodes, c)
        for nodes in (250, 500, 1000, 2000, 4000)
        for c in 1.0 + 2.5 * nodes ** (-1 / 3) * np.linspace(-1, 1, 11)
    ]
    drawn = []
    for nodes, c in points:
        edges = generator.binomial(nodes * (nodes - 1) // 2, c / nodes, size=samples)
        graph = np.repeat(np.arange(samples), edges) * nodes
        ends = graph + generator.integers(nodes, size=(2, len(graph)))
        every = samples * nodes
        links = scipy.sparse.coo_array((np.ones(len(graph), bool), tuple(ends)), (every, every))
        _, labels = scipy.sparse.csgraph.connected_components(links, directed=False)
        sizes = np.bincount(labels)
        drawn.append(sizes[labels].reshape(samples, nodes).max(axis=1) / nodes)
    exact = {"c_c": 1.0, "nu": 3.0, "zeta": -1.0}
    return _table(points, "S1", drawn, {"size_name": "N", "control_name": "c"}), exact
