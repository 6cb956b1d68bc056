"""Planted against random starts: both spinodals, escape times, and the order of limits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from analysis.common import Datasets, Finding, Number
from analysis.words import fit_words, form_words, order_figure, order_words
from physbatch.plots import (
    DOUBLE_COLUMN_MM,
    figure_in_mm,
    journal_style,
    plot_drift,
    plot_escape_times,
    plot_overlap,
    root_figure,
    size_legend,
    size_styles,
)
from physbatch.scaling import (
    Analysis,
    EscapeTimes,
    Estimate,
    Extrapolation,
    TransitionOrder,
    analyse,
    critical_controls,
    escape_times,
    fit_divergence,
    fit_nucleation,
    law,
    transition_order,
)

RANDOM, PLANTED = 0.0, 0.97
#: An overlap above it is that of the learned state.
LEVEL = 0.9
TIMES = (1000.0, 2000.0, 4000.0, 5000.0)
#: Tau is compared between sizes at these batch sizes.
COMPARED = (12.25, 12.5, 12.75, 13.0)

_SMALL = {"size": [15, 20, 25], "replicas": 16}
REDUCED = {
    "loop": {
        "batch_size": [8, 11, 14],
        "duration": 200,
        "times": {"kind": "log", "per_decade": 3},
        **_SMALL,
    },
    "planted": {
        "batch_size": [6, 8, 10],
        "duration": 200,
        "times": {"kind": "log", "per_decade": 3},
        **_SMALL,
    },
    "escape": {
        "batch_size": [12, 13, 14, 15],
        "times": {"kind": "list", "values": [0, 100, 300, 1000, 2000, 4000, 5000]},
        "duration": 5000,
        **_SMALL,
    },
}


def find(data: Datasets) -> Finding:
    """Both ends of the loop, escape times, and m_c against run time at every size."""
    loop, planted, escape = data["loop"], data["planted"], data["escape"]
    order = transition_order(loop)
    runs = analyse(escape)
    taus = escape_times(escape)
    numbers = (
        *_spinodals(planted, escape),
        *_loop(order),
        *_drifts(runs),
        *_later(escape),
        *_laws(taus),
    )
    evidence = order["hysteresis"]
    statements = (
        order_words(order),
        f"hysteresis: {evidence.text}.",
    )
    figures = {
        "loop": _loop_figure(loop),
        "order": order_figure(order, "hysteresis", "two peaks"),
        "drift": root_figure(plot_drift(runs)),
        "escape": root_figure(plot_escape_times(taus)),
    }
    return Finding(numbers, figures, statements)


def _loop_figure(loop: xr.Dataset) -> Figure:
    """The mean overlap of both starts, side by side."""
    starts = {r: analyse(loop.sel(initial_overlap=[r])) for r in (RANDOM, PLANTED)}
    with journal_style():
        figure = figure_in_mm(DOUBLE_COLUMN_MM, 68.0)
        panels = figure.subplots(1, 2, sharey=True)
        for axes, (start, found) in zip(panels, starts.items(), strict=True):
            plot_overlap(found, axes, legend=False)
            axes.set_title("random starts" if start == RANDOM else f"planted starts, r = {start:g}")
        panels[1].set_ylabel("")
        size_legend(panels[0], size_styles(loop["size"].values.tolist()))
    return figure


def _points(name: str, found: Extrapolation, note: str) -> Iterator[Number]:
    """A critical value at every size and its limit."""
    for size, value, error in zip(found.size, found.value, found.stderr, strict=True):
        yield Number(f"{name}, N = {size:g}", Estimate(float(value), float(error)))
    yield Number(
        f"{name}, N -> infinity", found.limit, note=f"{note}; {form_words(found)}", headline=True
    )


def _spinodals(planted: xr.Dataset, escape: xr.Dataset) -> Iterator[Number]:
    """Where planted starts are kept, and where random ones learn."""
    last = float(planted["time"].values[-1])
    lower = critical_controls(planted, level=LEVEL)
    words = f"half of the replicas end with q >= {LEVEL:g}"
    yield from _points(f"lower spinodal (r = {PLANTED:g}, t = {last:g})", lower, words)
    early = critical_controls(planted, level=LEVEL, time=last / 2)
    shift = np.abs(early.value[-1:] - lower.value[-1:])
    if shift.size:
        yield Number(
            "the same at half the run time, largest N",
            Estimate(float(early.value[-1]), float(early.stderr[-1])),
            note=f"differs by {shift[0]:.2g}",
        )
    upper = critical_controls(escape, TIMES[0])
    yield from _points(f"upper spinodal (random, t = {TIMES[0]:g})", upper, "half are perfect by t")
    low = dict(zip(lower.size, zip(lower.value, lower.stderr, strict=True), strict=True))
    for size, value, error in zip(upper.size, upper.value, upper.stderr, strict=True):
        if size in low:
            below, spread = low[size]
            width = Estimate(float(value - below), float(np.hypot(error, spread)))
            yield Number(f"upper - lower spinodal, N = {size:g}", width, headline=size == 200)


def _loop(order: TransitionOrder) -> Iterator[Number]:
    evidence = order["hysteresis"]
    for size, value, error in zip(evidence.size, evidence.value, evidence.stderr, strict=True):
        yield Number(
            f"width of the loop (coarse grid), N = {size:g}", Estimate(float(value), float(error))
        )
    yield Number("width of the loop (coarse grid), N -> infinity", evidence["limit"])


def _drifts(runs: Analysis) -> Iterator[Number]:
    """The slope of m_c in ln t at every size."""
    for drift in runs.drifts:
        yield Number(
            f"d m_c / d ln t, random starts, N = {drift.size:g}",
            drift.slope,
            note=f"t = {drift.window_start:g} to {drift.window_end:g}",
            headline=drift is runs.late_drift,
        )


def _later(escape: xr.Dataset) -> Iterator[Number]:
    """The limit of many units first, at longer and longer run times."""
    for time in TIMES:
        found = critical_controls(escape, time)
        if found.size.size:
            yield Number(
                f"m_c (random, N = {found.size[-1]:g}, t = {time:g})",
                Estimate(float(found.value[-1]), float(found.stderr[-1])),
            )
        yield Number(f"m_c (random, N -> infinity, t = {time:g})", found.limit)


def _laws(taus: EscapeTimes) -> Iterator[Number]:
    """Tau against N at fixed m, and against m at fixed N."""
    known = np.isfinite(taus.tau) & np.isfinite(taus.stderr)
    for control in COMPARED:
        rows = known & (taus.control == control)
        if rows.sum() < 3:
            continue
        fit = fit_nucleation(taus.size[rows], taus.tau[rows], taus.stderr[rows])
        name = "Delta" if fit.law == law("line") else "z"
        written = "exp(N Delta)" if name == "Delta" else "N^z"
        listed = ", ".join(
            f"{size:g}: {tau:.3g}"
            for size, tau in zip(taus.size[rows], taus.tau[rows], strict=True)
        )
        yield Number(
            f"{name} of tau ~ {written} at m = {control:g}",
            fit[name],
            note=f"{fit_words(fit)}, weight {fit.share:.2g}; tau at N = {listed}",
            headline=control == COMPARED[1],
        )
    for size in np.unique(taus.size):
        m, tau, stderr = taus.at_size(float(size))
        if m.size < 4:
            continue
        fit = fit_divergence(m, tau, stderr, side=-1.0)
        for name, words in (("c_s", "m_s"), ("y", "y")):
            yield Number(
                f"{words} of tau ~ (m - m_s)^-y, N = {size:g}",
                fit[name],
                note=fit_words(fit),
            )
