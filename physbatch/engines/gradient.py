"""Stochastic gradient descent of continuous weights, as an engine of the sweep."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from physbatch.dataset import OPTIONAL_VARIABLES, UNIT_DIMS, VARIABLES, VariableSpec
from physbatch.dynamics.rules import batch_rule
from physbatch.dynamics.sgd.run import CompiledDescent, GradientRun, unchanged
from physbatch.engines.checkpoint import UNSAVED, Checkpoint, Pauses
from physbatch.engines.gradient_measurement import (
    RANDOM_STUDENTS,
    Descent,
    Prepared,
    Replicas,
    closed_form,
    dynamics_of,
    functions_of,
    layers_of,
    run_and_measure,
)
from physbatch.engines.point import GridPoint
from physbatch.engines.protocol import Arrays, unmeasured
from physbatch.study.model import Study
from physbatch.study.schedules import Schedule, mean_factor
from physbatch.study.system import DenseWiring, GaussianInputs
from physbatch.systems.architecture import Architecture
from physbatch.systems.continuous import draw_continuous_system
from physbatch.typing import FloatArray

#: Q and R are stored up to this many hidden units.
MOST_UNITS = 16
#: Replicas of a cell are simulated together up to this much memory.
MEMORY_BUDGET = 512 * 2**20


class GradientEngine:
    """Direct gradient descent; see `physbatch.engines.protocol.Engine`."""

    def variables(self, study: Study) -> Mapping[str, VariableSpec]:
        """What a cell's result holds."""
        names = ["weight_error", "student_norm", "diverged_at"]
        if dynamics_of(study).stop == "zero-loss":
            names.append("stopped_at")
        if _matched(study):
            names.append("random_overlap")
        if self.lengths(study):
            names += ["student_overlap", "teacher_overlap"]
        specs = {**VARIABLES, **{name: OPTIONAL_VARIABLES[name] for name in names}}
        for name, words in _long_names(study).items():
            specs[name] = replace(specs[name], long_name=words)
        return specs

    def lengths(self, study: Study) -> Mapping[str, int]:
        """Numbers of hidden units, if Q and R are stored."""
        pairs = {
            (teacher.layers[0].units, student.layers[0].units, student.layers[0].wiring)
            for teacher, student in layers_of(study)
        }
        if len(pairs) != 1:
            return {}
        ((teachers, students, wiring),) = pairs
        if wiring != "full" or max(teachers, students) > MOST_UNITS:
            return {}
        return dict(zip(UNIT_DIMS, (students, students, teachers), strict=True))

    def simulate(self, point: GridPoint, device: str, checkpoint: Checkpoint = UNSAVED) -> Arrays:
        """On ``cpu`` by the compiled kernel, elsewhere by the torch definition.

        A state is that of all replicas and what was measured.
        """
        each = _state_bytes(point) + (0 if device == "cpu" else _batch_bytes(point))
        together = replicas_at_once(each, point.replicas)
        replicas = Replicas(unmeasured(self, point), Pauses(checkpoint, device, times=point.times))
        for first in range(replicas.first, point.replicas, together):
            rows = slice(first, min(first + together, point.replicas))
            part = replace(
                point,
                first_replica=point.first_replica + first,
                replicas=rows.stop - rows.start,
            )
            prepared = prepare_gradient(part)
            run_and_measure(part, prepared, _descent(prepared, device), rows, replicas)
        replicas.finish(int(point.updates[-1]), len(point.times) - 1)
        return replicas.whole

    def end_state_bytes(self, point: GridPoint) -> int:
        """Weights and velocities, and what was measured."""
        bytes_each = 4 if dynamics_of(point.study).precision == "float32" else 8
        numbers = point.student.edges
        if dynamics_of(point.study).momentum > 0:
            numbers += point.student.learnable
        return point.replicas * (bytes_each * numbers + 48 * len(point.times))

    def compile(self, points: Sequence[GridPoint]) -> None:
        """Compile the kernels for the study's precision; they serve every point."""
        smallest = min(points, key=lambda point: point.size)
        prepared = prepare_gradient(replace(smallest, first_replica=0, replicas=1))
        descent = CompiledDescent(*prepared.parts)
        descent.advance(0)
        descent.batch_loss()
        descent.test_error(descent.students(), 0, 1)

    def seconds(self, point: GridPoint) -> float:
        """About how long the replicas take on one core.

        Measured on one core at 2.6 GHz (2026-11): 1.7 us a step and 1.3 ns a Gaussian number;
        `_forward_nanoseconds` a sample and network, three times that with the way back.
        """
        study, student = point.study, point.student
        gaussian = 1.3 * point.size if study.system.gaussian_inputs else 0.3 * point.size
        forward = _forward_nanoseconds(student)
        fresh = _forward_nanoseconds(point.teacher) + gaussian
        sample = 3 * forward + (fresh if point.pattern_count is None else 0.5 * point.size)
        batch = dynamics_of(study).batch_schedule
        samples = point.batch_size * mean_factor(batch, point.updates[-1])
        step = 1700.0 + samples * sample + 0.5 * student.learnable
        measurement = 50_000.0
        if not closed_form(study):
            measurement += study.measurement.test_samples * (fresh + forward)
        total = point.updates[-1] * step
        total += (len(point.times) + RANDOM_STUDENTS) * measurement
        return float(1e-9 * point.replicas * total)

    def replica_bytes(self, point: GridPoint) -> int:
        """Weights, graph and patterns; many replicas share the budget in turns."""
        each = _state_bytes(point)
        at_once = each * replicas_at_once(each, point.replicas) // point.replicas
        return at_once + self.end_state_bytes(point) // point.replicas


