"""Simulated tables of systems whose critical control is known, four sizes of 12 controls each.

Ising and Potts models by Wolff's clusters, doi 10.1103/PhysRevLett.62.361, with a number of
clusters between measurements that is fixed before the first one; site percolation on a torus with
union and find, the displacement to the root known, as Newman and Ziff, doi
10.1103/PhysRevE.64.016706. Errors are those of a jackknife over bins.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from physbatch.tables import ScalingTable, make_table
from tests.physics.order_systems import ISING_T_C, POTTS3_T_C, potts_chain

Array = npt.NDArray[np.float64]
_BINS = 40
_CONTROLS = 12


@numba.njit
def ising3d_chain(generator, length, beta, values):
    """Fill `values`, (n,), with abs(m); clusters that turn about N sites in between."""
    sites = length**3
    chance = 1.0 - math.exp(-2.0 * beta)
    spin = np.ones(sites, dtype=np.int64)
    stack = np.empty(sites, dtype=np.int64)
    near = np.empty(6, dtype=np.int64)
    total, turned, clusters, spacing = sites, 0, 0, 0
    sample = 0
    since = 0
    while sample < values.size:
        seed = int(generator.random() * sites)
        old = spin[seed]
        spin[seed] = -old
        stack[0] = seed
        height, size = 1, 1
        while height:
            height -= 1
            site = stack[height]
            x, y = site % length, site // length % length
            near[0] = site + (1 if x + 1 < length else 1 - length)
            near[1] = site - (1 if x > 0 else 1 - length)
            near[2] = site + (length if y + 1 < length else length - length**2)
            near[3] = site - (length if y > 0 else length - length**2)
            near[4] = (site + length**2) % sites
            near[5] = (site - length**2) % sites
            for k in range(6):
                if spin[near[k]] == old and generator.random() < chance:
                    spin[near[k]] = -old
                    stack[height] = near[k]
                    height += 1
                    size += 1
        total -= 2 * old * size
        if spacing == 0:
            turned += size
            clusters += 1
            if turned >= 40 * sites:
                spacing = int(sites * clusters / turned) + 1
            continue
        since += 1
        if since == spacing:
            since = 0
            values[sample] = abs(total) / sites
            sample += 1


@numba.njit
def _root(parent, shift, site):
    """The root of a site, and the displacement from the site to it; paths are made shorter."""
    x, y, root = 0, 0, site
    while parent[root] != root:
        x += shift[root, 0]
        y += shift[root, 1]
        root = parent[root]
    here, rest_x, rest_y = site, x, y
    while parent[here] != root and here != root:
        after, step_x, step_y = parent[here], shift[here, 0], shift[here, 1]
        parent[here], shift[here, 0], shift[here, 1] = root, rest_x, rest_y
        rest_x, rest_y, here = rest_x - step_x, rest_y - step_y, after
    return root, x, y


@numba.njit
def wraps(occupied):
    """Whether a cluster of a torus wraps in the direction of the columns; the largest cluster."""
    length = occupied.shape[0]
    sites = length * length
    parent = np.arange(sites)
    shift = np.zeros((sites, 2), dtype=np.int64)
    count = np.ones(sites, dtype=np.int64)
    around, largest = False, 0
    for site in range(sites):
        row, column = site // length, site % length
        if not occupied[row, column]:
            continue
        largest = max(largest, 1)
        for step_x, step_y in ((1, 0), (0, 1)):
            r, c = (row + step_y) % length, (column + step_x) % length
            if not occupied[r, c]:
                continue
            a, ax, ay = _root(parent, shift, site)
            b, bx, by = _root(parent, shift, r * length + c)
            # from a to b by way of the bond
            x, y = bx + step_x - ax, by + step_y - ay
            if a == b:
                around = around or x != 0
                continue
            if count[a] > count[b]:
                a, b, x, y = b, a, -x, -y
            parent[a], shift[a, 0], shift[a, 1] = b, x, y
            count[b] += count[a]
            largest = max(largest, count[b])
    return around, largest


@numba.njit
def percolation_samples(generator, length, p, values):
    """Fill `values`, (2, n): 1 where a cluster wraps, and the largest cluster per site."""
    for sample in range(values.shape[1]):
        around, largest = wraps(generator.random((length, length)) < p)
        values[0, sample] = around
        values[1, sample] = largest / length**2


# --- tables -----------------------------------------------------------------------------


class System(NamedTuple):
    """How to simulate a system, and what is known of it."""

    sizes: tuple[int, ...]
    c_c: float
    inverse_nu: float
    order: float  # zeta/nu of m or P
    samples: int
    half: float  # of the range of controls at the smallest size
    names: tuple[str, str]  # of the ratio and of the order parameter
    draw: Callable[[np.random.Generator, int, float, int], Array]  # of m, or of wrapping and P


def _ising2d(generator: np.random.Generator, length: int, control: float, samples: int) -> Array:
    values = np.empty((3, samples))
    potts_chain(generator, length, 2, control / 2.0, values)
    return values[0]


def _potts3(generator: np.random.Generator, length: int, control: float, samples: int) -> Array:
    values = np.empty((3, samples))
    potts_chain(generator, length, 3, control, values)
    return values[0]


def _ising3d(generator: np.random.Generator, length: int, control: float, samples: int) -> Array:
    values = np.empty(samples)
    ising3d_chain(generator, length, control, values)
    return values


def _percolation(generator: np.random.Generator, length: int, control: float, n: int) -> Array:
    values = np.empty((2, n))
    percolation_samples(generator, length, control, values)
    return values


SYSTEMS = {
    "Ising 2-D": System(
        (6, 8, 12, 16), ISING_T_C, 1.0, -0.125, 400, 0.35, ("U", "m"), _ising2d
    ),
    "Ising 3-D": System(
        (4, 6, 8, 10), 0.221654626, 1.0 / 0.629971, -0.326419 / 0.629971, 600, 0.03, ("U", "m"),
        _ising3d,
    ),
    "percolation": System(
        (8, 12, 16, 24), 0.59274605, 0.75, -5.0 / 48.0, 2000, 0.10, ("wrap", "P"), _percolation
    ),
    "Potts 3": System(
        (6, 8, 12, 16), POTTS3_T_C, 1.2, -2.0 / 15.0, 400, 0.14, ("U", "m"), _potts3
    ),
}  # fmt: skip


def table(name: str, seed: int) -> ScalingTable:
    """The ratio and the order parameter of a system, with errors, from one seed."""
    system = SYSTEMS[name]
    generator = np.random.default_rng([seed, 90, list(SYSTEMS).index(name)])
    grid = system.c_c + system.half * (np.linspace(-1.0, 1.0, _CONTROLS) + 0.07)
    rows = []
    for size in system.sizes:
        for control in grid:
            drawn = system.draw(generator, size, float(control), system.samples)
            rows.append((size, control, *_ratio_and_order(drawn)))
    size, control, ratio, ratio_error, order, order_error = np.array(rows).T
    first, second = system.names
    return make_table(
        size, control, {first: ratio, second: order}, {first: ratio_error, second: order_error},
        size_name="L", control_name="c",
    )  # fmt: skip


def _ratio_and_order(drawn: Array) -> tuple[float, float, float, float]:
    """Values and errors of U and m, or of the chance to wrap and P."""
    if drawn.ndim == 2:
        n = drawn.shape[1]
        chance, mean = drawn.mean(axis=1)
        smoothed = (drawn[0].sum() + 0.5) / (n + 1.0)  # 0 of n has an error too
        error = math.sqrt(smoothed * (1.0 - smoothed) / n)
        return chance, error, mean, float(drawn[1].std(ddof=1)) / math.sqrt(n)
    bins = drawn.reshape(_BINS, -1)
    moments = np.array([(bins**k).mean(axis=1) for k in (1, 2, 4)])
    whole = moments.mean(axis=1)
    left = (moments.sum(axis=1, keepdims=True) - moments) / (_BINS - 1)
    ratio = 1.0 - whole[2] / (3.0 * whole[1] ** 2)
    ratios = 1.0 - left[2] / (3.0 * left[1] ** 2)
    errors = [
        math.sqrt((_BINS - 1) / _BINS * float(np.sum((x - x.mean()) ** 2)))
        for x in (ratios, left[0])
    ]
    return float(ratio), errors[0], float(whole[0]), errors[1]
