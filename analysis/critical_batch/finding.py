"""Critical batch and gradient noise of a linear student with a power-law spectrum."""

from __future__ import annotations

from functools import cache

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from analysis.common import Datasets, Finding, Number
from analysis.critical_batch.warm_up import SCHEDULES, fewest_steps
from physbatch.exact import critical_batch as exact
from physbatch.noise import CriticalBatch, critical_batch_size, gradient_scale
from physbatch.plots import DOUBLE_COLUMN_MM, figure_in_mm, journal_style, size_palette
from physbatch.scaling import Estimate

REDUCED = {
    "spectrum": {
        "size": [16],
        "batch_size": [2, 4, 8, 16],
        "learning_rate": [0.6, 1.2],
        "replicas": 4,
        "duration": 128,
        "times": {"kind": "list", "values": [0, 8, 16, 32, 64, 128]},
        "test_samples": 64,
    },
    "noise": {
        "size": [16],
        "batch_size": [16, 96],
        "learning_rate": [0.6],
        "replicas": 6,
        "duration": 2,
        "times": {"kind": "list", "values": [0, 2]},
        "test_samples": 64,
    },
}

DECAY, LABEL_NOISE = 1.5, 1.0
#: Parts of the error at the start: the run is doubled about twice from one to the next.
TARGETS = (0.7, 0.35, 0.18)
#: The one at which measured and exact critical batches are compared first.
MAIN = 0.18
#: Samples at which students of two sizes are compared.
SAMPLES = 100.0
#: Cells that the simulation is compared in: enough steps for the look of a step not to matter.
FEWEST = 4.0


def student(size: int, label_noise: float = LABEL_NOISE) -> exact.LinearLearning:
    """What the task learns, as theory has it."""
    return exact.LinearLearning(exact.power_spectrum(size, DECAY), label_noise=label_noise)


@cache
def critical(size: int, target: float) -> float:
    """The exact critical batch."""
    return student(size).critical_batch(target)


@cache
def serial(size: int, target: float) -> float:
    """The exact number of samples at small batches."""
    return student(size).serial_samples(target)


def measured(study: xr.Dataset, size: int, target: float) -> CriticalBatch:
    """Critical batch of one size; the error of the task is half the excess."""
    return critical_batch_size(study.sel(size=[size]), target=0.5 * target, resamples=200)


def _agreement(study: xr.Dataset, size: int, target: float) -> Number:
    """Steps over exact ones, learning rate by learning rate: nothing is chosen."""
    theory, ratios, errors = student(size), [], []
    for rate in study["learning_rate"].values.tolist():
        found = critical_batch_size(
            study.sel(size=[size], learning_rate=[rate]), target=0.5 * target, resamples=200
        )
        for m, steps, error in zip(found.batch_size, found.steps, found.stderr, strict=True):
            expected = theory.steps(rate, float(m), target)
            # Twice the fastest: nearer to the edge of stability rare replicas rule the mean.
            if expected < 2 * theory.fastest(float(m), target)[0] and steps > FEWEST:
                ratios.append(steps / expected)
                errors.append(error / expected)
    kept = np.isfinite(ratios) & np.isfinite(errors) & (np.array(errors) > 0)
    ratio, error = np.array(ratios)[kept], np.array(errors)[kept]
    name = f"N = {size}, target {target:g}: steps over exact ones, all cells"
    if not kept.sum() > 1:
        return Number(name, Estimate(float("nan")), 1.0, "too few cells")
    mean = float(np.average(ratio, weights=error**-2))
    chi2 = float(np.sum(((ratio - mean) / error) ** 2))
    wide = max(1.0, chi2 / (len(ratio) - 1)) ** 0.5
    note = f"{len(ratio)} cells, chi2/dof = {chi2:.1f}/{len(ratio) - 1}; the error is widened by it"
    total = wide * float(np.sum(error**-2)) ** -0.5
    return Number(name, Estimate(mean, total), 1.0, note, headline=target == MAIN)


def _critical(study: xr.Dataset, size: int, target: float) -> list[Number]:
    """Measured and exact critical batch, and what the noise scale says."""
    found, theory = measured(study, size, target), student(size)
    value, path = critical(size, target), _path_scale(theory, size, target)
    flags = (
        "" if np.isfinite(found.critical.value) else f"no number: {found.critical.flags[0].text}"
    )
    name = f"N = {size}, target {target:g}: critical batch (+20 %)"
    return [
        Number(name, found.critical, value, flags),
        Number(
            f"N = {size}, target {target:g}: B* over the mean of B_noise on the way, exact",
            Estimate(round(value / path, 3), 0.0),
            note=f"B* = {value:.3g}, B_noise = {path:.3g}; 0.2 if S = S_min (1 + B_noise/B)",
            headline=target in (TARGETS[0], TARGETS[-1]),
        ),
    ]


