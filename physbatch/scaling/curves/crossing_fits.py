"""Local polynomials of two curves, and where they cross."""

from __future__ import annotations

import math

import numpy as np

from physbatch.scaling.curves.crossing_search import Curve
from physbatch.scaling.curves.local_fits import LocalFit, half_widths, local_fit, nearest_roots
from physbatch.scaling.statistics.acceptance import ACCEPTABLE
from physbatch.typing import FloatArray

__all__ = ["LENGTH", "crossing_roots", "joint_fits"]


_DEGREES = range(1, 9)
LENGTH = 9  # coefficients of a polynomial, padded


def joint_fits(
    one: Curve, two: Curve, centre: float
) -> tuple[list[tuple[LocalFit, LocalFit]], FloatArray]:
    """Acceptable fits of both curves in the same windows that cross inside, and weights."""
    pairs: list[tuple[LocalFit, LocalFit]] = []
    for half in half_widths(np.concatenate([one.control, two.control]), centre):
        good = [
            [
                fit
                for degree in _DEGREES
                if (fit := local_fit(c.control, c.y, c.covariance, centre, half, degree))
                and fit.p_value > ACCEPTABLE
            ]
            for c in (one, two)
        ]
        pairs += [(a, b) for a in good[0] for b in good[1]]
    aic = np.array([a.aic + b.aic for a, b in pairs])
    weights = np.exp(-0.5 * (aic - aic.min(initial=math.inf)))
    held = [k for k in np.flatnonzero(weights > 1e-3) if math.isfinite(_root(*pairs[k], one, two))]
    return [pairs[k] for k in held], np.asarray(weights[held] / np.sum(weights[held]))


def _root(a: LocalFit, b: LocalFit, one: Curve, two: Curve) -> float:
    """Where the polynomials cross, in units of the window; nan if not within it."""
    difference = b.coefficients(two.y, LENGTH) - a.coefficients(one.y, LENGTH)
    found = np.roots(difference[::-1])
    real = found[(np.abs(found.imag) < 1e-9) & (np.abs(found.real) <= 1.0)].real
    return float(real[np.argmin(np.abs(real))]) if real.size else math.nan


def crossing_roots(
    a: LocalFit, b: LocalFit, one: Curve, two: Curve
) -> tuple[float, float, FloatArray, FloatArray]:
    """Crossing, level there, and both resampled (nan where the window holds none)."""
    start = _root(a, b, one, two)
    level = float(np.polyval(a.coefficients(one.y, LENGTH)[::-1], start))
    first = a.coefficients(one.resampled, LENGTH)
    drawn = nearest_roots(b.coefficients(two.resampled, LENGTH) - first, start)
    levels = np.sum(first * drawn[:, None] ** np.arange(LENGTH), axis=-1)
    return a.centre + a.half * start, level, a.centre + a.half * drawn, levels
