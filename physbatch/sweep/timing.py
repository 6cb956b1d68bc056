"""Time a study before it is run: what its own cells cost on this machine.

A few cells that stand for all are run for a few seconds each. From them come the throughput, its
share of what vector logic would allow, and the time and memory that the whole study will take.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from physbatch.engines.point import GridPoint, GridPoints
from physbatch.engines.protocol import Arrays
from physbatch.engines.registry import engine_for
from physbatch.errors import StudyError
from physbatch.study.dynamics import Greedy
from physbatch.study.model import Study
from physbatch.sweep.plan import Plan

#: Cells that are timed at most; they are spread over the costs of all cells.
KINDS = 8
#: Every cell is also run this much shorter, so that what does not grow with time can be told.
SHORTER = 5


@dataclass(frozen=True)
class Timing:
    """What one cell costs on one core.

    `replicas` for `duration` sweeps or steps were run. For all replicas of the cell:
    `fixed_seconds` for drawing the systems and measuring, `seconds_per_time` for a sweep or step,
    `expected_seconds` if none ends early, and `model_ratio`, these over the plan's estimate.
    Throughput counts flip-samples (attempted changes times m) or weight-samples (weights times m)
    a second; `limit_share` is that over what vector logic would allow, None where not known.
    """

    cell: str
    replicas: int
    duration: int
    fixed_seconds: float
    seconds_per_time: float
    throughput: float
    limit_share: float | None
    expected_seconds: float
    model_ratio: float


@dataclass(frozen=True)
class Benchmark:
    """What a study costs on this machine.

    Attributes
    ----------
    timings : tuple of Timing
        Cells that stand for all, the cheapest first.
    throughput_unit : str
        What the throughput counts.
    operation_rate : float or None
        Vector operations per second of one core, where the limit is known.
    cells : int
        Number of cells of the study.
    core_seconds : float
        All of them on one core, if no replica ends early.
    dataset_bytes, worker_bytes : int
        Memory of the dataset, and of the replicas of each worker.
    """

    timings: tuple[Timing, ...]
    throughput_unit: str
    operation_rate: float | None
    cells: int
    core_seconds: float
    dataset_bytes: int
    worker_bytes: int


def bench_study(study: Study, *, seconds: float = 2.0, kinds: int = KINDS) -> Benchmark:
    """Time cells of a study on one core of this machine.

    Parameters
    ----------
    study : Study
        Checked with `physbatch.engines.registry.require_built`.
    seconds : float
        About how long each cell is run, once its kernel is compiled.
    kinds : int
        How many cells are timed at most.

    Returns
    -------
    Benchmark

    Raises
    ------
    StudyError
        If `seconds` or `kinds` is not positive.

    Examples
    --------
    >>> from physbatch.sweep.timing import bench_study
    >>> from physbatch.study.catalogue import study
    >>> bench = bench_study(study("greedy-unit"), seconds=0.02, kinds=1)
    >>> bench.timings[0].throughput > 0
    True
    """
    if not seconds > 0 or kinds < 1:
        raise StudyError(
            f"cannot time {kinds} cells for {seconds:g} s", where="bench", remedy="give more than 0"
        )
    plan = Plan(study, engine_for(study))
    rate = _operation_rate(study)
    chosen = _representatives(plan, kinds)
    plan.engine.compile(chosen)
    timings = tuple(_time_cell(plan, cell, seconds, rate) for cell in chosen)
    return Benchmark(
        timings=timings,
        throughput_unit="weight-samples" if study.dynamics.kind == "sgd" else "flip-samples",
        operation_rate=rate,
        cells=len(plan.cells),
        core_seconds=plan.core_seconds * _mean_ratio(plan, chosen, timings),
        dataset_bytes=plan.dataset_bytes,
        worker_bytes=plan.most_bytes,
    )


def _operation_rate(study: Study) -> float | None:
    """Vector operations per second, for the engine whose limit they are."""
    if not study.bitsliced:
        return None
    from physbatch.dynamics.bitsliced.limit import vector_operation_rate

    return vector_operation_rate()


def _representatives(plan: Plan, kinds: int) -> list[GridPoint]:
    """Cells of the first block of replicas, evenly spread over the costs of all."""
    order = sorted(plan.points, key=plan.engine.seconds)
    count = min(kinds, len(order))
    chosen = {round(number * (len(order) - 1) / max(count - 1, 1)) for number in range(count)}
    return [order[number] for number in sorted(chosen)]


def _mean_ratio(plan: Plan, cells: Sequence[GridPoint], timings: Sequence[Timing]) -> float:
    """Measured over estimated cost, averaged over the timed cells with their cost as weight."""
    model = sum(plan.engine.seconds(cell) for cell in cells)
    return sum(timing.expected_seconds for timing in timings) / model


def _time_cell(plan: Plan, cell: GridPoint, seconds: float, rate: float | None) -> Timing:
    """Run a part of a cell twice, the second time longer, and take the difference."""
    full = plan.study.measurement.duration
    shared = plan.study.grid.replicas_per_graph
    model = plan.engine.seconds(cell)
    # One sweep of many replicas of a large network can take longer than there is time for.
    fits = int(seconds / SHORTER / (model / full / cell.replicas)) // shared * shared
    replicas = min(cell.replicas, max(fits, shared))
    part = replace(cell, replicas=replicas)
    duration = 1
    elapsed, results = _run(plan, part, duration)
    fixed = elapsed
    while elapsed < seconds and duration < full:
        # The estimate may be off, and students may learn meanwhile: approach the time in steps.
        factor = min(SHORTER, max(2.0, seconds / max(elapsed, 1e-6)))
        duration = min(full, math.ceil(duration * factor))
        elapsed, results = _run(plan, part, duration)
    done = _times_done(plan, results, replicas, duration)
    grown = max(elapsed - fixed, 1e-9)
    # The shortest run has one step in it, and two measurements.
    per_time = grown / max(done - replicas, 1) if duration > 1 else fixed / replicas
    measuring = max(fixed - per_time * replicas, 0.0) / 2
    scale = cell.replicas / replicas
    expected = scale * (per_time * replicas * full + measuring * len(plan.times))
    throughput = _work_per_time(plan, cell) / per_time
    return Timing(
        cell=str(cell),
        replicas=replicas,
        duration=duration,
        fixed_seconds=measuring * 2 * scale,
        seconds_per_time=per_time * cell.replicas,
        throughput=throughput,
        limit_share=_share(plan, cell, throughput, rate),
        expected_seconds=expected,
        model_ratio=expected / model,
    )


def _run(plan: Plan, cell: GridPoint, duration: int) -> tuple[float, Arrays]:
    """Core seconds that a cell takes if the study lasted `duration`, and its data."""
    content = plan.study.model_dump(mode="json")
    times = {"kind": "list", "values": [0, duration]}
    content["measurement"] = {**content["measurement"], "duration": duration, "times": times}
    short = replace(cell, points=GridPoints(Study.from_dict(content)))
    short.stream_keys()  # a run names its cells before it computes them
    start = time.process_time()
    results = plan.engine.simulate(short, "cpu")
    return time.process_time() - start, results


def ends_with_success(study: Study) -> bool:
    """Whether nothing is computed any more once a student is perfect: with ties rejected.

    Examples
    --------
    >>> from physbatch.study.catalogue import study
    >>> ends_with_success(study("sparse-vector")), ends_with_success(study("greedy-unit"))
    (True, False)
    """
    dynamics = study.dynamics
    return isinstance(dynamics, Greedy) and dynamics.ties == "reject" and study.bitsliced


def _times_done(plan: Plan, results: Arrays, replicas: int, duration: int) -> float:
    """Sweeps or steps that were computed, over all replicas."""
    if ends_with_success(plan.study):
        return float(results["first_passage"].clip(max=duration).sum())
    return float(replicas * duration)


def _work_per_time(plan: Plan, cell: GridPoint) -> float:
    """What one replica does in one unit of time: weights times samples."""
    if plan.study.system.kind != "teacher-student":  # whatever it does for a sample
        return cell.batch_size
    learnable = cell.student.learnable
    if plan.study.measurement.unit == "samples":
        return float(learnable)
    return learnable * cell.batch_size


def _share(plan: Plan, cell: GridPoint, throughput: float, rate: float | None) -> float | None:
    if rate is None:
        return None
    from physbatch.dynamics.bitsliced.limit import flip_sample_limit

    limit = flip_sample_limit(cell.teacher, rate)
    return None if limit is None else throughput / limit
