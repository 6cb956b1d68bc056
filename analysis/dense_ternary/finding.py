"""A dense ternary student that must find the graph of a d = 3 teacher: m_c against N."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import xarray as xr

from analysis.common import Datasets, Finding, Number
from analysis.growth import growth_finding
from physbatch.scaling import Estimate

SIZES = (11, 15, 21, 26, 31)
TIMES = (250.0, 500.0, 1000.0)
#: An overlap above it is that of the learned state.
LEVEL = 0.9

_TINY = {"replicas": 16}
REDUCED = {
    "n11": {"batch_size": [6, 9, 12, 16], **_TINY},
    "n15": {"batch_size": [36, 48, 60, 72], **_TINY},
    "n21": {"batch_size": [26, 34, 42, 50], **_TINY, "size": [13]},
    "n26": {"batch_size": [4, 8, 12, 18], **_TINY, "size": [12]},
    "n31": {"batch_size": [60, 75, 90], **_TINY, "size": [17]},
    "two-layers": {"batch_size": [8, 16], "size": [5, 7], **_TINY},
}


def find(data: Datasets) -> Finding:
    """m_c(N, t), its exponent in N with the scan of smallest sizes, drift, and order."""
    found = growth_finding([data[f"n{size}"] for size in SIZES], TIMES, LEVEL)
    trapped = tuple(_trapped(data["two-layers"]))
    return replace(found, numbers=(*found.numbers, *trapped))


def _trapped(two: xr.Dataset) -> Iterator[Number]:
    """Overlap of two dense layers at the largest batch, at half and at the whole run time."""
    last, half = (two.isel(batch_size=-1, time=place) for place in (-1, -2))
    for size in two["size"].values:
        now, before = (one["overlap"].sel(size=size).values for one in (last, half))
        perfect = int((two["first_passage"].isel(batch_size=-1).sel(size=size) < np.inf).sum())
        yield Number(
            f"two layers: overlap, N = {size}, m = {float(last['batch_size']):g}, "
            f"t = {int(last['time'])}",
            Estimate(float(now.mean()), float(now.std(ddof=1) / np.sqrt(now.size))),
            note=f"{perfect} of {now.size} replicas perfect; {before.mean():.3f} at "
            f"t = {int(half['time'])}",
        )
