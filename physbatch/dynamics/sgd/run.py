"""Stochastic gradient descent of continuous weights: what to run, and the fast engine.

A step on a batch of n samples, with n = floor(m) or floor(m) + 1 and mean m, is

    v <- beta v + (1/m) sum grad l + lambda w,   w <- w - eta v.

eta and m may be functions of the step.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from physbatch.dynamics.rules import BatchRule, batch_rule
from physbatch.dynamics.sgd.batches import Cell, Pace, Patterns, Rules, Scratch
from physbatch.dynamics.sgd.kernel import LOSSES, SOURCE_HASH, Ends, make_kernels
from physbatch.dynamics.sgd.margins import patterns_of_margins
from physbatch.dynamics.sgd.parts import ACTIVATIONS, TILE, Activity, Network, Side
from physbatch.systems.architecture import Architecture
from physbatch.systems.continuous import ContinuousSystem, Functions
from physbatch.typing import FloatArray, IntArray

#: Steps of a schedule that are laid out at once.
_STEPS_AT_ONCE = 2**16


def unchanged(step: int) -> float:
    """The factor of what no schedule changes."""
    return 1.0


@dataclass(frozen=True)
class GradientRun:
    """Everything an engine needs to know of one cell besides the system.

    Attributes
    ----------
    batch : BatchRule
        How many samples the first batch holds.
    batch_size : float
        m of the first step, by which gradients are divided.
    learning_rate : float
        eta of the first step.
    momentum : float
        beta.
    loss : {"mean-square", "logistic", "hinge"}
        l = (y - y*)^2/2 summed over outputs, or ln(1 + exp(-t y)), or max(0, 1 - t y), with
        t = sign(y*), +1 for y* = 0.
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
    subsets : bool
        Without replacement, but every batch is a random subset of its own.
    weight_decay : float
        lambda.
    margin_exponent : int
        chi: patterns have a component u along the teacher of density ~ abs(u)^chi exp(-u^2/2).
    stop : bool
        Whether a replica ends where the hinge loss of all its patterns is zero.
    rate_factor, batch_factor : callable
        What eta and m are multiplied by, as functions of the step; batches have a mean of one
        sample at least. `largest_factor` is the largest of the second.
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
    loss: Literal["mean-square", "logistic", "hinge"]
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
    subsets: bool = False
    weight_decay: float = 0.0
    margin_exponent: int = 0
    stop: bool = False
    rate_factor: Callable[[int], float] = unchanged
    batch_factor: Callable[[int], float] = unchanged
    largest_factor: float = 1.0

    @property
    def constant(self) -> bool:
        """Whether all steps have the same eta and m."""
        return self.rate_factor is unchanged and self.batch_factor is unchanged

    @property
    def largest(self) -> int:
        """Samples of the largest batch."""
        return max(self.batch.largest, batch_rule(self.batch_size * self.largest_factor).largest)

    def mean_batch(self, step: int) -> float:
        """m at a step."""
        if self.batch_factor is unchanged:
            return self.batch_size
        return max(self.batch_size * self.batch_factor(step), 1.0)

    def rule(self, step: int) -> BatchRule:
        """How many samples the batch of a step holds."""
        return self.batch if self.batch_factor is unchanged else batch_rule(self.mean_batch(step))

    def rate(self, step: int) -> float:
        """eta at a step."""
        return self.learning_rate * self.rate_factor(step)

    def pace(self, start: int, stop: int) -> Pace:
        """Steps `start` ... `stop` - 1, or one for all where they are alike."""
        steps = range(start, start + 1 if self.constant else stop)
        rules = [self.rule(step) for step in steps]
        return Pace(
            rates=np.array([self.rate(step) / self.batch_size for step in steps]),
            gains=np.array([self.batch_size / self.mean_batch(step) for step in steps]),
            floors=np.array([rule.floor for rule in rules], dtype=np.int64),
            thresholds=np.array([rule.threshold for rule in rules], dtype=np.uint64),
        )


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
        replicas = len(system.teacher)
        patterns = (replicas, run.patterns)
        self._cell = Cell(
            _rules(system, run),
            Side(
                network_of(system.teacher_layers, system.functions.of_teacher),
                system.teacher.astype(dtype),
                system.teacher_sources,
            ),
            Side(
                network_of(system.student_layers, system.functions),
                system.student.astype(dtype),
                system.student_sources,
            ),
            Patterns(
                np.empty((*patterns, system.teacher_layers.size), dtype),
                np.empty((*patterns, system.teacher_layers.outputs), dtype),
            ),
        )
        #: Number of steps done.
        self.step = 0
        self._ends = Ends(
            diverged_at=np.full(replicas, -1, dtype=np.int64),
            stopped_at=np.full(replicas, -1, dtype=np.int64),
            changed_at=np.zeros(replicas, dtype=np.int64),
        )
        # m times the velocity v.
        learnable = system.student_layers.learnable if run.momentum > 0 else 0
        self._velocity = np.zeros((replicas, learnable), dtype)
        self._scratch = _scratch(self._cell, run.largest)
        if run.patterns:
            self._kernels.draw_patterns(self._cell, self._scratch)
            if run.margin_exponent:
                patterns_of_margins(
                    self._cell.patterns.inputs,
                    system.teacher,
                    run.margin_exponent,
                    key=run.patterns_key,
                    first_replica=run.first_replica,
                )

    @property
    def diverged_at(self) -> IntArray:
        """The step after which the squared norm of a replica's weights was no finite number.

        -1 if it always was. Such a replica stays as it is. Shape (replica,).
        """
        steps: IntArray = self._ends.diverged_at
        return steps

    @property
    def stopped_at(self) -> IntArray:
        """The step after which the loss of all patterns was zero, shape (replica,).

        -1 if it never was, or if the run does not ask. Such a replica stays as it is.
        """
        steps: IntArray = self._ends.stopped_at
        return steps

    @property
    def patterns(self) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
        """Inputs (replica, P, N) and labels (replica, P, output) of the finite sets."""
        return self._cell.patterns.inputs, self._cell.patterns.targets

    @property
    def _weights(self) -> npt.NDArray[np.floating]:
        return self._cell.student.weights

    def advance(self, stop: int) -> None:
        """Go on to `stop` steps."""
        together = stop if self.run.constant else _STEPS_AT_ONCE
        while self.step < stop:
            end = min(self.step + together, stop)
            pace = self.run.pace(self.step, end)
            with np.errstate(all="ignore"):
                self._kernels.advance(
                    self._cell, self._scratch, self._velocity, self._ends, pace, (self.step, end)
                )
            self.step = end

    def give_up(self, replica: int) -> None:
        """Count a replica as diverged from now on."""
        self.diverged_at[replica] = self.step

    def state(self) -> dict[str, npt.NDArray[np.generic]]:
        """What a descent of the same system and run needs to go on from here."""
        state = {
            "step": np.array(self.step),
            "diverged_at": self.diverged_at,
            "weights": self._weights,
            "velocity": self._velocity,
        }
        if self.run.stop:
            state.update(stopped_at=self._ends.stopped_at, changed_at=self._ends.changed_at)
        return state

    def restore(self, state: dict[str, npt.NDArray[np.generic]]) -> None:
        """Go on from a `state`, with the same bits."""
        self.step = int(state["step"])
        self.diverged_at[...] = state["diverged_at"]
        self._weights[...] = state["weights"]
        self._velocity[...] = state["velocity"]
        if self.run.stop:
            self._ends.stopped_at[...] = state["stopped_at"]
            self._ends.changed_at[...] = state["changed_at"]

    def students(self) -> FloatArray:
        """The weights now, shape (replica, edge)."""
        return self._weights.astype(np.float64)

    def batch_loss(self) -> FloatArray:
        """Mean loss per sample and output on the batch last drawn, shape (replica,).

        Before the first step, on the first batch.
        """
        loss = np.empty(len(self._weights))
        step = max(self.step - 1, 0)
        self._kernels.measure(self._cell, self._scratch, loss, self.run.pace(step, step + 1), step)
        return loss

    def test_error(self, students: npt.NDArray[np.floating], time: int, samples: int) -> FloatArray:
        """Error on fresh noiseless samples, shape (replica,).

        The mean over samples and outputs of (y - y*)^2/2, or with the logistic loss of wrong
        signs.
        """
        error = np.empty(len(students))
        weights = students.astype(self._weights.dtype)
        cell = self._cell._replace(student=self._cell.student._replace(weights=weights))
        self._kernels.test(cell, self._scratch, error, time, samples)
        return error


