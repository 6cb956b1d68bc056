"""The order of a transition on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from physbatch.commands.look import ResultAndFigure
from physbatch.commands.options import BootstrapSeed, Columns, Resamples
from physbatch.commands.output import finish, keep_other_results
from physbatch.errors import AnalysisError
from physbatch.files.netcdf import open_netcdf

if TYPE_CHECKING:
    from physbatch.scaling.order.result import TransitionOrder


Kind = Literal["order parameter", "binder"]


def order_command(
    file: Path,
    *,
    columns: Columns = Columns(),
    kind: Kind = "order parameter",
    space_dimension: float | None = None,
    time: float | None = None,
    resamples: Resamples = 100,
    seed: BootstrapSeed = 0,
    outputs: ResultAndFigure = ResultAndFigure(),
) -> None:
    """Say whether a transition is first order, continuous, a crossover, or undecided.

    The observable is an order parameter, which must be intensive. A curve with errors shows no
    jump, so that only a crossover can be concluded from it.

    Parameters
    ----------
    file
        Samples of an order parameter: rows with the same size and control, or NetCDF. A
        dataset that `physbatch run` wrote is analysed with its times and starts.
    kind
        What a curve with errors is: an order parameter, or its Binder parameter.
    space_dimension
        d in N = L^d; samples at linear sizes need it.
    time
        For datasets with a time: which one; by default the last.
    """
    keep_other_results(outputs.output)
    how = {"space_dimension": space_dimension, "resamples": resamples, "seed": seed}
    result = _of_dataset(file, columns, time, how) or _of_table(file, columns, time, kind, how)
    finish(result, outputs, [result.report()])


def _of_dataset(
    file: Path, columns: Columns, time: float | None, how: dict[str, Any]
) -> TransitionOrder | None:
    """The result from a dataset of the schema; None if the file holds something else."""
    from physbatch.scaling.order.classification import transition_order
    from physbatch.tables.sources import is_netcdf
    from physbatch.views import view

    if columns.size_from_name is not None or not is_netcdf(file):
        return None
    data = open_netcdf(file)
    if "physbatch_schema" not in data.attrs:
        return None
    if columns.error is not None:
        raise AnalysisError("a dataset of replicas has no column of errors", where="--error")
    data = view(data, columns.observable, columns.control)
    return transition_order(columns.of_dataset(data), columns.observable, time=time, **how)


def _of_table(
    file: Path, columns: Columns, time: float | None, kind: Kind, how: dict[str, Any]
) -> TransitionOrder:
    """The result from any table."""
    from physbatch.scaling.order.classification import transition_order

    table = columns.read(file, time=time, minimum_sizes=1, minimum_points=1)
    name = columns.observable and table.observables[0]
    return transition_order(table, name, kind=kind, **how)
