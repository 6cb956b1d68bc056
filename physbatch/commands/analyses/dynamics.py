"""Dynamic scaling on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from physbatch.commands.look import ResultAndFigure
from physbatch.commands.options import Dimension
from physbatch.commands.output import finish, keep_other_results

if TYPE_CHECKING:
    from physbatch.tables.times import TimeTable


@Parameter(name="*")
@dataclass(frozen=True)
class TimeColumns:
    """Columns of observables in time."""

    time: Annotated[
        str | None,
        Parameter(help="Column of the times (or frequencies): a name, or a number from 1."),
    ] = None
    control: Annotated[str | None, Parameter(help="Column of the control parameter.")] = None
    size: Annotated[str | None, Parameter(help="Column of the sizes, if there is one.")] = None
    observable: Annotated[
        list[str] | None,
        Parameter(
            help="Column of an observable; give it again for more. By default all that are left; "
            "R2 or msd is a mean square distance.",
            negative=(),
        ),
    ] = None
    error: Annotated[
        list[str] | None,
        Parameter(help="Column of its standard error, in the same order.", negative=()),
    ] = None
    dimension: Annotated[
        Dimension | None,
        Parameter(help="Whether sizes are volumes (N) or linear sizes (L); z refers to it."),
    ] = None


@Parameter(name="*")
@dataclass(frozen=True)
class Ranges:
    """The part of the data that is taken."""

    time_min: Annotated[float, Parameter(help="Leave out earlier times.", negative=())] = 0.0
    time_max: Annotated[float, Parameter(help="Leave out later times.", negative=())] = float("inf")
    control_min: Annotated[float, Parameter(help="Leave out smaller controls.", negative=())] = (
        float("-inf")
    )
    control_max: Annotated[float, Parameter(help="Leave out larger controls.", negative=())] = (
        float("inf")
    )


def dynamics_command(
    file: Path,
    *,
    columns: TimeColumns = TimeColumns(),
    ranges: Ranges = Ranges(),
    outputs: ResultAndFigure = ResultAndFigure(),
) -> None:
    """Find c_c, delta, nu_par and z from what observables do in time: rho ~ t^-delta at c_c.

    Curves rho(t) at several controls are collapsed with the time as the size; where there are
    sizes, or a mean square distance R2 from one defect, z follows as well. Without a column of
    errors these are estimated.

    Parameters
    ----------
    file
        CSV, TSV, columns separated by spaces, or a dataset that `physbatch run` wrote (its
        observable is 1 - overlap).
    """
    from physbatch.scaling.dynamic_scaling.fit import fit_dynamics

    keep_other_results(outputs.output)
    table = _table(file, columns).window(**ranges.__dict__)
    result = fit_dynamics(table)
    finish(result, outputs, [result])


def _table(file: Path, columns: TimeColumns) -> TimeTable:
    from physbatch.files.netcdf import open_netcdf
    from physbatch.tables.sources import is_netcdf
    from physbatch.tables.times import read_times, times_of_dataset

    if is_netcdf(file):
        data = open_netcdf(file)
        if "physbatch_schema" in data.attrs:
            return times_of_dataset(data, columns.observable[0] if columns.observable else None)
    return read_times(file, **columns.__dict__)
