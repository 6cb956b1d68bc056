"""The samples that students of a task learn from, many batches at a time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from physbatch.dynamics.rules import BatchRule
from physbatch.dynamics.task.draw import Use
from physbatch.dynamics.task.global_draws import no_global_draws
from physbatch.dynamics.task.run import BATCH_BITS, Member, TaskRun
from physbatch.errors import StudyError
from physbatch.streams.filling import choice_rows, word_rows
from physbatch.streams.keys import KIND_BATCH, KIND_SELECT
from physbatch.typing import IntArray

#: Samples of all replicas, each tensor of shape (replica, ...).
Leaves = dict[str, Tensor]
#: Inputs, targets and weights of the samples of a batch, if they differ.
Batch = tuple[Leaves, Tensor, Tensor | None]
#: A batch that is never drawn: half of the numbers that there are for batches.
NO_BATCH = 1 << (BATCH_BITS - 2)
#: The name of samples that are one tensor.
ONE = ""


@dataclass(frozen=True)
class Pool:
    """Some batches: inputs and targets (replica, step, sample, ...), weights of samples if any.

    A batch of floor(m) samples in room for more of them gives the others weight 0.
    """

    inputs: Leaves
    targets: Tensor
    weights: Tensor | None

    def batch(self, step: int) -> Batch:
        """One batch."""
        inputs = {name: leaf[:, step] for name, leaf in self.inputs.items()}
        return (
            inputs,
            self.targets[:, step],
            None if self.weights is None else self.weights[:, step],
        )


def whole(leaves: Mapping[str, Tensor]) -> Any:
    """Samples as the functions of a task take them."""
    return leaves[ONE] if ONE in leaves else dict(leaves)


def _check_alike(made: list[Leaves], where: str) -> None:
    """Samples of all replicas have the same names, shapes and kinds of numbers."""
    if not made[0]:
        raise StudyError("returns no samples", where=where)
    for leaves in made[1:]:
        for name in {**made[0], **leaves}:
            here, there = (each.get(name) for each in (made[0], leaves))
            if here is None or there is None:
                raise StudyError("gives other names in each replica", where=where)
            if here.shape != there.shape or here.dtype != there.dtype:
                words = f"{name!r} " if name != ONE else ""
                raise StudyError(f"gives {words}another shape in each replica", where=where)


def _finite(values: Tensor) -> bool:
    """Whether all numbers are finite: their extremes are, in one fast pass."""
    if values.numel() == 0:
        return True
    return bool(torch.isfinite(torch.stack(torch.aminmax(values))).all())


class Source:
    """Where batches come from: fresh samples, or a finite set.

    Parameters
    ----------
    task : object
        The user's task.
    run : TaskRun
        What is computed.
    member : Member
        Which data of each replica.
    label : callable
        Targets (replica, sample, ...) of inputs (replica, sample, ...).
    """

    def __init__(
        self, task: Any, run: TaskRun, member: Member, label: Callable[[Leaves], Tensor]
    ) -> None:
        self._task, self._run, self._member, self._label = task, run, member, label
        self._last: tuple[int, Pool] | None = None
        #: The finite set, inputs and targets.
        self.patterns: tuple[Leaves, Tensor] | None = None
        if run.patterns:
            inputs = self.inputs(run.patterns, "training")
            self.patterns = inputs, self._noisy(label(inputs), 0)

    def inputs(self, count: int, use: Use, batch: int = 0, data: int | None = None) -> Leaves:
        """Samples that the task makes, shape (replica, sample, ...), of other data if asked for."""
        run, number = self._run, self._member.data if data is None else data
        made = []
        with no_global_draws(f"{type(self._task).__name__}.inputs") as check:
            for replica in run.replicas:
                draw = run.draw(replica, use, 0 if use == "probe" else number, batch)
                made.append(self._checked(self._task.inputs(count, run.size, draw), count))
            check(False)
        _check_alike(made, f"{type(self._task).__name__}.inputs")
        return {
            name: torch.stack([leaves[name] for leaves in made]).to(run.device) for name in made[0]
        }

    def _checked(self, inputs: Any, count: int) -> Leaves:
        """One replica's samples by name, numbers in the precision of the study."""
        where = f"{type(self._task).__name__}.inputs"
        leaves = inputs if isinstance(inputs, Mapping) else {ONE: inputs}
        checked = {}
        for name, leaf in leaves.items():
            if not isinstance(leaf, Tensor) or leaf.shape[:1] != (count,):
                shape = tuple(leaf.shape) if isinstance(leaf, Tensor) else type(leaf).__name__
                raise StudyError(
                    f"returns {shape}; the first dimension must be count = {count}", where=where
                )
            floating = leaf.dtype.is_floating_point
            checked[str(name)] = leaf.to(self._run.dtype) if floating else leaf
            if floating and not _finite(leaf):
                raise StudyError("returns numbers that are not finite", where=where)
        return checked

    def noisy_probes(self, targets: Tensor) -> Tensor:
        """Targets of probes with the noise of labels, which no batch shares with them."""
        return self._noisy(targets, NO_BATCH)

    def pool(self, number: int) -> Pool:
        """Some batches; the last pool is kept."""
        if self._last is None or self._last[0] != number:
            self._last = number, self._fresh(number) if not self.patterns else self._chosen(number)
        return self._last[1]

    def measured(self, step: int, most: int) -> Iterator[Batch]:
        """Batches as that of a step, which nobody learns: all subsets, or `most` that are drawn."""
        run, rule = self._run, self._run.rule(step)
        subsets = run.sampling in ("subsets", "without-replacement") and rule.floor == rule.largest
        if subsets and math.comb(run.patterns, rule.largest) <= most:
            for subset in itertools.combinations(range(run.patterns), rule.largest):
                yield *self._rows(np.tile(subset, (len(run.replicas), 1))), None
            return
        for number in range(step * most, (step + 1) * most):
            yield self._measured(rule, *run.measured_data(number))

    def _measured(self, rule: BatchRule, data: int, batch: int) -> Batch:
        """One batch that nobody learns, by the number of its data and its own."""
        run = self._run
        key, first, lanes = run.keys.dynamics, run.replicas.start, len(run.replicas)
        index, room = data << BATCH_BITS | batch, rule.largest
        if self.patterns is None:
            inputs = self.inputs(room, "training", batch, data)
            targets = self._noisy(self._label(inputs), batch, data)
        elif run.sampling == "with-replacement":
            words = word_rows(key, KIND_SELECT, index, first, lanes, room)
            inputs, targets = self._rows((words * run.patterns >> 32).astype(np.int64))
        else:
            chosen = choice_rows(key, KIND_SELECT, index, 1, run.replicas, room, run.patterns)
            inputs, targets = self._rows(chosen[:, 0])
        if rule.floor == room:
            return inputs, targets, None
        one_more = word_rows(key, KIND_BATCH, index, first, lanes, 1) < rule.threshold
        weights = torch.ones(lanes, room, dtype=run.dtype)
        weights[:, -1] = torch.from_numpy(one_more[:, 0])
        return inputs, targets, weights.to(run.device)

    def _rows(self, chosen: IntArray) -> tuple[Leaves, Tensor]:
        """Samples of the finite set by their numbers, shape (replica, sample)."""
        inputs, targets = cast("tuple[Leaves, Tensor]", self.patterns)
        device = targets.device
        rows = torch.arange(len(chosen), device=device)[:, None]
        columns = torch.from_numpy(chosen).to(device)
        return {name: leaf[rows, columns] for name, leaf in inputs.items()}, targets[rows, columns]

    def _fresh(self, number: int) -> Pool:
        run = self._run
        steps, room = run.pool_steps, run.room(number)
        inputs = self.inputs(steps * room, "training", number)
        return self._pool(number, room, inputs, self._noisy(self._label(inputs), number))

    def _chosen(self, number: int) -> Pool:
        """Batches of the finite set."""
        run = self._run
        steps, room, lanes = run.pool_steps, run.room(number), len(run.replicas)
        chosen = self._numbers(number * steps, steps, room)
        inputs, targets = self._rows(chosen.reshape(lanes, -1))
        return self._pool(number, room, inputs, targets)

    def _pool(self, number: int, room: int, inputs: Leaves, targets: Tensor) -> Pool:
        """Samples of all steps, one after the other, as batches."""
        shape = (len(self._run.replicas), self._run.pool_steps, room)
        return Pool(
            {name: leaf.reshape(*shape, *leaf.shape[2:]) for name, leaf in inputs.items()},
            targets.reshape(*shape, *targets.shape[2:]),
            self._weights(number, room),
        )

    def _numbers(self, first: int, steps: int, room: int) -> IntArray:
        """Which samples of the set are in the batches from `first` on, (replica, step, sample)."""
        run, of_data = self._run, self._member.data << BATCH_BITS
        key, replicas, count = run.keys.dynamics, run.replicas, run.patterns
        if run.sampling == "subsets":
            return choice_rows(key, KIND_SELECT, of_data | first, steps, replicas, room, count)
        if run.sampling == "with-replacement":
            words = [
                word_rows(key, KIND_SELECT, of_data | step, replicas.start, len(replicas), room)
                for step in range(first, first + steps)
            ]
            return np.stack([(word * count >> 32).astype(np.int64) for word in words], axis=1)
        batches = count // run.most_samples
        epochs = range(first // batches, (first + steps - 1) // batches + 1)
        index = of_data | epochs.start
        orders = choice_rows(key, KIND_SELECT, index, len(epochs), replicas, count, count)
        chosen = []
        for step in range(first, first + steps):
            epoch, batch = divmod(step, batches)
            start = batch * run.most_samples
            chosen.append(orders[:, epoch - epochs.start, start : start + room])
        return np.stack(chosen, axis=1)

    def _weights(self, number: int, room: int) -> Tensor | None:
        """Weight 1 for the samples of each batch, 0 for room that is left; None if none is."""
        counts = self._run.counts(self._member, number)
        if bool((counts == room).all()) and self._run.most_samples == self._run.batch_size:
            return None
        there = torch.arange(room) < torch.from_numpy(counts)[..., None]
        return there.to(self._run.dtype).to(self._run.device)

    def _noisy(self, targets: Tensor, batch: int, data: int | None = None) -> Tensor:
        """The targets with the noise that the task puts on them, if any."""
        number = self._member.data if data is None else data
        noise = getattr(self._task, "label_noise", None)
        if noise is None:
            return targets
        noisy = []
        for row, replica in enumerate(self._run.replicas):
            draw = self._run.draw(replica, "noise", number, batch)
            labels = noise(targets[row].cpu(), draw)
            if not isinstance(labels, Tensor) or labels.shape != targets[row].shape:
                raise StudyError(
                    "does not return targets of the shape that it was given",
                    where=f"{type(self._task).__name__}.label_noise",
                )
            noisy.append(labels.to(targets.dtype))
        return torch.stack(noisy).to(targets.device)
