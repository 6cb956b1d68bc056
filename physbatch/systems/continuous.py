"""Teachers and students with continuous weights, for every wiring, depth and output."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from physbatch.streams.filling import normal_rows
from physbatch.streams.keys import KIND_GAUSSIAN, StreamKeys
from physbatch.systems.architecture import Architecture
from physbatch.systems.wiring import draw_wiring, embed
from physbatch.typing import FloatArray

Activation = Literal["erf", "tanh", "relu", "linear"]
TeacherVectors = Literal["random", "orthogonal", "binary"]


@dataclass(frozen=True)
class Functions:
    """What units compute: y = g(h), h = w.x or w.x/sqrt(fan-in).

    Attributes
    ----------
    activation : {"erf", "tanh", "relu", "linear"}
        g(u) = erf(u/sqrt 2), tanh u, max(u, 0) or u.
    sqrt_fan_in : bool
        Whether fields are divided by the square root of the fan-in.
    activated_readout : bool
        Whether the last layer's field passes through g as well.
    committee : bool
        Whether all weights above the first layer are fixed to +1; fields are then sums of
        hidden units as they are.
    teacher_activation : {"erf", "tanh", "relu", "linear"} or None
        g of the teacher, if it is another one.
    """

    activation: Activation
    sqrt_fan_in: bool
    activated_readout: bool
    committee: bool
    teacher_activation: Activation | None = None

    @property
    def of_teacher(self) -> Functions:
        """What the teacher's units compute."""
        activation = self.teacher_activation or self.activation
        return replace(self, activation=activation, teacher_activation=None)

    @property
    def odd(self) -> bool:
        """Whether g(-u) = -g(u), so that a hidden unit's sign is free."""
        return self.activation != "relu"

    def scales(self, layers: Architecture) -> FloatArray:
        """Factor of each layer's field, shape (depth,)."""
        if not self.sqrt_fan_in:
            return np.ones(layers.depth)
        scales = np.array([1 / math.sqrt(layer.fan_in) for layer in layers.layers])
        if self.committee:
            scales[1:] = 1.0
        return scales


@dataclass(frozen=True)
class ContinuousSystem:
    """Graphs, teachers and starting students of some replicas.

    Attributes
    ----------
    teacher_layers, student_layers : Architecture
        Their layers: the same, or dense ones for the student.
    functions : Functions
        What units compute.
    teacher_sources, student_sources : ndarray of int32, shape (replica, edge)
        Which unit of the layer below each edge reads.
    teacher, student : ndarray, shape (replica, edge)
        Weights.
    target : ndarray, shape (replica, student's edge)
        The teacher on the student's edges: the perfect student.
    """

    teacher_layers: Architecture
    student_layers: Architecture
    functions: Functions
    teacher_sources: npt.NDArray[np.int32]
    student_sources: npt.NDArray[np.int32]
    teacher: FloatArray
    student: FloatArray
    target: FloatArray

    def rows(self, first: int, stop: int) -> ContinuousSystem:
        """The system of some of the replicas."""
        return replace(
            self,
            **{
                name: getattr(self, name)[first:stop]
                for name in ("teacher_sources", "student_sources", "teacher", "student", "target")
            },
        )


def draw_continuous_system(
    teacher_layers: Architecture,
    student_layers: Architecture,
    functions: Functions,
    *,
    vectors: TeacherVectors = "random",
    initial_overlap: float,
    keys: StreamKeys,
    first_replica: int,
    replicas: int,
) -> ContinuousSystem:
    """Draw graphs, teachers and students.

    The teacher's weights are independent standard normal numbers, or their signs, or its
    first-layer vectors are orthogonal and of squared length N. The student starts at
    w = r w* + sqrt(1 - r^2) z with z standard normal. Weights that are not learned are the
    teacher's, in a committee +1.

    Parameters
    ----------
    teacher_layers, student_layers : Architecture
        Layers of the teachers; those of the students are the same or dense.
    functions : Functions
        What units compute.
    vectors : {"random", "orthogonal", "binary"}
        Standard normal weights, orthogonal vectors of a dense first layer, or weights +-1.
    initial_overlap : float
        r.
    keys : StreamKeys
        Streams of the cell.
    first_replica, replicas : int
        The range of replicas; replica r is the same in every range that holds it.
    """
    drawn = draw_wiring(teacher_layers, keys.wiring, first_replica, replicas)
    teacher = normal_rows(
        keys.teacher, KIND_GAUSSIAN, 0, first_replica, replicas, teacher_layers.edges
    )
    if vectors == "binary":
        teacher = np.copysign(1.0, teacher)
    if vectors == "orthogonal":
        first = teacher_layers.layers[0]
        for row in teacher:
            _orthogonalise(row[: first.edges].reshape(first.units, first.fan_in))
    if functions.committee:
        teacher[:, teacher_layers.layers[0].edges :] = 1.0
    if student_layers.layers == teacher_layers.layers:
        sources, target = drawn, teacher
    else:
        # The student's units read everything below, in order: only shapes matter.
        sources = np.zeros((replicas, 0), dtype=np.int32)
        target = embed(teacher_layers, student_layers, drawn, teacher)
        # Where fields are divided by the square root of the fan-in the weights grow by that of the
        # two fan-ins, so that a student with as many hidden units or more computes the same.
        ratios = functions.scales(teacher_layers) / functions.scales(student_layers)
        target *= np.repeat(ratios, [layer.edges for layer in student_layers.layers])
        if functions.committee:
            target[:, student_layers.layers[0].edges :] = 1.0
    start = normal_rows(keys.start, KIND_GAUSSIAN, 0, first_replica, replicas, student_layers.edges)
    student = initial_overlap * target + math.sqrt(1 - initial_overlap**2) * start
    student[:, student_layers.learnable :] = target[:, student_layers.learnable :]
    return ContinuousSystem(
        teacher_layers, student_layers, functions, drawn, sources, teacher, student, target
    )


def _orthogonalise(vectors: FloatArray) -> None:
    """Gram and Schmidt, twice for the sake of rounding; squared lengths become N."""
    size = vectors.shape[1]
    for _ in range(2):
        for number, vector in enumerate(vectors):
            for other in vectors[:number]:
                vector -= np.sum(vector * other) / np.sum(other * other) * other
            vector *= math.sqrt(size / np.sum(vector * vector))


def random_students(
    system: ContinuousSystem, keys: StreamKeys, first_replica: int, count: int
) -> Iterator[FloatArray]:
    """Students that know nothing of the teacher, one after the other, shape (replica, edge)."""
    layers = system.student_layers
    for number in range(1, count + 1):
        student = normal_rows(
            keys.start, KIND_GAUSSIAN, number, first_replica, len(system.student), layers.edges
        )
        student[:, layers.learnable :] = system.target[:, layers.learnable :]
        yield student
