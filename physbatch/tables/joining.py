"""Datasets of different sizes, each on its own grid of controls, as one dataset."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from physbatch.dataset import OPTIONAL_VARIABLES, STATUS_MISSING, VARIABLES, control_dim, validate
from physbatch.errors import AnalysisError

#: What was simulated beside the size and the control, and so must be the same.
_SHARED = ("replica", "time")


def join_sizes(datasets: Sequence[xr.Dataset]) -> xr.Dataset:
    """Join runs of different sizes whose critical controls are too far apart for one grid.

    The controls of the result are those of all datasets; where a size was not run the status is
    missing and every number has the fill value of the schema, which all estimators leave out.

    Parameters
    ----------
    datasets : sequence of xarray.Dataset
        Datasets of the schema with the same control, replicas, times and swept parameters, and
        no size in common.

    Returns
    -------
    xarray.Dataset
        One dataset of the schema, sorted by size; attributes are those of the first, without its
        study.

    Raises
    ------
    physbatch.errors.AnalysisError
        If there is none, or they do not fit together.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> small = first_order(sizes=(50,), control=(12.0, 13.0), replicas=4)
    >>> large = first_order(sizes=(400,), control=(13.0, 14.0), replicas=4)
    >>> dict(join_sizes([small, large]).sizes)
    {'size': 2, 'batch_size': 3, 'replica': 4, 'time': 13}
    """
    if not datasets:
        raise AnalysisError("no datasets to join", where="join_sizes")
    first = datasets[0]
    dim = control_dim(first)
    for other in datasets[1:]:
        _check_alike(first, other, dim)
    sizes = np.concatenate([data["size"].values for data in datasets])
    if np.unique(sizes).size < sizes.size:
        raise AnalysisError(
            "a size stands in more than one dataset",
            where="join_sizes",
            remedy="give every size once",
        )
    known = {**VARIABLES, **OPTIONAL_VARIABLES}
    shared = [name for name in first.data_vars if all(name in data for data in datasets)]
    fill = {name: known[str(name)].fill for name in shared if str(name) in known}
    joined = xr.concat(
        [data[shared] for data in datasets],
        dim="size",
        join="outer",
        fill_value={**fill, "status": STATUS_MISSING},
        coords="minimal",
        compat="override",
        combine_attrs="override",
    ).sortby("size")
    # The grid of one of them is not that of all.
    joined.attrs = {k: v for k, v in first.attrs.items() if k not in ("study", "study_hash")}
    return validate(joined.sortby(dim), where="join_sizes")


def _check_alike(first: xr.Dataset, other: xr.Dataset, dim: str) -> None:
    """Refuse datasets that differ in more than size and control."""
    if control_dim(other) != dim:
        raise AnalysisError(
            f"controls {dim!r} and {control_dim(other)!r}",
            where="join_sizes",
            remedy="join runs of one control",
        )
    dims = [str(name) for name in first["first_passage"].dims if name not in ("size", dim)]
    for name in (*dims, *_SHARED):
        if name not in other.coords or not np.array_equal(first[name].values, other[name].values):
            raise AnalysisError(
                f"{name!r} is not the same in all datasets",
                where="join_sizes",
                remedy="join runs that differ in size and control alone",
            )
