"""Raw series of energies and observables at several controls, from files or data in memory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np
import xarray as xr

from physbatch.errors import AnalysisError, DatasetError
from physbatch.files.netcdf import open_netcdf
from physbatch.results.flag import Flag
from physbatch.results.flags import ROWS_LEFT_OUT
from physbatch.tables.columns import Names, Roles, dimension_of, listed, named_column, pick_columns
from physbatch.tables.frames import sheet_of_data, sheet_of_file
from physbatch.tables.make import check_finite
from physbatch.tables.read import sheet_of_sizes
from physbatch.tables.sheet import Sheet
from physbatch.tables.sources import is_netcdf
from physbatch.tables.table import Dimension
from physbatch.tables.text import sniff
from physbatch.typing import FloatArray, IntArray

#: A column of this name says which chain a row is of, if no other is named.
_CHAIN = "chain"


class SeriesColumns(TypedDict, total=False):
    """Which column is what, as in `read_series`."""

    control: str | int | None
    observable: Names
    size: str | int | None
    chain: str | int | None
    time: str | int | None
    size_from_name: str | None
    dimension: Dimension | None


@dataclass(frozen=True, eq=False)
class EnergySeries:
    """One row for each measurement, in the order of time within a chain.

    Attributes
    ----------
    size, control, chain, energy : ndarray, shape (n,)
        Rows with the same size, control and chain follow one another in time.
    observables : mapping of name to ndarray, shape (n,)
        What was measured beside the energy.
    size_name, control_name, energy_name : str
        Names of the columns.
    dimension : {"N", "L"}
        Whether sizes are volumes or linear sizes.
    source : str
        Where the data came from.
    flags : tuple of Flag
        What was guessed or left out.
    """

    size: FloatArray
    control: FloatArray
    chain: FloatArray
    energy: FloatArray
    observables: Mapping[str, FloatArray]
    size_name: str
    control_name: str
    energy_name: str
    dimension: Dimension
    source: str
    flags: tuple[Flag, ...] = ()

    def of_rows(self, rows: IntArray, unit: float) -> EnergySeries:
        """Some rows, with energies in another unit."""
        return replace(
            self,
            size=self.size[rows],
            control=self.control[rows],
            chain=self.chain[rows],
            energy=self.energy[rows] * unit,
            observables={name: values[rows] for name, values in self.observables.items()},
        )


def read_series(
    data: str | os.PathLike[str] | Any, energy: str | int, **columns: Unpack[SeriesColumns]
) -> EnergySeries:
    """Series of energies and observables from a file or data in memory.

    Parameters
    ----------
    data : path or data
        Anything that `physbatch.read_table` reads, with a row for each measurement; of an xarray
        dataset or NetCDF every element of the energy is a row. Rows of a chain stand in the order
        of time.
    energy : str or int
        Column of the energy.
    control, size, observable : str or int, optional
        Columns; without them the usual names serve. There may be several observables, or none.
    chain : str or int, optional
        Column that numbers independent chains of a size and control; by default ``chain``, if there
        is one. Without it all rows of a size and control are one chain.
    time : str or int, optional
        Column by which a chain is sorted. Times may be missing: a gap only weakens the correlation
        of what stands on its sides.
    size_from_name : str, optional
        For a pattern of files, as in `physbatch.read_table`.
    dimension : {"N", "L"}, optional
        Whether sizes are volumes or linear sizes; by default N for a column called so.

    Raises
    ------
    physbatch.errors.DatasetError
        If the file cannot be read, or columns are not found.
    physbatch.errors.AnalysisError
        If a number is not finite; rows with nan are gaps, and left out.

    Examples
    --------
    >>> rows = {"L": [4, 4], "beta": [0.4, 0.4], "E": [-16, -20], "m": [0.5, float("nan")]}
    >>> series = read_series(rows, "E", observable="m")
    >>> series.energy.tolist(), series.control_name
    ([-16.0], 'beta')
    """
    sheet = _sheet(data, columns.get("size_from_name"))
    names = (energy, *listed(columns.get("observable")))
    roles = Roles(columns.get("size"), columns.get("control"), names)
    if not sheet.named and (roles.size is None or roles.control is None):
        raise DatasetError(
            f"{len(sheet.names)} columns without names",
            where=sheet.source,
            remedy="say by their numbers which hold size, control and energy",
        )
    chosen = pick_columns(sheet.names, roles, sheet.source)
    chain, time = columns.get("chain"), columns.get("time")
    if chain is None and _CHAIN in sheet.names:
        chain = _CHAIN
    more = {
        role: named_column(sheet.names, name, role, sheet.source)
        for role, name in (("chain", chain), ("time", time))
        if name is not None
    }
    wanted = (chosen.size, chosen.control, *chosen.observables, *more.values())
    loaded = sheet.columns(tuple(dict.fromkeys(wanted)))
    gap = np.any([np.isnan(loaded[name]) for name in wanted], axis=0)
    flags = [flag for flag in chosen.flags if not chosen.errors]
    if gap.any():
        flags.append(ROWS_LEFT_OUT(f"{int(gap.sum())} of {gap.size} rows hold no number: gaps"))
    kept = np.flatnonzero(~gap)
    if not kept.size:
        raise AnalysisError("no row holds all numbers", where=sheet.source)
    for name in wanted:
        check_finite(loaded[name][kept], repr(name), lambda row: sheet.locate(int(kept[row])))
    column = {name: loaded[name][kept] for name in wanted}
    numbers = {role: column[name] for role, name in more.items()}
    chains = numbers.get("chain", np.zeros(kept.size))
    keys = (chains, column[chosen.control], column[chosen.size])
    order = np.lexsort((numbers["time"], *keys) if "time" in numbers else keys)
    return EnergySeries(
        column[chosen.size][order],
        column[chosen.control][order],
        chains[order],
        column[chosen.observables[0]][order],
        {name: column[name][order] for name in chosen.observables[1:]},
        chosen.size,
        chosen.control,
        chosen.observables[0],
        columns.get("dimension") or dimension_of(chosen.size),
        sheet.source,
        tuple(flags),
    )


def _sheet(data: Any, size_from_name: str | None) -> Sheet:
    """The columns of a file, of a pattern of files, or of data in memory."""
    if isinstance(data, xr.Dataset):
        return sheet_of_data(data.to_dataframe().reset_index(), "dataset")
    if not isinstance(data, str | os.PathLike):
        return sheet_of_data(data)
    if size_from_name is not None:
        return sheet_of_sizes(str(data), size_from_name)
    source = Path(data)
    if is_netcdf(source):
        return sheet_of_data(open_netcdf(source).to_dataframe().reset_index(), str(source))
    return sheet_of_file(source) or sniff(source)
