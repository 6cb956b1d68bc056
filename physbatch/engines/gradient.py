"""Stochastic gradient descent of continuous weights, as an engine of the sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from physbatch.dataset import OPTIONAL_VARIABLES, UNIT_DIMS, VARIABLES, VariableSpec
from physbatch.dynamics.rules import batch_rule
from physbatch.dynamics.sgd.run import CompiledDescent, GradientRun
from physbatch.engines.checkpoint import Checkpoint, Pauses, Unsaved, unpack_into
from physbatch.engines.gradient_measurement import (
    RANDOM_STUDENTS,
    Descent,
    Prepared,
    closed_form,
    dynamics_of,
    functions_of,
    layers_of,
    run_and_measure,
)
from physbatch.engines.protocol import Arrays, unmeasured
from physbatch.streams.keys import stream_keys
from physbatch.study.system import DenseWiring
from physbatch.sweep.plan import Cell, Plan
from physbatch.systems.architecture import Architecture
from physbatch.systems.continuous import draw_continuous_system

__all__ = ["GradientEngine", "prepare", "replicas_at_once"]

#: Q and R are stored up to this many hidden units.
MOST_UNITS = 16
#: Replicas of a cell are simulated together up to this much memory.
MEMORY_BUDGET = 512 * 2**20


class GradientEngine:
    """Direct gradient descent; see `physbatch.engines.protocol.Engine`."""

    def variables(self, plan: Plan) -> Mapping[str, VariableSpec]:
        """What a cell's result holds."""
        names = ["weight_error", "student_norm", "diverged_at"]
        if _matched(plan):
            names.append("random_overlap")
        if self.lengths(plan):
            names += ["student_overlap", "teacher_overlap"]
        specs = {**VARIABLES, **{name: OPTIONAL_VARIABLES[name] for name in names}}
        for name, words in _long_names(plan).items():
            specs[name] = replace(specs[name], long_name=words)
        return specs

    def lengths(self, plan: Plan) -> Mapping[str, int]:
        """Numbers of hidden units, if Q and R are stored."""
        pairs = {
            (teacher.layers[0].units, student.layers[0].units, student.layers[0].wiring)
            for teacher, student in layers_of(plan)
        }
        if len(pairs) != 1:
            return {}
        ((teachers, students, wiring),) = pairs
        if wiring != "full" or max(teachers, students) > MOST_UNITS:
            return {}
        return dict(zip(UNIT_DIMS, (students, students, teachers), strict=True))

    def simulate(self, plan: Plan, cell: Cell, device: str) -> Arrays:
        """On ``cpu`` by the compiled kernel, elsewhere by the torch definition."""
        return self.simulate_resumably(plan, cell, device, Unsaved())

    def simulate_resumably(
        self, plan: Plan, cell: Cell, device: str, checkpoint: Checkpoint
    ) -> Arrays:
        """The same in pieces; a state is that of the replicas at work and what was measured."""
        own = self._own_bytes(plan, cell)
        if device != "cpu":
            own += _batch_bytes(plan, cell)
        together = replicas_at_once(own, cell.replicas)
        out = unmeasured(plan, cell.replicas)
        pauses = Pauses(checkpoint, device)
        begin = 0
        if pauses.state is not None:
            begin = int(pauses.state["first"])
            unpack_into(out, "whole", pauses.state)
        for first in range(begin, cell.replicas, together):
            rows = slice(first, min(first + together, cell.replicas))
            prepared = prepare(plan, cell, cell.first_replica + first, rows.stop - first)
            descent = _descent(prepared, device)
            run_and_measure(plan, cell, prepared, descent, rows, out, pauses)
        return out

    def compile(self, plan: Plan, cells: Sequence[Cell]) -> None:
        """Compile the kernels for the study's precision; they serve every cell."""
        smallest = min(cells, key=lambda cell: cell.size)
        prepared = prepare(plan, smallest, 0, 1)
        descent = CompiledDescent(*prepared.parts)
        descent.advance(0)
        descent.batch_loss()
        descent.test_error(descent.students(), 0, 1)

    def seconds(self, plan: Plan, cell: Cell) -> float:
        """About how long one cell takes on one core.

        Measured on one core at 2.6 GHz (2026-11): 1.7 us a step and 1.3 ns a Gaussian number;
        `_forward_nanoseconds` a sample and network, three times that with the way back.
        """
        teacher, student = plan.architecture(cell), plan.student_architecture(cell)
        gaussian = 1.3 * cell.size if plan.study.system.gaussian_inputs else 0.3 * cell.size
        forward = _forward_nanoseconds(student)
        fresh = _forward_nanoseconds(teacher) + gaussian
        patterns = plan.pattern_count(dict(cell.point))
        sample = 3 * forward + (fresh if patterns is None else 0.5 * cell.size)
        step = 1700.0 + cell.batch_size * sample + 0.5 * student.learnable
        measurement = 50_000.0
        if not closed_form(plan):
            measurement += plan.study.measurement.test_samples * (fresh + forward)
        total = plan.updates(cell)[-1] * step
        total += (len(plan.times) + RANDOM_STUDENTS) * measurement
        return float(1e-9 * cell.replicas * total)

    def replica_bytes(self, plan: Plan, cell: Cell) -> int:
        """Weights, graph and patterns; many replicas share the budget in turns."""
        own = self._own_bytes(plan, cell)
        return own * replicas_at_once(own, cell.replicas) // cell.replicas

    def _own_bytes(self, plan: Plan, cell: Cell) -> int:
        teacher, student = plan.architecture(cell), plan.student_architecture(cell)
        patterns = plan.pattern_count(dict(cell.point)) or 0
        return (
            20 * teacher.edges
            + 48 * student.edges
            + 8 * patterns * (cell.size + teacher.outputs)
            + 64 * len(plan.times)
        )


