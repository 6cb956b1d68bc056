"""The transition line m_c(eta): how large a batch must be at every learning rate."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr

from physbatch.dataset import (
    STATUS_DIVERGED,
    STATUS_MISSING,
    STATUS_OK,
    batch_sizes,
    control_dim,
    validate,
)
from physbatch.errors import AnalysisError
from physbatch.noise.plane import (
    PlaneThresholds,
    counted_repr,
    falling_edge,
    squeezed_to,
    stated_rows,
)
from physbatch.results.estimate import Estimate
from physbatch.results.flags import ABOVE_GRID, ALWAYS_LEARNS
from physbatch.results.record import Record, result
from physbatch.typing import FloatArray


@result("transition line")
@dataclass(frozen=True, eq=False, repr=False)
class TransitionLine(PlaneThresholds, Record):
    """Smallest batch size with which half of the replicas learn, at every learning rate.

    Systematic errors are half the distance of the grid points between which success sets in at
    once. Flags: ``always_learns`` (half succeed at the smallest m), ``never_learns``, ``step``.
    """

    def __repr__(self) -> str:
        return counted_repr(self, self.batch_size, "points", self.flags)

    def stated(self) -> dict[str, Estimate]:
        """m_c of every size and learning rate."""
        keys = {"N": self.size, "eta": self.learning_rate}
        return stated_rows("m_c", keys, self.batch_size, self.stderr, self.systematic)


def learned(data: xr.Dataset, fraction: float | None = None) -> xr.DataArray:
    """Which replicas have learned at the end: perfectly, or most of the way.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of the schema.
    fraction : float, optional
        Share of its first generalisation error up to which a replica counts as learned;
        without it only success does.
    """
    good = data["success"] == 1
    if fraction is not None:
        error = data["generalization_error"]
        good = error.isel(time=-1) <= fraction * error.isel(time=0)
    return good & (data["status"] == STATUS_OK)


class LearnedPlane(NamedTuple):
    """Shares of the replicas of one size, over learning rates (rows) and batch sizes."""

    batch_size: FloatArray
    learning_rate: FloatArray
    learned: FloatArray
    diverged: FloatArray


def learned_plane(data: xr.Dataset, size: float, fraction: float | None = None) -> LearnedPlane:
    """Which share of the replicas learn, and which diverge, at every learning rate and m.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of the schema, swept over ``learning_rate`` and the batch size.
    size : float
        Which size.
    fraction : float, optional
        As in `learned`.

    Raises
    ------
    AnalysisError
        If another parameter is swept.
    """
    dims = ("learning_rate", control_dim(data))
    at = squeezed_to(data.sel(size=size), (*dims, "replica"), "learned plane")
    shares = (
        flags.mean("replica").transpose(*dims).values
        for flags in (learned(at, fraction), at["status"] == STATUS_DIVERGED)
    )
    m = np.asarray(batch_sizes(data).sel(size=size).values, dtype=np.float64).ravel()
    return LearnedPlane(m, np.asarray(data["learning_rate"].values, dtype=np.float64), *shares)


def transition_line(data: xr.Dataset, *, fraction: float | None = None) -> TransitionLine:
    """Find m_c(eta) of every size and learning rate.

    A logistic curve in ln m is fitted by maximum likelihood to the share of replicas that
    learned, below the batch size with the largest share; m_c is where it crosses one half.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of the schema, swept over ``learning_rate`` and the batch size.
    fraction : float, optional
        Share of its first error up to which a replica counts as learned; by default only
        success (a perfect student) does.

    Raises
    ------
    AnalysisError
        If there are fewer than three batch sizes, no learning rates, or another swept
        parameter.

    Examples
    --------
    >>> from physbatch.exact.batch_noise import transition_data
    >>> line = transition_line(transition_data(seed=1))  # planted: m_c = eta/4
    >>> bool(np.allclose(line.batch_size, line.learning_rate / 4, rtol=0.1))
    True
    """
    data = validate(data)
    control = control_dim(data)
    dims = ("size", "learning_rate", control, "replica")
    if "learning_rate" not in data.dims or data.sizes[control] < 3:
        raise AnalysisError(
            "no learning rates or fewer than three batch sizes",
            where="transition line",
            remedy="sweep grid.learning_rate and grid.batch_size",
        )
    data = squeezed_to(data, dims, "transition line")
    good = learned(data, fraction).transpose(*dims).values.sum(axis=3)
    counted = (data["status"] != STATUS_MISSING).transpose(*dims).values.sum(axis=3)
    m = batch_sizes(data).values
    rows, flags = [], []
    for number, size in enumerate(data["size"].values):
        backwards = -np.log(m[number][::-1])
        for row, rate in enumerate(data["learning_rate"].values):
            (edge, stderr, systematic), why = falling_edge(
                backwards, good[number, row, ::-1], counted[number, row, ::-1]
            )
            m_c = math.exp(-edge)
            rows.append((float(size), m_c, float(rate), m_c * stderr, m_c * systematic))
            if why and why.kind is ABOVE_GRID:
                why = ALWAYS_LEARNS("half of the replicas learn with the smallest batch")
            if why:
                flags.append(why.at(f"N = {size:g}, eta = {rate:g}"))
    return TransitionLine.of_rows(rows, flags=tuple(flags))
