"""physbatch bench: what a study will cost on this machine."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from physbatch.commands.output import print_json, span
from physbatch.commands.studies import load_study
from physbatch.errors import StudyError

if TYPE_CHECKING:
    from physbatch.sweep.timing import Benchmark

__all__ = ["bench"]


def bench(
    study: str,
    *,
    seconds: float = 2.0,
    kinds: int = 8,
    workers: Annotated[int | None, Parameter(name=["--workers", "-w"])] = None,
    json_: Annotated[bool, Parameter(name="--json", negative=())] = False,
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
    workers
        Worker processes of the run that is foretold; by default one per core.
    json_
        Print one JSON object.
    """
    from physbatch.engines.support import require_built
    from physbatch.sweep.run import default_workers
    from physbatch.sweep.timing import bench_study

    if workers is not None and workers < 1:
        raise StudyError(f"{workers} workers", where="--workers", remedy="give 1 or more")
    count = default_workers() if workers is None else workers
    found = bench_study(require_built(load_study(study), where=study), seconds=seconds, kinds=kinds)
    if json_:
        print_json({**dataclasses.asdict(found), "workers": count})
    else:
        print(_table(found, count))


def _table(found: Benchmark, workers: int) -> str:
    unit = f"10^9 {found.throughput_unit}/s"
    width = max(len(one.cell) for one in found.timings)
    lines = [f"{'cell':{width}}  {unit:>22}  {'of the limit':>12}  {'whole cell':>10}"]
    for one in found.timings:
        share = "" if one.limit_share is None else f"{one.limit_share:.1%}"
        lines.append(
            f"{one.cell:{width}}  {one.throughput / 1e9:22.3g}  {share:>12}  "
            f"{span(one.expected_seconds):>10}"
        )
    if found.operation_rate is not None:
        lines.append(
            f"limit    what one core's {found.operation_rate / 1e9:.3g} x 10^9 operations/s on "
            "512 bits allow, without random numbers, memory and accepted moves"
        )
    lines.append(
        f"time     about {span(found.core_seconds / workers)} for {found.cells} cells on "
        f"{workers} cores if no student learns early"
    )
    lines.append(
        f"memory   {found.dataset_bytes / 1e6:.3g} MB for the dataset, "
        f"{found.worker_bytes / 1e6:.3g} MB for the replicas of each worker"
    )
    return "\n".join(lines)
