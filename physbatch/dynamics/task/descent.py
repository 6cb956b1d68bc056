"""Gradient descent of the students of many replicas at once, for any task.

Random numbers are drawn and samples made replica by replica; networks are computed, and
differentiated, for all replicas together. So that a replica has the same bits in any company, a
block of replicas always has the same length and always begins at a multiple of it.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import BuiltinFunctionType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.func import grad, vjp, vmap

from physbatch.dynamics.task.draw import Use
from physbatch.dynamics.task.global_draws import kept_settings, no_global_draws
from physbatch.dynamics.task.optimizers import Optimizer
from physbatch.dynamics.task.protocol import Calls, Weights, as_weights
from physbatch.dynamics.task.run import STUDENT, Member, TaskRun
from physbatch.dynamics.task.samples import Leaves, Source, whole
from physbatch.dynamics.task.tracing import Function, trace
from physbatch.errors import StudyError

State = dict[str, npt.NDArray[np.generic]]
Traces = dict[tuple[object, ...], Function]
#: Who has torch's settings.
_TURN = threading.RLock()
#: Attributes that are the same thing wherever they are equal.
_PLAIN = (bool, int, float, str, type(None), BuiltinFunctionType)


@functools.lru_cache(maxsize=64)
def _traces_of(*_task_and_run: object) -> Traces:
    """Room for the traces of a task at a size."""
    return {}


@contextmanager
def torch_of_its_own(dtype: torch.dtype) -> Iterator[None]:
    """One thread, so that sums are taken in one order, and new tensors in the study's precision.

    Both belong to the process: of several threads, as in a worker of dask, one has its turn.
    """
    with _TURN, kept_settings():
        torch.set_num_threads(1)
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(True)
        yield


class Network:
    """The functions of a task on the weights of all replicas, shape (replica, ...).

    Parameters
    ----------
    task : object
        The user's task.
    run : TaskRun
        What is computed.
    """

    def __init__(self, task: Any, run: TaskRun) -> None:
        self.task, self.run = task, run
        self.teacher, module = self._drawn("teacher", 0) if hasattr(task, "teacher") else ({}, None)
        self._students: dict[int, Weights] = {}
        self._module: nn.Module | None = None
        self.students(STUDENT.start)
        self.calls = Calls(task, self._module, module, run.loss)
        self._traced = self._known_traces()

    def students(self, number: int) -> Weights:
        """The students of all replicas before they learn, by the number of their start."""
        if number not in self._students:
            weights, module = self._drawn("student", number)
            self._students[number], self._module = weights, self._module or module
            if not any(map(self.is_learned, weights)):
                raise StudyError(
                    "has no weights that are learned",
                    where=f"{type(self.task).__name__}.student",
                    remedy="give floating-point tensors, of modules parameters that require grad",
                )
        return {name: weights.clone() for name, weights in self._students[number].items()}

    def is_learned(self, name: str) -> bool:
        """Whether weights of the students are learned: numbers that no module holds fixed."""
        if self._module is not None:
            parameter = dict(self._module.named_parameters()).get(name)
            return parameter is not None and parameter.requires_grad
        return self._students[STUDENT.start][name].dtype.is_floating_point

    def _drawn(self, use: Use, number: int) -> tuple[Weights, nn.Module | None]:
        """Weights of the teachers or students of all replicas, drawn one after the other."""
        make, where = getattr(self.task, use), f"{type(self.task).__name__}.{use}"
        drawn, module = [], None
        for replica in self.run.replicas:
            draw = self.run.draw(replica, use, number)
            with no_global_draws(where, draw.generator().initial_seed()) as check:
                weights, module = as_weights(make(self.run.size, draw), where)
                check(module is not None)
            drawn.append(weights)
        stacked = {}
        for name in drawn[0]:
            if any(name not in w or w[name].shape != drawn[0][name].shape for w in drawn):
                raise StudyError(f"gives {name!r} another shape in each replica", where=where)
            if any(len(weights) != len(drawn[0]) for weights in drawn):
                raise StudyError("gives other names in each replica", where=where)
            values = torch.stack([weights[name] for weights in drawn]).to(self.run.device)
            if values.dtype.is_floating_point:
                values = values.to(self.run.dtype)
                if not bool(torch.isfinite(values).all()):
                    raise StudyError(f"{name!r} holds numbers that are not finite", where=where)
            stacked[name] = values
        return stacked, module

    def _known_traces(self) -> Traces:
        """Traces of the same functions in other cells: for small models they cost most.

        Only of a task that is known by plain attributes: a module, or tensors that the task
        keeps, may stand in a trace with their values.
        """
        attributes = vars(self.task) if hasattr(self.task, "__dict__") else {}
        if self._module is not None or not all(isinstance(v, _PLAIN) for v in attributes.values()):
            return {}
        run, plain = self.run, tuple((name, type(v), v) for name, v in sorted(attributes.items()))
        kind: object = type(self.task)
        return _traces_of(kind, plain, run.size, run.loss, run.dtype, run.device)

    def batched(
        self, name: str, function: Callable[..., Any], trees: Sequence[Leaves | Weights]
    ) -> Sequence[Tensor]:
        """A function of one replica's tensors, called for all replicas at once.

        `function` takes as many dictionaries as there are trees and returns a list of tensors.
        """
        leaves = [leaf for tree in trees for leaf in tree.values()]
        key = (name, *((leaf.shape, leaf.dtype) for leaf in leaves))
        if key not in self._traced:
            names = [list(tree) for tree in trees]

            def flat(*arguments: Tensor) -> Any:
                rest = iter(arguments)
                return function(*({name: next(rest) for name in tree} for tree in names))

            where = type(self.task).__name__
            with no_global_draws(where) as check:
                self._traced[key] = trace(vmap(flat), leaves, where)
                check(False)
        with torch.no_grad():
            return self._traced[key](*leaves)

    def labels(self, inputs: Leaves) -> Tensor:
        """What the teachers say, shape (replica, sample, ...)."""
        calls = self.calls

        def say(teacher: Weights, inputs: Leaves) -> list[Tensor]:
            x = whole(inputs)
            said = calls.teacher_forward(teacher, x)
            return [_counted(said, x, f"{type(self.task).__name__}.teacher_forward")]

        targets = self.batched("teacher_forward", say, (self.teacher, inputs))[0]
        if targets.dtype.is_floating_point:
            targets = targets.to(self.run.dtype)
            if not bool(torch.isfinite(targets).all()):
                where = f"{type(self.task).__name__}.teacher_forward"
                raise StudyError("returns numbers that are not finite", where=where)
        return targets

    def outputs(self, students: Weights, inputs: Leaves) -> Tensor:
        """Outputs of students, shape (replica, sample, ...)."""
        calls = self.calls

        def say(student: Weights, inputs: Leaves) -> list[Tensor]:
            x = whole(inputs)
            return [_counted(calls.forward(student, x), x, f"{type(self.task).__name__}.forward")]

        return self.batched("forward", say, (students, inputs))[0]

    def losses(self, students: Weights, inputs: Leaves, targets: Tensor) -> Tensor:
        """The loss of each sample, shape (replica, sample)."""
        calls = self.calls

        def losses(student: Weights, inputs: Leaves, targets: Leaves) -> list[Tensor]:
            outputs = calls.forward(student, whole(inputs))
            _check_alike(outputs, targets["y"], calls)
            return [calls.losses(outputs, targets["y"])]

        return self.batched("losses", losses, (students, inputs, {"y": targets}))[0]

    def gradients(
        self,
        learned: Weights,
        fixed: Weights,
        inputs: Leaves,
        targets: Tensor,
        weights: Tensor | None,
    ) -> Sequence[Tensor]:
        """Sum over the batch of the gradients of the loss, one for each of the learned weights."""
        calls = self.calls
        rest = {"y": targets} if weights is None else {"y": targets, "w": weights}

        def squares(learned: Weights, fixed: Weights, inputs: Leaves, rest: Leaves) -> list[Tensor]:
            # The loss itself, and its own way back, are not needed.
            way: Any = vjp(
                lambda weights: calls.forward({**weights, **fixed}, whole(inputs)), learned
            )
            outputs, pull_back = way
            _check_alike(outputs, rest["y"], calls)
            error = outputs - rest["y"]
            if "w" in rest:
                error = error * rest["w"].reshape(-1, *[1] * (error.dim() - 1))
            return list(pull_back(error)[0].values())

        def losses(learned: Weights, fixed: Weights, inputs: Leaves, rest: Leaves) -> list[Tensor]:
            def total(weights: Weights) -> Tensor:
                outputs = calls.forward({**weights, **fixed}, whole(inputs))
                _check_alike(outputs, rest["y"], calls)
                each = calls.losses(outputs, rest["y"])
                return (each * rest["w"]).sum() if "w" in rest else each.sum()

            return list(grad(total)(learned).values())

        simple = calls.squares and targets.dtype.is_floating_point
        function = squares if simple else losses
        name = "gradients" if weights is None else "weighted gradients"
        return self.batched(name, function, (learned, fixed, inputs, rest))

    def mean_loss(
        self,
        names: Sequence[str],
        fixed: Weights,
        inputs: Leaves,
        targets: Tensor,
        weights: Tensor | None = None,
    ) -> Callable[[Sequence[Tensor]], Tensor]:
        """The mean loss of samples, shape (replica,), as a function of the weights of these names.

        It can be differentiated twice; nothing is traced.
        """
        calls = self.calls
        rest = {"y": targets} if weights is None else {"y": targets, "w": weights}

        def mean(values: list[Tensor], fixed: Weights, inputs: Leaves, rest: Leaves) -> Tensor:
            student = {**dict(zip(names, values, strict=True)), **fixed}
            each = calls.losses(calls.forward(student, whole(inputs)), rest["y"])
            return (each * rest["w"]).sum() / rest["w"].sum() if "w" in rest else each.mean()

        return lambda values: vmap(mean)(list(values), fixed, inputs, rest)


class TaskDescent:
    """Students that learn; `step` counts the updates that were done.

    Parameters
    ----------
    network : Network
        The functions of the task, and the weights before learning.
    member : Member
        Which student of each replica, and which data it sees.
    """

    def __init__(self, network: Network, member: Member = STUDENT) -> None:
        self.network, self.run = network, network.run
        self.source = Source(network.task, network.run, member, network.labels)
        self.step = 0
        students = network.students(member.start)
        self.learned = {name: w for name, w in students.items() if network.is_learned(name)}
        self._fixed = {name: w for name, w in students.items() if name not in self.learned}
        self._optimizer = Optimizer(self.run.optimizer, list(self.learned.values()))
        #: The step at which a replica was found to have diverged, or -1, shape (replica,).
        self.diverged_at = np.full(len(self.run.replicas), -1, dtype=np.int64)

    @property
    def students(self) -> Weights:
        """All weights of the students now."""
        return {**self.learned, **self._fixed}

    def advance(self, stop: int) -> None:
        """Go on to `stop` steps."""
        run = self.run
        while self.step < stop:
            number, position = divmod(self.step, run.pool_steps)
            batch = self.source.pool(number).batch(position)
            gradients = self.network.gradients(self.learned, self._fixed, *batch)
            if self.step == 0:
                self._check_first(gradients)
            rate = run.learning_rate * run.rate_factor(self.step)
            scale = 1.0 / run.mean_batch(self.step)
            self._optimizer.update(gradients, self.step, rate, scale)
            self.step += 1
            if position == run.pool_steps - 1:
                self.note_diverged()

    def last_batch(self) -> tuple[Leaves, Tensor, Tensor | None]:
        """The batch last drawn, before any step the first one."""
        number, position = divmod(max(self.step - 1, 0), self.run.pool_steps)
        return self.source.pool(number).batch(position)

    def mean_loss(
        self, inputs: Leaves, targets: Tensor, weights: Tensor | None = None
    ) -> Callable[[Sequence[Tensor]], Tensor]:
        """The mean loss of samples, shape (replica,), as a function of what is learned."""
        return self.network.mean_loss(list(self.learned), self._fixed, inputs, targets, weights)

    def mean_gradient(self, inputs: Leaves, targets: Tensor) -> Tensor:
        """Gradient of the mean loss of some samples, shape (replica, weight)."""
        sums = self.network.gradients(self.learned, self._fixed, inputs, targets, None)
        return torch.cat([values.flatten(1) for values in sums], dim=1) / targets.shape[1]

    def batch_loss(self) -> npt.NDArray[np.float64]:
        """Mean loss on the batch last drawn, shape (replica,)."""
        inputs, targets, weights = self.last_batch()
        losses = self.network.losses(self.students, inputs, targets).double()
        if weights is None:
            mean = losses.mean(dim=1)
        else:
            mean = (losses * weights).sum(dim=1) / weights.sum(dim=1)
        return np.asarray(mean.cpu().numpy(), dtype=np.float64)

    def note_diverged(self) -> None:
        """Find the replicas whose weights have left the range of numbers."""
        finite = torch.stack(
            [torch.isfinite(w).flatten(1).all(dim=1) for w in self.learned.values()]
        ).all(dim=0)
        lost = ~finite.cpu().numpy() & (self.diverged_at < 0)
        self.diverged_at[lost] = self.step

    def _check_first(self, gradients: Sequence[Tensor]) -> None:
        """A loss whose first gradient is no number is a fault, not a divergence."""
        for name, gradient in zip(self.learned, gradients, strict=True):
            if not bool(torch.isfinite(gradient).all()):
                raise StudyError(
                    f"the first gradient of the loss by {name!r} is not finite",
                    where=type(self.network.task).__name__,
                    remedy="check for logarithms, roots and divisions at 0",
                )

    def state(self) -> State:
        """What a descent of the same task needs to go on from here."""
        arrays: State = {"step": np.array(self.step), "diverged_at": self.diverged_at}
        for number, tensor in enumerate(self._tensors()):
            arrays[f"{number}"] = tensor.cpu().numpy()
        return arrays

    def restore(self, state: State) -> None:
        """Go on from a state."""
        self.step = int(state["step"])
        self.diverged_at = state["diverged_at"].astype(np.int64)
        for number, tensor in enumerate(self._tensors()):
            tensor.copy_(torch.from_numpy(state[f"{number}"].copy()))

    def _tensors(self) -> Iterator[Tensor]:
        """Everything that changes: weights and what the optimizer remembers."""
        yield from self.learned.values()
        for buffers in self._optimizer.buffers:
            yield from buffers


def _counted(outputs: Any, x: Any, where: str) -> Tensor:
    """Outputs, one for each sample."""
    count = next(iter(x.values())).shape[0] if isinstance(x, dict) else x.shape[0]
    if not isinstance(outputs, Tensor) or outputs.shape[:1] != (count,):
        shape = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise StudyError(f"returns {shape}, not one row for each of {count} samples", where=where)
    return outputs


def _check_alike(outputs: Tensor, targets: Tensor, calls: Calls) -> None:
    """Numbers have the shape of the targets; classes have one score each in a last dimension."""
    if hasattr(calls.task, "loss"):
        return
    classes = not targets.dtype.is_floating_point
    if not outputs.dtype.is_floating_point:
        kind = str(outputs.dtype).removeprefix("torch.")
        raise StudyError(f"forward returns {kind} numbers", where=type(calls.task).__name__)
    if (outputs.shape[:-1] if classes else outputs.shape) != targets.shape:
        raise StudyError(
            f"forward returns {tuple(outputs.shape)}, teacher_forward {tuple(targets.shape)}",
            where=type(calls.task).__name__,
            remedy="give numbers the same shape, and classes one score each in a last dimension",
        )
