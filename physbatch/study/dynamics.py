"""How it is learned: greedy and Metropolis moves, gradient descent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from physbatch.study.base import Finite, Model, Options, Switch
from physbatch.study.schedules import ConstantSchedule, Schedule


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
    """eta itself (fixed), m * base (per-sample) or sqrt(m) * base (sqrt), times a schedule."""

    rule: Literal["fixed", "per-sample", "sqrt"] = "fixed"
    base: Annotated[Finite, Field(gt=0)] | None = None
    schedule: Schedule = ConstantSchedule(kind="constant")


_Beta = Annotated[Finite, Field(ge=0, lt=1)]


class SGD(Model):
    """Stochastic gradient descent (continuous weights).

    Tasks in torch also have other optimizers, with the definitions of torch.optim, and schedules
    of the learning rate and of the batch size.
    """

    kind: Literal["sgd"]
    engine: Literal["direct", "projected"] = "direct"
    learning_rate: LearningRate = LearningRate()
    loss: Literal["mean-square", "logistic"] = "mean-square"
    momentum: Annotated[Finite, Field(ge=0, lt=1)] = 0.0
    sampling: Literal["one-pass", "with-replacement", "without-replacement"] = "one-pass"
    precision: Literal["float32", "float64"] = "float64"
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    nesterov: Switch = False
    weight_decay: Annotated[Finite, Field(ge=0)] = 0.0
    betas: tuple[_Beta, _Beta] = (0.9, 0.999)
    epsilon: Annotated[Finite, Field(gt=0)] = 1e-8
    batch_schedule: Schedule = ConstantSchedule(kind="constant")


class OwnDynamics(Model):
    """Dynamics of own code: the engine that `physbatch.engines.register` knows by that name.

    ``kind = NAME`` is short for ``kind = "own"``, ``engine = NAME``. `time_unit` is what the
    times of the measurement count.
    """

    kind: Literal["own"]
    engine: Annotated[str, Field(min_length=1, max_length=200)]
    options: Options = Field(default_factory=dict)
    time_unit: Literal["sweep", "step"] = "sweep"


Dynamics = Annotated[Greedy | Metropolis | SGD | OwnDynamics, Field(discriminator="kind")]
