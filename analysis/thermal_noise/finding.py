"""Greedy moves on mini-batches against Metropolis moves on the whole set."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.common import Datasets, Finding, Number
from physbatch.noise import effective_temperature, stationary_state
from physbatch.plots import plot_temperature
from physbatch.scaling import Estimate, flag_names

_REDUCED = {"size": [15], "replicas": 6, "duration": 200}
REDUCED = {
    "batches": {**_REDUCED, "batch_size": [8, 24]},
    "thermal": {**_REDUCED, "temperature": [0.5, 2, 8, 30]},
}


def find(data: Datasets) -> Finding:
    """T(m) from the energy and from the overlap, and whether the two agree."""
    batches, thermal = data["batches"], data["thermal"]
    after = float(batches["time"].values[-1]) / 2
    found = effective_temperature(batches, thermal, after=after, resamples=400)
    numbers = []
    for place, m in enumerate(found.batch_size):
        apart = found.difference[place]
        energy, overlap = found.from_energy[place], found.from_overlap[place]
        seen = 200.0 * abs((energy - overlap) / apart) / energy
        numbers += [
            Number(
                f"m = {m:g}: T from the energy",
                Estimate(float(found.from_energy[place]), float(found.from_energy_stderr[place])),
                headline=m == 16,
            ),
            Number(
                f"m = {m:g}: T from the overlap",
                Estimate(float(found.from_overlap[place]), float(found.from_overlap_stderr[place])),
                note=f"{apart:+.1f} standard errors below that from the energy; two of them are "
                f"{seen:.0f} % of T"
                if np.isfinite(apart)
                else "",
                headline=m == 16,
            ),
        ]
    states = (
        ("greedy, batches of $m$", stationary_state(batches, "batch_size", after=after)),
        ("Metropolis, all patterns", stationary_state(thermal, "temperature", after=after)),
    )
    drift = max(
        _drift(one, dim, after) for one, dim in ((batches, "batch_size"), (thermal, "temperature"))
    )
    statements = (
        f"flags of the match: {', '.join(sorted(set(flag_names(found.flags)))) or 'none'}",
        f"training errors change by at most {drift:.2g} standard errors between the second quarter "
        "and the second half of the run",
    )
    return Finding(
        tuple(numbers), {"temperature": plot_temperature(found, states).figure}, statements
    )


def _drift(data: xr.Dataset, dim: str, after: float) -> float:
    """Largest change of the training error from the quarter before, in standard errors."""
    late = stationary_state(data, dim, after=after)
    early = stationary_state(data.sel(time=slice(None, after)), dim, after=after / 2)
    apart = (late.training_error - early.training_error) / late.training_error_stderr
    return float(np.abs(apart).max())
