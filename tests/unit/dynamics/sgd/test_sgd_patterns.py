"""The finite sets that gradient descent learns from can be had from the definition."""

from __future__ import annotations

import numpy as np
import pytest

from physbatch.dynamics.sgd.definition import TensorDescent
from physbatch.engines.gradient import prepare_gradient
from physbatch.study.model import Study
from tests.conftest import plan_of


def descent(kind: str, noise: float) -> TensorDescent:
    inputs = {"kind": kind, "label_noise": noise}
    sampling = "one-pass"
    if kind == "patterns":
        inputs |= {"count": 50, "of": "gaussian"}
        sampling = "with-replacement"
    study = Study.from_dict(
        {
            "title": "a linear student",
            "system": {
                "depth": 1,
                "output": "scalar",
                "activation": "linear",
                "weights": "continuous",
                "wiring": {"kind": "dense"},
                "inputs": inputs,
            },
            "dynamics": {
                "kind": "sgd",
                "sampling": sampling,
                "learning_rate": {"rule": "fixed", "base": 0.1},
            },
            "grid": {"size": [6], "batch_size": [4], "replicas": 20},
            "measurement": {"duration": 10},
        },
        where="test",
    )
    return TensorDescent(*prepare_gradient(plan_of(study).cells[0]).parts)


def test_labels_are_the_teachers_and_their_noise() -> None:
    for noise in (0.0, 0.25):
        engine = descent("patterns", noise)
        inputs, targets = engine.patterns
        assert inputs.shape == (20, 50, 6)
        assert targets.shape == (20, 50, 1)
        taught = np.einsum("rpi,ri->rp", inputs, engine.system.teacher)
        rest = targets[:, :, 0] - taught
        # 1000 labels: the mean square is known to 4.5 %.
        assert np.mean(rest**2) == pytest.approx(noise, rel=0.2, abs=1e-20)


def test_fresh_batches_have_no_set() -> None:
    with pytest.raises(AttributeError):
        _ = descent("gaussian", 0.0).patterns
