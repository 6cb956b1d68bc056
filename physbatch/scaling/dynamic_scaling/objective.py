"""Log posterior of the parameters of dynamic scaling, its maxima and its curvature."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy import optimize

from physbatch.scaling.dynamic_scaling.coordinates import Frame, Points, Scaled
from physbatch.scaling.dynamic_scaling.likelihood import (
    Prediction,
    Strength,
    hyper_names,
    log_likelihood,
    predict,
    prior_of,
)
from physbatch.tables.times import TimeTable
from physbatch.typing import FloatArray

#: Step of differences of the gradient.
_STEP = 1e-4


class Part(NamedTuple):
    """What one observable brings."""

    name: str
    points: Points  # in units of the observable
    names: tuple[str, ...]  # its hyperparameters


@dataclass(frozen=True, eq=False)
class Objective:
    """Log posterior of parameters and hyperparameters for one table.

    Attributes
    ----------
    frame : Frame
        Units and parameters.
    table : TimeTable
        The data.
    correction, omega : float
        Strength and exponent of the corrections to scaling.
    """

    frame: Frame
    table: TimeTable
    correction: float = 0.2
    omega: float = 0.5

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """Points of each observable, in units of its typical value."""
        made = []
        for name in self.table.values:
            points = self.frame.points(self.table, name)
            unit = float(np.median(np.abs(points.value))) or float(np.abs(points.value).max())
            points = points._replace(value=points.value / unit, error=points.error / unit)
            start = np.full(len(self.frame.names), 0.5)
            scaled = self.frame.scaled(start, points, name)
            made.append(Part(name, points, hyper_names(points, scaled)))
        return tuple(made)

    @property
    def count(self) -> int:
        """Number of parameters; the rest of a vector are hyperparameters."""
        return len(self.frame.names)

    @cached_property
    def priors(self) -> FloatArray:
        """Mean, width, lower and upper bound of every hyperparameter, shape (n_hyper, 4)."""
        rows = [prior_of(name, "p" in part.names) for part in self.parts for name in part.names]
        return np.array(rows, dtype=np.float64)

    @property
    def bounds(self) -> list[tuple[float, float]]:
        """Ranges of a full vector."""
        return [*self.frame.bounds, *((low, high) for low, high in self.priors[:, 2:])]

    @cached_property
    def strength(self) -> Strength:
        first = min(float(part.points.log_time.min()) for part in self.parts)
        return Strength(self.correction, self.omega, first)

    def start(self, parameters: FloatArray) -> FloatArray:
        """A full vector with usual hyperparameters."""
        return np.concatenate([parameters, self.priors[:, 0]])

    def with_corrections(self, correction: float, omega: float) -> Objective:
        """The same data with other corrections."""
        return replace(self, correction=correction, omega=omega)

    def each(self, vector: FloatArray) -> Iterator[tuple[Part, Scaled, FloatArray]]:
        """Every observable with its scaled coordinates and hyperparameters."""
        row = self.count
        for part in self.parts:
            hyper = vector[row : row + len(part.names)]
            row += len(part.names)
            yield part, self.frame.scaled(vector[: self.count], part.points, part.name), hyper

    def __call__(self, vector: FloatArray, *, gradient: bool = True) -> tuple[float, FloatArray]:
        """Log posterior and its gradient."""
        slope = np.zeros_like(vector)
        away = (vector[self.count :] - self.priors[:, 0]) / self.priors[:, 1]
        total = -0.5 * float(away @ away) - float(np.log(self.priors[:, 1]).sum())
        slope[self.count :] = -away / self.priors[:, 1]
        row = self.count
        for part, scaled, hyper in self.each(vector):
            value, by_parameter, by_hyper = log_likelihood(
                part.points, scaled, part.names, hyper, self.strength, gradient=gradient
            )
            total += value
            slope[: self.count] += by_parameter
            slope[row : row + len(part.names)] += by_hyper
            row += len(part.names)
        return total, slope

    def climb(self, start: FloatArray, steps: int = 120) -> tuple[FloatArray, float]:
        """The nearest maximum within the bounds."""
        low, high = np.array(self.bounds).T

        def negative(vector: FloatArray) -> tuple[float, FloatArray]:
            with np.errstate(all="ignore"):
                value, slope = self(vector)
            if not math.isfinite(value):
                return 1e10, np.zeros_like(vector)
            return -value, -slope

        best = optimize.minimize(
            negative,
            np.clip(start, low, high),
            jac=True,
            method="L-BFGS-B",
            bounds=self.bounds,
            options={"maxiter": steps, "maxcor": 20, "ftol": 1e-10, "gtol": 1e-4},
        )
        return np.asarray(best.x, dtype=np.float64), -float(best.fun)

    def curvature(self, vector: FloatArray) -> FloatArray:
        """Minus the second derivatives, by differences of the gradient."""
        low, high = np.array(self.bounds).T
        out = np.empty((vector.size, vector.size))
        for column in range(vector.size):
            ends = []
            for sign in (-1.0, 1.0):
                moved = vector.copy()
                moved[column] = np.clip(moved[column] + sign * _STEP, low[column], high[column])
                ends.append((moved[column], self(moved)[1]))
            out[column] = -(ends[1][1] - ends[0][1]) / (ends[1][0] - ends[0][0])
        return 0.5 * (out + out.T)

    def at_bound(self, vector: FloatArray) -> tuple[str, ...]:
        """Parameters that stand at the end of their range."""
        return tuple(
            name
            for name, value, (low, high) in zip(
                self.frame.names, vector, self.frame.bounds, strict=False
            )
            if min(value - low, high - value) < 1e-6 * (high - low)
        )

    def predictions(self, vector: FloatArray) -> list[Prediction]:
        """The smoothed points of each observable."""
        return [
            predict(part.points, scaled, part.names, hyper, self.strength)
            for part, scaled, hyper in self.each(vector)
        ]
