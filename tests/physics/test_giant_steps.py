"""The chain of a single unit's overlap against its weights, and exact cases."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from physbatch.engines import GridPoints, engine_for, revision_of
from physbatch.errors import StudyError
from physbatch.study import Study, catalogue

RUNS = 4000


def overlaps(**options: Any) -> np.ndarray:
    """Overlaps of many replicas after three steps, N = 8, B = 5, by the engine."""
    content = {
        "title": "chain",
        "system": {"kind": "own", "options": options},
        "dynamics": {"kind": "giant-steps", "options": {"weak_overlap": 2.0}},
        "grid": {"size": [8], "batch_size": [5], "replicas": RUNS},
        "measurement": {"duration": 3, "times": {"kind": "list", "values": [0, 3]}},
    }
    study = Study.from_dict(content)
    point = GridPoints(study).at({"size": 8, "batch_size": 5.0}, replicas=RUNS)
    measured = engine_for(study).simulate(point, "cpu")
    assert measured["overlap"][:, 0] == pytest.approx(8**-0.5)
    return np.asarray(measured["overlap"][:, 1])


def hermite(degree: int, x: np.ndarray) -> np.ndarray:
    value = np.polynomial.hermite_e.hermeval(x, [0.0] * degree + [1.0])
    return np.asarray(value) / math.sqrt(math.factorial(degree))


def direct(degree: int, rate: float, *, correlation: bool, tangent: bool) -> np.ndarray:
    """The same with all weights: gradients of samples in eight dimensions."""
    rng = np.random.default_rng(5)
    teacher = np.eye(8)[0]
    first = np.sqrt(1 / 8) * np.eye(8)[0] + np.sqrt(7 / 8) * np.eye(8)[1]
    w = np.tile(first, (RUNS, 1))
    for _ in range(3):
        x = rng.standard_normal((RUNS, 5, 8))
        field = np.einsum("rbn,rn->rb", x, w)
        pull = hermite(degree, x @ teacher) - (0.0 if correlation else hermite(degree, field))
        pull = pull * math.sqrt(degree) * hermite(degree - 1, field)
        step = np.einsum("rb,rbn->rn", pull, x) / 5
        if tangent:
            step -= np.einsum("rn,rn->r", step, w)[:, None] * w
        w = w + rate * step
        w /= np.linalg.norm(w, axis=1, keepdims=True)
    return np.asarray(w @ teacher)


@pytest.mark.parametrize(
    ("degree", "loss", "gradient"),
    [
        (1, "mean-square", "whole"),
        (2, "correlation", "whole"),
        (3, "mean-square", "whole"),
        (3, "mean-square", "tangent"),
    ],
)
def test_the_chain_is_that_of_the_weights(degree: int, loss: str, gradient: str) -> None:
    """Mean and mean square after three steps: 4.5 standard errors of 4000 runs each."""
    chain = overlaps(degree=degree, loss=loss, gradient=gradient, learning_rate=0.3)
    weights = direct(degree, 0.3, correlation=loss == "correlation", tangent=gradient == "tangent")
    for power in (1, 2):
        one, two = chain**power, weights**power
        error = math.hypot(one.std(), two.std()) / math.sqrt(RUNS)
        assert abs(one.mean() - two.mean()) < 4.5 * error, power
        assert error < 0.02


def test_a_step_of_the_linear_link_is_exact() -> None:
    """k = 1, the whole gradient of a huge batch, eta = 1: the student is the teacher at once."""
    content = catalogue.study("giant-steps", replicas=2).model_dump(mode="json")
    content["system"]["options"] = {"degree": 1, "learning_rate": 1.0, "weak_overlap": 0.99}
    content["grid"] |= {"size": [10], "batch_size": [100_000], "options": {}}
    study = Study.from_dict(content)
    point = GridPoints(study).at({"size": 10, "batch_size": 100_000.0}, replicas=2)
    measured = engine_for(study).simulate(point, "cpu")
    assert measured["first_passage"].tolist() == [1.0, 1.0]
    # 1 - m = (1 - 10^(-1/2)) chi2_9/B, 6e-5 on average; five times that is a chance of 10^-6.
    lost = 1.0 - measured["overlap"][:, -1]
    assert ((lost > 1e-6) & (lost < 3.1e-4)).all()
    assert len(revision_of(study)) == 14


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"depth": 2}, "no option 'depth'"),
        ({"loss": "hinge"}, "loss is none of"),
        ({"degree": 1.5}, "not whole"),
        ({"learning_rate": -1.0}, "not positive"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], words: str) -> None:
    content = catalogue.study("giant-steps", replicas=2).model_dump(mode="json")
    content["system"]["options"] = options
    content["dynamics"]["options"] = {}
    content["grid"]["options"] = {}
    study = Study.from_dict(content)
    with pytest.raises(StudyError, match=words):
        engine_for(study).simulate(
            GridPoints(study).at({"size": 50, "batch_size": 6.0}, replicas=2), "cpu"
        )
