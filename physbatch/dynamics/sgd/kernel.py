"""The compiled kernel of stochastic gradient descent: one replica after the other."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np

import physbatch.dynamics.sgd.batches
import physbatch.dynamics.sgd.parts
import physbatch.streams.compiled
import physbatch.streams.elementary
import physbatch.streams.filling
import physbatch.streams.keys
import physbatch.streams.normals
from physbatch.compilation import cached_njit, hash_of_sources
from physbatch.dynamics.sgd.batches import (
    batch_count,
    draw_inputs,
    draw_pattern_set,
    load_samples,
    scratch_memory,
    select_patterns,
)
from physbatch.dynamics.sgd.parts import TILE, backward, forward

__all__ = ["Kernels", "make_kernels", "SOURCE_HASH"]

#: What the disk cache must follow, see `hash_of_sources`.
SOURCE_HASH = hash_of_sources(
    __file__,
    physbatch.dynamics.sgd.batches,
    physbatch.dynamics.sgd.parts,
    physbatch.streams.compiled,
    physbatch.streams.elementary,
    physbatch.streams.filling,
    physbatch.streams.keys,
    physbatch.streams.normals,
)


@numba.njit(error_model="numpy")
def _output_errors(errors, outputs, targets, samples, logistic):
    """dl/dy: y - y* for the mean square, -t/(1 + exp(t y)) for the logistic loss."""
    units = outputs.shape[1]
    for s in range(samples):
        for k in range(units):
            y, t = outputs[s, k], targets[s, k]
            errors[s * units + k] = -t / (1.0 + np.exp(t * y)) if logistic else y - t


@numba.njit(error_model="numpy")
def _losses(outputs, targets, samples, logistic):
    """Sum over samples and outputs of (y - y*)^2/2 or ln(1 + exp(-t y))."""
    total = 0.0
    for s in range(samples):
        for k in range(outputs.shape[1]):
            y, t = np.float64(outputs[s, k]), np.float64(targets[s, k])
            if logistic:
                margin = t * y
                total += np.log1p(np.exp(-abs(margin))) + max(-margin, 0.0)
            else:
                total += 0.5 * (y - t) * (y - t)
    return total


@numba.njit(fastmath={"reassoc", "contract"}, error_model="numpy")
def _update(weights, velocity, gradient, rate, momentum):
    """One step; the squared norm of the new weights."""
    square = 0.0
    if velocity.shape[0]:
        for j in range(gradient.shape[0]):
            velocity[j] = momentum * velocity[j] + gradient[j]
            weights[j] -= rate * velocity[j]
            square += weights[j] * weights[j]
    else:
        for j in range(gradient.shape[0]):
            weights[j] -= rate * gradient[j]
            square += weights[j] * weights[j]
    return square


class Kernels(NamedTuple):
    """The compiled functions."""

    draw_patterns: Callable[..., Any]
    advance: Callable[..., Any]
    measure: Callable[..., Any]
    test: Callable[..., Any]


@functools.cache
def make_kernels(version: int) -> Kernels:
    """Compile the kernels.

    Parameters
    ----------
    version : int
        `SOURCE_HASH`, so that the disk cache follows the source. The closures hold
        integers only: with anything else the disk cache never hits.
    """

    @cached_njit(nogil=True)
    def draw_patterns(teacher_network, network, rules, teacher, sources, inputs, targets, first):
        """Pattern sets of all replicas."""
        _ = version
        size = inputs.shape[2]
        work = scratch_memory(teacher_network, network, inputs[0, 0], rules, size)
        for row in range(inputs.shape[0]):
            draw_pattern_set(
                teacher_network,
                rules,
                teacher[row],
                sources[row],
                inputs[row],
                targets[row],
                work,
                np.uint64(first + row),
            )

    @cached_njit(nogil=True, error_model="numpy")
    def advance(
        teacher_network, network, rules, teacher, teacher_sources, student, sources, velocity,
        inputs, targets, diverged_at, start, stop, first_replica, size,
    ):  # fmt: skip
        """Steps `start` ... `stop` - 1 of all replicas that have not diverged."""
        _ = version
        work = scratch_memory(teacher_network, network, student, rules, size)
        outputs = network.units[-1]
        learnable = network.edge_offsets[rules.learned]
        gradient = np.empty(learnable, student.dtype)
        rate, momentum = student.dtype.type(rules.rate), student.dtype.type(rules.momentum)
        chosen = np.empty(rules.floor + (1 if rules.threshold else 0), np.int64)
        order = np.empty(max(rules.patterns, 1), np.int64)
        top = network.unit_offsets[-2] * TILE
        for row in range(student.shape[0]):
            replica = np.uint64(first_replica + row)
            order[0] = -1
            for step in range(start, stop):
                if diverged_at[row] >= 0:
                    break
                count = batch_count(rules, work.raw, step, replica)
                if rules.patterns:
                    select_patterns(rules, chosen, order, work.raw, step, replica)
                gradient[:] = 0
                for first in range(0, count, TILE):
                    samples = min(TILE, count - first)
                    load_samples(
                        teacher_network, rules, teacher[row], teacher_sources[row], inputs[row],
                        targets[row], chosen, work, first, samples, step, replica,
                    )  # fmt: skip
                    found = forward(
                        network, student[row], sources[row], work.inputs, work.values,
                        work.slopes, samples,
                    )  # fmt: skip
                    _output_errors(
                        work.errors[top : top + samples * outputs],
                        found,
                        work.targets,
                        samples,
                        rules.logistic,
                    )
                    backward(
                        network, student[row], sources[row], work.inputs, work.values,
                        work.slopes, work.errors, gradient, samples, rules.learned,
                    )  # fmt: skip
                square = _update(student[row], velocity[row], gradient, rate, momentum)
                if not np.isfinite(square):
                    diverged_at[row] = step + 1

    @cached_njit(nogil=True, error_model="numpy")
    def measure(
        teacher_network, network, rules, teacher, teacher_sources, student, sources, inputs,
        targets, loss, step, first_replica, size,
    ):  # fmt: skip
        """Mean loss per sample and output on the batch of a step."""
        _ = version
        work = scratch_memory(teacher_network, network, student, rules, size)
        chosen = np.empty(rules.floor + (1 if rules.threshold else 0), np.int64)
        order = np.empty(max(rules.patterns, 1), np.int64)
        for row in range(student.shape[0]):
            replica = np.uint64(first_replica + row)
            order[0] = -1
            count = batch_count(rules, work.raw, step, replica)
            if rules.patterns:
                select_patterns(rules, chosen, order, work.raw, step, replica)
            total = 0.0
            for first in range(0, count, TILE):
                samples = min(TILE, count - first)
                load_samples(
                    teacher_network, rules, teacher[row], teacher_sources[row], inputs[row],
                    targets[row], chosen, work, first, samples, step, replica,
                )  # fmt: skip
                found = forward(
                    network, student[row], sources[row], work.inputs, work.values, work.slopes,
                    samples,
                )  # fmt: skip
                total += _losses(found, work.targets, samples, rules.logistic)
            loss[row] = total / (count * network.units[-1])

    @cached_njit(nogil=True, error_model="numpy")
    def test(
        teacher_network, network, rules, teacher, teacher_sources, student, sources, error,
        time, test_samples, first_replica, size,
    ):  # fmt: skip
        """Mean over fresh samples and outputs of (y - y*)^2/2, or of wrong signs."""
        _ = version
        work = scratch_memory(teacher_network, network, student, rules, size)
        units = network.units[-1]
        for row in range(student.shape[0]):
            total = 0.0
            for first in range(0, test_samples, TILE):
                samples = min(TILE, test_samples - first)
                draw_inputs(
                    work.inputs, first, samples, rules, rules.test_key, np.uint64(time),
                    np.uint64(first_replica + row),
                )  # fmt: skip
                wanted = forward(
                    teacher_network, teacher[row], teacher_sources[row], work.inputs,
                    work.teacher_values, work.teacher_slopes, samples,
                )  # fmt: skip
                found = forward(
                    network, student[row], sources[row], work.inputs, work.values, work.slopes,
                    samples,
                )  # fmt: skip
                if rules.logistic:
                    for s in range(samples):
                        for k in range(units):
                            total += (wanted[s, k] >= 0) != (found[s, k] >= 0)
                else:
                    total += _losses(found, wanted, samples, 0)
            error[row] = total / (test_samples * units)

    return Kernels(draw_patterns, advance, measure, test)
