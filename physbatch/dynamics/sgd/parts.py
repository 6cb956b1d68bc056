"""Parts of the compiled gradient-descent kernel: layers forward and backward.

Samples are rows. Every function works on one replica, so that a replica's numbers do not
depend on which others are simulated beside it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from physbatch.streams.elementary import erf_and_slope, exponential
from physbatch.typing import FloatArray, IntArray

__all__ = [
    "ACTIVATIONS",
    "TILE",
    "Network",
    "backward",
    "forward",
]

#: Codes of the activation functions.
ACTIVATIONS = {"linear": 0, "erf": 1, "tanh": 2, "relu": 3}
LINEAR, ERF, TANH, RELU = range(4)

#: Samples that go through the network together; a multiple of 128, so that a tile's signs and
#: normal numbers begin at a block of the stream (`physbatch.streams.filling`).
TILE = 128

#: Sums may be taken in any order (in vector registers), but always in the same one.
_SUMS = {"reassoc", "contract"}


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


# --- sums over inputs -------------------------------------------------------------------


@numba.njit(fastmath=_SUMS)
def _fields_of_full(weights, inputs, fields, samples, scale):
    """fields[s, k] = scale sum_i weights[k, i] inputs[s, i], four samples at a time."""
    units, width = weights.shape
    zero = weights.dtype.type(0)
    whole = samples - samples % 4
    for s in range(0, whole, 4):
        for k in range(units):
            a, b, c, d = zero, zero, zero, zero
            for i in range(width):
                w = weights[k, i]
                a += w * inputs[s, i]
                b += w * inputs[s + 1, i]
                c += w * inputs[s + 2, i]
                d += w * inputs[s + 3, i]
            fields[s, k] = scale * a
            fields[s + 1, k] = scale * b
            fields[s + 2, k] = scale * c
            fields[s + 3, k] = scale * d
    for s in range(whole, samples):
        for k in range(units):
            a = zero
            for i in range(width):
                a += weights[k, i] * inputs[s, i]
            fields[s, k] = scale * a


@numba.njit(fastmath=_SUMS)
def _fields_of_sparse(weights, sources, fan_in, inputs, fields, samples, scale):
    zero = weights.dtype.type(0)
    for s in range(samples):
        for k in range(fields.shape[1]):
            total = zero
            for edge in range(k * fan_in, (k + 1) * fan_in):
                total += weights[edge] * inputs[s, sources[edge]]
            fields[s, k] = scale * total


@numba.njit(fastmath=_SUMS)
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
                gradient[k, i] += (a * inputs[s, i] + b * inputs[s + 1, i]) + (
                    c * inputs[s + 2, i] + d * inputs[s + 3, i]
                )
    for s in range(whole, samples):
        for k in range(units):
            a = errors[s, k] * scale
            for i in range(width):
                gradient[k, i] += a * inputs[s, i]


@numba.njit(fastmath=_SUMS)
def _errors_below_full(weights, errors, below, samples, scale):
    """below[s, i] = scale sum_k errors[s, k] weights[k, i]."""
    units, width = weights.shape
    for s in range(samples):
        below[s, :] = 0
        for k in range(units):
            a = errors[s, k] * scale
            for i in range(width):
                below[s, i] += a * weights[k, i]


@numba.njit
def _add_gradient_of_sparse(gradient, sources, fan_in, errors, inputs, samples, scale):
    for s in range(samples):
        for k in range(errors.shape[1]):
            a = errors[s, k] * scale
            for edge in range(k * fan_in, (k + 1) * fan_in):
                gradient[edge] += a * inputs[s, sources[edge]]


@numba.njit
def _errors_below_sparse(weights, sources, fan_in, errors, below, samples, scale):
    below[:samples, :] = 0
    for s in range(samples):
        for k in range(errors.shape[1]):
            a = errors[s, k] * scale
            for edge in range(k * fan_in, (k + 1) * fan_in):
                below[s, sources[edge]] += a * weights[edge]


# --- layers -----------------------------------------------------------------------------


@numba.njit(error_model="numpy")
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


@numba.njit
def _layer_inputs(network, inputs, values, layer, samples):
    """What a layer reads: the inputs, or the values of the layer below."""
    if layer == 0:
        return inputs
    start = network.unit_offsets[layer - 1] * TILE
    units = network.units[layer - 1]
    return values[start : start + samples * units].reshape((samples, units))


@numba.njit
def forward(network, weights, sources, inputs, values, slopes, samples):
    """Run samples through the network; the outputs, a view, shape (sample, output).

    `values` and `slopes` are flat, TILE times the number of units long: layer l occupies
    TILE * unit_offsets[l] onwards.
    """
    read = inputs
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
            _fields_of_sparse(
                weights[start:stop], sources[start:stop], fan_in, read, fields, samples, scale
            )
        code = network.activation if network.activated[layer] else LINEAR
        _activate(flat, slopes[at : at + samples * units], code)
    last = network.units.shape[0]
    return _layer_inputs(network, inputs, values, last, samples)


@numba.njit
def backward(network, weights, sources, inputs, values, slopes, errors, gradient, samples, learned):
    """Add to `gradient` that of the first `learned` layers.

    `errors` is flat like `values`; the part of the last layer holds dl/dy and is overwritten,
    as are the parts below, with dl/dfield.
    """
    layers = network.units.shape[0]
    for layer in range(layers - 1, -1, -1):
        units, fan_in = network.units[layer], network.fan_ins[layer]
        start, stop = network.edge_offsets[layer], network.edge_offsets[layer + 1]
        at = network.unit_offsets[layer] * TILE
        scale = weights.dtype.type(network.scales[layer])
        flat = errors[at : at + samples * units]
        for j in range(samples * units):
            flat[j] *= slopes[at + j]
        own = flat.reshape((samples, units))
        read = _layer_inputs(network, inputs, values, layer, samples)
        if layer < learned:
            if network.full[layer]:
                rows = gradient[start:stop].reshape((units, fan_in))
                _add_gradient_of_full(rows, own, read, samples, scale)
            else:
                _add_gradient_of_sparse(
                    gradient[start:stop], sources[start:stop], fan_in, own, read, samples, scale
                )
        if layer > 0:
            below = _layer_inputs(network, inputs, errors, layer, samples)
            if network.full[layer]:
                matrix = weights[start:stop].reshape((units, fan_in))
                _errors_below_full(matrix, own, below, samples, scale)
            else:
                _errors_below_sparse(
                    weights[start:stop],
                    sources[start:stop],
                    fan_in,
                    own,
                    below,
                    samples,
                    scale,
                )
