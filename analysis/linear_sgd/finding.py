"""The linear student against its two exact thresholds and its exact stationary covariance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from analysis.common import Datasets, Finding, Number
from physbatch.dynamics import TensorDescent
from physbatch.engines import engine_for, prepare_gradient
from physbatch.exact import finite_linear_sgd, linear_sgd
from physbatch.plots import (
    DOUBLE_COLUMN_MM,
    Measured,
    figure_in_mm,
    journal_style,
    plot_drift,
    plot_success,
    plot_theory,
    root_figure,
    size_legend,
    size_styles,
)
from physbatch.scaling import (
    Analysis,
    Estimate,
    ScalingFit,
    analyse,
    fit_law,
    growth_rates,
    growth_threshold,
    law,
)
from physbatch.study import Study
from physbatch.sweep import Plan

REDUCED: dict[str, dict[str, Any]] = {
    "slow": {"size": [20, 40], "replicas": 24},
    "middle": {"size": [10, 20], "replicas": 24},
    "fast": {"size": [10, 20], "replicas": 24},
    "learning": {
        "size": [10, 20],
        "replicas": 24,
        "duration": 200,
        "times": {"kind": "list", "values": [0, 50, 100, 200]},
    },
    "patterns": {
        "replicas": 8,
        "duration": 4000,
        "times": {"kind": "list", "values": [0, 2000, 3000, 4000]},
    },
}

#: Last time of the interval over which each rate is measured: the mean of a product of many
#: random factors is ruled by rare ones, that of its logarithm is the better the longer it is.
_LAST = {"mean-square": 4, "typical": 64}

#: `success_fraction` of the studies.
_LEARNED = 0.01

Kind = Literal["mean-square", "typical"]


def _exact_rate(kind: Kind, learning_rate: float, size: int, batch_size: float) -> float:
    if kind == "typical":
        return linear_sgd.typical_rate(learning_rate, size, batch_size)
    return float(np.log(linear_sgd.mean_square_factor(learning_rate, size, batch_size)))


_THRESHOLDS: dict[Kind, Callable[[float, int], float]] = {
    "mean-square": linear_sgd.mean_square_threshold,
    "typical": linear_sgd.typical_threshold,
}


@dataclass(frozen=True)
class Threshold:
    """A measured threshold and the exact one."""

    kind: Kind
    learning_rate: float
    size: int
    batch_size: Estimate
    exact: float
    p_value: float

    @property
    def ratio(self) -> tuple[float, float]:
        """Measured over exact, and its error."""
        return self.batch_size.value / self.exact, self.batch_size.total / self.exact


def _learning_rate(data: xr.Dataset) -> float:
    study = Study.from_json(str(data.attrs["study"]), where="linear_sgd")
    return float(study.dynamics.learning_rate.base)


def _thresholds(data: xr.Dataset, kind: Kind) -> list[Threshold]:
    """Where each rate changes sign, at every size; both are smooth functions of 1/m."""
    eta = _learning_rate(data)
    rates = growth_rates(data.sel(time=slice(0, _LAST[kind])), kind=kind)
    found = []
    for size in map(int, data["size"].values):
        here = rates.sel(size=size)
        inverse = 1 / data["batch_size"].sel(size=size).values
        fit = growth_threshold(inverse, here["rate"].values, here["stderr"].values)
        one = fit.threshold
        scale = 1 / one.value**2
        value = Estimate(1 / one.value, one.stderr * scale, one.systematic * scale, flags=one.flags)
        found.append(Threshold(kind, eta, size, value, _THRESHOLDS[kind](eta, size), fit.p_value))
    return found


def _pooled(thresholds: list[Threshold], kind: Kind) -> ScalingFit:
    """Mean ratio of measured and exact thresholds of all sizes and learning rates."""
    chosen = [one for one in thresholds if one.kind == kind]
    ratios = np.array([one.ratio for one in chosen])
    sizes = [one.size for one in chosen]
    name = f"{kind} threshold / exact"
    return fit_law(sizes, *ratios.T, [law("constant")], quantity=name, scan=False)


def _threshold_numbers(thresholds: list[Threshold]) -> list[Number]:
    numbers = []
    for kind in _THRESHOLDS:
        fit = _pooled(thresholds, kind)
        numbers.append(
            Number(
                f"{kind} threshold m_c / exact, all N and eta",
                fit["c"],
                exact=1.0,
                note=f"chi2/dof = {fit.chi2:.1f}/{fit.dof}, p = {fit.p_value:.2g}",
                headline=True,
            )
        )
    for one in thresholds:
        numbers.append(
            Number(
                f"{one.kind} threshold m_c, eta = {one.learning_rate:g}, N = {one.size}",
                one.batch_size,
                exact=one.exact,
                note=f"p = {one.p_value:.2g}",
            )
        )
    return numbers


def _learning_numbers(analysis: Analysis) -> list[Number]:
    """m_c of single replicas within the run time, and how far it still moves."""
    numbers = []
    for curve, drift in zip(analysis.curves, analysis.drifts, strict=True):
        size = int(curve.size)
        numbers.append(
            Number(
                f"m_c/N by half of the replicas within t = {curve.time:g}, eta = 1, N = {size}",
                curve.m_c,
                note="typical threshold "
                f"{linear_sgd.typical_threshold(1.0, size) / size:.5g}, mean-square "
                f"{linear_sgd.mean_square_threshold(1.0, size) / size:.5g}; {drift.slope} per "
                "unit of ln t",
            )
        )
    # Without fluctuations the error is 1 % of the start where t ln(factor) = ln 0.01.
    numbers.append(
        Number(
            f"m_c/N by half of the replicas within t = {analysis.time:g}, eta = 1, N -> infinity",
            analysis.m_c,
            exact=float(np.exp(-np.log(_LEARNED) / analysis.time)),
            note="exact: the batch ratio at which the error falls to 1 % in this time",
            headline=True,
        )
    )
    return numbers


def _exact_errors(data: xr.Dataset) -> xr.DataArray:
    """Stationary E|w - w*|^2/N of every replica on its own set of patterns."""
    study = Study.from_json(str(data.attrs["study"]), where="linear_sgd")
    plan = Plan(study, engine_for(study))
    exact = xr.full_like(data["weight_error"].isel(time=0, drop=True), np.nan)
    for cell in plan.cells:
        prepared = prepare_gradient(cell)
        inputs, targets = TensorDescent(*prepared.parts).patterns
        rows = slice(cell.first_replica, cell.first_replica + cell.replicas)
        exact.loc[{"size": cell.size, "batch_size": cell.batch_size}][rows] = [
            _exact_error(x, y[:, 0], teacher, cell.learning_rate, cell.batch_size)
            for x, y, teacher in zip(inputs, targets, prepared.system.teacher, strict=True)
        ]
    return exact


def _exact_error(
    inputs: np.ndarray, targets: np.ndarray, teacher: np.ndarray, rate: float, batch_size: float
) -> float:
    """Distance of the least-squares solution from the teacher, and the spread about it."""
    spread = finite_linear_sgd.stationary_covariance(
        inputs, targets, learning_rate=rate, batch_size=int(batch_size), replacement=True
    ).covariance
    best = np.linalg.lstsq(inputs, targets, rcond=None)[0]
    return float((np.sum((best - teacher) ** 2) + np.trace(spread)) / teacher.size)


def _pattern_numbers(data: xr.Dataset) -> list[Number]:
    """Mean ratio of the time-averaged error of a replica and the exact one."""
    measured = data["weight_error"].sel(time=data["time"] >= 2000).mean("time")
    ratio = (measured / _exact_errors(data)).squeeze("size")
    numbers = []
    for batch_size in data["batch_size"].values:
        values = ratio.sel(batch_size=batch_size).values
        error = values.std(ddof=1) / np.sqrt(values.size)
        numbers.append(
            Number(
                f"stationary squared distance / exact, finite noisy set, m = {batch_size:g}",
                Estimate(float(values.mean()), float(error)),
                exact=1.0,
                note=f"eta = {_learning_rate(data):g}, mean over {values.size} replicas, each "
                "against the exact value for its own 24 patterns",
                headline=batch_size == data["batch_size"].values[0],
            )
        )
    return numbers


def _rate_sets(data: xr.Dataset, sizes: tuple[int, int]) -> list[Measured]:
    """Both rates against m/N at two sizes."""
    eta = _learning_rate(data)
    sets = []
    for size in sizes:
        for kind in _THRESHOLDS:
            chosen = data.sel(time=slice(0, _LAST[kind]), size=size)
            rates = growth_rates(chosen, kind=kind)
            m = chosen["batch_size"].values
            # Whole m only: in between, the spread of the batch's size adds a little.
            whole = np.unique(np.rint(np.linspace(m[0], m[-1], 13)))
            exact, curve = (
                np.array([_exact_rate(kind, eta, size, float(one)) for one in batch])
                for batch in (m, whole)
            )
            sets.append(
                Measured(
                    f"$N = {size}$, {kind}",
                    m / size,
                    rates["rate"].values,
                    rates["stderr"].values,
                    exact,
                    whole / size,
                    curve,
                )
            )
    return sets


def _threshold_sets(thresholds: list[Threshold], kind: Kind) -> list[Measured]:
    """m_c of one kind over its limit eta N/(2 - eta), against N, one set for each eta."""
    sets = []
    for eta in sorted({one.learning_rate for one in thresholds}):
        chosen = [one for one in thresholds if one.kind == kind and one.learning_rate == eta]
        sizes = np.array([one.size for one in chosen], dtype=np.float64)
        unit = eta * sizes / (2 - eta)
        sets.append(
            Measured(
                rf"$\eta = {eta:g}$",
                sizes,
                np.array([one.batch_size.value for one in chosen]) / unit,
                np.array([one.batch_size.total for one in chosen]) / unit,
                np.array([one.exact for one in chosen]) / unit,
                sizes,
                np.array([one.exact for one in chosen]) / unit,
            )
        )
    return sets


def _rate_figure(data: xr.Dataset) -> Figure:
    sizes = data["size"].values
    top, _ = plot_theory(
        _rate_sets(data, (int(sizes[0]), int(sizes[-1]))),
        xlabel="batch ratio $m/N$",
        ylabel=r"growth rate of $|w - w^*|^2$",
        columns=2,
    ).axes
    top.axhline(0.0, color="0.6", linewidth=0.6, zorder=1)
    return root_figure(top)


def _threshold_figure(thresholds: list[Threshold]) -> Figure:
    with journal_style():
        figure = figure_in_mm(DOUBLE_COLUMN_MM, 76.0)
        for part, kind in zip(figure.subfigures(1, 2), _THRESHOLDS, strict=True):
            plot_theory(
                _threshold_sets(thresholds, kind),
                part,
                xlabel="size $N$",
                ylabel=rf"{kind} $m_c (2 - \eta)/(\eta N)$",
                xscale="log",
            )
    return figure


def _learning_figure(analysis: Analysis) -> Figure:
    with journal_style():
        figure = figure_in_mm(DOUBLE_COLUMN_MM, 70.0)
        left, right = figure.subplots(1, 2)
        plot_success(analysis, left, legend=False)
        plot_drift(analysis, right, legend=False)
        size_legend(left, size_styles([curve.size for curve in analysis.curves]), columns=8)
    return figure


def find(data: Datasets) -> Finding:
    """Thresholds, learning within a run time, and the stationary error on finite sets."""
    thresholds = [
        one
        for kind in _THRESHOLDS
        for study in ("slow", "middle", "fast")
        for one in _thresholds(data[study], kind)
    ]
    learning = analyse(data["learning"])
    return Finding(
        (
            *_threshold_numbers(thresholds),
            *_learning_numbers(learning),
            *_pattern_numbers(data["patterns"]),
        ),
        {
            "rates": _rate_figure(data["middle"]),
            "thresholds": _threshold_figure(thresholds),
            "learning": _learning_figure(learning),
        },
    )
