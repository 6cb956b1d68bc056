"""The GPU kernel against one core of the CPU kernel, in one run; needs a CUDA device.

    python tests/benchmarks/gpu.py [--replicas 4096] [--rounds 5] [--json FILE]

Prints a table for docs/measurements.md: flip-samples per second of both, their ratio, and the
share of the device's memory bandwidth that the bytes which the kernel must read and write would
take if none of them came from a cache.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from numba import cuda

sys.path.insert(0, str(Path(__file__).parent))
from flip_samples import set_up

from physbatch.dynamics import run_bitsliced, run_cuda

#: (d, N, m, replicas per graph, sweeps).
CASES = [
    (7, 300, 64, 1, 20),
    (7, 1000, 64, 1, 20),
    (7, 1000, 64, 32, 20),
    (7, 1000, 16, 32, 20),
    (7, 1000, 256, 1, 10),
    (7, 10_000, 64, 1, 4),
]
#: Replicas of the CPU kernel, which needs few to be timed.
CPU_REPLICAS = 32


def words_per_proposal(degree: int) -> float:
    """Words of 64 bits that a tried flip reads, on average over the layers, per word of samples.

    Input, planes of the unit and valid samples; for each output that follows its planes and mask.
    """
    planes = degree.bit_length()
    return ((2 + planes + degree * (planes + 1)) + (3 + planes)) / 2


def measure(case: tuple[int, int, int, int, int], replicas: int, rounds: int) -> dict[str, Any]:
    """Median rates of both kernels, taking turns."""
    degree, size, batch, per_graph, sweeps = case
    rates: dict[str, list[float]] = {"gpu": [], "cpu": []}
    counts = {"gpu": replicas, "cpu": CPU_REPLICAS}
    systems = {
        name: set_up(degree, size, batch, sweeps, count, per_graph)
        for name, count in counts.items()
    }
    engines = {"gpu": run_cuda, "cpu": run_bitsliced}
    for number in range(rounds + 1):
        for name, (system, run) in systems.items():
            start = time.perf_counter()
            engines[name](system, run)
            elapsed = time.perf_counter() - start
            if number > 0:  # the first round compiles
                tried = system.architecture.learnable * sweeps * counts[name]
                rates[name].append(tried * batch / elapsed)
    gpu, cpu = (statistics.median(rates[name]) for name in ("gpu", "cpu"))
    words = words_per_proposal(degree) * -(-batch // 64)
    return {
        "degree": degree,
        "size": size,
        "batch_size": batch,
        "replicas_per_graph": per_graph,
        "gpu": gpu,
        "cpu": cpu,
        "ratio": gpu / cpu,
        "bytes_per_second": gpu / batch * words * 8,
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicas", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not cuda.is_available():
        raise SystemExit("gpu.py: no CUDA device is available; run it where there is one")
    device = cuda.get_current_device()
    print(f"# {device.name.decode()}, {options.replicas} replicas, medians of {options.rounds}")
    print(
        f"{'d':>3} {'N':>6} {'m':>5} {'per graph':>9} {'GPU':>9} {'one core':>9} {'ratio':>7} "
        "  10^9 flip-samples/s; GB/s without caches"
    )
    rows = []
    for case in CASES:
        row = measure(case, options.replicas, options.rounds)
        rows.append(row)
        print(
            f"{row['degree']:3d} {row['size']:6d} {row['batch_size']:5d} "
            f"{row['replicas_per_graph']:9d} {row['gpu'] / 1e9:9.2f} {row['cpu'] / 1e9:9.2f} "
            f"{row['ratio']:7.1f}   {row['bytes_per_second'] / 1e9:.0f}",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
