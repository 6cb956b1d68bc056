"""Projected dynamics of soft committees, as an engine of the sweep."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from physbatch.dataset import (
    OPTIONAL_VARIABLES,
    STATUS_DIVERGED,
    STATUS_OK,
    UNIT_DIMS,
    VARIABLES,
    VariableSpec,
)
from physbatch.dynamics.projected.run import ProjectedRun, run_projected
from physbatch.dynamics.projected.state import CommitteeState, draw_state
from physbatch.dynamics.rules import batch_rule
from physbatch.engines.checkpoint import (
    UNSAVED,
    Checkpoint,
    Pauses,
    pack,
    unpack,
    unpack_into,
)
from physbatch.engines.end_states import MEASURED, State
from physbatch.engines.point import GridPoint
from physbatch.engines.protocol import Arrays, unmeasured
from physbatch.exact.committee import random_student_error
from physbatch.study.model import Study
from physbatch.study.projection import committee_units
from physbatch.systems.order_parameters import match_units
from physbatch.typing import FloatArray, IntArray

#: Steps between two looks for the first passage: rare enough to cost little.
CHECK_INTERVAL = 16


class ProjectedEngine:
    """Soft committees through their overlaps; see `physbatch.engines.protocol.Engine`."""

    def variables(self, study: Study) -> Mapping[str, VariableSpec]:
        """What a cell's result holds."""
        names = ("weight_error", "student_norm", "diverged_at", "random_overlap")
        matrices = ("student_overlap", "teacher_overlap")
        specs = {
            **VARIABLES,
            **{name: OPTIONAL_VARIABLES[name] for name in (*names, *matrices)},
        }
        fraction = study.measurement.success_fraction
        words = {
            "overlap": "mean overlap of matched hidden units, R_in/sqrt(Q_ii T_nn)",
            "generalization_error": "(y - y*)^2/2 on fresh noiseless inputs, in closed form",
            "batch_error": "not measured by projected dynamics",
            "success": (
                f"1 if the generalisation error at the end is below {fraction:g} of a random "
                "student's, 0 if not, -1 if missing"
            ),
        }
        return {
            name: replace(spec, long_name=words.get(name, spec.long_name))
            for name, spec in specs.items()
        }

    def lengths(self, study: Study) -> Mapping[str, int]:
        """Numbers of hidden units."""
        students, teachers = _units(study)
        return dict(zip(UNIT_DIMS, (students, students, teachers), strict=True))

    def simulate(self, point: GridPoint, device: str, checkpoint: Checkpoint = UNSAVED) -> Arrays:
        """Run the chain from one measuring time to the next; the kernel runs on the CPU.

        A state is that of the chain and what was measured.
        """
        pauses = Pauses(checkpoint, "cpu", times=point.times)
        return _Chain(point).measured(unmeasured(self, point), pauses)

    def end_state_bytes(self, point: GridPoint) -> int:
        """Factors of the overlaps, and what was measured."""
        return point.replicas * (self.replica_bytes(point) + 100)

    def compile(self, points: Sequence[GridPoint]) -> None:
        """Compile the kernels by a run of no steps; they serve every point."""
        chain = _Chain(min(points, key=lambda point: point.replicas))
        chain.advance(0)

    def seconds(self, point: GridPoint) -> float:
        """About how long the replicas take on one core, whatever N is.

        Measured on one core with 32 replicas (2026-11-30): 0.14 us a step of one replica for
        K = M = 4 at m = 1 and 7.5 us at m = 100, 0.034 us for K = M = 1 at m = 1.
        """
        units = (sum(_units(point.study)) + 1) / 9
        step = (0.07e-6 + 0.074e-6 * point.batch_size) * units
        return float(point.updates[-1]) * step * point.replicas

    def replica_bytes(self, point: GridPoint) -> int:
        """Overlaps at all times."""
        students, teachers = _units(point.study)
        return 8 * len(point.times) * students * (students + teachers + 4)


def _units(study: Study) -> tuple[int, int]:
    return committee_units(study.system, study.grid.size)