def _path_scale(theory: exact.LinearLearning, size: int, target: float) -> float:
    """Mean of B_noise over the way to the target, at a batch far above the critical one."""
    batch = 16 * critical(size, target)
    steps, rate = theory.fastest(batch, target)
    return float(theory.noise_scales(rate, batch, np.linspace(0, steps, 33).tolist()).mean())


def _at_samples(size: int, samples: float) -> float:
    """The exact critical batch of the target that takes so many samples."""
    ends = np.log([(serial(size, t), critical(size, t)) for t in TARGETS])
    return float(np.exp(np.interp(np.log(samples), ends[:, 0], ends[:, 1])))


def _growth_with_size(first: int, last: int) -> list[Number]:
    """How the exact critical batch grows with N, at the same samples and at the same target."""
    numbers = []
    same = {n: _at_samples(n, SAMPLES) for n in (first, last)}
    numbers.append(
        Number(
            f"{SAMPLES:g} samples: exponent of B* against N from {first} to {last}, exact",
            Estimate(round(float(np.log(same[last] / same[first]) / np.log(last / first)), 3), 0.0),
            note=f"B* = {same[first]:.3g} and {same[last]:.3g}, interpolated between targets",
            headline=True,
        )
    )
    for target in (0.35, MAIN):
        small, large = critical(first, target), critical(last, target)
        numbers.append(
            Number(
                f"target {target:g}: exponent of B* against N from {first} to {last}, exact",
                Estimate(round(float(np.log(large / small) / np.log(last / first)), 3), 0.0),
                note=f"B* = {small:.3g} and {large:.3g}; the error is the same part of the start",
            )
        )
    return numbers


def _growth(sizes: list[int]) -> list[Number]:
    """How the exact critical batch grows with samples and with N."""
    numbers = []
    for size in sizes:
        ends = [(serial(size, t), critical(size, t)) for t in TARGETS]
        (d0, b0), (d1, b1), (d2, b2) = ends
        early, late = np.log(b1 / b0) / np.log(d1 / d0), np.log(b2 / b1) / np.log(d2 / d1)
        numbers.append(
            Number(
                f"N = {size}: exponent of B* against samples, exact",
                Estimate(round(float(late), 3), 0.0),
                note=f"{d1:.0f} to {d2:.0f} samples; {early:.2f} from {d0:.1f} on",
                headline=size == sizes[-1],
            )
        )
    if len(sizes) > 1:
        numbers += _growth_with_size(sizes[0], sizes[-1])
    clean = student(sizes[-1], label_noise=0.0)
    ends = [(clean.serial_samples(t), clean.critical_batch(t)) for t in (0.35, 0.05)]
    slope = np.log(ends[1][1] / ends[0][1]) / np.log(ends[1][0] / ends[0][0])
    numbers.append(
        Number(
            f"N = {sizes[-1]}, no label noise: exponent of B* against samples, exact",
            Estimate(round(float(slope), 3), 0.0),
            note=f"B* = {ends[0][1]:.3g} and {ends[1][1]:.3g} at targets 0.35 and 0.05",
            headline=True,
        )
    )
    flat = [exact.LinearLearning((1.0,) * n).critical_batch(MAIN) for n in (7, 31)]
    numbers.append(
        Number(
            "isotropic inputs, no label noise: exponent of B* against N + 1, exact",
            Estimate(round(float(np.log(flat[1] / flat[0]) / np.log(4)), 3), 0.0),
            note=f"B* = {flat[0] / 8:.4g} (N + 1)",
        )
    )
    return numbers


def _noise(study: xr.Dataset) -> list[Number]:
    """Measured noise scales against exact ones along the runs."""
    numbers = []
    for size in study["size"].values.tolist():
        theory, scores, ratios, ends = student(size), [], [], []
        for rate in study["learning_rate"].values.tolist():
            found = gradient_scale(study.sel(size=[size], learning_rate=rate))
            for m, row, errors in zip(found.batch_size, found.scale, found.stderr, strict=True):
                expected = theory.noise_scales(rate, float(m), found.time.tolist())
                known = np.isfinite(row) & (errors > 0)
                scores.append((row - expected)[known] / errors[known])
                ratios.append(np.stack([row / expected, errors / expected])[:, known])
                if m == found.batch_size[-1] and known.any():
                    ends.append((row[known][0], row[known][-1]))
        z, (ratio, error) = np.concatenate(scores), np.concatenate(ratios, axis=1)
        chi2 = float(np.sum(z**2))
        wide = max(1.0, chi2 / len(z)) ** 0.5  # times of a run share their probes
        start, end = ends[-1]
        numbers.append(
            Number(
                f"N = {size}: measured B_noise over the exact one, all times and batches",
                Estimate(
                    float(np.average(ratio, weights=error**-2)),
                    wide * float(np.sum(error**-2) / len(study["time"])) ** -0.5,
                ),
                1.0,
                f"{len(z)} points, chi2 = {chi2:.1f}; from {start:.3g} at the start to {end:.3g}",
                headline=True,
            )
        )
    return numbers


