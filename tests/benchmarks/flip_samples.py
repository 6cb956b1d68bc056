"""Flip-samples per second (attempted weight changes times m) of three engines in one run.

    python tests/benchmarks/flip_samples.py [--rounds 5] [--json FILE]

Kernel, plain compiled loop and torch definition take turns, so that a change in the machine's
speed hits all alike; each figure is the median of the rounds. All run on one core, the same
sweeps from the same start with ties rejected, and none stops early.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
from plain_loop import plain_sweeps

from physbatch.dynamics.bitsliced import run_bitsliced
from physbatch.dynamics.definition import run_definition
from physbatch.dynamics.rules import CellRun, acceptance_table, batch_rule
from physbatch.streams.keys import stream_keys
from physbatch.systems.architecture import build_architecture
from physbatch.systems.binary import BinarySystem, draw_system

#: (d, N, m, sweeps, replicas of the kernel, of the plain loop, of the definition). All engines
#: run the same sweeps from the same start, so that they are in the same regime.
CASES = [
    (5, 400, 12, 40, 16, 2, 0),
    (7, 300, 16, 40, 16, 2, 0),
    (7, 300, 32, 20, 32, 2, 0),
    (7, 300, 64, 20, 32, 2, 0),
    (7, 300, 256, 10, 16, 1, 0),
    (7, 30, 64, 3, 2000, 100, 16),
]


def _setup(
    degree: int, size: int, batch: int, sweeps: int, replicas: int
) -> tuple[BinarySystem, CellRun]:
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
    system = draw_system(architecture, 0.0, keys, 0, replicas)
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
    )
    return system, run


def _plain(system: BinarySystem, batch: int, sweeps: int, seed: int) -> None:
    layer = system.architecture.layers[0]
    for row, (teacher, student) in enumerate(zip(system.teacher, system.student, strict=True)):
        signs = [1 - 2 * bits.astype(np.int8) for bits in (teacher, student)]
        sources = system.sources[row]
        plain_sweeps(sources, *signs, layer.units, layer.fan_in, batch, sweeps, False, seed + row)


def measure(case: tuple[int, int, int, int, int, int, int], rounds: int) -> dict[str, float]:
    """Median rates of one case, in flip-samples per second."""
    degree, size, batch, sweeps, *replicas = case
    rates: dict[str, list[float]] = {"kernel": [], "plain": [], "definition": []}
    systems = [_setup(degree, size, batch, sweeps, count) for count in replicas]
    for number in range(rounds + 1):
        for name, (system, run) in zip(rates, systems, strict=True):
            count = system.teacher.shape[0]
            if count == 0:
                continue
            start = time.perf_counter()
            if name == "kernel":
                run_bitsliced(system, run)
            elif name == "plain":
                _plain(system, batch, sweeps, number)
            else:
                run_definition(system, run)
            elapsed = time.perf_counter() - start
            if number > 0:  # the first round compiles
                tried = system.architecture.learnable * sweeps * count
                rates[name].append(tried * batch / elapsed)
    pairs = zip(rates["kernel"], rates["plain"], strict=True)
    medians = {name: statistics.median(values) for name, values in rates.items() if values}
    return {**medians, "ratio": statistics.median(kernel / plain for kernel, plain in pairs)}


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(
        f"# {platform.processor() or platform.machine()}, Python {platform.python_version()}, ",
        end="",
    )
    print(f"one core, medians of {options.rounds} rounds, 10^9 flip-samples/s")
    print(f"{'d':>3} {'N':>5} {'m':>5} {'kernel':>8} {'plain':>8} {'ratio':>7} {'definition':>11}")
    rows = []
    for case in CASES:
        result = measure(case, options.rounds)
        rows.append({"degree": case[0], "size": case[1], "batch_size": case[2], **result})
        definition = (
            f"{result['definition'] / 1e9:11.6f}" if "definition" in result else f"{'':>11}"
        )
        print(
            f"{case[0]:3d} {case[1]:5d} {case[2]:5d} {result['kernel'] / 1e9:8.3f} "
            f"{result['plain'] / 1e9:8.4f} {result['ratio']:7.1f} {definition}",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