def _rules(system: ContinuousSystem, run: GradientRun) -> Rules:
    layers = system.student_layers
    return Rules(
        momentum=run.momentum,
        decay=run.weight_decay * run.batch_size,
        loss=LOSSES[run.loss],
        gaussian=int(run.inputs == "gaussian"),
        input_scales=np.asarray(run.input_scales, dtype=np.float64),
        noise=float(np.sqrt(run.label_noise)),
        patterns=run.patterns,
        replacement=int(run.replacement),
        subsets=int(run.subsets),
        stop=int(run.stop),
        learned=1 if layers.learned == "first" else layers.depth,
        dynamics_key=np.uint64(run.dynamics_key),
        patterns_key=np.uint64(run.patterns_key),
        test_key=np.uint64(run.test_key),
        first_replica=run.first_replica,
        size=system.teacher_layers.size,
    )


def _scratch(cell: Cell, largest: int) -> Scratch:
    rules, like = cell.rules, cell.student.weights.dtype
    network = cell.student.network
    units, outputs = int(network.unit_offsets[-1]) * TILE, int(network.units[-1])
    teacher_units = int(cell.teacher.network.unit_offsets[-1]) * TILE
    return Scratch(
        inputs=np.empty((TILE, rules.size), like),
        targets=np.empty((TILE, outputs), like),
        noise=np.empty(TILE * outputs),
        teacher=Activity(np.empty(teacher_units, like), np.empty(teacher_units, like)),
        student=Activity(np.empty(units, like), np.empty(units, like)),
        errors=np.empty(units, like),
        gradient=np.empty(network.edge_offsets[rules.learned], like),
        raw=np.empty(max(TILE, rules.patterns) + 3, np.uint64),
        chosen=np.empty(largest, np.int64),
        order=np.empty(max(rules.patterns, 1), np.int64),
    )
