"""Planted colouring of random graphs, by mini-batches and by Metropolis: an own engine.

A random graph of N sites and c N / 2 edges is drawn around a hidden colouring with q colours, so
that no edge joins two sites of one colour. The student has to find it. The two dynamics are those
of Angelini, Cavaliere, Marino and Ricci-Tersenghi, Sci. Rep. 14 (2024) 11638, arXiv 2309.05337:
sites in order, each with a proposal of another colour, and either

* ``planted_colouring``: in each sweep a fresh batch of m N of the c N directed edges (the fraction
  B = m/c of them). A site sees those of its edges that are in the batch, and accepts unless more
  of them join equal colours afterwards: ties are accepted;
* ``planted_colouring_metropolis``: all edges, accepted with the chance min(1, exp(-dE/T)).

As long as the hidden colouring is not found, a student at temperature T has the energy of a random
graph without one, up to terms of order 1/N; per site and with z = exp(-1/T),

    e(T) = (c/2) z / (q - 1 + z),

so that the energy e(B) of the batches gives their temperature T(B) = 1/ln[(c/2 - e)/((q - 1) e)].

    python docs/examples/planted_colouring.py
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from physbatch import Study, run_study
from physbatch.engines import GridPoint, Streams, register
from physbatch.noise import effective_temperature

Colours = npt.NDArray[np.int8]
Edges = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]


def planted_graph(
    size: int, connectivity: float, hidden: Colours, draw: np.random.Generator
) -> tuple[Edges, Edges]:
    """First edge of each site, shape (N + 1,), and the site at the end of each directed edge."""
    wanted = round(connectivity * size / 2)
    codes = np.empty(0, dtype=np.int64)
    while len(codes) < wanted:
        pairs = np.sort(draw.integers(size, size=(2 * wanted, 2)), axis=1)
        pairs = pairs[hidden[pairs[:, 0]] != hidden[pairs[:, 1]]]
        codes = np.append(codes, pairs[:, 0] * size + pairs[:, 1])
        codes = codes[np.sort(np.unique(codes, return_index=True)[1])]  # no edge twice
    low, high = np.divmod(codes[:wanted], size)
    start, end = np.append(low, high), np.append(high, low)
    first = np.append(0, np.bincount(start, minlength=size).cumsum())
    return first, end[np.argsort(start, kind="stable")]


@numba.njit
def sweep_with_batch(
    colour: Colours,
    first: Edges,
    end: Edges,
    batch: int,
    colours: int,
    draw: np.random.Generator,
) -> None:
    """Each site in order; the batch is drawn edge by edge, where its site needs it."""
    wanted, left = batch, len(end)
    for site in range(len(colour)):
        old = colour[site]
        new = (old + 1 + draw.integers(0, colours - 1)) % colours
        change = 0
        for edge in range(first[site], first[site + 1]):
            # Of the edges that are left any set of `wanted` is as likely as any other.
            if draw.random() * left < wanted:
                wanted -= 1
                change += (colour[end[edge]] == new) - (colour[end[edge]] == old)
            left -= 1
        if change <= 0:
            colour[site] = new


@numba.njit
def sweep_at_temperature(
    colour: Colours,
    first: Edges,
    end: Edges,
    temperature: float,
    colours: int,
    draw: np.random.Generator,
) -> None:
    """Each site in order, by the rule of Metropolis."""
    for site in range(len(colour)):
        old = colour[site]
        new = (old + 1 + draw.integers(0, colours - 1)) % colours
        change = 0
        for edge in range(first[site], first[site + 1]):
            change += (colour[end[edge]] == new) - (colour[end[edge]] == old)
        if change <= 0 or draw.random() < math.exp(-change / temperature):
            colour[site] = new


def overlap_of(colour: Colours, hidden: Colours, colours: int) -> float:
    """Fraction of equal colours under the best permutation, less 1/q, over 1 - 1/q."""
    counts = np.zeros((colours, colours))
    np.add.at(counts, (colour, hidden), 1)
    agreeing = counts[linear_sum_assignment(-counts)].sum() / len(colour)
    return float((agreeing - 1 / colours) / (1 - 1 / colours))


def simulate(point: GridPoint, streams: Streams) -> dict[str, Any]:
    """Overlap, and the fraction of edges that join equal colours, of each replica and time."""
    colours, connectivity = point.options["colours"], point.options["connectivity"]
    temperature = point.options.get("temperature")
    overlap, wrong = np.empty((2, len(streams.replicas), len(point.times)))
    for row, replica in enumerate(streams.replicas):
        hidden = streams.generator("teacher", replica).integers(
            colours, size=point.size, dtype=np.int8
        )
        wiring = streams.generator("wiring", replica)
        first, end = planted_graph(point.size, connectivity, hidden, wiring)
        start = np.repeat(np.arange(point.size), np.diff(first))
        colour = streams.generator("start", replica).integers(
            colours, size=point.size, dtype=np.int8
        )
        draw = streams.generator("dynamics", replica)
        batch = min(round(point.batch_size * point.size), len(end))
        done = 0
        for column, time in enumerate(point.times):
            for _ in range(int(time) - done):
                if temperature is None:
                    sweep_with_batch(colour, first, end, batch, colours, draw)
                else:
                    sweep_at_temperature(colour, first, end, temperature, colours, draw)
            done = int(time)
            overlap[row, column] = overlap_of(colour, hidden, colours)
            wrong[row, column] = (colour[start] == colour[end]).mean()
    return {"overlap": overlap, "training_error": wrong}


for kind in ("planted_colouring", "planted_colouring_metropolis"):
    register(kind, simulate, observables={"training_error": "fraction of edges of one colour"})


def wrong_at(temperature: npt.ArrayLike, colours: int) -> Values:
    """The fraction of edges of one colour before the hidden colouring is found, 2 e(T)/c."""
    z = np.exp(-1.0 / np.asarray(temperature, dtype=float))
    return np.asarray(z / (colours - 1 + z))


def temperature_of(wrong: npt.ArrayLike, colours: int) -> Values:
    """T at which `wrong_at` has this value."""
    wrong = np.asarray(wrong, dtype=float)
    return np.asarray(1.0 / np.log((1.0 - wrong) / ((colours - 1) * wrong)))


def study(
    batch_size: list[float],
    temperature: list[float] | None = None,
    *,
    duration: int = 300,
    **grid: Any,
) -> Study:
    """Five colours, connectivity 12: batches of m N edges, or all edges at temperatures."""
    thermal = temperature is not None
    name = "planted_colouring_metropolis" if thermal else "planted_colouring"
    return Study.from_dict(
        {
            "title": "planted colouring" + (" at a temperature" if thermal else ""),
            "system": {"kind": "own", "options": {"colours": 5, "connectivity": 12.0}},
            "dynamics": {"kind": name},
            "grid": {
                "size": [2000],
                "batch_size": batch_size,
                "replicas": 16,
                "options": {"temperature": temperature} if thermal else {},
                **grid,
            },
            "measurement": {"duration": duration, "times": {"kind": "linear", "every": 10}},
        }
    )


if __name__ == "__main__":
    batches = run_study(study([6.0, 7.8, 9.6, 10.8]), "colouring.nc")
    thermal = run_study(study([12.0], [0.4, 0.5, 0.7, 0.9, 1.2, 1.6, 2.2]), "colouring_thermal.nc")
    late = batches["training_error"].sel(time=slice(100, None)).mean(["replica", "time"]).squeeze()
    print("B        ", batches["batch_size"].values / 12)
    print("T(B)     ", temperature_of(late, 5), "from the formula")
    matched = effective_temperature(batches, thermal, after=100)
    print("Metropolis", matched.from_energy)
    print("+-        ", matched.from_energy_stderr)
    # The overlap is 0 at every temperature here, so that only flags of the energy matter.
    print(*(flag for flag in matched.flags if "overlap" not in flag.text), sep="\n")
