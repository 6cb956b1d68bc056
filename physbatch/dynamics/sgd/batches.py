"""Samples of the compiled gradient-descent kernel: inputs, labels, patterns and batches."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from physbatch.dynamics.sgd.parts import TILE, forward
from physbatch.streams.compiled import bounded
from physbatch.streams.filling import draw_numbers, draw_permutation, fill_normals, fill_signs
from physbatch.streams.keys import (
    KIND_BATCH,
    KIND_GAUSSIAN,
    KIND_INPUTS,
    KIND_LABEL,
    KIND_SELECT,
)
from physbatch.typing import FloatArray

__all__ = [
    "Rules",
    "Scratch",
    "batch_count",
    "draw_inputs",
    "draw_pattern_set",
    "load_samples",
    "scratch_memory",
    "select_patterns",
]

_BATCH = np.uint64(KIND_BATCH)
_GAUSSIAN = np.uint64(KIND_GAUSSIAN)
_SIGNS = np.uint64(KIND_INPUTS)
_LABEL = np.uint64(KIND_LABEL)
_SELECT = np.uint64(KIND_SELECT)
_ZERO = np.uint64(0)


class Rules(NamedTuple):
    """The dynamics of one cell as numbers; codes are 0 or 1."""

    rate: float  # eta / m
    momentum: float
    floor: int
    threshold: int
    logistic: int
    gaussian: int
    input_scales: FloatArray  # one for each input, or none: all 1
    noise: float  # standard deviation of the noise on labels
    patterns: int  # size P of the pattern set; 0: every batch is fresh
    replacement: int
    learned: int  # layers
    dynamics_key: np.uint64
    patterns_key: np.uint64
    test_key: np.uint64


class Scratch(NamedTuple):
    """Memory for one tile of samples."""

    inputs: Any
    targets: Any
    noise: Any
    teacher_values: Any
    teacher_slopes: Any
    values: Any
    slopes: Any
    errors: Any
    raw: Any


@numba.njit
def scratch_memory(teacher_network, network, weights, rules, size):
    like = weights.dtype
    outputs = network.units[-1]
    units = network.unit_offsets[-1] * TILE
    teacher_units = teacher_network.unit_offsets[-1] * TILE
    return Scratch(
        np.empty((TILE, size), like),
        np.empty((TILE, outputs), like),
        np.empty(TILE * outputs, np.float64),
        np.empty(teacher_units, like),
        np.empty(teacher_units, like),
        np.empty(units, like),
        np.empty(units, like),
        np.empty(units, like),
        np.empty(max(TILE, rules.patterns), np.uint64),
    )


@numba.njit
def draw_inputs(inputs, first, samples, rules, key, index, replica):
    """Samples `first` ... of a batch into the first rows of `inputs`."""
    size = inputs.shape[1]
    flat = inputs.reshape(inputs.size)
    if rules.gaussian:
        fill_normals(flat, first * size, samples * size, key, _GAUSSIAN, index, replica)
    else:
        fill_signs(flat, first * size, samples * size, key, _SIGNS, index, replica)
    if rules.input_scales.shape[0]:
        for s in range(samples):
            for i in range(size):
                inputs[s, i] *= rules.input_scales[i]


@numba.njit
def _label(targets, outputs, noise, rules, first, samples, key, index, replica):
    """targets = teacher's outputs plus noise; their signs for the logistic loss."""
    units = outputs.shape[1]
    for s in range(samples):
        for k in range(units):
            targets[s, k] = outputs[s, k]
    if rules.noise > 0:
        fill_normals(noise, first * units, samples * units, key, _LABEL, index, replica)
        for s in range(samples):
            for k in range(units):
                targets[s, k] += rules.noise * noise[s * units + k]
    if rules.logistic:
        for s in range(samples):
            for k in range(units):
                targets[s, k] = 1.0 if targets[s, k] >= 0 else -1.0


@numba.njit
def draw_pattern_set(teacher_network, rules, teacher, sources, inputs, targets, work, replica):
    """The pattern set of one replica: inputs (P, N) and labels (P, output)."""
    for first in range(0, rules.patterns, TILE):
        samples = min(TILE, rules.patterns - first)
        own = inputs[first : first + samples]
        draw_inputs(own, first, samples, rules, rules.patterns_key, _ZERO, replica)
        outputs = forward(
            teacher_network,
            teacher,
            sources,
            own,
            work.teacher_values,
            work.teacher_slopes,
            samples,
        )
        _label(
            targets[first : first + samples],
            outputs,
            work.noise,
            rules,
            first,
            samples,
            rules.patterns_key,
            _ZERO,
            replica,
        )


@numba.njit
def batch_count(rules, raw, step, replica):
    draw_numbers(raw, 0, 1, rules.dynamics_key, _BATCH, np.uint64(step), replica)
    return rules.floor + (1 if raw[0] < np.uint64(rules.threshold) else 0)


@numba.njit
def select_patterns(rules, chosen, order, raw, step, replica):
    """Which patterns make up the batch of a step, as many as the largest batch holds."""
    largest = chosen.shape[0]
    if rules.replacement:
        for first in range(0, largest, TILE):
            samples = min(TILE, largest - first)
            draw_numbers(raw, first, samples, rules.dynamics_key, _SELECT, np.uint64(step), replica)
            for s in range(samples):
                chosen[first + s] = bounded(raw[s], np.uint64(rules.patterns))
        return
    batches = rules.patterns // largest
    epoch, number = step // batches, step % batches
    if order[0] < 0 or number == 0:
        draw_permutation(order, raw, rules.dynamics_key, _SELECT, np.uint64(epoch), replica)
    for s in range(largest):
        chosen[s] = order[number * largest + s]


@numba.njit
def load_samples(
    teacher_network, rules, teacher, sources, inputs, targets, chosen, work, first, samples, step,
    replica,
):  # fmt: skip
    """Samples `first` ... of a step's batch, with labels, into the scratch memory."""
    if rules.patterns:
        for s in range(samples):
            work.inputs[s, :] = inputs[chosen[first + s], :]
            work.targets[s, :] = targets[chosen[first + s], :]
        return
    index = np.uint64(step)
    draw_inputs(work.inputs, first, samples, rules, rules.dynamics_key, index, replica)
    outputs = forward(
        teacher_network,
        teacher,
        sources,
        work.inputs,
        work.teacher_values,
        work.teacher_slopes,
        samples,
    )
    _label(
        work.targets, outputs, work.noise, rules, first, samples, rules.dynamics_key, index, replica
    )
