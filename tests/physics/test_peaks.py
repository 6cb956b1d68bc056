"""Peaks of curves that are not parabolas, against the exact susceptibility of Curie and Weiss."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize

from physbatch.exact import curie_weiss
from physbatch.results import flag_names
from physbatch.scaling import Peaks, find_peaks
from physbatch.tables import ScalingTable

SIZES = (64, 256, 1024)


def exact_peak(size: int) -> tuple[float, float]:
    """Position and height of the largest susceptibility."""
    reach = 3.0 / math.sqrt(size)
    found = optimize.minimize_scalar(
        lambda beta: -curie_weiss.susceptibility(size, beta),
        bounds=(1.0 - reach, 1.0 + reach),
        method="bounded",
        options={"xatol": 1e-10},
    )
    return float(found.x), -float(found.fun)


EXACT = np.array([exact_peak(size) for size in SIZES])


def peaks(points: int, noise: float, seed: int) -> Peaks:
    controls = {size: 1.0 + np.linspace(-3.0, 3.0, points) / math.sqrt(size) for size in SIZES}
    table = curie_weiss.table(SIZES, controls, "susceptibility", noise, seed=seed)
    return find_peaks(table, "susceptibility", resamples=150, seed=seed)


@pytest.mark.parametrize(("points", "noise"), [(15, 0.005), (15, 0.02), (31, 0.002), (31, 0.01)])
def test_an_asymmetric_peak_has_its_place_within_its_error(points: int, noise: float) -> None:
    """Its steep and its flat side pull a polynomial of too low a degree off its place."""
    found = [peaks(points, noise, seed) for seed in range(40)]
    for name, exact in zip(("position", "height"), EXACT.T, strict=True):
        value, stderr, systematic = (
            np.array([getattr(one, name + end) for one in found])
            for end in ("", "_stderr", "_systematic")
        )
        pull = (value - exact) / np.hypot(stderr, systematic)
        known = np.isfinite(pull)
        assert known.mean() > 0.9
        # 120 peaks: rms +- 0.06, mean +- 0.08. Polynomials of the accepted degree itself have
        # means of -0.7 to -1.1 and an rms of 1.3 to 1.6 here (seeds 1000 to 1039).
        assert 0.6 < math.sqrt(np.mean(pull[known] ** 2)) < 1.2, name
        assert abs(pull[known].mean()) < 0.75, name


def test_what_no_polynomial_describes_has_no_peak() -> None:
    """Eight points at 0.1 % noise show more structure than a degree that could be tested."""
    found = peaks(8, 0.001, 0)
    assert np.isnan(found.position).all()
    assert flag_names(found.flags) == ("no_peak",)


def test_two_peaks_are_said() -> None:
    """Two minima, three errors apart in depth: either may be the lowest."""
    control = np.log([1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 40.0])
    y = np.array([473.0, 424.0, 352.0, 284.0, 204.0, 168.0, 144.0, 180.0, 174.0, 195.0])
    error = np.array([12.0, 10.0, 16.0, 15.0, 13.0, 8.0, 9.0, 7.0, 4.0, 7.0])
    table = ScalingTable(np.full(10, 8.0), control, {"y": y}, {"y": error})
    found = find_peaks(table, "y", minimum=True)
    assert flag_names(found.flags) == ("several_peaks",)
    assert abs(found.position[0] - math.log(12.0)) < 2 * found.position_systematic[0]
