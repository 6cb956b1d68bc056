"""One table: m_c of sparse and dense students, discrete and continuous, by depth and output."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from analysis.common import Datasets, Finding, Number, markdown_table
from analysis.success import critical_batch, curve_in_ln_m, known, power_of_size, ratio, words
from physbatch.plots import DOUBLE_COLUMN_MM, figure_in_mm, journal_style
from physbatch.scaling import Estimate, SuccessCurve, TransitionOrder, transition_order

STUDENTS = ("sparse", "dense")
WEIGHTS = ("discrete", "continuous")
OUTPUTS = ("vector", "scalar")
DEPTHS = (2, 3, 4)
_LETTERS = {"discrete": "binary", "continuous": "continuous"}

_TINY = {"size": [7, 9, 11], "batch_size": [2, 8, 32], "replicas": 12, "duration": 20}
#: Rows without data here: what is said instead.
ELSEWHERE = {
    "sparse-discrete-scalar-2": "first layer alone: `sparse_scalar`, m_c ~ N^1.21(7)",
    "sparse-discrete-scalar-3": "not measured: each N compiles a kernel of its own, for minutes",
    "sparse-discrete-scalar-4": "not measured: each N compiles a kernel of its own, for minutes",
}
_TIMES = {"times": {"kind": "list", "values": [0, 10, 20]}, "test_samples": 64}
REDUCED: dict[str, dict[str, Any]] = {
    f"{student}-{weights}-{output}-{depth}": {**_TINY, **_TIMES}
    for student, weights, output, depth in itertools.product(STUDENTS, WEIGHTS, OUTPUTS, DEPTHS)
    if f"{student}-{weights}-{output}-{depth}" not in ELSEWHERE
}


@dataclass(frozen=True)
class Row:
    """What one architecture says.

    Attributes
    ----------
    curves, earlier : dict
        Success curves against ln m by size, at the end and at half of the run time.
    largest : float
        The largest batch size of the grid.
    order : TransitionOrder
        Of the overlap at the end.
    """

    name: str
    time: float
    curves: dict[float, SuccessCurve]
    earlier: dict[float, SuccessCurve]
    largest: float
    order: TransitionOrder

    @classmethod
    def of(cls, name: str, data: xr.Dataset) -> Row:
        times = np.asarray(data["time"].values, dtype=np.float64)
        last, half = float(times[-1]), float(times[-2])
        curves, earlier = (
            {float(n): curve_in_ln_m(data.sel(size=[n]), t) for n in data["size"].values}
            for t in (last, half)
        )
        largest = float(data["batch_size"].values[-1])
        return cls(name, last, curves, earlier, largest, transition_order(data))

    @property
    def critical(self) -> dict[float, Estimate]:
        """m_c of every size."""
        return {size: critical_batch(curve) for size, curve in self.curves.items()}

    @property
    def later(self) -> Estimate:
        """m_c at the end over that at half of the run, at the largest size that has both."""
        for size in sorted(self.curves, reverse=True):
            change = ratio(critical_batch(self.curves[size]), critical_batch(self.earlier[size]))
            if math.isfinite(change.value):
                return change
        return Estimate(math.nan)


def find(data: Datasets) -> Finding:
    """m_c against N, its change with time and its order, of every architecture."""
    rows = {name: Row.of(name, data[name]) for name in REDUCED}
    numbers = tuple(number for row in rows.values() for number in _numbers(row))
    statements = tuple(
        f"{name}: {row.order.verdict}: {'; '.join(row.order.reasons[:2])}."
        for name, row in rows.items()
    )
    return Finding(numbers, {"sizes": _figure(rows)}, statements, _table(rows))


def _title(name: str) -> str:
    student, weights, output, depth = name.split("-")
    return f"{student}, {_kind(student, weights)}, {output}, L = {depth}"


def _kind(student: str, weights: str) -> str:
    """The dense student of discrete weights must be able to leave inputs out."""
    return "ternary" if (student, weights) == ("dense", "discrete") else _LETTERS[weights]


def _numbers(row: Row) -> list[Number]:
    """m_c of all sizes, and its power of N."""
    title = _title(row.name)
    known_at = [size for size, value in row.critical.items() if math.isfinite(value.value)]
    numbers = [
        Number(
            f"{title}: m_c at N = {size:g} (t = {row.time:g})",
            value,
            note=f"deviance/dof = {row.curves[size].deviance:.1f}/{row.curves[size].dof}",
        )
        for size, value in row.critical.items()
    ]
    power = power_of_size(row.critical)
    headline = len(known_at) == len(row.curves) and math.isfinite(power.value)
    return [*numbers, Number(f"{title}: b of m_c ~ N^b", power, headline=headline)]


def _table(rows: dict[str, Row]) -> str:
    """The answer, a line for each architecture."""
    head = (
        "student",
        "weights",
        "output",
        "L",
        "N",
        "t",
        "m_c at these N",
        "b of m_c ~ N^b",
        "m_c(t)/m_c(t/2)",
        "order",
    )
    lines = []
    for name, row in rows.items():
        student, weights, output, depth = name.split("-")
        above = f"> {row.largest:g}"
        lines.append(
            (
                student,
                _kind(student, weights),
                output,
                depth,
                ", ".join(f"{size:g}" for size in row.curves),
                f"{row.time:g}",
                ", ".join(words(value, above) for value in row.critical.values()),
                words(power_of_size(row.critical), above),
                known(row.later),
                row.order.verdict,
            )
        )
    for name, reason in ELSEWHERE.items():
        student, weights, output, depth = name.split("-")
        lines.append((student, _kind(student, weights), output, depth, "", "", reason, "", "", ""))
    return markdown_table(head, lines)


def _figure(rows: dict[str, Row]) -> Figure:
    """m_c against N, a panel for each kind of student and weights."""
    with journal_style():
        figure = figure_in_mm(DOUBLE_COLUMN_MM, 110.0)
        panels = figure.subplots(2, 2, sharex=True, sharey=True)
        for axes, (student, weights) in zip(
            panels.flat, itertools.product(STUDENTS, WEIGHTS), strict=True
        ):
            for row in rows.values():
                if not row.name.startswith(f"{student}-{weights}-"):
                    continue
                output, depth = row.name.split("-")[2:]
                points = [
                    (n, value.value, value.stderr)
                    for n, value in row.critical.items()
                    if math.isfinite(value.value)
                ]
                if not points:
                    continue
                columns = np.array(points).T
                axes.errorbar(
                    *columns,
                    color=f"C{int(depth) - 2}",
                    marker="o" if output == "vector" else "s",
                    linestyle="-" if output == "vector" else ":",
                    label=f"{output}, $L = {depth}$",
                )
            axes.set(xscale="log", yscale="log")
            axes.set_title(f"{student} student, {_kind(student, weights)} weights")
            if axes.get_legend_handles_labels()[0]:
                axes.legend(ncols=2)
            else:
                axes.text(0.5, 0.5, "no $m_c$ in the grid", ha="center", transform=axes.transAxes)
        for axes in panels[-1]:
            axes.set_xlabel("$N$")
        for axes in panels[:, 0]:
            axes.set_ylabel("$m_c$")
    return figure
