"""Classifiers of real samples, as an engine of the sweep."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from physbatch.dataset import (
    OPTIONAL_VARIABLES,
    STATUS_DIVERGED,
    STATUS_OK,
    VARIABLES,
    VariableSpec,
)
from physbatch.engines.checkpoint import UNSAVED, Checkpoint, Pauses
from physbatch.engines.point import GridPoint
from physbatch.engines.protocol import Arrays
from physbatch.errors import StudyError
from physbatch.study.dynamics import SGD
from physbatch.study.model import Study
from physbatch.study.system import ConvolutionalWiring, DenseWiring, SampleInputs
from physbatch.systems.samples import Samples, load_samples

if TYPE_CHECKING:
    from physbatch.dynamics.sgd.classifier import ClassifierRun, ClassifierTrajectory
    from physbatch.systems.classifiers import Classifier


_LONG_NAMES = {
    "overlap": "agreement with the test labels: 1 if all are right, 0 by chance",
    "generalization_error": "fraction of test samples put into the wrong class",
    "batch_error": "fraction of the next batch put into the wrong class",
    "success": "1 if the test error is acceptable at the end, 0 if not, -1 if missing",
}


def study_samples(study: Study) -> Samples:
    """The samples of a study, inputs shifted and scaled to mean 0 and variance 1 as a whole.

    StudyError if they do not have the size of the grid or are too few, DatasetError if they
    cannot be read.
    """
    inputs = study.system.inputs
    assert isinstance(inputs, SampleInputs)  # engine_for has made sure
    samples = _loaded(inputs.source)
    if inputs.classes is not None:
        samples = samples.only(inputs.classes)
    where = f"system.inputs.source = {inputs.source}"
    size = samples.inputs.shape[1]
    if study.grid.size != (size,):
        raise StudyError(
            f"samples have {size} numbers, grid.size is {list(study.grid.size)}",
            where=where,
            remedy=f"set grid.size to [{size}]",
        )
    largest = max(study.grid.pattern_count or (inputs.count or 0,))
    needed = largest + study.measurement.test_samples
    if needed > len(samples):
        raise StudyError(
            f"{largest} training and {study.measurement.test_samples} test samples are asked for, "
            f"{len(samples)} are there",
            where=where,
            remedy="lower the number of patterns or measurement.test_samples",
        )
    if study.grid.batch_size and max(study.grid.batch_size) > min(
        study.grid.pattern_count or (largest,)
    ):
        raise StudyError(
            f"batch size {max(study.grid.batch_size):g} is larger than the training set",
            where=where,
            remedy="lower grid.batch_size",
        )
    return samples


@functools.cache
def _loaded(source: str) -> Samples:
    samples = load_samples(source)
    spread = samples.inputs.std()
    scaled = (samples.inputs - samples.inputs.mean()) / (spread if spread > 0 else 1.0)
    return dataclasses.replace(samples, inputs=scaled)


class ClassifierEngine:
    """Dense and convolutional classifiers; see `physbatch.engines.protocol.Engine`."""

    def variables(self, study: Study) -> Mapping[str, VariableSpec]:
        """The schema's variables, and what memorising and divergence look like."""
        named = {
            name: dataclasses.replace(spec, long_name=_LONG_NAMES.get(name, spec.long_name))
            for name, spec in VARIABLES.items()
        }
        more = ["test_loss", "training_error", "diverged_at"]
        if study.measurement.sharpness:
            more += ["sharpness", "batch_sharpness"]
        if study.measurement.sharpness_batches:
            more += ["directional_sharpness", "directional_sharpness_ratio"]
        return {**named, **{name: OPTIONAL_VARIABLES[name] for name in more}}

    def lengths(self, study: Study) -> Mapping[str, int]:
        """No dimensions besides replica and time."""
        return {}

    def simulate(self, point: GridPoint, device: str, checkpoint: Checkpoint = UNSAVED) -> Arrays:
        """Train the replicas on torch; a state is weights, velocities and what was measured."""
        from physbatch.dynamics.sgd.classifier import run_classifier  # torch

        samples = study_samples(point.study)
        activation = point.study.system.activation
        assert activation in ("erf", "tanh", "relu")
        run = _run_of(point, samples)
        pauses = Pauses(checkpoint, device, times=point.times)
        trajectory = run_classifier(
            _network(point.study, samples),
            activation,
            samples,
            run,
            device,
            begun=pauses.take(),
            pieces=pauses.pieces,
            finish=pauses.finish,
        )
        return _observables(point, samples, trajectory)

    def end_state_bytes(self, point: GridPoint) -> int:
        """Weights and velocities, and what was measured."""
        weights = _weights(point.study, study_samples(point.study))
        return point.replicas * (16 * weights + 32 * len(point.times))

    def compile(self, points: Sequence[GridPoint]) -> None:
        """Nothing to compile; but a study that does not fit its samples is refused here."""
        study_samples(points[0].study)

    def seconds(self, point: GridPoint) -> float:
        """About how long the replicas take on one core, from the number of multiplications.

        Measured on one core at 2.6 GHz (2026-11): 0.3 ms a step of 32 replicas besides about
        2 G multiply-adds a second forward and back.
        """
        weights = _weights(point.study, study_samples(point.study))
        pixels = 64 if point.study.system.wiring.kind == "convolutional" else 1
        steps = int(point.updates[-1])
        return steps * (3e-4 + 3 * point.replicas * point.batch_size * weights * pixels / 2e10)

    def replica_bytes(self, point: GridPoint) -> int:
        """Training and test sets, weights with gradient and velocity."""
        samples = study_samples(point.study)
        return 8 * (2 * samples.inputs.size + 4 * _weights(point.study, samples))


