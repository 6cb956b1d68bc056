"""Samples of systems whose order of transition is known, and of traps for a verdict on it.

Potts models by Wolff's clusters, doi 10.1103/PhysRevLett.62.361 (q = 2 is the Ising model at T =
2 T_Potts); Potts at q = 20 and Blume-Capel by flat histograms of the number of equal bonds and of
occupied sites (Berg and Neuhaus, doi 10.1103/PhysRevLett.68.9, with the weights of Wang and
Landau, doi 10.1103/PhysRevLett.86.2050): records of one long run that passes from phase to phase,
of which each seed draws its own at the weights of a control. Everything else is drawn exactly.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from physbatch.exact import curie_weiss
from physbatch.tables import ScalingTable, make_sample_table

Array = npt.NDArray[np.float64]
ISING_T_C = 2.0 / math.log(1.0 + math.sqrt(2.0))
POTTS3_T_C = 1.0 / math.log(1.0 + math.sqrt(3.0))
POTTS20_T_C = 1.0 / math.log(1.0 + math.sqrt(20.0))
BLUME_CAPEL_T = 0.5
ISING_GRID = ISING_T_C + np.linspace(-0.315, 0.385, 11)
POTTS3_GRID = POTTS3_T_C + np.linspace(-0.132, 0.168, 11)

# --- simulations ------------------------------------------------------------------------


@numba.njit
def flip_cluster(generator, spin, stack, chance, states):
    """Turn one Wolff cluster to another state; its size."""
    length = spin.shape[0]
    sites = length * length
    site = int(generator.random() * sites)
    old = spin[site // length, site % length]
    new = (old + 1 + int(generator.random() * (states - 1))) % states
    spin[site // length, site % length] = new
    stack[0] = site
    height, size = 1, 1
    while height:
        height -= 1
        row, column = stack[height] // length, stack[height] % length
        for direction in range(4):
            r, c = row, column
            if direction == 0:
                r = (row + 1) % length
            elif direction == 1:
                r = (row - 1) % length
            elif direction == 2:
                c = (column + 1) % length
            else:
                c = (column - 1) % length
            if spin[r, c] == old and generator.random() < chance:
                spin[r, c] = new
                stack[height] = r * length + c
                height += 1
                size += 1
    return size


@numba.njit
def potts_chain(generator, length, states, temperature, values):
    """Fill `values`, (3, n): (q max - 1)/(q - 1), fraction of state 0, equal bonds per site.

    Between two samples as many clusters as turn about 4 N sites, by the mean of the warm-up.
    """
    sites = length * length
    chance = 1.0 - math.exp(-1.0 / temperature)
    spin = np.zeros((length, length), dtype=np.int64)
    stack = np.empty(sites, dtype=np.int64)
    turned, clusters = 0, 0
    while turned < 100 * sites:
        turned += flip_cluster(generator, spin, stack, chance, states)
        clusters += 1
    spacing = int(4.0 * sites * clusters / turned) + 1
    counts = np.empty(states, dtype=np.int64)
    for sample in range(values.shape[1]):
        for _ in range(spacing):
            flip_cluster(generator, spin, stack, chance, states)
        counts[:] = 0
        bonds = 0
        for row in range(length):
            for column in range(length):
                here = spin[row, column]
                counts[here] += 1
                bonds += (here == spin[(row + 1) % length, column]) + (
                    here == spin[row, (column + 1) % length]
                )
        values[0, sample] = (states * counts.max() / sites - 1.0) / (states - 1.0)
        values[1, sample] = counts[0] / sites
        values[2, sample] = bonds / sites


@numba.njit
def heat_bath_potts(generator, length, states, temperature, sweeps, records):
    """Fill `records`, (n, 2): equal bonds and the largest count, each after so many sweeps."""
    sites = length * length
    gain = np.exp(np.arange(5) / temperature)
    spin = np.zeros((length, length), dtype=np.int64)
    near = np.empty(4, dtype=np.int64)
    counts = np.zeros(states, dtype=np.int64)
    counts[0] = sites
    bonds = 2 * sites
    for record in range(records.shape[0]):
        for _ in range(sweeps * sites):
            site = int(generator.random() * sites)
            row, column = site // length, site % length
            near[0] = spin[(row + 1) % length, column]
            near[1] = spin[(row - 1) % length, column]
            near[2] = spin[row, (column + 1) % length]
            near[3] = spin[row, (column - 1) % length]
            total = float(states)
            for k in range(4):  # each neighbour adds what its state gains, equal ones in turn
                same = 0
                for other in range(k):
                    same += near[other] == near[k]
                total += gain[same + 1] - gain[same]
            drawn = generator.random() * total
            new = int(drawn) if drawn < states else near[0]
            drawn -= states
            for k in range(4):
                same = 0
                for other in range(k):
                    same += near[other] == near[k]
                step = gain[same + 1] - gain[same]
                if 0.0 <= drawn < step:
                    new = near[k]
                drawn -= step
            old = spin[row, column]
            for k in range(4):
                bonds += (near[k] == new) - (near[k] == old)
            spin[row, column] = new
            counts[old] -= 1
            counts[new] += 1
        records[record, 0], records[record, 1] = bonds, counts.max()


@numba.njit
def flat_blume_capel(generator, weights, factor, steps, every, records):
    """Walk of the Blume-Capel model with weights exp(weights[n] - H/T), n the occupied sites.

    The weights are lowered by `factor` where it passes; `records`, (n, 2), take n and abs(M).
    Returns the histogram of n.
    """
    sites = weights.size - 1
    length = round(math.sqrt(sites))
    spin = np.zeros((length, length), dtype=np.int64)
    occupied, total = 0, 0
    histogram = np.zeros(weights.size, dtype=np.int64)
    saved = 0
    for step in range(steps):
        site = int(generator.random() * sites)
        row, column = site // length, site % length
        old = spin[row, column]
        new = (old + 2 + int(generator.random() * 2.0)) % 3 - 1
        field = (
            spin[(row + 1) % length, column]
            + spin[(row - 1) % length, column]
            + spin[row, (column + 1) % length]
            + spin[row, (column - 1) % length]
        )
        change = new * new - old * old
        gain = weights[occupied + change] - weights[occupied] + field * (new - old) / BLUME_CAPEL_T
        if gain >= 0.0 or generator.random() < math.exp(gain):
            spin[row, column] = new
            occupied += change
            total += new - old
        histogram[occupied] += 1
        weights[occupied] -= factor
        if every and step % every == 0 and saved < records.shape[0]:
            records[saved, 0], records[saved, 1] = occupied, abs(total)
            saved += 1
    return histogram


class Records(NamedTuple):
    """What a walk with weights saw: (n, 2), and the logarithm of the weight of each record."""

    values: Array
    logarithm: Array

    def draw(self, field: float, samples: int, generator: np.random.Generator) -> Array:
        """Samples at weights exp(field x), x the first column."""
        weight = field * self.values[:, 0] - self.logarithm
        weight = np.exp(weight - weight.max())
        chosen = generator.choice(weight.size, samples, p=weight / weight.sum())
        return np.asarray(self.values[chosen])


@functools.cache
def blume_capel_records(length: int, records: int) -> Records:
    """From weights that make the histogram of n flat: steps of 1/t (Belardinelli and Pereyra)."""
    generator = np.random.default_rng(length)
    sites = length * length
    weights = -1.99 / BLUME_CAPEL_T * np.arange(sites + 1)  # nearly right from the start
    step, moves, chunk = 0.1, 0, 1000 * (sites + 1)
    seen = np.zeros(sites + 1, dtype=np.int64)
    while moves < 2 * records * sites:
        seen += flat_blume_capel(generator, weights, step, chunk, 0, np.empty((0, 2)))
        moves += chunk
        if seen.all():
            step, seen[:] = 0.5 * step, 0
        step = max(step, (sites + 1) / moves)
    for _ in range(6):
        seen = flat_blume_capel(generator, weights, 0.0, records * sites, 0, np.empty((0, 2)))
        weights -= np.log(np.maximum(seen, 1))
    values = np.empty((records, 2))
    flat_blume_capel(generator, weights, 0.0, 2 * sites * records, 2 * sites, values)
    return Records(values, weights[values[:, 0].astype(np.int64)])


#: Where both phases of q = 20 have a weight.
_BOTH = {6: 0.604, 8: 0.602, 12: 0.5945, 16: 0.5915}


@functools.cache
def potts20_records(length: int, records: int) -> Records:
    """From one temperature at which it passes from phase to phase by itself."""
    values = np.empty((records, 2))
    heat_bath_potts(np.random.default_rng(length), length, 20, _BOTH[length], 4, values)
    return Records(values, values[:, 0] / _BOTH[length])


@numba.njit
def contact_process(generator, length, rate, time, values):
    """Densities at a time of the 1-D contact process from full occupancy."""
    place = np.empty(length, dtype=np.int64)
    where = np.empty(length, dtype=np.int64)
    for run in range(values.size):
        for site in range(length):
            place[site] = where[site] = site
        occupied, t = length, 0.0
        while occupied:
            t += generator.exponential() / (occupied * (1.0 + rate))
            if t > time:
                break
            chosen = int(generator.random() * occupied)
            site = place[chosen]
            if generator.random() * (1.0 + rate) < 1.0:
                occupied -= 1
                last = place[occupied]
                place[chosen], where[last] = last, chosen
                where[site] = -1
            else:
                step = 1 if generator.random() < 0.5 else -1
                other = (site + step) % length
                if where[other] < 0:
                    place[occupied], where[other] = other, occupied
                    occupied += 1
        values[run] = occupied / length


# --- tables -----------------------------------------------------------------------------

Point = Callable[[float, float, np.random.Generator], Array]


def sampled(
    point: Point,
    sizes: Sequence[float],
    controls: npt.ArrayLike,
    words: Sequence[int],
    dimension: str = "N",
) -> ScalingTable:
    """A table of an observable q whose samples at (size, control) `point` draws."""
    generator = np.random.default_rng(words)
    grid = np.asarray(controls, dtype=np.float64)
    rows = [point(size, float(control), generator) for size in sizes for control in grid]
    return make_sample_table(
        np.repeat(np.asarray(sizes, dtype=np.float64), grid.size),
        np.tile(grid, len(sizes)),
        {"q": rows},
        dimension=dimension,
        control_name="c",
    )


@functools.cache
def potts_samples(seed: int, states: int, sizes: tuple[int, ...], samples: int) -> Array:
    """(size, control, quantity, sample) of the grid of `ising` or `potts3`."""
    generator = np.random.default_rng([seed, 80 + states])
    grid = ISING_GRID / 2.0 if states == 2 else POTTS3_GRID
    values = np.empty((len(sizes), grid.size, 3, samples))
    for row, size in zip(values, sizes, strict=True):
        for point, temperature in zip(row, grid, strict=True):
            potts_chain(generator, size, states, temperature, point)
    return values


def ising(
    seed: int, column: int = 0, sizes: tuple[int, ...] = (8, 16, 32, 48), samples: int = 150
) -> ScalingTable:
    """Two-dimensional Ising model: abs(m), the density of a lattice gas, or the energy."""
    values = potts_samples(seed, 2, sizes, samples)[:, :, column]
    if column == 2:
        values = 2.0 - 2.0 * values  # -sum s s' = 2 N - 2 sum delta
    return potts_table(values, sizes, ISING_GRID)


def potts3(
    seed: int, column: int = 0, sizes: tuple[int, ...] = (8, 16, 32), samples: int = 150
) -> ScalingTable:
    """Two-dimensional Potts model, q = 3: its order parameter, or the fraction of one state."""
    return potts_table(potts_samples(seed, 3, sizes, samples)[:, :, column], sizes, POTTS3_GRID)


def potts_table(values: Array, sizes: Sequence[int], grid: Array) -> ScalingTable:
    return make_sample_table(
        np.repeat(np.asarray(sizes, dtype=np.float64), grid.size),
        np.tile(grid, len(sizes)),
        {"q": list(values.reshape(-1, values.shape[-1]))},
        dimension="L",
        control_name="T",
    )


def potts20(
    seed: int,
    column: int = 1,
    sizes: Sequence[int] = (6, 8, 12, 16),
    samples: int = 140,
    records: int = 100_000,
) -> ScalingTable:
    """Two-dimensional Potts model, q = 20: energy (column 0) or order parameter (1)."""

    def point(size: float, control: float, generator: np.random.Generator) -> Array:
        drawn = potts20_records(int(size), records).draw(1.0 / control, samples, generator)
        order = (20.0 * drawn[:, 1] / size**2 - 1.0) / 19.0
        return order if column else -drawn[:, 0] / size**2

    grid = POTTS20_T_C + np.linspace(-0.0194, 0.0159, 11)
    return sampled(point, sizes, grid, [seed, 83], "L")


def blume_capel(
    seed: int,
    column: int = 1,
    sizes: Sequence[int] = (6, 8, 12, 16, 20),
    samples: int = 140,
    records: int = 100_000,
) -> ScalingTable:
    """Blume-Capel model at T = 0.5 against Delta: density (column 0) or abs(m) (1)."""

    def point(size: float, control: float, generator: np.random.Generator) -> Array:
        field = -control / BLUME_CAPEL_T
        drawn = blume_capel_records(int(size), records).draw(field, samples, generator)
        return np.asarray(drawn[:, column] / size**2)

    return sampled(point, sizes, np.linspace(1.9771, 2.0011, 11), [seed, 84], "L")


def curie_weiss_table(
    seed: int,
    stuck: float = 0.0,
    at: float = 0.0,
    sizes: Sequence[int] = (64, 256, 1024, 4096),
    samples: int = 150,
) -> ScalingTable:
    """Curie-Weiss abs(m) against T, a part of the runs stuck near `at`, N^(-1/2) wide."""

    def point(size: float, control: float, generator: np.random.Generator) -> Array:
        values = np.abs(curie_weiss.sample(int(size), 1.0 / control, samples, generator))
        rest = np.abs(at + generator.standard_normal(samples) / math.sqrt(size))
        return np.where(generator.random(samples) < stuck, np.minimum(rest, 1.0), values)

    return sampled(point, sizes, np.linspace(0.6, 1.4, 11), [seed, 85])


def two_basins(
    seed: int, sizes: Sequence[int] = (64, 256, 1024, 4096), samples: int = 150
) -> ScalingTable:
    """Two basins, chosen with a chance that does not depend on N."""

    def point(size: float, control: float, generator: np.random.Generator) -> Array:
        up = generator.random(samples) < 1.0 / (1.0 + math.exp(-(control - 1.0) / 0.12))
        noise = 0.6 / math.sqrt(size) * generator.standard_normal(samples)
        return np.where(up, 0.7, 0.15) + 0.1 * (control - 1.0) + noise

    return sampled(point, sizes, np.linspace(0.5, 1.5, 11), [seed, 86])


def independent_units(
    seed: int,
    failed: float = 0.0,
    sizes: Sequence[int] = (64, 256, 1024, 4096),
    samples: int = 150,
) -> ScalingTable:
    """Independent units in a field, a part of the runs failed (near 0.03)."""

    def point(size: float, control: float, generator: np.random.Generator) -> Array:
        chance = 1.0 / (1.0 + math.exp(-2.0 * control))
        values = generator.binomial(int(size), chance, samples) / size
        rest = generator.binomial(int(size), 0.03, samples) / size
        return np.where(generator.random(samples) < failed, rest, values)

    return sampled(point, sizes, np.linspace(-1.5, 2.0, 11), [seed, 87])


def ising_chain(
    seed: int, sizes: Sequence[int] = (64, 256, 1024, 4096), samples: int = 150
) -> ScalingTable:
    """Ising ring, abs(m): the signs of its bonds, whose product is 1, drawn exactly."""

    def point(size: float, control: float, generator: np.random.Generator) -> Array:
        n = int(size)
        # An even number of walls, each with odds exp(-2/T).
        walls = np.arange(0, n + 1, 2)
        wall = 1.0 / (1.0 + math.exp(2.0 / control))
        weight = _binomial(n, wall)[walls]
        drawn = generator.choice(walls, samples, p=weight / weight.sum())
        values = np.empty(samples)
        for row, count in enumerate(drawn):
            flips = np.zeros(n, dtype=np.int64)
            flips[generator.choice(n, count, replace=False)] = 1
            values[row] = abs(np.mean(1.0 - 2.0 * (np.cumsum(flips) % 2)))
        return values

    return sampled(point, sizes, np.linspace(0.3, 1.5, 11), [seed, 88])


def _binomial(n: int, chance: float) -> Array:
    k = np.arange(n + 1)
    gamma = np.array([math.lgamma(i + 1.0) for i in range(n + 1)])
    logarithm = gamma[n] - gamma[k] - gamma[n - k]
    return np.exp(logarithm + k * math.log(chance) + (n - k) * math.log1p(-chance))


def contact(seed: int, sizes: Sequence[int] = (16, 32, 64), samples: int = 100) -> ScalingTable:
    """Contact process on a ring at t = 5 L: rho against lambda."""

    def point(size: float, control: float, generator: np.random.Generator) -> Array:
        values = np.empty(samples)
        contact_process(generator, int(size), control, 5.0 * size, values)
        return values

    return sampled(point, sizes, np.linspace(2.4, 4.2, 11), [seed, 89], "L")
