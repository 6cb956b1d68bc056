"""physbatch bench: what a study will cost on this machine."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from physbatch.commands.options import Code, Json, Workers
from physbatch.commands.output import print_json, span
from physbatch.commands.studies import check_workers, load_study

if TYPE_CHECKING:
    from physbatch.sweep.timing import Benchmark


def bench_command(
    study: str,
    *,
    seconds: float = 2.0,
    kinds: int = 8,
    workers: Workers = None,
    json_: Json = False,
    code: Code = Code(),
) -> None:
    """Time cells of a study: throughput, share of the machine's limit, time, memory.

    Parameters
    ----------
    study
        A study file (TOML) or the name of a study in the catalogue.
    seconds
        About how long each cell is run.
    kinds
        How many cells are timed at most, from the cheapest to the dearest.
    """
    from physbatch.engines.registry import require_built
    from physbatch.sweep.run import default_workers
    from physbatch.sweep.timing import bench_study

    check_workers(workers)
    count = default_workers() if workers is None else workers
    resolved = require_built(code.permitted(load_study(study), study), where=study)
    benchmark = bench_study(resolved, seconds=seconds, kinds=kinds)
    if json_:
        print_json({**dataclasses.asdict(benchmark), "workers": count})
    else:
        print(_table(benchmark, count))


def _table(benchmark: Benchmark, workers: int) -> str:
    unit = f"10^9 {benchmark.throughput_unit}/s"
    width = max(len(timing.cell) for timing in benchmark.timings)
    lines = [f"{'cell':{width}}  {unit:>22}  {'of the limit':>12}  {'whole cell':>10}"]
    for timing in benchmark.timings:
        share = "" if timing.limit_share is None else f"{timing.limit_share:.1%}"
        lines.append(
            f"{timing.cell:{width}}  {timing.throughput / 1e9:22.3g}  {share:>12}  "
            f"{span(timing.expected_seconds):>10}"
        )
    if benchmark.operation_rate is not None:
        lines.append(
            f"limit    what one core's {benchmark.operation_rate / 1e9:.3g} x 10^9 operations/s on "
            "512 bits allow, without random numbers, memory and accepted moves"
        )
    lines.append(
        f"time     about {span(benchmark.core_seconds / workers)} for {benchmark.cells} cells on "
        f"{workers} cores if no student learns early"
    )
    lines.append(
        f"memory   {benchmark.dataset_bytes / 1e6:.3g} MB for the dataset, "
        f"{benchmark.worker_bytes / 1e6:.3g} MB for the replicas of each worker"
    )
    return "\n".join(lines)
