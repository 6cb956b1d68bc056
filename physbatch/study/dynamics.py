"""How it is learned: greedy and Metropolis moves, gradient descent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from physbatch.study.base import Finite, Model


class Greedy(Model):
    """Zero-temperature single-weight moves on mini-batches (discrete weights)."""

    kind: Literal["greedy"]
    ties: Literal["reject", "accept"] = "reject"
    refresh: Literal["sweep", "proposal"] = "sweep"


class Metropolis(Model):
    """Metropolis moves at temperature T > 0 on mini-batches (discrete weights)."""

    kind: Literal["metropolis"]
    temperature: Annotated[Finite, Field(gt=0)] | None = None
    refresh: Literal["sweep", "proposal"] = "sweep"


class LearningRate(Model):
    """eta itself (fixed), m * base (per-sample) or sqrt(m) * base (sqrt)."""

    rule: Literal["fixed", "per-sample", "sqrt"] = "fixed"
    base: Annotated[Finite, Field(gt=0)] | None = None


class SGD(Model):
    """Stochastic gradient descent (continuous weights)."""

    kind: Literal["sgd"]
    engine: Literal["direct", "projected"] = "direct"
    learning_rate: LearningRate = LearningRate()
    loss: Literal["mean-square", "logistic"] = "mean-square"
    momentum: Annotated[Finite, Field(ge=0, lt=1)] = 0.0
    sampling: Literal["one-pass", "with-replacement", "without-replacement"] = "one-pass"
    precision: Literal["float32", "float64"] = "float64"


Dynamics = Annotated[Greedy | Metropolis | SGD, Field(discriminator="kind")]
