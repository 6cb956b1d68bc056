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
    Checkpoint,
    Pauses,
    State,
    Unsaved,
    pack,
    unpack,
    unpack_into,
)
from physbatch.engines.protocol import Arrays, first_passage_interval, unmeasured
from physbatch.streams.keys import StreamKeys, stream_keys
from physbatch.study.dynamics import Greedy
from physbatch.study.system import PatternInputs
from physbatch.sweep.plan import Cell, Plan
from physbatch.systems.architecture import Architecture
from physbatch.systems.discrete import DiscreteSystem, draw_discrete_system
from physbatch.systems.order_parameters_discrete import overlaps, right_paths

if TYPE_CHECKING:
    from physbatch.dynamics.discrete.run import DiscreteWalk

__all__ = ["DiscreteEngine", "prepare_discrete"]


class DiscreteEngine:
    """Binary or ternary weights, sparse or dense, on binary or Gaussian inputs or patterns.

    See `physbatch.engines.protocol.Engine`.
    """

    def variables(self, plan: Plan) -> Mapping[str, VariableSpec]:
        """The schema's variables; a random dense student's overlap, the error on patterns."""
        specs = dict(VARIABLES)
        if _dense(plan):
            specs["random_overlap"] = OPTIONAL_VARIABLES["random_overlap"]
        if isinstance(plan.study.system.inputs, PatternInputs):
            specs["training_error"] = dataclasses.replace(
                OPTIONAL_VARIABLES["training_error"],
                long_name="fraction of wrong output bits on the whole set of patterns",
            )
        return specs

    def lengths(self, plan: Plan) -> Mapping[str, int]:
        """No dimensions besides replica and time."""
        return {}

    def simulate(self, plan: Plan, cell: Cell, device: str) -> Arrays:
        """On ``cpu`` by the compiled kernel, elsewhere by the torch definition: same numbers."""
        if device == "cpu":
            return self.simulate_resumably(plan, cell, device, Unsaved())
        from physbatch.dynamics.discrete.definition import run_general_definition

        system, run = prepare_discrete(plan, cell)
        return _observables(system, run, run_general_definition(system, run, device))

    def simulate_resumably(
        self, plan: Plan, cell: Cell, device: str, checkpoint: Checkpoint
    ) -> Arrays:
        """The same in pieces; a state is that of the replica at work and the results of others."""
        if device != "cpu":
            return self.simulate(plan, cell, device)
        from physbatch.dynamics.discrete.run import DiscreteWalk

        system, run = prepare_discrete(plan, cell)
        out = unmeasured(plan, cell.replicas)
        pauses = Pauses(checkpoint, device)
        begin = 0
        if pauses.state is not None:
            begin = int(pauses.state["row"])
            unpack_into(out, "out", pauses.state)
        # One replica at a time: the weights at all measuring times can be many.
        for row in range(begin, cell.replicas):
            one = system.rows(row, row + 1)
            own = dataclasses.replace(run, first_replica=cell.first_replica + row)
            walk = DiscreteWalk(one, own)
            begun = pauses.take()
            if begun is not None:
                walk.restore(unpack("walk", begun))
            state = functools.partial(_state, row, walk, out)
            for pause in pauses.pieces(walk.time, run.duration + 1, state):
                walk.advance(pause)
            for name, values in _observables(one, own, walk.out).items():
                out[name][row : row + 1] = values
        return out

    def compile(self, plan: Plan, cells: Sequence[Cell]) -> None:
        """Compile the kernel, which is the same for all cells of a study."""
        from physbatch.dynamics.discrete.run import run_discrete

        cell = min(cells, key=lambda one: one.size)
        system, run = prepare_discrete(plan, cell)
        nothing = dataclasses.replace(
            run, duration=0, times=np.zeros(1, dtype=np.int64), test_samples=1
        )
        run_discrete(system.rows(0, 1), nothing)

    def seconds(self, plan: Plan, cell: Cell) -> float:
        """About how long one cell takes on one core if no replica learns early.

        Measured on one core at 2.6 GHz (2026-11), within 40 % for m = 5 to 500: a fresh input
        takes 0.4 ns (binary) or 6.6 ns (Gaussian), one weight of a forward pass 6 ns and
        0.13 ns a sample; see `_proposal_nanoseconds` for the moves themselves.
        """
        student, teacher = plan.student_architecture(cell), plan.architecture(cell)
        system, measurement = plan.study.system, plan.study.measurement
        patterns = isinstance(system.inputs, PatternInputs)
        input_nanoseconds = 6.6 if system.gaussian_inputs else 0.4
        both = student.edges + teacher.edges
        moves = measurement.duration * student.learnable
        each_proposal = getattr(plan.study.dynamics, "refresh", "sweep") == "proposal"
        batches = moves if each_proposal else measurement.duration
        batch = cell.batch_size * student.size * (0.4 if patterns else input_nanoseconds)
        batch += (student.edges if patterns else both) * (6 + 0.13 * cell.batch_size)
        test = measurement.test_samples * (student.size * input_nanoseconds + 0.23 * both)
        return (
            1e-9
            * cell.replicas
            * (
                moves * _proposal_nanoseconds(student, cell.batch_size)
                + batches * batch
                + len(plan.times) * test
            )
        )

    def replica_bytes(self, plan: Plan, cell: Cell) -> int:
        """Weights and, for the one replica that runs, the samples and all measurements."""
        student, teacher = plan.student_architecture(cell), plan.architecture(cell)
        own = 8 * (student.edges + teacher.edges) + 40 * len(plan.times)
        columns = batch_rule(cell.batch_size).largest
        one = len(plan.times) * student.edges + columns * 20 * (student.units + student.size)
        one += 5 * (plan.pattern_count(dict(cell.point)) or 0) * student.size
        return own + one // cell.replicas


