"""The stationary distance to the teacher around the threshold, one unit, m = 1."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.figure import Figure

from analysis.common import Datasets, Number
from physbatch.exact import committee_scaling, committee_stability
from physbatch.plots import (
    DOUBLE_COLUMN_MM,
    Measured,
    figure_in_mm,
    journal_style,
    plot_collapse,
    plot_theory,
)
from physbatch.scaling import (
    Collapse,
    Estimate,
    ScalingFit,
    ScalingTable,
    fit_law,
    fluctuations,
    law,
    make_table,
)

FloatArray = npt.NDArray[np.float64]

SIZES = (50, 100, 200, 400, 800, 1600, 3200)
#: Sizes whose grid resolves how fluctuations fall with x, for the order of the transition.
_FINE = (50, 100, 200, 400)

#: x = N (c/c_max - 1) at which the limit N -> infinity is taken, and the one that is quoted.
_TAKEN = (3, 5, 8, 12)
_QUOTED = 5
#: Times of the stationary state in units of N^2 samples: below and at the threshold, where
#: relaxation is slow, scaling then still compares equal stages.
_LATE = (0.8, 1.6)
#: x of the collapse: near enough to the threshold for the scaling form.
_WINDOW = (-4.5, 13.0)
#: Powers of 1/N, as exact corrections have.
_CORRECTIONS = (law("constant"), law("shifted", phi=1.0), law("approach", phi=1.0))


def _rates(data: xr.Dataset) -> FloatArray:
    """c = eta/m of every cell (m = 1)."""
    return np.asarray(data["learning_rate"].values, dtype=np.float64)


def _place(rates: FloatArray, size: int) -> FloatArray:
    """x = N (c/c_max - 1)."""
    return np.asarray(size * (rates / committee_stability.largest_rate(1) - 1))


def _late(data: xr.Dataset) -> FloatArray:
    """N Delta at the late times, which are the same in units of N^2, (rate, replica, time)."""
    size = int(data["size"].values[0])
    times = data["time"].values / size**2
    late = (times >= min(_LATE[0], times[-1])) & (times <= _LATE[1])
    chosen = data["weight_error"].isel(time=late).squeeze(("size", "batch_size"))
    return size * chosen.transpose("learning_rate", "replica", "time").values


def stationary_points(data: Datasets) -> dict[str, FloatArray]:
    """N, c, x, and the moments of N Delta of all sizes and rates as columns."""
    rows = []
    for size in SIZES:
        one = data[f"n{size:04d}"]
        rates = _rates(one)
        columns = (np.full(rates.size, float(size)), rates, _place(rates, size))
        rows.append(np.array([*columns, *fluctuations(_late(one))]))
    names = ("size", "rate", "x", "mean", "mean_stderr", "relative", "relative_stderr")
    return dict(zip(names, np.concatenate(rows, axis=1), strict=True))


def _limit(points: dict[str, FloatArray], quantity: str, x: float) -> ScalingFit:
    """A moment at one x, extrapolated in powers of 1/N."""
    here = np.isclose(points["x"], x, atol=1e-6)
    return fit_law(
        points["size"][here],
        points[quantity][here],
        points[f"{quantity}_stderr"][here],
        _CORRECTIONS,
        quantity=quantity,
    )


def limit_numbers(points: dict[str, FloatArray]) -> list[Number]:
    numbers = []
    names = {"mean": "N Delta", "relative": "var(Delta)/<Delta>^2"}
    for place, (quantity, name) in enumerate(names.items()):
        for x in _TAKEN:
            fit = _limit(points, quantity, x)
            numbers.append(
                Number(
                    f"stationary {name} at N (c/c_max - 1) = {x}, N -> infinity",
                    fit["c"],
                    exact=float(committee_scaling.active_state(float(x))[place]),
                    note=f"chi2/dof = {fit.chi2:.1f}/{fit.dof}, p = {fit.p_value:.2g}",
                    headline=x == _QUOTED,
                )
            )
    for size in SIZES:
        row = np.isclose(points["x"], _QUOTED, atol=1e-6) & (points["size"] == size)
        value, error = points["mean"][row], points["mean_stderr"][row]
        numbers.append(
            Number(
                f"stationary N Delta at N (c/c_max - 1) = {_QUOTED}, N = {size}",
                Estimate(float(value[0]), float(error[0])),
            )
        )
    return numbers


def _table(
    data: Datasets, sizes: tuple[int, ...], x: tuple[float, float], last_only: bool
) -> ScalingTable:
    """Delta against c with one value of each replica as samples."""
    size, control, samples = [], [], []
    for n in sizes:
        one = data[f"n{n:04d}"]
        rates = _rates(one)
        chosen = (_place(rates, n) > x[0]) & (_place(rates, n) < x[1])
        for rate, values in zip(rates[chosen], _late(one)[chosen] / n, strict=True):
            size.append(float(n))
            control.append(float(rate))
            samples.append(values[:, -1] if last_only else values.mean(axis=-1))
    error = [float(one.std(ddof=1) / np.sqrt(one.size)) for one in samples]
    return make_table(
        size,
        control,
        {"Delta": [float(one.mean()) for one in samples]},
        {"Delta": error},
        samples={"Delta": samples},
        size_name="N",
        control_name="c",
        dimension="N",
    )


def time_averages(data: Datasets) -> ScalingTable:
    """Delta averaged over the late times, near the threshold: what is collapsed."""
    return _table(data, SIZES, _WINDOW, last_only=False)


def snapshots(data: Datasets) -> ScalingTable:
    """Delta at one time, whose fluctuations tell the order, where the grid in x is fine."""
    return _table(data, _FINE, (-np.inf, np.inf), last_only=True)


def collapse_numbers(result: Collapse) -> list[Number]:
    exact = {"c_c": committee_stability.largest_rate(1), "nu": 1.0, "beta": 1.0}
    found = {**result.parameters, **result.named}
    windows = sum(one.accepted for one in result.windows)
    note = (
        f"{result.goodness_text}; N >= {result.window.size_min:g}; {windows} of "
        f"{len(result.windows)} windows accepted"
    )
    held = ", ".join(f"{name} = {value:g} fixed" for name, value in result.fixed.items())
    return [
        Number(f"{name} of the collapse, {held}", found[name], exact[name], note, True)
        for name in exact
        if name in found
    ]


def _limit_sets(points: dict[str, FloatArray]) -> list[Measured]:
    """N Delta over its exact limit against 1/N, with the fitted corrections as the theory."""
    sets = []
    for x in _TAKEN:
        here = np.isclose(points["x"], x, atol=1e-6)
        fit = _limit(points, "mean", x)
        unit = float(committee_scaling.active_state(float(x))[0])
        curve = 1 / fit.curve_x[::-1] if fit.curve_x.size else np.empty(0)
        fitted = np.full(int(here.sum()), np.nan)
        known = np.isin(points["size"][here], fit.x[:, 0])
        fitted[known] = fit.fitted / unit
        sets.append(
            Measured(
                f"$x = {x}$",
                1 / points["size"][here],
                points["mean"][here] / unit,
                points["mean_stderr"][here] / unit,
                fitted,
                curve,
                fit.curve(fit.curve_x)[::-1] / unit,
            )
        )
    return sets


def stationary_figure(points: dict[str, FloatArray], result: Collapse) -> Figure:
    with journal_style():
        figure = figure_in_mm(DOUBLE_COLUMN_MM, 88.0)
        left, right = figure.subfigures(1, 2)
        plot_collapse(result, left)
        top, _ = plot_theory(
            _limit_sets(points),
            right,
            xlabel="inverse size $1/N$",
            ylabel=r"$N\Delta$ / exact limit",
            xscale="log",
        ).axes
        top.axhline(1.0, color="0.6", linewidth=0.6, zorder=1)
    return figure
