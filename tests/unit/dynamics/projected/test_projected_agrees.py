"""The projected kernel against its definition, and what must not depend on how it is run."""

from __future__ import annotations

import dataclasses

import mpmath
import numpy as np
import pytest

from physbatch.dynamics.projected.definition import run_projected_definition
from physbatch.dynamics.projected.error import ERF, LINEAR, RELU, committee_error
from physbatch.dynamics.projected.run import ProjectedRun, ProjectedTrajectory, run_projected
from physbatch.dynamics.projected.state import CommitteeState, draw_state, state_from_overlaps
from physbatch.dynamics.rules import batch_rule
from physbatch.errors import StudyError

#: K, M, m, noise variance, N, orthogonal teacher, r. Few and many samples, at the smallest N too.
CASES = [
    (1, 1, 1, 0.0, 3, True, 0.0),
    (2, 3, 1, 0.1, 50, False, 0.3),
    (3, 2, 1.5, 0.0, 8, False, 0.0),
    (4, 4, 4, 0.0, 30, True, 0.0),
    (4, 4, 4.2, 0.2, 300, True, 0.5),
    (2, 2, 37, 0.2, 100, False, 0.0),
    (8, 8, 3, 0.0, 24, True, 0.0),
    (1, 2, 20, 0.0, 10**6, True, -0.9),
]


def start(case: tuple[int, int, float, float, int, bool, float], replicas: int) -> CommitteeState:
    students, teachers, _, _, size, orthogonal, overlap = case
    return draw_state(
        size=size,
        students=students,
        teachers=teachers,
        replicas=replicas,
        teacher_key=5,
        start_key=6,
        initial_overlap=overlap,
        orthogonal=orthogonal,
    )


