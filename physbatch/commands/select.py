"""Parts of datasets on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from physbatch.commands.options import Output
from physbatch.commands.output import keep_others
from physbatch.errors import DatasetError

if TYPE_CHECKING:
    import xarray as xr


def select_command(file: Path, *values: str, output: Output) -> None:
    """Write the part of a dataset at some sizes, controls or values of swept parameters.

    Analyses know sizes and one control: of every other swept parameter choose one value.

    Parameters
    ----------
    file
        A dataset that `physbatch run` wrote.
    values
        What to keep, as in degree=5 or size=50,100.
    output
        The dataset to write (NetCDF).
    """
    from physbatch.dataset import open_dataset
    from physbatch.files.netcdf import save
    from physbatch.study.selection import select

    keep_others(output, "physbatch_schema")
    if not values:
        raise DatasetError("nothing to select", where="select", remedy="name values: size=50,100")
    data = open_dataset(file)
    part = select(data, dict(_parse(text) for text in values))
    save(part, output)
    print(f"kept     {_points(part)} of {_points(data)} grid points\ndataset  {output}")


def _parse(text: str) -> tuple[str, list[float]]:
    name, equals, numbers = text.partition("=")
    try:
        chosen = [float(number) for number in numbers.split(",")] if equals else []
    except ValueError:
        chosen = []
    if not chosen:
        raise DatasetError(
            f"cannot read {text!r}", where="select", remedy="write size=50 or size=50,100"
        )
    return name.strip(), chosen


def _points(data: xr.Dataset) -> int:
    """Number of grid points of a dataset: everything but replicas."""
    status = data["status"]
    return status.size // status.sizes["replica"]
