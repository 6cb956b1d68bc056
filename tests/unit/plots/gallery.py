"""Every figure, drawn from small results with exact or planted answers, and its baseline.

``python -m tests.unit.plots.gallery`` draws the baselines again; look at each of them before
they are committed.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.figure import Figure
from PIL import Image

from physbatch import plots
from physbatch.exact import curie_weiss, phases
from physbatch.exact.batch_noise import stable_range_data
from physbatch.exact.planted import first_order
from physbatch.noise.stability import StableRange, stable_range
from physbatch.plots import Drawn
from physbatch.plots.style import journal_style
from physbatch.scaling import (
    Analysis,
    Coexistence,
    Collapse,
    Crossings,
    DynamicScaling,
    ScalingTable,
    TransitionOrder,
    analyse,
    collapse,
    find_coexistence,
    find_crossings,
    fit_dynamics,
    make_table,
    read_times,
    transition_order,
)
from physbatch.scaling.curves.peaks import Peaks, find_peaks
from physbatch.scaling.laws.fits import ScalingFit, fit_law
from physbatch.scaling.statistics.observables import sample_moments
from physbatch.scaling.times.dilute import LinearStability
from physbatch.scaling.times.exponential import EscapeTime, fit_escape_time
from physbatch.scaling.times.growth import growth_threshold
from physbatch.scaling.times.passages import Survival, survival_curve
from tests.unit.plots.noise_gallery import NOISE_KINDS, Kind

FOLDER = Path(__file__).with_name("baseline")
_DPI = 72
_SQUARE = 20  # pixels, 7 mm


@cache
def dataset() -> xr.Dataset:
    return first_order(seed=1)


@cache
def analysis() -> Analysis:
    return analyse(dataset(), resamples=100)


@cache
def scaled_table() -> ScalingTable:
    """U = tanh(x) and chi = L^1.75 / (1 + (x - 1/2)^2) with x = L (T - 1), 1 % noise."""
    rng = np.random.default_rng(3)
    size, control = np.repeat([8.0, 16.0, 32.0, 64.0], 21), np.tile(np.linspace(0.8, 1.2, 21), 4)
    x = size * (control - 1.0)
    values = {"U": np.tanh(x), "chi": size**1.75 / (1.0 + (x - 0.5) ** 2)}
    errors = {"U": np.full(x.size, 0.01), "chi": 0.01 * size**1.75}
    noisy = {name: y + errors[name] * rng.normal(size=x.size) for name, y in values.items()}
    return make_table(size, control, noisy, errors, control_name="T")


@cache
def fitted(*observables: str) -> Collapse:
    table = scaled_table().only(*observables)
    if len(observables) > 1:
        return collapse(table, window="all")
    return collapse(table, fixed={"zeta": 0.0})


@cache
def sampled() -> Collapse:
    return collapse(scaled_table().only("chi"), window="all", method="local-linear")


def _cell() -> xr.Dataset:
    return dataset().sel(size=100, batch_size=13.0)


@cache
def passages() -> tuple[Survival, EscapeTime]:
    ends = (_cell()["first_passage_lower"].values, _cell()["first_passage"].values)
    return survival_curve(*ends), fit_escape_time(*ends)


@cache
def magnetization() -> ScalingTable:
    samples = curie_weiss.sample_table((32, 64, 128, 256), np.linspace(0.9, 1.2, 13), 400, seed=3)
    names = ("mean_abs", "susceptibility_abs", "binder")
    return sample_moments(samples, "magnetization", moments=names)


@cache
def peaks() -> tuple[ScalingTable, Peaks, ScalingFit, ScalingFit]:
    """Peaks of 3 L^1.75 / (1 + (x - 1/2)^2), at T = 1 + 1/(2 L), with 1 % noise."""
    size = np.repeat([8.0, 16.0, 32.0, 64.0, 128.0], 17)
    x = np.tile(np.linspace(-2.0, 3.0, 17), 5)
    height = 3.0 * size**1.75 / (1.0 + (x - 0.5) ** 2)
    noise = np.random.default_rng(6).normal(size=size.size)
    values, errors = {"chi": height * (1.0 + 0.01 * noise)}, {"chi": 0.01 * height}
    table = make_table(size, 1.0 + x / size, values, errors, control_name="T")
    peaks_of_chi = find_peaks(table, "chi", resamples=100)
    return table, peaks_of_chi, peaks_of_chi.fit_heights(), peaks_of_chi.fit_positions()


def _peaks_part(part: int) -> Any:
    return peaks()[part]


@cache
def crossings() -> Crossings:
    table = curie_weiss.table((32, 64, 128, 256), np.linspace(0.9, 1.2, 16), seed=2)
    return find_crossings(table, resamples=100)


@cache
def coexistence() -> Coexistence:
    """Two normal phases at beta = 1, the valley deeper with N."""
    generator, columns = np.random.default_rng(3), []
    for volume in (64.0, 100.0, 144.0):
        low = generator.random(6000) < 0.5
        energy = volume * np.where(low, -0.62, -0.38)
        energy += np.sqrt(0.16 * volume) * generator.standard_normal(6000)
        columns.append(np.stack([*np.full((2, 6000), [[volume], [1.0]]), energy]))
    size, beta, energy = np.concatenate(columns, axis=1)
    return find_coexistence({"N": size, "beta": beta, "E": energy}, resamples=50)


@cache
def dynamics() -> DynamicScaling:
    """rho = t^-0.5 [1.5 + tanh(x)], x = (c - 1) t^0.5, with 1 % noise."""
    grid = np.meshgrid(np.geomspace(4.0, 200.0, 7), np.linspace(0.7, 1.3, 9))
    time, control = (axis.ravel() for axis in grid)
    rho = time**-0.5 * (1.5 + np.tanh((control - 1.0) * time**0.5))
    noise = np.random.default_rng(5).normal(size=time.size)
    columns = {"t": time, "c": control, "rho": rho * (1.0 + 0.01 * noise), "rho_err": 0.01 * rho}
    return fit_dynamics(read_times(columns))


@cache
def power_law() -> ScalingFit:
    size = np.array([16.0, 32.0, 64.0, 128.0, 256.0])
    error = 0.02 * size**1.75
    value = 0.4 * size**1.75 + error * np.random.default_rng(4).normal(size=5)
    return fit_law(size, value, error, quantity="susceptibility")


@cache
def order() -> TransitionOrder:
    return transition_order(phases.equilibrium_first_order((50, 100, 200, 400), seed=2))


@cache
def dilute() -> LinearStability:
    """Rates 0.1 (3 - m) and -0.004 at the larger size."""
    control, size = np.tile(np.linspace(2.0, 4.0, 6), 2), np.repeat([1600.0, 6400.0], 6)
    rate = 0.1 * (3.0 - control) - np.where(size > 2000.0, 0.004, 0.0)
    found = growth_threshold(control[6:], rate[6:], np.full(6, 0.004))
    return LinearStability(
        control_name="batch_size",
        start=10.0,
        largest=0.02,
        size=size,
        control=control,
        rate=rate + 0.004 * np.random.default_rng(7).normal(size=12),
        stderr=np.full(12, 0.004),
        thresholds={"N = 6400": found.threshold},
        flags=(),
    )


@cache
def stability() -> tuple[xr.Dataset, StableRange]:
    data = stable_range_data(replicas=10)
    return data, stable_range(data)


def _kind(plot: Callable[..., Drawn], *values: Callable[[], Any], **fixed: Any) -> Kind:
    """A figure of some results, with the keywords of every figure."""
    return lambda **options: plot(*(value() for value in values), **fixed, **options)


KINDS: dict[str, Kind] = {
    "overlap": _kind(plots.plot_overlap, analysis),
    "success": _kind(plots.plot_success, analysis),
    "histograms": _kind(plots.plot_histograms, analysis),
    "evolution-time": _kind(plots.plot_evolution, _cell),
    "evolution-control": _kind(plots.plot_evolution, lambda: dataset().sel(size=400).isel(time=-1)),
    "time-series": _kind(
        plots.plot_time_series, _cell, lambda: passages()[0], lambda: passages()[1]
    ),
    "drift": _kind(plots.plot_drift, analysis),
    "dynamics": _kind(plots.plot_dynamics, dynamics),
    "extrapolation": _kind(plots.plot_extrapolation, analysis),
    "stability": _kind(plots.plot_stability, dilute),
    "jump": _kind(plots.plot_extrapolation, analysis, quantity="jump"),
    "overview": _kind(plots.plot_overview, analysis),
    "binder": _kind(plots.plot_moments, magnetization, lambda: ["binder"]),
    "moments": _kind(plots.plot_moments, magnetization),
    "crossings": _kind(plots.plot_crossings, crossings),
    "coexistence": _kind(plots.plot_coexistence, coexistence),
    "collapse": _kind(plots.plot_collapse, lambda: fitted("U")),
    "collapse-joint": _kind(plots.plot_collapse, lambda: fitted("U", "chi")),
    "inset": _kind(plots.plot_curves, scaled_table, lambda: fitted("U")),
    "windows": _kind(plots.plot_windows, lambda: fitted("U")),
    "corner": _kind(plots.plot_corner, sampled),
    "peaks": _kind(plots.plot_peaks, *(partial(_peaks_part, part) for part in range(4))),
    "exponents": _kind(plots.plot_exponents, power_law),
    "order": _kind(plots.plot_order, order),
    "phase-diagram": _kind(
        plots.plot_phase_diagram, lambda: stability()[0], lambda: stability()[1]
    ),
    **NOISE_KINDS,
}


def _drawn(kind: Kind) -> Callable[[], Figure]:
    return lambda: kind().figure


FIGURES = {name: _drawn(kind) for name, kind in KINDS.items()}


def pixels(figure: Figure) -> npt.NDArray[np.float64]:
    """The figure at low resolution, shape (height, width, 3), from 0 to 255."""
    stream = io.BytesIO()
    with journal_style():
        figure.savefig(stream, format="png", dpi=_DPI)
    return np.asarray(Image.open(stream).convert("RGB"), dtype=np.float64)


def baseline(name: str) -> npt.NDArray[np.float64]:
    """The picture that the figure is compared with."""
    return np.asarray(Image.open(FOLDER / f"{name}.png").convert("RGB"), dtype=np.float64)


def difference(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> float:
    """Root mean square of the differences of pixels in the square where it is largest.

    Squares keep a change in one corner from being lost in the white of the page. It is inf
    for another size of the page.
    """
    if first.shape != second.shape:
        return float("inf")
    squared = np.mean((first - second) ** 2, axis=2)
    rows, columns = (-(-length // _SQUARE) * _SQUARE for length in squared.shape)
    padded = np.zeros((rows, columns))
    padded[: squared.shape[0], : squared.shape[1]] = squared
    squares = padded.reshape(rows // _SQUARE, _SQUARE, columns // _SQUARE, _SQUARE)
    return float(np.sqrt(squares.mean(axis=(1, 3)).max()))


def main() -> None:
    """Draw all baselines again."""
    FOLDER.mkdir(exist_ok=True)
    for name, draw in FIGURES.items():
        picture = Image.fromarray(pixels(draw()).astype(np.uint8))
        picture.save(FOLDER / f"{name}.png", optimize=True)
        print(FOLDER / f"{name}.png")


if __name__ == "__main__":
    main()
