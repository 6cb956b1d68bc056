"""Any model in torch that a user's task describes, as an engine of the sweep."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from physbatch.dataset import OPTIONAL_VARIABLES, VARIABLES, VariableSpec
from physbatch.dynamics.sgd.curvature import CURVATURE_PRODUCTS
from physbatch.dynamics.task.descent import Network, torch_of_its_own
from physbatch.dynamics.task.optimizers import Rule
from physbatch.dynamics.task.run import TaskRun
from physbatch.dynamics.task.trial import check_loss, check_repeatable
from physbatch.engines.checkpoint import UNSAVED, CellPaused, Checkpoint, Pauses, unpack_into
from physbatch.engines.end_states import MEASURED
from physbatch.engines.faults import line_of, refuse_names, words_of
from physbatch.engines.point import GridPoint
from physbatch.engines.protocol import Arrays, unmeasured
from physbatch.engines.task_code import observables_of, source_of, task_of
from physbatch.engines.task_costs import Costs, costs_of
from physbatch.engines.task_measurement import Students, run_and_measure
from physbatch.errors import PhysbatchError, StudyError
from physbatch.study.dynamics import SGD
from physbatch.study.grid import REPLICAS_PER_CELL
from physbatch.study.model import Study

#: Replicas that are computed together need about this much memory.
MEMORY_BUDGET = 512 * 2**20
_DTYPES = {"float32": torch.float32, "float64": torch.float64}


class TorchTaskEngine:
    """Gradient descent of a user's task; see `physbatch.engines.protocol.Engine`."""

    def variables(self, study: Study) -> Mapping[str, VariableSpec]:
        """What a cell's result holds; the source of the task is read for it, and not run."""
        names = ["function_overlap", "teacher_student_product", "student_square", "teacher_square"]
        names += ["weight_norm", "distance_moved", "diverged_at"]
        if study.grid.pattern_count or study.system.pattern_count:
            names.append("training_error")
        if study.measurement.sharpness:
            names += ["sharpness", "batch_sharpness"]
        if study.measurement.sharpness_batches:
            names += ["directional_sharpness", "directional_sharpness_ratio"]
        if study.measurement.gradient_noise:
            names += ["gradient_square", "gradient_variance"]
        if study.measurement.replica_overlaps:
            names += ["replica_overlap", "replica_overlap_data"]
        specs = {**VARIABLES, **{name: OPTIONAL_VARIABLES[name] for name in names}}
        for name, words in _long_names(study).items():
            if name in specs:
                specs[name] = replace(specs[name], long_name=words)
        observables = observables_of(study)
        taken = (*VARIABLES, *OPTIONAL_VARIABLES, *study.grid.options)
        refuse_names(observables, taken, where=f"task {study.system.task}")
        specs.update({name: VariableSpec(f"{name}, of the task") for name in observables})
        return specs

    def lengths(self, study: Study) -> Mapping[str, int]:
        """No dimensions besides replica and time."""
        return {}

    def simulate(self, point: GridPoint, device: str, checkpoint: Checkpoint = UNSAVED) -> Arrays:
        """All replicas of a block at once, block after block.

        A state is that of the block at work and what was measured.
        """
        out = unmeasured(self, point)
        pauses = Pauses(checkpoint, device, times=point.times)
        begun = pauses.state
        if begun is not None:
            unpack_into(out, MEASURED, begun)
        with _users_code(point):
            lanes = _lanes(point)
            last = point.first_replica + point.replicas
            first = point.first_replica // lanes * lanes
            if begun is not None:
                first = int(begun["first"])
            for start in range(first, last, lanes):
                students = _students(point, start, lanes, device)
                run_and_measure(point, students, range(start, start + lanes), out, pauses)
        return out

    def end_state_bytes(self, point: GridPoint) -> int:
        """Weights, what the optimizer remembers, and what was measured; none of several blocks."""
        if _lanes(point) < point.replicas:
            return 0
        students = 3 if point.study.measurement.replica_overlaps else 1
        return int(
            point.replicas * (students * 24 * _costs(point).weights + 100 * len(point.times))
        )

    def compile(self, points: Sequence[GridPoint]) -> None:
        """Try the task at the smallest point: faults show before workers start."""
        point = min(points, key=lambda point: (point.size, point.batch_size))
        with _users_code(point, trial=True):
            check_repeatable(
                lambda: task_of(point.study, point.options), _run(point, range(1), "cpu")
            )
            students = _students(point, 0, 1, "cpu")
            students.measure(point.study.measurement.test_samples)
            check_loss(students.descents[0])
            students.advance(1)

    def seconds(self, point: GridPoint) -> float:
        """About how long the replicas take on one core, from the costs of one student.

        Measured on one core at 2.6 GHz (2026-11): 10 GFLOP/s, 3 us an operation and block, and a
        step takes about four times the operations of the way forward, and three times its flops.
        """
        costs, lanes = _costs(point), _lanes(point)
        blocks = -(-point.replicas // lanes)
        numbers = point.batch_size * (3e-10 * costs.flops + 4e-9 * costs.inputs + 2e-9 * costs.kept)
        step = 12e-6 * (costs.operations + 4) + lanes * (numbers + 1e-9 * costs.weights)
        probes = point.study.measurement.test_samples
        look = 1e-3 + lanes * (1e-4 + probes * (1e-10 * costs.flops + 4e-9 * costs.inputs))
        if point.study.measurement.sharpness:
            samples = (point.pattern_count or probes) + point.batch_size
            look += CURVATURE_PRODUCTS * (
                24e-6 * costs.operations + lanes * samples * 6e-10 * costs.flops
            )
        if point.study.measurement.sharpness_batches:
            drawn = 2e-5 if point.pattern_count else 8e-5
            look += point.study.measurement.sharpness_batches * (
                1e-4 * costs.operations + lanes * (drawn + 3 * numbers)
            )
        if point.study.measurement.gradient_noise:
            samples = point.pattern_count or probes
            look += 400e-6 * costs.operations + lanes * samples * 3e-10 * costs.flops
        students = 3 if point.study.measurement.replica_overlaps else 1
        return float(blocks * students * (point.updates[-1] * step + len(point.times) * look))

    def replica_bytes(self, point: GridPoint) -> int:
        """Weights, samples, and what the way back needs; blocks share the budget in turns."""
        return _lane_bytes(point) * _lanes(point) // min(point.replicas, REPLICAS_PER_CELL)


@contextmanager
def _users_code(point: GridPoint, *, trial: bool = False) -> Iterator[None]:
    """Faults of a user's code with its file and line, as errors that the user can act upon.

    In a trial at small sizes complaints of torch, and of ours where calls do not fit, are the
    task's.
    """
    try:
        with torch_of_its_own(_DTYPES[_sgd(point.study).precision]):
            yield
    except (CellPaused, PhysbatchError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        line = line_of(error)
        if line is None and trial:
            line = f"task {point.study.system.task}"
        if line is None:
            raise
        raise StudyError(words_of(error), where=f"{line}, at {point}") from error


def _sgd(study: Study) -> SGD:
    if not isinstance(study.dynamics, SGD):
        raise StudyError(f"dynamics {study.dynamics.kind!r} is no gradient descent")
    return study.dynamics


def _students(point: GridPoint, first: int, lanes: int, device: str) -> Students:
    """The students of a block before they learn."""
    task = task_of(point.study, point.options)
    network = Network(task, _run(point, range(first, first + lanes), device))
    measurement = point.study.measurement
    return Students(
        network,
        overlaps=measurement.replica_overlaps,
        sharpness=measurement.sharpness,
        sharpness_batches=measurement.sharpness_batches,
        gradient_noise=measurement.gradient_noise,
    )


def _run(point: GridPoint, replicas: range, device: str) -> TaskRun:
    """The physics of a grid point as a descent takes it."""
    dynamics = _sgd(point.study)
    return TaskRun(
        size=point.size,
        batch_size=point.batch_size,
        learning_rate=point.learning_rate,
        batch_factor=dynamics.batch_schedule.factor,
        rate_factor=dynamics.learning_rate.schedule.factor,
        largest_factor=dynamics.batch_schedule.largest,
        optimizer=Rule(
            dynamics.optimizer,
            dynamics.momentum,
            dynamics.nesterov,
            dynamics.weight_decay,
            dynamics.betas,
            dynamics.epsilon,
        ),
        loss=dynamics.loss,
        patterns=point.pattern_count or 0,
        sampling=dynamics.sampling,
        replicas=replicas,
        keys=point.stream_keys(),
        dtype=_DTYPES[dynamics.precision],
        device=torch.device(device),
    )


def _lanes(point: GridPoint) -> int:
    """Replicas that are computed together: it depends on the point alone, not on their number."""
    if point.study.system.lanes is not None:
        return point.study.system.lanes
    lanes = REPLICAS_PER_CELL
    each = _lane_bytes(point)
    while lanes > 1 and lanes * each > MEMORY_BUDGET:
        lanes //= 2
    return lanes


def _lane_bytes(point: GridPoint) -> int:
    """About what one replica needs while it learns and is measured."""
    costs, dynamics = _costs(point), _sgd(point.study)
    number = 4 if dynamics.precision == "float32" else 8
    samples = point.batch_size * dynamics.batch_schedule.largest
    probes = point.study.measurement.test_samples
    numbers = 1.0 * costs.weights * (5 + (0 if dynamics.optimizer == "sgd" else 2))
    numbers += (3 * samples + probes) * costs.kept
    drawn = 2 * samples + probes + 2 * (point.pattern_count or 0)
    numbers += 2**15 + drawn * costs.inputs
    students = 3 if point.study.measurement.replica_overlaps else 1
    return int(number * numbers * students) + 64 * len(point.times)


def _costs(point: GridPoint) -> Costs:
    options = tuple(sorted(point.options.items()))
    digest = source_of(str(point.study.system.task)).digest
    return _costs_at(_Costed(point, (digest, point.size, options)))


class _Costed:
    """A point whose costs depend on its size and options, and on the code."""

    def __init__(self, point: GridPoint, what: tuple[Any, ...]) -> None:
        self.point, self.what = point, (point.study.system.task, *what)

    def __hash__(self) -> int:
        return hash(self.what)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Costed) and self.what == other.what


@functools.lru_cache(maxsize=1024)
def _costs_at(costed: _Costed) -> Costs:
    point = costed.point
    with _users_code(point, trial=True):
        run = replace(_run(point, range(1), "cpu"), patterns=0)
        return costs_of(task_of(point.study, point.options), run)


def _long_names(study: Study) -> dict[str, str]:
    """What the variables of a dataset mean for a task."""
    probes = study.measurement.test_samples
    error = "half the squared difference from the teacher per output, or fraction of wrong classes"
    return {
        "overlap": "overlap of student and teacher, of the task's own definition or m_hat = "
        f"<f_s f_t>/sqrt(<f_s^2> <f_t^2>) on {probes} fixed probe inputs",
        "generalization_error": f"{error}, on {probes} fixed probe inputs",
        "training_error": f"{error}, on the training set with its labels",
        "batch_error": "mean loss over the batch last drawn",
        "sharpness": "largest eigenvalue of the second derivative of the mean loss on the training "
        f"set, or on {probes} fixed probe inputs where all samples are fresh",
        "batch_sharpness": "largest eigenvalue of the second derivative of the mean loss on the "
        "batch last drawn",
        "success": (
            "1 if the generalisation error at the end is below "
            f"{study.measurement.success_fraction:g} of a random student's, 0 if not, -1 if missing"
        ),
        "gradient_square": "|G|^2, G the gradient of the mean loss on the training set, or an "
        f"unbiased estimate from {probes} fixed probe inputs where all samples are fresh",
        "gradient_variance": "tr S, S the covariance of the gradients of single samples of the "
        f"training set, or of {probes} fixed probe inputs with the noise of labels",
        "diverged_at": "time at which the replica was found outside the range of floating-point "
        "numbers; inf: it was not",
    }
