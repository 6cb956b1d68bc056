"""Curvature along the gradients of mini-batches, against the lines of the edge of stability."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.common import Datasets, Finding, Number
from physbatch.noise import late_sharpness, sharpness_lines
from physbatch.plots import DOUBLE_COLUMN_MM, figure_in_mm, journal_style, size_palette
from physbatch.scaling import Estimate

_SMALL = {
    "duration": 4,
    "times": {"kind": "list", "values": [0, 1, 4]},
    "test_samples": 50,
    "replicas": 2,
}
REDUCED = {
    "descent": {**_SMALL, "batch_size": [4, 64], "learning_rate": [0.035, 0.05]},
    "momentum": {**_SMALL, "batch_size": [16], "learning_rate": [0.025]},
    "patterns": {**_SMALL, "batch_size": [16]},
    "small": {**_SMALL, "batch_size": [4], "learning_rate": [0.09]},
}
#: Learning rates at which the edge can be reached: by all batches, and by small ones alone.
HEADLINES = (0.07, 0.09)
#: The mean over batches, the ratio of means, and the largest eigenvalues.
QUANTITIES = {
    "directional_sharpness": "batch sharpness",
    "directional_sharpness_ratio": "ratio of means",
    "sharpness": "largest eigenvalue",
    "batch_sharpness": "largest eigenvalue of a batch",
}


def find(data: Datasets) -> Finding:
    """Late curvatures times eta/2, their powers of eta, and the lines of momentum."""
    plain, more = data["descent"], data["patterns"]
    numbers = [*_by_batch_size(plain), *_powers((plain, data["small"]))]
    numbers += _cells(plain, "P = 128")
    numbers += _cells(data["small"], "P = 128")
    numbers += _cells(more, "P = 256")
    numbers += _momentum(data["momentum"])
    return Finding(tuple(numbers), {"edge": _figure(data)})


def _late(study: xr.Dataset, name: str, m: float, rate: float) -> Estimate:
    """Mean over the second half of the run.

    The systematic error is the change from a run of half the length.
    """
    cell = study.sel(batch_size=[m], learning_rate=[rate])
    end = float(cell["time"].values[-1])
    late = late_sharpness(cell, name, after=end / 2)
    half = cell.isel(time=cell["time"].values < end / 2)
    before = late_sharpness(half, name, after=end / 4)
    return Estimate(
        late.value, late.stderr, systematic=abs(late.value - before.value), flags=late.flags
    )


def _times(estimate: Estimate, factor: float) -> Estimate:
    return Estimate(
        estimate.value * factor,
        estimate.stderr * factor,
        systematic=estimate.systematic * factor,
        flags=estimate.flags,
    )


def _cells(study: xr.Dataset, words: str) -> list[Number]:
    """Every curvature in units of 2/eta."""
    numbers = []
    for rate in study["learning_rate"].values:
        for m in study["batch_size"].values:
            units = {name: _times(_late(study, name, m, rate), rate / 2) for name in QUANTITIES}
            first = study["directional_sharpness"].sel(batch_size=m, learning_rate=rate, time=0)
            note = "; ".join(
                f"{QUANTITIES[name]} {value}" for name, value in list(units.items())[1:]
            )
            numbers.append(
                Number(
                    f"{words}, eta = {rate:g}, m = {m:g}: batch sharpness in units of 2/eta",
                    units["directional_sharpness"],
                    1.0,
                    f"{note}; at the start {float(first.mean()) * rate / 2:.2f}",
                    headline=words == "P = 128" and rate in HEADLINES,
                )
            )
    return numbers


def _known(study: xr.Dataset, name: str, m: float) -> tuple[list[float], list[Estimate]]:
    """Rates at which at least two replicas did not diverge, and the late curvatures there."""
    rates = [float(rate) for rate in study["learning_rate"].values]
    late = [_late(study, name, m, rate) for rate in rates]
    pairs = [(r, e) for r, e in zip(rates, late, strict=True) if np.isfinite(e.value)]
    return [rate for rate, _ in pairs], [estimate for _, estimate in pairs]


def _by_batch_size(study: xr.Dataset) -> list[Number]:
    """Means over eta; the systematic error is half of the range over eta."""
    numbers = []
    for name in ("directional_sharpness", "sharpness"):
        for m in study["batch_size"].values:
            rates, late = _known(study, name, m)
            units = [_times(e, rate / 2) for rate, e in zip(rates, late, strict=True)]
            values = np.array([e.value for e in units])
            if not len(values):
                estimate = Estimate(math.nan)
            else:
                stderr = float(np.sqrt(np.sum([e.stderr**2 for e in units]))) / len(units)
                drift = float(np.mean([e.systematic for e in units]))
                spread = math.hypot(float(np.ptp(values)) / 2, drift)
                estimate = Estimate(float(values.mean()), stderr, systematic=spread)
            numbers.append(
                Number(
                    f"m = {m:g}: {QUANTITIES[name]} in units of 2/eta, mean over eta",
                    estimate,
                    1.0,
                    "eta: "
                    + ", ".join(f"{rate:g} {e}" for rate, e in zip(rates, units, strict=True)),
                )
            )
    return numbers


def _powers(studies: tuple[xr.Dataset, ...]) -> list[Number]:
    """d ln(batch sharpness)/d ln eta: -1 at the edge, 0 where the data decide alone."""
    numbers = []
    for m in studies[0]["batch_size"].values:
        rates: list[float] = []
        late: list[Estimate] = []
        for study in studies:
            if m in study["batch_size"].values:
                more = _known(study, "directional_sharpness", m)
                rates, late = rates + more[0], late + more[1]
        for least in (0.0, HEADLINES[0]):
            kept = [k for k, rate in enumerate(rates) if rate >= least and late[k].value > 0]
            if len(kept) < 2:
                continue
            x = np.log([rates[k] for k in kept])
            y = np.log([late[k].value for k in kept])
            errors = [math.hypot(late[k].stderr, late[k].systematic) / late[k].value for k in kept]
            (slope, _), covariance = np.polyfit(x, y, 1, w=1 / np.array(errors), cov="unscaled")
            numbers.append(
                Number(
                    f"m = {m:g}, eta >= {least:g}: power of eta of the batch sharpness",
                    Estimate(float(slope), float(np.sqrt(covariance[0, 0]))),
                    -1.0,
                    f"{len(kept)} rates; 0 where the rate does not matter",
                )
            )
    return numbers


def _momentum(study: xr.Dataset) -> list[Number]:
    """Batch sharpness and largest eigenvalue in units of the lines of momentum."""
    numbers = []
    for rate in study["learning_rate"].values:
        lines = sharpness_lines(study.sel(learning_rate=[rate]))
        for m in study["batch_size"].values:
            late = _late(study, "directional_sharpness", m, rate)
            top = _late(study, "sharpness", m, rate)
            shares = ", ".join(f"{late.value / at:.2f} of {line}" for line, at in lines.items())
            numbers.append(
                Number(
                    f"momentum 0.5, eta = {rate:g}, m = {m:g}: batch sharpness in units of "
                    "2 (1 - beta)/eta",
                    _times(late, 1 / lines["2 (1 - beta)/eta"]),
                    note=f"{shares}; largest eigenvalue {top.value / lines['2 (1 + beta)/eta']:.2f}"
                    " of 2 (1 + beta)/eta",
                    headline=float(rate) in HEADLINES,
                )
            )
    return numbers


def _figure(data: Datasets) -> Figure:
    """Curvature in units of 2/eta along training, and late against the batch size."""
    study = data["descent"]
    rates = study["learning_rate"].values
    with journal_style():
        figure = figure_in_mm(DOUBLE_COLUMN_MM, 55.0)
        first, second, third = figure.subplots(1, 3)
        _draw_times(first, study, float(rates[len(rates) // 2]))
        for name, axes in (("directional_sharpness", second), ("sharpness", third)):
            for rate, colour in zip(rates, size_palette(list(rates)), strict=True):
                _draw_late(axes, study, name, float(rate), colour)
            axes.axhline(1.0, color="0.5", linewidth=0.8)
            axes.set(xscale="log", xlabel="mini-batch size $m$", ylim=(0, 1.4))
            axes.set_ylabel(rf"{QUANTITIES[name]} $\times\, \eta/2$")
        second.legend(loc="lower right", fontsize=6)
    return figure


def _draw_times(axes: Axes, study: xr.Dataset, rate: float) -> None:
    sizes = list(study["batch_size"].values)
    for m, colour in zip(sizes, size_palette(sizes), strict=True):
        curve = study["directional_sharpness"].sel(batch_size=m, learning_rate=rate)
        mean = curve.mean("replica").squeeze(drop=True) * rate / 2
        axes.plot(curve["time"].values, mean, color=colour, label=f"$m = {m:g}$")
    axes.axhline(1.0, color="0.5", linewidth=0.8)
    axes.set(xlabel="updates", ylim=(0, 1.6))
    axes.set_ylabel(rf"batch sharpness $\times\, \eta/2$, $\eta = {rate:g}$")
    axes.legend(loc="upper right", fontsize=6)


def _draw_late(axes: Axes, study: xr.Dataset, name: str, rate: float, colour: object) -> None:
    sizes = study["batch_size"].values
    late = [_times(_late(study, name, m, rate), rate / 2) for m in sizes]
    axes.errorbar(
        sizes,
        [e.value for e in late],
        [math.hypot(e.stderr, e.systematic) for e in late],
        color=colour,
        marker="o",
        markersize=2.5,
        label=rf"$\eta = {rate:g}$",
    )
