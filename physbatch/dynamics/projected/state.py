"""Starting states of projected dynamics: factors of the overlaps of student and teacher."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from physbatch.dynamics.projected.kernel import MOST_UNITS, SOURCE_HASH, make_start_kernel
from physbatch.dynamics.projected.parts import LANES
from physbatch.errors import StudyError
from physbatch.typing import FloatArray, IntArray

#: Where errors of this engine arise.
WHERE = "projected dynamics"


class CommitteeState(NamedTuple):
    """Students and teachers of some replicas as factors of their overlaps.

    Attributes
    ----------
    teacher : ndarray, shape (replica, M, M)
        Lower triangle S with T = S S'.
    partner : ndarray of int64, shape (replica, K)
        Row of S that is the centre of each student vector; -1 for a centre at zero.
    difference : ndarray, shape (replica, K, M)
        E, the student less its centre, within the teacher's space.
    perpendicular : ndarray, shape (replica, K, K)
        Lower triangle P, the student outside of the teacher's space.
    """

    teacher: FloatArray
    partner: IntArray
    difference: FloatArray
    perpendicular: FloatArray

    @property
    def inside(self) -> FloatArray:
        """C + E, the student within the teacher's space, shape (replica, K, M)."""
        rows = np.take_along_axis(self.teacher, np.maximum(self.partner, 0)[:, :, None], axis=1)
        centre = np.where(self.partner[:, :, None] >= 0, rows, 0.0)
        return np.asarray(centre + self.difference)

    @property
    def student_overlap(self) -> FloatArray:
        """Q = w w'/N, shape (replica, K, K)."""
        inside, outside = self.inside, self.perpendicular
        return _products(inside, inside) + _products(outside, outside)

    @property
    def teacher_overlap(self) -> FloatArray:
        """R = w w*'/N, shape (replica, K, M)."""
        return _products(self.inside, self.teacher)

    @property
    def teacher_teacher(self) -> FloatArray:
        """T = w* w*'/N, shape (replica, M, M)."""
        return _products(self.teacher, self.teacher)


def _products(left: FloatArray, right: FloatArray) -> FloatArray:
    """left right' of each replica, by sums that do not depend on a linear-algebra library."""
    return np.asarray(np.einsum("rki,rni->rkn", left, right, optimize=False))


def check_units(size: int, students: int, teachers: int) -> None:
    if not (1 <= students <= MOST_UNITS and 1 <= teachers <= MOST_UNITS):
        raise StudyError(
            f"{students} student and {teachers} teacher units",
            where=WHERE,
            remedy=f"use 1 to {MOST_UNITS} of each, or the sgd engine",
        )
    if size < 2 * students + teachers:
        raise StudyError(
            f"size {size} is below 2 K + M = {2 * students + teachers}",
            where=WHERE,
            remedy="use a larger size, or the sgd engine",
        )


def to_lanes(values: npt.NDArray[np.generic], group: slice) -> npt.NDArray[Any]:
    """Replicas of a group as the last dimension, filled up with zeros."""
    lanes = np.zeros((*values.shape[1:], lanes_for(group)), dtype=values.dtype)
    part = np.moveaxis(values[group], 0, -1)
    lanes[..., : part.shape[-1]] = part
    return lanes


def from_lanes(
    values: npt.NDArray[np.generic], lanes: npt.NDArray[np.generic], group: slice
) -> None:
    """Put the lanes of a group back into `values`, replicas first."""
    values[group] = np.moveaxis(lanes, -1, 0)[: group.stop - group.start]


def replica_numbers(group: slice, first_replica: int) -> npt.NDArray[np.uint64]:
    """The numbers of the replicas of a group, one a lane."""
    first = first_replica + group.start
    return np.arange(first, first + lanes_for(group)).astype(np.uint64)


