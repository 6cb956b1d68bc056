"""Classifiers of real data: a dense network and a small convolutional one, many at once.

All replicas go through one call: weights carry a leading replica dimension, and the gradient
of the summed loss is the gradient of each replica.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from physbatch.streams.keys import KIND_INPUTS
from physbatch.streams.tensor import normals, stream_numbers

Activation = Literal["erf", "tanh", "relu"]
#: Mean and variance of each channel of a normalised layer, shape (replica, channel) each.
Statistics = list[tuple[Tensor, Tensor]]

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "erf": lambda field: torch.erf(field / math.sqrt(2)),
    "tanh": torch.tanh,
    "relu": torch.relu,
}
_SMALLEST_VARIANCE = 1e-5


class Classifier(Protocol):
    """What the dynamics asks of a network."""

    def shapes(self) -> Sequence[tuple[int, ...]]:
        """Shape of each parameter, replica dimension left out; biases have one dimension."""

    def forward(
        self, parameters: Sequence[Tensor], inputs: Tensor, statistics: Statistics | None = None
    ) -> tuple[Tensor, Statistics]:
        """Scores, shape (replica, sample, class), of inputs of shape (replica, sample, N).

        Normalised layers use `statistics`, or those of these inputs, which are returned.
        """


def initial_parameters(
    network: Classifier, activation: Activation, key: int, replicas: Tensor
) -> list[Tensor]:
    """Gaussian weights of variance 1/fan-in (2/fan-in for relu, He et al. 2015), zero biases."""
    gain = 2.0 if activation == "relu" else 1.0
    parameters = []
    for number, shape in enumerate(network.shapes()):
        if len(shape) == 1:
            values = torch.zeros((len(replicas), *shape), dtype=torch.float64)
        else:
            count = math.prod(shape)
            words = stream_numbers(key, KIND_INPUTS, number, replicas, 2 * ((count + 1) // 2))
            fan_in = math.prod(shape[1:])
            values = normals(words)[:, :count].reshape(-1, *shape) * math.sqrt(gain / fan_in)
        parameters.append(values.to(replicas.device))
    return parameters


@dataclass(frozen=True)
class Dense:
    """Layers of the given widths, from the inputs to the classes; the last one is linear."""

    widths: tuple[int, ...]
    activation: Activation

    def shapes(self) -> list[tuple[int, ...]]:
        """A weight matrix and a bias for each layer."""
        shapes: list[tuple[int, ...]] = []
        for below, units in zip(self.widths[:-1], self.widths[1:], strict=True):
            shapes += [(units, below), (units,)]
        return shapes

    def forward(
        self, parameters: Sequence[Tensor], inputs: Tensor, statistics: Statistics | None = None
    ) -> tuple[Tensor, Statistics]:
        """See `Classifier`; no layer is normalised."""
        act = _ACTIVATIONS[self.activation]
        values = inputs
        last = len(parameters) - 2
        for number in range(0, len(parameters), 2):
            weight, bias = parameters[number], parameters[number + 1]
            values = torch.baddbmm(bias[:, None, :], values, weight.transpose(1, 2))
            if number < last:
                values = act(values)
        return values, []


@dataclass(frozen=True)
class Convolutional:
    """Two layers of 3 x 3 filters, each with an average over 2 x 2 pixels, and a linear layer.

    Attributes
    ----------
    side : int
        Images have side x side pixels; it is divisible by 4.
    channels : int
        Filters of the first layer; the second has twice as many.
    """

    side: int
    channels: int
    classes: int
    activation: Activation
    batch_normalisation: bool

    def shapes(self) -> list[tuple[int, ...]]:
        """Filters and bias (or scale and shift) of both layers, then the linear layer."""
        first, second = self.channels, 2 * self.channels
        features = second * (self.side // 4) ** 2
        return [
            (first, 1, 3, 3),
            (first,),
            (second, first, 3, 3),
            (second,),
            (self.classes, features),
            (self.classes,),
        ]

    def forward(
        self, parameters: Sequence[Tensor], inputs: Tensor, statistics: Statistics | None = None
    ) -> tuple[Tensor, Statistics]:
        """See `Classifier`."""
        act = _ACTIVATIONS[self.activation]
        replicas, samples, _ = inputs.shape
        # Replicas are groups of channels: (sample, replica x channel, row, column).
        values = inputs.transpose(0, 1).reshape(samples, replicas, self.side, self.side)
        measured: Statistics = []
        for layer in range(2):
            filters, bias = parameters[2 * layer], parameters[2 * layer + 1]
            values = functional.conv2d(values, filters.flatten(0, 1), padding=1, groups=replicas)
            if self.batch_normalisation:
                given = None if statistics is None else statistics[layer]
                values, moments = _normalised(values, given)
                measured.append(moments)
            values = values + bias.reshape(1, -1, 1, 1)
            values = functional.avg_pool2d(act(values), 2)
        features = values.reshape(samples, replicas, -1).transpose(0, 1)
        weight, bias = parameters[4], parameters[5]
        return torch.baddbmm(bias[:, None, :], features, weight.transpose(1, 2)), measured


def _normalised(
    values: Tensor, given: tuple[Tensor, Tensor] | None
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Channels shifted and scaled to mean 0 and variance 1 over samples and pixels.

    The scale that is usually learned besides is left out: the next layer's weights hold it.
    """
    variance, mean = (
        torch.var_mean(values, dim=(0, 2, 3), correction=0)
        if given is None
        else (given[1], given[0])
    )
    shape = (1, -1, 1, 1)
    scaled = (values - mean.reshape(shape)) / torch.sqrt(
        variance.reshape(shape) + _SMALLEST_VARIANCE
    )
    return scaled, (mean, variance)
