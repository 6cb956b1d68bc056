"""Exact density of states of small Ising models on the torus, and chains that simulate them.

The density of states g(E, M) is built row by row (a transfer matrix of polynomials in
exp(-2 beta) and in the field). Chains are of single flips (Metropolis), each with its own
generator, and every one of them starts in equilibrium after its warm-up.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numba
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@numba.njit
def add_rows(states, inside, magnetization, between, first, length):
    """Ways to fill the lattice below a first row: energies and magnetizations of L x L sites."""
    rows, sites = 1 << length, length * length
    known = np.zeros((rows, 2 * sites + 1, sites + 1))  # E/2 from -N, (M + N)/2
    known[first, (inside[first] + 2 * sites) // 2, (magnetization[first] + length) // 2] = 1.0
    for _ in range(length - 1):
        fresh = np.zeros_like(known)
        for last in range(rows):
            for new in range(rows):
                step = (inside[new] + between[last, new]) // 2
                up = (magnetization[new] + length) // 2
                for e in range(2 * sites + 1):
                    if 0 <= e + step <= 2 * sites:
                        for m in range(sites + 1 - up):
                            fresh[new, e + step, m + up] += known[last, e, m]
        known = fresh
    for last in range(rows):
        step = between[last, first] // 2
        for e in range(2 * sites + 1):
            if 0 <= e + step <= 2 * sites:
                for m in range(sites + 1):
                    states[e + step, m] += known[last, e, m]


@functools.cache
def density_of_states(length: int) -> tuple[Array, Array, Array]:
    """E, abs(M) and the number of states of every pair that occurs."""
    rows, sites = 1 << length, length * length
    spins = 1 - 2 * ((np.arange(rows)[:, None] >> np.arange(length)) & 1)
    inside = -(spins * np.roll(spins, 1, axis=1)).sum(axis=1)
    magnetization, between = spins.sum(axis=1), -(spins @ spins.T)
    states = np.zeros((2 * sites + 1, sites + 1))
    turned = {}
    for first in range(rows):
        ways = [((first << k) | (first >> (length - k))) & (rows - 1) for k in range(length)]
        turned.setdefault(min(ways), []).append(first)
    for first, same in turned.items():
        part = np.zeros_like(states)
        # E = -2N + 2e; a step may leave the range on the way only where the end is out of it.
        add_rows(part, inside, magnetization, between, first, length)
        states += len(same) * part
    e, m = np.nonzero(states)
    return 2.0 * e - 2.0 * sites, np.abs(2.0 * m - sites), states[e, m]


def exact_means(length: int, beta: npt.ArrayLike) -> dict[str, Array]:
    """Exact moments at each beta, called as those of `reweight`."""
    energy, magnetization, states = density_of_states(length)
    sites = length**2
    beta = np.atleast_1d(np.asarray(beta, dtype=np.float64))
    logs = np.log(states) - beta[:, None] * energy
    weight = np.exp(logs - logs.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    m = magnetization / sites

    def mean(values: Array) -> Array:
        return np.asarray(weight @ values)

    return {
        "energy": mean(energy),
        "specific_heat": beta**2 * (mean(energy**2) - mean(energy) ** 2) / sites,
        "energy_binder": 1.0 - mean(energy**4) / (3.0 * mean(energy**2) ** 2),
        "mean_abs": mean(m),
        "susceptibility_abs": sites * (mean(m**2) - mean(m) ** 2),
        "binder": 1.0 - mean(m**4) / (3.0 * mean(m**2) ** 2),
    }


@numba.njit
def metropolis(generator, length, beta, warm, steps, values):
    """Fill `values`, (2, n), with E and M after every `steps` attempted flips."""
    spin = np.ones((length, length), dtype=np.int64)
    energy, total = 0, 0
    for row in range(length):
        for column in range(length):
            right, down = spin[row, (column + 1) % length], spin[(row + 1) % length, column]
            energy -= spin[row, column] * (right + down)
            total += spin[row, column]
    for sample in range(-1, values.shape[1]):
        for _ in range(warm if sample < 0 else steps):
            row, column = int(generator.random() * length), int(generator.random() * length)
            field = (
                spin[(row + 1) % length, column]
                + spin[row - 1, column]
                + spin[row, (column + 1) % length]
                + spin[row, column - 1]
            )
            change = 2 * spin[row, column] * field
            if change <= 0 or generator.random() < math.exp(-beta * change):
                spin[row, column] = -spin[row, column]
                energy += change
                total += 2 * spin[row, column]
        if sample >= 0:
            values[0, sample] = energy
            values[1, sample] = total


def ising_series(
    length: int, betas: Sequence[float], chains: int, samples: int, seed: int
) -> dict[str, Array]:
    """Columns L, beta, chain, E and m; a sample after every sweep."""
    sites, columns = length**2, []
    for index, beta in enumerate(betas):
        for chain in range(chains):
            values = np.empty((2, samples))
            generator = np.random.default_rng([seed, length, index, chain])
            metropolis(generator, length, beta, 200 * sites, sites, values)
            labels = np.full((3, samples), [[length], [beta], [chain]])
            columns.append(np.concatenate([labels, values]))
    size, control, chain_of, energy, total = np.concatenate(columns, axis=1)
    return {"L": size, "beta": control, "chain": chain_of, "E": energy, "m": total / sites}
