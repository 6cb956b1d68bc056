"""The points of a collapse with another nu than the fitted one."""

import math
from dataclasses import replace

from physbatch.errors import AnalysisError
from physbatch.scaling.data_collapse.result import Collapse, CollapsedPoints

_POWERS = ("power", "background", "offset", "free-scale")


def drawn_nu(result: Collapse) -> float:
    """The nu with which the points of a collapse in powers of the size are drawn.

    Raises
    ------
    physbatch.errors.AnalysisError
        If the form has no nu, or the fit found none.
    """
    known = {plain.name: plain.value for plain in result.plain} | dict(result.fixed)
    nu = known.get("nu", math.nan)
    if result.form not in _POWERS or not nu > 0.0:
        raise AnalysisError(
            f"form {result.form} with nu = {nu:g}",
            where="collapse",
            remedy="take a collapse in powers of the size that has found nu",
        )
    return nu


def points_at(result: Collapse, factor: float) -> tuple[CollapsedPoints, ...]:
    """The points as they would be with nu multiplied by a factor, all else as it is.

    x N^(1/nu' - 1/nu) is N^(1/nu') (c - c_c).

    Raises
    ------
    physbatch.errors.AnalysisError
        If the form has no nu, or the fit found none.

    Examples
    --------
    >>> from physbatch.exact.scaling_functions import planted_table
    >>> from physbatch.scaling import collapse
    >>> result = collapse(planted_table("Ising 2-D", (16, 32, 64)), window="all")
    >>> bool((points_at(result, 1.0)[0].x == result.points[0].x).all())
    True
    """
    change = (1.0 / factor - 1.0) / drawn_nu(result)
    return tuple(replace(points, x=points.x * points.size**change) for points in result.points)
