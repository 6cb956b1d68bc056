"""Optimizers of many students at once, as torch.optim defines them for one.

All arrays have the replica as their first dimension; everything is done in place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Rule(NamedTuple):
    """An optimizer and its constants."""

    kind: str  # sgd, adam, adamw
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8

    @property
    def buffers(self) -> int:
        """Arrays of the shape of the weights that it remembers."""
        return 2 if self.kind != "sgd" else int(self.momentum > 0)


class Optimizer:
    """Moves weights along gradients.

    Parameters
    ----------
    rule : Rule
        Which one.
    weights : sequence of Tensor
        What it moves.

    References
    ----------
    Kingma and Ba, arXiv 1412.6980 (Adam); Loshchilov and Hutter, arXiv 1711.05101 (AdamW);
    Sutskever, Martens, Dahl and Hinton, ICML 2013 (Nesterov's momentum).

    Examples
    --------
    >>> weights = [torch.zeros(2, 3)]
    >>> Optimizer(Rule("sgd"), weights).update([torch.ones(2, 3)], step=0, rate=0.5)
    >>> weights[0][0].tolist()
    [-0.5, -0.5, -0.5]
    """

    def __init__(self, rule: Rule, weights: Sequence[Tensor]) -> None:
        self._rule, self._weights = rule, weights
        #: What is remembered: momenta, or first and second moments.
        self.buffers = [[torch.zeros_like(w) for w in weights] for _ in range(rule.buffers)]

    def update(
        self, gradients: Sequence[Tensor], step: int, rate: float, scale: float = 1.0
    ) -> None:
        """One update with `scale` times the gradients; `step` counts the updates before it."""
        rule = self._rule
        for number, (weights, gradient) in enumerate(zip(self._weights, gradients, strict=True)):
            if rule.kind == "sgd" and not rule.momentum and not rule.weight_decay:
                weights.add_(gradient, alpha=-rate * scale)
                continue
            slope = gradient if scale == 1.0 else gradient * scale
            if rule.weight_decay and rule.kind == "adamw":
                weights.mul_(1.0 - rate * rule.weight_decay)
            elif rule.weight_decay:
                slope = slope.add(weights, alpha=rule.weight_decay)
            if rule.kind == "sgd":
                self._descend(weights, slope, number, rate)
            else:
                self._adapt(weights, slope, number, step, rate)

    def _descend(self, weights: Tensor, slope: Tensor, number: int, rate: float) -> None:
        rule = self._rule
        if rule.momentum:
            momentum = self.buffers[0][number].mul_(rule.momentum).add_(slope)
            slope = slope.add(momentum, alpha=rule.momentum) if rule.nesterov else momentum
        weights.add_(slope, alpha=-rate)

    def _adapt(self, weights: Tensor, slope: Tensor, number: int, step: int, rate: float) -> None:
        first_beta, second_beta = self._rule.betas
        first = self.buffers[0][number].lerp_(slope, 1.0 - first_beta)
        second = self.buffers[1][number].mul_(second_beta)
        second.addcmul_(slope, slope, value=1.0 - second_beta)
        root = math.sqrt(1.0 - second_beta ** (step + 1))
        size = second.sqrt().div_(root).add_(self._rule.epsilon)
        weights.addcdiv_(first, size, value=-rate / (1.0 - first_beta ** (step + 1)))
