"""Noise, first step or gradient flow: what decides where a hinge perceptron ends."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.common import Datasets, Finding, Number
from analysis.words import fit_words
from physbatch.noise import Crossover, crossover_batch, final_norm, temperature_collapse
from physbatch.plots import DOUBLE_COLUMN_MM, figure_in_mm, journal_style, size_palette
from physbatch.scaling import Estimate, fit_law

COUNTS = {0: (512, 1024, 2048, 4096, 8192), 1: (512, 1024, 2048, 4096, 8192, 16384)}
_SMALL: dict[str, Any] = {"size": [16], "replicas": 3, "duration": 60_000}
REDUCED = {
    **{
        f"chi{chi}-p{count:05d}": {**_SMALL, "batch_size": [16, 64, 256, count]}
        for chi, counts in COUNTS.items()
        for count in counts
    },
    **{
        f"plane{chi}": {
            "batch_size": [8, 16],
            "learning_rate": [512, 1024],
            "replicas": 2,
            "duration": 500_000,
        }
        for chi in COUNTS
    },
    "margin": {**_SMALL, "batch_size": [16, 64, 256, 1024]},
    **{f"narrow{chi}": {**_SMALL, "pattern_count": [32, 64, 128]} for chi in COUNTS},
}
#: Temperatures of the plane from which on the noise decides, far above those of gradient descent.
HOT = 8.0
#: Batches well below B* of the plane's P = 1024.
SMALL_BATCH = {0: 64.0, 1: 16.0}


Numbers = np.ndarray[Any, np.dtype[np.float64]]


class Branches(NamedTuple):
    """The crossover at every P of one exponent chi."""

    counts: Numbers
    fits: tuple[Crossover, ...]


def find(data: Datasets) -> Finding:
    """Exponents of B* and of the final norm in P, and agreement at equal temperatures."""
    numbers: list[Number] = []
    branches = {}
    for chi, counts in COUNTS.items():
        studies = [data[f"chi{chi}-p{count:05d}"] for count in counts]
        fits = tuple(crossover_batch(study) for study in studies)
        branches[chi] = Branches(np.array(counts, dtype=float), fits)
        numbers += _exponents(chi, branches[chi])
        numbers += _at_every_count(chi, branches[chi])
        numbers.append(_fewer_inputs(chi, data[f"narrow{chi}"]))
    numbers.append(_cooler(data["margin"]))
    for chi in COUNTS:
        numbers += _collapses(chi, data[f"plane{chi}"])
    return Finding(tuple(numbers), {"regimes": _figure(data, branches)})


def _estimates(branches: Branches, name: str) -> list[Estimate]:
    if name == "C":
        return [_first_step(fit) for fit in branches.fits]
    return [getattr(fit, {"A": "amplitude", "B*": "batch_size"}[name]) for fit in branches.fits]


def _first_step(fit: Crossover) -> Estimate:
    """C = A/B*; the errors of A and B* are taken as independent."""
    a, b = fit.amplitude, fit.batch_size
    return Estimate(
        a.value / b.value, a.value / b.value * np.hypot(a.stderr / a.value, b.stderr / b.value)
    )


def _exponents(chi: int, branches: Branches) -> list[Number]:
    """Powers of P, corrections to them admitted."""
    numbers = []
    for name, words, exact in (
        ("B*", "B* ~ P^b", 1 / (1 + chi)),
        ("A", "norm ~ T P^b, small batches", 1 / (1 + chi)),
        ("C", "norm ~ eta P^b, large batches", 0.0),
    ):
        estimates = _estimates(branches, name)
        value = np.array([estimate.value for estimate in estimates])
        stderr = np.array([estimate.stderr for estimate in estimates])
        exponent, note = _power(branches.counts, value, stderr)
        title = f"chi = {chi}: exponent of {words}"
        numbers.append(Number(title, exponent, exact, note, headline=name != "C"))
    return numbers


def _power(counts: Numbers, value: Numbers, stderr: Numbers) -> tuple[Estimate, str]:
    """The exponent with corrections to scaling, and that of a power alone from several P on."""
    fit = fit_law(counts, value, stderr)
    known = np.isfinite(value) & (stderr > 0)
    x, y, error = np.log(counts[known]), np.log(value[known]), (stderr / value)[known]
    alone = []
    for first in range(len(x) - 2):
        (slope, _), covariance = np.polyfit(
            x[first:], y[first:], 1, w=1 / error[first:], cov="unscaled"
        )
        exponent = Estimate(float(slope), float(np.sqrt(covariance[0, 0])))
        alone.append(f"{exponent} from P = {counts[known][first]:g}")
    return fit["b"], f"{fit_words(fit)}; power alone: " + ", ".join(alone)


def _cooler(study: xr.Dataset) -> Number:
    """The crossover at a rate whose first step is no longer than the margin asks for."""
    fit = crossover_batch(study)
    rate, count = float(study["learning_rate"].values[0]), 8192
    return Number(
        f"chi = 0, P = {count}, eta = {rate:g}: B*",
        fit.batch_size,
        note=f"A = {fit.amplitude}, A/B* = {_first_step(fit)}, s = {fit.sharpness}",
    )


def _fewer_inputs(chi: int, study: xr.Dataset) -> Number:
    """The power of the final norm where there are four times as many patterns per input."""
    norms = final_norm(study).squeeze(("size", "learning_rate", "batch_size"), drop=True)
    norms = norms.transpose("pattern_count", "replica").dropna("pattern_count", thresh=2)
    logs = np.log(norms.values)
    counts = norms["pattern_count"].values.astype(float)
    scatter = np.sqrt(np.nanmean(np.nanvar(logs, axis=1, ddof=1)))
    means = np.exp(np.nanmean(logs, axis=1))
    stderr = means * scatter / np.sqrt(np.isfinite(logs).sum(axis=1))
    exponent, note = _power(counts, means, stderr)
    title = f"chi = {chi}: exponent of norm ~ T P^b at a quarter of the inputs"
    return Number(title, exponent, 1 / (1 + chi), note, headline=True)


def _at_every_count(chi: int, branches: Branches) -> list[Number]:
    return [
        Number(
            f"chi = {chi}, P = {count:g}: B*",
            fit.batch_size,
            note=f"A = {fit.amplitude}, A/B* = {_first_step(fit)}, s = {fit.sharpness}, "
            f"chi2/dof = {fit.chi2:.3g}/{fit.dof}",
        )
        for count, fit in zip(branches.counts, branches.fits, strict=True)
    ]


def _collapses(chi: int, plane: xr.Dataset) -> list[Number]:
    """Distances between batch sizes at equal T, for small batches and for all."""
    quantities = {"the norm": _norms(plane), "test error": _errors(plane)}
    numbers = []
    for words, values in quantities.items():
        for most in (SMALL_BATCH[chi], 1024.0):
            agreement = temperature_collapse(values, largest_batch=most, smallest_temperature=HOT)
            numbers.append(
                Number(
                    f"chi = {chi}, T >= {HOT:g}, m <= {most:g}: "
                    f"chi2/dof of {words} at equal T, all m alike",
                    Estimate(agreement.chi2 / agreement.dof, (2 / agreement.dof) ** 0.5),
                    1.0 if most < 1024 else None,
                    f"{agreement.dof} degrees; the farthest differ by a factor of "
                    f"{np.exp(agreement.largest):.3g}",
                    headline=most < 1024,
                )
            )
    return numbers


def _norms(plane: xr.Dataset) -> xr.DataArray:
    return final_norm(plane).squeeze("size", drop=True)


def _errors(plane: xr.Dataset) -> xr.DataArray:
    """Test errors at the end of the replicas that reached zero loss."""
    errors = plane["generalization_error"].isel(time=-1, drop=True).squeeze("size", drop=True)
    return errors.where(np.isfinite(_norms(plane)))


def _figure(data: Datasets, branches: dict[int, Branches]) -> Figure:
    """Final norms at the largest rate, scaled, and the plane against the temperature."""
    with journal_style():
        figure = figure_in_mm(DOUBLE_COLUMN_MM, 92.0)
        panels = figure.subplots(2, 3)
        for chi, row in zip(COUNTS, panels, strict=True):
            _draw_branches(row[0], data, chi, branches[chi])
            plane = data[f"plane{chi}"]
            _draw_plane(row[1], _norms(plane), "final norm $|w|$")
            _draw_plane(row[2], _errors(plane), "test error")
        panels[0, 1].legend(loc="upper left", fontsize=5)
    return figure


def _draw_branches(axes: Axes, data: Datasets, chi: int, branches: Branches) -> None:
    power = 1 / (1 + chi)
    for count, colour in zip(COUNTS[chi], size_palette(list(COUNTS[chi])), strict=True):
        study = data[f"chi{chi}-p{count:05d}"]
        norms = final_norm(study).squeeze(("size", "learning_rate"), drop=True)
        m, rate = norms["batch_size"].values, float(study["learning_rate"].values[0])
        y = np.exp(np.log(norms).mean("replica").values) * m / rate / count**power
        axes.plot(m / count**power, y, "o-", color=colour, markersize=2.5, label=f"$P = {count}$")
    scale = "P" if chi == 0 else rf"P^{{1/{1 + chi}}}"
    axes.set(xscale="log", yscale="log", xlabel=f"$m/{scale}$")
    axes.set_ylabel(rf"$|w| m/(\eta {scale})$, $\chi = {chi}$")
    axes.legend(loc="upper left", fontsize=5)


def _draw_plane(axes: Axes, values: xr.DataArray, label: str) -> None:
    means = np.exp(np.log(values).mean("replica"))
    sizes = list(values["batch_size"].values)
    for m, colour in zip(sizes, size_palette(sizes), strict=True):
        curve = means.sel(batch_size=m)
        axes.plot(
            curve["learning_rate"].values / m,
            curve.values,
            "o-",
            color=colour,
            markersize=2.5,
            label=f"$m = {m:g}$",
        )
    axes.set(xscale="log", yscale="log", xlabel=r"temperature $T = \eta/m$", ylabel=label)
