"""Success against ln m: m_c of one size, its power of N, and words where there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import xarray as xr

from physbatch.scaling import Estimate, SuccessCurve, fit_law, law, success_counts, success_curve

__all__ = ["critical_batch", "curve_in_ln_m", "known", "power_of_size", "ratio", "words"]

_MISSING = {
    "m_c_below_grid": "< 1",
    "m_c_above_grid": "> 32",
    "bad_fit": "no power of N",
    "too_few_points": "two sizes",
}


def curve_in_ln_m(part: xr.Dataset, time: float) -> SuccessCurve:
    """Success against ln m of one size: batch sizes lie evenly there."""
    batch_size, successes, trials = success_counts(part, time)
    size = float(np.atleast_1d(part["size"].values)[0])
    return success_curve(np.log(batch_size), successes, trials, size=size, time=time)


def critical_batch(curve: SuccessCurve) -> Estimate:
    """m_c of a curve against ln m."""
    fit = curve.m_c
    value = math.exp(fit.value)
    return Estimate(value, value * fit.stderr, flags=fit.flags)


def power_of_size(critical: Mapping[float, Estimate]) -> Estimate:
    """b of m_c = A N^b over all sizes at which m_c is known."""
    points = {n: value for n, value in critical.items() if math.isfinite(value.value)}
    if len(points) < 2:
        return Estimate(
            math.nan, flags=tuple(f for value in critical.values() for f in value.flags)
        )
    fit = fit_law(
        list(points),
        [value.value for value in points.values()],
        [value.stderr for value in points.values()],
        [law("power")],
        quantity="m_c",
        scan=False,
    )
    return fit["b"]


def ratio(over: Estimate, under: Estimate) -> Estimate:
    """over/under of independent estimates; nan with the flags of what is not known."""
    value = over.value / under.value
    relative = math.hypot(over.total / over.value, under.total / under.value)
    return Estimate.of_total(value, value * relative, flags=(*over.flags, *under.flags))


def words(estimate: Estimate, above: str = _MISSING["m_c_above_grid"]) -> str:
    """A number, or why there is none; `above` is said beyond the largest batch size."""
    if math.isfinite(estimate.value):
        return f"{estimate}"
    said = _MISSING | {"m_c_above_grid": above}
    return ", ".join(said.get(flag.name, flag.name) for flag in estimate.flags[:1])


def known(estimate: Estimate) -> str:
    """A number, or a dash."""
    return f"{estimate}" if math.isfinite(estimate.value) else "-"
