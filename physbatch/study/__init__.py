"""Studies: what to simulate, as frozen models that read and write TOML; one module an axis.

Every choice of the physics has its field. A choice within one axis that makes no sense is refused
in its model, one that involves several axes in `Study`.

Examples
--------
>>> from physbatch.study import catalogue
>>> catalogue.study("greedy-unit").dynamics.kind
'greedy'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from physbatch.study import catalogue
from physbatch.study.base import Model
from physbatch.study.dynamics import SGD, Dynamics, Greedy, LearningRate, Metropolis
from physbatch.study.grid import Grid
from physbatch.study.measurement import LinearTimes, ListedTimes, LogTimes, Measurement, Seed
from physbatch.study.model import Study, canonical_json
from physbatch.study.system import (
    BinaryInputs,
    ConvolutionalWiring,
    DenseStudent,
    DenseWiring,
    GaussianInputs,
    PatternInputs,
    RegularWiring,
    SampleInputs,
    System,
    TeacherStudent,
    TreeWiring,
)

if TYPE_CHECKING:
    from physbatch.study.comparison import (
        attribute_differences,
        extends,
        study_differences,
        value_differences,
    )
    from physbatch.study.selection import select

__all__ = [
    "BinaryInputs",
    "ConvolutionalWiring",
    "DenseStudent",
    "DenseWiring",
    "Dynamics",
    "GaussianInputs",
    "Greedy",
    "Grid",
    "LearningRate",
    "LinearTimes",
    "ListedTimes",
    "LogTimes",
    "Measurement",
    "Metropolis",
    "Model",
    "PatternInputs",
    "RegularWiring",
    "SGD",
    "SampleInputs",
    "Seed",
    "Study",
    "System",
    "TeacherStudent",
    "TreeWiring",
    "attribute_differences",
    "canonical_json",
    "catalogue",
    "extends",
    "select",
    "study_differences",
    "value_differences",
]

#: What knows datasets: its modules load xarray, which a study alone does not need.
_LAZY = {
    "attribute_differences": "comparison",
    "extends": "comparison",
    "select": "selection",
    "study_differences": "comparison",
    "value_differences": "comparison",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(f"physbatch.study.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'physbatch.study' has no attribute {name!r}")
