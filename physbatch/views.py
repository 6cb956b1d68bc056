"""A dataset as an analysis takes it: whole, with its observable and its control."""

import os

import xarray as xr

from physbatch.dataset import control_dim, open_dataset, swept_dims, validate
from physbatch.errors import AnalysisError


def view(
    data: xr.Dataset | str | os.PathLike[str], observable: str | None, control: str | None
) -> xr.Dataset:
    """The dataset with another observable as the order parameter, or with another control.

    Parameters
    ----------
    data : xarray.Dataset or path
        A dataset of the schema, also one of which xarray selected a part, or its file.
    observable : str, optional
        A variable with a value for each replica and time; it takes the place of ``overlap``.
    control : str, optional
        A swept parameter; what was the control is then one among the swept ones.

    Raises
    ------
    AnalysisError
        If the dataset has no such variable or swept parameter.
    DatasetError
        If it does not follow the schema.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> data = first_order(sizes=(50,), replicas=4)
    >>> view(data, "batch_error", None)["overlap"].equals(data["batch_error"])
    True
    """
    if isinstance(data, str | os.PathLike):
        data = open_dataset(data)
    if isinstance(data, xr.DataArray):
        raise AnalysisError(
            f"{data.name!r} is a single variable, without the status of the replicas",
            where="dataset",
            remedy=f"give the whole dataset: analyse(data, {str(data.name)!r})",
        )
    data = validate(data)
    dims = {*swept_dims(data), control_dim(data)}
    if control is not None and control not in dims:
        raise AnalysisError(
            f"no swept parameter {control!r}",
            where="dataset",
            remedy=f"the control is one of {', '.join(sorted(dims))}",
        )
    if control is not None:
        data = data.assign_attrs(control_dim=control)
    data = validate(data)
    if observable is None or observable == "overlap":
        return data
    needed = {"size", *dims, "replica", "time"}
    known = [str(name) for name in data.data_vars if set(data[name].dims) == needed]
    if observable not in known:
        raise AnalysisError(
            f"no observable {observable!r} with a value for each replica and time",
            where="dataset",
            remedy=f"choose among {', '.join(known)}",
        )
    return data.assign(overlap=data[observable])
