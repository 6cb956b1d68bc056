"""Parts of the compiled gradient-descent kernel: layers forward and backward.

Samples are rows. Every function works on one replica, so that a replica's numbers do not
depend on which others are simulated beside it.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from physbatch.dynamics.compiled import (
    compiled,
    compiled_counting,
    compiled_counting_floats,
    compiled_within,
)
from physbatch.dynamics.sgd.sums import dot, dots_of_four, fused
from physbatch.streams.elementary import erf_and_slope, exponential
from physbatch.typing import FloatArray, IntArray

#: Codes of the activation functions.
ACTIVATIONS = {"linear": 0, "erf": 1, "tanh": 2, "relu": 3}
LINEAR, ERF, TANH, RELU = range(4)

#: Samples that go through the network together; a multiple of 128, so that a tile's signs and
#: normal numbers begin at a block of the stream (`physbatch.streams.filling`).
TILE = 128


class Network(NamedTuple):
    """Layers as arrays, one entry a layer.

    `full` layers read every unit below in its order, others through `sources`. The field of a
    unit is `scales` times the weighted sum, and passes through the activation if `activated`.
    """

    units: IntArray
    fan_ins: IntArray
    full: IntArray
    edge_offsets: IntArray
    unit_offsets: IntArray
    scales: FloatArray
    activated: IntArray
    activation: int


class Side(NamedTuple):
    """Teachers or students: their layers, weights and the unit that each edge reads."""

    network: Network
    weights: npt.NDArray[np.floating]
    sources: npt.NDArray[np.int32]


class Activity(NamedTuple):
    """Outputs of all units and slopes there, flat, TILE times the number of units long.

    Layer l occupies TILE * unit_offsets[l] onwards.
    """

    values: FloatArray
    slopes: FloatArray


# --- sums over inputs -------------------------------------------------------------------


@compiled_counting
def _fields_of_full(weights, inputs, fields, samples, scale):
    """fields[s, k] = scale sum_i weights[k, i] inputs[s, i], four samples at a time."""
    units = weights.shape[0]
    whole = samples - samples % 4
    for s in range(0, whole, 4):
        for k in range(units):
            a, b, c, d = dots_of_four(weights, k, inputs, s)
            fields[s, k] = scale * a
            fields[s + 1, k] = scale * b
            fields[s + 2, k] = scale * c
            fields[s + 3, k] = scale * d
    for s in range(whole, samples):
        for k in range(units):
            (a,) = dot(weights, k, inputs, s)
            fields[s, k] = scale * a


@compiled_counting
def _fields_of_sparse(weights, sources, fan_in, inputs, fields, samples, scale):
    zero = weights.dtype.type(0)
    for s in range(samples):
        for k in range(fields.shape[1]):
            total = zero
            for edge in range(k * fan_in, (k + 1) * fan_in):
                total = fused(weights[edge], inputs[s, sources[edge]], total)
            fields[s, k] = scale * total


@compiled_counting
def _add_gradient_of_full(gradient, errors, inputs, samples, scale):
    """gradient[k, i] += scale sum_s errors[s, k] inputs[s, i], four samples at a time.

    The samples are the outer loop: four rows of inputs stay in the nearest cache for all units.
    """
    units, width = gradient.shape
    whole = samples - samples % 4
    for s in range(0, whole, 4):
        for k in range(units):
            a, b = errors[s, k] * scale, errors[s + 1, k] * scale
            c, d = errors[s + 2, k] * scale, errors[s + 3, k] * scale
            for i in range(width):
                total = fused(a, inputs[s, i], gradient[k, i])
                total = fused(b, inputs[s + 1, i], total)
                total = fused(c, inputs[s + 2, i], total)
                gradient[k, i] = fused(d, inputs[s + 3, i], total)
    for s in range(whole, samples):
        for k in range(units):
            a = errors[s, k] * scale
            for i in range(width):
                gradient[k, i] = fused(a, inputs[s, i], gradient[k, i])


@compiled_counting
def _errors_below_full(weights, errors, below, samples, scale):
    """below[s, i] = scale sum_k errors[s, k] weights[k, i]."""
    units, width = weights.shape
    for s in range(samples):
        below[s, :] = 0
        for k in range(units):
            a = errors[s, k] * scale
            for i in range(width):
                below[s, i] = fused(a, weights[k, i], below[s, i])


@compiled_counting
def _add_gradient_of_sparse(gradient, sources, fan_in, errors, inputs, samples, scale):
    for s in range(samples):
        for k in range(errors.shape[1]):
            a = errors[s, k] * scale
            for edge in range(k * fan_in, (k + 1) * fan_in):
                gradient[edge] += a * inputs[s, sources[edge]]


@compiled_counting
def _errors_below_sparse(weights, sources, fan_in, errors, below, samples, scale):
    below[:samples, :] = 0
    for s in range(samples):
        for k in range(errors.shape[1]):
            a = errors[s, k] * scale
            for edge in range(k * fan_in, (k + 1) * fan_in):
                below[s, sources[edge]] += a * weights[edge]


# --- layers -----------------------------------------------------------------------------


@compiled_counting_floats
def _activate(values, slopes, activation):
    """Replace fields by g(field) and note g'(field), over flat arrays."""
    if activation == ERF:
        for j in range(values.shape[0]):
            value, slope = erf_and_slope(np.float64(values[j]))
            values[j] = value
            slopes[j] = slope
    elif activation == TANH:
        for j in range(values.shape[0]):
            u = np.float64(values[j])
            # exp(-2 |u|) - 1 loses digits for small u, where the series of tanh has them.
            decay = exponential(-2.0 * abs(u))
            square = u * u
            small = u * (1.0 - square * (1.0 / 3.0 - square * (2.0 / 15.0 - square * 17.0 / 315.0)))
            large = math.copysign((1.0 - decay) / (1.0 + decay), u)
            value = small if square < 1e-4 else large
            values[j] = value
            slopes[j] = 4.0 * decay / ((1.0 + decay) * (1.0 + decay))
    elif activation == RELU:
        for j in range(values.shape[0]):
            u = values[j]
            values[j] = max(u, 0.0)
            slopes[j] = 1.0 if u > 0.0 else 0.0
    else:
        for j in range(slopes.shape[0]):
            slopes[j] = 1.0


