"""m_c of sparse networks with continuous weights: does it have a limit, and of which order."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.figure import Figure

from analysis.common import Datasets, Finding, Number
from physbatch.plots import (
    DOUBLE_COLUMN_MM,
    LIMIT_COLOUR,
    SINGLE_COLUMN_MM,
    Measured,
    figure_in_mm,
    journal_style,
    plot_order,
    plot_theory,
    root_figure,
    size_legend,
    size_styles,
)
from physbatch.scaling import (
    Estimate,
    Extrapolation,
    ScalingTable,
    SuccessCurve,
    extrapolate,
    fit_drift,
    fit_law,
    fit_success_curve,
    law,
    make_table,
    transition_order,
)

FloatArray = npt.NDArray[np.float64]

#: `success_fraction` of the studies.
_SUCCESS = 0.01
_TIMES = {"kind": "list", "values": [0, 60, 120]}
REDUCED: dict[str, dict[str, Any]] = {
    "small": {"size": [25, 50], "replicas": 12, "duration": 120, "times": _TIMES},
    "large": {"size": [75], "replicas": 12, "duration": 120, "times": _TIMES},
    "wide": {"size": [25, 50, 75], "replicas": 12, "duration": 120, "times": _TIMES},
}


def _each_size(data: xr.Dataset) -> list[xr.Dataset]:
    """One dataset for each size."""
    return [data.isel(size=[place]) for place in range(data.sizes["size"])]


def _by_size(data: Datasets) -> list[xr.Dataset]:
    """The runs around m_c."""
    return [*_each_size(data["small"]), *_each_size(data["large"])]


def _limit(curves: list[SuccessCurve]) -> Extrapolation:
    return extrapolate(
        "m_c",
        [one.size for one in curves],
        [one.m_c.value for one in curves],
        [one.m_c.stderr for one in curves],
    )


def _numbers(sets: list[xr.Dataset]) -> tuple[list[Number], dict[float, list[SuccessCurve]]]:
    """m_c at the last times for every size, its limit, and its drift."""
    times = [float(time) for time in sets[0]["time"].values[-3:]]
    curves = {time: [fit_success_curve(one, time) for one in sets] for time in times}
    last = times[-1]
    numbers = [
        Number(
            f"m_c at N = {one.size:g} within t = {last:g}",
            one.m_c,
            note=f"width {one.width}, deviance/dof = {one.deviance:.1f}/{one.dof}, "
            f"p = {one.p_value:.2g}",
        )
        for one in curves[last]
    ]
    for time, found in curves.items():
        fit = _limit(found)
        forms = ", ".join(
            f"{form} {chi2:.1f}/{dof}"
            for form, chi2, dof in zip(fit.forms, fit.form_chi2, fit.form_dof, strict=True)
        )
        numbers.append(
            Number(
                f"m_c for N -> infinity within t = {time:g}",
                fit.limit,
                note=f"chi2/dof: {forms}",
                headline=time == last,
            )
        )
    for one in sets:
        drift = fit_drift(one)
        numbers.append(
            Number(
                f"drift of m_c per unit of ln t at N = {drift.size:g}",
                drift.slope,
                note=f"from t = {drift.window_start:g} to {drift.window_end:g}",
            )
        )
    return numbers, curves


def _table(data: Datasets) -> ScalingTable:
    """Generalisation errors at the last time over a random student's, at all batch sizes."""
    rows = []
    for one in (*_by_size(data), *_each_size(data["wide"])):
        size = float(one["size"].values[0])
        error = one["generalization_error"].squeeze("size").transpose("batch_size", ...)
        unit = float(error.isel(time=0).mean())
        for batch_size, values in zip(
            one["batch_size"].values, error.isel(time=-1).values / unit, strict=True
        ):
            rows.append((size, float(batch_size), values[np.isfinite(values)]))
    sizes, control, samples = zip(*rows, strict=True)
    return make_table(
        sizes,
        control,
        {"error": [float(one.mean()) for one in samples]},
        {"error": [float(one.std(ddof=1) / np.sqrt(one.size)) for one in samples]},
        samples={"error": samples},
        size_name="N",
        control_name="batch_size",
        dimension="N",
    )


def _error_sets(table: ScalingTable) -> list[Measured]:
    """The error against m at every size."""
    sets = []
    for size in table.sizes:
        here = table.size == size
        blank = np.full(int(here.sum()), np.nan)
        values, stderr = table.values["error"][here], table.errors["error"][here]
        sets.append(Measured(f"$N = {size:g}$", table.control[here], values, stderr, blank))
    return sets


