"""The general discrete engine: any layers, binary or ternary weights, any inputs, on the CPU.

It draws the same numbers as `physbatch.dynamics.discrete.definition` and takes the same
decisions, bit for bit.
"""

import numpy as np
import numpy.typing as npt

from physbatch.dynamics.discrete.kernel import SOURCE_HASH, TEST_CHUNK, make_kernel
from physbatch.dynamics.discrete.rules import DiscreteRun, DiscreteTrajectory
from physbatch.dynamics.discrete.state import (
    Instructions,
    Layout,
    Replicas,
    Rule,
    Scratch,
    State,
)
from physbatch.dynamics.rules import ORDERS
from physbatch.systems.architecture import Architecture
from physbatch.systems.discrete import DiscreteSystem


def run_discrete(system: DiscreteSystem, run: DiscreteRun) -> DiscreteTrajectory:
    """Simulate the replicas of one cell.

    Parameters
    ----------
    system : DiscreteSystem
        Graphs, teachers and starting students.
    run : DiscreteRun
        Batches, acceptance rule, times and streams.

    Returns
    -------
    DiscreteTrajectory
        Equal, integer by integer, to that of `run_general_definition`.
    """
    walk = DiscreteWalk(system, run)
    walk.advance(run.duration + 1)
    return walk.out


class DiscreteWalk:
    """The replicas of one cell on their way, which can be cut between any two sweeps.

    Random numbers are addressed by sweep, and the batch that a student saw last is drawn
    again, so the weights and what was measured are the whole state. In pieces or in one go,
    the integers are the same.

    Parameters
    ----------
    system, run
        As for `run_discrete`.

    Attributes
    ----------
    time : int
        Where the replicas are, in sweeps; what is due at this time is not measured yet.
    weights : ndarray of int8, shape (replica, edge)
        The students now.
    out : DiscreteTrajectory
        What was measured so far.
    """

    def __init__(self, system: DiscreteSystem, run: DiscreteRun) -> None:
        self.system, self.run = system, run
        self.time = 0
        self.weights = system.student.copy()
        replicas, edges = self.weights.shape
        self.out = DiscreteTrajectory.empty(replicas, len(run.times), edges)
        self._teacher = Replicas(
            _layout(system.teacher_layers), system.teacher_sources, system.teacher
        )
        self._student = Replicas(
            _layout(system.student_layers), system.student_sources, self.weights
        )
        self._room = _state(system, run), _scratch(system, run)
        self._has_patterns = False
        self._instructions = _instructions(system, run)

    def advance(self, pause: int) -> None:
        """Go on to a time; ``run.duration + 1`` goes to the end."""
        make_kernel(SOURCE_HASH)(
            self._teacher,
            self._student,
            *self._room,
            self._instructions,
            self.out,
            (self.time, pause, self._has_patterns),
        )
        self.time = pause
        # The room for patterns holds those of the last replica.
        self._has_patterns = len(self.weights) == 1

    def state(self) -> dict[str, npt.NDArray[np.generic]]:
        """What a walk of the same system and run needs to go on from here."""
        measured = self._measured()
        return {
            "time": np.array(self.time),
            "weights": self.weights,
            "first_passage": self.out.first_passage,
            **{name: values[:, :measured] for name, values in self._by_time().items()},
        }

    def restore(self, state: dict[str, npt.NDArray[np.generic]]) -> None:
        """Go on from a `state`, with the same bits."""
        self.begin(int(state["time"]), state["weights"], state["first_passage"])
        measured = self._measured()
        for name, values in self._by_time().items():
            values[:, :measured] = state[name]

    def begin(
        self,
        time: int,
        weights: npt.NDArray[np.generic],
        first_passage: npt.NDArray[np.generic],
    ) -> None:
        """Start later: with what the students were, and when they had passed, at a time."""
        self.time = time
        self.weights[...] = weights
        self.out.first_passage[...] = first_passage

    def _by_time(self) -> dict[str, npt.NDArray[np.generic]]:
        """What is measured at every measuring time."""
        return {
            name: values for name, values in self.out._asdict().items() if name != "first_passage"
        }

    def _measured(self) -> int:
        """How many measuring times are over."""
        return int(np.searchsorted(self.run.times, self.time))


