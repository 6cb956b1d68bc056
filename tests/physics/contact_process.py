"""The contact process in one dimension: death at rate 1, birth at rate lambda/2 on each side.

Random sequential updates in continuous time: the next event is that of a random active site, after
an exponential time of mean 1/[n (1 + lambda)]; it dies with probability 1/(1 + lambda), else it
tries to fill a random neighbour. An empty ring is absorbing. Its transition is that of directed
percolation, lambda_c = 3.297848 (Jensen and Dickman, J. Stat. Phys. 71 (1993) 89, doi
10.1007/BF01048090; exponents of Jensen, J. Phys. A 32 (1999) 5233, doi
10.1088/0305-4470/32/28/304).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

LAMBDA_C = 3.297848
DELTA, NU_PAR, Z = 0.159464, 1.733847, 1.580745


@numba.njit
def _run(sites: int, rate: float, times: Any, rng: Any, single: bool, out: Any) -> None:
    """One run: number of active sites and the sum of squared distances at the times."""
    at = np.full(sites, -1, dtype=np.int64)  # where a site stands among the active ones
    active = np.empty(sites, dtype=np.int64)
    middle = sites // 2
    count = 1 if single else sites
    for k in range(count):
        active[k] = middle if single else k
        at[active[k]] = k
    time, row = 0.0, 0
    while row < times.size:
        step = np.inf
        if count > 0:
            step = -np.log(1.0 - rng.random()) / (count * (1.0 + rate))
        time += step
        while row < times.size and times[row] <= time:
            out[row, 0] = count
            square = 0.0
            if single:
                for k in range(count):
                    square += float(active[k] - middle) ** 2
            out[row, 1] = square
            row += 1
        if count == 0:
            continue
        k = int(rng.random() * count)
        site = active[k]
        if rng.random() * (1.0 + rate) < 1.0:
            count -= 1
            active[k] = active[count]
            at[active[k]] = k
            at[site] = -1
        else:
            near = site + (1 if rng.random() < 0.5 else -1)
            near = near % sites
            if at[near] < 0:
                at[near] = count
                active[count] = near
                count += 1


@numba.njit
def runs(sites: int, rate: float, times: Any, count: int, rng: Any, single: bool) -> Any:
    """Runs from the full ring, or from one active site: shape (run, time, 2)."""
    out = np.zeros((count, times.size, 2))
    for index in range(count):
        _run(sites, rate, times, rng, single, out[index])
    return out


def decay(
    rates: FloatArray, times: FloatArray, *, sizes: Sequence[int], sites: int, seed: int
) -> dict[str, FloatArray]:
    """Densities from the full ring with their errors; at each size about `sites` sites in all."""
    rng, rows = np.random.default_rng(seed), []
    for size in sizes:
        count = max(8, sites // size)
        for rate in rates:
            density = runs(size, rate, times, count, rng, False)[..., 0] / size
            mean, error = density.mean(axis=0), density.std(axis=0, ddof=1) / np.sqrt(count)
            rows += [(t, size, rate, *y) for t, *y in zip(times, mean, error, strict=True)]
    columns = np.array(rows).T
    names = ("t", "L", "lambda", "rho", "rho_err")
    return dict(zip(names, columns, strict=True))


def spreading(
    rates: FloatArray, times: FloatArray, *, count: int, seed: int
) -> dict[str, FloatArray]:
    """Survival P and mean square distance R2 of the active sites, from one of them."""
    rng, rows = np.random.default_rng(seed), []
    for rate in rates:
        out = runs(4 * int(times[-1]) + 1, rate, times, count, rng, True)
        active, square = out[..., 0], out[..., 1]
        alive = (active > 0).mean(axis=0)
        mean = square.sum(axis=0) / active.sum(axis=0)
        error = (square - mean * active).std(axis=0) * np.sqrt(count) / active.sum(axis=0)
        survival = np.sqrt(alive * (1.0 - alive) / count)
        rows += list(
            zip(times, np.full(times.size, rate), alive, survival, mean, error, strict=True)
        )
    columns = np.array(rows).T
    names = ("t", "lambda", "P", "P_err", "R2", "R2_err")
    return dict(zip(names, columns, strict=True))
