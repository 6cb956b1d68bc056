"""Steps of one unit with a Hermite link on the sphere, as dynamics that a study names."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from physbatch.dynamics.single_index.run import SingleIndexRun, run_single_index
from physbatch.engines.own import FunctionEngine, Streams
from physbatch.engines.point import GridPoint
from physbatch.engines.protocol import Arrays, first_passage_interval
from physbatch.errors import StudyError

#: Options and what they are without a word of the study.
_OPTIONS: dict[str, Any] = {
    "degree": 1,
    "loss": "mean-square",
    "gradient": "whole",
    "learning_rate": 1.0,
    "start": 1.0,
    "weak_overlap": 0.5,
    "samples": 100.0,
    "least_steps": 50,
}
_WORDS = {"loss": ("mean-square", "correlation"), "gradient": ("whole", "tangent")}


class GiantSteps(FunctionEngine):
    """One unit that learns another: He_k links, spherical steps of fresh batches.

    Options: ``degree`` k; ``loss`` mean-square or correlation; ``gradient`` whole or tangent (the
    part along w is taken out of each step); ``learning_rate`` eta; ``start``, the first overlap in
    units of N^(-1/2); ``weak_overlap``, at which a student has learned; a student that has not
    stops after ``samples`` N^max(k - 1, 1) samples, but does ``least_steps`` at least.
    """

    #: What makes the numbers, besides the streams.
    sources = ("engines/giant_steps.py", "dynamics/single_index", "dynamics", "streams")

    def __init__(self) -> None:
        super().__init__(learn, {}, 1.0)

    def seconds(self, point: GridPoint) -> float:
        """About how long the replicas take on one core: 25 ns a sample (2026-11)."""
        steps = _most_steps(point, _options(point))
        return 2.5e-8 * point.replicas * point.batch_size * steps


def learn(point: GridPoint, streams: Streams) -> Arrays:
    """Simulate the replicas of a grid point."""
    options = _options(point)
    if point.batch_size != int(point.batch_size):
        raise StudyError(f"batch_size {point.batch_size:g} is not whole", where="giant-steps")
    last = _most_steps(point, options)
    overlap, passages = run_single_index(
        SingleIndexRun(
            size=point.size,
            batch_size=int(point.batch_size),
            learning_rate=options["learning_rate"],
            degree=options["degree"],
            times=np.array(point.times, dtype=np.int64),
            last_step=last,
            key=streams.key("dynamics"),
            replicas=streams.replicas,
            correlation=options["loss"] == "correlation",
            tangent=options["gradient"] == "tangent",
            start=options["start"] / math.sqrt(point.size),
            enough=options["weak_overlap"],
        )
    )
    return {
        "overlap": overlap,
        "success": (passages >= 0).astype(np.float64),
        **first_passage_interval(passages, last),
    }


def _most_steps(point: GridPoint, options: dict[str, Any]) -> int:
    """The last step of a student that does not learn."""
    samples = options["samples"] * point.size ** max(options["degree"] - 1, 1)
    steps = max(math.ceil(samples / point.batch_size), options["least_steps"])
    return min(int(steps), point.times[-1])


def _options(point: GridPoint) -> dict[str, Any]:
    """Every option, checked."""
    given = dict(point.options)
    for name, value in given.items():
        if name not in _OPTIONS:
            raise StudyError(
                f"giant-steps has no option {name!r}",
                where="options",
                remedy=f"there are {', '.join(_OPTIONS)}",
            )
        if name in _WORDS:
            if value not in _WORDS[name]:
                raise StudyError(f"{name} is none of {', '.join(_WORDS[name])}", where="options")
        elif isinstance(value, str) or not value > 0:
            raise StudyError(f"{name} = {value!r} is not positive", where="options")
        if name in ("degree", "least_steps"):
            if int(value) != value:
                raise StudyError(f"{name} = {value} is not whole", where="options")
            given[name] = int(value)
    return {**_OPTIONS, **given}
