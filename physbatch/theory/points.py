"""The points of a study's grid as theories see them, and tables of what a theory says there."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from physbatch.results.estimate import Estimate
from physbatch.results.record import Record, result
from physbatch.study.dynamics import SGD, Metropolis
from physbatch.study.model import Study
from physbatch.typing import Dims, FloatArray


class Point(NamedTuple):
    """A point of the grid; nan where it has no such number."""

    size: int
    batch_size: float
    degree: float
    initial_overlap: float
    temperature: float
    learning_rate: float


class Threshold(NamedTuple):
    """A batch size at which something changes, at one size or (nan) at any."""

    kind: str
    batch_size: float
    size: float = math.nan
    of: str = ""  # size and rate in words, where there are several of a kind

    @property
    def name(self) -> str:
        """The kind and what it is of."""
        return f"{self.kind}, {self.of}" if self.of else self.kind


def points_of(study: Study) -> Iterator[Point]:
    """Every point of the grid, the control running fastest."""
    grid, system, dynamics = study.grid, study.system, study.dynamics
    rates = grid.learning_rate or (
        (dynamics.learning_rate.base if isinstance(dynamics, SGD) else None) or math.nan,
    )
    temperatures = grid.temperature or (
        (dynamics.temperature if isinstance(dynamics, Metropolis) else None) or math.nan,
    )
    axes = (
        grid.size,
        study.degrees or (math.nan,),
        grid.initial_overlap or (system.initial_overlap,),
        temperatures,
        rates,
        grid.batch_size or grid.batch_ratio or (),
    )
    for size, degree, overlap, temperature, base, control in itertools.product(*axes):
        if not grid.has(size, control):
            continue
        m = float(control) if grid.batch_size else float(f"{control * size:.12g}")
        rule = dynamics.learning_rate.rule if isinstance(dynamics, SGD) else "fixed"
        rate = base * {"fixed": 1.0, "per-sample": m, "sqrt": math.sqrt(m)}[rule]
        yield Point(size, m, degree, overlap, temperature, rate)


@result("prediction")
@dataclass(frozen=True, eq=False, repr=False)
class Prediction(Record):
    """What theory says at every point of a study's grid.

    Attributes
    ----------
    theory : str
        Which theory.
    quantity : str
        What `value` is: a variable of datasets such as ``overlap``, or a rate in words.
    time : float
        When, in units of the study's clock; nan for what does not depend on it.
    size, batch_size, degree, initial_overlap, temperature, learning_rate : ndarray, shape (point,)
        The points; nan where the study has no such number.
    value : ndarray, shape (point,)
        The prediction; nan where the theory has none.
    thresholds : mapping of str to Estimate
        Batch sizes at which something changes, by their names; without errors.
    threshold_kind : tuple of str
        What changes, for each of them.
    threshold_size : ndarray, shape (threshold,)
        The size that each of them is of; nan where it is of all sizes.
    assumptions : tuple of str
        What the theory leaves out.
    """

    main_dim: ClassVar[str] = "point"
    dims: ClassVar[Dims] = dict.fromkeys(
        ("thresholds", "threshold_kind", "threshold_size"), ("threshold",)
    )

    theory: str
    quantity: str
    time: float
    size: FloatArray
    batch_size: FloatArray
    degree: FloatArray
    initial_overlap: FloatArray
    temperature: FloatArray
    learning_rate: FloatArray
    value: FloatArray
    thresholds: Mapping[str, Estimate]
    threshold_kind: tuple[str, ...]
    threshold_size: FloatArray
    assumptions: tuple[str, ...]

    def __repr__(self) -> str:
        listed = ", ".join(f"{name}: {value.value:.5g}" for name, value in self.thresholds.items())
        return f"Prediction({self.theory}; {self.quantity} at {self.value.size} points; {listed})"

    def __str__(self) -> str:
        clock = "" if math.isnan(self.time) else f" at t = {self.time:g}"
        lines = [f"theory   {self.theory}", f"value    {self.quantity}{clock}"]
        names = {
            "N": self.size, "d": self.degree, "r": self.initial_overlap, "T": self.temperature,
            "eta": self.learning_rate, "m": self.batch_size,
        }  # fmt: skip
        told = {
            name: column
            for name, column in names.items()
            if name in ("N", "m") or np.unique(column[np.isfinite(column)]).size > 1
        }
        for row, value in enumerate(self.value):
            where = ", ".join(f"{name} = {column[row]:g}" for name, column in told.items())
            lines.append(f"  {where}: {value:.6g}")
        lines += [f"{name}: {value.value:.6g}" for name, value in self.thresholds.items()]
        return "\n".join([*lines, *(f"assumes  {text}" for text in self.assumptions)])

    def curves(self, control: str = "batch_size") -> Iterator[tuple[float, FloatArray, FloatArray]]:
        """Size, controls and values of every curve against ``batch_size`` or ``batch_ratio``."""
        x = self.batch_size / (self.size if control == "batch_ratio" else 1.0)
        rest = np.column_stack(
            [self.size, self.degree, self.initial_overlap, self.temperature, self.learning_rate]
        )
        _, first, number = np.unique(
            np.nan_to_num(rest), axis=0, return_index=True, return_inverse=True
        )
        for label, row in enumerate(first):
            rows = number.ravel() == label
            yield float(self.size[row]), x[rows], self.value[rows]


def at_points(
    study: Study,
    value: Callable[[Point], float],
    *,
    theory: str,
    quantity: str,
    time: float = math.nan,
    thresholds: Sequence[Threshold] = (),
    assumptions: tuple[str, ...] = (),
) -> Prediction:
    """The values of a theory at every point of the grid."""
    points = list(points_of(study))
    columns = np.array(points, dtype=np.float64).T
    return Prediction(
        theory=theory,
        quantity=quantity,
        time=time,
        **dict(zip(Point._fields, columns, strict=True)),
        # Batches that may be empty (m < 1) are beyond every theory here.
        value=np.array([value(p) if p.batch_size >= 1 else math.nan for p in points]),
        thresholds={threshold.name: Estimate(threshold.batch_size) for threshold in thresholds},
        threshold_kind=tuple(threshold.kind for threshold in thresholds),
        threshold_size=np.array([threshold.size for threshold in thresholds], dtype=np.float64),
        assumptions=assumptions,
    )
