"""What the analyses of the plane of learning rate and batch size share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import xarray as xr

from physbatch.errors import AnalysisError
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag, bracketed
from physbatch.typing import Dims, FloatArray

__all__ = ["RateThresholds", "counted_repr", "stated_rows", "squeezed_to"]


@dataclass(frozen=True, eq=False, repr=False)
class RateThresholds:
    """Fields of a record that holds a threshold of the learning rate for each size and m.

    Attributes
    ----------
    size, batch_size : ndarray, shape (n_curve,)
        N and m.
    learning_rate, stderr, systematic : ndarray, shape (n_curve,)
        The threshold, its statistical and its systematic error; nan where there is none.
    flags : tuple of Flag
        Each ``name: explanation`` says which threshold is missing or doubtful, and why.
    """

    dims: ClassVar[Dims] = dict.fromkeys(
        ("size", "batch_size", "learning_rate", "stderr", "systematic"), ("curve",)
    )

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
    >>> counted_repr(1.0, np.array([2.0, np.nan]), "points", ("step: too coarse",))
    'float(1 of 2 points) [step]'
    """
    known = int(np.isfinite(values).sum())
    names = bracketed(flags)
    return f"{type(record).__name__}({known} of {values.size} {what}){names}"


def squeezed_to(data: xr.Dataset, dims: Sequence[str], where: str) -> xr.Dataset:
    """The data without those dimensions of the cells that are not among `dims`.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of the schema.
    dims : sequence of str
        What an analysis uses.
    where : str
        Its name, for the error.

    Raises
    ------
    AnalysisError
        If another dimension has more than one value.
    """
    others = [str(dim) for dim in data["success"].dims if dim not in dims]
    for dim in others:
        if data.sizes[dim] > 1:
            raise AnalysisError(
                f"dimension {dim!r} is swept",
                where=where,
                remedy=f"select one: isel({dim}=0)",
            )
    return data.squeeze(others)
