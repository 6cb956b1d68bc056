"""Flip-samples per second (attempted weight changes times m) of three engines in one run.

    python tests/benchmarks/flip_samples.py [--rounds 5] [--json FILE]

Kernel, plain compiled loop and torch definition take turns, so that a change in the machine's
speed hits all alike; each figure is the median of the rounds. All run on one core. The batch
size is below the transition or ties are accepted, so that no replica stops early.
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

#: (d, N, m, sweeps of kernel, of the plain loop, of the definition)
CASES = [
    (5, 400, 12, 400, 100, 0),
    (7, 300, 16, 400, 60, 0),
    (7, 300, 32, 400, 40, 0),
    (7, 300, 64, 400, 20, 0),
    (7, 300, 256, 100, 6, 0),
    (7, 30, 64, 2000, 200, 1),
]


def _setup(degree: int, size: int, batch: int, sweeps: int) -> tuple[BinarySystem, CellRun]:
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
    system = draw_system(architecture, 0.0, keys, 0, 1)
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


def _rate(learnable: int, batch: int, sweeps: int, seconds: float) -> float:
    return learnable * batch * sweeps / seconds


def measure(case: tuple[int, int, int, int, int, int], rounds: int) -> dict[str, float]:
    """Median rates of one case, in flip-samples per second."""
    degree, size, batch, kernel_sweeps, plain_count, definition_sweeps = case
    rates: dict[str, list[float]] = {"kernel": [], "plain": [], "definition": []}
    ratios: list[float] = []
    for number in range(rounds + 1):
        system, run = _setup(degree, size, batch, kernel_sweeps)
        learnable = system.architecture.learnable
        start = time.perf_counter()
        run_bitsliced(system, run)
        kernel = _rate(learnable, batch, kernel_sweeps, time.perf_counter() - start)
        signs = [1 - 2 * bits[0].astype(np.int8) for bits in (system.teacher, system.student)]
        start = time.perf_counter()
        plain_sweeps(system.sources[0], *signs, size, degree, batch, plain_count, False, number)
        plain = _rate(learnable, batch, plain_count, time.perf_counter() - start)
        if number == 0:
            continue  # compilation
        rates["kernel"].append(kernel)
        rates["plain"].append(plain)
        ratios.append(kernel / plain)
        if definition_sweeps:
            system, run = _setup(degree, size, batch, definition_sweeps)
            start = time.perf_counter()
            run_definition(system, run)
            elapsed = time.perf_counter() - start
            rates["definition"].append(_rate(learnable, batch, definition_sweeps, elapsed))
    medians = {name: statistics.median(values) for name, values in rates.items() if values}
    return {**medians, "ratio": statistics.median(ratios)}


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
