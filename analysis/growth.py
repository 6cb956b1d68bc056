"""m_c against N where it grows without limit, from studies of one size each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from analysis.common import Finding, Number
from analysis.words import fit_words, order_figure, order_words
from physbatch.plots import journal_style, plot_exponents, plot_overlap, root_figure
from physbatch.scaling import (
    Analysis,
    Estimate,
    Extrapolation,
    ScalingFit,
    analyse,
    critical_controls,
    effective_exponents,
    fit_law,
    law,
    transition_order,
)
from physbatch.tables import join_sizes

__all__ = ["growth_finding"]


def growth_finding(datasets: Sequence[xr.Dataset], times: Sequence[float], level: float) -> Finding:
    """m_c(N, t) by two criteria, its exponent in N, drift and order.

    Parameters
    ----------
    datasets : sequence of xarray.Dataset
        One a size.
    times : sequence of float
        Run times, the longest last.
    level : float
        The overlap that counts as learned where not all units must be perfect.
    """
    whole = join_sizes(datasets)
    found = analyse(whole)
    criteria: dict[str, float | None] = {"perfect": None, f"q >= {level:g}": level}
    values = {
        (name, time): critical_controls(whole, time, level=limit)
        for name, limit in criteria.items()
        for time in times
    }
    fits = {key: _fit(one) for key, one in values.items()}
    order = transition_order(whole)
    last = times[-1]
    numbers = (
        *(
            one
            for time in times[:-3:-1]
            for name in criteria
            for one in _critical(name, time, values[name, time])
        ),
        *(
            one
            for name in criteria
            for one in _exponent(name, last, fits[name, last], _logarithmic(values[name, last]))
        ),
        *_shorter(times[:-1], fits),
        *(one for name in criteria for one in _local(name, last, values[name, last])),
        *_drifts(found),
    )
    statements = (order_words(order),)
    figures = {
        "overlap": _curves(found),
        "exponent": root_figure(plot_exponents(fits["perfect", last])),
        "order": order_figure(order, "fluctuations", "two peaks"),
    }
    return Finding(numbers, figures, statements)


def _fit(found: Extrapolation) -> ScalingFit:
    """A power of N, with and without a correction."""
    return fit_law(found.size, found.value, found.stderr, quantity="m_c")


def _logarithmic(found: Extrapolation) -> ScalingFit:
    """What else would look like a power above 1: m_c = N (z ln N + c)."""
    ratio, stderr = found.value / found.size, found.stderr / found.size
    return fit_law(found.size, ratio, stderr, [law("log_power")], quantity="m_c / N")


def _curves(found: Analysis) -> Figure:
    """Mean overlap of every size against m on a logarithmic axis."""
    with journal_style():
        axes = plot_overlap(found).ax
        axes.set_xscale("log")
    return root_figure(axes)


def _critical(name: str, time: float, found: Extrapolation) -> Iterator[Number]:
    for size, value, error in zip(found.size, found.value, found.stderr, strict=True):
        yield Number(
            f"m_c ({name}), N = {size:g}, t = {time:g}",
            Estimate(float(value), float(error)),
            note=f"m_c / N = {value / size:.3g}",
        )


def _exponent(name: str, time: float, fit: ScalingFit, other: ScalingFit) -> Iterator[Number]:
    """The exponent with its error, that of every law and window, and the alternative."""
    yield Number(
        f"exponent b of m_c ~ N^b ({name}), t = {time:g}", fit["b"], note=fit_words(fit),
        headline=True,
    )  # fmt: skip
    for row, form in enumerate(fit.fit_form):
        if fit.fit_dof[row] > 0 and "b" in fit.names:
            column = fit.names.index("b")
            yield Number(
                f"b of {form} ({name}), N >= {fit.fit_size_min[row]:g}",
                Estimate(float(fit.fit_values[row, column]), float(fit.fit_stderr[row, column])),
                note=f"chi2/dof {fit.fit_chi2[row]:.3g}/{fit.fit_dof[row]:g}, "
                f"p = {fit.fit_p_value[row]:.1g}, weight {fit.fit_weight[row]:.2g}",
            )
    yield Number(
        f"z of m_c = N (z ln N + c) ({name}), t = {time:g}",
        other["z"],
        note=f"chi2/dof {other.chi2:.2g}/{other.dof}, p = {other.p_value:.2g}, "
        f"c = {other['ln_A']}, {_window(other)}",
    )


def _window(fit: ScalingFit) -> str:
    """The sizes that the best fit uses."""
    used = fit.x[np.isfinite(fit.fitted), 0]
    return f"N >= {used.min():g}" if used.size else "no sizes"


def _shorter(times: Sequence[float], fits: dict[tuple[str, float], ScalingFit]) -> Iterator[Number]:
    for (name, time), fit in fits.items():
        if time in times:
            yield Number(f"b ({name}), t = {time:g}", fit["b"], note=fit_words(fit))


def _local(name: str, time: float, found: Extrapolation) -> Iterator[Number]:
    local = effective_exponents(found.size, found.value, found.stderr)
    for middle, exponent in local.items():
        yield Number(f"local exponent at N = {middle:.3g} ({name}), t = {time:g}", exponent)


def _drifts(found: Analysis) -> Iterator[Number]:
    for drift in found.drifts:
        yield Number(
            f"d m_c / d ln t, N = {drift.size:g}",
            drift.slope,
            note=f"t = {drift.window_start:g} to {drift.window_end:g}",
        )
