"""What gradient descent measures: errors, overlaps, success and divergence of some replicas."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from physbatch.dataset import STATUS_DIVERGED, STATUS_OK
from physbatch.dynamics.sgd.run import GradientRun
from physbatch.engines.checkpoint import Pauses, pack, unpack, unpack_into
from physbatch.engines.end_states import MEASURED, State
from physbatch.engines.point import GridPoint
from physbatch.engines.protocol import Arrays
from physbatch.errors import StudyError
from physbatch.streams.keys import StreamKeys
from physbatch.study.dynamics import SGD
from physbatch.study.model import Study
from physbatch.study.system import DenseWiring
from physbatch.systems.architecture import Architecture
from physbatch.systems.continuous import ContinuousSystem, Functions, random_students
from physbatch.systems.generalization import closed_form_error, has_closed_form
from physbatch.systems.order_parameters import measure_overlaps
from physbatch.typing import FloatArray, IntArray

#: Random students of each replica whose mean error and overlap are the baselines.
RANDOM_STUDENTS = 8


class Descent(Protocol):
    """What both implementations of the dynamics offer."""

    @property
    def step(self) -> int:
        """Number of steps done."""

    @property
    def diverged_at(self) -> IntArray:
        """The step at which a replica diverged, or -1, shape (replica,)."""

    @property
    def stopped_at(self) -> IntArray:
        """The step from which on the loss of all patterns was zero, or -1, shape (replica,)."""

    def give_up(self, replica: int) -> None:
        """Count a replica as diverged from now on."""

    def advance(self, stop: int) -> None:
        """Go on to `stop` steps."""

    def students(self) -> FloatArray:
        """The weights now, shape (replica, edge)."""

    def batch_loss(self) -> FloatArray:
        """Mean loss per sample and output on the batch last drawn, shape (replica,)."""

    def test_error(self, students: npt.NDArray[np.floating], time: int, samples: int) -> FloatArray:
        """Error on fresh samples, shape (replica,)."""

    def state(self) -> State:
        """What a descent of the same system needs to go on from here."""

    def restore(self, state: State) -> None:
        """Go on from a state."""


@dataclass(frozen=True)
class Prepared:
    """A drawn system and its instructions, and whether its errors need no samples."""

    system: ContinuousSystem
    run: GradientRun
    keys: StreamKeys
    closed_form: bool

    @property
    def parts(self) -> tuple[ContinuousSystem, GradientRun]:
        """What a descent is made of."""
        return self.system, self.run


def layers_of(study: Study) -> Iterator[tuple[Architecture, Architecture]]:
    """Layers of teachers and students at every size and degree."""
    for size in study.grid.size:
        for degree in study.degrees or (None,):
            yield study.architecture(size, degree), study.student_architecture(size, degree)


def functions_of(study: Study) -> Functions:
    """What the units of a study compute."""
    system = study.system
    if system.activation == "sign":
        raise StudyError("activation 'sign' has no gradient")
    return Functions(
        activation=system.activation,
        teacher_activation=system.teacher_activation,
        sqrt_fan_in=system.field_scaling == "sqrt_fan_in",
        activated_readout=system.readout == "activated",
        committee=isinstance(system.wiring, DenseWiring) and system.learned_layers == "first",
    )


def dynamics_of(study: Study) -> SGD:
    """The study's gradient descent."""
    if not isinstance(study.dynamics, SGD):
        raise StudyError(f"dynamics {study.dynamics.kind!r} is no gradient descent")
    return study.dynamics


def closed_form(study: Study) -> bool:
    """Whether generalisation errors need no samples."""
    if getattr(study.system.inputs, "spectrum", None) is not None:
        return False
    return all(
        has_closed_form(
            teacher,
            student,
            functions_of(study),
            inputs="gaussian" if study.system.gaussian_inputs else "binary",
            loss=dynamics_of(study).loss,
        )
        for teacher, student in layers_of(study)
    )


class Replicas:
    """The replicas of a cell, some of them at work at a time, and what was measured.

    `states` holds, for each replica, what its descent needs to go on and the error below which it
    succeeds: of those that are done at the end, of those whose turn comes at the beginning of this
    run, which is step `step` and measuring time `column`.
    """

    def __init__(self, whole: Arrays, pauses: Pauses) -> None:
        self.whole, self._pauses = whole, pauses
        self.states: State = {}
        self.step, self.column = 0, 0
        begun = pauses.take()
        #: First of the replicas at work, and their own step and measuring time.
        self.first, self._now = 0, (0, 0)
        if begun is not None:
            self.first, *now, self.step, self.column = begun["at"].tolist()
            self._now = now[0], now[1]
            self.states = unpack("state", begun)
            unpack_into(whole, MEASURED, begun)

    def restore(self, rows: slice, descent: Descent) -> tuple[int, FloatArray | None]:
        """Where the next replicas are: the measuring time and the threshold, None at the start."""
        resumed = self.first == rows.start
        step, column = self._now if resumed else (self.step, self.column)
        self.first, self._now = rows.start, (self.step, self.column)
        if not self.states or not (resumed or self.step or self.column):
            return 0, None
        states = {name: values[rows] for name, values in self.states.items()}
        threshold = states.pop("threshold").astype(np.float64)
        descent.restore({"step": np.array(step), **states})
        return column, threshold

    def pieces(
        self, column: int, last: int, threshold: FloatArray, descent: Descent
    ) -> Iterator[int]:
        """The steps up to which to go, the last of them that of a measuring time."""

        def state() -> State:
            self.note(threshold, descent)
            return self.saved((self.first, descent.step, column, self.step, self.column))

        return self._pauses.pieces(descent.step, last, state)

    def note(self, threshold: FloatArray, descent: Descent) -> None:
        """Keep the state of the replicas at work."""
        now = {name: values for name, values in descent.state().items() if name != "step"}
        now["threshold"] = threshold
        rows = slice(self.first, self.first + len(threshold))
        for name, values in now.items():
            if name not in self.states:
                replicas = len(self.whole["status"])
                self.states[name] = np.zeros((replicas, *values.shape[1:]), values.dtype)
            self.states[name][rows] = values

    def saved(self, at: tuple[int, ...]) -> State:
        """All that is needed to go on."""
        return {"at": np.array(at), **pack("state", self.states), **pack(MEASURED, self.whole)}

    def finish(self, step: int, column: int) -> None:
        """All are done: tell the end state, at the last measuring time."""
        self._pauses.finish(self.saved((0, step, column, step, column)))


