"""A trial of a task: whether its numbers are those of its draws and options alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from physbatch.dynamics.task.descent import Network, TaskDescent
from physbatch.dynamics.task.run import TaskRun
from physbatch.errors import StudyError


def check_repeatable(make: Callable[[], Any], run: TaskRun) -> None:
    """Ask a task twice for the same, and another one with the same options once more.

    A generator of its own, a clock or a count of calls gives other numbers the second time, and
    would in another worker.

    Parameters
    ----------
    make : callable
        Gives the task, built anew at each call.
    run : TaskRun
        What is computed, with one replica.

    Raises
    ------
    StudyError
        Naming the function whose numbers differ.
    """
    task = make()
    name = type(task).__name__
    first, *others = (_made(each, run) for each in (task, task, make()))
    for other in others:
        for function, tensors in first.items():
            for key in {**tensors, **other[function]}:
                here, there = tensors.get(key), other[function].get(key)
                if here is None or there is None or not torch.equal(here, there):
                    raise StudyError(
                        "gives other numbers when it is called again",
                        where=f"{name}.{function}",
                        remedy="take random numbers from draw, and keep no state between calls",
                    )


def _made(task: Any, run: TaskRun) -> dict[str, dict[str, Tensor]]:
    """What the functions of a task that draw give for the first batch, by function."""
    descent = TaskDescent(Network(task, run))
    inputs, targets, _ = descent.last_batch()
    drawn = {"teacher": descent.network.teacher, "student": descent.students, "inputs": inputs}
    return {**drawn, "label_noise": {"": targets}}


def check_loss(descent: TaskDescent) -> None:
    """StudyError if the loss does not change with the weights: its gradient would be 0."""
    inputs, targets, weights = descent.last_batch()
    learned = [w.detach().requires_grad_() for w in descent.learned.values()]
    if not descent.mean_loss(inputs, targets, weights)(learned).requires_grad:
        raise StudyError(
            "the loss does not depend on the weights",
            where=type(descent.network.task).__name__,
            remedy="leave out detach, no_grad and .data",
        )