def _batch_bytes(plan: Plan, cell: Cell) -> int:
    """What the definition needs for the batch of one replica, with the gradient's graph."""
    samples = max(batch_rule(cell.batch_size).largest, plan.study.measurement.test_samples)
    layers = (*plan.architecture(cell).layers, *plan.student_architecture(cell).layers)
    terms = sum(layer.units if layer.wiring == "full" else layer.edges for layer in layers)
    return 32 * samples * (2 * cell.size + terms)


def replicas_at_once(replica_bytes: int, replicas: int, budget: int = MEMORY_BUDGET) -> int:
    """How many replicas to simulate together within a memory budget; at least one."""
    return max(1, min(replicas, budget // max(replica_bytes, 1)))


def _forward_nanoseconds(layers: Architecture) -> float:
    """About what one sample costs on its way through a network."""
    edges = sum(
        layer.edges * (0.055 if layer.wiring == "full" else 0.55) for layer in layers.layers
    )
    return edges + 1.3 * layers.units


def _matched(plan: Plan) -> bool:
    """Whether overlaps are those of matched hidden units, positive at random."""
    system = plan.study.system
    if not all(
        student.layers[0].wiring == "full" and student.depth > 1 for _, student in layers_of(plan)
    ):
        return False
    return system.learned_layers == "all" or isinstance(system.wiring, DenseWiring)


def _long_names(plan: Plan) -> dict[str, str]:
    """What errors and success are for continuous outputs."""
    measurement = plan.study.measurement
    if closed_form(plan):
        how = "in closed form"
    else:
        how = (
            f"mean of {measurement.test_samples} samples (relative standard error "
            "sqrt(kurtosis/samples), about sqrt(2/samples) for one Gaussian output)"
        )
    logistic = dynamics_of(plan.study).loss == "logistic"
    error = "chance of a wrong output sign" if logistic else "(y - y*)^2/2 per output"
    loss = "ln(1 + exp(-t y)), t = sign(y*)," if logistic else "(y - y*)^2/2"
    return {
        "generalization_error": f"{error} on fresh noiseless inputs, {how}",
        "batch_error": f"{loss} per output, mean over the batch last drawn",
        "success": (
            "1 if the generalisation error at the end is below "
            f"{measurement.success_fraction:g} of a random student's, 0 if not, -1 if missing"
        ),
    }


def prepare(plan: Plan, cell: Cell, first_replica: int, replicas: int) -> Prepared:
    """Draw the systems of some replicas of a cell and translate its physics for an engine."""
    study, point = plan.study, dict(cell.point)
    dynamics, inputs = dynamics_of(study), study.system.inputs
    keys = stream_keys(plan.seeds, cell.identity)
    system = draw_continuous_system(
        plan.architecture(cell),
        plan.student_architecture(cell),
        functions_of(study),
        orthogonal=study.system.teacher_vectors == "orthogonal",
        initial_overlap=plan.initial_overlap(point),
        keys=keys,
        first_replica=first_replica,
        replicas=replicas,
    )
    run = GradientRun(
        batch=batch_rule(cell.batch_size),
        batch_size=cell.batch_size,
        learning_rate=plan.learning_rate(point),
        momentum=dynamics.momentum,
        loss=dynamics.loss,
        inputs="gaussian" if study.system.gaussian_inputs else "binary",
        input_scales=np.empty(0),
        label_noise=getattr(inputs, "label_noise", 0.0),
        patterns=plan.pattern_count(point) or 0,
        replacement=dynamics.sampling == "with-replacement",
        precision=dynamics.precision,
        dynamics_key=keys.dynamics,
        patterns_key=keys.patterns,
        test_key=keys.test,
        first_replica=first_replica,
    )
    return Prepared(system, run, keys)


def _descent(prepared: Prepared, device: str) -> Descent:
    if device == "cpu":
        return CompiledDescent(*prepared.parts)
    from physbatch.dynamics.sgd.definition import TensorDescent

    return TensorDescent(*prepared.parts, device)
