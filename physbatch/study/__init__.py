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

from physbatch.study.base import Model
from physbatch.study.dynamics import SGD, Dynamics, Greedy, LearningRate, Metropolis
from physbatch.study.grid import Grid
from physbatch.study.measurement import LinearTimes, ListedTimes, LogTimes, Measurement, Seed
from physbatch.study.study import Study, canonical_json
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
    "canonical_json",
]