def _level_numbers(table: ScalingTable) -> list[Number]:
    """The error at the largest batch size that every size has, and how it depends on N."""
    largest = table.control.max()
    numbers = []
    for size in table.sizes:
        row = (table.size == size) & (table.control == largest)
        if row.any():
            value = Estimate(
                float(table.values["error"][row][0]), float(table.errors["error"][row][0])
            )
            numbers.append(
                Number(f"error / random student's at m = {largest:g}, N = {size:g}", value)
            )
        fit = fit_law(
            table.control[table.size == size],
            table.values["error"][table.size == size],
            table.errors["error"][table.size == size],
            [law("power")],
            quantity="error",
            variables=("m",),
        )
        numbers.append(
            Number(
                f"exponent of the error in m at N = {size:g}",
                fit["b"],
                note=f"chi2/dof = {fit.chi2:.1f}/{fit.dof}, p = {fit.p_value:.2g}",
            )
        )
    return numbers


def _binomial_error(curve: SuccessCurve) -> FloatArray:
    """Error of each fraction if the fitted curve is the truth."""
    chance = curve.probability(curve.control)
    return np.asarray(np.sqrt(chance * (1 - chance) / curve.trials))


def _success_sets(curves: list[SuccessCurve]) -> list[Measured]:
    sets = []
    for curve in curves:
        low, high = curve.fraction_interval
        along = np.linspace(curve.control[0], curve.control[-1], 101)
        sets.append(
            Measured(
                f"$N = {curve.size:g}$",
                curve.control,
                curve.fraction,
                np.maximum(0.5 * (high - low), _binomial_error(curve)),
                curve.probability(curve.control),
                along,
                curve.probability(along),
            )
        )
    return sets


def _m_c_sets(curves: dict[float, list[SuccessCurve]]) -> list[Measured]:
    """m_c against N, one set for each run time, with the form of the largest weight."""
    sets = []
    for time, found in curves.items():
        fit = _limit(found)
        sizes = np.array([one.size for one in found])
        value = np.array([one.m_c.value for one in found])
        stderr = np.array([one.m_c.stderr for one in found])
        weight = fit.form_weight
        best = int(np.argmax(weight)) if weight.any() else -1
        line = np.full(sizes.size, np.nan)
        if best >= 0:
            line = fit.curve(sizes)[best]
        sets.append(Measured(f"$t = {time:g}$", sizes, value, stderr, line, sizes, line))
    return sets


def _figure(curves: dict[float, list[SuccessCurve]]) -> Figure:
    last = max(curves)
    with journal_style():
        figure = figure_in_mm(DOUBLE_COLUMN_MM, 76.0)
        left, right = figure.subfigures(1, 2)
        plot_theory(
            _success_sets(curves[last]),
            left,
            xlabel="mini-batch size $m$",
            ylabel=f"success within $t = {last:g}$",
        )
        plot_theory(_m_c_sets(curves), right, xlabel="size $N$", ylabel="$m_c(N, t)$", xscale="log")
    return figure


def _error_figure(table: ScalingTable) -> Figure:
    with journal_style():
        axes = figure_in_mm(SINGLE_COLUMN_MM, 66.0).subplots()
        styles = size_styles(table.sizes.tolist())
        for one, style in zip(_error_sets(table), styles.values(), strict=True):
            axes.errorbar(one.x, one.y, one.stderr, linewidth=0.7, elinewidth=0.7, **style)
        axes.axhline(_SUCCESS, color=LIMIT_COLOUR, linewidth=0.7, linestyle="--")
        axes.set(
            xlabel="mini-batch size $m$",
            ylabel="error / random student's",
            xscale="log",
            yscale="log",
        )
        axes.set_xticks([5, 7, 10, 15, 20, 25], ["5", "7", "10", "15", "20", "25"])
        axes.minorticks_off()
        size_legend(axes, styles)
    return root_figure(axes)


def find(data: Datasets) -> Finding:
    """m_c(N, t), its limit, the error's dependence on m, and the order."""
    numbers, curves = _numbers(_by_size(data))
    table = _table(data)
    order = transition_order(table, "error")
    return Finding(
        (*numbers, *_level_numbers(table)),
        {
            "critical_batch": _figure(curves),
            "error": _error_figure(table),
            "order": root_figure(plot_order(order)),
        },
        (f"order of the transition: {order.verdict}", *order.reasons),
    )
