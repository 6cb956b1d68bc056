"""A small study for each engine and each kind of state that a cell of it can be in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from physbatch.study.model import Study

__all__ = ["STUDIES", "WIDE", "small_study"]

_BITS: dict[str, Any] = {
    "system": {"depth": 2, "wiring": {"kind": "regular", "degree": 3}},
    "dynamics": {"kind": "greedy"},
    "grid": {"size": [6, 9], "batch_size": [2, 3.5], "replicas": 3},
    "measurement": {"duration": 40, "test_samples": 70},
}
_DESCENT: dict[str, Any] = {
    "system": {
        "depth": 2,
        "activation": "tanh",
        "weights": "continuous",
        "wiring": {"kind": "regular", "degree": 3},
        "inputs": {"kind": "gaussian"},
        "teacher_vectors": "binary",
        "teacher_activation": "erf",
    },
    "dynamics": {
        "kind": "sgd",
        "learning_rate": {"base": 0.5, "schedule": {"kind": "cosine", "to": 0.3, "steps": 50}},
        "batch_schedule": {"kind": "ramp", "to": 2.5, "steps": 40},
    },
    "grid": {"size": [8, 11], "batch_size": [2, 3.5], "replicas": 3},
    "measurement": {"duration": 60, "test_samples": 40},
}
_COMMITTEE: dict[str, Any] = {
    "system": {
        "depth": 2,
        "output": "scalar",
        "wiring": {"kind": "dense", "hidden_units": 2},
        "activation": "erf",
        "weights": "continuous",
        "readout": "linear",
        "learned_layers": "first",
        "field_scaling": "sqrt_fan_in",
        "teacher_vectors": "orthogonal",
        "inputs": {"kind": "gaussian"},
    },
    "dynamics": {"kind": "sgd", "engine": "projected", "learning_rate": {"base": 2.0}},
    "grid": {"size": [20, 50], "batch_size": [2, 3.5], "replicas": 3},
    "measurement": {"duration": 300, "success_fraction": 0.5},
}
_DIGITS: dict[str, Any] = {
    "system": {
        "depth": 2,
        "wiring": {"kind": "dense", "hidden_units": 5},
        "activation": "relu",
        "readout": "linear",
        "weights": "continuous",
        "inputs": {"kind": "samples", "count": 40},
    },
    "dynamics": {
        "kind": "sgd",
        "loss": "logistic",
        "sampling": "without-replacement",
        "precision": "float32",
        "learning_rate": {"base": 0.2},
    },
    "grid": {"size": [64], "batch_size": [4, 7], "replicas": 3},
    "measurement": {"duration": 30, "test_samples": 50},
}
_TASK: dict[str, Any] = {
    "system": {
        "kind": "torch",
        "task": f"{Path(__file__).with_name('tasks.py')}:SparseParity",
        "options": {"hidden": 6, "k": 2},
        "lanes": 4,
    },
    "dynamics": {"kind": "sgd", "learning_rate": {"base": 0.2}},
    "grid": {"size": [5, 8], "batch_size": [2, 3.5], "replicas": 3},
    "measurement": {"duration": 25, "test_samples": 40},
}


def _changed(study: dict[str, Any], **sections: dict[str, Any]) -> dict[str, Any]:
    return {**study, **{name: {**study[name], **fields} for name, fields in sections.items()}}


_PATTERNS = {"kind": "patterns", "of": "binary", "count": 20, "label_noise": 0.1}
_SETS = {"kind": "patterns", "of": "gaussian", "count": 20, "label_noise": 0.1}

#: Full layers of which a row does not fit into any number of registers.
_WIDE = _changed(
    _DESCENT,
    system={"wiring": {"kind": "dense", "hidden_units": 5}},
    grid={"size": [77], "batch_size": [6, 7.5], "replicas": 2},
    measurement={"duration": 40},
)

#: The first of each engine is plain; the others have more to remember.
STUDIES: dict[str, dict[str, Any]] = {
    "bit-sliced": _BITS,
    "bit-sliced, a batch for each proposal": _changed(
        _BITS, dynamics={"ties": "accept", "refresh": "proposal"}
    ),
    "bit-sliced, batches that change": _changed(
        _BITS, dynamics={"batch_schedule": {"kind": "ramp", "to": 2.5, "steps": 30}}
    ),
    "discrete": _changed(
        _BITS, system={"weights": "ternary", "depth": 1, "student_wiring": {"kind": "dense"}}
    ),
    "discrete, learned early": _changed(
        _BITS,
        system={"inputs": {"kind": "gaussian"}, "initial_overlap": 0.9},
        grid={"batch_size": [20, 30]},
    ),
    "discrete, Metropolis on noisy patterns": _changed(
        _BITS,
        system={"inputs": _PATTERNS},
        dynamics={"kind": "metropolis", "temperature": 0.4, "refresh": "proposal"},
    ),
    "discrete, batches that change": _changed(
        _BITS,
        system={"inputs": {"kind": "gaussian"}},
        dynamics={"batch_schedule": {"kind": "steps", "at": [3, 9], "factors": [4, 0.5]}},
    ),
    "gradient": _DESCENT,
    "gradient, momentum on noisy patterns": _changed(
        _DESCENT,
        system={"inputs": _SETS, "student_wiring": {"kind": "dense"}},
        dynamics={"momentum": 0.8, "sampling": "without-replacement", "precision": "float32"},
        grid={"batch_size": [2, 3]},
    ),
    "gradient, diverging": _changed(
        _DESCENT,
        system={"activation": "linear", "learned_layers": "first", "readout": "linear"},
        dynamics={"learning_rate": {"base": 30.0}, "batch_schedule": {"kind": "constant"}},
        measurement={"unit": "samples", "duration": 600, "times": {"kind": "linear", "every": 3}},
    ),
    "projected": _COMMITTEE,
    "projected, noise and divergence": _changed(
        _COMMITTEE,
        system={"activation": "relu"},
        dynamics={"learning_rate": {"base": 80.0}},
    ),
    "classifier": _DIGITS,
    "classifier, momentum and curvature": _changed(
        _DIGITS,
        system={"inputs": {"kind": "samples", "count": 40, "label_noise": 0.2}},
        dynamics={"momentum": 0.7, "sampling": "with-replacement", "precision": "float64"},
        measurement={"sharpness": True},
    ),
    "classifier, convolutional and diverging": _changed(
        _DIGITS,
        system={
            "wiring": {"kind": "convolutional", "channels": 2, "batch_normalisation": True},
        },
        dynamics={"loss": "mean-square", "learning_rate": {"base": 1e12}},
        grid={"batch_size": [4]},
        measurement={"duration": 12},
    ),
    "task": _TASK,
    "task, Adam, batches of a set, overlaps": _changed(
        _TASK,
        system={"pattern_count": 20},
        dynamics={
            "optimizer": "adam",
            "precision": "float32",
            "sampling": "with-replacement",
            "batch_schedule": {"kind": "ramp", "to": 4, "steps": 20},
        },
        grid={"size": [8]},
        measurement={"replica_overlaps": True},
    ),
    "task, momentum and divergence": _changed(
        _TASK,
        dynamics={"learning_rate": {"base": 1e30}, "momentum": 0.9},
        grid={"size": [8]},
    ),
}


#: Larger ones of single engines, for what depends on the length of sums.
WIDE: dict[str, dict[str, Any]] = {
    "wide gradient": _WIDE,
    "wide gradient, float32": _changed(
        _WIDE, dynamics={"precision": "float32", "momentum": 0.8, "loss": "logistic"}
    ),
}


def small_study(name: str) -> Study:
    """One of `STUDIES` or of `WIDE`."""
    return Study.from_dict({"title": name, **(STUDIES | WIDE)[name]})