def _warm_up(size: int, target: float) -> list[Number]:
    """Fewest steps with 1.2 times the serial samples, exact."""
    theory = student(size)
    samples = 1.2 * serial(size, target)
    fewest = {name: fewest_steps(theory, name, samples, target) for name in SCHEDULES}
    plain = fewest["one rate, one batch"][0]
    numbers = []
    for name, (steps, phases) in fewest.items():
        words = "; ".join(f"eta {eta:.2f}, B {m:.1f}, {t:.1f} steps" for eta, m, t in phases)
        numbers.append(
            Number(
                f"N = {size}, target {target:g}, {samples:.0f} samples: steps, {name}",
                Estimate(round(steps / plain, 3), 0.0),
                note=f"in units of {plain:.2f} steps; {words}",
                headline=target == MAIN and name != "one rate, one batch",
            )
        )
    return numbers


def find(data: Datasets) -> Finding:
    """Agreement with theory, B* against B_noise, growth, and schedules."""
    study, noise = data["spectrum"], data["noise"]
    sizes = study["size"].values.tolist()
    numbers = _noise(noise)
    for size in sizes:
        numbers += [_agreement(study, size, target) for target in (0.35, MAIN)]
        for target in TARGETS:
            numbers += _critical(study, size, target)
    numbers += _growth(sizes)
    numbers += _warm_up(16, MAIN)
    return Finding(
        tuple(numbers), {"samples": _samples_figure(study), "noise": _noise_figure(noise)}
    )


def _samples_figure(study: xr.Dataset) -> Figure:
    """B S over the serial limit against B, measured and exact."""
    sizes = study["size"].values.tolist()
    with journal_style():
        figure = figure_in_mm(DOUBLE_COLUMN_MM, 66.0)
        panels = np.atleast_1d(figure.subplots(1, len(sizes), sharey=True))
        targets = (0.5, MAIN)
        for size, axes in zip(sizes, panels, strict=True):
            theory = student(size)
            grid = np.geomspace(1, study["batch_size"].values[-1], 9)
            for target, colour in zip(targets, size_palette(range(len(targets))), strict=True):
                found, least = measured(study, size, target), serial(size, target)
                m = found.batch_size
                axes.errorbar(
                    m, m * found.steps / least, m * found.stderr / least,
                    color=colour, marker="o", linestyle="none", label=f"target {target:g}",
                )  # fmt: skip
                curve = [m * theory.fastest(float(m), target)[0] / least for m in grid]
                axes.plot(grid, curve, color=colour)
            axes.axhline(1.2, color="0.6", linewidth=0.6, zorder=1)
            axes.set(xscale="log", yscale="log", xlabel="batch size $B$")
            axes.set_title(f"$N = {size}$")
        panels[0].set_ylabel(r"samples $B S$ / serial limit")
        panels[0].legend()
    return figure


def _noise_figure(study: xr.Dataset) -> Figure:
    """B_noise along the runs, measured and exact."""
    sizes = study["size"].values.tolist()
    with journal_style():
        figure = figure_in_mm(DOUBLE_COLUMN_MM, 66.0)
        panels = np.atleast_1d(figure.subplots(1, len(sizes), sharey=True))
        rates = study["learning_rate"].values.tolist()
        for size, axes in zip(sizes, panels, strict=True):
            for rate, colour in zip(rates, size_palette(range(len(rates))), strict=True):
                found = gradient_scale(study.sel(size=[size], learning_rate=rate))
                m = float(found.batch_size[-1])
                axes.errorbar(
                    found.time + 1, found.scale[-1], found.stderr[-1],
                    color=colour, marker="o", linestyle="none",
                    label=rf"$\eta = {rate:g}$, $B = {m:g}$",
                )  # fmt: skip
                times = np.linspace(0, found.time[-1], 61)
                curve = student(size).noise_scales(rate, m, times.tolist())
                axes.plot(times + 1, curve, color=colour)
            axes.set(xscale="log", yscale="log", xlabel="steps + 1")
            axes.set_title(f"$N = {size}$")
        panels[0].set_ylabel(r"$B_\mathrm{noise} = \mathrm{tr}\,S/|G|^2$")
        panels[0].legend()
    return figure
