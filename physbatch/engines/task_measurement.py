"""What the students of a task measure, in function space and in that of the weights."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from physbatch.dataset import STATUS_DIVERGED, STATUS_OK
from physbatch.dynamics.task.curvatures import largest_curvatures, sharpness_along_gradients
from physbatch.dynamics.task.descent import Network, TaskDescent
from physbatch.dynamics.task.global_draws import no_global_draws
from physbatch.dynamics.task.moments_of_gradients import gradient_moments
from physbatch.dynamics.task.protocol import Weights
from physbatch.dynamics.task.run import RANDOM_STUDENTS, SAME_DATA, SAME_TEACHER, STUDENT
from physbatch.dynamics.task.samples import Leaves, whole
from physbatch.engines.checkpoint import Pauses, pack, unpack
from physbatch.engines.end_states import MEASURED, State
from physbatch.engines.point import GridPoint
from physbatch.engines.protocol import Arrays
from physbatch.errors import StudyError
from physbatch.systems.function_space import compare_functions, function_overlap
from physbatch.typing import FloatArray, IntArray

#: Training samples whose error is measured at once.
_AT_ONCE = 512


class Students:
    """The students of a block of replicas, and those that share their teachers.

    Parameters
    ----------
    network : Network
        The task for these replicas.
    overlaps : bool
        Whether two more students of each replica learn, for overlaps between them.
    sharpness, gradient_noise : bool
        Whether the largest curvature of the loss, and the noise of its gradient, are measured.
    sharpness_batches : int
        Number of batches over which the curvature along the gradient is averaged; 0: it is not.
    """

    def __init__(
        self,
        network: Network,
        *,
        overlaps: bool,
        sharpness: bool = False,
        sharpness_batches: int = 0,
        gradient_noise: bool = False,
    ) -> None:
        self._network, self._sharpness = network, sharpness
        self._sharpness_batches = sharpness_batches
        self._gradient_noise = gradient_noise
        members = (STUDENT, SAME_DATA, SAME_TEACHER) if overlaps else (STUDENT,)
        self.descents = [TaskDescent(network, member) for member in members]
        self._started = {name: w.clone() for name, w in self.descents[0].learned.items()}
        self._probes: tuple[Leaves, torch.Tensor] | None = None

    @property
    def step(self) -> int:
        """Number of steps done."""
        return self.descents[0].step

    @property
    def diverged_at(self) -> IntArray:
        """The step at which a replica was found to have diverged, or -1, shape (replica,)."""
        return self.descents[0].diverged_at

    def advance(self, stop: int) -> None:
        """Go on to `stop` steps."""
        for descent in self.descents:
            descent.advance(stop)

    def state(self) -> State:
        """What students of the same task need to go on from here."""
        state: State = {}
        for number, descent in enumerate(self.descents):
            state.update(pack(f"{number}", descent.state()))
        return state

    def restore(self, state: State) -> None:
        """Go on from a state."""
        for number, descent in enumerate(self.descents):
            descent.restore(unpack(f"{number}", state))

    def probes(self, count: int) -> tuple[Leaves, torch.Tensor]:
        """The fixed probe inputs of each replica, and what its teacher says of them."""
        if self._probes is None:
            inputs = self.descents[0].source.inputs(count, "probe")
            self._probes = inputs, self._network.labels(inputs)
        return self._probes

    def random_error(self, count: int) -> FloatArray:
        """Mean error of random students, shape (replica,)."""
        inputs, targets = self.probes(count)
        errors = [
            compare_functions(
                self._network.outputs(self._network.students(member.start), inputs), targets
            ).error
            for member in RANDOM_STUDENTS
        ]
        return np.asarray(np.mean(errors, axis=0), dtype=np.float64)

    def measure(self, count: int) -> dict[str, FloatArray]:
        """Everything at this time, each of shape (replica,)."""
        descent, network = self.descents[0], self._network
        descent.note_diverged()
        inputs, targets = self.probes(count)
        outputs = [network.outputs(each.students, inputs) for each in self.descents]
        _check_outputs(network, outputs[0], targets)
        order = compare_functions(outputs[0], targets)
        learned = torch.cat([w.double().flatten(1) for w in descent.learned.values()], dim=1)
        started = torch.cat([w.double().flatten(1) for w in self._started.values()], dim=1)
        measured = {
            "overlap": order.overlap,
            "function_overlap": order.overlap,
            "generalization_error": order.error,
            "teacher_student_product": order.product,
            "student_square": order.square,
            "teacher_square": order.teacher_square,
            "batch_error": descent.batch_loss(),
            "weight_norm": (learned**2).mean(dim=1).sqrt().cpu().numpy(),
            "distance_moved": ((learned - started) ** 2).mean(dim=1).sqrt().cpu().numpy(),
        }
        if descent.source.patterns is not None:
            measured["training_error"] = self._training_error(*descent.source.patterns)
        if self._sharpness:
            measured.update(largest_curvatures(descent, (inputs, targets)))
        if self._sharpness_batches:
            measured.update(sharpness_along_gradients(descent, self._sharpness_batches))
        if self._gradient_noise:
            measured.update(gradient_moments(descent, (inputs, targets)))
        if len(outputs) > 1:
            measured["replica_overlap_data"] = function_overlap(outputs[0], outputs[1], targets)
            measured["replica_overlap"] = function_overlap(outputs[0], outputs[2], targets)
        return {**measured, **self._own(inputs)}

    def _training_error(self, inputs: Leaves, targets: torch.Tensor) -> FloatArray:
        """Error on the training set with the labels that were learned, some samples at a time."""
        count, total = targets.shape[1], np.zeros(targets.shape[0])
        for first in range(0, count, _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            some = {name: leaf[:, part] for name, leaf in inputs.items()}
            outputs = self._network.outputs(self.descents[0].students, some)
            error = compare_functions(outputs, targets[:, part]).error
            total += error * targets[:, part].shape[1]
        return total / count

    def _own(self, inputs: Leaves) -> dict[str, FloatArray]:
        """The task's own overlap and observables, replica by replica."""
        task, network = self._network.task, self._network
        measured: dict[str, list[float]] = {}
        students = self.descents[0].students
        for row in range(len(network.run.replicas)):
            student, teacher = _row(students, row), _row(network.teacher, row)
            alive = self.diverged_at[row] < 0
            with torch.no_grad(), no_global_draws(type(task).__name__) as check:
                named: dict[str, Any] = {}
                if hasattr(task, "overlap"):
                    named["overlap"] = task.overlap(student, teacher) if alive else np.nan
                if hasattr(task, "observables"):
                    x = whole({name: leaf[row] for name, leaf in inputs.items()})
                    named.update(_named(task.observables(student, teacher, x), task))
                check(False)
            for name, value in named.items():
                measured.setdefault(name, []).append(_scalar(value, name, type(task).__name__))
        return {name: np.array(values) for name, values in measured.items()}


