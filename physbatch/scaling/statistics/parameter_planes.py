"""Overlap and success over any two swept parameters of a dataset."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from physbatch.dataset import STATUS_OK, control_dim
from physbatch.errors import AnalysisError
from physbatch.typing import FloatArray


class ParameterPlane(NamedTuple):
    """Means over replicas at the last time; nan where there are no replicas.

    Shapes: x (n_x,), y (n_y,), overlap and success (n_y, n_x).
    """

    x_name: str
    y_name: str
    x: FloatArray
    y: FloatArray
    overlap: FloatArray
    success: FloatArray


def parameter_plane(data: xr.Dataset, x: str = "", y: str = "") -> ParameterPlane:
    """Mean overlap and fraction of success over two parameters.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of the schema; besides the two it holds one value of every parameter.
    x, y : str
        Two swept parameters, such as ``batch_size`` and ``learning_rate``, or ``size``; by default
        the control, and another one that is swept (``size`` if there is no other).

    Raises
    ------
    physbatch.errors.AnalysisError
        If there are no two such parameters, or others are swept as well.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> plane = parameter_plane(first_order(sizes=(50, 100)))
    >>> plane.x_name, plane.y_name, plane.success.shape
    ('batch_size', 'size', (2, 13))
    """
    cells = {str(dim): n for dim, n in data["success"].sizes.items() if dim != "replica"}
    swept = [name for name, n in cells.items() if n > 1]
    x = x or control_dim(data)
    rest = sorted((name for name in swept if name != x), key=lambda name: name == "size")
    y = y or next(iter(rest), "")
    for name in (x, y):
        if name not in cells or x == y:
            raise AnalysisError(
                f"no plane of {x} and {y or 'nothing'}",
                where="plane",
                remedy=f"choose two of {', '.join(swept) or 'several swept parameters'}",
            )
    others = [name for name in swept if name not in (x, y)]
    if others:
        raise AnalysisError(
            f"{', '.join(others)} swept as well",
            where="plane",
            remedy=f"choose one of each: `physbatch select DATA.nc {others[0]}=... -o PART.nc`",
        )
    last = data[["overlap", "success", "status"]].isel(time=-1)
    last = last.squeeze([name for name in cells if name not in (x, y)], drop=True)
    ok = last["status"] == STATUS_OK
    means = (
        last["overlap"].where(ok).mean("replica", skipna=True),
        (last["success"] == 1).where(last["success"] >= 0).mean("replica", skipna=True),
    )
    overlap, success = (np.asarray(mean.transpose(y, x).values, np.float64) for mean in means)
    of_x, of_y = (np.asarray(data[name].values, dtype=np.float64) for name in (x, y))
    return ParameterPlane(x, y, of_x, of_y, overlap, success)