def lanes_for(group: slice) -> int:
    """Lanes of a group of replicas: whole vectors of eight."""
    replicas: int = group.stop - group.start
    return -(-replicas // 8) * 8


def lane_groups(replicas: int) -> list[slice]:
    """Replicas that are computed together."""
    return [slice(at, min(at + LANES, replicas)) for at in range(0, replicas, LANES)]


def draw_state(
    *,
    size: int,
    students: int,
    teachers: int,
    replicas: int | range,
    teacher_key: int,
    start_key: int,
    initial_overlap: float = 0.0,
    orthogonal: bool = True,
) -> CommitteeState:
    """Draw overlaps exactly as those of Gaussian weight vectors at this N.

    w_i = r w*_i + sqrt(1 - r^2) z_i with z normal; a student unit without a teacher unit of
    its number is random altogether.

    Parameters
    ----------
    size, students, teachers : int
        N, K and M; N >= 2 K + M.
    replicas : int or range
        How many replicas, or their numbers.
    teacher_key, start_key : int
        Stream keys.
    initial_overlap : float
        r, from -1 to 1.
    orthogonal : bool
        Teacher vectors with T = I exactly, rather than normal vectors drawn per replica.

    Returns
    -------
    CommitteeState

    Raises
    ------
    StudyError
        If K or M is not in 1 to 8, N is too small or r is out of range.

    Examples
    --------
    >>> state = draw_state(
    ...     size=100, students=2, teachers=2, replicas=3, teacher_key=1, start_key=2
    ... )
    >>> state.student_overlap.shape
    (3, 2, 2)
    """
    check_units(size, students, teachers)
    if not -1 <= initial_overlap <= 1:
        raise StudyError(f"initial overlap {initial_overlap}", where=WHERE, remedy="use -1 to 1")
    numbers = range(replicas) if isinstance(replicas, int) else replicas
    count = len(numbers)
    state = CommitteeState(
        np.zeros((count, teachers, teachers)),
        np.full((count, students), -1, dtype=np.int64),
        np.zeros((count, students, teachers)),
        np.zeros((count, students, students)),
    )
    draw = make_start_kernel(SOURCE_HASH)
    for group in lane_groups(count):
        lanes = CommitteeState(*(to_lanes(values, group) for values in state))
        keys = np.uint64(teacher_key), np.uint64(start_key)
        draw(
            lanes,
            replica_numbers(group, numbers.start),
            size,
            orthogonal,
            float(initial_overlap),
            keys,
        )
        for values, drawn in zip(state, lanes, strict=True):
            from_lanes(values, drawn, group)
    return state


def state_from_overlaps(
    student_overlap: FloatArray,
    teacher_overlap: FloatArray,
    teacher_teacher: FloatArray,
    replicas: int = 1,
) -> CommitteeState:
    """Replicas that all start from the same overlaps.

    Parameters
    ----------
    student_overlap, teacher_overlap, teacher_teacher : ndarray
        Q (K, K), R (K, M) and T (M, M), together a positive definite matrix.
    replicas : int
        How many copies.

    Raises
    ------
    StudyError
        If no weight vectors have these overlaps, or they are not linearly independent.

    Examples
    --------
    >>> import numpy as np
    >>> state = state_from_overlaps(np.eye(1), np.array([[0.6]]), np.eye(1))
    >>> round(float(state.perpendicular[0, 0, 0]), 12)
    0.8
    """
    joint = np.block([[teacher_teacher, teacher_overlap.T], [teacher_overlap, student_overlap]])
    try:
        factor = np.linalg.cholesky(joint)
    except np.linalg.LinAlgError as error:
        raise StudyError(
            "overlaps that no linearly independent vectors have",
            where=WHERE,
            remedy="Q, R and T together must be positive definite",
        ) from error
    students, teachers = teacher_overlap.shape
    shape = (replicas, 1, 1)
    return CommitteeState(
        np.tile(factor[:teachers, :teachers], shape),
        np.full((replicas, students), -1, dtype=np.int64),
        np.tile(factor[teachers:, :teachers], shape),
        np.tile(factor[teachers:, teachers:], shape),
    )
