"""The batch size of the best generalisation against the learning rate and P: two systems."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from analysis.common import Datasets, Finding, Number
from physbatch.noise import OptimumBatch, batch_curves, noise_scale, optimum_batch, scale_collapse
from physbatch.plots import (
    DOUBLE_COLUMN_MM,
    figure_in_mm,
    journal_style,
    plot_optimum,
    size_palette,
)
from physbatch.scaling import Estimate

REDUCED = {
    "noisy": {
        "batch_size": [1, 2, 4, 8, 16, 32],
        "learning_rate": [5, 12],
        "pattern_count": [80, 160],
        "replicas": 4,
        "duration": 400,
        "test_samples": 100,
        "times": {"kind": "list", "values": [100, 400]},
    },
    "digits": {
        "batch_size": [1, 4, 16, 64],
        "learning_rate": [0.1, 0.4],
        "pattern_count": [100, 200],
        "replicas": 4,
        "duration": 100,
        "times": {"kind": "list", "values": [50, 100]},
        "test_samples": 100,
    },
}

#: Measures of generalisation on digits.
MEASURES = {"generalization_error": "test error", "test_loss": "test loss"}

#: Smallest optima that the law is fitted to: a window scan.
SMALLEST = (2.0, 3.0, 4.0)


def find(data: Datasets) -> Finding:
    """B_opt of every curve, its law and the collapse against g: noisy patterns, then digits."""
    study = data["noisy"]
    middle, end = (float(one) for one in study["time"].values[-2:])
    best = optimum_batch(study, resamples=400)
    numbers = [
        Number(
            f"B_opt at eps = {eps:g}, P = {count:g}, t = {end:g}",
            Estimate(float(m), float(stderr), systematic=float(systematic)),
            note=f"g = {noise_scale(eps, int(count), m):.3g}" if np.isfinite(m) else "no minimum",
        )
        for eps, count, m, stderr, systematic in zip(
            best.learning_rate,
            best.pattern_count,
            best.batch_size,
            best.stderr,
            best.systematic,
            strict=True,
        )
    ]
    statements = list(best.flags)
    for smallest in (0.0, *SMALLEST):
        numbers += _exponents(best, smallest, "", headline=smallest == 0)
    early = optimum_batch(study, time=middle, resamples=200)
    numbers += _exponents(early, 0.0, f", t = {middle:g}", headline=False)
    against_g = scale_collapse(study)
    against_m = scale_collapse(study, against="batch_size")
    numbers += [
        Number("collapse of all curves against g: S", Estimate(against_g.quality, 0.0)),
        Number("collapse of all curves against B: S", Estimate(against_m.quality, 0.0)),
    ]
    for count in study["pattern_count"].values:
        one = study.sel(pattern_count=[count])
        numbers.append(
            Number(
                f"collapse of the curves of P = {count:g} against g: S",
                Estimate(scale_collapse(one).quality, 0.0),
            )
        )
    figure = plot_optimum(batch_curves(study), best, against_g).figure
    for variable, measure in MEASURES.items():
        of_digits = data["digits"].assign(generalization_error=data["digits"][variable])
        more, statement = _digits(of_digits, measure)
        numbers += more
        statements.append(statement)
    numbers += _errors_where_learning_fails(data["digits"])
    figures = {"optimum": figure, "digits": _digits_figure(data["digits"])}
    return Finding(tuple(numbers), figures, tuple(statements))


def _exponents(best: OptimumBatch, smallest: float, when: str, *, headline: bool) -> list[Number]:
    """The law through all minima at a batch size of `smallest` or more."""
    if (best.batch_size >= smallest).sum() < 4:
        return []
    law = best.fit(smallest=smallest)
    which = f"B_opt >= {smallest:g}" if smallest else "all minima"
    note = f"B_opt = A eps^b P^a, chi2/dof = {law.chi2:.3g}/{law.dof}"
    return [
        Number(f"exponent of eps, {which}{when}", law["b"], 1.0, note, headline),
        Number(f"exponent of P, {which}{when}", law["a"], 1.0, note, headline),
    ]


def _digits(study: xr.Dataset, measure: str) -> tuple[list[Number], str]:
    """Minima if there are any, what the largest batch costs, and the collapse against g."""
    best, curves = optimum_batch(study, resamples=400), batch_curves(study)
    numbers = []
    for place, name in enumerate(curves.names):
        estimate = Estimate(
            float(best.batch_size[place]),
            float(best.stderr[place]),
            systematic=float(best.systematic[place]),
            flags=tuple(flag for flag in best.flags if flag.endswith(name)),
        )
        numbers.append(Number(f"digits, {measure}: B_opt at {name}", estimate))
    known = int(np.isfinite(best.batch_size).sum())
    if known >= 4:
        law = best.fit()
        note = f"B_opt = A eps^b P^a, chi2/dof = {law.chi2:.3g}/{law.dof}"
        numbers += [
            Number(f"digits, {measure}: exponent of {of}", law[name], 1.0, note, headline=True)
            for name, of in (("b", "eps"), ("a", "P"))
        ]
    numbers.append(_cost_of_the_largest(study, measure))
    against_g, against_m = scale_collapse(study), scale_collapse(study, against="batch_size")
    numbers += [
        Number(
            f"digits, {measure}: collapse of all curves against {of}: S",
            Estimate(collapse.quality, 0.0),
        )
        for of, collapse in (("g", against_g), ("B", against_m))
    ]
    for count in study["pattern_count"].values:
        quality = scale_collapse(study.sel(pattern_count=[count])).quality
        name = f"digits, {measure}: collapse of the curves of P = {count:g} against g: S"
        numbers.append(Number(name, Estimate(quality, 0.0)))
    law_words = "a law is fitted" if known >= 4 else "too few for a law"
    words = f"digits, {measure}: {known} of {len(curves.names)} curves have a minimum, {law_words}"
    return numbers, words


def _cost_of_the_largest(study: xr.Dataset, measure: str) -> Number:
    """The error at the largest batch over that at batches 2 to 8 times as small, over all curves.

    Above 1 where large batches generalise worse. The window is fixed beforehand: dividing by the
    lowest point of a curve would give a ratio above 1 by chance.
    """
    errors = study["generalization_error"].isel(size=0, time=-1)
    m = study["batch_size"].values
    at_largest = errors.sel(batch_size=m.max())
    middle = errors.sel(batch_size=m[(m >= m.max() / 8) & (m < m.max())])
    count = errors.sizes["replica"]
    ratio = at_largest.mean("replica") / middle.mean(("replica", "batch_size"))
    variance = (at_largest.std("replica", ddof=1) / at_largest.mean("replica")) ** 2 / count
    scatter = middle.var("replica", ddof=1).mean("batch_size") / middle.sizes["batch_size"]
    variance = variance + scatter / middle.mean(("replica", "batch_size")) ** 2 / count
    weight = 1 / (ratio**2 * variance)
    mean = float((weight * ratio).sum() / weight.sum())
    chi2 = float((weight * (ratio - mean) ** 2).sum())
    low, high = middle["batch_size"].values[[0, -1]]
    return Number(
        f"digits, {measure} at B = {m.max():g} over that at B = {low:g} ... {high:g}, all curves",
        Estimate(mean, float(weight.sum()) ** -0.5),
        note=f"1 if the batch size does not matter; chi2/dof = {chi2:.3g}/{ratio.size - 1}",
        headline=True,
    )


def _errors_where_learning_fails(study: xr.Dataset) -> list[Number]:
    """Test errors at B = 10 eps, where small batches begin to fail, at every eps and P."""
    errors = study["generalization_error"].isel(size=0, time=-1)
    return [
        Number(
            f"digits, test error at B = 10 eps = {10 * eps:g}, P = {count:g}",
            Estimate(
                float(values.mean()), float(values.std(ddof=1)) / values.sizes["replica"] ** 0.5
            ),
            note=f"g = {noise_scale(eps, int(count), 10 * eps):.3g}",
        )
        for count in study["pattern_count"].values
        for eps in study["learning_rate"].values
        for values in [errors.sel(pattern_count=count, learning_rate=eps).sel(batch_size=10 * eps)]
    ]


def _digits_figure(study: xr.Dataset) -> Figure:
    """Test error against m at every P, and all curves against the noise scale."""
    counts, rates = study["pattern_count"].values, study["learning_rate"].values
    colours = dict(zip(rates, size_palette(list(rates)), strict=True))
    collapse = scale_collapse(study)
    with journal_style():
        figure = figure_in_mm(DOUBLE_COLUMN_MM, 52.0)
        *panels, right = figure.subplots(1, len(counts) + 1)
        for count, axes, line in zip(counts, panels, ("--", "-"), strict=True):
            curves = batch_curves(study.sel(pattern_count=[count]))
            for number, rate in enumerate(curves.learning_rate, start=1):
                rows = curves.table.size == number
                axes.errorbar(
                    np.exp(curves.table.control[rows]),
                    curves.table.values["error"][rows],
                    curves.table.errors["error"][rows],
                    color=colours[rate],
                    marker="o",
                    markersize=2.5,
                    label=rf"$\epsilon = {rate:g}$",
                )
                rows = (collapse.learning_rate == rate) & (collapse.pattern_count == count)
                right.plot(
                    collapse.x[rows],
                    collapse.value[rows],
                    line,
                    color=colours[rate],
                    label=f"$P = {count:g}$" if rate == rates[-1] else None,
                )
            axes.set(xscale="log", yscale="log", xlabel="mini-batch size $m$")
            axes.set_ylabel(f"test error, $P = {count:g}$")
        panels[0].legend(loc="upper right", fontsize=6)
        right.set(xscale="log", yscale="log", xlabel=r"noise scale $g = \epsilon(P/B - 1)$")
        right.set_ylabel("test error / lowest test error")
        right.legend(loc="upper left", fontsize=6)
    return figure
