"""Is there a critical batch size whatever the architecture? One row for each task in torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.common import Datasets, Finding, Number, markdown_table
from analysis.success import (
    critical_batch,
    curve_in_ln_m,
    known,
    power_of_size,
    ratio,
    words,
)
from physbatch.dataset import STATUS_DIVERGED
from physbatch.plots import DOUBLE_COLUMN_MM, figure_in_mm, journal_style
from physbatch.scaling import (
    Estimate,
    SuccessCurve,
    TransitionOrder,
    transition_order,
)

FloatArray = npt.NDArray[np.float64]

#: The tasks in the order of the table, and their names in words.
TASKS = {
    "linear": "linear",
    "mlp": "two hidden layers",
    "cnn": "convolution",
    "attention": "attention",
    "lstm": "LSTM",
    "gpt": "tiny GPT",
    "hermite": "Hermite link",
    "parity": "sparse parity",
    "multi-index": "staircase",
    "manifold": "hidden manifold",
    "modular": "addition modulo N",
    "mixture": "Gaussian mixture",
}
#: Earlier run time that m_c is compared with, as a part of the whole.
EARLIER = 0.25

_TINY = {"batch_size": [2, 16], "learning_rate": [0.5], "replicas": 12, "test_samples": 32}
_TIMES = {"duration": 20, "times": {"kind": "list", "values": [0, 5, 20]}}
REDUCED: dict[str, dict[str, Any]] = {name: {**_TINY, **_TIMES} for name in TASKS}


@dataclass(frozen=True)
class Row:
    """What a task says at one learning rate.

    Attributes
    ----------
    curves, earlier : dict
        Success curves against ln m by size, at the end and at a quarter of the run time.
    diverged : float
        Of the replicas that failed below m_c, the part that diverged.
    """

    task: str
    learning_rate: float
    time: float
    curves: dict[float, SuccessCurve]
    earlier: dict[float, SuccessCurve]
    diverged: float

    def critical(self, size: float) -> Estimate:
        """m_c at a size."""
        return critical_batch(self.curves[size])


def _rows(task: str, data: xr.Dataset) -> list[Row]:
    """One row for each learning rate, the largest first."""
    times = np.asarray(data["time"].values, dtype=np.float64)
    last, early = times[-1], times[times <= EARLIER * times[-1]][-1]
    rows = []
    for rate in sorted(data["learning_rate"].values, reverse=True):
        part = data.sel(learning_rate=rate, drop=True)
        sizes = [float(size) for size in part["size"].values]
        curves, earlier = (
            {size: curve_in_ln_m(part.sel(size=[size]).squeeze(drop=False), t) for size in sizes}
            for t in (last, early)
        )
        failed = part["success"] == 0
        below = failed & (part["batch_size"] <= _largest(curves, float(part["batch_size"][-1])))
        lost = below & (part["status"] == STATUS_DIVERGED)
        share = float(lost.sum() / below.sum()) if below.any() else math.nan
        rows.append(Row(task, float(rate), float(last), curves, earlier, share))
    return rows


def _largest(curves: dict[float, SuccessCurve], last: float) -> float:
    """The largest m_c, up to which replicas fail; the whole grid if it is known at no size."""
    known = [math.exp(c.m_c.value) for c in curves.values() if math.isfinite(c.m_c.value)]
    return max(known, default=last)


def _numbers(rows: list[Row]) -> list[Number]:
    """m_c of all sizes, its exponent, and how it moves with time and learning rate."""
    name = TASKS[rows[0].task]
    numbers = []
    for row in rows:
        at = f"(eta = {row.learning_rate:g}, t = {row.time:g})"
        numbers += [
            Number(
                f"{name}: m_c at N = {size:g} {at}",
                row.critical(size),
                note=_goodness(curve),
                headline=row is rows[0] and size == max(row.curves) and bool(curve.m_c.value > 0),
            )
            for size, curve in row.curves.items()
        ]
        numbers.append(
            Number(
                f"{name}: b of m_c ~ N^b {at}",
                power_of_size({n: row.critical(n) for n in row.curves}),
            )
        )
    return numbers


def _goodness(curve: SuccessCurve) -> str:
    return f"deviance/dof = {curve.deviance:.1f}/{curve.dof}, p = {curve.p_value:.2g}"


def _table(rows: dict[str, list[Row]], orders: dict[str, TransitionOrder]) -> str:
    """The answer, a line for each task."""
    head = (
        "task",
        "N",
        "eta",
        "t",
        "m_c at these N",
        "b of m_c ~ N^b",
        "m_c(t)/m_c(t/4)",
        "m_c(eta)/m_c(eta/2)",
        "width of ln m, largest N / smallest",
        "failed by divergence",
        "order",
    )
    lines = []
    for task, (row, *more) in rows.items():
        largest = max(row.curves)
        now, before = row.critical(largest), critical_batch(row.earlier[largest])
        slower = more[0].critical(largest) if more else Estimate(math.nan)
        lines.append(
            (
                TASKS[task],
                ", ".join(f"{size:g}" for size in row.curves),
                f"{row.learning_rate:g}",
                f"{row.time:g}",
                ", ".join(words(row.critical(size)) for size in row.curves),
                words(power_of_size({n: row.critical(n) for n in row.curves})),
                known(ratio(now, before)),
                known(ratio(now, slower)),
                known(ratio(row.curves[largest].width, row.curves[min(row.curves)].width)),
                "-" if math.isnan(row.diverged) else f"{100 * row.diverged:.0f} %",
                orders[task].verdict,
            )
        )
    return markdown_table(head, lines)


def _figure(rows: dict[str, list[Row]]) -> Figure:
    """Success against m of every task at the larger learning rate."""
    with journal_style():
        figure = figure_in_mm(DOUBLE_COLUMN_MM, 150.0)
        panels = figure.subplots(4, 3, sharex=True, sharey=True)
        for axes, (task, (row, *_)) in zip(panels.flat, rows.items(), strict=True):
            _panel(axes, row)
            axes.set_title(f"{TASKS[task]}, $\\eta = {row.learning_rate:g}$")
        for axes in panels[-1]:
            axes.set_xlabel("mini-batch size $m$")
        for axes in panels[:, 0]:
            axes.set_ylabel("success")
    return figure


def _panel(axes: Axes, row: Row) -> None:
    """The fractions and curves of all sizes."""
    for (size, curve), (colour, marker) in zip(
        row.curves.items(), zip(("C0", "C1", "C2"), "osD", strict=True), strict=True
    ):
        m = np.exp(curve.control)
        low, high = curve.fraction_interval
        axes.errorbar(
            m,
            curve.fraction,
            [curve.fraction - low, high - curve.fraction],
            fmt=marker,
            color=colour,
            elinewidth=0.7,
            label=f"$N = {size:g}$",
        )
        if math.isfinite(curve.width.value):
            along = np.linspace(curve.control[0], curve.control[-1], 101)
            axes.plot(np.exp(along), curve.probability(along), color=colour)
    axes.set_xscale("log", base=2)
    axes.legend()


def find(data: Datasets) -> Finding:
    """m_c of every task against size, run time and learning rate, and the order."""
    rows = {task: _rows(task, data[task]) for task in TASKS}
    orders = {
        task: transition_order(data[task].sel(learning_rate=[row.learning_rate]))
        for task, (row, *_) in rows.items()
    }
    numbers = tuple(number for task in rows.values() for number in _numbers(task))
    statements = tuple(
        f"{TASKS[task]}: {order.verdict}: {'; '.join(order.reasons[:2])}."
        for task, order in orders.items()
    )
    return Finding(numbers, {"success": _figure(rows)}, statements, _table(rows, orders))
