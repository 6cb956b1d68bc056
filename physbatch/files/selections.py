"""What a selection of xarray took away from a dataset: dimensions."""

from collections.abc import Hashable, Iterable

import numpy as np
import xarray as xr


def with_dimension(data: xr.Dataset, dim: str, names: Iterable[Hashable]) -> xr.Dataset:
    """A dataset in which some variables have a dimension again of which one value was selected.

    Examples
    --------
    >>> data = xr.Dataset({"q": ("size", [0.1, 0.9])}, {"size": [50, 100]})
    >>> with_dimension(data.sel(size=100), "size", ["q"])["q"].dims
    ('size',)
    """
    scalar = data[dim].variable
    value = xr.Variable(dim, np.atleast_1d(scalar.values), scalar.attrs)
    variables = {
        name: xr.Variable((dim, *data[name].dims), data[name].values[None], data[name].attrs)
        for name in names
    }
    return data.drop_vars(dim).assign_coords({dim: value}).assign(variables)
