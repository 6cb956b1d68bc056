"""Which engine serves which study: the only place that knows; own code is in `own`."""

import functools
import hashlib
import importlib
from collections.abc import Callable
from typing import NamedTuple, cast

from physbatch.engines.own import own_engine, own_revision
from physbatch.engines.protocol import Engine
from physbatch.engines.task_code import source_of
from physbatch.errors import NotBuiltError
from physbatch.sources import hash_of_sources
from physbatch.study.dynamics import SGD, OwnDynamics
from physbatch.study.model import Study


class Entry(NamedTuple):
    """Module and class of an engine, whether a study is one of its own, and its own sources.

    The module is imported when it is needed: engines load compilers and torch.
    """

    kind: str
    serves: Callable[[Study], bool]
    sources: tuple[str, ...]


#: The first entry that serves a study runs it.
ENGINES: tuple[Entry, ...] = (
    Entry(
        "torch_task.TorchTaskEngine",
        lambda s: s.system.kind == "torch",
        (
            "dynamics/task",
            "dynamics/sgd/curvature.py",
            *(f"engines/{name}.py" for name in ("torch_task", "task_measurement", "task_costs")),
            *("engines/task_code.py", "engines/faults.py"),
        ),
    ),
    Entry(
        "classifier.ClassifierEngine",
        lambda s: s.system.inputs.kind == "samples",
        ("dynamics/sgd", "engines/classifier.py"),
    ),
    Entry(
        "projected.ProjectedEngine",
        lambda s: isinstance(s.dynamics, SGD) and s.dynamics.engine == "projected",
        ("dynamics/projected", "exact/committee.py", "engines/projected.py"),
    ),
    Entry(
        "gradient.GradientEngine",
        lambda s: s.dynamics.kind == "sgd",
        ("dynamics/sgd", "engines/gradient.py", "engines/gradient_measurement.py"),
    ),
    Entry(
        "binary.BinaryEngine",
        lambda s: s.bitsliced,
        ("dynamics/bitsliced", "dynamics/bitsliced/cuda", "engines/binary.py"),
    ),
    Entry("discrete.DiscreteEngine", lambda s: True, ("dynamics/discrete", "engines/discrete.py")),
)
#: What else makes the numbers of every engine: random numbers, systems, and what studies ask for.
SHARED_SOURCES = (
    *("streams", "systems", "dynamics"),
    *("engines/point.py", "engines/protocol.py", "engines/checkpoint.py", "engines/end_states.py"),
    "study/measurement.py",
    *("study/system.py", "study/dynamics.py", "study/grid.py", "study/model.py"),
    *("study/base.py", "study/projection.py", "study/schedules.py", "study/torch_tasks.py"),
)


def engine_for(study: Study) -> Engine:
    """The engine that runs a study.

    Examples
    --------
    >>> from physbatch.study.catalogue import study
    >>> type(engine_for(study("greedy-unit"))).__name__
    'BinaryEngine'
    """
    if isinstance(study.dynamics, OwnDynamics):
        return own_engine(study.dynamics.engine)
    module, _, kind = _entry(study).kind.rpartition(".")
    home = importlib.import_module(f"physbatch.engines.{module}")
    return cast("Engine", getattr(home, kind)())


def revision_of(study: Study) -> str:
    """Names the state of the code that makes a study's numbers: a hash of its sources.

    For a task in torch the hash of its own file follows, after a hyphen.

    Examples
    --------
    >>> from physbatch.study.catalogue import study
    >>> len(revision_of(study("greedy-unit")))
    14
    """
    if isinstance(study.dynamics, OwnDynamics):
        ours = _revision(("engines/own.py",))
        return hashlib.sha256(
            f"{ours}\n{own_revision(study.dynamics.engine)}".encode()
        ).hexdigest()[:14]
    revision = _revision(_entry(study).sources)
    task = study.system.task
    return revision if task is None else f"{revision}-{source_of(task).digest}"


@functools.cache  # as of the first use: what is imported does not follow the files either
def _revision(sources: tuple[str, ...]) -> str:
    return f"{hash_of_sources(*SHARED_SOURCES, *sources):014x}"


def _entry(study: Study) -> Entry:
    return next(entry for entry in ENGINES if entry.serves(study))


def missing(study: Study) -> list[str]:
    """Names of the choices of a study that no engine implements."""
    names = []
    known = study.system.kind == "torch" or study.system.inputs.kind == "samples"
    for name in ("sharpness", "sharpness_batches"):
        if getattr(study.measurement, name) and not known:
            names.append(f"measurement.{name} but for inputs.kind = 'samples' and tasks in torch")
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
    StudyError
        If own dynamics are not registered.
    """
    if isinstance(study.dynamics, OwnDynamics):
        own_engine(study.dynamics.engine)
    names = missing(study)
    if names:
        raise NotBuiltError(
            f"not implemented: {', '.join(names)}",
            where=where,
            remedy="see `physbatch catalogue` for studies that run",
        )
    return study
