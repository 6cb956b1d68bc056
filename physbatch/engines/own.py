"""Engines of own code: by name, from a script or from an installed package.

A study of ``dynamics.kind = NAME`` and ``system.kind = "own"`` is run by what was registered under
that name: a class that follows `physbatch.engines.Engine`, or a function

    simulate(point, streams) -> dict of arrays

A package registers with the entry-point group ``physbatch.engines``; nothing of it is imported
before a study asks for it to be run. Worker processes import the script that calls `run_study`, so
that what it registers at its top level is known to them; others (a cluster's, or those of the
command line) know entry points alone.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, cast

import numpy as np

from physbatch.dataset import NEEDED, STATUS_DIVERGED, STATUS_OK, VARIABLES, VariableSpec
from physbatch.dynamics.task.global_draws import no_global_draws
from physbatch.engines.checkpoint import UNSAVED, CellPaused, Checkpoint
from physbatch.engines.faults import line_of, refuse_names, words_of
from physbatch.engines.point import GridPoint
from physbatch.engines.protocol import Arrays, Engine
from physbatch.errors import PhysbatchError, StudyError
from physbatch.sources import hash_of_sources
from physbatch.streams.keys import PURPOSES
from physbatch.study.model import Study
from physbatch.typing import FloatArray

#: The group of entry points, each the name of a kind of dynamics.
GROUP = "physbatch.engines"
#: Dynamics of this package that studies name as they name own ones: module and class.
SHIPPED = {"giant-steps": "physbatch.engines.giant_steps:GiantSteps"}
#: Kinds of dynamics that this package simulates.
BUILT_IN = ("greedy", "metropolis", "sgd", "own")
#: What every class of an engine has.
_METHODS = ("variables", "lengths", "simulate", "compile", "seconds", "replica_bytes")
#: Variables that hold one of a few numbers.
_CODES = {"status": (STATUS_OK, STATUS_DIVERGED), "success": (0, 1)}
#: Where a function takes random numbers from.
_STREAMS = "streams.generator(purpose, replica)"

Simulate = Callable[[GridPoint, "Streams"], Mapping[str, Any]]

_registered: dict[str, _Registered] = {}


class _Registered:
    """What was registered: how to make the engine, and the code that it is made of."""

    def __init__(self, make: Callable[[], Engine], code: object) -> None:
        self.make, self.code = make, code


def register(
    kind: str,
    engine: type[Engine] | Simulate,
    *,
    observables: Mapping[str, str] | None = None,
    success_at: float = 1.0,
) -> None:
    """Let own code run the studies of ``dynamics.kind = kind``.

    Parameters
    ----------
    kind : str
        The name in study files; a second registration replaces the first.
    engine : class or function
        A class of the protocol `physbatch.engines.Engine`, or a function of a `GridPoint` and its
        `Streams` that returns arrays by name: ``overlap`` (replica, time), at the times
        ``point.times``, and the `observables`. It may also return ``success``, ``status``,
        ``first_passage`` and ``first_passage_lower`` (replica,).
    observables : mapping, optional
        Names of what a function returns besides the overlap, and what they are.
    success_at : float
        A replica succeeds when its overlap reaches this value, if the function does not say.

    Raises
    ------
    physbatch.errors.StudyError
        If the kind is one of this package's, a class lacks a function of the protocol, or an
        observable has the name of another variable.

    Examples
    --------
    Independent spins that relax, m of N at a time.

    >>> import numpy as np
    >>> from physbatch.engines import GridPoints, engine_for, register
    >>> from physbatch.study import Study
    >>> def relax(point, streams):
    ...     rate = point.batch_size / point.size / point.options["tau"]
    ...     chance = 0.5 * (1.0 + np.exp(-rate * np.array(point.times)))
    ...     generators = [streams.generator("dynamics", replica) for replica in streams.replicas]
    ...     return {"overlap": [2.0 * g.binomial(point.size, chance) / point.size - 1.0
    ...                         for g in generators]}
    >>> register("relaxation", relax)
    >>> study = Study.from_dict({
    ...     "title": "spins", "system": {"kind": "own", "options": {"tau": 5.0}},
    ...     "dynamics": {"kind": "relaxation"},
    ...     "grid": {"size": [100], "batch_size": [10, 20], "replicas": 4},
    ...     "measurement": {"duration": 50}})
    >>> point = GridPoints(study).at({"size": 100, "batch_size": 10}, replicas=4)
    >>> engine_for(study).simulate(point, "cpu")["overlap"].shape == (4, len(point.times))
    True
    """
    if kind in BUILT_IN:
        raise StudyError(
            f"dynamics {kind!r} is one of this package's", where="register", remedy="choose another"
        )
    if isinstance(engine, type):
        if observables is not None:
            raise StudyError("a class names its own variables", where="register")
        for name in _METHODS:
            if not callable(getattr(engine, name, None)):
                raise StudyError(f"{engine.__name__} has no function {name}", where="register")
        _registered[kind] = _Registered(engine, engine)
        return
    names = dict(observables or {})
    refuse_names(names, VARIABLES, where="register")
    make = functools.partial(FunctionEngine, engine, names, success_at)
    _registered[kind] = _Registered(make, engine)


def own_engine(kind: str) -> Engine:
    """The engine that was registered for a kind of dynamics, or of an entry point of that name."""
    return _found(kind).make()


def own_revision(kind: str) -> str:
    """A hash of the file of the registered code: other code makes other cells."""
    code = inspect.unwrap(cast("Callable[..., Any]", _found(kind).code))
    sources: tuple[str, ...] = getattr(code, "sources", ())
    if sources:
        return f"{hash_of_sources(*sources):014x}"
    try:
        file = inspect.getsourcefile(code)
        source = Path(file).read_bytes() if file else b""
    except (TypeError, OSError):
        source = b""
    if not source:
        try:
            source = inspect.getsource(code).encode()
        except (TypeError, OSError):
            raise StudyError(
                f"the source of the engine {kind!r} cannot be read",
                where="register",
                remedy="put it into a file: its hash is part of the names of results",
            ) from None
    return hashlib.sha256(source).hexdigest()[:14]


def _found(kind: str) -> _Registered:
    if kind not in _registered and kind in SHIPPED:
        home, _, name = SHIPPED[kind].partition(":")
        register(kind, getattr(importlib.import_module(home), name))
    if kind not in _registered:
        points = metadata.entry_points(group=GROUP)
        for point in points:
            if point.name != kind:
                continue
            try:
                code = point.load()
            except (Exception, SystemExit) as error:
                line = f"{line_of(error)}, " if line_of(error) else ""
                raise StudyError(
                    f"cannot import the engine {kind!r}: {words_of(error)}",
                    where=f"{line}entry point {point.value}",
                ) from error
            if kind not in _registered:  # its module may have called register, with more words
                register(kind, code)
        if kind not in _registered:
            known = sorted({*_registered, *(point.name for point in points)} - set(SHIPPED))
            raise StudyError(
                f"no engine {kind!r} is registered",
                where="dynamics.kind",
                remedy=f"there are {', '.join((*known, *SHIPPED))}"
                if known
                else f"physbatch.engines.register makes it known, or an entry point of {GROUP}",
            )
    return _registered[kind]


class Streams:
    """Random numbers of the replicas of a grid point, the same in any company and order.

    Examples
    --------
    >>> from physbatch.engines import GridPoints
    >>> from physbatch.study.catalogue import study
    >>> points = GridPoints(study("greedy-unit"))
    >>> alone, many = (Streams(points.at({"size": 9, "batch_size": 4}, first, count))
    ...                for first, count in ((3, 1), (0, 8)))
    >>> list(alone.replicas), alone.generator("start", 3).random() == many.generator(
    ...     "start", 3).random()
    ([3], True)
    """

    def __init__(self, point: GridPoint) -> None:
        self._keys = point.stream_keys()
        #: Numbers of the replicas.
        self.replicas = range(point.first_replica, point.first_replica + point.replicas)

    def key(self, purpose: str) -> int:
        """The 64-bit key of a purpose, for generators that are not numpy's."""
        if purpose not in PURPOSES:
            raise StudyError(
                f"no random numbers for {purpose!r}", where="streams", remedy=", ".join(PURPOSES)
            )
        key: int = getattr(self._keys, purpose)
        return key

    def generator(self, purpose: str, replica: int) -> np.random.Generator:
        """The generator of a replica for a purpose: wiring, teacher, start, dynamics, test ..."""
        # The replica is the highest word of the counter: streams of 2^192 numbers each.
        counter = np.array([0, 0, 0, replica], dtype=np.uint64)
        return np.random.Generator(np.random.Philox(key=self.key(purpose), counter=counter))


