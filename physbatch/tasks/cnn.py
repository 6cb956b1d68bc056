"""A convolutional network learns another of the same shape."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from physbatch.dynamics.task.draw import Draw
from physbatch.dynamics.task.options import at_least


class CNN:
    """Filters of 3 x 3 pixels, tanh, means over 2 x 2 pixels, and a readout, of normal images.

    N is the number of pixels of a square image whose side is even: 16, 36, 64, 100 ...

    Parameters
    ----------
    channels : int
        Number of filters.

    References
    ----------
    LeCun, Bottou, Bengio and Haffner (1998), Gradient-based learning applied to document
    recognition, doi 10.1109/5.726791.

    Examples
    --------
    >>> CNN(channels=2).channels
    2
    """

    def __init__(self, channels: int = 4) -> None:
        at_least(1, channels=channels)
        self.channels = channels

    def inputs(self, count: int, size: int, draw: Draw) -> Tensor:
        """Images of one channel, shape (sample, 1, side, side)."""
        side = math.isqrt(size)
        if side % 2 or side**2 != size:
            raise ValueError(f"{size} pixels are no square with an even side")
        return draw.normal(count, 1, side, side)

    def student(self, size: int, draw: Draw) -> dict[str, Tensor]:
        """Filters, and a readout for each of them and each mean."""
        return {
            "w": draw.normal(self.channels, 1, 3, 3),
            "v": draw.normal(self.channels * size // 4),
        }

    def forward(self, p: dict[str, Tensor], x: Tensor) -> Tensor:
        """Output of the network, shape (sample,)."""
        h = torch.tanh(functional.conv2d(x, p["w"] / 3.0, padding=1))
        h = functional.avg_pool2d(h, 2).flatten(1)
        return h @ p["v"] / math.sqrt(h.shape[1])

    teacher, teacher_forward = student, forward
