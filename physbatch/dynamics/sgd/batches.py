"""Samples of the compiled gradient-descent kernel: inputs, labels, patterns and batches."""

from typing import Any, NamedTuple

import numpy as np

from physbatch.dynamics.compiled import compiled, compiled_within
from physbatch.dynamics.sgd.parts import TILE, Activity, Side, forward, outputs_of
from physbatch.streams.compiled import bounded
from physbatch.streams.filling import draw_numbers, draw_permutation, fill_normals, fill_signs
from physbatch.streams.keys import KIND_GAUSSIAN, KIND_INPUTS, KIND_LABEL, KIND_SELECT
from physbatch.typing import FloatArray, IntArray

_GAUSSIAN = np.uint64(KIND_GAUSSIAN)
_SIGNS = np.uint64(KIND_INPUTS)
_LABEL = np.uint64(KIND_LABEL)
_SELECT = np.uint64(KIND_SELECT)
_ZERO = np.uint64(0)


class Rules(NamedTuple):
    """The dynamics of one cell as numbers; codes are 0 or 1, or those of losses."""

    momentum: float
    decay: float  # lambda m
    loss: int  # 0: mean square; others tell signs
    gaussian: int
    input_scales: FloatArray  # one for each input, or none: all 1
    noise: float  # standard deviation of the noise on labels
    patterns: int  # size P of the pattern set; 0: every batch is fresh
    replacement: int
    subsets: int
    stop: int  # where the hinge loss of all patterns is zero
    learned: int  # layers
    dynamics_key: np.uint64
    patterns_key: np.uint64
    test_key: np.uint64
    first_replica: int
    size: int


class Pace(NamedTuple):
    """What steps may differ in, for each of them or once for all; m is that of the first step."""

    rates: FloatArray  # eta / m
    gains: FloatArray  # m over the m of the step
    floors: IntArray
    thresholds: Any


class Patterns(NamedTuple):
    """Pattern sets: inputs (P, N) and labels (P, output) of each replica."""

    inputs: FloatArray
    targets: FloatArray


class Cell(NamedTuple):
    """What the kernels are told: of all replicas, or of one."""

    rules: Rules
    teacher: Side
    student: Side
    patterns: Patterns


class Scratch(NamedTuple):
    """Memory for one tile of samples, and for the choice of patterns: `chosen` and `order`."""

    inputs: FloatArray
    targets: FloatArray
    noise: FloatArray
    teacher: Activity
    student: Activity
    errors: FloatArray
    gradient: FloatArray
    raw: Any
    chosen: IntArray
    order: IntArray


@compiled
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


@compiled
def _label(targets, outputs, noise, rules, first, samples, address):
    """targets = teacher's outputs plus noise; their signs for losses of signs."""
    key, index, replica = address
    units = outputs.shape[1]
    for s in range(samples):
        for k in range(units):
            targets[s, k] = outputs[s, k]
    if rules.noise > 0:
        fill_normals(noise, first * units, samples * units, key, _LABEL, index, replica)
        for s in range(samples):
            for k in range(units):
                targets[s, k] += rules.noise * noise[s * units + k]
    if rules.loss:
        for s in range(samples):
            for k in range(units):
                targets[s, k] = 1.0 if targets[s, k] >= 0 else -1.0


@compiled_within
def _draw_samples(cell, work, inputs, targets, first, samples, address):
    """Samples `first` ... of an address (key, index, replica) with the teacher's labels."""
    key, index, replica = address
    draw_inputs(inputs, first, samples, cell.rules, key, index, replica)
    forward(cell.teacher, inputs, work.teacher, samples)
    outputs = outputs_of(cell.teacher, work.teacher, samples)
    _label(targets, outputs, work.noise, cell.rules, first, samples, address)


@compiled
def draw_pattern_set(cell, work, replica):
    """The pattern set of one replica: inputs (P, N) and labels (P, output)."""
    rules = cell.rules
    for first in range(0, rules.patterns, TILE):
        samples = min(TILE, rules.patterns - first)
        inputs = cell.patterns.inputs[first : first + samples]
        targets = cell.patterns.targets[first : first + samples]
        address = (rules.patterns_key, _ZERO, replica)
        _draw_samples(cell, work, inputs, targets, first, samples, address)


@compiled
def select_patterns(rules, work, step, replica):
    """Which patterns make up the batch of a step, as many as the largest batch holds."""
    chosen, order, raw, key = work.chosen, work.order, work.raw, rules.dynamics_key
    largest = chosen.shape[0]
    if rules.replacement:
        for first in range(0, largest, TILE):
            samples = min(TILE, largest - first)
            draw_numbers(raw, first, samples, key, _SELECT, np.uint64(step), replica)
            for s in range(samples):
                chosen[first + s] = bounded(raw[s], np.uint64(rules.patterns))
        return
    if rules.subsets:
        draw_numbers(raw, 0, largest, key, _SELECT, np.uint64(step), replica)
        for i in range(rules.patterns):
            order[i] = i
        for s in range(largest):
            other = s + np.int64(bounded(raw[s], np.uint64(rules.patterns - s)))
            chosen[s] = order[other]
            order[other] = order[s]
        return
    batches = rules.patterns // largest
    epoch, number = step // batches, step % batches
    if order[0] < 0 or number == 0:
        draw_permutation(order, raw, key, _SELECT, np.uint64(epoch), replica)
    for s in range(largest):
        chosen[s] = order[number * largest + s]


@compiled_within
def load_samples(cell, work, first, samples, step, replica):
    """Samples `first` ... of a step's batch, with labels, into the scratch memory."""
    if cell.rules.patterns:
        for s in range(samples):
            number = work.chosen[first + s]
            for i in range(work.inputs.shape[1]):
                work.inputs[s, i] = cell.patterns.inputs[number, i]
            for k in range(work.targets.shape[1]):
                work.targets[s, k] = cell.patterns.targets[number, k]
        return
    address = (cell.rules.dynamics_key, np.uint64(step), replica)
    _draw_samples(cell, work, work.inputs, work.targets, first, samples, address)
