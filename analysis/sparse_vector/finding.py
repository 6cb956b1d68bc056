"""Is the transition of the sparse-vector system first order, and how does m_c grow with d?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure

from analysis.common import Datasets, Finding, Number
from analysis.words import fit_words, form_words, order_figure, order_words
from physbatch.plots import (
    DOUBLE_COLUMN_MM,
    figure_in_mm,
    journal_style,
    plot_drift,
    plot_exponents,
    plot_extrapolation,
    plot_overlap,
    root_figure,
    size_legend,
    size_styles,
)
from physbatch.scaling import (
    Analysis,
    Estimate,
    Extrapolation,
    ScalingFit,
    TransitionOrder,
    analyse,
    critical_controls,
    effective_exponents,
    fit_critical_control,
    fit_law,
    law,
    transition_order,
)

DEGREES = (3, 5, 7, 9, 11)
TIMES = (250.0, 500.0, 1000.0)
#: Shown in full, with every panel.
EXAMPLE = 5
#: An overlap above it is that of the learned state, at every d.
LEVEL = 0.9

_SMALL = {"size": [12, 18, 24], "replicas": 16, "duration": 1000}
_TINY = {"times": {"kind": "list", "values": [0, 250, 500, 1000]}, **_SMALL}
REDUCED = {
    "d3": {"batch_size": [2, 2.5, 3, 3.5], **_TINY},
    "d5": {"batch_size": [10, 12, 14, 16], **_TINY},
    "d7": {"batch_size": [26, 30, 34], **_TINY},
    "d9": {"batch_size": [44, 52, 60], **_TINY},
    "d11": {"batch_size": [50, 56, 62], **_TINY},
    "ties": {"batch_size": [3, 6, 9], **_SMALL, "duration": 100, "times": {"kind": "log"}},
}


def find(data: Datasets) -> Finding:
    """m_c(d, N, t), its exponent in d, its drift, the jump, and the order of the transition."""
    runs = {d: data[f"d{d}"] for d in DEGREES}
    analyses = {d: analyse(one) for d, one in runs.items()}
    limits = {t: [critical_controls(one, t, level=LEVEL) for one in runs.values()] for t in TIMES}
    last = limits[TIMES[-1]]
    fit = fit_law(
        DEGREES,
        [one.value for one in map(_limit, last)],
        [one.total for one in map(_limit, last)],
        [law("power"), law("corrected", omega=1.0), law("corrected", omega=2.0), law("corrected")],
        quantity="m_c",
        variables=("d",),
    )
    orders = {d: transition_order(one) for d, one in runs.items()}
    numbers = (
        *_critical(analyses, last),
        *_exponents(fit, limits),
        *_jumps(orders),
        _width(orders[EXAMPLE]),
        *_drifts(analyses, limits),
    )
    statements = (
        *(f"d = {d}: {order_words(one)}" for d, one in orders.items()),
        f"d = 3, ties accepted: {order_words(transition_order(data['ties']))}",
    )
    figures = {
        "transition": _transition(analyses[EXAMPLE]),
        "order": order_figure(orders[EXAMPLE], "two peaks", "scaling forms"),
        "order-d3": order_figure(orders[3], "fluctuations"),
        "exponent": root_figure(plot_exponents(fit)),
        "ties": root_figure(plot_overlap(analyse(data["ties"]))),
    }
    return Finding(numbers, figures, statements)


def _transition(found: Analysis) -> Figure:
    """The overlap, m_c against run time, and m_c against 1/N."""
    with journal_style():
        figure = figure_in_mm(DOUBLE_COLUMN_MM, 62.0)
        left, middle, right = figure.subplots(1, 3)
        plot_overlap(found, left, legend=False)
        plot_drift(found, middle, legend=False)
        plot_extrapolation(found, right)
        size_legend(left, size_styles([curve.size for curve in found.curves]), columns=8)
    return figure


def _limit(found: Extrapolation) -> Estimate:
    """m_c at N -> infinity with a free exponent of its approach, where the sizes fix one."""
    return _approach(found)["c"]


def _approach(found: Extrapolation) -> ScalingFit:
    return fit_critical_control(found.size, found.value, found.stderr, dimension="N")


def _critical(analyses: dict[int, Analysis], limits: Sequence[Extrapolation]) -> Iterator[Number]:
    """m_c at the largest size and at N -> infinity, of every degree, by both criteria."""
    for (d, found), limit in zip(analyses.items(), limits, strict=True):
        if limit.size.size:
            yield Number(
                f"m_c (d = {d}, N = {limit.size[-1]:g}, t = {found.time:g})",
                Estimate(float(limit.value[-1]), float(limit.stderr[-1])),
                note=f"half of the replicas have q >= {LEVEL:g} at t",
            )
        yield Number(
            f"m_c (d = {d}, N -> infinity, t = {found.time:g})",
            _limit(limit),
            note=_approach_words(_approach(limit)),
            headline=True,
        )
        yield Number(
            f"the same by phi = 1/2 and 1 only (d = {d})", limit.limit, note=form_words(limit)
        )
        curve = found.curves[-1]
        yield Number(
            f"m_c of perfect students (d = {d}, N = {curve.size:g}, t = {found.time:g})",
            curve.m_c,
            note=f"half of the replicas perfect by t; deviance {curve.deviance:.1f}/{curve.dof}, "
            f"p = {curve.p_value:.2g}; width {curve.width}",
        )
        yield Number(
            f"m_c of perfect students (d = {d}, N -> infinity, t = {found.time:g})", found.m_c
        )


def _approach_words(fit: ScalingFit) -> str:
    """The exponent of the approach where it is free, and the goodness."""
    phi = fit["phi"]
    return f"phi = {phi}; {fit_words(fit)}" if math.isfinite(phi.value) else fit_words(fit)


def _exponents(fit: ScalingFit, limits: dict[float, list[Extrapolation]]) -> Iterator[Number]:
    """The exponent of m_c in d, what a pure power law is worth, and local exponents."""
    yield Number(
        f"exponent b of m_c ~ d^b, corrections admitted (t = {TIMES[-1]:g})",
        fit["b"],
        note=fit_words(fit),
        headline=True,
    )
    for row, form in enumerate(fit.fit_form):
        if fit.fit_dof[row] > 0:
            column = fit.names.index("b")
            yield Number(
                f"b of {form} (d >= {fit.fit_size_min[row]:g})",
                Estimate(float(fit.fit_values[row, column]), float(fit.fit_stderr[row, column])),
                note=f"chi2/dof {fit.fit_chi2[row]:.3g}/{fit.fit_dof[row]:g}, "
                f"p = {fit.fit_p_value[row]:.1g}, weight {fit.fit_weight[row]:.2g}",
            )
    for time, found in limits.items():
        local = effective_exponents(
            DEGREES,
            [one.value for one in map(_limit, found)],
            [one.total for one in map(_limit, found)],
        )
        for middle, exponent in local.items():
            yield Number(f"local exponent at d = {middle:.3g} (t = {time:g})", exponent)


def _jumps(orders: dict[int, TransitionOrder]) -> Iterator[Number]:
    """Distance of the two peaks of q."""
    for d, order in orders.items():
        jump = order["latent jump"]
        if jump.size.size:
            yield Number(
                f"jump of the overlap (d = {d}, N = {jump.size[-1]:g})",
                Estimate(float(jump.value[-1]), float(jump.stderr[-1])),
                note=f"from q = {order.histogram_lower[-1]:.3f} to "
                f"{order.histogram_upper[-1]:.3f} at m = {order.histogram_control[-1]:g}",
            )
        yield Number(
            f"jump of the overlap (d = {d}, N -> infinity)", jump["limit"], headline=d == EXAMPLE
        )


def _width(order: TransitionOrder) -> Number:
    """How the region in which either state is found narrows with N."""
    return Number(
        f"exponent of the width of the transition in N (d = {EXAMPLE})",
        order["scaling forms"]["b"],
        note="-2/3 at a mean-field spinodal, -1 at coexistence in equilibrium",
    )


def _drifts(
    analyses: dict[int, Analysis], limits: dict[float, list[Extrapolation]]
) -> Iterator[Number]:
    """m_c against run time: the slope in ln t, and the change when it is doubled."""
    for column, (d, found) in enumerate(analyses.items()):
        for drift in found.drifts if d == EXAMPLE else found.drifts[-1:]:
            yield Number(
                f"d m_c / d ln t (d = {d}, N = {drift.size:g})",
                drift.slope,
                note=f"t = {drift.window_start:g} to {drift.window_end:g}",
                headline=d == EXAMPLE and drift is found.drifts[-1],
            )
        half, whole = (_limit(limits[t][column]) for t in TIMES[-2:])
        yield Number(
            f"m_c (d = {d}, N -> infinity, t = {TIMES[-2]:g})",
            half,
            note=f"{100 * (half.value / whole.value - 1):+.1f} % against t = {TIMES[-1]:g}"
            if math.isfinite(half.value / whole.value)
            else "",
        )
