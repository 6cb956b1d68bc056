"""Engines: what simulates the replicas of a grid point, one module for each kind of dynamics.

An `Engine` is given a `GridPoint`, which holds all that it may know, and returns arrays; it knows
neither plans nor files. The registry (`engine_for`) alone knows which engine serves which study.

Examples
--------
>>> from physbatch.engines import GridPoints, engine_for
>>> from physbatch.study import catalogue
>>> study = catalogue.study("greedy-unit", duration=10)
>>> point = GridPoints(study).at({"size": 9, "batch_size": 4}, replicas=2)
>>> engine_for(study).simulate(point, "cpu")["success"].shape
(2,)
"""

from typing import TYPE_CHECKING

from physbatch.lazy import lazy_names

if TYPE_CHECKING:
    from physbatch.engines.checkpoint import UNSAVED as UNSAVED
    from physbatch.engines.checkpoint import CellPaused as CellPaused
    from physbatch.engines.checkpoint import Checkpoint as Checkpoint
    from physbatch.engines.checkpoint import Pauses as Pauses
    from physbatch.engines.discrete import prepare_discrete as prepare_discrete
    from physbatch.engines.end_states import State as State
    from physbatch.engines.gradient import prepare_gradient as prepare_gradient
    from physbatch.engines.own import FunctionEngine as FunctionEngine
    from physbatch.engines.own import Streams as Streams
    from physbatch.engines.own import register as register
    from physbatch.engines.point import GridPoint as GridPoint
    from physbatch.engines.point import GridPoints as GridPoints
    from physbatch.engines.protocol import Arrays as Arrays
    from physbatch.engines.protocol import Engine as Engine
    from physbatch.engines.protocol import unmeasured as unmeasured
    from physbatch.engines.registry import engine_for as engine_for
    from physbatch.engines.registry import missing as missing
    from physbatch.engines.registry import require_built as require_built
    from physbatch.engines.registry import revision_of as revision_of

__getattr__, __dir__, __all__ = lazy_names(__name__)
