"""Gradient descent of 64 replicas: the compiled kernel against a plain PyTorch loop, in one run.

    python tests/benchmarks/sgd_steps.py [--rounds 5] [--json FILE]

The plain loop is what one writes first: a torch.nn.Module and torch.optim.SGD, fresh inputs from
torch.randn, one replica after the other. Kernel, plain loop and the torch definition (batched
over the replicas) take turns on one core; figures are medians over the rounds, in steps of one
replica per second, all for the same network, batch size, loss and float64. The last two columns
are with all cores: the kernel with the replicas shared out among them, as `physbatch run` does,
and its ratio to the plain loop with as many threads as torch likes.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from physbatch.dynamics import CompiledDescent, GradientRun, TensorDescent, batch_rule
from physbatch.streams import stream_keys
from physbatch.systems import (
    Architecture,
    ContinuousSystem,
    Functions,
    build_architecture,
    draw_continuous_system,
)

REPLICAS = 64
CORES = len(os.sched_getaffinity(0))

#: N, K = M, m, steps of each replica in a round: kernel, plain loop, definition.
CASES = [
    (100, 2, 1, 400, 20, 40),
    (100, 2, 5, 400, 20, 40),
    (100, 4, 10, 400, 20, 20),
    (300, 4, 10, 200, 20, 10),
    (1000, 4, 1, 200, 20, 10),
    (1000, 4, 10, 60, 20, 4),
    (1000, 4, 100, 8, 8, 2),
]


class Committee(torch.nn.Module):
    """K erf units, added up."""

    def __init__(self, size: int, units: int) -> None:
        super().__init__()
        self.hidden = torch.nn.Linear(size, units, bias=False, dtype=torch.float64)
        torch.nn.init.normal_(self.hidden.weight)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        fields = self.hidden(inputs) / self.hidden.in_features**0.5
        return torch.erf(fields / 2**0.5).sum(dim=1)


def plain_loop(size: int, units: int, batch_size: int, steps: int) -> None:
    """Train every replica for some steps."""
    for _ in range(REPLICAS):
        teacher, student = Committee(size, units), Committee(size, units)
        optimiser = torch.optim.SGD(student.parameters(), lr=1.0)
        for _ in range(steps):
            inputs = torch.randn(batch_size, size, dtype=torch.float64)
            with torch.no_grad():
                targets = teacher(inputs)
            optimiser.zero_grad()
            loss = ((student(inputs) - targets) ** 2).mean() / 2
            loss.backward()
            optimiser.step()


def _setup(
    size: int, units: int, batch_size: int, first_replica: int, replicas: int
) -> tuple[ContinuousSystem, GradientRun]:
    layers: Architecture = build_architecture(
        wiring="dense",
        size=size,
        hidden_units=units,
        depth=2,
        output="scalar",
        learned_layers="first",
        odd_fan_in=False,
    )
    keys = stream_keys(dict.fromkeys(("wiring", "teacher", "start", "dynamics"), 1), "benchmark")
    system = draw_continuous_system(
        layers,
        layers,
        Functions("erf", sqrt_fan_in=True, activated_readout=False, committee=True),
        initial_overlap=0.0,
        keys=keys,
        first_replica=first_replica,
        replicas=replicas,
    )
    run = GradientRun(
        batch=batch_rule(batch_size),
        batch_size=batch_size,
        learning_rate=1.0,
        momentum=0.0,
        loss="mean-square",
        inputs="gaussian",
        input_scales=np.empty(0),
        label_noise=0.0,
        patterns=0,
        replacement=False,
        precision="float64",
        dynamics_key=keys.dynamics,
        patterns_key=keys.patterns,
        test_key=keys.test,
        first_replica=first_replica,
    )
    return system, run


def _seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


class Shared:
    """The kernel with the replicas shared out among all cores."""

    def __init__(self, size: int, units: int, batch_size: int) -> None:
        bounds = [REPLICAS * core // CORES for core in range(CORES + 1)]
        self.engines = [
            CompiledDescent(*_setup(size, units, batch_size, first, stop - first))
            for first, stop in itertools.pairwise(bounds)
        ]
        self.pool = ThreadPoolExecutor(CORES)

    def advance(self, steps: int) -> None:
        """So many steps of every replica."""
        list(self.pool.map(lambda engine: engine.advance(engine.step + steps), self.engines))


def measure(case: tuple[int, int, int, int, int, int], rounds: int) -> dict[str, float]:
    """Median rates of one case, in steps of one replica per second, and the median ratios."""
    size, units, batch_size, steps, plain_steps, definition_steps = case
    system, run = _setup(size, units, batch_size, 0, REPLICAS)
    engines = CompiledDescent(system, run), TensorDescent(system, run)
    shared = Shared(size, units, batch_size)
    plain = functools.partial(plain_loop, size, units, batch_size, plain_steps)
    works: dict[str, tuple[int, int, Callable[[], None]]] = {
        "kernel": (1, steps, lambda: engines[0].advance(engines[0].step + steps)),
        "plain": (1, plain_steps, plain),
        "definition": (
            1,
            definition_steps,
            lambda: engines[1].advance(engines[1].step + definition_steps),
        ),
        "all_kernel": (1, steps, lambda: shared.advance(steps)),
        "all_plain": (CORES, plain_steps, plain),
    }
    rates: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name, (threads, count, work) in works.items():
            torch.set_num_threads(threads)
            rate = REPLICAS * count / _seconds(work)
            if number > 0:  # the first round compiles
                rates[name].append(rate)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    for prefix in ("", "all_"):
        pairs = zip(rates[f"{prefix}kernel"], rates[f"{prefix}plain"], strict=True)
        medians[f"{prefix}ratio"] = statistics.median(one / other for one, other in pairs)
    return medians


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(
        f"# {platform.processor() or platform.machine()}, Python {platform.python_version()}, "
        f"torch {torch.__version__}, medians of {options.rounds} rounds, "
        f"{REPLICAS} replicas, thousand replica steps/s on one core and on all {CORES}"
    )
    print(
        f"{'N':>5} {'K':>3} {'m':>4} {'kernel':>9} {'plain':>8} {'ratio':>7} {'definition':>11} "
        f"{'all: kernel':>12} {'ratio':>7}"
    )
    rows = []
    for case in CASES:
        result = measure(case, options.rounds)
        rows.append({"size": case[0], "units": case[1], "batch_size": case[2], **result})
        print(
            f"{case[0]:5d} {case[1]:3d} {case[2]:4d} {result['kernel'] / 1e3:9.1f} "
            f"{result['plain'] / 1e3:8.2f} {result['ratio']:7.1f} "
            f"{result['definition'] / 1e3:11.2f} {result['all_kernel'] / 1e3:12.1f} "
            f"{result['all_ratio']:7.1f}",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
