"""Flip-samples per second (attempted weight changes times m) of three engines in one run.

    python tests/benchmarks/flip_samples.py [--rounds 7] [--json FILE] [--cases peers scaling cores]

Kernel, plain compiled loop and torch definition take turns, so that a change in the machine's
speed hits all alike; each figure is the median of the rounds, in seconds of the processor. All run
the same sweeps from the same start with ties rejected, and none stops early. `scaling` times the
kernel alone against N, m, d and the number of replicas, and fits exponents; `cores` runs two
processes at once.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import resource
import statistics
import sys
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
from plain_loop import plain_sweeps

from physbatch.dynamics import (
    CellRun,
    acceptance_table,
    batch_rule,
    flip_sample_limit,
    run_bitsliced,
    run_definition,
    vector_operation_rate,
)
from physbatch.streams import stream_keys
from physbatch.systems import BinarySystem, build_architecture, draw_system

#: (d, N, m, replicas per graph, sweeps, replicas of the kernel, of the plain loop, of the
#: definition). All engines run the same sweeps from the same start: they are in the same regime.
PEERS = [
    (5, 400, 12, 1, 40, 8, 1, 0),
    (5, 400, 12, 32, 40, 32, 1, 0),
    (7, 300, 16, 1, 40, 8, 1, 0),
    (7, 300, 16, 32, 40, 32, 1, 0),
    (7, 300, 32, 1, 20, 16, 1, 0),
    (7, 300, 32, 16, 20, 32, 1, 0),
    (7, 300, 64, 1, 20, 16, 1, 0),
    (7, 300, 64, 8, 20, 32, 1, 0),
    (7, 300, 256, 1, 10, 16, 1, 0),
    (7, 300, 512, 1, 10, 16, 1, 0),
    (7, 10_000, 64, 1, 6, 1, 1, 0),
    (7, 30, 64, 1, 3, 2000, 100, 16),
]

#: What varies -> (d, N, m, sweeps, replicas).
SCALING: dict[str, list[tuple[int, int, int, int, int]]] = {
    "N": [
        (7, size, 64, max(4, 30_000 // size), max(1, 1000 // size))
        for size in (100, 300, 1000, 3000, 10_000, 30_000, 100_000)
    ],
    "m": [(7, 300, m, 10, 8) for m in (4, 16, 64, 128, 256, 512, 1024, 2048)],
    "d": [(degree, 300, 64, 20, 8) for degree in (3, 5, 7, 9, 11, 13, 15)],
    "replicas": [(7, 300, 64, 10, replicas) for replicas in (1, 4, 16, 64)],
}


def set_up(
    degree: int, size: int, batch: int, sweeps: int, replicas: int, replicas_per_graph: int = 1
) -> tuple[BinarySystem, CellRun]:
    """A two-layer system and instructions that measure at the end only."""
    architecture = build_architecture(
        wiring="regular",
        size=size,
        degree=degree,
        depth=2,
        output="vector",
        learned_layers="all",
        odd_fan_in=True,
    )
    keys = stream_keys(dict.fromkeys(("wiring", "teacher", "start", "dynamics"), 1), "benchmark")
    system = draw_system(architecture, 0.0, keys, 0, replicas, replicas_per_graph)
    run = CellRun(
        batch=batch_rule(batch),
        acceptance=acceptance_table(ties="reject"),
        refresh_each_proposal=False,
        absorbing=False,
        times=np.array([sweeps], dtype=np.int64),
        duration=sweeps,
        test_samples=1,
        dynamics_key=keys.dynamics,
        test_key=keys.test,
        first_replica=0,
        replicas_per_graph=replicas_per_graph,
    )
    return system, run


def _plain(system: BinarySystem, batch: int, sweeps: int, seed: int) -> None:
    layer = system.architecture.layers[0]
    for row, (teacher, student) in enumerate(zip(system.teacher, system.student, strict=True)):
        signs = [1 - 2 * bits.astype(np.int8) for bits in (teacher, student)]
        sources = system.sources[row]
        plain_sweeps(sources, *signs, layer.units, layer.fan_in, batch, sweeps, False, seed + row)


def _seconds(name: str, system: BinarySystem, run: CellRun, seed: int) -> float:
    start = time.process_time()
    if name == "kernel":
        run_bitsliced(system, run)
    elif name == "plain":
        _plain(system, run.batch.floor, run.duration, seed)
    else:
        run_definition(system, run)
    return time.process_time() - start


def compare(case: tuple[int, ...], rounds: int) -> dict[str, float]:
    """Median rates of one case, in flip-samples per second."""
    degree, size, batch, per_graph, sweeps, *replicas = case
    rates: dict[str, list[float]] = {"kernel": [], "plain": [], "definition": []}
    counts = dict(zip(rates, replicas, strict=True))
    systems = {
        name: set_up(degree, size, batch, sweeps, count, per_graph if name == "kernel" else 1)
        for name, count in counts.items()
        if count > 0
    }
    for number in range(rounds + 1):
        for name, (system, run) in systems.items():
            elapsed = _seconds(name, system, run, number)
            if number > 0:  # the first round compiles
                tried = system.architecture.learnable * sweeps * counts[name]
                rates[name].append(tried * batch / elapsed)
    pairs = zip(rates["kernel"], rates["plain"], strict=True)
    medians = {name: statistics.median(values) for name, values in rates.items() if values}
    return {**medians, "ratio": statistics.median(kernel / plain for kernel, plain in pairs)}


def scale(axis: str, rounds: int) -> list[dict[str, float]]:
    """Nanoseconds per proposal and memory of the process along one axis, points taking turns."""
    cases = [set_up(*case) for case in SCALING[axis]]
    times: list[list[float]] = [[] for _ in cases]
    for number in range(rounds + 1):
        for place, (system, run) in enumerate(cases):
            elapsed = _seconds("kernel", system, run, number)
            if number > 0:
                tried = system.architecture.learnable * run.duration * len(system.teacher)
                times[place].append(1e9 * elapsed / tried)
    return [
        {
            "degree": degree,
            "size": size,
            "batch_size": batch,
            "replicas": replicas,
            "nanoseconds_per_proposal": statistics.median(found),
            "nanoseconds_per_flip_sample": statistics.median(found) / batch,
            "replica_bytes": _replica_bytes(system),
        }
        for (degree, size, batch, _, replicas), found, (system, _) in zip(
            SCALING[axis], times, cases, strict=True
        )
    ]


def _replica_bytes(system: BinarySystem) -> float:
    """Bytes of graph, teacher, start and student of a replica, as they are held."""
    arrays = (system.sources, system.teacher, system.student, system.student)
    return sum(array.nbytes for array in arrays) / len(system.teacher)


def _exponent(rows: list[dict[str, float]], axis: str, column: str) -> float:
    """Slope of the logarithms."""
    x = np.log([row[axis] for row in rows])
    return float(np.polyfit(x, np.log([row[column] for row in rows]), 1)[0])


def _loop(barrier: Barrier, results: Any, rounds: int) -> None:
    """Body of one process: the rate in wall-clock time and in time of the processor."""
    system, run = set_up(7, 300, 64, 20, 64)
    run_bitsliced(system, run)
    barrier.wait()
    wall, own = time.perf_counter(), time.process_time()
    for _ in range(rounds):
        run_bitsliced(system, run)
    results.put((time.perf_counter() - wall, time.process_time() - own))


def two_processes(rounds: int) -> dict[str, float]:
    """Throughput of two processes over that of one, by the wall clock and by the processor's."""
    context = multiprocessing.get_context("spawn")
    found = {}
    for count in (1, 2):
        barrier, results = context.Barrier(count), context.Queue()
        team = [
            context.Process(target=_loop, args=(barrier, results, rounds)) for _ in range(count)
        ]
        for process in team:
            process.start()
        times = [results.get() for _ in team]
        for process in team:
            process.join()
        found[count] = [max(column) for column in zip(*times, strict=True)]
    (wall, own), (both_wall, both_own) = found[1], found[2]
    return {"speedup_wall": 2 * wall / both_wall, "speedup_processor": 2 * own / both_own}


