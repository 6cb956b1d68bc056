"""Observables at points (size, control): what every scaling estimator takes.

A table serves a physicist who never ran our simulator: ragged grids are fine (each size has
its own control points), and values come with errors, with a covariance, or as replica-level
samples from which both follow. `physbatch.tables.make` is the door: what it lets in is finite,
sorted, without duplicates and with errors above 0.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from physbatch.errors import AnalysisError
from physbatch.results.export import plain_cell
from physbatch.results.flag import Flag
from physbatch.results.render import HtmlTable
from physbatch.typing import BoolArray, FloatArray

#: Whether sizes are volumes or linear sizes.
Dimension = Literal["N", "L"]

_NAMES = ("size_name", "control_name", "dimension", "source")
_LONG_NAMES = {
    "value": "mean of the observable",
    "stderr": "standard error of the observable",
    "covariance": "covariance between points of an observable",
    "sample": "replica-level values",
    "size": "size",
    "control": "control parameter",
}


@dataclass(frozen=True, eq=False, repr=False)
class ScalingTable(HtmlTable):
    """One or several observables at points (size, control).

    Attributes
    ----------
    size, control : ndarray, shape (n_point,)
        Coordinates, sorted by size and then by control; no pair stands twice.
    values, errors : mapping of name to ndarray, shape (n_point,)
        Observables and their standard errors, all > 0.
    covariance : mapping of name to ndarray, shape (n_point, n_point)
        Where points of an observable are correlated; its diagonal is ``errors**2``.
    samples : mapping of name to tuple of ndarray, shape (n_replica,) each
        Replica-level values of a point whose mean is the observable, where they are known;
        observables of one replica stand at the same place, so resampling keeps their correlation.
    size_name, control_name : str
        Names of the columns or dimensions.
    dimension : {"N", "L"}
        Whether sizes are volumes or linear sizes; nu refers to it.
    source : str
        Where the data came from.
    flags : tuple of Flag
        Each ``name: explanation`` says what was guessed, left out or suspicious.
    """

    size: FloatArray
    control: FloatArray
    values: Mapping[str, FloatArray]
    errors: Mapping[str, FloatArray]
    covariance: Mapping[str, FloatArray] = field(default_factory=dict)
    samples: Mapping[str, tuple[FloatArray, ...]] = field(default_factory=dict)
    size_name: str = "L"
    control_name: str = "control"
    dimension: Dimension = "L"
    source: str = ""
    flags: tuple[Flag, ...] = ()

    def __post_init__(self) -> None:
        if self.flags:  # words of a user are flags of no listed kind
            object.__setattr__(self, "flags", tuple(map(Flag.read, self.flags)))

    @property
    def observables(self) -> tuple[str, ...]:
        """Names of the observables."""
        return tuple(self.values)

    @property
    def sizes(self) -> FloatArray:
        """The different sizes, sorted."""
        return np.unique(self.size)

    def select(self, keep: BoolArray) -> ScalingTable:
        """The points where `keep` is true."""
        return self.take(np.flatnonzero(keep))

    def take(self, rows: npt.NDArray[np.intp]) -> ScalingTable:
        """The points with the given row numbers, in their order."""
        return replace(
            self,
            size=self.size[rows],
            control=self.control[rows],
            values={name: values[rows] for name, values in self.values.items()},
            errors={name: errors[rows] for name, errors in self.errors.items()},
            covariance={
                name: matrix[np.ix_(rows, rows)] for name, matrix in self.covariance.items()
            },
            samples={
                name: tuple(points[row] for row in rows) for name, points in self.samples.items()
            },
        )

    def window(
        self,
        *,
        size_min: float = -np.inf,
        size_max: float = np.inf,
        control_min: float = -np.inf,
        control_max: float = np.inf,
    ) -> ScalingTable:
        """The points within a range of sizes and controls, ends included."""
        return self.select(
            (self.size >= size_min)
            & (self.size <= size_max)
            & (self.control >= control_min)
            & (self.control <= control_max)
        )

    def only(self, *names: str) -> ScalingTable:
        """The table with some of its observables.

        Raises
        ------
        physbatch.errors.AnalysisError
            If there is no such observable.
        """
        for name in names:
            if name not in self.values:
                raise AnalysisError(
                    f"no observable {name!r}",
                    where=self.source or "table",
                    remedy=f"there is {', '.join(self.observables)}",
                )
        return replace(
            self,
            values={name: self.values[name] for name in names},
            errors={name: self.errors[name] for name in names},
            covariance={n: matrix for n, matrix in self.covariance.items() if n in names},
            samples={n: points for n, points in self.samples.items() if n in names},
        )

    def to_dimension(self, dimension: Dimension, space_dimension: float) -> ScalingTable:
        """The same data with sizes as volumes N = L^d or linear sizes L = N^(1/d).

        Exponents of N and of L differ by d: nu per volume is d nu per linear size.

        Parameters
        ----------
        dimension : {"N", "L"}
            What the sizes shall be.
        space_dimension : float
            d, the dimension of space.

        Raises
        ------
        physbatch.errors.AnalysisError
            If `space_dimension` is not a positive number.

        Examples
        --------
        >>> from physbatch.tables import make_table
        >>> table = make_table([4, 8, 8], [1, 1, 2], {"m": [1, 2, 3]}, {"m": [1, 1, 1]})
        >>> table.to_dimension("N", 2).size.tolist()
        [16.0, 64.0, 64.0]
        """
        if not (np.isfinite(space_dimension) and space_dimension > 0):
            raise AnalysisError(
                f"space dimension {space_dimension}", where="to_dimension", remedy="give d > 0"
            )
        if dimension not in ("N", "L"):
            raise AnalysisError(f"dimension {dimension!r}", remedy="sizes are 'N' or 'L'")
        if dimension == self.dimension:
            return self
        power = space_dimension if dimension == "N" else 1.0 / space_dimension
        size = self.size**power
        whole = np.round(size)
        # 64^(1/3) is 3.9999999999999996: the size that was meant is the whole number.
        size = np.where(np.abs(size - whole) <= 1e-9 * size, whole, size)
        return replace(self, size=size, size_name=dimension, dimension=dimension)

    def joint_covariance(self, *names: str) -> FloatArray:
        """Covariance between observables at each point, shape (n_point, k, k).

        From the samples, which stand at the same place for one replica; without samples the
        observables count as independent and only the diagonal is filled.
        """
        names = names or self.observables
        wanted = self.only(*names)
        errors = np.stack([wanted.errors[name] for name in names], axis=-1)
        out = np.asarray(np.eye(len(names)) * errors[:, :, None] ** 2, dtype=np.float64)
        if all(name in self.samples for name in names) and len(names) > 1:
            for row in range(self.size.size):
                together = np.stack([self.samples[name][row] for name in names])
                out[row] = np.cov(together) / together.shape[1]
        return out

    def describe(self, row: int) -> str:
        """Size and control of a row, in words."""
        return f"{self.size_name} = {self.size[row]:g}, {self.control_name} = {self.control[row]:g}"

    def to_dataset(self) -> xr.Dataset:
        """The table as a dataset with dimensions ``observable`` and ``point``.

        ``value``, ``stderr``; ``covariance`` and ``sample`` where there are some, padded
        with nan. `from_dataset` is the inverse.
        """
        names, count = list(self.observables), self.size.size
        both = ("observable", "point")
        data = xr.Dataset(coords={"observable": ("observable", np.array(names, dtype=str))})
        data["value"] = (both, np.reshape([self.values[n] for n in names], (-1, count)))
        data["stderr"] = (both, np.reshape([self.errors[n] for n in names], (-1, count)))
        if self.covariance:
            absent = np.full((count, count), np.nan)
            matrices = np.stack([self.covariance.get(name, absent) for name in names])
            data["covariance"] = ((*both, "point_other"), matrices)
        if self.samples:
            length = max(sample.size for points in self.samples.values() for sample in points)
            padded = np.full((len(names), count, length), np.nan)
            for index, name in enumerate(names):
                for row, sample in enumerate(self.samples.get(name, ())):
                    padded[index, row, : sample.size] = sample
            data["sample"] = ((*both, "replica"), padded)
        data = data.assign_coords(size=("point", self.size), control=("point", self.control))
        for name, words in _LONG_NAMES.items():
            if name in data:
                data[name].attrs = {"long_name": words, "units": "1"}
        data.attrs = {
            "Conventions": "CF-1.11",
            "title": "observables at points (size, control)",
            "physbatch_table": 1,
            **{name: getattr(self, name) for name in _NAMES},
            "flags": "\n".join(self.flags),
        }
        return data

    @classmethod
    def from_dataset(cls, data: xr.Dataset) -> ScalingTable:
        """The table that `to_dataset` made a dataset of.

        Raises
        ------
        physbatch.errors.AnalysisError
            If the dataset holds no table.
        """
        needed = ("value", "stderr", "size", "control", "flags", *_NAMES)
        if not all(name in getattr(data, "variables", ()) or name in data.attrs for name in needed):
            raise AnalysisError(
                "holds no table",
                where="dataset",
                remedy="physbatch.tables.from_dataset reads other datasets and their variables",
            )
        names = [str(name) for name in data["observable"].values]
        arrays: dict[str, dict[str, Any]] = {}
        for part in ("value", "stderr", "covariance", "sample"):
            rows = np.asarray(data[part].values, np.float64) if part in data else ()
            arrays[part] = {
                name: row for name, row in zip(names, rows, strict=False) if np.any(row == row)
            }
        samples = {
            name: tuple(sample[np.isfinite(sample)] for sample in points)
            for name, points in arrays["sample"].items()
        }
        return cls(
            np.asarray(data["size"].values, dtype=np.float64),
            np.asarray(data["control"].values, dtype=np.float64),
            arrays["value"],
            arrays["stderr"],
            arrays["covariance"],
            samples,
            **{name: data.attrs[name] for name in _NAMES},
            flags=tuple(map(Flag.read, filter(None, str(data.attrs["flags"]).split("\n")))),
        )

    def to_csv(self) -> str:
        """The table as CSV text, every number with all its digits.

        Columns: size, control, then NAME and NAME_error for every observable. A covariance
        and samples do not fit into columns: `to_dataset` keeps them.

        Examples
        --------
        >>> from physbatch.tables import make_table
        >>> table = make_table([4, 8, 8], [1, 1, 2], {"m": [1, 2, 3]}, {"m": [1, 1, 1]})
        >>> print(table.to_csv().splitlines()[1:3])
        ['L,control,m,m_error', '4.0,1.0,1.0,1.0']
        """
        stream = io.StringIO()
        stream.write(f"# physbatch table; sizes are {self.dimension}\n")
        writer = csv.writer(stream, lineterminator="\n")
        columns = [self.size, self.control]
        header = [self.size_name, self.control_name]
        for name in self.observables:
            columns += [self.values[name], self.errors[name]]
            header += [name, f"{name}_error"]
        writer.writerow(map(plain_cell, header))
        writer.writerows(zip(*(column.tolist() for column in columns), strict=True))
        return stream.getvalue()
