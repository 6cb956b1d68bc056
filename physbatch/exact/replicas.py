"""Datasets of the schema and tables from the replicas of two-state test systems."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from physbatch.dataset import SCHEMA_VERSION, STATUS_OK, TIME_UNIT, VARIABLES, control_dim
from physbatch.errors import AnalysisError
from physbatch.exact.grids import table_from_samples
from physbatch.tables.table import ScalingTable
from physbatch.typing import BoolArray, FloatArray


@dataclass(frozen=True)
class Labels:
    """What a dataset says of itself: what was planted, unit of time, names, module."""

    title: str
    time_units: str = "1"
    size_name: str = "number of degrees of freedom N"
    control_name: str = "control"
    source: str = "physbatch.exact.phases"


def critical_grid(
    sizes: Sequence[int],
    c_c: float,
    exponent: float,
    x: tuple[float, float] = (-6.0, 6.0),
    points: int = 9,
    scale: float = 1.0,
) -> FloatArray:
    r"""One sorted grid of controls that resolves the window of every size.

    The union over sizes of :math:`c_c + s\,x N^{-\phi}`, `points` values of x each.

    >>> critical_grid((10, 100), 5.0, 1.0, (-1, 1), 3).tolist()
    [4.9, 4.99, 5.0, 5.01, 5.1]
    """
    scaled = scale * np.linspace(x[0], x[1], points)
    # Rounded, so that what differs in the last digit only is one point.
    every = np.concatenate([c_c + scaled * float(size) ** -exponent for size in sizes])
    return np.unique(every.round(10))


def replica_coords(
    sizes: Sequence[int],
    control: Sequence[float] | FloatArray,
    replicas: int,
    times: Sequence[float],
) -> dict[str, npt.NDArray[Any]]:
    """Coordinates of a dataset by the name of their dimension.

    AnalysisError for an axis that is empty or not strictly increasing, or sizes or times below 0.
    """
    coords: dict[str, npt.NDArray[Any]] = {
        "size": np.asarray(sizes, dtype=np.int64),
        "batch_size": np.asarray(control, dtype=np.float64),
        "replica": np.arange(replicas),
        "time": np.asarray(times, dtype=np.float64),
    }
    for name, values in coords.items():
        if values.size == 0 or not np.all(np.diff(values) > 0):
            raise AnalysisError("must be strictly increasing and not empty", where=name)
    if coords["time"][0] <= 0.0 or coords["size"][0] < 1:
        raise AnalysisError("times and sizes must be positive")
    return coords


def replica_dataset(
    coords: Mapping[str, npt.NDArray[Any]],
    overlap: FloatArray,
    up: BoolArray,
    labels: Labels,
    truth: Mapping[str, float | str] | None = None,
) -> xr.Dataset:
    """The variables of the schema from the state of every replica at every time.

    `overlap` is the order parameter and `up` whether the replica is in the upper state, which is
    success, shape (n_size, n_control, n_replica, n_time); `truth` are attributes ``planted_*``.
    """
    times = coords["time"]
    ever, first = up.any(axis=-1), up.argmax(axis=-1)
    earlier = np.concatenate([[0.0], times])
    values: dict[str, npt.NDArray[Any]] = {
        "overlap": overlap,
        "generalization_error": 0.5 * (1.0 - overlap),
        "batch_error": 0.5 * (1.0 - overlap),
        "first_passage": np.where(ever, times[first], np.inf),
        "first_passage_lower": np.where(ever, earlier[first], times[-1]),
        "success": up[..., -1].astype(np.int8),
        "status": np.full(ever.shape, STATUS_OK, dtype=np.int8),
    }
    data = xr.Dataset(
        {
            name: (
                ("size", "batch_size", "replica", "time")[: array.ndim],
                array,
                {
                    "long_name": VARIABLES[name].long_name,
                    "units": "1",
                    **({TIME_UNIT: labels.time_units} if VARIABLES[name].is_time else {}),
                },
            )
            for name, array in values.items()
        },
        coords=dict(coords),
    )
    data["time"].attrs = {"units": "1", "long_name": "run time", TIME_UNIT: labels.time_units}
    data["size"].attrs = {"units": "1", "long_name": labels.size_name}
    data["batch_size"].attrs = {"units": "1", "long_name": labels.control_name}
    data.attrs = {
        "Conventions": "CF-1.10",
        "title": f"planted answer: {labels.title}",
        "source": labels.source,
        "physbatch_schema": SCHEMA_VERSION,
        "control_dim": "batch_size",
        **(truth or {}),
    }
    return data


def joined(datasets: Sequence[xr.Dataset], dim: str, values: Sequence[float]) -> xr.Dataset:
    """Datasets of `replica_dataset` side by side along a new dimension with these values."""
    return xr.concat(
        datasets,
        dim=xr.Variable(dim, np.asarray(values)),
        data_vars="all",
        coords="minimal",
        compat="override",
        join="exact",
        combine_attrs="override",
    )


def both_starts(
    make: Callable[..., xr.Dataset], control: Sequence[float] | FloatArray, **parameters: Any
) -> xr.Dataset:
    """Uninformed and planted starts of `saddle_node` or `nucleation` in one dataset.

    The swept dimension ``initial_overlap`` is 0 for the start in the lower state and 0.97 for the
    start in the upper one.
    """
    starts = [make(control=control, planted_start=up, **parameters) for up in (False, True)]
    both = joined(starts, "initial_overlap", [0.0, 0.97])
    both.attrs["planted_start"] = "both"
    return both


def as_table(data: xr.Dataset) -> ScalingTable:
    """A table with samples of a dataset at its last time, nothing missing.

    Observables are ``overlap`` q, ``second_moment`` q^2, ``fourth_moment`` q^4 and ``success``.
    AnalysisError if there is another swept dimension, or fewer than two replicas.

    >>> from physbatch.exact.planted import smooth_crossover
    >>> table = as_table(smooth_crossover(sizes=(50, 100), control=(5.0, 8.0), replicas=50))
    >>> table.size.tolist(), table.control.tolist()
    ([50.0, 50.0, 100.0, 100.0], [5.0, 8.0, 5.0, 8.0])
    """
    dim = control_dim(data)
    if set(data["success"].dims) != {"size", dim, "replica"}:
        raise AnalysisError(
            f"dims {', '.join(map(str, data['success'].dims))}",
            remedy="select one value of every other swept dimension first",
        )
    last = data.isel(time=-1).transpose("size", dim, "replica")
    replicas = data.sizes["replica"]
    q = last["overlap"].values.reshape(-1, replicas)
    size, control = np.meshgrid(data["size"].values, data[dim].values, indexing="ij")
    return table_from_samples(
        size.ravel(),
        control.ravel(),
        {
            "overlap": q,
            "second_moment": q**2,
            "fourth_moment": q**4,
            "success": last["success"].values.reshape(-1, replicas),
        },
        control_name=dim,
        source=str(data.attrs.get("title", "")),
    )