def make_run(size: int, batch_size: float, last_step: int, **options: object) -> ProjectedRun:
    return ProjectedRun(
        size=size,
        batch=batch_rule(batch_size),
        learning_rate=1.0,
        times=np.unique([0, 1, last_step // 3, last_step]),
        last_step=last_step,
        dynamics_key=9,
        **options,  # type: ignore[arg-type]
    )


def assert_equal(whole: ProjectedTrajectory, part: ProjectedTrajectory, rows: slice) -> None:
    """Bit for bit, `other` against some replicas of `one`."""
    for ours, theirs in zip(whole.state, part.state, strict=True):
        np.testing.assert_array_equal(ours[rows], theirs)
    for name in ("student_overlap", "teacher_overlap", "generalization_error"):
        np.testing.assert_array_equal(getattr(whole, name)[rows, -1], getattr(part, name)[:, -1])


@pytest.mark.parametrize("activation", ["erf", "relu", "linear"])
@pytest.mark.parametrize("case", CASES)
def test_kernel_follows_the_definition(
    case: tuple[int, int, float, float, int, bool, float], activation: str
) -> None:
    """All overlaps within 1e-12 after 20 steps, and the same first passages."""
    _, _, batch_size, noise, size, _, _ = case
    state = start(case, 5)
    run = make_run(
        size,
        batch_size,
        20,
        activation=activation,
        label_noise=noise,
        check_interval=4,
        passage_error=0.3,
        first_replica=61,
    )
    run = dataclasses.replace(run, learning_rate=1.0 if activation == "erf" else 0.2)
    kernel, definition = run_projected(state, run), run_projected_definition(state, run)
    for name in ("student_overlap", "teacher_overlap", "generalization_error"):
        ours, theirs = getattr(kernel, name), getattr(definition, name)
        assert abs(theirs[:, -1] - theirs[:, 0]).max() > 1e-9, "nothing happened"
        assert abs(ours - theirs).max() < 1e-12
    assert kernel.first_passage.tolist() == definition.first_passage.tolist()


def test_a_replica_does_not_depend_on_its_neighbours() -> None:
    case = CASES[4]
    everyone = draw_state(
        size=300, students=4, teachers=4, replicas=150, teacher_key=1, start_key=2, orthogonal=False
    )
    some = draw_state(
        size=300,
        students=4,
        teachers=4,
        replicas=range(60, 70),
        teacher_key=1,
        start_key=2,
        orthogonal=False,
    )
    run = make_run(case[4], case[2], 600)
    whole = run_projected(everyone, run)
    part = run_projected(some, dataclasses.replace(run, first_replica=60))
    assert_equal(whole, part, slice(60, 70))


def test_a_run_in_two_parts_is_the_same_run() -> None:
    state = start(CASES[5], 3)
    run = make_run(100, 37, 700)
    whole = run_projected(state, run)
    first = run_projected(state, dataclasses.replace(run, times=np.array([0]), last_step=301))
    second = run_projected(
        first.state, dataclasses.replace(run, times=np.array([700]), first_step=301)
    )
    assert_equal(whole, second, slice(None))


@pytest.mark.parametrize("case", [CASES[0], CASES[1], CASES[4], CASES[6]])
def test_looks_see_what_measuring_sees(
    case: tuple[int, int, float, float, int, bool, float],
) -> None:
    """A look computes the error in full only where it may be below: it misses no passage.

    The thresholds are errors that were measured, and numbers next to them.
    """
    last, interval = 240, 4
    state = start(case, 20)
    run = make_run(case[4], case[2], last, check_interval=interval, label_noise=case[3])
    looks = np.arange(0, last + 1, interval)
    errors = run_projected(state, dataclasses.replace(run, times=looks)).generalization_error
    for threshold in np.quantile(errors, [0.02, 0.2, 0.5, 0.9], method="nearest"):
        for passage_error in (threshold, np.nextafter(threshold, 1)):
            below = errors < passage_error
            expected = np.where(below.any(axis=1), looks[below.argmax(axis=1)], -1)
            seen = run_projected(
                state,
                dataclasses.replace(run, times=np.array([last]), passage_error=passage_error),
            )
            np.testing.assert_array_equal(seen.first_passage, expected)


def test_start_has_the_given_overlaps() -> None:
    q = np.array([[1.1, 0.2], [0.2, 0.7]])
    r = np.array([[0.3, 0.1, 0.0], [0.2, -0.4, 0.1]])
    t = np.array([[1.0, 0.1, 0.0], [0.1, 0.9, 0.2], [0.0, 0.2, 1.2]])
    state = state_from_overlaps(q, r, t, replicas=2)
    run = dataclasses.replace(make_run(50, 2, 0), times=np.array([0]))
    result = run_projected(state, run)
    assert abs(result.student_overlap[1, 0] - q).max() < 1e-15
    assert abs(result.teacher_overlap[1, 0] - r).max() < 1e-15
    assert abs(result.state.student_overlap[0] - q).max() < 1e-15
    assert abs(result.state.teacher_overlap[0] - r).max() < 1e-15
    assert abs(result.state.teacher_teacher[0] - t).max() < 1e-15


def exact_error(
    difference: np.ndarray,
    perpendicular: np.ndarray,
    teacher: np.ndarray,
    partner: np.ndarray,
    activation: int,
) -> mpmath.mpf:
    """The closed form with 70 digits."""
    students, teachers = difference.shape
    vectors = mpmath.zeros(students + teachers, students + teachers)
    for i in range(students):
        for n in range(teachers):
            centre = teacher[partner[i], n] if partner[i] >= 0 else 0.0
            vectors[i, n] = mpmath.mpf(float(difference[i, n])) + float(centre)
        for k in range(students):
            vectors[i, teachers + k] = float(perpendicular[i, k])
    for n in range(teachers):
        for k in range(teachers):
            vectors[students + n, k] = float(teacher[n, k])
    overlap = vectors * vectors.T
    total = mpmath.mpf(0)
    for a in range(students + teachers):
        for b in range(students + teachers):
            xx, yy, xy = overlap[a, a], overlap[b, b], overlap[a, b]
            if activation == ERF:
                product = 2 / mpmath.pi * mpmath.asin(xy / mpmath.sqrt((1 + xx) * (1 + yy)))
            elif activation == LINEAR:
                product = xy
            else:
                length = mpmath.sqrt(xx * yy)
                angle = mpmath.mpf(0) if a == b else mpmath.acos(xy / length)
                product = length * mpmath.sin(angle) + (mpmath.pi - angle) * xy
                product /= 2 * mpmath.pi
            total += product if (a < students) == (b < students) else -product
    return total / 2


@pytest.mark.parametrize("activation", [ERF, RELU, LINEAR], ids=["erf", "relu", "linear"])
@pytest.mark.parametrize(("students", "teachers"), [(1, 1), (2, 2), (4, 3), (2, 3)])
def test_error_has_all_its_digits(activation: int, students: int, teachers: int) -> None:
    """From errors of order one down to 1e-28, and across the change of form, to 1e-12."""
    random = np.random.default_rng(students)
    # About 2.5 units is where the form changes.
    for scale in (1e-14, 1e-10, 1e-5, 1e-2, 0.1, 0.2, 0.24, 0.26, 0.4, 1.0):
        teacher = np.linalg.cholesky(np.eye(teachers) + 0.1 * np.ones((teachers, teachers)))
        difference = random.normal(size=(students, teachers))
        perpendicular = np.tril(random.normal(size=(students, students)))
        length = np.sqrt((difference**2).sum(axis=1) + (perpendicular**2).sum(axis=1)).max()
        difference *= scale / length
        perpendicular *= scale / length
        partner = np.full(students, -1)
        partner[: min(students, teachers)] = random.permutation(teachers)[:students]
        with mpmath.workdps(70):
            exact = float(exact_error(difference, perpendicular, teacher, partner, activation))
        error = committee_error(difference, perpendicular, teacher, partner, activation)
        assert error == pytest.approx(exact, rel=1e-12, abs=0)
        if students >= teachers:
            assert exact < 2 * students**2 * scale**2


def test_diverged_replicas_are_data() -> None:
    state = draw_state(size=20, students=1, teachers=1, replicas=4, teacher_key=1, start_key=2)
    # One replica stays: a perfect student learns nothing.
    state.difference[2] = state.teacher[2]
    state.perpendicular[2] = 0.0
    run = dataclasses.replace(make_run(20, 1, 6000, activation="linear"), learning_rate=60.0)
    result = run_projected(state, run)
    assert result.diverged_at[2] == -1
    assert result.generalization_error[2].tolist() == [0.0] * 4
    lost = [0, 1, 3]
    assert (result.diverged_at[lost] > 1).all()
    assert (result.diverged_at[lost] < 6000).all()
    assert np.isnan(result.generalization_error[lost, -1]).all()
    assert np.isnan(result.student_overlap[lost, -1]).all()
    assert np.isfinite(result.student_overlap[lost, 1]).all()
    # Going on from there, they are lost from the first step and never pass.
    later = dataclasses.replace(
        run, first_step=6000, last_step=6100, times=np.array([6000, 6100]), passage_error=1.0
    )
    after = run_projected(result.state, later)
    assert after.diverged_at.tolist() == [6000, 6000, -1, 6000]
    assert after.first_passage.tolist() == [-1, -1, 6000, -1]
    assert np.isnan(after.generalization_error[lost]).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"activation": "sign"}, "activation 'sign'"),
        ({"size": 5}, "below 2 K + M = 6"),
        ({"label_noise": -1.0}, "label noise"),
        ({"check_interval": 0}, "check interval"),
        ({"times": np.array([3, 2])}, "measuring times"),
        ({"times": np.array([30])}, "measuring times"),
        ({"last_step": -1}, "steps 0 to -1"),
        ({"batch": batch_rule(0.5)}, "batch size below 1"),
    ],
)
def test_bad_input_is_one_line(change: dict[str, object], words: str) -> None:
    state = draw_state(size=50, students=2, teachers=2, replicas=1, teacher_key=1, start_key=2)
    with pytest.raises(StudyError, match="projected dynamics: ") as caught:
        run_projected(state, dataclasses.replace(make_run(50, 2, 10), **change))  # type: ignore[arg-type]
    assert words in str(caught.value)


def test_bad_starts_are_one_line() -> None:
    with pytest.raises(StudyError, match="9 student"):
        draw_state(size=50, students=9, teachers=2, replicas=1, teacher_key=1, start_key=2)
    with pytest.raises(StudyError, match="initial overlap"):
        draw_state(
            size=50,
            students=1,
            teachers=1,
            replicas=1,
            teacher_key=1,
            start_key=2,
            initial_overlap=1.5,
        )
    with pytest.raises(StudyError, match="linearly independent"):
        state_from_overlaps(np.ones((2, 2)), np.zeros((2, 1)), np.eye(1))
