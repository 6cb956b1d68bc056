"""Discrete weights on any system, as an engine of the sweep."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from physbatch.dataset import OPTIONAL_VARIABLES, STATUS_OK, VARIABLES, VariableSpec
from physbatch.dynamics.discrete.rules import DiscreteRun, DiscreteTrajectory, InputRule
from physbatch.dynamics.rules import acceptance_table, batch_rule
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
from physbatch.engines.protocol import Arrays, first_passage_interval, share_of, unmeasured
from physbatch.study.dynamics import Greedy, Metropolis
from physbatch.study.model import Study
from physbatch.study.schedules import mean_factor
from physbatch.study.system import PatternInputs, SampleInputs
from physbatch.systems.architecture import Architecture
from physbatch.systems.discrete import DiscreteSystem, draw_discrete_system
from physbatch.systems.order_parameters_discrete import overlaps, right_paths

if TYPE_CHECKING:
    from physbatch.dynamics.discrete.run import DiscreteWalk


class DiscreteEngine:
    """Binary or ternary weights, sparse or dense, on binary or Gaussian inputs or patterns.

    See `physbatch.engines.protocol.Engine`.
    """

    def variables(self, study: Study) -> Mapping[str, VariableSpec]:
        """The schema's variables; a random dense student's overlap, the error on patterns."""
        specs = dict(VARIABLES)
        if "dense" in (study.system.wiring.kind, study.system.student_wiring.kind):
            specs["random_overlap"] = OPTIONAL_VARIABLES["random_overlap"]
        if isinstance(study.system.inputs, PatternInputs):
            specs["training_error"] = dataclasses.replace(
                OPTIONAL_VARIABLES["training_error"],
                long_name="fraction of wrong output bits on the whole set of patterns",
            )
        return specs

    def lengths(self, study: Study) -> Mapping[str, int]:
        """No dimensions besides replica and time."""
        return {}

    def simulate(self, point: GridPoint, device: str, checkpoint: Checkpoint = UNSAVED) -> Arrays:
        """On ``cpu`` by the compiled kernel, elsewhere by the torch definition: same numbers.

        A state is that of the replica at work, the weights of the others, and the results.
        """
        system, run = prepare_discrete(point)
        if device != "cpu":
            from physbatch.dynamics.discrete.definition import run_general_definition

            return _observables(system, run, run_general_definition(system, run, device))
        return _Cell(point, system, run, unmeasured(self, point)).simulated(
            Pauses(checkpoint, device, times=point.times)
        )

    def end_state_bytes(self, point: GridPoint) -> int:
        """A byte for each weight, and what was measured."""
        return point.replicas * (point.student.edges + 40 * len(point.times))

    def compile(self, points: Sequence[GridPoint]) -> None:
        """Compile the kernel, which is the same for all points of a study."""
        from physbatch.dynamics.discrete.run import run_discrete

        system, run = prepare_discrete(min(points, key=lambda point: point.size))
        nothing = dataclasses.replace(
            run, duration=0, times=np.zeros(1, dtype=np.int64), test_samples=1
        )
        run_discrete(system.rows(0, 1), nothing)

    def seconds(self, point: GridPoint) -> float:
        """About how long the replicas take on one core if none learns early.

        Measured on one core at 2.6 GHz (2026-11), within 40 % for m = 5 to 500: a fresh input
        takes 0.4 ns (binary) or 6.6 ns (Gaussian), one weight of a forward pass 6 ns and
        0.13 ns a sample; see `_proposal_nanoseconds` for the moves themselves.
        """
        study, student, teacher = point.study, point.student, point.teacher
        system, measurement = study.system, study.measurement
        patterns = isinstance(system.inputs, PatternInputs)
        input_nanoseconds = 6.6 if system.gaussian_inputs else 0.4
        both = student.edges + teacher.edges
        moves = measurement.duration * student.learnable
        each_proposal = getattr(study.dynamics, "refresh", "sweep") == "proposal"
        batches = moves if each_proposal else measurement.duration
        schedule = getattr(study.dynamics, "batch_schedule", None)
        samples = point.batch_size
        if schedule is not None:
            samples *= mean_factor(schedule, measurement.duration)
        batch = samples * student.size * (0.4 if patterns else input_nanoseconds)
        batch += (student.edges if patterns else both) * (6 + 0.13 * samples)
        test = measurement.test_samples * (student.size * input_nanoseconds + 0.23 * both)
        return (
            1e-9
            * point.replicas
            * (
                moves * _proposal_nanoseconds(student, samples)
                + batches * batch
                + len(point.times) * test
            )
        )

    def replica_bytes(self, point: GridPoint) -> int:
        """Weights and, for the one replica that runs, the samples and all measurements."""
        student, times = point.student, len(point.times)
        each = 8 * (student.edges + point.teacher.edges) + 40 * times
        columns = point.largest_batch
        running = times * student.edges + columns * 20 * (student.units + student.size)
        running += 5 * (point.pattern_count or 0) * student.size
        return each + running // point.replicas


class _Cell:
    """The replicas of a grid point, one after the other; `out` is filled in.

    `weights` and `passages` are those at the end of the replicas that are done, and those of the
    others at the time `start`, from which this run goes on; what is due before is measured.
    """

    def __init__(
        self, point: GridPoint, system: DiscreteSystem, run: DiscreteRun, out: Arrays
    ) -> None:
        self.point, self.system, self.run, self.out = point, system, run, out
        self.row, self.start = 0, 0
        self.weights = system.student.copy()
        self.passages = np.full(point.replicas, -1, dtype=np.int64)

    def simulated(self, pauses: Pauses) -> Arrays:
        """Everything measured; CellPaused if the run must end."""
        from physbatch.dynamics.discrete.run import DiscreteWalk

        begun = pauses.take()
        if begun is not None:
            self.row, self.start = int(begun["row"]), int(begun["start"])
            self.weights[...], self.passages[...] = begun["weights"], begun["passages"]
            unpack_into(self.out, MEASURED, begun)
        # One at a time: the weights at all measuring times can be many.
        for row in range(self.row, self.point.replicas):
            alone, run_alone = self._alone(row)
            walk = DiscreteWalk(alone, run_alone)
            rows = slice(row, row + 1)
            walk.begin(self.start, self.weights[rows], self.passages[rows])
            if begun is not None:
                walk.restore(unpack("walk", begun))
            begun, self.row = None, row
            state = functools.partial(self._state, walk)
            for pause in pauses.pieces(walk.time, self.run.duration, state):
                walk.advance(pause)
            self.weights[rows], self.passages[rows] = walk.weights, walk.out.first_passage
            walk.advance(self.run.duration + 1)
            for name, values in _observables(alone, run_alone, walk.out).items():
                if values.ndim > 1:
                    self.out[name][rows, -values.shape[1] :] = values
                else:
                    self.out[name][rows] = values
        self._finish(pauses)
        return self.out

    def _alone(self, row: int) -> tuple[DiscreteSystem, DiscreteRun]:
        """One replica, measured from `start` on."""
        times = self.run.times[self.run.times >= self.start]
        number = self.point.first_replica + row
        run = dataclasses.replace(self.run, first_replica=number, times=times)
        return self.system.rows(row, row + 1), run

    def _state(self, walk: DiscreteWalk) -> State:
        """All that is needed to go on; the replicas before `row` are done."""
        return {
            "row": np.array(self.row),
            "start": np.array(self.start),
            "weights": self.weights,
            "passages": self.passages,
            **pack("walk", walk.state()),
            **pack(MEASURED, self.out),
        }

    def _finish(self, pauses: Pauses) -> None:
        """Tell the end state: that of a run which begins with the first replica."""
        from physbatch.dynamics.discrete.run import DiscreteWalk

        self.row, self.start = 0, self.run.duration
        walk = DiscreteWalk(*self._alone(0))
        walk.begin(self.start, self.weights[:1], self.passages[:1])
        pauses.finish(self._state(walk))


def _proposal_nanoseconds(student: Architecture, batch_size: float) -> float:
    """Cost of one proposal: its own unit, and the units above that it reaches.

    An output unit only compares; a hidden one lists the samples in which its output changes,
    about 1/sqrt(fan-in) of them, and only these reach the layers above.
    """
    layers = student.layers
    learned = layers[:1] if student.learned == "first" else layers
    changed = batch_size / math.sqrt(layers[0].fan_in)
    total = 0.0
    for number, layer in enumerate(learned):
        cost = 30.0 + 0.22 * batch_size if layer is layers[-1] else 45.0 + batch_size
        spread = 1
        for above in layers[number + 1 :]:
            spread = min(spread * above.fan_out, above.units)
            cost += spread * (5.0 + 1.7 * changed)
        total += layer.edges / student.learnable * cost
    return total


def prepare_discrete(point: GridPoint) -> tuple[DiscreteSystem, DiscreteRun]:
    """Draw the systems of a grid point and translate its physics for the kernel."""
    study, keys = point.study, point.stream_keys()
    system = draw_discrete_system(
        point.teacher,
        point.student,
        ternary=study.system.weights == "ternary",
        initial_overlap=point.initial_overlap,
        keys=keys,
        first_replica=point.first_replica,
        replicas=point.replicas,
    )
    dynamics, temperature = study.dynamics, point.temperature
    assert isinstance(dynamics, Greedy | Metropolis)  # others have engines of their own
    ties = dynamics.ties if isinstance(dynamics, Greedy) else "reject"
    given = study.system.inputs
    assert not isinstance(given, SampleInputs)  # which continuous weights alone learn
    inputs = InputRule(
        gaussian=study.system.gaussian_inputs,
        pattern_count=point.pattern_count or 0,
        label_threshold=round(given.label_noise * 2**32),
        epochs=dynamics.sampling == "epochs",
        key=keys.patterns,
    )
    run = DiscreteRun(
        batch=batch_rule(point.batch_size, alternating=dynamics.rounding == "alternating"),
        acceptance=acceptance_table(
            ties=ties,
            # Energies are counted in half errors.
            temperature=None if temperature is None else 2 * temperature,
        ),
        refresh_each_proposal=dynamics.refresh == "proposal",
        absorbing=temperature is None and ties == "reject" and inputs.label_threshold == 0,
        times=np.array(point.times, dtype=np.int64),
        duration=study.measurement.duration,
        test_samples=study.measurement.test_samples,
        dynamics_key=keys.dynamics,
        test_key=keys.test,
        first_replica=point.first_replica,
        inputs=inputs,
        order=dynamics.order,
        schedule=point.batches,
    )
    return system, run


def _observables(system: DiscreteSystem, run: DiscreteRun, out: DiscreteTrajectory) -> Arrays:
    """Order parameters, ratios of the counted half errors, and the first passage."""
    rows = range(len(out.first_passage))
    outputs = system.student_layers.outputs
    arrays: Arrays = {
        "overlap": np.stack([overlaps(system, row, out.students[row]) for row in rows]),
        "generalization_error": out.test_half_errors / (2 * run.test_samples * outputs),
        "batch_error": share_of(out.batch_half_errors, 2 * out.batch_bits),
        **first_passage_interval(out.first_passage, run.duration),
        "success": np.array(
            [right_paths(system, row, out.students[row, -1]) for row in rows], dtype=np.int8
        ),
        "status": np.full(len(rows), STATUS_OK, dtype=np.int8),
    }
    if run.inputs.pattern_count:
        bits = 2 * run.inputs.pattern_count * outputs
        arrays["training_error"] = out.training_half_errors / bits
    if system.dense:
        arrays["random_overlap"] = np.concatenate(
            [overlaps(system, row, system.random_student[row : row + 1]) for row in rows]
        )
    return arrays