def _run_of(point: GridPoint, samples: Samples) -> ClassifierRun:
    """The physics of a grid point, translated for the dynamics."""
    from physbatch.dynamics.sgd.classifier import ClassifierRun  # torch

    study, count = point.study, point.pattern_count
    dynamics, inputs = study.dynamics, study.system.inputs
    assert isinstance(dynamics, SGD)
    assert isinstance(inputs, SampleInputs)
    assert count is not None
    # A file may change behind its name, so its content is part of what names the streams.
    digest = hashlib.sha256(samples.inputs.tobytes() + samples.labels.tobytes()).hexdigest()
    return ClassifierRun(
        learning_rate=point.learning_rate,
        momentum=dynamics.momentum,
        batch_size=int(point.batch_size),
        replacement=dynamics.sampling == "with-replacement",
        subsets=dynamics.sampling == "subsets",
        loss="logistic" if dynamics.loss == "logistic" else "mean-square",
        training=count,
        test=study.measurement.test_samples,
        label_noise=inputs.label_noise,
        updates=point.updates,
        keys=point.stream_keys(f"\n{digest}"),
        replicas=np.arange(point.first_replica, point.first_replica + point.replicas),
        precision=dynamics.precision,
        sharpness=study.measurement.sharpness,
        sharpness_batches=study.measurement.sharpness_batches,
    )


def _weights(study: Study, samples: Samples) -> int:
    """Number of weights of a network."""
    return sum(math.prod(shape) for shape in _network(study, samples).shapes())


def _network(study: Study, samples: Samples) -> Classifier:
    from physbatch.systems.classifiers import Convolutional, Dense

    system = study.system
    activation = system.activation
    assert activation in ("erf", "tanh", "relu")
    size = samples.inputs.shape[1]
    if isinstance(system.wiring, ConvolutionalWiring):
        side = math.isqrt(size)
        if side * side != size or side % 4:
            raise StudyError(
                f"samples of {size} numbers are no square images whose side is divisible by 4",
                where="system.wiring.kind = convolutional",
                remedy="use dense wiring",
            )
        wiring = system.wiring
        return Convolutional(
            side, wiring.channels, samples.classes, activation, wiring.batch_normalisation
        )
    assert isinstance(system.wiring, DenseWiring)
    hidden = [system.wiring.hidden_units or size] * (system.depth - 1)
    return Dense((size, *hidden, samples.classes), activation)


def _observables(point: GridPoint, samples: Samples, out: ClassifierTrajectory) -> Arrays:
    chance = 1 - 1 / samples.classes
    acceptable = point.study.measurement.success_fraction * chance
    times = np.array(point.times, dtype=np.float64)
    good = out.measured["generalization_error"] <= acceptable  # nan, a diverged replica, is not
    first = np.where(good.any(axis=1), good.argmax(axis=1), -1)
    passed = first >= 0
    diverged = out.diverged_at >= 0
    # Divergence is known to the update; the clock of the dataset may count samples.
    clock = np.interp(out.diverged_at, point.updates, times)
    return {
        **out.measured,
        "overlap": 1 - out.measured["generalization_error"] / chance,
        "first_passage": np.where(passed, times[first], np.inf),
        "first_passage_lower": np.where(passed, times[np.maximum(first - 1, 0)], times[-1]),
        "success": good[:, -1].astype(np.int8),
        "status": np.where(diverged, STATUS_DIVERGED, STATUS_OK).astype(np.int8),
        "diverged_at": np.where(diverged, clock, np.inf),
    }
