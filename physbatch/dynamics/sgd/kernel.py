"""The compiled kernel of stochastic gradient descent: one replica after the other."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from physbatch.compilation import cached_njit
from physbatch.dynamics.compiled import (
    compiled_counting_floats,
    compiled_within,
    draw_count,
)
from physbatch.dynamics.sgd.batches import (
    Cell,
    Patterns,
    draw_inputs,
    draw_pattern_set,
    load_samples,
    select_patterns,
)
from physbatch.dynamics.sgd.parts import TILE, Side, backward, forward, outputs_of
from physbatch.dynamics.sgd.sums import fused, step_along
from physbatch.sources import hash_of_sources
from physbatch.streams.elementary import exponential, logarithm

#: Losses, as compiled code numbers them.
LOSSES = {"mean-square": 0, "logistic": 1, "hinge": 2}
_HINGE = LOSSES["hinge"]
#: What the disk cache must follow, see `hash_of_sources`.
SOURCE_HASH = hash_of_sources("dynamics/sgd", "dynamics", "streams")


class Ends(NamedTuple):
    """Steps of each replica, shape (replica,): -1 if it has not diverged, or not stopped.

    `changed_at` is the number of steps up to the last one that changed its weights.
    """

    diverged_at: Any
    stopped_at: Any
    changed_at: Any


@compiled_counting_floats
def _output_errors(errors, outputs, targets, samples, loss):
    """dl/dy: y - y*, for the logistic loss -t/(1 + exp(t y)), for hinges -t where t y < 1.

    Returns whether any may differ from 0: hinges leave samples alone that are right by the margin.
    """
    units = outputs.shape[1]
    moves = loss != _HINGE
    for s in range(samples):
        for k in range(units):
            y, t = outputs[s, k], targets[s, k]
            if loss == _HINGE:
                wrong = t * y < 1.0
                errors[s * units + k] = -t if wrong else 0.0
                moves = moves or wrong
            else:
                errors[s * units + k] = (
                    -t / (1.0 + exponential(min(np.float64(t * y), 700.0))) if loss else y - t
                )
    return moves


@compiled_counting_floats
def _log_of_one_more(x):
    """ln(1 + x) for 0 <= x <= 1, also where 1 + x rounds x away (Kahan)."""
    more = 1.0 + x
    return x if more == 1.0 else logarithm(more) * (x / (more - 1.0))


@compiled_counting_floats
def _losses(outputs, targets, samples, loss):
    """Sum over samples and outputs of (y - y*)^2/2, ln(1 + exp(-t y)) or max(0, 1 - t y)."""
    total = 0.0
    for s in range(samples):
        for k in range(outputs.shape[1]):
            y, t = np.float64(outputs[s, k]), np.float64(targets[s, k])
            margin = t * y
            if loss == _HINGE:
                total += max(1.0 - margin, 0.0)
            elif loss:
                total += _log_of_one_more(exponential(-abs(margin))) + max(-margin, 0.0)
            else:
                total += 0.5 * (y - t) * (y - t)
    return total


@compiled_counting_floats
def _update(weights, velocity, gradient, rate, momentum, decay):
    """One step; the squared norm of the new weights."""
    if decay > 0.0:
        for j in range(gradient.shape[0]):
            gradient[j] = fused(decay, weights[j], gradient[j])
    if velocity.shape[0]:
        for j in range(gradient.shape[0]):
            velocity[j] = fused(momentum, velocity[j], gradient[j])
        return step_along(weights, velocity, rate)
    return step_along(weights, gradient, rate)


@compiled_within
def _replica_of(cell, row):
    """One replica of a cell."""
    teacher, student, patterns = cell.teacher, cell.student, cell.patterns
    return Cell(
        cell.rules,
        Side(teacher.network, teacher.weights[row], teacher.sources[row]),
        Side(student.network, student.weights[row], student.sources[row]),
        Patterns(patterns.inputs[row], patterns.targets[row]),
    )


@compiled_within
def _draw_pattern_sets(cell, work):
    for row in range(cell.patterns.inputs.shape[0]):
        replica = np.uint64(cell.rules.first_replica + row)
        draw_pattern_set(_replica_of(cell, row), work, replica)


@compiled_within
def _begin_batch(rules, pace, at, work, step, replica):
    """Number of samples in the batch of a step; which patterns they are stands in `work`."""
    key, index = rules.dynamics_key, np.uint64(step)
    count = draw_count(pace.floors[at], pace.thresholds[at], key, index, replica)
    if rules.patterns:
        select_patterns(rules, work, step, replica)
    return count


@compiled_within
def _add_gradients(cell, pace, at, work, step, replica):
    """The gradient of a replica, summed over the batch of a step; whether any sample has one."""
    rules, network = cell.rules, cell.student.network
    units, top = network.units[-1], network.unit_offsets[-2] * TILE
    count = _begin_batch(rules, pace, at, work, step, replica)
    work.gradient[:] = 0
    moves = False
    for first in range(0, count, TILE):
        samples = min(TILE, count - first)
        load_samples(cell, work, first, samples, step, replica)
        forward(cell.student, work.inputs, work.student, samples)
        outputs = outputs_of(cell.student, work.student, samples)
        errors = work.errors[top : top + samples * units]
        if not _output_errors(errors, outputs, work.targets, samples, rules.loss):
            continue
        moves = True
        backward(
            cell.student,
            work.inputs,
            work.student,
            work.errors,
            work.gradient,
            samples,
            rules.learned,
        )
    return moves


@compiled_within
def _is_zero_loss(cell, work):
    """Whether a replica is right on all its patterns by the margin."""
    rules = cell.rules
    for first in range(0, rules.patterns, TILE):
        samples = min(TILE, rules.patterns - first)
        forward(cell.student, cell.patterns.inputs[first : first + samples], work.student, samples)
        outputs = outputs_of(cell.student, work.student, samples)
        targets = cell.patterns.targets[first : first + samples]
        if _losses(outputs, targets, samples, rules.loss) > 0.0:
            return False
    return True


@compiled_within
def _is_time_to_look(rules, work, quiet):
    """After 1, 2, 4, 8 ... epochs without a change: looking costs less than what went before."""
    epoch = (rules.patterns + work.chosen.shape[0] - 1) // work.chosen.shape[0]
    epochs = quiet // epoch
    return quiet > 0 and quiet % epoch == 0 and (epochs & (epochs - 1)) == 0


@compiled_within
def _advance(cell, work, velocity, ends, pace, steps):
    rules, like = cell.rules, cell.student.weights.dtype
    momentum, last = like.type(rules.momentum), pace.rates.shape[0] - 1
    start, stop = steps
    decay = like.type(rules.decay)
    rests = velocity.shape[1] == 0 and decay == 0.0
    for row in range(ends.diverged_at.shape[0]):
        replica = np.uint64(rules.first_replica + row)
        mine = _replica_of(cell, row)
        work.order[0] = -1
        for step in range(start, stop):
            if ends.diverged_at[row] >= 0 or ends.stopped_at[row] >= 0:
                break
            at = min(step - start, last)
            moves = _add_gradients(mine, pace, at, work, step, replica)
            if rests and not moves:
                quiet = step + 1 - ends.changed_at[row]
                look = rules.stop and _is_time_to_look(rules, work, quiet)
                if look and _is_zero_loss(mine, work):
                    ends.stopped_at[row] = ends.changed_at[row]
                continue
            gain, rate = like.type(pace.gains[at]), like.type(pace.rates[at])
            if gain != 1.0:
                for j in range(work.gradient.shape[0]):
                    work.gradient[j] *= gain
            weights = mine.student.weights
            square = _update(weights, velocity[row], work.gradient, rate, momentum, decay)
            ends.changed_at[row] = step + 1
            if not np.isfinite(square):
                ends.diverged_at[row] = step + 1
        # What is known at the end does not depend on when it was looked at.
        going = ends.diverged_at[row] < 0 and ends.stopped_at[row] < 0
        if rules.stop and going and _is_zero_loss(mine, work):
            ends.stopped_at[row] = ends.changed_at[row]


@compiled_within
def _batch_losses(cell, work, loss, pace, step):
    rules = cell.rules
    for row in range(loss.shape[0]):
        replica = np.uint64(rules.first_replica + row)
        mine = _replica_of(cell, row)
        work.order[0] = -1
        count = _begin_batch(rules, pace, 0, work, step, replica)
        total = 0.0
        for first in range(0, count, TILE):
            samples = min(TILE, count - first)
            load_samples(mine, work, first, samples, step, replica)
            forward(mine.student, work.inputs, work.student, samples)
            outputs = outputs_of(mine.student, work.student, samples)
            total += _losses(outputs, work.targets, samples, rules.loss)
        loss[row] = total / (count * work.targets.shape[1])


@compiled_within
def _test_errors(cell, work, error, time, test_samples):
    rules = cell.rules
    units = work.targets.shape[1]
    for row in range(error.shape[0]):
        replica = np.uint64(rules.first_replica + row)
        mine = _replica_of(cell, row)
        total = 0.0
        for first in range(0, test_samples, TILE):
            samples = min(TILE, test_samples - first)
            index = np.uint64(time)
            draw_inputs(work.inputs, first, samples, rules, rules.test_key, index, replica)
            forward(mine.teacher, work.inputs, work.teacher, samples)
            forward(mine.student, work.inputs, work.student, samples)
            targets = outputs_of(mine.teacher, work.teacher, samples)
            outputs = outputs_of(mine.student, work.student, samples)
            if rules.loss:
                for s in range(samples):
                    for k in range(units):
                        total += (targets[s, k] >= 0) != (outputs[s, k] >= 0)
            else:
                total += _losses(outputs, targets, samples, 0)
        error[row] = total / (test_samples * units)


class Kernels(NamedTuple):
    """The compiled functions."""

    draw_patterns: Callable[..., Any]
    advance: Callable[..., Any]
    measure: Callable[..., Any]
    test: Callable[..., Any]


@functools.cache
def make_kernels(version: int) -> Kernels:
    """Compile the kernels.

    `version` is `SOURCE_HASH`, so that the disk cache follows the source. The closures hold
    integers only: with anything else the disk cache never hits.
    """

    @cached_njit(nogil=True, _nrt=False)
    def draw_patterns(cell, work):
        """Pattern sets of all replicas."""
        _ = version
        _draw_pattern_sets(cell, work)

    @cached_njit(nogil=True, error_model="numpy", _nrt=False)
    def advance(cell, work, velocity, ends, pace, steps):
        """Steps start ... stop - 1 of all replicas that have not diverged or stopped."""
        _ = version
        _advance(cell, work, velocity, ends, pace, steps)

    @cached_njit(nogil=True, error_model="numpy", _nrt=False)
    def measure(cell, work, loss, pace, step):
        """Mean loss per sample and output on the batch of a step."""
        _ = version
        _batch_losses(cell, work, loss, pace, step)

    @cached_njit(nogil=True, error_model="numpy", _nrt=False)
    def test(cell, work, error, time, test_samples):
        """Mean over fresh samples and outputs of (y - y*)^2/2, or of wrong signs."""
        _ = version
        _test_errors(cell, work, error, time, test_samples)

    return Kernels(draw_patterns, advance, measure, test)