class _Chain:
    """The replicas of a grid point, and where they are."""

    def __init__(self, point: GridPoint) -> None:
        self.point, self.study = point, point.study
        self.keys = point.stream_keys()
        self.students, self.teachers = _units(self.study)
        self.threshold = self.study.measurement.success_fraction * random_student_error(
            self.students, self.teachers, self.study.system.activation
        )
        self.state = self._draw(self.keys.start, point.initial_overlap)
        self.step = 0
        #: Step of the last measuring time.
        self.looked = 0
        self.passage = np.full(point.replicas, -1, dtype=np.int64)
        self.not_before = np.zeros(point.replicas, dtype=np.int64)
        self.lost = np.full(point.replicas, -1, dtype=np.int64)

    def _draw(self, start_key: int, overlap: float) -> CommitteeState:
        return draw_state(
            size=self.point.size,
            students=self.students,
            teachers=self.teachers,
            replicas=range(
                self.point.first_replica, self.point.first_replica + self.point.replicas
            ),
            teacher_key=self.keys.teacher,
            start_key=start_key,
            initial_overlap=overlap,
            orthogonal=self.study.system.teacher_vectors == "orthogonal",
        )

    def advance(self, stop: int) -> FloatArray:
        """Go on to a step; the generalisation error there, shape (replica,)."""
        end = run_projected(
            self.state,
            ProjectedRun(
                size=self.point.size,
                batch=batch_rule(self.point.batch_size),
                learning_rate=self.point.learning_rate,
                times=np.array([stop], dtype=np.int64),
                first_step=self.step,
                last_step=stop,
                dynamics_key=self.keys.dynamics,
                activation=self.study.system.activation,
                label_noise=getattr(self.study.system.inputs, "label_noise", 0.0),
                passage_error=self.threshold,
                check_interval=CHECK_INTERVAL,
                first_replica=self.point.first_replica,
            ),
        )
        self._pass(np.flatnonzero((self.passage < 0) & (end.first_passage >= 0)), end.first_passage)
        self.lost = np.where(self.lost < 0, end.diverged_at, self.lost)
        self.state, self.step = end.state, stop
        return end.generalization_error[:, 0]

    def look(self, errors: FloatArray) -> None:
        """This is a measuring time: it may see a first passage before the next check does."""
        seen = np.flatnonzero((self.passage < 0) & (errors < self.threshold))
        self._pass(seen, np.full_like(self.passage, self.step))
        self.looked = self.step

    def _pass(self, rows: IntArray, steps: IntArray) -> None:
        """Note the first passages of some replicas, and the last look before them."""
        checked = (steps[rows] - 1) // CHECK_INTERVAL * CHECK_INTERVAL
        self.not_before[rows] = np.maximum(checked, self.looked)
        self.passage[rows] = steps[rows]

    def saved(self, column: int, out: Arrays) -> State:
        """All that is needed to go on: `column` is the next measuring time."""
        return {
            "column": np.array(column),
            "step": np.array(self.step),
            "looked": np.array(self.looked),
            "passage": self.passage,
            "not_before": self.not_before,
            "lost": self.lost,
            **pack("committee", self.state._asdict()),
            **pack(MEASURED, out),
        }

    def restore(self, state: State, out: Arrays) -> int:
        """Go on from what was `saved`; the next measuring time."""
        self.step, self.looked = int(state["step"]), int(state["looked"])
        for name in ("passage", "not_before", "lost"):
            getattr(self, name)[...] = state[name]
        self.state = CommitteeState(**unpack("committee", state))  # type: ignore[arg-type]
        unpack_into(out, MEASURED, state)
        return int(state["column"])

    def measured(self, out: Arrays, pauses: Pauses) -> Arrays:
        """Everything at every measuring time, filled into `out`."""
        begun = pauses.take()
        if begun is None:
            begin = 0
            random = self._draw(self.keys.test, 0.0)
            out["random_overlap"][:] = _orders(random)[0]
        else:
            begin = self.restore(begun, out)
        updates = self.point.updates
        for column in range(begin, len(updates)):
            last = int(updates[column])
            state = functools.partial(self.saved, column, out)
            if self.step == last:
                errors = self.advance(last)
            for stop in pauses.pieces(self.step, last, state):
                errors = self.advance(stop)
            if column == len(updates) - 1:
                pauses.finish(self.saved(column, out))
            self.look(errors)
            # Numbers close to the largest are measured before they are found to have diverged.
            with np.errstate(all="ignore"):
                self._measure(column, errors, out)
        self._finish(out)
        return out

    def _measure(self, column: int, errors: FloatArray, out: Arrays) -> None:
        """Everything now, for the replicas that have not diverged."""
        alive = self.lost < 0
        overlap, weight_error, norm = _orders(self.state)
        for name, values in (
            ("generalization_error", errors),
            ("overlap", overlap),
            ("weight_error", weight_error),
            ("student_norm", norm),
            ("student_overlap", self.state.student_overlap),
            ("teacher_overlap", self.state.teacher_overlap),
        ):
            out[name][alive, column] = values[alive]

    def _finish(self, out: Arrays) -> None:
        """Success, first passage and divergence, on the clock of the dataset."""
        unit = self.point.time_of_update
        duration = self.study.measurement.duration
        passed = self.passage >= 0
        out["first_passage"][:] = np.where(passed, unit * self.passage, np.inf)
        out["first_passage_lower"][:] = np.where(passed, unit * self.not_before, duration)
        final = np.asarray(out["generalization_error"], dtype=np.float64)[:, -1]
        out["success"][:] = final < self.threshold
        diverged = self.lost >= 0
        out["status"][:] = np.where(diverged, STATUS_DIVERGED, STATUS_OK)
        out["diverged_at"][:] = np.where(diverged, unit * self.lost, np.inf)


def _orders(state: CommitteeState) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Overlap, |w - w*|^2/N of the matched units and relative norm, shape (replica,) each.

    With the second layer fixed to 1 units may be permuted, but not flipped. The distance comes
    from the factors, so that it keeps its digits however small it is.
    """
    with np.errstate(all="ignore"):  # on the way to divergence
        q, r, t = state.student_overlap, state.teacher_overlap, state.teacher_teacher
        norms = np.sqrt(np.diagonal(q, axis1=1, axis2=2))
        target = np.sqrt(np.diagonal(t, axis1=1, axis2=2))
        cosines = r / np.where(norms > 0, norms, 1)[:, :, None] / target[:, None, :]
        orders = np.full((3, len(q)), np.nan)
        for row in np.flatnonzero(np.isfinite(cosines).all(axis=(1, 2))):
            match = match_units(cosines[row], permutable=True, sign_free=False)
            apart = state.inside[row, match.students] - state.teacher[row, match.teachers]
            exact = state.partner[row, match.students] == match.teachers
            apart[exact] = state.difference[row, match.students][exact]
            outside = state.perpendicular[row, match.students]
            orders[0, row] = match.overlap
            orders[1, row] = np.sum(apart**2) + np.sum(outside**2)
            orders[2, row] = np.sqrt(np.mean(norms[row] ** 2) / np.mean(target[row] ** 2))
    return orders[0], orders[1], orders[2]