def _state(row: int, walk: DiscreteWalk, out: Arrays) -> State:
    """All that is needed to go on; the replicas before `row` are done."""
    return {"row": np.array(row), **pack("walk", walk.state()), **pack("out", out)}


def _dense(plan: Plan) -> bool:
    system = plan.study.system
    return system.wiring.kind == "dense" or system.student_wiring.kind == "dense"


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
        own = 30.0 + 0.22 * batch_size if layer is layers[-1] else 45.0 + batch_size
        spread = 1
        for above in layers[number + 1 :]:
            spread = min(spread * above.fan_out, above.units)
            own += spread * (5.0 + 1.7 * changed)
        total += layer.edges / student.learnable * own
    return total


def prepare_discrete(plan: Plan, cell: Cell) -> tuple[DiscreteSystem, DiscreteRun]:
    """Draw the systems of a cell and translate its physics for an engine."""
    study = plan.study
    point = dict(cell.point)
    keys = stream_keys(plan.seeds, cell.identity)
    system = draw_discrete_system(
        plan.architecture(cell),
        plan.student_architecture(cell),
        ternary=study.system.weights == "ternary",
        initial_overlap=plan.initial_overlap(point),
        keys=keys,
        first_replica=cell.first_replica,
        replicas=cell.replicas,
    )
    dynamics = study.dynamics
    assert dynamics.kind != "sgd"  # which has engines of its own
    ties = dynamics.ties if isinstance(dynamics, Greedy) else "reject"
    temperature = plan.temperature(point)
    inputs = _input_rule(plan, point, keys)
    run = DiscreteRun(
        batch=batch_rule(cell.batch_size),
        acceptance=acceptance_table(
            ties=ties,
            # Energies are counted in half errors.
            temperature=None if temperature is None else 2 * temperature,
        ),
        refresh_each_proposal=dynamics.refresh == "proposal",
        absorbing=temperature is None and ties == "reject" and inputs.label_threshold == 0,
        times=np.array(plan.times, dtype=np.int64),
        duration=study.measurement.duration,
        test_samples=study.measurement.test_samples,
        dynamics_key=keys.dynamics,
        test_key=keys.test,
        first_replica=cell.first_replica,
        inputs=inputs,
    )
    return system, run


def _input_rule(plan: Plan, point: dict[str, float], keys: StreamKeys) -> InputRule:
    inputs = plan.study.system.inputs
    noise = inputs.label_noise if isinstance(inputs, PatternInputs) else 0.0
    return InputRule(
        gaussian=plan.study.system.gaussian_inputs,
        pattern_count=plan.pattern_count(point) or 0,
        label_threshold=round(noise * 2**32),
        key=keys.patterns,
    )


def _observables(system: DiscreteSystem, run: DiscreteRun, out: DiscreteTrajectory) -> Arrays:
    """Order parameters, ratios of the counted half errors, and the first passage."""
    rows = range(len(out.first_passage))
    outputs = system.student_layers.outputs
    found: Arrays = {
        "overlap": np.stack([overlaps(system, row, out.students[row]) for row in rows]),
        "generalization_error": out.test_half_errors / (2 * run.test_samples * outputs),
        "batch_error": out.batch_half_errors / (2 * out.batch_bits),
        **first_passage_interval(out.first_passage, run.duration),
        "success": np.array(
            [right_paths(system, row, out.students[row, -1]) for row in rows], dtype=np.int8
        ),
        "status": np.full(len(rows), STATUS_OK, dtype=np.int8),
    }
    if run.inputs.pattern_count:
        bits = 2 * run.inputs.pattern_count * outputs
        found["training_error"] = out.training_half_errors / bits
    if system.dense:
        found["random_overlap"] = np.concatenate(
            [overlaps(system, row, system.random_student[row : row + 1]) for row in rows]
        )
    return found