def _row(weights: Weights, row: int) -> Weights:
    """The weights of one replica."""
    return {name: values[row] for name, values in weights.items()}


def _named(observables: Any, task: Any) -> Mapping[str, Any]:
    """What a task measures besides, by name."""
    if isinstance(observables, Mapping):
        return observables
    raise StudyError(
        f"returns {type(observables).__name__}, not a dictionary of numbers",
        where=f"{type(task).__name__}.observables",
    )


def _scalar(value: Any, name: str, where: str) -> float:
    try:
        if not isinstance(value, str):
            return float(value)
        raise TypeError
    except (TypeError, ValueError, RuntimeError):
        raise StudyError(f"{name!r} is not one number", where=where) from None


def _check_outputs(network: Network, outputs: torch.Tensor, targets: torch.Tensor) -> None:
    """Outputs can be compared with the targets; their loss, if it is the task's, has no say."""
    classes = not targets.dtype.is_floating_point
    if (outputs.shape[:-1] if classes else outputs.shape) != targets.shape:
        raise StudyError(
            f"forward returns {tuple(outputs.shape[1:])}, "
            f"teacher_forward {tuple(targets.shape[1:])}",
            where=type(network.task).__name__,
            remedy="give numbers the same shape, and classes one score each in a last dimension",
        )
    if not outputs.dtype.is_floating_point:
        kind = str(outputs.dtype).removeprefix("torch.")
        raise StudyError(f"forward returns {kind} numbers", where=type(network.task).__name__)
    if classes and not 0 <= int(targets.min()) <= int(targets.max()) < outputs.shape[-1]:
        raise StudyError(
            f"teacher_forward returns class {int(targets.max())} where it has {outputs.shape[-1]} "
            "scores: classes are 0, 1, ...",
            where=type(network.task).__name__,
        )


