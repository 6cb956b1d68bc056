"""Do curves of generalisation against the batch size fall together as functions of g?"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import xarray as xr

from physbatch.errors import AnalysisError
from physbatch.noise.best_batch import batch_curves
from physbatch.noise.gradients import noise_scale
from physbatch.results.flag import Flag, bracketed
from physbatch.results.flags import NO_OVERLAP
from physbatch.results.record import Record, result
from physbatch.scaling.data_collapse.quality import local_curve
from physbatch.typing import FloatArray


@result("scale collapse")
@dataclass(frozen=True, eq=False, repr=False)
class ScaleCollapse(Record):
    """Every curve, divided by its lowest point, against one variable.

    Attributes
    ----------
    curve : ndarray, shape (n_point,)
        Number of the curve (one learning rate, one number of patterns).
    x : ndarray, shape (n_point,)
        g = eps (P/B - 1), or B.
    value, stderr : ndarray, shape (n_point,)
        Generalisation error over that at the curve's lowest point, whose error counts as well.
    learning_rate, pattern_count : ndarray, shape (n_point,)
        eps and P.
    quality : float
        S of Houdayer and Hartmann: mean squared distance between each point and the straight
        line through the neighbouring points of the other curves, in units of the errors. About
        1 where the curves fall together.
    flags : tuple of Flag
        ``no_overlap`` (no point of a curve lies within the range of another).
    """

    main_dim: ClassVar[str] = "point"

    curve: FloatArray
    x: FloatArray
    value: FloatArray
    stderr: FloatArray
    learning_rate: FloatArray
    pattern_count: FloatArray
    variable: str
    quality: float
    flags: tuple[Flag, ...]

    def __repr__(self) -> str:
        names = bracketed(self.flags)
        return f"ScaleCollapse(S = {self.quality:.3g} against {self.variable}){names}"


def scale_collapse(
    data: xr.Dataset,
    *,
    against: Literal["noise_scale", "batch_size"] = "noise_scale",
    time: float | None = None,
) -> ScaleCollapse:
    """Put all curves error(B) of a dataset on one axis, and measure how well they agree.

    If the noise scale g = eps (P/B - 1) were all that matters, the curves of one P would be one
    function of g, and all of them would have their minimum at the same g. Each curve is divided
    by its lowest point, as the error itself depends on P.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of the schema with one size, swept over ``batch_size`` and ``learning_rate``
        or ``pattern_count``.
    against : {"noise_scale", "batch_size"}
        The variable.
    time : float, optional
        Measuring time; by default the last.

    Raises
    ------
    AnalysisError
        If the data have more than one size or another swept parameter, or lack P or eps.

    References
    ----------
    Smith and Le, arXiv 1710.06451 (2017); Houdayer and Hartmann, Phys. Rev. B 70 (2004)
    014418, doi 10.1103/PhysRevB.70.014418.

    Examples
    --------
    >>> from physbatch.exact.batch_noise import optimum_batch_data
    >>> planted = optimum_batch_data(seed=1)  # a function of B/(eps P)
    >>> against_g = scale_collapse(planted).quality
    >>> against_g < scale_collapse(planted, against="batch_size").quality
    True
    """
    curves = batch_curves(data, time=time)
    if not (np.isfinite(curves.learning_rate).all() and np.isfinite(curves.pattern_count).all()):
        raise AnalysisError(
            "the learning rate or the number of patterns is not known",
            where="noise scale",
            remedy="sweep grid.learning_rate and grid.pattern_count",
        )
    table = curves.table
    number = table.size.astype(int) - 1
    batch_size = np.exp(table.control)
    rate, count = curves.learning_rate[number], curves.pattern_count[number]
    value, stderr = table.values["error"], table.errors["error"]
    curve = [np.flatnonzero(number == label) for label in number]
    lowest = np.array([rows[value[rows].argmin()] for rows in curve])
    ratio = value / value[lowest]
    # The lowest point divides the whole curve, so its error is in all others.
    relative = stderr / value
    others = lowest != np.arange(len(value))
    error = ratio * np.hypot(relative, np.where(others, relative[lowest], 0.0))
    if against == "noise_scale":
        x = np.array(
            [
                noise_scale(eps, int(patterns), m)
                for eps, patterns, m in zip(rate, count, batch_size, strict=True)
            ]
        )
    else:
        x = batch_size
    kept = np.flatnonzero(x > 1e-9 * rate)  # the whole set has no noise, but for rounding
    order = kept[np.lexsort((x[kept], number[kept]))]
    columns = {
        "curve": table.size[order],
        "x": x[order],
        "value": ratio[order],
        "stderr": error[order],
        "learning_rate": rate[order],
        "pattern_count": count[order],
    }
    ln_x = np.log(columns["x"])
    lines = local_curve(
        columns["curve"], ln_x, columns["value"], columns["stderr"], ln_x, columns["curve"]
    )
    known = lines.known
    squares = (columns["value"] - lines.value) ** 2 / (columns["stderr"] ** 2 + lines.variance)
    flags = () if known.any() else (NO_OVERLAP("no point lies within the range of another curve"),)
    return ScaleCollapse(
        **columns,
        variable="g = eps (P/B - 1)" if against == "noise_scale" else "B",
        quality=float(squares[known].mean()) if known.any() else float("nan"),
        flags=flags,
    )
