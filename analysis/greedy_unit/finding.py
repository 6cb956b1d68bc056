"""One greedy unit against the exact laws of its birth-death chain."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.figure import Figure
from scipy import optimize, stats

from analysis.common import Datasets, Finding, Number
from physbatch.exact import greedy_unit
from physbatch.plots import (
    DOUBLE_COLUMN_MM,
    Measured,
    figure_in_mm,
    journal_style,
    plot_theory,
    root_figure,
)
from physbatch.scaling import Estimate, fit_law, law

FloatArray = npt.NDArray[np.float64]

DEGREES = (3, 5, 7, 9)
REDUCED: dict[str, dict[str, Any]] = {
    f"d{degree}": {
        "replicas": 32,
        "duration": 110,
        "times": {"kind": "list", "values": [0, 1, 5, 20, 100, 110]},
    }
    for degree in DEGREES
}

#: Sweeps after which the start is forgotten: the slowest mode of any cell falls by e^-10.
_STATIONARY = 100
#: (d, m) that the table names.
_QUOTED = ((3, 2), (5, 5), (5, 10), (7, 10), (9, 20))
#: Exact values this close to 0 or 1 are rare events, not means with a normal error.
_RARE = 5


def _samples(one: xr.Dataset, perfect: bool) -> FloatArray:
    """Overlaps of one cell, or whether they are 1, shape (replica, time)."""
    overlap = one["overlap"].transpose("replica", "time").values
    return np.asarray(overlap == 1.0 if perfect else overlap, dtype=np.float64)


def _stationary(data: xr.Dataset, degree: int, perfect: bool) -> Measured:
    """Means over late times and replicas against the batch size, with the exact curve."""
    late = data.squeeze(("size", "degree")).sel(time=data["time"] >= _STATIONARY)
    m = data["batch_size"].values
    values = [_samples(late.isel(batch_size=i), perfect).mean(axis=1) for i in range(m.size)]
    curve = np.linspace(m[0], m[-1], 30)
    exact, along = (
        np.array(
            [
                greedy_unit.overlap_and_perfect(greedy_unit.stationary_law(degree, x))[perfect]
                for x in points
            ]
        )
        for points in (m, curve)
    )
    return Measured(
        f"$d = {degree}$",
        m,
        np.array([one.mean() for one in values]),
        np.array([one.std(ddof=1) / np.sqrt(one.size) for one in values]),
        exact,
        curve,
        along,
    )


def _early(data: xr.Dataset, degree: int, batch_size: float) -> tuple[Measured, float]:
    """Mean overlap against time with the exact law after so many proposals, and chi2.

    The times are those of the same runs, so chi2 takes their covariance.
    """
    one = data.squeeze(("size", "degree")).sel(batch_size=batch_size)
    times = one["time"].values[1:]
    values = _samples(one, perfect=False)[:, 1:]
    exact = np.array(
        [
            greedy_unit.overlap_and_perfect(
                greedy_unit.law_after(int(t) * degree, degree, batch_size)
            )[0]
            for t in times
        ]
    )
    mean = values.mean(axis=0)
    covariance = np.cov(values, rowvar=False) / len(values)
    chi2 = float((mean - exact) @ np.linalg.solve(covariance, mean - exact))
    label = rf"$d = {degree},\ m = {batch_size:g}$"
    return Measured(label, times, mean, np.sqrt(np.diag(covariance)), exact, times, exact), chi2


def _common(one: Measured, trials: int) -> npt.NDArray[np.bool_]:
    """Cells in which enough imperfect and perfect units are expected for a normal error."""
    rare = trials * np.minimum(one.exact, 1 - one.exact) < _RARE
    return np.asarray(~rare & (one.stderr > 0))


def _pooled(name: str, sets: list[Measured], trials: int) -> Number:
    """Mean squared score of all cells."""
    scores = np.concatenate([one.score[_common(one, trials)] for one in sets])
    return _mean_square(
        name, float(np.sum(scores**2)), scores.size, f"largest abs(z) {abs(scores).max():.2f}"
    )


def _mean_square(name: str, chi2: float, count: int, note: str) -> Number:
    """chi2 over its degrees of freedom, which is 1 on average."""
    return Number(
        name,
        Estimate(chi2 / count, float(np.sqrt(2 / count))),
        exact=1.0,
        note=f"{count} degrees of freedom, p = {stats.chi2.sf(chi2, count):.2g}, {note}",
        headline=True,
    )


def _quoted(name: str, sets: list[Measured]) -> list[Number]:
    numbers = []
    for degree, batch_size in _QUOTED:
        one = sets[DEGREES.index(degree)]
        row = int(np.flatnonzero(one.x == batch_size)[0])
        numbers.append(
            Number(
                f"{name}, d = {degree}, m = {batch_size}",
                Estimate(float(one.y[row]), float(one.stderr[row])),
                exact=float(one.exact[row]),
            )
        )
    return numbers


def _half(degree: int) -> float:
    """The batch size at which the exact stationary overlap is 1/2."""

    def beyond(batch_size: float) -> float:
        return (
            greedy_unit.overlap_and_perfect(greedy_unit.stationary_law(degree, batch_size))[0] - 0.5
        )

    return float(optimize.brentq(beyond, 1.0, 100.0, xtol=1e-6))


def _crossover() -> list[Number]:
    """Where the exact overlap is 1/2, and its local exponent in d."""
    degrees = np.array(DEGREES, dtype=np.float64)
    halves = np.array([_half(degree) for degree in DEGREES])
    numbers = [
        Number(
            f"m at which the stationary overlap is 1/2, d = {degree} (exact)",
            Estimate(float(half), 0.0),
            headline=degree == DEGREES[-1],
        )
        for degree, half in zip(DEGREES, halves, strict=True)
    ]
    slope = float(np.log(halves[-1] / halves[-2]) / np.log(degrees[-1] / degrees[-2]))
    rough = fit_law(degrees, halves, 0.01 * halves, [law("power")], quantity="m", scan=False)
    numbers.append(
        Number(
            "exponent of that m in d, from d = 7 to 9 (exact)",
            Estimate(slope, 0.0, systematic=abs(slope - rough["b"].value)),
            note="systematic: distance from a power law through all d; it still grows with d",
        )
    )
    return numbers


def _figure(overlaps: list[Measured], perfects: list[Measured]) -> Figure:
    with journal_style():
        figure = figure_in_mm(DOUBLE_COLUMN_MM, 76.0)
        panels = ((overlaps, r"overlap $\langle q \rangle$"), (perfects, "P(perfect)"))
        for part, (sets, ylabel) in zip(figure.subfigures(1, 2), panels, strict=True):
            plot_theory(sets, part, xlabel="mini-batch size $m$", ylabel=ylabel)
    return figure


def _time_figure(early: list[Measured]) -> Figure:
    top, _ = plot_theory(
        early,
        xlabel="time $t$ (sweeps)",
        ylabel=r"overlap $\langle q \rangle$",
        xscale="log",
        columns=2,
    ).axes
    return root_figure(top)


def find(data: Datasets) -> Finding:
    """Stationary laws, laws at early times, and where the crossover lies."""
    sources = [data[f"d{degree}"] for degree in DEGREES]
    replicas = sources[0].sizes["replica"]
    late = int((sources[0]["time"] >= _STATIONARY).sum())
    overlaps, perfects = (
        [_stationary(one, degree, perfect) for one, degree in zip(sources, DEGREES, strict=True)]
        for perfect in (False, True)
    )
    cells = ((3, 2.5), (5, 10.0), (7, 10.0), (9, 20.0))
    early, squares = zip(
        *(_early(sources[DEGREES.index(degree)], degree, m) for degree, m in cells), strict=True
    )
    moments = sum(one.x.size for one in early)
    return Finding(
        (
            _pooled("stationary overlap: chi2 per cell", overlaps, replicas * late),
            _pooled("stationary P(perfect): chi2 per cell", perfects, replicas * late),
            _mean_square(
                "overlap from the first sweep to the last: chi2 per time",
                sum(squares),
                moments,
                "correlations between times included",
            ),
            *_quoted("stationary overlap", overlaps),
            *_quoted("stationary P(perfect)", perfects),
            *_crossover(),
        ),
        {"laws": _figure(overlaps, perfects), "relaxation": _time_figure(list(early))},
    )
