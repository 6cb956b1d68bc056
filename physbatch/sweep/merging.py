"""Merging: the cells of many shards become one labelled dataset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from physbatch.dataset import STATUS_DIVERGED, STATUS_MISSING, STATUS_OK, VariableSpec

__all__ = ["attributes", "merge"]


def merge(
    shards: Iterable[xr.Dataset],
    grid: Mapping[str, Sequence[float]],
    variables: Mapping[str, VariableSpec],
    lengths: Mapping[str, int],
    time_units: str,
    first_replica: int = 0,
) -> xr.Dataset:
    """Place the cells of many shards into one labelled dataset.

    A pure function: neither the order of the shards nor how cells were grouped into
    them changes a bit of the result. Cells that no shard holds keep the fill values
    and ``status`` missing.

    Parameters
    ----------
    shards : iterable of xarray.Dataset
        Taken one at a time. Each with dims ``cell``, ``replica``, ``time``; coordinates on
        ``cell`` give the place of each cell along every dimension of `grid`.
    grid : mapping
        Dimension name -> sorted values; the order is the order of the dimensions.
    variables : mapping
        What the shards hold.
    lengths : mapping
        Length of each dimension that is not in `grid`: replica, time ...
    time_units : str
        Unit of the time coordinate, "sweep" or "step".
    first_replica : int
        Number of the first replica of the result.
    """
    shape = tuple(len(values) for values in grid.values())
    arrays = {
        name: np.full((*shape, *(lengths[dim] for dim in spec.dims)), spec.fill, dtype=spec.dtype)
        for name, spec in variables.items()
    }
    places = {
        dim: {float(value): index for index, value in enumerate(values)}
        for dim, values in grid.items()
    }
    for shard in shards:
        index = tuple(
            np.array([places[dim][float(value)] for value in np.atleast_1d(shard[dim].values)])
            for dim in grid
        )
        first = int(shard["replica"].values[0]) - first_replica
        rows = slice(first, first + shard.sizes["replica"])
        for name, spec in variables.items():
            place: tuple[Any, ...] = (*index, rows)
            arrays[name][place] = shard[name].transpose("cell", *spec.dims).values
    return xr.Dataset(
        {
            name: ((*grid, *spec.dims), arrays[name], attributes(name, spec, time_units))
            for name, spec in variables.items()
        }
    )


def attributes(name: str, spec: VariableSpec, time_units: str) -> dict[str, Any]:
    """Attributes of a variable of a dataset."""
    units = time_units if spec.is_time else "1"
    attrs: dict[str, Any] = {"long_name": spec.long_name, "units": units}
    if name == "status":
        flags = [STATUS_OK, STATUS_DIVERGED, STATUS_MISSING]
        attrs["flag_values"] = np.array(flags, dtype=np.int8)
        attrs["flag_meanings"] = "ok diverged missing"
    return attrs