@compiled_within
def _layer_inputs(network, inputs, values, layer, samples):
    """What a layer reads: the inputs, or the values of the layer below."""
    if layer == 0:
        return inputs
    start = network.unit_offsets[layer - 1] * TILE
    units = network.units[layer - 1]
    return values[start : start + samples * units].reshape((samples, units))


@compiled_within
def outputs_of(side, activity, samples):
    """What `forward` found, a view, shape (sample, output)."""
    units, start = side.network.units[-1], side.network.unit_offsets[-2] * TILE
    return activity.values[start : start + samples * units].reshape((samples, units))


@compiled
def forward(side, inputs, activity, samples):
    """Run samples through a network; `outputs_of` reads the last layer."""
    network, weights, sources = side
    values, slopes = activity
    for layer in range(network.units.shape[0]):
        read = _layer_inputs(network, inputs, values, layer, samples)
        units, fan_in = network.units[layer], network.fan_ins[layer]
        start, stop = network.edge_offsets[layer], network.edge_offsets[layer + 1]
        at = network.unit_offsets[layer] * TILE
        flat = values[at : at + samples * units]
        fields = flat.reshape((samples, units))
        scale = weights.dtype.type(network.scales[layer])
        if network.full[layer]:
            matrix = weights[start:stop].reshape((units, fan_in))
            _fields_of_full(matrix, read, fields, samples, scale)
        else:
            edges = sources[start:stop]
            _fields_of_sparse(weights[start:stop], edges, fan_in, read, fields, samples, scale)
        code = network.activation if network.activated[layer] else LINEAR
        _activate(flat, slopes[at : at + samples * units], code)


@compiled
def backward(side, inputs, activity, errors, gradient, samples, learned):
    """Add to `gradient` that of the first `learned` layers.

    `errors` is flat like the values; the part of the last layer holds dl/dy and is overwritten,
    as are the parts below, with dl/dfield.
    """
    network, weights, sources = side
    values, slopes = activity
    for layer in range(network.units.shape[0] - 1, -1, -1):
        units, fan_in = network.units[layer], network.fan_ins[layer]
        start, stop = network.edge_offsets[layer], network.edge_offsets[layer + 1]
        at = network.unit_offsets[layer] * TILE
        scale = weights.dtype.type(network.scales[layer])
        flat = errors[at : at + samples * units]
        for j in range(samples * units):
            flat[j] *= slopes[at + j]
        above = flat.reshape((samples, units))
        read = _layer_inputs(network, inputs, values, layer, samples)
        below = _layer_inputs(network, inputs, errors, layer, samples)
        if network.full[layer]:
            if layer < learned:
                rows = gradient[start:stop].reshape((units, fan_in))
                _add_gradient_of_full(rows, above, read, samples, scale)
            if layer > 0:
                matrix = weights[start:stop].reshape((units, fan_in))
                _errors_below_full(matrix, above, below, samples, scale)
        else:
            edges = sources[start:stop]
            if layer < learned:
                part = gradient[start:stop]
                _add_gradient_of_sparse(part, edges, fan_in, above, read, samples, scale)
            if layer > 0:
                part = weights[start:stop]
                _errors_below_sparse(part, edges, fan_in, above, below, samples, scale)