def run_and_measure(
    point: GridPoint, students: Students, block: range, whole_cell: Arrays, pauses: Pauses
) -> None:
    """Train a block of replicas from time 0 and measure it at every measuring time.

    The rows of `whole_cell` that are in the block are filled in. A state that `pauses` holds is
    gone on from; CellPaused if the run must end.
    """
    first = max(block.start, point.first_replica)
    stop = min(block.stop, point.first_replica + point.replicas)
    mine = slice(first - block.start, stop - block.start)
    rows = slice(first - point.first_replica, stop - point.first_replica)
    out = {name: values[rows] for name, values in whole_cell.items()}
    count = point.study.measurement.test_samples
    begun = pauses.take()
    with np.errstate(all="ignore"):
        if begun is None:
            first_column = 0
            threshold = students.random_error(count) * point.study.measurement.success_fraction
        else:
            first_column, threshold = int(begun["column"]), begun["threshold"].astype(np.float64)
            students.restore(unpack("students", begun))
        for column in range(first_column, len(point.updates)):
            state = functools.partial(_state, block, column, threshold, students, whole_cell)
            for step in pauses.pieces(students.step, int(point.updates[column]), state):
                students.advance(step)
            # With more blocks than one nobody holds the end states of the others.
            if column == len(point.updates) - 1 and stop - first == point.replicas:
                pauses.finish(state())
            _keep(students.measure(count), students.diverged_at < 0, mine, column, out)
    _ends(point, students.diverged_at[mine], threshold[mine], out)


def _keep(
    measured: dict[str, FloatArray],
    alive: np.ndarray[Any, np.dtype[np.bool_]],
    mine: slice,
    column: int,
    out: Arrays,
) -> None:
    """Put what was measured of the replicas that have not diverged into its place."""
    lost = set(measured) - set(out) | {
        name for name in out if out[name].ndim == 2 and name not in measured
    }
    if lost:
        raise StudyError(
            f"observable {sorted(lost)[0]!r} is not what the source shows",
            where="observables",
            remedy='write observable_names = ("name", ...) in the class, above observables',
        )
    for name, values in measured.items():
        target, there = out[name], alive[mine]
        if target.ndim == 1:
            target[there] = values[mine][there]
        else:
            target[there, column] = values[mine][there]


def _state(
    block: range, column: int, threshold: FloatArray, students: Students, whole_cell: Arrays
) -> State:
    """All that is needed to go on: `column` is the next measuring time."""
    return {
        "first": np.array(block.start),
        "column": np.array(column),
        "threshold": threshold,
        **pack("students", students.state()),
        **pack(MEASURED, whole_cell),
    }


def _ends(point: GridPoint, lost: IntArray, threshold: FloatArray, out: Arrays) -> None:
    """How the replicas ended: success, first passages and divergence."""
    below = np.asarray(out["generalization_error"], dtype=np.float64) < threshold[:, None]
    passed = below.any(axis=1)
    first = np.where(passed, below.argmax(axis=1), 0)
    times = np.array(point.times, dtype=np.float64)
    out["first_passage"][:] = np.where(passed, times[first], np.inf)
    before = np.where(first > 0, times[first - 1], 0.0)
    out["first_passage_lower"][:] = np.where(passed, before, point.study.measurement.duration)
    out["success"][:] = below[:, -1]
    out["diverged_at"][:] = np.where(lost >= 0, point.time_of_update * lost, np.inf)
    out["status"][:] = np.where(lost >= 0, STATUS_DIVERGED, STATUS_OK)
