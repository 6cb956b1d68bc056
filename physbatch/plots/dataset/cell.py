"""What figures of one cell of a dataset share: the checks, and the words above them."""

from __future__ import annotations

import xarray as xr

from physbatch.dataset import CONTROL_DIMS
from physbatch.errors import AnalysisError
from physbatch.plots.labels import control_label_of, size_text
from physbatch.scaling.data_collapse.result import math_symbol

__all__ = ["cell_title", "only_dims"]


def only_dims(data: xr.Dataset, *dims: str) -> xr.Dataset:
    """The dataset without dimensions of length 1, which must leave the given ones.

    Raises
    ------
    physbatch.errors.AnalysisError
        If more than one value of another dimension is left.
    """
    squeezed = data.squeeze([dim for dim, n in data.sizes.items() if n == 1 and dim not in dims])
    held = {str(dim) for dim in squeezed["overlap"].dims}
    extra = sorted(held - set(dims))
    if extra or not set(dims) <= held:
        lacking = sorted(set(dims) - held)
        raise AnalysisError(
            f"dimensions {', '.join(extra)} are left" if extra else f"no {', '.join(lacking)}",
            where="figure of one cell",
            remedy="select one value of each, as in data.sel(size=100, batch_size=13)",
        )
    return squeezed


def cell_title(data: xr.Dataset) -> str:
    """Size, control and run time that were selected, as far as they were."""
    parts = []
    if "size" in data.coords and data["size"].ndim == 0:
        parts.append(size_text(float(data["size"])))
    for name in CONTROL_DIMS:
        if name in data.coords and data[name].ndim == 0:
            symbol = math_symbol(name) or control_label_of(name)
            parts.append(f"${symbol} = {float(data[name]):g}$")
            break
    if "time" in data.coords and data["time"].ndim == 0:
        parts.append(f"$t = {float(data['time']):g}$")
    return ",  ".join(parts)
