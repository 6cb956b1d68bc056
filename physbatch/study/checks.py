"""What gradient descent asks of batches and inputs, beyond what each field allows by itself."""

from __future__ import annotations

from physbatch.study.base import MAX_VALUES, MOST_SAMPLES
from physbatch.study.dynamics import SGD, Dynamics, Greedy, Metropolis
from physbatch.study.grid import Grid
from physbatch.study.measurement import Measurement
from physbatch.study.system import GaussianInputs, PatternInputs, System


def check_batches(grid: Grid) -> None:
    """ValueError if a batch may have no sample: a step of gradient descent needs one."""
    if grid.batch_ratio is not None:
        smallest = grid.batch_ratio[0] * grid.size[0]
    else:
        smallest = min(grid.batch_size or (1,))
    if smallest < 1:
        raise ValueError(
            f"batches of {smallest:g} samples; below 1 they are for greedy and metropolis, whose "
            "sweeps may have none"
        )


def check_scheduled(dynamics: Greedy | Metropolis, grid: Grid, measurement: Measurement) -> float:
    """The largest m of a study of discrete weights.

    Raises
    ------
    ValueError
        If m changes too often for its table, is beyond all memory, or changes where batches take
        turns or cut a permutation.
    """
    schedule = dynamics.batch_schedule
    if schedule.kind != "constant":
        for field, value, other in (
            ("rounding", dynamics.rounding, "random"),
            ("sampling", dynamics.sampling, "subsets"),
        ):
            if value != other:
                raise ValueError(f"{field} {value!r} needs a constant batch_schedule; use {other}")
        if min(schedule.settled, measurement.duration) > MAX_VALUES:
            raise ValueError(f"a batch_schedule of sweeps settles within {MAX_VALUES} of them")
    largest = _largest(grid) * schedule.largest
    if largest > MOST_SAMPLES:
        raise ValueError(f"a batch of {largest:g} samples is above {MOST_SAMPLES}")
    return largest


def largest_batch(dynamics: SGD, grid: Grid, measurement: Measurement) -> float:
    """The largest m of a study of gradient descent.

    Raises
    ------
    ValueError
        If it is beyond all memory, or if m changes where times count samples.
    """
    schedule = dynamics.batch_schedule
    if measurement.unit == "samples" and schedule.kind != "constant":
        raise ValueError("measurement.unit 'samples' needs a constant dynamics.batch_schedule")
    largest = _largest(grid) * schedule.largest
    if largest > MOST_SAMPLES:
        raise ValueError(f"a batch of {largest:g} samples is above {MOST_SAMPLES}")
    return largest


def check_distinct(
    inputs: PatternInputs, dynamics: Dynamics, grid: Grid, measurement: Measurement
) -> None:
    """ValueError if a batch without repetitions is larger than the set it is drawn from."""
    fewest = min(grid.pattern_count or (inputs.count or 0,))
    if isinstance(dynamics, SGD):
        largest = largest_batch(dynamics, grid, measurement)
    elif isinstance(dynamics, Greedy | Metropolis):
        largest = check_scheduled(dynamics, grid, measurement)
    else:
        largest = _largest(grid)
    if largest > fewest:
        raise ValueError(
            f"a batch of {largest:g} distinct patterns needs as many, but there are {fewest}; "
            "make batches smaller or the pattern count larger"
        )


def _largest(grid: Grid) -> float:
    return max(grid.batch_size or (max(grid.batch_ratio or ()) * max(grid.size),))


def check_classified(dynamics: SGD) -> None:
    """ValueError for what the training of classifiers lacks.

    Examples
    --------
    >>> check_classified(SGD(kind="sgd", weight_decay=0.1))
    Traceback (most recent call last):
    ValueError: weight_decay is not for inputs 'samples'; leave it out
    """
    for name, sensible in (
        ("loss 'hinge'", dynamics.loss != "hinge"),
        ("weight_decay", dynamics.weight_decay == 0),
        ("learning_rate.schedule", dynamics.learning_rate.schedule.kind == "constant"),
        ("batch_schedule", dynamics.batch_schedule.kind == "constant"),
    ):
        if not sensible:
            raise ValueError(f"{name} is not for inputs 'samples'; leave it out")


def check_stopping(system: System, dynamics: Dynamics) -> None:
    """ValueError if a study stops at zero loss, and its loss never is zero or does not stay so.

    Examples
    --------
    >>> from physbatch.study.catalogue import study
    >>> check_stopping(study("sgd-regimes").system, study("sgd-regimes").dynamics)
    """
    if not isinstance(dynamics, SGD) or dynamics.stop == "duration":
        return
    ours = system.kind == "teacher-student" and isinstance(system.inputs, PatternInputs)
    if not ours or dynamics.engine != "direct" or dynamics.loss != "hinge":
        raise ValueError("stop 'zero-loss' is for the hinge loss of patterns, by direct sgd")
    if dynamics.momentum or dynamics.weight_decay:
        raise ValueError(
            "stop 'zero-loss' is not for momentum or weight_decay, which move on without a loss"
        )


def check_inputs(system: System, dynamics: Dynamics) -> None:
    """ValueError for inputs that only some gradient descent knows, or that make no sense.

    Examples
    --------
    >>> from physbatch.study.catalogue import study
    >>> for name in ("sparse-sgd", "linear-spectrum", "sgd-regimes"):
    ...     check_inputs(study(name).system, study(name).dynamics)
    """
    if isinstance(system.inputs, GaussianInputs):
        _check_spectrum(system.inputs, dynamics)
    if isinstance(system.inputs, PatternInputs) and system.inputs.margin_exponent:
        _check_margins(system, system.inputs, dynamics)


def _check_spectrum(inputs: GaussianInputs, dynamics: Dynamics) -> None:
    """A spectrum is a range of variances, and for direct gradient descent."""
    if inputs.spectrum is None:
        return
    if not isinstance(dynamics, SGD) or dynamics.engine != "direct":
        raise ValueError("inputs.spectrum is for direct sgd; leave it out")
    if inputs.spectrum[0] > inputs.spectrum[1]:
        raise ValueError("inputs.spectrum is the smallest and the largest variance of an input")


def _check_margins(system: System, inputs: PatternInputs, dynamics: Dynamics) -> None:
    """Only one unit has one boundary, and only signs do not depend on the distance from it."""
    for sensible, words in (
        (isinstance(dynamics, SGD) and dynamics.loss != "mean-square", "loss hinge or logistic"),
        ((system.depth, system.wiring.kind) == (1, "dense"), "one dense layer"),
        (system.output == "scalar", "scalar output"),
        (inputs.of == "gaussian", "Gaussian patterns"),
        (inputs.label_noise == 0, "labels without noise"),
    ):
        if not sensible:
            raise ValueError(f"inputs.margin_exponent needs {words}")
