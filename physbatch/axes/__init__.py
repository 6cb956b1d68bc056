"""The axes of a study, each a frozen model: system, dynamics, grid, measurement and seeds.

Every choice of the physics has its field; a choice within one model that makes no sense is
refused there, and one that involves several models in `physbatch.study`.
"""

from __future__ import annotations

from physbatch.axes.base import Model
from physbatch.axes.dynamics import SGD, Dynamics, Greedy, LearningRate, Metropolis
from physbatch.axes.grid import Grid
from physbatch.axes.measurement import LinearTimes, ListedTimes, LogTimes, Measurement, Seed
from physbatch.axes.system import (
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
    "System",
    "TeacherStudent",
    "TreeWiring",
]
