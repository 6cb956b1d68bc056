"""Which engine serves which study: the only place that knows."""

import importlib
from collections.abc import Callable
from typing import NamedTuple, cast

from physbatch.engines.protocol import Engine
from physbatch.errors import NotBuiltError
from physbatch.study.dynamics import SGD
from physbatch.study.model import Study


class Entry(NamedTuple):
    """Module and class of an engine, and whether a study is one of its own.

    The module is imported when it is needed: engines load compilers and torch.
    """

    kind: str
    serves: Callable[[Study], bool]


#: The first entry that serves a study runs it.
ENGINES: tuple[Entry, ...] = (
    Entry("classifier.ClassifierEngine", lambda s: s.system.inputs.kind == "samples"),
    Entry(
        "projected.ProjectedEngine",
        lambda s: isinstance(s.dynamics, SGD) and s.dynamics.engine == "projected",
    ),
    Entry("gradient.GradientEngine", lambda s: s.dynamics.kind == "sgd"),
    Entry("binary.BinaryEngine", lambda s: s.bitsliced),
    Entry("discrete.DiscreteEngine", lambda s: True),
)


def engine_for(study: Study) -> Engine:
    """The engine that runs a study.

    Examples
    --------
    >>> from physbatch.study.catalogue import study
    >>> type(engine_for(study("greedy-unit"))).__name__
    'BinaryEngine'
    """
    entry = next(entry for entry in ENGINES if entry.serves(study))
    module, _, kind = entry.kind.rpartition(".")
    home = importlib.import_module(f"physbatch.engines.{module}")
    return cast("Engine", getattr(home, kind)())


def missing(study: Study) -> list[str]:
    """Names of the choices of a study that no engine implements."""
    names = []
    if study.measurement.sharpness and study.system.inputs.kind != "samples":
        names.append("measurement.sharpness without inputs.kind = 'samples'")
    if study.grid.replicas_per_graph != 1 and not study.bitsliced:
        names.append(
            "grid.replicas_per_graph > 1 but for binary weights on regular graphs or trees"
        )
    return names


def require_built(study: Study, *, where: str = "study") -> Study:
    """Return the study if every choice is implemented.

    Raises
    ------
    NotBuiltError
        Naming each choice that is not.
    """
    names = missing(study)
    if names:
        raise NotBuiltError(
            f"not implemented: {', '.join(names)}",
            where=where,
            remedy="see `physbatch catalogue` for studies that run",
        )
    return study