def _instructions(system: DiscreteSystem, run: DiscreteRun) -> Instructions:
    return Instructions(
        rule=Rule(
            batches=run.batches,
            gaussian=run.inputs.gaussian,
            pattern_count=run.inputs.pattern_count,
            epochs=run.inputs.epochs,
            label_threshold=np.uint64(run.inputs.label_threshold),
            patterns_key=np.uint64(run.inputs.key),
            key=np.uint64(run.dynamics_key),
            test_key=np.uint64(run.test_key),
            test_samples=run.test_samples,
        ),
        acceptance=run.acceptance,
        each_proposal=run.refresh_each_proposal,
        absorbing=run.absorbing,
        times=run.times,
        duration=run.duration,
        first_replica=run.first_replica,
        known_wiring=not system.dense,
        ternary=system.ternary,
        learnable=system.student_layers.learnable,
        order=ORDERS[run.order],
    )


def _layout(architecture: Architecture) -> Layout:
    layers = architecture.layers
    offsets = architecture.unit_offsets
    fan_ins = np.repeat([layer.fan_in for layer in layers], [layer.units for layer in layers])
    below = np.repeat([0, *offsets[: len(layers) - 1]], [layer.edges for layer in layers])
    return Layout(
        edge_begin=np.concatenate([[0], np.cumsum(fan_ins)]).astype(np.int64),
        unit_of=np.repeat(np.arange(architecture.units), fan_ins).astype(np.int32),
        below=below.astype(np.int32),
        units=np.array([layer.units for layer in layers], dtype=np.int64),
        first_units=layers[0].units,
        last_first=offsets[-2],
    )


def _types(run: DiscreteRun) -> tuple[type[np.integer], type[np.integer]]:
    """Types of inputs and fields: sums of Gaussian inputs in units of 2^-24 need 64 bits."""
    return (np.int32, np.int64) if run.inputs.gaussian else (np.int8, np.int32)


def _state(system: DiscreteSystem, run: DiscreteRun) -> State:
    input_type, field_type = _types(run)
    units, width = system.student_layers.units, run.largest_batch
    return State(
        inputs=np.zeros((system.student_layers.size, width), dtype=input_type),
        fields=np.zeros((units, width), dtype=field_type),
        values=np.zeros((units, width), dtype=np.int8),
        targets=np.zeros((system.student_layers.outputs, width), dtype=np.int8),
        new_fields=np.zeros(width, dtype=field_type),
        new_values=np.zeros(width, dtype=np.int8),
        changed=np.zeros(width, dtype=np.int32),
        differences=np.zeros(width, dtype=np.int8),
        shift=np.zeros((units, width), dtype=np.int32),
        touched=np.zeros(units, dtype=np.int32),
        is_touched=np.zeros(units, dtype=np.int8),
    )


def _scratch(system: DiscreteSystem, run: DiscreteRun) -> Scratch:
    input_type, field_type = _types(run)
    size, width, count = system.student_layers.size, run.largest_batch, run.inputs.pattern_count
    teacher, student = system.teacher_layers.units, system.student_layers.units
    learnable, outputs = system.student_layers.learnable, system.student_layers.outputs
    return Scratch(
        teacher_fields=np.zeros((teacher, width), dtype=field_type),
        teacher_values=np.zeros((teacher, width), dtype=np.int8),
        test_inputs=np.zeros((size, TEST_CHUNK), dtype=input_type),
        test_fields=np.zeros((teacher, TEST_CHUNK), dtype=field_type),
        test_values=np.zeros((teacher, TEST_CHUNK), dtype=np.int8),
        own_fields=np.zeros((student, TEST_CHUNK), dtype=field_type),
        own_values=np.zeros((student, TEST_CHUNK), dtype=np.int8),
        patterns=np.zeros((size, count), dtype=input_type),
        labels=np.zeros((outputs, count), dtype=np.int8),
        label_numbers=np.zeros(outputs * max(width, count) + 3, dtype=np.uint32),
        order=np.arange(count, dtype=np.int64),
        swaps=np.zeros(max(width, count), dtype=np.int64),
        numbers=np.zeros(max(width, count, learnable) + 3, dtype=np.uint32),
        proposals=np.zeros(learnable + 3, dtype=np.uint32),
        edges=np.arange(learnable, dtype=np.int64),
        chances=np.zeros(learnable + 3, dtype=np.uint32),
        gauge=np.zeros(student, dtype=np.int64),
    )