def _print_peers(rounds: int) -> list[dict[str, Any]]:
    rate = vector_operation_rate()
    print(f"# {rate / 1e9:.3g} x 10^9 vector operations/s on 512 bits; 10^9 flip-samples/s:")
    print(
        f"{'d':>3} {'N':>6} {'m':>5} {'per graph':>9} {'kernel':>8} {'plain':>8} {'ratio':>7} "
        f"{'of limit':>8} {'definition':>11}"
    )
    rows = []
    for case in PEERS:
        degree, size, batch, per_graph = case[:4]
        result = compare(case, rounds)
        limit = flip_sample_limit(set_up(degree, size, batch, 1, 1)[0].architecture, rate)
        assert limit is not None
        share = result["kernel"] / limit
        named = {"degree": degree, "size": size, "batch_size": batch}
        rows.append({**named, "replicas_per_graph": per_graph, "limit_share": share, **result})
        definition = (
            f"{result['definition'] / 1e9:11.6f}" if "definition" in result else f"{'':>11}"
        )
        print(
            f"{degree:3d} {size:6d} {batch:5d} {per_graph:9d} {result['kernel'] / 1e9:8.3f} "
            f"{result['plain'] / 1e9:8.4f} {result['ratio']:7.1f} {share:8.1%} {definition}",
            flush=True,
        )
    return rows


def _print_scaling(rounds: int) -> dict[str, list[dict[str, float]]]:
    found = {}
    names = {"N": "size", "m": "batch_size", "d": "degree", "replicas": "replicas"}
    for axis, column in names.items():
        rows = scale(axis, rounds)
        found[axis] = rows
        per = "nanoseconds_per_proposal"
        slope = _exponent(rows, column, per)
        print(f"# against {axis}: exponent of the time per proposal {slope:.2f}")
        for row in rows:
            print(
                f"{axis} = {row[column]:6.0f}  {row[per]:8.2f} ns/proposal  "
                f"{row['nanoseconds_per_flip_sample']:8.4f} ns/flip-sample  "
                f"{row['replica_bytes'] / 1e3:9.1f} kB/replica",
                flush=True,
            )
    return found


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    parser.add_argument(
        "--cases", nargs="+", choices=("peers", "scaling", "cores"), default=["peers"]
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(
        f"# {platform.processor() or platform.machine()}, Python {platform.python_version()}, "
        f"numba {numba.__version__}, torch {torch.__version__}, one core, medians of "
        f"{options.rounds} rounds, load {os.getloadavg()[0]:.1f}"
    )
    results: dict[str, Any] = {}
    if "peers" in options.cases:
        results["peers"] = _print_peers(options.rounds)
    if "scaling" in options.cases:
        results["scaling"] = _print_scaling(options.rounds)
    if "cores" in options.cases:
        results["cores"] = two_processes(4 * options.rounds)
        print("# two processes over one:", results["cores"])
    print(f"# peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
