"""Quality S of a data collapse by local linear master curves.

S is stated, not minimised: straight lines between neighbouring points miss the curvature of the
master curve. On planted data with 18 points a size and 0.3 % noise, S is 17.7 at the *exact*
exponents, and its minimum lies 15 times its scatter away from the exact nu (4 at 1 %, 1 at 3 %).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from physbatch.errors import AnalysisError
from physbatch.scaling.table import ScalingTable

__all__ = ["collapse_quality", "quality_of"]

FloatArray = npt.NDArray[np.float64]


def quality_of(size: FloatArray, x: FloatArray, y: FloatArray, error: FloatArray) -> float:
    r"""S of points that are already rescaled (Houdayer and Hartmann).

    At every point the master curve is the weighted straight line through the two points of each
    *other* size on either side of its x; points that no other size brackets do not count.

    .. math:: S = \frac1n \sum_i \frac{(y_i - Y_i)^2}{dy_i^2 + dY_i^2}

    Parameters
    ----------
    size, x, y, error : ndarray, shape (n,)
        Sizes, scaling variable, rescaled values and errors; x ascends within each size.

    Returns
    -------
    float
        About 1 for a collapse within errors; inf if no point is bracketed.

    References
    ----------
    Houdayer and Hartmann, PRB 70 (2004) 014418, doi 10.1103/PhysRevB.70.014418.

    Examples
    --------
    >>> import numpy as np
    >>> size = np.repeat([8.0, 16.0], 4)
    >>> x = np.tile([0.0, 1.0, 2.0, 3.0], 2)
    >>> quality_of(size, x, 2 * x, np.full(8, 0.1))
    0.0
    """
    k = np.zeros_like(x)  # sums of w, w x, w y, w x^2 and w x y over the bracketing points
    kx, ky, kxx, kxy = (np.zeros_like(x) for _ in range(4))
    for one in np.unique(size):
        rows = np.flatnonzero(size == one)
        xs, ys = x[rows], y[rows]
        weights = 1.0 / error[rows] ** 2
        right = np.searchsorted(xs, x, side="left")
        bracketed = (right > 0) & (right < len(rows)) & (size != one)
        for place in (right[bracketed] - 1, right[bracketed]):
            w, px, py = weights[place], xs[place], ys[place]
            k[bracketed] += w
            kx[bracketed] += w * px
            ky[bracketed] += w * py
            kxx[bracketed] += w * px**2
            kxy[bracketed] += w * px * py
    determinant = k * kxx - kx**2
    used = determinant > 1e-12 * np.maximum(k * kxx, 1e-300)
    if not used.any():
        return float("inf")
    k, kx, ky, kxx, kxy = (one[used] for one in (k, kx, ky, kxx, kxy))
    at, scale = x[used], determinant[used]
    line = (kxx * ky - kx * kxy + at * (k * kxy - kx * ky)) / scale
    variance = (kxx - 2 * at * kx + at**2 * k) / scale
    return float(np.mean((y[used] - line) ** 2 / (error[used] ** 2 + variance)))


def collapse_quality(
    table: ScalingTable, observable: str, *, c_c: float, nu: float, zeta: float = 0.0
) -> float:
    """S of an observable for given exponents.

    Parameters
    ----------
    table : ScalingTable
        The data, sorted by size and control.
    observable : str
        Which observable.
    c_c, nu, zeta : float
        y = N^(zeta/nu) f(N^(1/nu) (c - c_c)).

    Raises
    ------
    AnalysisError
        If the table has no such observable or nu is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> size = np.repeat([8.0, 16.0, 32.0], 9)
    >>> control = np.tile(np.linspace(0.9, 1.1, 9), 3)
    >>> error = np.full(27, 0.02)
    >>> table = ScalingTable(size, control, {"U": np.tanh(size * (control - 1))}, {"U": error})
    >>> collapse_quality(table, "U", c_c=1.0, nu=1.0) < 3
    True
    """
    if observable not in table.values:
        raise AnalysisError(
            f"no observable {observable!r}",
            where="collapse_quality",
            remedy=f"choose among {', '.join(table.observables)}",
        )
    if not nu > 0:
        raise AnalysisError(f"nu = {nu}", where="collapse_quality", remedy="give a positive one")
    scale = table.size ** (zeta / nu)
    return quality_of(
        table.size,
        table.size ** (1 / nu) * (table.control - c_c),
        table.values[observable] / scale,
        table.errors[observable] / scale,
    )
