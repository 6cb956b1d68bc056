"""Does depth move the transition? m_c of one to four layers at d = 3."""

from __future__ import annotations

import math
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
    plot_overlap,
)
from physbatch.scaling import (
    Analysis,
    Estimate,
    Extrapolation,
    TransitionOrder,
    analyse,
    critical_controls,
    fit_law,
    law,
    transition_order,
)
from physbatch.scaling.order import FIRST_ORDER

LAYERS = (2, 3, 4)
#: An overlap above it is that of the learned state.
LEVEL = 0.9
#: The order of a transition is looked for from so many sizes on.
_SIZES_FOR_ORDER = 3

_TINY = {"size": [10, 14, 18], "replicas": 16, "duration": 60, "times": {"kind": "log"}}
REDUCED = {
    "layers1": {"batch_size": [1, 2], **_TINY, "size": [12, 24]},
    "layers2": {"batch_size": [2, 4, 6], **_TINY},
    "layers3": {"batch_size": [10, 16, 22], **_TINY},
    "layers4": {"batch_size": [30, 45, 60], **_TINY, "duration": 30},
}


def find(data: Datasets) -> Finding:
    """m_c(L, N), the factor from layer to layer, drift, jump and order."""
    runs = {depth: data[f"layers{depth}"] for depth in LAYERS}
    analyses = {depth: analyse(one) for depth, one in runs.items()}
    found = {depth: critical_controls(one, level=LEVEL) for depth, one in runs.items()}
    orders = {
        depth: transition_order(one)
        for depth, one in runs.items()
        if one.sizes["size"] >= _SIZES_FOR_ORDER
    }
    limits = [found[depth].limit for depth in LAYERS]
    growth = fit_law(
        LAYERS,
        [math.log(one.value) for one in limits],
        [one.total / one.value for one in limits],
        [law("line")],
        quantity="ln m_c",
        variables=("L",),
        scan=False,
    )
    numbers = (
        *_one_layer(data["layers1"]),
        *_critical(analyses, found),
        *_factors(found),
        Number(
            "factor per layer, exp(Delta) of ln m_c = ln A + L Delta",
            _exponential(growth["Delta"]),
            note=fit_words(growth),
            headline=True,
        ),
        *_dynamics(analyses),
    )
    statements = tuple(f"L = {depth}: {order_words(one)}" for depth, one in orders.items())
    figures = {
        "overlap": _overlaps(analyses),
        **{f"order{depth}": order_figure(one, *_shown(one)) for depth, one in orders.items()},
    }
    return Finding(numbers, figures, statements)


def _shown(order: TransitionOrder) -> tuple[str, ...]:
    """The evidence that has more than a point to show."""
    if order.verdict == FIRST_ORDER:
        return ("two peaks", "latent jump")
    return ("fluctuations",)


def _overlaps(analyses: dict[int, Analysis]) -> Figure:
    """The mean overlap of every depth, side by side."""
    with journal_style():
        figure = figure_in_mm(DOUBLE_COLUMN_MM, 64.0)
        panels = figure.subplots(1, len(analyses), sharey=True)
        for axes, (depth, one) in zip(panels, analyses.items(), strict=True):
            plot_overlap(one, axes, legend=False)
            axes.set(title=f"L = {depth}", ylim=(0.0, 1.05))
            axes.set_ylabel("overlap $q$" if axes is panels[0] else "")
            axes.legend(loc="lower right", fontsize=7)
    return figure


def _one_layer(one: xr.Dataset) -> Iterator[Number]:
    """One layer learns at m = 1 already: the fraction and the time."""
    largest = one.isel(size=-1, batch_size=0)
    passage = largest["first_passage"].values
    last = float(one["time"].values[-1])
    share = float(np.mean(passage <= last))
    yield Number(
        f"L = 1: fraction perfect at m = 1 (N = {int(largest['size'])}, t = {last:g})",
        Estimate(share, math.sqrt(max(share * (1.0 - share), 1.0 / passage.size) / passage.size)),
        note=f"median first passage {np.median(passage):g} sweeps; m_c < 1",
        headline=True,
    )


def _critical(analyses: dict[int, Analysis], found: dict[int, Extrapolation]) -> Iterator[Number]:
    for depth, limit in found.items():
        for size, value, error in zip(limit.size, limit.value, limit.stderr, strict=True):
            yield Number(
                f"m_c (L = {depth}, N = {size:g})",
                Estimate(float(value), float(error)),
                note=f"half of the replicas have q >= {LEVEL:g} at t = {analyses[depth].time:g}",
            )
        yield Number(
            f"m_c (L = {depth}, N -> infinity)", limit.limit, note=form_words(limit), headline=True
        )
        perfect = analyses[depth]
        yield Number(f"m_c of perfect students (L = {depth}, N -> infinity)", perfect.m_c)


def _factors(found: dict[int, Extrapolation]) -> Iterator[Number]:
    """m_c of a layer more, over m_c."""
    for depth in LAYERS[:-1]:
        less, more = (found[one].limit for one in (depth, depth + 1))
        ratio = more.value / less.value
        relative = [
            math.hypot(getattr(more, kind) / more.value, getattr(less, kind) / less.value)
            for kind in ("stderr", "systematic")
        ]
        yield Number(
            f"m_c({depth + 1}) / m_c({depth})",
            Estimate(ratio, ratio * relative[0], ratio * relative[1]),
            headline=True,
        )


def _exponential(exponent: Estimate) -> Estimate:
    """exp(x) with its error."""
    value = math.exp(exponent.value)
    ends = (math.exp(exponent.interval68[0]), math.exp(exponent.interval68[1]))
    return Estimate(
        value, value * exponent.stderr, value * exponent.systematic, ends, exponent.flags
    )


def _dynamics(analyses: dict[int, Analysis]) -> Iterator[Number]:
    """Drift with run time, and the jump."""
    for depth, one in analyses.items():
        drift = one.late_drift
        if drift is not None:
            yield Number(
                f"d m_c / d ln t (L = {depth}, N = {drift.size:g})",
                drift.slope,
                note=f"t = {drift.window_start:g} to {drift.window_end:g}",
            )
        jump = one.jumps[-1]
        yield Number(
            f"jump of the overlap (L = {depth}, N = {jump.size:g})",
            jump.latent,
            note=f"from q = {jump.lower} to {jump.upper}, separation {jump.separation:.3g} widths",
        )
        yield Number(f"jump of the overlap (L = {depth}, N -> infinity)", one.jump)
