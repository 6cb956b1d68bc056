"""Where projected dynamics is exact: what a study must choose for it."""

from __future__ import annotations

from collections.abc import Sequence

from physbatch.study.dynamics import SGD
from physbatch.study.system import DenseStudent, DenseWiring, System

#: Hidden units of student and teacher, at most.
MOST_UNITS = 8


def committee_units(system: System, sizes: Sequence[int]) -> tuple[int, int]:
    """Hidden units K of the student and M of the teacher of a dense system."""
    wiring, student = system.wiring, system.student_wiring
    teachers = wiring.hidden_units if isinstance(wiring, DenseWiring) else None
    students = student.hidden_units if isinstance(student, DenseStudent) else None
    return students or teachers or min(sizes), teachers or min(sizes)


def projected_problems(system: System, dynamics: SGD, sizes: Sequence[int]) -> list[str]:
    """Choices for which the overlaps are no Markov chain, or not built; empty if there is none."""
    units = max(committee_units(system, sizes))
    fewest = 3 * units
    checks = (
        (system.inputs.kind == "gaussian", f"inputs {system.inputs.kind!r} instead of gaussian"),
        (system.wiring.kind == "dense", f"wiring {system.wiring.kind!r} instead of dense"),
        (system.depth == 2, f"depth {system.depth} instead of 2"),
        (system.output == "scalar", "output 'vector' instead of scalar"),
        (system.learned_layers == "first", "learned_layers 'all' instead of first"),
        (system.readout == "linear", "readout 'activated' instead of linear"),
        (
            system.activation in ("erf", "relu", "linear"),
            f"activation {system.activation!r} instead of erf, relu or linear",
        ),
        (system.field_scaling == "sqrt_fan_in", "field_scaling 'unscaled' instead of sqrt_fan_in"),
        (units <= MOST_UNITS, f"{units} hidden units instead of at most {MOST_UNITS}"),
        (min(sizes) >= fewest, f"size {min(sizes)} instead of at least {fewest}"),
        (system.teacher_vectors != "binary", "teacher_vectors 'binary'"),
        (system.teacher_activation is None, "teacher_activation"),
        (dynamics.learning_rate.schedule.kind == "constant", "learning_rate.schedule"),
        (dynamics.batch_schedule.kind == "constant", "batch_schedule"),
        (dynamics.momentum == 0, "momentum"),
        (dynamics.weight_decay == 0, "weight_decay"),
        (dynamics.loss == "mean-square", f"loss {dynamics.loss!r} instead of mean-square"),
        (dynamics.sampling == "one-pass", f"sampling {dynamics.sampling!r} instead of one-pass"),
    )
    return [words for fine, words in checks if not fine]
