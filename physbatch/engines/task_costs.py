"""What a student of a task costs, from one student and a few samples."""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from physbatch.dynamics.task.descent import Network
from physbatch.dynamics.task.run import STUDENT, TaskRun
from physbatch.dynamics.task.samples import Source, whole
from physbatch.errors import StudyError


class Costs(NamedTuple):
    """Of one student: its weights, and on the way forward operations in all, and of one sample
    floating-point operations, numbers that are kept for the way back, and numbers of the input.
    """

    weights: int
    operations: int
    flops: float
    kept: float
    inputs: int


def costs_of(task: Any, run: TaskRun) -> Costs:
    """The costs of a student of a task; `run` has one replica.

    Samples are counted by difference, two less one.
    """
    network = Network(task, run)
    students = network.students(STUDENT.start)
    student = {name: weights[0] for name, weights in students.items()}
    source = Source(task, run, STUDENT, network.labels)
    flops, kept, operations, numbers = [], [], 0, 0
    for samples in (1, 2):
        inputs = {name: leaf[0] for name, leaf in source.inputs(samples, "training").items()}
        numbers = sum(leaf.numel() for leaf in inputs.values()) // samples
        sizes: list[int] = []
        remember = functools.partial(_note, sizes)
        learned = {
            name: w.requires_grad_() if w.dtype.is_floating_point else w
            for name, w in student.items()
        }
        with (
            FlopCounterMode(display=False) as flop_counter,
            torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor),
        ):
            outputs = network.calls.forward(learned, whole(inputs))
        numbers_out = isinstance(outputs, Tensor) and outputs.dtype.is_floating_point
        if numbers_out and not outputs.requires_grad:
            raise StudyError(
                "what forward returns does not depend on the weights",
                where=type(task).__name__,
                remedy="leave out detach, no_grad and .data",
            )
        flops.append(flop_counter.get_total_flops())
        kept.append(sum(sizes))
        operations = 2 * len(sizes)
    return Costs(
        weights=sum(math.prod(w.shape) for w in student.values()),
        operations=operations,
        flops=max(flops[1] - flops[0], 0),
        kept=max(kept[1] - kept[0], 1),
        inputs=numbers,
    )


def _note(sizes: list[int], tensor: Tensor) -> Tensor:
    sizes.append(tensor.numel())
    return tensor
