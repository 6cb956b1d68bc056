"""Overlaps of single replicas in one cell of a dataset: their histograms and their course."""

from typing import Literal, NamedTuple

import numpy as np
import xarray as xr

from physbatch.dataset import CONTROL_DIMS, STATUS_OK
from physbatch.errors import AnalysisError
from physbatch.typing import FloatArray


class OverlapHistograms(NamedTuple):
    """Histograms over replicas, one at each time or control: the share of replicas in each bin.

    Shapes: coordinate and mean (n_histogram,), the latter nan where there is none; edges (n_bin +
    1,); share (n_histogram, n_bin).
    """

    coordinate: FloatArray
    edges: FloatArray
    share: FloatArray
    mean: FloatArray


class OverlapSeries(NamedTuple):
    """Overlaps against time: of each replica, shape (n_replica, n_time), and their mean."""

    time: FloatArray
    overlap: FloatArray
    mean: FloatArray


def only_dims(data: xr.Dataset, *dims: str) -> xr.Dataset:
    """The dataset without dimensions of length 1, which must leave the given ones."""
    squeezed = data.squeeze([dim for dim, n in data.sizes.items() if n == 1 and dim not in dims])
    left = {str(dim) for dim in squeezed["overlap"].dims}
    extra, lacking = sorted(left - set(dims)), sorted(set(dims) - left)
    if extra or lacking:
        raise AnalysisError(
            f"dimensions {', '.join(extra)} are left" if extra else f"no {', '.join(lacking)}",
            where="figure of one cell",
            remedy="select one value of each, as in data.sel(size=100, batch_size=13)",
        )
    return squeezed


def swept_dim(data: xr.Dataset) -> str:
    """The only one of time and control that has more than one value, or AnalysisError."""
    left = [dim for dim in ("time", *CONTROL_DIMS) if data.sizes.get(dim, 1) > 1]
    if len(left) != 1:
        raise AnalysisError(
            f"{' and '.join(left) or 'neither time nor control'} left with more than one value",
            where="plot_evolution",
            remedy="select one time, data.isel(time=-1), or one control, data.sel(batch_size=13)",
        )
    return left[0]


def overlap_histograms(data: xr.Dataset, *, bins: int) -> OverlapHistograms:
    """Histograms of the overlap over replicas against time, or against the control.

    The data have one size, and one time or one control. The bins reach from 0 to 1, and further
    where an overlap does.
    """
    along = swept_dim(data)
    cell = only_dims(data, "replica", along)
    ok = cell["status"] == STATUS_OK
    overlap = cell["overlap"].where(ok).transpose(along, "replica").values
    known = overlap[np.isfinite(overlap)]
    edges = np.linspace(
        min(0.0, known.min(initial=0.0)), max(1.0, known.max(initial=1.0)), bins + 1
    )
    rows = [row[np.isfinite(row)] for row in overlap]
    count = np.array([np.histogram(row, bins=edges)[0] for row in rows])
    return OverlapHistograms(
        np.asarray(cell[along].values, dtype=np.float64),
        edges,
        count / np.maximum(count.sum(axis=1, keepdims=True), 1),
        np.array([row.mean() if row.size else np.nan for row in rows]),
    )


def unit_overlaps(
    data: xr.Dataset, of: Literal["teacher", "student"], replica: int
) -> tuple[FloatArray, FloatArray]:
    """Times, shape (n_time,), and overlaps of hidden units (n_time, n_unit, n_other) of a replica.

    Raises
    ------
    physbatch.errors.AnalysisError
        If the data hold none, no such replica, or several cells.
    """
    name, other = f"{of}_overlap", "teacher_unit" if of == "teacher" else "other_student_unit"
    if name not in data:
        raise AnalysisError(
            f"no {name}", where="units", remedy="overlaps of hidden units are those of committees"
        )
    dims = ("time", "student_unit", other)
    if not 0 <= replica < data.sizes["replica"]:
        raise AnalysisError(
            f"no replica {replica}", where="units", remedy=f"there are {data.sizes['replica']}"
        )
    alone = data[name].isel(replica=replica)
    extra = [str(dim) for dim, n in alone.sizes.items() if n > 1 and dim not in dims]
    if extra:
        raise AnalysisError(
            f"{', '.join(extra)} left with more than one value",
            where="units",
            remedy="select one of each, as in data.sel(size=100, batch_size=13)",
        )
    alone = alone.squeeze([dim for dim in alone.dims if dim not in dims], drop=True)
    matrices = np.asarray(alone.transpose(*dims).values, dtype=np.float64)
    return np.asarray(data["time"].values, dtype=np.float64), matrices


def overlap_series(data: xr.Dataset) -> OverlapSeries:
    """Overlaps of the replicas of one cell against time."""
    cell = only_dims(data, "replica", "time")
    ok = cell["status"].values == STATUS_OK
    overlap = cell["overlap"].transpose("replica", "time").values[ok]
    mean = overlap.mean(axis=0) if len(overlap) else np.full(cell.sizes["time"], np.nan)
    return OverlapSeries(np.asarray(cell["time"].values, dtype=np.float64), overlap, mean)
