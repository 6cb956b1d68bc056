"""Linear stability of the perfect student at d = 3, 5, 7, 9: does the lower end meet the upper?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise, product

import numpy as np
from matplotlib.figure import Figure

from analysis.common import Datasets, Finding, Number
from physbatch.plots import (
    DOUBLE_COLUMN_MM,
    figure_in_mm,
    journal_style,
    plot_stability,
    size_legend,
    size_styles,
)
from physbatch.scaling import Estimate, LinearStability, linear_stability

DEGREES = (3, 5, 7, 9)
#: Seeds become clusters before; deviations are dilute up to the second number.
START, LARGEST = 20.0, 0.02
OTHER_STARTS, OTHER_LARGEST = (10.0, 30.0), (0.005, 0.05)

_SMALL = {"size": [400, 900], "replicas": 12, "times": {"kind": "linear", "every": 2}}
REDUCED = {
    "d3": {"batch_size": [2, 2.5, 3, 3.5], "duration": 40, **_SMALL},
    "d5": {"batch_size": [6, 8, 10, 12], "duration": 40, **_SMALL},
    "d7": {"batch_size": [9, 12, 15, 18], "duration": 40, **_SMALL},
    "d9": {"batch_size": [12, 16, 20, 24], "duration": 40, **_SMALL},
}


def find(data: Datasets) -> Finding:
    """m_low at every degree and size, and its power of d."""
    found = {
        degree: linear_stability(data[f"d{degree}"], start=START, largest=LARGEST)
        for degree in DEGREES
    }
    limits = {degree: _with_other_choices(data, degree, found[degree]) for degree in DEGREES}
    numbers = (
        *(number for degree in DEGREES for number in _thresholds(degree, found, limits)),
        *_exponent(limits),
    )
    return Finding(numbers, {"rates": _figure(found)})


def _with_other_choices(data: Datasets, degree: int, found: LinearStability) -> Estimate:
    """m_low at the largest size, with its change under other windows and at the other size."""
    last = list(found.thresholds.values())[-1]
    others = [
        linear_stability(data[f"d{degree}"], start=start, largest=largest).thresholds.values()
        for start, largest in product(OTHER_STARTS, OTHER_LARGEST)
    ]
    values = np.array([list(other)[-1].value for other in others if other])
    shift = np.abs(values[np.isfinite(values)] - last.value)
    return replace(last, systematic=float(max(shift, default=np.nan)), stated=np.nan)


def _thresholds(
    degree: int, found: dict[int, LinearStability], limits: dict[int, Estimate]
) -> Iterator[Number]:
    """Where the growth rate changes sign."""
    window = f"t >= {START:g}, <1 - q> <= {LARGEST:g}"
    for name, value in found[degree].thresholds.items():
        yield Number(f"m_low (d = {degree}, {name})", value, note=window)
    yield Number(
        f"m_low (d = {degree})",
        limits[degree],
        note=f"the largest N; second bracket: windows from t = {OTHER_STARTS[0]:g} or "
        f"{OTHER_STARTS[1]:g}, up to {OTHER_LARGEST[0]:g} or {OTHER_LARGEST[1]:g}",
        headline=True,
    )


def _exponent(limits: dict[int, Estimate]) -> Iterator[Number]:
    """The local exponents of m_low in d."""
    for low, high in pairwise(DEGREES):
        ratio = math.log(high / low)
        slope = math.log(limits[high].value / limits[low].value) / ratio
        parts = [limits[d].total / limits[d].value for d in (low, high)]
        yield Number(
            f"local exponent of m_low between d = {low} and {high}",
            Estimate(slope, math.hypot(*parts) / ratio),
        )


def _figure(found: dict[int, LinearStability]) -> Figure:
    """Rates against m, one panel a degree."""
    sizes = sorted({float(size) for each in found.values() for size in each.size})
    with journal_style():
        figure = figure_in_mm(DOUBLE_COLUMN_MM, 52.0)
        panels = figure.subplots(1, len(found))
        for axes, (degree, stability) in zip(panels, found.items(), strict=True):
            plot_stability(stability, axes, legend=False, title=f"$d = {degree}$")
            axes.set_ylabel("")
        panels[0].set_ylabel(r"growth rate of $\langle 1 - q \rangle$")
        size_legend(panels[0], size_styles(sizes))
    return figure