def _state_bytes(point: GridPoint) -> int:
    """What the compiled kernel needs for one replica."""
    teacher, patterns = point.teacher, point.pattern_count or 0
    return (
        20 * teacher.edges
        + 48 * point.student.edges
        + 8 * patterns * (point.size + teacher.outputs)
        + 64 * len(point.times)
    )


def _batch_bytes(point: GridPoint) -> int:
    """What the definition needs for the batch of one replica, with the gradient's graph."""
    samples = max(point.largest_batch, point.study.measurement.test_samples)
    layers = (*point.teacher.layers, *point.student.layers)
    terms = sum(layer.units if layer.wiring == "full" else layer.edges for layer in layers)
    return 32 * samples * (2 * point.size + terms)


def replicas_at_once(replica_bytes: int, replicas: int, budget: int = MEMORY_BUDGET) -> int:
    """How many replicas to simulate together within a memory budget; at least one."""
    return max(1, min(replicas, budget // max(replica_bytes, 1)))


def _forward_nanoseconds(layers: Architecture) -> float:
    """About what one sample costs on its way through a network."""
    edges = sum(
        layer.edges * (0.055 if layer.wiring == "full" else 0.55) for layer in layers.layers
    )
    return edges + 1.3 * layers.units


def _matched(study: Study) -> bool:
    """Whether overlaps are those of matched hidden units, positive at random."""
    system = study.system
    if not all(
        student.layers[0].wiring == "full" and student.depth > 1 for _, student in layers_of(study)
    ):
        return False
    return system.learned_layers == "all" or isinstance(system.wiring, DenseWiring)


def _long_names(study: Study) -> dict[str, str]:
    """What errors and success are for continuous outputs."""
    measurement = study.measurement
    if closed_form(study):
        how = "in closed form"
    else:
        how = (
            f"mean of {measurement.test_samples} samples (relative standard error "
            "sqrt(kurtosis/samples), about sqrt(2/samples) for one Gaussian output)"
        )
    signs = dynamics_of(study).loss != "mean-square"
    error = "chance of a wrong output sign" if signs else "(y - y*)^2/2 per output"
    loss = {
        "mean-square": "(y - y*)^2/2",
        "logistic": "ln(1 + exp(-t y)), t = sign(y*),",
        "hinge": "max(0, 1 - t y), t = sign(y*),",
    }[dynamics_of(study).loss]
    return {
        "generalization_error": f"{error} on fresh noiseless inputs, {how}",
        "batch_error": f"{loss} per output, mean over the batch last drawn",
        "success": (
            "1 if the generalisation error at the end is below "
            f"{measurement.success_fraction:g} of a random student's, 0 if not, -1 if missing"
        ),
    }


def input_scales(study: Study, size: int) -> FloatArray:
    """Standard deviation of each input; none if all are 1."""
    inputs = study.system.inputs
    if not isinstance(inputs, GaussianInputs) or inputs.spectrum is None:
        return np.empty(0)
    return np.sqrt(np.linspace(*inputs.spectrum, size))


def prepare_gradient(point: GridPoint) -> Prepared:
    """Draw the systems of a grid point and translate its physics for an implementation."""
    study, keys = point.study, point.stream_keys()
    dynamics, inputs = dynamics_of(study), study.system.inputs
    system = draw_continuous_system(
        point.teacher,
        point.student,
        functions_of(study),
        vectors=study.system.teacher_vectors,
        initial_overlap=point.initial_overlap,
        keys=keys,
        first_replica=point.first_replica,
        replicas=point.replicas,
    )
    run = GradientRun(
        batch=batch_rule(point.batch_size),
        batch_size=point.batch_size,
        learning_rate=point.learning_rate,
        momentum=dynamics.momentum,
        loss=dynamics.loss,
        inputs="gaussian" if study.system.gaussian_inputs else "binary",
        input_scales=input_scales(study, point.size),
        label_noise=getattr(inputs, "label_noise", 0.0),
        patterns=point.pattern_count or 0,
        replacement=dynamics.sampling == "with-replacement",
        subsets=dynamics.sampling == "subsets",
        weight_decay=dynamics.weight_decay,
        margin_exponent=getattr(inputs, "margin_exponent", 0),
        stop=dynamics.stop == "zero-loss",
        rate_factor=_factor(dynamics.learning_rate.schedule),
        batch_factor=_factor(dynamics.batch_schedule),
        largest_factor=dynamics.batch_schedule.largest,
        precision=dynamics.precision,
        dynamics_key=keys.dynamics,
        patterns_key=keys.patterns,
        test_key=keys.test,
        first_replica=point.first_replica,
    )
    return Prepared(system, run, keys, closed_form(study))


def _factor(schedule: Schedule) -> Callable[[int], float]:
    return unchanged if schedule.kind == "constant" else schedule.factor


def _descent(prepared: Prepared, device: str) -> Descent:
    if device == "cpu":
        return CompiledDescent(*prepared.parts)
    from physbatch.dynamics.sgd.definition import TensorDescent

    return TensorDescent(*prepared.parts, device)
