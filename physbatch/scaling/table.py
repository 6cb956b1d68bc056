"""Observables at points (size, control): what every scaling estimator takes.

A table serves a physicist who never ran our simulator: ragged grids are fine (each size has
its own control points), and values come with errors, with a covariance, or as replica-level
samples from which both follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["ScalingTable"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ScalingTable:
    """One or several observables at points (size, control).

    Attributes
    ----------
    size, control : ndarray, shape (n_point,)
        Coordinates, sorted by size and then by control; no pair stands twice.
    values, errors : mapping of name to ndarray, shape (n_point,)
        Observables and their standard errors, all > 0.
    covariance : mapping of name to ndarray, shape (n_point, n_point)
        Where points of an observable are correlated; its diagonal is ``errors**2``.
    samples : mapping of name to tuple of ndarray, shape (n_replica,) each
        Replica-level values of a point whose mean is the observable, where they are known;
        observables of one replica stand at the same place, so resampling keeps their correlation.
    size_name, control_name : str
        Names of the columns or dimensions.
    dimension : {"N", "L"}
        Whether sizes are volumes or linear sizes; nu refers to it.
    """

    size: FloatArray
    control: FloatArray
    values: Mapping[str, FloatArray]
    errors: Mapping[str, FloatArray]
    covariance: Mapping[str, FloatArray] = field(default_factory=dict)
    samples: Mapping[str, tuple[FloatArray, ...]] = field(default_factory=dict)
    size_name: str = "L"
    control_name: str = "control"
    dimension: Literal["N", "L"] = "L"
    source: str = ""

    @property
    def observables(self) -> tuple[str, ...]:
        """Names of the observables."""
        return tuple(self.values)

    @property
    def sizes(self) -> FloatArray:
        """The different sizes, sorted."""
        return np.unique(self.size)

    def select(self, keep: npt.NDArray[np.bool_]) -> ScalingTable:
        """The points where `keep` is true."""
        rows = np.flatnonzero(keep)
        return ScalingTable(
            self.size[rows],
            self.control[rows],
            {name: values[rows] for name, values in self.values.items()},
            {name: errors[rows] for name, errors in self.errors.items()},
            {name: matrix[np.ix_(rows, rows)] for name, matrix in self.covariance.items()},
            {name: tuple(one[row] for row in rows) for name, one in self.samples.items()},
            self.size_name,
            self.control_name,
            self.dimension,
            self.source,
        )

    def window(
        self,
        *,
        size_min: float = -np.inf,
        size_max: float = np.inf,
        control_min: float = -np.inf,
        control_max: float = np.inf,
    ) -> ScalingTable:
        """The points within a range of sizes and controls, ends included."""
        return self.select(
            (self.size >= size_min)
            & (self.size <= size_max)
            & (self.control >= control_min)
            & (self.control <= control_max)
        )
