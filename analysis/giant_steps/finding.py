"""The batch that minimises the time of a unit with a Hermite link, and its growth with N."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from analysis.common import Datasets, Finding, Number
from physbatch.noise import CriticalBatch, critical_batch_size
from physbatch.plots import (
    DOUBLE_COLUMN_MM,
    figure_in_mm,
    journal_style,
    size_legend,
    size_palette,
    size_styles,
)
from physbatch.scaling import Estimate, ScalingFit, fit_law, law

_SMALL = {"size": [50, 100], "replicas": 6}


def _reduced(power: float, lowest: int, degree: int) -> dict[str, object]:
    table = {
        str(n): [max(1, round(n**power * 2.0**j)) for j in range(lowest, lowest + 6)]
        for n in (50, 100)
    }
    rates = {"learning_rate": [2.0**j / degree for j in range(-5, 0)]}
    return {**_SMALL, "batch_size": table, "options": rates}


REDUCED = {
    "square1": _reduced(1.0, -3, 1),
    "early1": {**_reduced(1.0, -3, 1), "size": [50, 100]},
    "square2": _reduced(1.0, -2, 2),
    "square3": _reduced(1.5, -3, 3),
    "correlation3": _reduced(1.5, -3, 3),
}
#: Largest learning rates, in units of 1/k, of the squared loss: a scan.
CAPS = (1 / 8, 1 / 4, 1 / 2)
#: What the source says, and what the balance of pull and noise says where both matter.
SOURCE = {1: 0.5, 2: 1.0, 3: 1.5}
PREDICTED = {1: 1.0, 2: 1.0, 3: 1.5}
#: Exponent of the samples at small batches: N, N ln(N^(1/2)/2) from N = 50 to 400, N^2.
SAMPLES = {1: 1.0, 2: 1.29, 3: 2.0}
_RESAMPLES = 100


def results(study: xr.Dataset, degree: int, cap: float) -> dict[int, CriticalBatch]:
    """Steps against the batch size for every size, with learning rates up to cap/k."""
    rates = study["learning_rate"].values
    chosen = study.sel(learning_rate=rates[rates * degree <= cap * 1.001])
    return {
        int(n): critical_batch_size(chosen.sel(size=[n]), resamples=_RESAMPLES)
        for n in study["size"].values
    }


def knee(found: CriticalBatch) -> tuple[Estimate, Estimate]:
    """The batch where the two ends meet, C/S with C = B S at small and S at large batches; and C.

    C is the geometric mean over the three smallest batches, S that of the largest batch.
    """
    rows = np.flatnonzero(np.isfinite(found.steps))
    if len(rows) < 4:
        nothing = Estimate(float("nan"))
        return nothing, nothing
    # Where every replica takes the same number of steps its half is the resolution.
    errors = np.maximum(np.nan_to_num(found.stderr), 0.29) / found.steps
    first, last = rows[:3], rows[-1]
    cost = float(np.exp(np.mean(np.log(found.batch_size[first] * found.steps[first]))))
    error = float(np.sqrt(np.sum(errors[first] ** 2))) / 3
    value = cost / float(found.steps[last])
    total = value * float(np.hypot(error, errors[last]))
    return Estimate(value, total), Estimate(cost, cost * error)


def exponent(values: dict[int, Estimate], smallest: int = 0) -> ScalingFit:
    """Fit of A N^b from a smallest size on."""
    kept = {n: e for n, e in values.items() if n >= smallest and np.isfinite(e.value)}
    # Rates by factors of 2 or 2^(1/2) do not tell less than 5 %.
    errors = [max(e.total, 0.05 * e.value) for e in kept.values()]
    size, value = list(kept), [e.value for e in kept.values()]
    return fit_law(size, value, errors, [law("power")], quantity="B", scan=False)


def _growth(study: xr.Dataset, degree: int) -> tuple[list[Number], Estimate]:
    """Where larger batches stop to help at every cap, and the exponent with its scan."""
    numbers, scan = [], []
    for cap in CAPS:
        knees = {n: knee(r)[0] for n, r in results(study, degree, cap).items()}
        name = f"He_{degree}, squared loss, eta <= 1/{degree / cap:g}"
        for n, batch in knees.items():
            numbers.append(Number(f"{name}: batch where larger ones stop to help, N = {n}", batch))
        second = sorted(knees)[1]
        fit, later = exponent(knees), exponent(knees, second)
        numbers.append(Number(f"{name}: its exponent", fit["b"], note=_goodness(fit)))
        numbers.append(Number(f"{name}: its exponent from N = {second}", later["b"]))
        scan += [fit["b"], later["b"]]
    middle = scan[2]
    known = [e.value for e in scan if np.isfinite(e.value)]
    spread = (max(known) - min(known)) / 2 if known else 0.0
    return numbers, Estimate(middle.value, middle.stderr, spread, flags=middle.flags)


def _goodness(fit: ScalingFit) -> str:
    return f"chi2/dof = {fit.chi2:.2g}/{fit.dof}"


def _headline(degree: int, best: Estimate) -> Number:
    source = SOURCE[degree]
    away = abs(best.value - source) / best.total
    return Number(
        f"He_{degree}: exponent of the batch that minimises the time, squared loss",
        best,
        PREDICTED[degree],
        f"the source has {source:g} ({away:.1f} sigma away); middle cap eta <= 1/(4 k), "
        "systematic: caps 1/8 to 1/2 and the smallest size",
        headline=True,
    )


def _samples(study: xr.Dataset, degree: int) -> Number:
    """Growth of the samples at small batches."""
    cost = {n: knee(found)[1] for n, found in results(study, degree, CAPS[1]).items()}
    fit = exponent(cost)
    words = f"He_{degree}: exponent of the samples B S at small batches"
    law_words = {1: "N", 2: "N ln(N^(1/2)/2)", 3: "N^2"}[degree]
    return Number(words, fit["b"], SAMPLES[degree], f"theory: {law_words}; {_goodness(fit)}")


def _last_steps(study: xr.Dataset, degree: int, cap: float, n: int) -> tuple[float, Estimate]:
    found = results(study.sel(size=[n]), degree, cap)[n]
    row = int(np.flatnonzero(np.isfinite(found.steps))[-1])
    error = max(float(np.nan_to_num(found.stderr[row])), 0.29)
    return float(found.batch_size[row]), Estimate(float(found.steps[row]), error)


def _ratio(top: Estimate, bottom: Estimate) -> Estimate:
    value = top.value / bottom.value
    return Estimate(
        value, value * float(np.hypot(top.stderr / top.value, bottom.stderr / bottom.value))
    )


def _lifted(data: Datasets) -> list[Number]:
    """What lifts the limit: steps at the largest batch against those of small rates."""
    square = data["square3"]
    numbers = []
    for n in square["size"].values.tolist():
        m, base = _last_steps(square, 3, 1 / 2, n)
        for study, cap, words in (
            (data["correlation3"], np.inf, "correlation loss"),
            (square, 1.0, "squared loss, eta up to 1/3"),
        ):
            _, steps = _last_steps(study, 3, cap, n)
            numbers.append(
                Number(
                    f"He_3, N = {n}, B = {m:g}: steps over those at eta <= 1/6, {words}",
                    _ratio(steps, base),
                    note=f"{steps} steps against {base}",
                    headline=n == square["size"].values[-1],
                )
            )
    return numbers


def _cheaper(data: Datasets) -> list[Number]:
    """Samples of the squared loss over those of the correlation loss, at the same small batch."""
    square, correlation = data["square3"], data["correlation3"]
    numbers = []
    for n in square["size"].values.tolist():
        ends = []
        for study, cap in ((square, CAPS[-1]), (correlation, np.inf)):
            found = results(study.sel(size=[n]), 3, cap)[n]
            error = max(float(np.nan_to_num(found.stderr[0])), 0.29)
            ends.append(Estimate(float(found.steps[0]), error))
        numbers.append(
            Number(
                f"He_3, N = {n}: samples of the squared loss over those of the correlation loss",
                _ratio(*ends),
                note=f"at B = {found.batch_size[0]:g}, {ends[0]} and {ends[1]} steps",
                headline=n == square["size"].values[-1],
            )
        )
    return numbers


def _gains(data: Datasets) -> list[Number]:
    """What the fourfold batch saves at the largest batches of He_3, at one size."""
    square = data["square3"]
    n = int(square["size"].values[-2])
    numbers = []
    for study, cap, words in _curves(data):
        found = results(study.sel(size=[n]), 3, cap)[n]
        rows = np.flatnonzero(np.isfinite(found.steps))
        top, before = (
            Estimate(float(found.steps[row]), max(float(np.nan_to_num(found.stderr[row])), 0.29))
            for row in (rows[-1], rows[max(len(rows) - 3, 0)])
        )
        numbers.append(
            Number(
                f"He_3, N = {n}: steps at the largest batch over a quarter of it, {plain(words)}",
                _ratio(top, before),
                note=f"{top} and {before} steps; 1 if larger batches do not help, 1/4 if fully",
            )
        )
    return numbers


def plain(label: str) -> str:
    """A label of the legend without its mathematics."""
    return label.replace("$", "").replace(r"\eta \leq", "eta <=")


def _curves(data: Datasets) -> tuple[tuple[xr.Dataset, float, str], ...]:
    """Data, largest learning rate and words of what is compared for He_3."""
    square = data["square3"]
    return (
        (square, CAPS[1], r"squared, $\eta \leq 1/12$"),
        (square, CAPS[2], r"squared, $\eta \leq 1/6$"),
        (square, 1.0, r"squared, $\eta \leq 1/3$"),
        (data["correlation3"], np.inf, "correlation"),
    )


def find(data: Datasets) -> Finding:
    """Exponents for three links, samples, and what lifts the limit."""
    numbers: list[Number] = []
    for degree in (1, 2, 3):
        study = data[f"square{degree}"]
        more, best = _growth(study, degree)
        numbers += [_headline(degree, best), _samples(study, degree), *more]
    early = {n: knee(r)[0] for n, r in results(data["early1"], 1, CAPS[0]).items()}
    numbers.append(
        Number(
            "He_1: the same exponent for the time to m = 1/4, N = 100 to 800",
            exponent(early)["b"],
            PREDICTED[1],
            "whether the place where learning counts as done makes it 1 and not 1/2",
            headline=True,
        )
    )
    numbers += _lifted(data)
    numbers += _gains(data)
    numbers += _cheaper(data)
    return Finding(tuple(numbers), {"time": _time_figure(data), "losses": _losses_figure(data)})


def _time_figure(data: Datasets) -> Figure:
    """Steps against the scaled batch size for the three links."""
    with journal_style():
        figure = figure_in_mm(DOUBLE_COLUMN_MM, 66.0)
        panels = figure.subplots(1, 3)
        for degree, axes in zip((1, 2, 3), panels, strict=True):
            study = data[f"square{degree}"]
            styles = size_styles(study["size"].values)
            for n, found in results(study, degree, CAPS[1]).items():
                x = found.batch_size / n ** PREDICTED[degree]
                label = styles[float(n)]["label"]
                colour, marker = styles[float(n)]["color"], styles[float(n)]["marker"]
                axes.errorbar(
                    x, found.steps, found.stderr, color=colour, marker=marker, label=label
                )
            power = "N" if PREDICTED[degree] == 1 else "N^{3/2}"
            axes.set(xscale="log", yscale="log", xlabel=f"$B/{power}$")
            axes.set_title(rf"$\mathrm{{He}}_{degree}$, $\eta \leq 1/{4 * degree}$")
        panels[0].set_ylabel("steps to $m = 1/2$")
        size_legend(panels[0], size_styles(study["size"].values))
    return figure


def _losses_figure(data: Datasets) -> Figure:
    """Steps against the batch size of He_3 at one size: losses, rates and gradients."""
    square = data["square3"]
    n = int(square["size"].values[-2])
    curves = _curves(data)
    with journal_style():
        figure = figure_in_mm(DOUBLE_COLUMN_MM, 74.0)
        axes = figure.subplots(1, 1)
        colours = size_palette(range(len(curves)))
        for (study, cap, label), colour in zip(curves, colours, strict=True):
            found = results(study.sel(size=[n]), 3, cap)[n]
            axes.errorbar(
                found.batch_size, found.steps, found.stderr, color=colour, marker="o", label=label
            )
        axes.set(xscale="log", yscale="log", xlabel="batch size $B$")
        axes.set_ylabel("steps to $m = 1/2$")
        axes.set_title(rf"$\mathrm{{He}}_3$, $N = {n}$")
        axes.legend()
    return figure
