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

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from physbatch.engines.checkpoint import UNSAVED, CellPaused, Checkpoint, Pauses, State
from physbatch.engines.point import GridPoint, GridPoints
from physbatch.engines.protocol import Arrays, Engine, unmeasured
from physbatch.engines.registry import engine_for, missing, require_built

if TYPE_CHECKING:
    from physbatch.engines.discrete import prepare_discrete
    from physbatch.engines.gradient import prepare_gradient

__all__ = [
    "UNSAVED",
    "Arrays",
    "CellPaused",
    "Checkpoint",
    "Engine",
    "GridPoint",
    "GridPoints",
    "Pauses",
    "State",
    "engine_for",
    "missing",
    "prepare_discrete",
    "prepare_gradient",
    "require_built",
    "unmeasured",
]

#: Drawn systems and what is done with them, for who wants to look into a cell; their modules load
#: compilers and torch.
_LAZY = {
    "prepare_discrete": "physbatch.engines.discrete",
    "prepare_gradient": "physbatch.engines.gradient",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'physbatch.engines' has no attribute {name!r}")
