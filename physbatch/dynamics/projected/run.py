"""Projected dynamics: SGD of a soft committee through its overlaps alone, exact at finite N.

With Gaussian inputs and a fresh batch for every step, the overlaps Q = w w'/N and R = w w*'/N
of student and teacher are a Markov chain, so that a step costs the same whatever N is. The
weights themselves never appear. What is propagated are factors of the overlaps: in an
orthonormal basis of the teacher's space and of the student's part outside of it,

    w*/sqrt N = (S, 0),   w/sqrt N = (C + E, P),   T = S S',   R = (C + E) S',

where S and P are lower triangles and each row of C is a row of S or zero. As the student
becomes perfect E and P vanish with all their digits, and the error never turns negative. A
batch with fields z (m, M) and u (m, K) in this basis and D = (eta/m)(y* - y) g'(lambda) gives

    E += D' z/N,   (P + D' u/N, A B/N) = (new P) x (orthonormal rows),

where A A' = D' D and B is Bartlett's factor of a Wishart matrix with N - K - M degrees of
freedom: the part of the inputs outside of all vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from physbatch.dynamics.projected.error import ERF, LINEAR, RELU
from physbatch.dynamics.projected.kernel import SOURCE_HASH, make_kernel
from physbatch.dynamics.projected.parts import Instructions, Room
from physbatch.dynamics.projected.state import (
    WHERE,
    CommitteeState,
    check_units,
    from_lanes,
    lane_groups,
    lanes_for,
    replica_numbers,
    to_lanes,
)
from physbatch.dynamics.rules import BatchRule
from physbatch.errors import StudyError
from physbatch.typing import FloatArray, IntArray

#: Activations that the projected dynamics is exact for, and their codes in the kernel.
ACTIVATIONS = {"erf": ERF, "relu": RELU, "linear": LINEAR}


@dataclass(frozen=True)
class ProjectedRun:
    """Everything the projected engine needs to know besides the starting state.

    Attributes
    ----------
    size : int
        N, at least 2 K + M.
    batch : BatchRule
        How many samples a batch holds, m on average. The step is (eta/m) times the *sum* over
        the samples that the batch holds, so that for N -> infinity only eta/m matters at any
        real m.
    learning_rate : float
        eta, for fields w.x/sqrt N.
    times : ndarray of int64
        Measuring times in steps, sorted, from `first_step` to `last_step`.
    last_step : int
        Step after which the run ends.
    dynamics_key : int
        Stream key.
    activation : {"erf", "relu", "linear"}
        g(u) = erf(u/sqrt 2), max(u, 0) or u.
    label_noise : float
        Variance of the Gaussian noise on the teacher's output.
    passage_error : float
        First passage is the first check at which the generalisation error is below this.
    check_interval : int
        Steps between checks, which are at its multiples. A first passage at step t means that
        the error crossed between t - check_interval and t; with 1 it is exact.
    first_step : int
        Step of the starting state, to go on with a run that was cut in two.
    first_replica : int
        Number of the first replica.
    """

    size: int
    batch: BatchRule
    learning_rate: float
    times: IntArray
    last_step: int
    dynamics_key: int
    activation: str = "erf"
    label_noise: float = 0.0
    passage_error: float = 0.0
    check_interval: int = 1
    first_step: int = 0
    first_replica: int = 0


class ProjectedTrajectory(NamedTuple):
    """What the projected engine measures.

    Attributes
    ----------
    student_overlap, teacher_overlap : ndarray, shape (replica, time, K, K or M)
        Q and R; nan after a replica has diverged.
    generalization_error : ndarray, shape (replica, time)
        <(y - y*)^2>/2 without label noise, in closed form, and accurate down to 1e-20 where
        the student approaches the teacher.
    first_passage : ndarray of int64, shape (replica,)
        First checked step at which the error was below `passage_error`; -1 if there was none.
    diverged_at : ndarray of int64, shape (replica,)
        Step after which the weights were no longer finite numbers of sensible size; -1 for
        all sound replicas.
    state : CommitteeState
        The final state.
    """

    student_overlap: FloatArray
    teacher_overlap: FloatArray
    generalization_error: FloatArray
    first_passage: IntArray
    diverged_at: IntArray
    state: CommitteeState

    @classmethod
    def empty(cls, state: CommitteeState, times: int) -> ProjectedTrajectory:
        """Room for what is measured from a state on; none has passed or diverged."""
        replicas, students, teachers = state.difference.shape
        return cls(
            student_overlap=np.zeros((replicas, times, students, students)),
            teacher_overlap=np.zeros((replicas, times, students, teachers)),
            generalization_error=np.zeros((replicas, times)),
            first_passage=np.full(replicas, -1, dtype=np.int64),
            diverged_at=np.full(replicas, -1, dtype=np.int64),
            state=CommitteeState(
                state.teacher.copy(),
                state.partner.copy(),
                state.difference.copy(),
                state.perpendicular.copy(),
            ),
        )


def _check(state: CommitteeState, run: ProjectedRun) -> None:
    check_units(run.size, *state.difference.shape[1:])
    problems = (
        (
            run.activation not in ACTIVATIONS,
            f"activation {run.activation!r}",
            f"use one of {', '.join(ACTIVATIONS)}, or the sgd engine",
        ),
        (run.batch.floor < 1, "a batch size below 1", "use at least 1"),
        (not run.label_noise >= 0, f"label noise {run.label_noise}", "use a variance >= 0"),
        (run.check_interval < 1, f"check interval {run.check_interval}", "use at least 1 step"),
        (
            not 0 <= run.first_step <= run.last_step or run.last_step * run.batch.largest >= 2**55,
            f"steps {run.first_step} to {run.last_step}",
            "use 0 <= first <= last, and fewer than 2^55 samples",
        ),
        (
            len(run.times) > 0
            and not (
                (np.diff(run.times) > 0).all()
                and run.first_step <= run.times[0]
                and run.times[-1] <= run.last_step
            ),
            "measuring times that are not sorted within the run",
            "give increasing times from first_step to last_step",
        ),
    )
    for wrong, what, remedy in problems:
        if wrong:
            raise StudyError(what, where=WHERE, remedy=remedy)


def run_projected(state: CommitteeState, run: ProjectedRun) -> ProjectedTrajectory:
    """Simulate the replicas of one cell.

    A replica gives the same numbers whatever other replicas are computed with it, and in one
    run or several that follow each other.

    Parameters
    ----------
    state : CommitteeState
        Where the replicas start; not changed.
    run : ProjectedRun
        Sizes, rates, times and streams.

    Returns
    -------
    ProjectedTrajectory

    Raises
    ------
    StudyError
        If the dynamics is not exact or not built for what is asked.

    References
    ----------
    The overlaps as order parameters: Saad and Solla, Phys. Rev. E 52 (1995) 4225,
    doi 10.1103/PhysRevE.52.4225.

    Examples
    --------
    >>> import numpy as np
    >>> from physbatch.dynamics.projected.state import draw_state
    >>> from physbatch.dynamics.rules import batch_rule
    >>> state = draw_state(
    ...     size=1000, students=1, teachers=1, replicas=4, teacher_key=1, start_key=2
    ... )
    >>> run = ProjectedRun(
    ...     size=1000, batch=batch_rule(2), learning_rate=2.0, times=np.array([0, 20_000]),
    ...     last_step=20_000, dynamics_key=3,
    ... )
    >>> bool((run_projected(state, run).generalization_error[:, 1] < 1e-4).all())
    True
    """
    _check(state, run)
    kernel = make_kernel(SOURCE_HASH)
    told = _instructions(run)
    out = ProjectedTrajectory.empty(state, len(run.times))
    for group in lane_groups(len(state.difference)):
        count = lanes_for(group)
        # Replicas come last, lane by lane; those without one are filled up with zeros.
        lanes = ProjectedTrajectory(
            student_overlap=to_lanes(out.student_overlap, group),
            teacher_overlap=to_lanes(out.teacher_overlap, group),
            generalization_error=to_lanes(out.generalization_error, group),
            first_passage=np.full(count, -1, dtype=np.int64),
            diverged_at=np.full(count, -1, dtype=np.int64),
            state=CommitteeState(*(to_lanes(values, group) for values in out.state)),
        )
        kernel(_room(state, run, count), told, lanes, replica_numbers(group, run.first_replica))
        computed = (*lanes[:-1], *lanes.state)
        for values, by_lane in zip((*out[:-1], *out.state), computed, strict=True):
            from_lanes(values, by_lane, group)
    return out


def _instructions(run: ProjectedRun) -> Instructions:
    return Instructions(
        size=run.size,
        floor=run.batch.floor,
        threshold=np.uint64(run.batch.threshold),
        rate=run.learning_rate / run.batch.mean,
        noise=float(np.sqrt(run.label_noise)),
        activation=ACTIVATIONS[run.activation],
        first_step=run.first_step,
        last_step=run.last_step,
        times=np.asarray(run.times, dtype=np.int64),
        check_interval=run.check_interval,
        passage_error=float(run.passage_error),
        key=np.uint64(run.dynamics_key),
    )


def _room(state: CommitteeState, run: ProjectedRun, lanes: int) -> Room:
    _, students, teachers = state.difference.shape
    rank = min(run.batch.largest, students)
    numbers = students + teachers + (1 if run.label_noise > 0 else 0)
    return Room(
        z=np.zeros((numbers + 3, lanes)),
        normals=np.zeros((rank * (rank - 1) // 2 + 4, lanes)),
        wishart=np.zeros((rank, rank, lanes)),
        centre=np.zeros((students, teachers, lanes)),
        inside=np.zeros((students, teachers, lanes)),
        rows=np.zeros((3, lanes)),
        wrong=np.zeros(lanes),
        slope=np.zeros((students, lanes)),
        toward=np.zeros((students, teachers, lanes)),
        matrix=np.zeros((students, students + rank, lanes)),
        gram=np.zeros((students, students, lanes)),
        factor=np.zeros((students, rank, lanes)),
        length=np.zeros(lanes),
        counts=np.full(lanes, run.batch.floor, dtype=np.int64),
    )