def run_and_measure(
    point: GridPoint, prepared: Prepared, descent: Descent, rows: slice, replicas: Replicas
) -> None:
    """Simulate some replicas of a cell and measure them at every measuring time.

    The `rows` of the variables of the whole cell are filled in; CellPaused if the run must end.
    """
    out = {name: values[rows] for name, values in replicas.whole.items()}
    last_column = len(point.updates) - 1
    # Numbers close to the largest are measured before they are found to have diverged.
    with np.errstate(all="ignore"):
        first_column, threshold = replicas.restore(rows, descent)
        if threshold is None:
            threshold = _baselines(point, prepared, descent, out)
        for column in range(first_column, last_column + 1):
            last = int(point.updates[column])
            for stop in replicas.pieces(column, last, threshold, descent):
                descent.advance(stop)
            if column == last_column:
                replicas.note(threshold, descent)
            _measure(point, prepared, descent, column, out)
    below = np.asarray(out["generalization_error"], dtype=np.float64) < threshold[:, None]
    passed = below.any(axis=1)
    column_of_first = np.where(passed, below.argmax(axis=1), 0)
    times = np.array(point.times, dtype=np.float64)
    out["first_passage"][:] = np.where(passed, times[column_of_first], np.inf)
    before = np.where(column_of_first > 0, times[column_of_first - 1], 0.0)
    out["first_passage_lower"][:] = np.where(passed, before, point.study.measurement.duration)
    out["success"][:] = below[:, -1]
    lost = descent.diverged_at
    out["diverged_at"][:] = np.where(lost >= 0, point.time_of_update * lost, np.inf)
    out["status"][:] = np.where(lost >= 0, STATUS_DIVERGED, STATUS_OK)
    if "stopped_at" in out:
        ended = descent.stopped_at
        out["stopped_at"][:] = np.where(ended >= 0, point.time_of_update * ended, np.inf)


def _errors(
    point: GridPoint, prepared: Prepared, descent: Descent, students: FloatArray, time: int
) -> FloatArray:
    """Generalisation error of one student of each replica."""
    if not prepared.closed_form:
        return descent.test_error(students, time, point.study.measurement.test_samples)
    return np.array(
        [
            closed_form_error(
                prepared.system,
                row,
                student,
                loss=prepared.run.loss,
                margin_exponent=prepared.run.margin_exponent,
            )
            for row, student in enumerate(students)
        ]
    )


def _baselines(point: GridPoint, prepared: Prepared, descent: Descent, out: Arrays) -> FloatArray:
    """The error below which a student succeeds, from random students; their overlap as well."""
    system = prepared.system
    errors, overlaps = np.zeros(len(system.student)), np.zeros(len(system.student))
    for number, students in enumerate(
        random_students(system, prepared.keys, point.first_replica, RANDOM_STUDENTS)
    ):
        # Test inputs of their own: no measuring time is that large.
        errors += _errors(point, prepared, descent, students, 2**50 + number)
        if "random_overlap" in out:
            overlaps += [
                measure_overlaps(system, row, student).overlap
                for row, student in enumerate(students)
            ]
    if "random_overlap" in out:
        out["random_overlap"][:] = overlaps / RANDOM_STUDENTS
    return errors / RANDOM_STUDENTS * point.study.measurement.success_fraction


def _measure(
    point: GridPoint, prepared: Prepared, descent: Descent, column: int, out: Arrays
) -> None:
    """Everything at one time, for the replicas that have not diverged."""
    matrices = "student_overlap" in out
    students = descent.students()
    alive = descent.diverged_at < 0
    errors = _errors(
        point, prepared, descent, np.where(alive[:, None], students, 0.0), descent.step
    )
    losses = descent.batch_loss()
    for row in map(int, np.flatnonzero(alive)):
        order = measure_overlaps(prepared.system, row, students[row], matrices=matrices)
        numbers = {
            "overlap": order.overlap,
            "generalization_error": errors[row],
            "batch_error": losses[row],
            "weight_error": order.weight_error,
            "student_norm": order.student_norm,
        }
        if not np.all(np.isfinite(list(numbers.values()))):
            descent.give_up(row)
            continue
        for name, number in numbers.items():
            out[name][row, column] = number
        if matrices:
            out["student_overlap"][row, column] = order.student_overlaps
            out["teacher_overlap"][row, column] = order.teacher_overlaps
