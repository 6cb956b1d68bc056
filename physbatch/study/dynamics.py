"""How it is learned: greedy and Metropolis moves, gradient descent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from physbatch.study.base import Finite, Model, Options, Switch
from physbatch.study.schedules import ConstantSchedule, Schedule

_Refresh = Literal["sweep", "proposal"]
#: Uniformly random weights, each once layer by layer, or each once in a fresh random permutation.
_Order = Literal["random", "sequential", "permutation"]
#: Where m is not whole: floor(m) samples or one more by chance, or in turns.
_Rounding = Literal["random", "alternating"]
#: Batches of a finite set: independent random subsets, or pieces of a permutation that is
#: reshuffled every epoch.
_Sampling = Literal["subsets", "epochs"]


class Greedy(Model):
    """Zero-temperature single-weight moves on mini-batches (discrete weights).

    `order` says which weights a sweep tries, `sampling` how batches of a finite set are drawn,
    `rounding` how many samples a batch holds where m is not whole, and `batch_schedule` what m is
    multiplied by in each sweep.
    """

    kind: Literal["greedy"]
    ties: Literal["reject", "accept"] = "reject"
    refresh: _Refresh = "sweep"
    order: _Order = "random"
    sampling: _Sampling = "subsets"
    rounding: _Rounding = "random"
    batch_schedule: Schedule = ConstantSchedule(kind="constant")


class Metropolis(Model):
    """Metropolis moves at temperature T > 0 on mini-batches (discrete weights).

    `order`, `sampling`, `rounding` and `batch_schedule` are those of `Greedy`.
    """

    kind: Literal["metropolis"]
    temperature: Annotated[Finite, Field(gt=0)] | None = None
    refresh: _Refresh = "sweep"
    order: _Order = "random"
    sampling: _Sampling = "subsets"
    rounding: _Rounding = "random"
    batch_schedule: Schedule = ConstantSchedule(kind="constant")


class LearningRate(Model):
    """eta itself (fixed), m * base (per-sample) or sqrt(m) * base (sqrt), times a schedule."""

    rule: Literal["fixed", "per-sample", "sqrt"] = "fixed"
    base: Annotated[Finite, Field(gt=0)] | None = None
    schedule: Schedule = ConstantSchedule(kind="constant")


_Beta = Annotated[Finite, Field(ge=0, lt=1)]


def _old_word(sampling: object) -> object:
    """Reshuffled epochs have been called so from the first; the word is kept in hashes."""
    return "without-replacement" if sampling == "epochs" else sampling


class SGD(Model):
    """Stochastic gradient descent (continuous weights).

    `sampling` of a finite set: with replacement; without it as independent random ``subsets``, or
    as pieces of a permutation that is reshuffled every epoch (``epochs``, of old
    ``without-replacement``). `weight_decay` is lambda of the force -lambda w on each weight. With
    `stop` ``zero-loss`` a replica ends where the hinge loss of all its patterns is zero: from there
    on its weights would not change.
    The learning rate and, as `batch_schedule`, the batch size may change with the step. Tasks in
    torch also have other optimizers, with the definitions of torch.optim.
    """

    kind: Literal["sgd"]
    engine: Literal["direct", "projected"] = "direct"
    learning_rate: LearningRate = LearningRate()
    loss: Literal["mean-square", "logistic", "hinge"] = "mean-square"
    momentum: Annotated[Finite, Field(ge=0, lt=1)] = 0.0
    sampling: Annotated[
        Literal["one-pass", "with-replacement", "without-replacement", "subsets"],
        BeforeValidator(_old_word),
    ] = "one-pass"
    precision: Literal["float32", "float64"] = "float64"
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    nesterov: Switch = False
    weight_decay: Annotated[Finite, Field(ge=0)] = 0.0
    stop: Literal["duration", "zero-loss"] = "duration"
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