class FunctionEngine:
    """A function as an engine; see `physbatch.engines.protocol.Engine`.

    It has no states between start and end: a cell that is interrupted begins again.
    """

    def __init__(
        self, function: Simulate, observables: Mapping[str, str], success_at: float
    ) -> None:
        self._function, self._observables = function, observables
        self._success_at = success_at

    def variables(self, study: Study) -> Mapping[str, VariableSpec]:
        """What every dataset holds, and the observables of the function."""
        refuse_names(self._observables, study.grid.options, where=self._name())
        named = {name: VariableSpec(words) for name, words in self._observables.items()}
        return {**{name: VARIABLES[name] for name in NEEDED}, **named}

    def lengths(self, study: Study) -> Mapping[str, int]:
        """No dimensions besides replica and time."""
        return {}

    def compile(self, points: Sequence[GridPoint]) -> None:
        """Nothing to compile."""

    def seconds(self, point: GridPoint) -> float:
        """A guess, good for the order of cells alone: a microsecond for each input and time."""
        return 1e-6 * point.times[-1] * point.replicas * point.size

    def replica_bytes(self, point: GridPoint) -> int:
        """The result, and a few numbers for each input."""
        return 8 * (4 * point.size + len(point.times) * (len(self._observables) + 2))

    def simulate(self, point: GridPoint, device: str, checkpoint: Checkpoint = UNSAVED) -> Arrays:
        """Call the function, and check what it returns."""
        where = f"{self._name()} at {point}"
        try:
            with no_global_draws(self._name(), instead=_STREAMS) as check:
                returned = self._function(point, Streams(point))
                check(False)
        except (CellPaused, PhysbatchError, MemoryError):
            raise
        except (Exception, SystemExit) as error:
            raise StudyError(
                words_of(error), where=f"{line_of(error) or 'own code'}, {where}"
            ) from error
        if not isinstance(returned, Mapping):
            raise StudyError("does not return a dictionary of arrays", where=where)
        specs = self.variables(point.study)
        lost = sorted(({"overlap", *self._observables}) - set(returned))
        strange = sorted(set(map(str, returned)) - set(specs))
        if lost or strange:
            raise StudyError(
                f"returns no {lost[0]!r}" if lost else f"returns {strange[0]!r}",
                where=where,
                remedy=f"register names what it returns: {', '.join(specs)}",
            )
        lengths = {"replica": point.replicas, "time": len(point.times)}
        arrays = {
            name: _checked(name, values, tuple(lengths[dim] for dim in specs[name].dims), where)
            for name, values in returned.items()
        }
        whole = {**self._ends(arrays["overlap"], point), **arrays}
        return {name: whole[name].astype(spec.dtype) for name, spec in specs.items()}

    def _name(self) -> str:
        return str(getattr(self._function, "__name__", "simulate"))

    def _ends(self, overlap: FloatArray, point: GridPoint) -> dict[str, FloatArray]:
        """Success, first passages to the interval between two times, and the status."""
        times = np.array(point.times, dtype=np.float64)
        reached = overlap >= self._success_at  # nan is not
        ever, first = reached.any(axis=1), reached.argmax(axis=1)
        before = np.concatenate(([times[0]], times[:-1]))
        diverged = ~np.isfinite(overlap[:, -1])
        return {
            "first_passage": np.where(ever, times[first], np.inf),
            "first_passage_lower": np.where(ever, before[first], times[-1]),
            "success": reached[:, -1].astype(np.float64),
            "status": np.where(diverged, STATUS_DIVERGED, STATUS_OK).astype(np.float64),
        }


def _checked(name: str, values: Any, shape: tuple[int, ...], where: str) -> FloatArray:
    """An array of numbers of this shape."""
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "biufO" or any(isinstance(v, str) for v in array.flat):
            raise TypeError  # numpy would read words, and cut complex numbers
        array = array.astype(np.float64)
    except (TypeError, ValueError, RuntimeError):
        raise StudyError(f"{name!r} holds something else than numbers", where=where) from None
    if array.shape != shape:
        raise StudyError(
            f"{name!r} has the shape {array.shape}, not {shape}",
            where=where,
            remedy="one row for each replica, one column for each of point.times",
        )
    if name in _CODES and not np.isin(array, _CODES[name]).all():
        known = " or ".join(map(str, _CODES[name]))
        raise StudyError(f"{name!r} is something else than {known}", where=where)
    return array
