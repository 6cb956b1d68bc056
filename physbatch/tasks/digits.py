"""Handwritten digits, some of them with a wrong label: real samples in a task."""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

from physbatch.dynamics.task.draw import Draw
from physbatch.dynamics.task.options import at_least
from physbatch.systems.samples import Samples, load_samples

#: Digits that are only measured on; the other 1297 are learned.
_PROBES = 500


class Digits:
    """A network with one hidden layer of relu units classifies the digits of scikit-learn.

    N is 64. Samples of a finite set (``system.pattern_count``) are drawn independently of each
    other, so that some are there twice; probes are digits that are never learned.

    Parameters
    ----------
    noise : float
        Chance of a label that is learned to be replaced by a random class.
    hidden : int
        Hidden units.

    References
    ----------
    Alpaydin and Kaynak (1998), Optical recognition of handwritten digits, doi 10.24432/C50P49.

    Examples
    --------
    >>> Digits(noise=0.2).noise
    0.2
    """

    def __init__(self, noise: float = 0.0, hidden: int = 32) -> None:
        at_least(1, hidden=hidden)
        at_least(0.0, noise=noise)
        if noise > 1:
            raise ValueError(f"noise = {noise} is a part of the labels, at most 1")
        self.noise, self.hidden = noise, hidden

    def inputs(self, count: int, size: int, draw: Draw) -> dict[str, Tensor]:
        """Pixels of mean 0 and variance 1 as a whole, shape (sample, 64), and classes."""
        samples = _samples()
        pixels = samples.inputs.shape[1]
        if size != pixels:
            raise ValueError(f"a digit has {pixels} pixels, not {size}")
        learned = len(samples) - _PROBES
        if draw.use == "probe":
            rows = learned + draw.integers(_PROBES, count)
        else:
            rows = draw.integers(learned, count)
        x, classes = (torch.from_numpy(values) for values in (samples.inputs, samples.labels))
        return {"x": ((x - x.mean()) / x.std())[rows], "class": classes[rows]}

    def teacher_forward(self, p: dict[str, Tensor], x: dict[str, Tensor]) -> Tensor:
        """The class."""
        return x["class"]

    def label_noise(self, targets: Tensor, draw: Draw) -> Tensor:
        """Some classes are random ones."""
        if not self.noise:
            return targets
        others = draw.integers(10, *targets.shape)
        return torch.where(draw.uniform(*targets.shape) < self.noise, others, targets)

    def student(self, size: int, draw: Draw) -> dict[str, Tensor]:
        """Weights and thresholds of the hidden layer, and a readout for each class."""
        w, v = draw.normal(self.hidden, size), draw.normal(10, self.hidden)
        return {"w": w, "b": torch.zeros(self.hidden), "v": v}

    def forward(self, p: dict[str, Tensor], x: dict[str, Tensor]) -> Tensor:
        """A score for each class, shape (sample, 10)."""
        h = torch.relu(x["x"] @ p["w"].T / math.sqrt(x["x"].shape[1]) + p["b"])
        return h @ p["v"].T / math.sqrt(self.hidden)


@functools.cache
def _samples() -> Samples:
    return load_samples("digits")
