"""d = 5 and 7: the end of the state of random students, large N first, then long times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.common import Datasets, Finding, Number
from analysis.words import order_words
from physbatch.plots import (
    DOUBLE_COLUMN_MM,
    figure_in_mm,
    journal_style,
    size_styles,
)
from physbatch.scaling import (
    DynamicalSpinodal,
    Estimate,
    critical_controls,
    dynamical_spinodal,
    transition_order,
)

DEGREES = (5, 7)
#: An overlap above it is that of the learned state.
LEVEL = 0.9
#: Parts of the run at which m_c is taken.
TIMES = np.geomspace(0.05, 1.0, 14)

_TICKS = (20, 50, 100, 200, 500, 1000, 2000)

_Array = npt.NDArray[np.float64]
_Column = tuple[_Array, _Array, _Array]

_SMALL = {"size": [25, 50, 100], "replicas": 12}
REDUCED = {
    "d5": {"batch_size": [10, 12, 13, 14, 16], "duration": 300, **_SMALL},
    "d7": {"batch_size": [22, 25, 28, 31], "duration": 150, **_SMALL},
}


def find(data: Datasets) -> Finding:
    """m_s of both degrees, what single sizes say, and how switching sharpens."""
    numbers: list[Number] = []
    statements, critical, spinodals = [], {}, {}
    for degree in DEGREES:
        runs = data[f"d{degree}"]
        critical[degree] = _critical(runs)
        spinodals[degree] = dynamical_spinodal(critical[degree])
        numbers += _spinodal(degree, critical[degree], spinodals[degree])
        numbers += _switches(degree, runs)
        statements.append(f"d = {degree}: {order_words(transition_order(runs))}")
    return Finding(tuple(numbers), {"spinodal": _figure(critical, spinodals)}, tuple(statements))


def _critical(runs: xr.Dataset) -> dict[float, _Column]:
    """m at which half of the students have q >= 0.9 within t, of each size, at each t."""
    known = runs["time"].values
    out = {}
    for wanted in TIMES * known[-1]:
        time = float(known[np.abs(known - wanted).argmin()])
        found = critical_controls(runs, time, level=LEVEL)
        out[time] = (found.size, found.value, found.stderr)
    return out


def _spinodal(
    degree: int, critical: Mapping[float, _Column], spinodal: DynamicalSpinodal
) -> Iterator[Number]:
    """m_c at every size at four times, for N -> infinity at all, and m_s."""
    times = list(critical)
    for time in times[:: max(1, len(times) // 4)] + times[-1:]:
        for size, value, error in zip(*critical[time], strict=True):
            name = f"m_c (d = {degree}, N = {size:g}, t = {time:g})"
            yield Number(name, Estimate(float(value), float(error)))
    for time, value, error in zip(spinodal.time, spinodal.m_c, spinodal.stderr, strict=True):
        name = f"m_c (d = {degree}, N -> infinity, t = {time:g})"
        yield Number(name, Estimate.of_total(float(value), float(error)))
    shares = [float(spinodal.fit.fit_weight[spinodal.fit.fit_law == row].sum()) for row in (0, 1)]
    yield Number(
        f"m_s (d = {degree})",
        spinodal.m_s,
        note=f"{spinodal.limits}: m_s + C t^-2 from {spinodal.time.size} times; weight "
        f"{shares[0]:.2g} against {shares[1]:.2g} of a + b ln t",
        headline=True,
    )


def _switches(degree: int, runs: xr.Dataset) -> Iterator[Number]:
    """Mean and spread of the first passages where all students have learned."""
    passages = runs["first_passage"]
    for m in runs["batch_size"].values.tolist():
        times = passages.sel(batch_size=m).values
        whole = np.isfinite(times).all(axis=1)
        if whole.sum() < 2:
            continue
        listed = [
            f"N = {size:g}: {row.mean():.4g} +- {row.std(ddof=1):.3g}"
            for size, row in zip(runs["size"].values[whole], times[whole], strict=True)
        ]
        spread = times[whole].std(axis=1, ddof=1)
        sizes = runs["size"].values[whole]
        slope = np.log(spread[-1] / spread[0]) / np.log(sizes[-1] / sizes[0])
        error = np.sqrt(1.0 / (times.shape[1] - 1)) / np.log(sizes[-1] / sizes[0])
        yield Number(
            f"x of the spread of first passages ~ N^x (d = {degree}, m = {m:g})",
            Estimate(float(slope), float(error)),
            note="; ".join(listed),
        )


def _figure(
    critical: Mapping[int, Mapping[float, _Column]], spinodals: Mapping[int, DynamicalSpinodal]
) -> Figure:
    """m_c against run time, of every size and for N -> infinity."""
    with journal_style():
        figure = figure_in_mm(DOUBLE_COLUMN_MM, 66.0)
        panels = figure.subplots(1, len(critical))
        for axes, (degree, columns) in zip(panels, critical.items(), strict=True):
            spinodal = spinodals[degree]
            rows = np.array(
                [(time, *row) for time, c in columns.items() for row in zip(*c, strict=True)]
            ).reshape(-1, 4)
            styles = size_styles(np.unique(rows[:, 1]).tolist())
            for size, style in styles.items():
                time, _, value, error = rows[rows[:, 1] == size].T
                axes.errorbar(time, value, error, **(style | {"linestyle": "none"}))
            limit = {"color": "0.3", "marker": "_", "linestyle": "none", "zorder": 1}
            axes.errorbar(spinodal.time, spinodal.m_c, spinodal.stderr, **limit)
            if np.isfinite(spinodal.m_s.value):
                low, high = (spinodal.m_s.value + s * spinodal.m_s.total for s in (-1, 1))
                axes.axhspan(low, high, color="0.3", alpha=0.2, linewidth=0)
            axes.set(xscale="log", xlabel="run time $t$ (sweeps)", title=f"$d = {degree}$")
            axes.set_ylabel("$m_c(N, t)$")
            known = [tick for tick in _TICKS if min(columns) <= tick <= max(columns)]
            axes.set_xticks(known, [f"{tick:g}" for tick in known])
            axes.set_xticks([], minor=True)
            axes.legend(handles=[Line2D([], [], **style) for style in styles.values()])
    return figure
