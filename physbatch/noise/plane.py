"""What the analyses of the plane of learning rate and batch size share.

Thresholds in it, and the edge where the share of successes falls through one half.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import xarray as xr

from physbatch.errors import AnalysisError
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag, bracketed
from physbatch.results.flags import ABOVE_GRID, NEVER_LEARNS, STEP
from physbatch.scaling.statistics.success_fits import fit_logistic, parameter_covariance
from physbatch.typing import FloatArray, IntArray


@dataclass(frozen=True, eq=False, repr=False)
class PlaneThresholds:
    """Fields of a record that holds thresholds in the plane, one for each curve.

    Of `batch_size` and `learning_rate` (eta, or the base of the rule) the one that is sought is
    nan where the grid does not hold it; `stderr` and `systematic` are its errors.
    """

    main_dim: ClassVar[str] = "curve"

    size: FloatArray
    batch_size: FloatArray
    learning_rate: FloatArray
    stderr: FloatArray
    systematic: FloatArray
    flags: tuple[Flag, ...]

    def __repr__(self) -> str:
        return counted_repr(self, self.learning_rate, "thresholds", self.flags)

    def stated(self) -> dict[str, Estimate]:
        """The threshold of every curve."""
        keys = {"N": self.size, "m": self.batch_size}
        return stated_rows("eta", keys, self.learning_rate, self.stderr, self.systematic)


def stated_rows(
    name: str, keys: Mapping[str, FloatArray], *columns: FloatArray
) -> dict[str, Estimate]:
    """The numbers of some columns as estimates, named by what is different from row to row.

    Examples
    --------
    >>> stated_rows("m_c", {"N": np.array([50.0])}, np.array([12.5]), np.array([0.5]))
    {'m_c (N = 50)': 12.5(5)}
    """
    rows = zip(*(column.tolist() for column in columns), strict=True)
    places = zip(*(column.tolist() for column in keys.values()), strict=True)
    return {
        f"{name} ({', '.join(f'{k} = {x:g}' for k, x in zip(keys, at, strict=True))})": Estimate(
            *row
        )
        for at, row in zip(places, rows, strict=True)
    }


def counted_repr(record: object, values: FloatArray, what: str, flags: tuple[Flag, ...]) -> str:
    """How many values of a record are known, and the names of its flags.

    Examples
    --------
    >>> from physbatch.results.flags import STEP
    >>> counted_repr(1.0, np.array([2.0, np.nan]), "points", (STEP("too coarse"),))
    'float(1 of 2 points) [step]'
    """
    known = int(np.isfinite(values).sum())
    names = bracketed(flags)
    return f"{type(record).__name__}({known} of {values.size} {what}){names}"


def squeezed_to(data: xr.Dataset, dims: Sequence[str], where: str) -> xr.Dataset:
    """The data with the cells' `dims` alone; an AnalysisError if another one is swept."""
    others = [str(dim) for dim in data["success"].dims if dim not in dims]
    for dim in others:
        if data.sizes[dim] > 1:
            raise AnalysisError(
                f"dimension {dim!r} is swept", where=where, remedy=f"select one: isel({dim}=0)"
            )
    return data.squeeze(others)


def falling_edge(
    x: FloatArray, successes: IntArray, trials: IntArray
) -> tuple[tuple[float, float, float], Flag | None]:
    """Edge beyond the place with the most successes: position, statistical and systematic error.

    A logistic curve over ascending `x` is fitted by maximum likelihood; where outcomes change from
    one point of the grid to the next, the edge lies between them (``step``, half the spacing as
    systematic error). Without an edge all three are nan: ``never_learns``, ``above_grid``.
    """
    nothing = (math.nan, math.nan, math.nan)
    measured = trials > 0
    x, successes, trials = x[measured], successes[measured], trials[measured]
    share = successes / trials if trials.size else np.empty(0)
    if share.size == 0 or share.max() < 0.5:
        return nothing, NEVER_LEARNS("fewer than half of the replicas succeed anywhere")
    top = int(np.flatnonzero(share == share.max())[-1])
    if share[-1] >= 0.5:
        return nothing, ABOVE_GRID("half of the replicas succeed at the end of the grid")
    x, k, n = x[top:], successes[top:], trials[top:]
    fit = fit_logistic(x, k, n)
    if bool(fit.converged[0]) and float(fit.width[0]) < 0:
        covariance = parameter_covariance(x, n, float(fit.m_c[0]), float(fit.width[0]))
        if np.all(np.isfinite(covariance)):
            return (float(fit.m_c[0]), math.sqrt(covariance[0, 0]), 0.0), None
    # Too few mixed outcomes for a curve: the edge lies between two neighbours.
    above = int(np.flatnonzero(2 * k < n)[0])
    low, high = float(x[above - 1]), float(x[above])
    return ((low + high) / 2, 0.0, (high - low) / 2), STEP("from one point to the next")
