"""Hinge loss up to zero: the kernel, the definition, and a run that goes on for nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from physbatch.dynamics.sgd.definition import TensorDescent
from physbatch.dynamics.sgd.run import CompiledDescent
from physbatch.engines import GridPoints, engine_for
from physbatch.engines.gradient import prepare_gradient
from physbatch.engines.gradient_measurement import Prepared
from physbatch.engines.point import GridPoint
from physbatch.errors import StudyError
from physbatch.study import Study
from physbatch.systems.generalization import closed_form_error

SIZE, COUNT = 10, 24


def study_of(m: float, exponent: int = 1, replicas: int = 3, **dynamics: Any) -> Study:
    return Study.from_dict(
        {
            "title": "hinge loss",
            "system": {
                "depth": 1,
                "output": "scalar",
                "activation": "linear",
                "weights": "continuous",
                "field_scaling": "sqrt_fan_in",
                "wiring": {"kind": "dense"},
                "inputs": {"kind": "patterns", "count": COUNT, "margin_exponent": exponent},
            },
            "dynamics": {
                "kind": "sgd",
                "loss": "hinge",
                "sampling": "epochs",
                "stop": "zero-loss",
                "learning_rate": {"base": 4.0},
                **dynamics,
            },
            "grid": {"size": [SIZE], "batch_size": [m], "replicas": replicas},
            "measurement": {"duration": 400, "times": {"kind": "list", "values": [0, 400]}},
        }
    )


def point_of(study: Study) -> GridPoint:
    at = {"size": SIZE, "batch_size": study.grid.batch_size[0]}
    return GridPoints(study).at(at, replicas=study.grid.replicas)


def prepared(m: float, exponent: int = 1, replicas: int = 3, **dynamics: Any) -> Prepared:
    return prepare_gradient(point_of(study_of(m, exponent, replicas, **dynamics)))


@pytest.mark.parametrize("sampling", ["epochs", "subsets", "with-replacement"])
@pytest.mark.parametrize("m", [1.0, 5.0, 2.5])
def test_kernel_and_definition_stop_at_the_same_step(m: float, sampling: str) -> None:
    parts = prepared(m, 2, sampling=sampling).parts
    compiled, plain = CompiledDescent(*parts), TensorDescent(*parts)
    for left, right in zip(compiled.patterns, plain.patterns, strict=True):
        np.testing.assert_allclose(left, right, atol=1e-12)
    for stop in (0, 3, 120):
        compiled.advance(stop)
        plain.advance(stop)
        np.testing.assert_array_equal(compiled.stopped_at, plain.stopped_at)
        np.testing.assert_allclose(compiled.students(), plain.students(), rtol=1e-11)
    assert (compiled.stopped_at > 0).any()


@pytest.mark.parametrize("m", [1.0, 6.0])
def test_a_run_that_does_not_stop_ends_with_the_same_bits(m: float) -> None:
    """The weights of the last of 5000 steps are those of the step at which others stop."""
    system, run = prepared(m, replicas=50).parts
    stopping = CompiledDescent(system, run)
    going_on = CompiledDescent(system, replace(run, stop=False))
    stopping.advance(5000)
    going_on.advance(5000)
    assert (stopping.stopped_at > 0).all()
    np.testing.assert_array_equal(stopping.students(), going_on.students())
    # One step earlier the last change was still to come.
    short = CompiledDescent(system, replace(run, stop=False))
    first = int(stopping.stopped_at.min())
    row = int(stopping.stopped_at.argmin())
    short.advance(first - 1)
    assert not np.array_equal(short.students()[row], stopping.students()[row])
    short.advance(first)
    np.testing.assert_array_equal(short.students()[row], stopping.students()[row])


def test_pieces_and_states_change_nothing() -> None:
    parts = prepared(3.0, replicas=20).parts
    whole, pieces, resumed = (CompiledDescent(*parts) for _ in range(3))
    whole.advance(300)
    for stop in (1, 2, 50, 51, 300):
        pieces.advance(stop)
    resumed.advance(17)
    state = {name: values.copy() for name, values in resumed.state().items()}
    fresh = CompiledDescent(*parts)
    fresh.restore(state)
    fresh.advance(300)
    for other in (pieces, fresh):
        np.testing.assert_array_equal(whole.students(), other.students())
        np.testing.assert_array_equal(whole.stopped_at, other.stopped_at)


@pytest.mark.parametrize("exponent", [0, 1, 3])
def test_margins_have_the_density_of_their_exponent(exponent: int) -> None:
    """24 000 margins |u|: a chi law of chi + 1 degrees of freedom, and nothing else is changed."""
    descent = CompiledDescent(*prepared(1.0, exponent, replicas=1000).parts)
    inputs, targets = descent.patterns
    teacher = descent.system.teacher / np.linalg.norm(descent.system.teacher, axis=1)[:, None]
    along = np.einsum("rpi,ri->rp", inputs, teacher)
    assert np.array_equal(np.sign(along), targets[:, :, 0])
    assert stats.kstest(np.abs(along).ravel(), stats.chi(exponent + 1).cdf).pvalue > 1e-4
    across = inputs - along[:, :, None] * teacher[:, None, :]
    square = (across**2).sum(axis=2).ravel()
    assert stats.kstest(square, stats.chi2(SIZE - 1).cdf).pvalue > 1e-4
    assert abs(np.corrcoef(np.abs(along).ravel(), square)[0, 1]) < 4 / np.sqrt(24_000)


@pytest.mark.parametrize("exponent", [0, 1, 2])
def test_error_in_closed_form_is_the_chance_of_a_wrong_sign(exponent: int) -> None:
    """Against a count over fresh inputs, 4 standard errors (1 % of the error or less)."""
    system = prepared(1.0, exponent, replicas=1).system
    student = system.student[0] + 0.5 * system.target[0]
    rng, count = np.random.default_rng(3), 200_000
    teacher = system.target[0] / np.linalg.norm(system.target[0])
    inputs = rng.normal(size=(count, SIZE))
    along = inputs @ teacher
    further = (rng.normal(size=(count, exponent)) ** 2).sum(axis=1)
    moved = np.sign(along) * np.sqrt(along**2 + further)
    inputs += (moved - along)[:, None] * teacher
    wrong = np.sign(inputs @ student) != np.sign(moved)
    exact = closed_form_error(system, 0, student, loss="hinge", margin_exponent=exponent)
    stderr = np.sqrt(exact * (1 - exact) / count)
    assert stderr < 0.01 * exact
    assert abs(wrong.mean() - exact) < 4 * stderr
    if exponent == 0:
        plain = closed_form_error(system, 0, student, loss="hinge")
        assert plain == pytest.approx(exact, rel=1e-12)


def plain_perceptrons(replicas: int, m: int, eta: float, epochs: int) -> np.ndarray[Any, Any]:
    """Stopping time in epochs, norm and R of a plain loop over batches, shape (replica, 3)."""
    rng = np.random.default_rng(9)
    x = rng.normal(size=(replicas, COUNT, SIZE))
    u = x[:, :, 0]
    x[:, :, 0] = np.sign(u) * np.sqrt(u**2 + rng.normal(size=u.shape) ** 2)
    x *= np.sign(u)[:, :, None] / np.sqrt(SIZE)
    w = rng.normal(size=(replicas, SIZE))
    last = np.zeros(replicas)
    for epoch in range(epochs):
        before = last.copy()
        order = rng.random((replicas, COUNT)).argsort(axis=1)
        for number in range(COUNT // m):
            rows = order[:, number * m : (number + 1) * m]
            batch = np.take_along_axis(x, rows[:, :, None], axis=1)
            wrong = np.einsum("rpi,ri->rp", batch, w) < 1
            w += eta / m * np.einsum("rpi,rp->ri", batch, wrong)
            last = np.where(wrong.any(axis=1), epoch + (number + 1) * m / COUNT, last)
        if np.array_equal(before, last):
            break
    norm = np.linalg.norm(w, axis=1)
    return np.stack([last, norm, w[:, 0] / norm], axis=1)


@pytest.mark.parametrize("m", [2, 12])
def test_stopping_agrees_with_a_plain_loop(m: int) -> None:
    """2000 replicas: time, norm and R, below 4 standard errors; means are known to 2 %."""
    study = study_of(float(m), replicas=2000)
    point = point_of(study)
    out = engine_for(study).simulate(point, "cpu")
    ended = np.asarray(out["stopped_at"])
    assert np.isfinite(ended).all()
    descent = CompiledDescent(*prepare_gradient(point).parts)
    descent.advance(400)
    teacher = np.linalg.norm(descent.system.teacher, axis=1)
    students = descent.students()
    norm = np.linalg.norm(students, axis=1)
    cosine = (students * descent.system.teacher).sum(axis=1) / norm / teacher
    np.testing.assert_allclose(np.asarray(out["student_norm"])[:, -1], norm / teacher, rtol=1e-12)
    measured = np.stack([ended * m / COUNT, norm, cosine], axis=1)
    plain = plain_perceptrons(2000, m, 4.0, 400 * m // COUNT)
    stderr = np.sqrt((measured.var(axis=0, ddof=1) + plain.var(axis=0, ddof=1)) / 2000)
    assert np.all(stderr < 0.03 * plain.mean(axis=0))
    assert np.all(np.abs(measured.mean(axis=0) - plain.mean(axis=0)) < 4 * stderr)


@pytest.mark.parametrize(
    ("dynamics", "words"),
    [
        ({"loss": "logistic"}, "stop 'zero-loss' is for the hinge loss of patterns"),
        ({"momentum": 0.5}, "stop 'zero-loss' is not for momentum or weight_decay"),
        ({"weight_decay": 0.1}, "stop 'zero-loss' is not for momentum or weight_decay"),
        ({"stop": "duration", "loss": "mean-square"}, "margin_exponent needs loss hinge"),
    ],
)
def test_what_never_ends_is_refused(dynamics: dict[str, Any], words: str) -> None:
    with pytest.raises(StudyError, match=words):
        study_of(1.0, **dynamics)
