"""Teachers and students with binary or ternary weights on any layers, sparse or dense."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from physbatch.streams.filling import word_rows
from physbatch.streams.keys import KIND_INPUTS, StreamKeys
from physbatch.systems.architecture import Architecture
from physbatch.systems.wiring import draw_wiring, embed

Weights = npt.NDArray[np.int8]


@dataclass(frozen=True)
class DiscreteSystem:
    """Graphs, teachers and students of some replicas.

    Attributes
    ----------
    teacher_layers, student_layers : Architecture
        Their layers: the same, or dense ones for the student.
    teacher_sources, student_sources : ndarray of int32, shape (replica, edge)
        Which unit of the layer below each edge reads.
    teacher, student : ndarray of int8, shape (replica, edge)
        Weights -1, 0, +1; a teacher has no zeros.
    random_student : ndarray of int8, shape (replica, edge)
        A student that knows nothing of the teacher, for the baseline of matched overlaps.
    ternary : bool
        Whether a student's weight may be zero.
    """

    teacher_layers: Architecture
    student_layers: Architecture
    teacher_sources: npt.NDArray[np.int32]
    student_sources: npt.NDArray[np.int32]
    teacher: Weights
    student: Weights
    random_student: Weights
    ternary: bool

    @property
    def dense(self) -> bool:
        """Whether the student's units read the whole layer below."""
        return self.student_layers.layers[0].wiring == "full"

    def rows(self, first: int, stop: int) -> DiscreteSystem:
        """The system of some of the replicas."""
        return replace(
            self,
            teacher_sources=self.teacher_sources[first:stop],
            student_sources=self.student_sources[first:stop],
            teacher=self.teacher[first:stop],
            student=self.student[first:stop],
            random_student=self.random_student[first:stop],
        )


def draw_discrete_system(
    teacher_layers: Architecture,
    student_layers: Architecture,
    *,
    ternary: bool,
    initial_overlap: float,
    keys: StreamKeys,
    first_replica: int,
    replicas: int,
) -> DiscreteSystem:
    """Draw graphs, teachers and students.

    Each learnable weight of the student is the teacher's with probability r, the initial
    overlap, and else uniform over its two or three values; so a binary weight is right with
    probability (1 + r)/2. Weights that are not learned are the teacher's. In a committee (dense
    wiring with the first layer learned) they are all +1: flipping a hidden unit's weights then
    loses no generality, and the student may have another number of hidden units.
    """
    drawn = draw_wiring(teacher_layers, keys.wiring, first_replica, replicas)
    edges = teacher_layers.edges
    words = word_rows(keys.teacher, KIND_INPUTS, 0, first_replica, replicas, edges)
    bits = words >> np.uint64(31)
    teacher = (1 - 2 * bits.astype(np.int8)).astype(np.int8)
    if teacher_layers.layers[0].wiring == "full":
        teacher[:, teacher_layers.learnable :] = 1
    if student_layers.layers == teacher_layers.layers:
        sources, known = drawn, teacher
    else:
        sources = draw_wiring(student_layers, keys.wiring, first_replica, replicas)
        known = embed(teacher_layers, student_layers, drawn, teacher)
        if teacher_layers.layers[0].wiring == "full":
            known[:, student_layers.learnable :] = 1
    students = []
    for stream, overlap in ((0, initial_overlap), (2, 0.0)):
        numbers = (first_replica, replicas, student_layers.edges)
        first = word_rows(keys.start, KIND_INPUTS, stream, *numbers)
        if ternary:
            second = word_rows(keys.start, KIND_INPUTS, stream + 1, *numbers)
            values = ((second * np.uint64(3)) >> np.uint64(32)).astype(np.int8) - np.int8(1)
            student = np.where(first < np.uint64(round(overlap * 2**32)), known, values)
        else:
            # A weight that the teacher lacks is right or wrong with the same chance.
            right = np.where(known == 0, 2**31, round((1 + overlap) / 2 * 2**32))
            base = np.where(known == 0, 1, known)
            student = np.where(first < right.astype(np.uint64), base, -base)
        student[:, student_layers.learnable :] = known[:, student_layers.learnable :]
        students.append(student.astype(np.int8))
    student, random_student = students
    return DiscreteSystem(
        teacher_layers, student_layers, drawn, sources, teacher, student, random_student, ternary
    )
