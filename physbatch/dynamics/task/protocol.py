"""What a task is: a user's model, in a form that many replicas can be computed in at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.parameter import UninitializedParameter

from physbatch.dynamics.task.draw import Draw
from physbatch.errors import StudyError

#: Samples: one tensor, or several by name; the first dimension counts them.
Samples = Tensor | Mapping[str, Tensor]
Weights = dict[str, Tensor]


class Task(Protocol):
    """What every task has; docs/own-model.md says what it may have besides."""

    def inputs(self, count: int, size: int, draw: Draw) -> Samples:
        """Independent samples of the input."""

    def teacher_forward(self, p: Any, x: Any) -> Tensor:
        """What the student is to say: numbers, or classes as integers."""

    def student(self, size: int, draw: Draw) -> Mapping[str, Tensor] | nn.Module:
        """The weights of a student before it learns."""


class Calls:
    """The functions of a task on weights as dictionaries, whether they were a module or not.

    Parameters
    ----------
    task : object
        The user's task.
    student, teacher : nn.Module, optional
        Modules that the task returned: their structure alone is used.
    loss : {"mean-square", "logistic"}
        The loss of numbers, unless the task has its own.

    Raises
    ------
    StudyError
        If the task lacks a function that no module replaces.
    """

    def __init__(
        self, task: Any, student: nn.Module | None, teacher: nn.Module | None, loss: str
    ) -> None:
        self.task = task
        self._student, self._teacher, self._loss = student, teacher, loss
        for name, module in (("forward", student), ("teacher_forward", teacher)):
            if module is None and not hasattr(task, name):
                raise StudyError(
                    f"has no function {name}",
                    where=type(task).__name__,
                    remedy="write it, or return an nn.Module, which needs none",
                )

    def forward(self, weights: Mapping[str, Tensor], x: Any) -> Tensor:
        """Outputs of a student, shape (sample, ...)."""
        if hasattr(self.task, "forward") or self._student is None:
            return cast("Tensor", self.task.forward(weights, x))
        return cast("Tensor", torch.func.functional_call(self._student, dict(weights), (x,)))

    def teacher_forward(self, weights: Mapping[str, Tensor], x: Any) -> Tensor:
        """What the teacher says, shape (sample, ...)."""
        if hasattr(self.task, "teacher_forward") or self._teacher is None:
            return cast("Tensor", self.task.teacher_forward(weights, x))
        return cast("Tensor", torch.func.functional_call(self._teacher, dict(weights), (x,)))

    @property
    def squares(self) -> bool:
        """Whether the loss is half the squared difference, whose derivative needs no graph."""
        return self._loss == "mean-square" and not hasattr(self.task, "loss")

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of each sample, shape (sample,).

        Numbers: sum over outputs of (f - y)^2/2, or of ln(1 + exp(-sign(y) f)). Classes: sum over
        positions of the cross entropy.
        """
        if hasattr(self.task, "loss"):
            losses = self.task.loss(outputs, targets)
            if not isinstance(losses, Tensor) or losses.shape != outputs.shape[:1]:
                shape = tuple(losses.shape) if isinstance(losses, Tensor) else type(losses).__name__
                raise StudyError(
                    f"loss returns {shape}, not one number for each of {outputs.shape[0]} samples",
                    where=type(self.task).__name__,
                )
            if not losses.dtype.is_floating_point:
                kind = str(losses.dtype).removeprefix("torch.")
                raise StudyError(f"loss returns {kind} numbers", where=type(self.task).__name__)
            return losses
        if not targets.dtype.is_floating_point:
            scores = outputs.movedim(-1, 1)
            each = functional.cross_entropy(scores, targets, reduction="none")
        elif self._loss == "logistic":
            each = functional.softplus(-torch.sign(targets) * outputs)
        else:
            each = 0.5 * (outputs - targets) ** 2
        return each.reshape(each.shape[0], -1).sum(dim=1)


def as_weights(made: Any, where: str) -> tuple[Weights, nn.Module | None]:
    """Weights by name, and the module that they are of, if it was one.

    Raises
    ------
    StudyError
        If it is neither a module nor a dictionary of tensors.
    """
    if isinstance(made, nn.Module):
        _check_module(made, where)
        named = {**dict(made.named_parameters()), **dict(made.named_buffers())}
        return {name: tensor.detach() for name, tensor in named.items()}, made
    if made is None:
        return {}, None
    if not isinstance(made, Mapping):
        raise StudyError(
            f"returns {type(made).__name__}, not a dictionary of tensors or an nn.Module",
            where=where,
        )
    weights = {}
    for name, value in made.items():
        try:
            weights[str(name)] = torch.as_tensor(value).detach()
        except (TypeError, ValueError, RuntimeError):
            raise StudyError(f"{name!r} is no tensor", where=where) from None
    return weights, None


def _check_module(module: nn.Module, where: str) -> None:
    """StudyError if a module is not a function of its weights and inputs alone."""
    for part in module.modules():
        changes = isinstance(part, _BatchNorm) and part.track_running_stats
        draws = isinstance(part, _DropoutNd) and part.p > 0.0
        if part.training and (changes or draws):
            raise StudyError(
                f"holds {type(part).__name__}, which {'draws' if draws else 'changes its buffers'}",
                where=where,
                remedy="leave it out, or return the module after eval()",
            )
        if any(
            isinstance(weight, UninitializedParameter) for weight in part.parameters(recurse=False)
        ):
            raise StudyError(
                f"holds {type(part).__name__}, whose shape is not known",
                where=where,
                remedy="give its sizes",
            )
