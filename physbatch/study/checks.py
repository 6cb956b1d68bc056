"""What gradient descent asks of batches and inputs, beyond what each field allows by itself."""

from __future__ import annotations

from physbatch.study.dynamics import SGD, Dynamics
from physbatch.study.grid import Grid
from physbatch.study.system import GaussianInputs, System


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
    ):
        if not sensible:
            raise ValueError(f"{name} is not for inputs 'samples'; leave it out")


def check_spectrum(system: System, dynamics: Dynamics) -> None:
    """ValueError for a spectrum of inputs that only direct gradient descent knows, or a wrong one.

    Examples
    --------
    >>> from physbatch.study.catalogue import study
    >>> known = study("sparse-sgd")
    >>> check_spectrum(known.system, known.dynamics)
    """
    inputs = system.inputs
    if not isinstance(inputs, GaussianInputs) or inputs.spectrum is None:
        return
    if not isinstance(dynamics, SGD) or dynamics.engine != "direct":
        raise ValueError("inputs.spectrum is for direct sgd; leave it out")
    if inputs.spectrum[0] > inputs.spectrum[1]:
        raise ValueError("inputs.spectrum is the smallest and the largest variance of an input")
