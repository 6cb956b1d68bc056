"""m_c of a dense student with continuous weights against N and run time."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.common import Datasets, Finding, Number
from physbatch.plots import (
    DOUBLE_COLUMN_MM,
    Measured,
    figure_in_mm,
    journal_style,
    plot_theory,
    size_styles,
)
from physbatch.scaling import (
    Estimate,
    ScalingFit,
    SuccessCurve,
    fit_law,
    law,
    make_table,
    success_counts,
    success_curve,
    transition_order,
)

FloatArray = npt.NDArray[np.float64]

SIZES = (17, 20, 24, 32, 40)
LONG = (17, 24)
_SHORT_TIMES = {"kind": "list", "values": [0, 50, 100]}
REDUCED: dict[str, dict[str, Any]] = {
    **{
        f"n{size}": {"size": [size], "replicas": 12, "duration": 100, "times": _SHORT_TIMES}
        for size in SIZES
    },
    **{f"long{size}": {"replicas": 12, "duration": 100, "times": _SHORT_TIMES} for size in LONG},
}


def _curve(data: xr.Dataset, time: float) -> SuccessCurve:
    """Success against -1/m, in which it is symmetric: the noise of a step is eta/m."""
    batch_size, successes, trials = success_counts(data, time)
    size = float(data["size"].values[0])
    return success_curve(-1 / batch_size, successes, trials, size=size, time=time)


def _critical(curve: SuccessCurve) -> Estimate:
    """m_c of a curve against -1/m."""
    one = curve.m_c
    return Estimate(-1 / one.value, one.stderr / one.value**2, flags=one.flags)


def _power(curves: list[SuccessCurve]) -> ScalingFit:
    """m_c = A N^b with the smallest sizes left out in turn."""
    found = [_critical(one) for one in curves]
    return fit_law(
        [one.size for one in curves],
        [one.value for one in found],
        [one.stderr for one in found],
        [law("power"), law("corrected")],
        quantity="m_c",
    )


def _late_times(data: xr.Dataset) -> FloatArray:
    times = np.asarray(data["time"].values, dtype=np.float64)
    return times[times >= 0.25 * times[-1]]


def _m_c_number(curve: SuccessCurve, runs: str = "", headline: bool = False) -> Number:
    return Number(
        f"m_c at N = {curve.size:g} within t = {curve.time:g}{runs}",
        _critical(curve),
        note=f"deviance/dof = {curve.deviance:.1f}/{curve.dof}, p = {curve.p_value:.2g}",
        headline=headline,
    )


def _exponent_numbers(data: Datasets) -> tuple[list[Number], list[SuccessCurve]]:
    """m_c and its power of N at the last time; at half that time where the grid holds it."""
    last = float(data["n17"]["time"][-1])
    curves = [_curve(data[f"n{size}"], last) for size in SIZES]
    fit = _power(curves)
    windows = ", ".join(
        f"{value:.2f} from N = {size:g}"
        for value, size, index in zip(
            fit.fit_values[:, 0], fit.fit_size_min, fit.fit_law, strict=True
        )
        if np.isfinite(value) and fit.laws[index] == law("power")
    )
    numbers = [
        *(_m_c_number(one, headline=one is curves[-1]) for one in curves),
        Number(
            f"exponent of m_c in N within t = {last:g}",
            fit["b"],
            note=f"best window chi2/dof = {fit.chi2:.1f}/{fit.dof}, p = {fit.p_value:.2g}; "
            f"power alone: {windows}",
            headline=True,
        ),
        *_local_exponents(curves),
    ]
    return numbers, curves


def _local_exponents(curves: list[SuccessCurve]) -> list[Number]:
    """ln(m_c'/m_c)/ln(N'/N) of neighbouring sizes."""
    return [
        Number(
            f"exponent from N = {one.size:g} to {other.size:g} within t = {one.time:g}",
            _local_exponent(_critical(one), _critical(other), one.size, other.size),
        )
        for one, other in pairwise(curves)
    ]


def _local_exponent(one: Estimate, other: Estimate, size: float, larger: float) -> Estimate:
    unit = np.log(larger / size)
    statistical, systematic = (
        float(np.hypot(a / one.value, b / other.value) / unit)
        for a, b in ((one.stderr, other.stderr), (one.systematic, other.systematic))
    )
    return Estimate(float(np.log(other.value / one.value) / unit), statistical, systematic)


def _long_time_limit(curves: list[SuccessCurve]) -> Estimate:
    """m_c(t) in powers of 1/t; the times are those of the same runs, so errors are approximate."""
    known = [curve for curve in curves if np.isfinite(curve.m_c.value)]
    found = [_critical(curve) for curve in known]
    forms = [law("shifted", phi=1.0), law("approach", phi=1.0)]
    return fit_law(
        [curve.time for curve in known] or [1.0],
        [one.value for one in found] or [np.nan],
        [one.stderr for one in found] or [np.nan],
        forms,
        quantity="m_c(t)",
        variables=("t",),
    )["c"]


def _time_numbers(data: Datasets) -> tuple[list[Number], list[Measured]]:
    """m_c against run time at two sizes, and the exponent between them."""
    numbers, sets, last, limits = [], [], [], []
    for size in LONG:
        one = data[f"long{size}"]
        times = _late_times(one)
        curves = [_curve(one, float(time)) for time in times]
        numbers += [_m_c_number(c, ", long runs") for c in curves if np.isfinite(c.m_c.value)]
        limit = _long_time_limit(curves)
        numbers.append(Number(f"m_c at N = {size} for t -> infinity, in powers of 1/t", limit))
        values = np.array([(_critical(c).value, _critical(c).stderr) for c in curves])
        blank = np.full(times.size, np.nan)
        sets.append(Measured(f"$N = {size}$", times, values[:, 0], values[:, 1], blank))
        last.append(_critical(curves[-1]))
        limits.append(limit)
    name = f"exponent from N = {LONG[0]} to {LONG[1]}"
    numbers += [
        Number(f"{name} within t = {times[-1]:g}", _local_exponent(*last, *LONG), headline=True),
        Number(f"{name} for t -> infinity", _local_exponent(*limits, *LONG), headline=True),
    ]
    return numbers, sets


def _binomial_error(curve: SuccessCurve) -> FloatArray:
    """Error of each fraction if the fitted curve is the truth."""
    chance = curve.probability(curve.control)
    return np.asarray(np.sqrt(chance * (1 - chance) / curve.trials))


def _success_sets(curves: list[SuccessCurve]) -> list[Measured]:
    sets = []
    for curve in curves:
        m = -1 / curve.control
        low, high = curve.fraction_interval
        along = np.linspace(m[0], m[-1], 101)
        sets.append(
            Measured(
                f"$N = {curve.size:g}$",
                m,
                curve.fraction,
                np.maximum(0.5 * (high - low), _binomial_error(curve)),
                curve.probability(curve.control),
                along,
                curve.probability(-1 / along),
            )
        )
    return sets


def _size_panel(axes: Axes, curves: list[SuccessCurve], times: list[Measured]) -> None:
    """m_c against N within the short and the long runs."""
    short = [_critical(curve) for curve in curves]
    sets = (
        (SIZES, short, curves[0].time),
        (LONG, [Estimate(one.y[-1], one.stderr[-1]) for one in times], times[0].x[-1]),
    )
    for (sizes, found, time), marker in zip(sets, "os", strict=True):
        values = np.array([one.value for one in found])
        axes.errorbar(
            sizes,
            values,
            [one.stderr for one in found],
            marker=marker,
            linewidth=0.7,
            elinewidth=0.7,
            label=f"$t = {time:g}$",
        )
        if np.isfinite(values).any():
            axes.set_yscale("log")
    axes.set(xlabel="size $N$", ylabel="$m_c(N, t)$")
    axes.legend()


def _time_panel(axes: Axes, times: list[Measured]) -> None:
    """m_c against run time."""
    for one, style in zip(times, size_styles(LONG).values(), strict=True):
        axes.errorbar(one.x, one.y, one.stderr, linewidth=0.7, elinewidth=0.7, **style)
    axes.set(xlabel="run time $t$ (steps)", ylabel="$m_c(N, t)$")
    axes.legend()


def _figure(curves: list[SuccessCurve], times: list[Measured]) -> Figure:
    with journal_style():
        figure = figure_in_mm(DOUBLE_COLUMN_MM, 72.0)
        left, middle, right = figure.subfigures(1, 3)
        plot_theory(
            _success_sets(curves),
            left,
            xlabel="mini-batch size $m$",
            ylabel=f"success within $t = {curves[0].time:g}$",
            xscale="log",
            columns=3,
        )
        _size_panel(middle.subplots(), curves, times)
        _time_panel(right.subplots(), times)
    return figure


def _order(data: Datasets) -> tuple[str, ...]:
    """What the fluctuations of the overlap say about the order at the last time."""
    size, control, samples = [], [], []
    for n in SIZES:
        one = data[f"n{n}"].isel(time=-1).squeeze("size")
        for batch_size in one["batch_size"].values:
            values = one["overlap"].sel(batch_size=batch_size).values
            size.append(float(n))
            control.append(float(batch_size))
            samples.append(values[np.isfinite(values)])
    error = [float(one.std(ddof=1) / np.sqrt(one.size)) for one in samples]
    mean = [float(one.mean()) for one in samples]
    table = make_table(
        size,
        control,
        {"overlap": mean},
        {"overlap": error},
        samples={"overlap": samples},
        size_name="N",
        control_name="batch_size",
        dimension="N",
    )
    order = transition_order(table, "overlap")
    return (f"order of the transition: {order.verdict}", *order.reasons)


def find(data: Datasets) -> Finding:
    """m_c(N, t), its exponent at fixed t, and its dependence on t."""
    numbers, curves = _exponent_numbers(data)
    more, times = _time_numbers(data)
    return Finding((*numbers, *more), {"critical_batch": _figure(curves, times)}, _order(data))
