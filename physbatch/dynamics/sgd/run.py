"""Stochastic gradient descent of continuous weights: what to run, and the fast engine.

A step on a batch of n samples, with n = floor(m) or floor(m) + 1 and mean m, is

    v <- beta v + (1/m) sum grad l,   w <- w - eta v.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from physbatch.dynamics.rules import BatchRule
from physbatch.dynamics.sgd.batches import Rules
from physbatch.dynamics.sgd.kernel import SOURCE_HASH, make_kernels
from physbatch.dynamics.sgd.parts import ACTIVATIONS, Network
from physbatch.systems.architecture import Architecture
from physbatch.systems.continuous import ContinuousSystem, Functions
from physbatch.typing import FloatArray

__all__ = ["CompiledDescent", "GradientRun", "network_of"]


@dataclass(frozen=True)
class GradientRun:
    """Everything an engine needs to know of one cell besides the system.

    Attributes
    ----------
    batch : BatchRule
        How many samples a batch holds.
    batch_size : float
        m, by which gradients are divided.
    learning_rate : float
        eta.
    momentum : float
        beta.
    loss : {"mean-square", "logistic"}
        l = (y - y*)^2/2 summed over outputs, or ln(1 + exp(-t y)) with t = sign(y*), +1 for
        y* = 0.
    inputs : {"gaussian", "binary"}
        Standard normal inputs, or +-1.
    input_scales : ndarray, shape (N,) or (0,)
        Factors of the inputs: their covariance is the diagonal of the squares. None: all 1.
    label_noise : float
        Variance of the normal noise that is added to y*.
    patterns : int
        Size P of the pattern set of each replica; 0: every batch is fresh.
    replacement : bool
        Whether a batch draws from the pattern set with replacement. Without it an epoch is a
        random permutation, cut into batches; patterns left over wait for the next epoch.
    precision : {"float32", "float64"}
        Of weights and fields.
    dynamics_key, patterns_key, test_key : int
        Stream keys.
    first_replica : int
        Number of the first replica.
    """

    batch: BatchRule
    batch_size: float
    learning_rate: float
    momentum: float
    loss: Literal["mean-square", "logistic"]
    inputs: Literal["gaussian", "binary"]
    input_scales: FloatArray
    label_noise: float
    patterns: int
    replacement: bool
    precision: Literal["float32", "float64"]
    dynamics_key: int
    patterns_key: int
    test_key: int
    first_replica: int


def network_of(layers: Architecture, functions: Functions) -> Network:
    """Layers as arrays for the kernel."""
    activated = np.ones(layers.depth, dtype=np.int64)
    activated[-1] = functions.activated_readout
    return Network(
        units=np.array([layer.units for layer in layers.layers], dtype=np.int64),
        fan_ins=np.array([layer.fan_in for layer in layers.layers], dtype=np.int64),
        full=np.array([layer.wiring == "full" for layer in layers.layers], dtype=np.int64),
        edge_offsets=np.array(layers.edge_offsets, dtype=np.int64),
        unit_offsets=np.array(layers.unit_offsets, dtype=np.int64),
        scales=functions.scales(layers),
        activated=activated,
        activation=ACTIVATIONS[functions.activation],
    )


class CompiledDescent:
    """Gradient descent of the replicas of one cell by the compiled kernel.

    The definition is `physbatch.dynamics.sgd.definition.TensorDescent`; both have the same
    methods and give the same numbers up to rounding. A replica's numbers depend neither on
    which replicas are simulated beside it nor on how the steps are divided into calls.

    Parameters
    ----------
    system : ContinuousSystem
        Teachers and starting students.
    run : GradientRun
        The dynamics.
    """

    def __init__(self, system: ContinuousSystem, run: GradientRun) -> None:
        self.system = system
        self.run = run
        self._kernels = make_kernels(SOURCE_HASH)
        dtype = np.dtype(run.precision)
        self._teacher_network = network_of(system.teacher_layers, system.functions)
        self._network = network_of(system.student_layers, system.functions)
        self._rules = _rules(system, run)
        self._teacher = system.teacher.astype(dtype)
        replicas = len(system.teacher)
        learnable = system.student_layers.learnable if run.momentum > 0 else 0
        #: Number of steps done.
        self.step = 0
        #: The step after which the squared norm of a replica's learned weights was no finite
        #: number; -1 if it always was. Such a replica stays as it is. Shape (replica,).
        self.diverged_at = np.full(replicas, -1, dtype=np.int64)
        self._student = system.student.astype(dtype)
        # m times the velocity v.
        self._velocity = np.zeros((replicas, learnable), dtype)
        outputs = system.teacher_layers.outputs
        self._inputs = np.empty((replicas, run.patterns, system.teacher_layers.size), dtype)
        self._targets = np.empty((replicas, run.patterns, outputs), dtype)
        if run.patterns:
            self._kernels.draw_patterns(
                self._teacher_network,
                self._network,
                self._rules,
                self._teacher,
                system.teacher_sources,
                self._inputs,
                self._targets,
                run.first_replica,
            )

    def advance(self, stop: int) -> None:
        """Go on to `stop` steps."""
        with np.errstate(all="ignore"):
            self._kernels.advance(
                self._teacher_network,
                self._network,
                self._rules,
                self._teacher,
                self.system.teacher_sources,
                self._student,
                self.system.student_sources,
                self._velocity,
                self._inputs,
                self._targets,
                self.diverged_at,
                self.step,
                stop,
                self.run.first_replica,
                self.system.teacher_layers.size,
            )
        self.step = stop

    def give_up(self, replica: int) -> None:
        """Count a replica as diverged from now on."""
        self.diverged_at[replica] = self.step

    def state(self) -> dict[str, npt.NDArray[np.generic]]:
        """What a descent of the same system and run needs to go on from here."""
        return {
            "step": np.array(self.step),
            "diverged_at": self.diverged_at,
            "weights": self._student,
            "velocity": self._velocity,
        }

    def restore(self, state: dict[str, npt.NDArray[np.generic]]) -> None:
        """Go on from a `state`, with the same bits."""
        self.step = int(state["step"])
        self.diverged_at[...] = state["diverged_at"]
        self._student[...] = state["weights"]
        self._velocity[...] = state["velocity"]

    def students(self) -> FloatArray:
        """The weights now, shape (replica, edge)."""
        return self._student.astype(np.float64)

    def batch_loss(self) -> FloatArray:
        """Mean loss per sample and output on the batch last drawn, shape (replica,).

        Before the first step, on the first batch.
        """
        loss = np.empty(len(self._student))
        self._kernels.measure(
            self._teacher_network,
            self._network,
            self._rules,
            self._teacher,
            self.system.teacher_sources,
            self._student,
            self.system.student_sources,
            self._inputs,
            self._targets,
            loss,
            max(self.step - 1, 0),
            self.run.first_replica,
            self.system.teacher_layers.size,
        )
        return loss

    def test_error(self, students: npt.NDArray[np.floating], time: int, samples: int) -> FloatArray:
        """Error on fresh noiseless samples, shape (replica,).

        The mean over samples and outputs of (y - y*)^2/2, or with the logistic loss of wrong
        signs.
        """
        error = np.empty(len(students))
        self._kernels.test(
            self._teacher_network,
            self._network,
            self._rules,
            self._teacher,
            self.system.teacher_sources,
            students.astype(self._teacher.dtype),
            self.system.student_sources,
            error,
            time,
            samples,
            self.run.first_replica,
            self.system.teacher_layers.size,
        )
        return error


def _rules(system: ContinuousSystem, run: GradientRun) -> Rules:
    layers = system.student_layers
    return Rules(
        rate=run.learning_rate / run.batch_size,
        momentum=run.momentum,
        floor=run.batch.floor,
        threshold=run.batch.threshold,
        logistic=int(run.loss == "logistic"),
        gaussian=int(run.inputs == "gaussian"),
        input_scales=np.asarray(run.input_scales, dtype=np.float64),
        noise=float(np.sqrt(run.label_noise)),
        patterns=run.patterns,
        replacement=int(run.replacement),
        learned=1 if layers.learned == "first" else layers.depth,
        dynamics_key=np.uint64(run.dynamics_key),
        patterns_key=np.uint64(run.patterns_key),
        test_key=np.uint64(run.test_key),
    )
