"""The erf committee near its threshold: exact scaling function, thresholds and learning curves."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from analysis.common import Datasets, Finding
from analysis.erf_committee.curves import PATHS, path_results
from analysis.erf_committee.stationary import (
    SIZES,
    collapse_numbers,
    limit_numbers,
    snapshots,
    stationary_figure,
    stationary_points,
    time_averages,
)
from analysis.erf_committee.thresholds import GROWTH, threshold_numbers
from physbatch.plots import (
    DOUBLE_COLUMN_MM,
    Measured,
    figure_in_mm,
    journal_style,
    plot_exponents,
    plot_order,
    plot_theory,
    root_figure,
)
from physbatch.scaling import ScalingFit, collapse, transition_order

_QUICK = 10 * 50  # samples of a reduced stationary run: far from stationary, but the same kind


def _reduced() -> dict[str, dict[str, Any]]:
    reduced: dict[str, dict[str, Any]] = {}
    for size in SIZES:
        times = {"kind": "list", "values": [0, _QUICK // 2, _QUICK]}
        reduced[f"n{size:04d}"] = {"replicas": 12, "duration": _QUICK, "times": times}
    for name, (start, stop) in GROWTH.items():
        sizes = [20, 30, 40] if name != "two" else [30, 40, 50]
        values = sorted({0, *(alpha * size for size in sizes for alpha in (start, stop))})
        times = {"kind": "list", "values": values}
        reduced[name] = {
            "size": sizes,
            "replicas": 8,
            "duration": values[-1],
            "times": times,
        }
    for name in PATHS:
        times = {"kind": "list", "values": [0, 100, 200]}
        reduced[name] = {"size": [100], "replicas": 4, "duration": 200, "times": times}
    return reduced


REDUCED = _reduced()


def _threshold_figure(sets: list[Measured], paths: list[Measured], spread: ScalingFit) -> Figure:
    with journal_style():
        figure = figure_in_mm(DOUBLE_COLUMN_MM, 80.0)
        left, middle, right = figure.subfigures(1, 3)
        plot_theory(
            sets,
            left,
            xlabel="size $N$",
            ylabel=r"$N (c_c(N)/c_{\max} - 1)$",
            xscale="log",
            columns=2,
        )
        plot_theory(
            paths,
            middle,
            xlabel=r"$\alpha$ = samples/$N$",
            ylabel=r"generalisation error $\epsilon$",
            yscale="log",
            columns=2,
        )
        plot_exponents(spread, right)
    return figure


def find(data: Datasets) -> Finding:
    """Stationary state and its collapse, thresholds, order, and curves against the ODE."""
    points = stationary_points(data)
    table = time_averages(data)
    # A shift of c_c by 1/N, as nu = 1 has it, only moves the master curve: no drift is fitted.
    free, held = (
        collapse(table, "Delta", exponent="beta", fixed=fixed, corrections=True)
        for fixed in ({"omega": 1.0}, {"nu": 1.0, "omega": 1.0})
    )
    order = transition_order(snapshots(data), "Delta")
    thresholds, shifts = threshold_numbers(data)
    curves, paths, spread = path_results(data)
    return Finding(
        (
            *limit_numbers(points),
            *collapse_numbers(free),
            *collapse_numbers(held),
            *thresholds,
            *curves,
        ),
        {
            "stationary": stationary_figure(points, free),
            "thresholds": _threshold_figure(shifts, paths, spread),
            "order": root_figure(plot_order(order)),
        },
        (f"order of the transition: {order.verdict}", *order.reasons),
    )
