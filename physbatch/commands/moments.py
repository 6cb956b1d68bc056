"""Moments of an order parameter on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from physbatch.commands.tables import write_table
from physbatch.errors import AnalysisError

if TYPE_CHECKING:
    from physbatch.tables.table import ScalingTable

from physbatch.commands.output import print_json

__all__ = ["moments"]

OptionalOutput = Annotated[Path | None, Parameter(name=["--output", "-o"])]
Json = Annotated[bool, Parameter(name="--json", negative=())]


def moments(
    file: Path,
    *,
    size: str | None = None,
    control: str | None = None,
    observable: str | None = None,
    moment: list[str] | None = None,
    rows: Literal["replicas", "series"] = "replicas",
    cluster: str | None = None,
    method: Literal["jackknife", "bootstrap"] = "jackknife",
    resamples: int = 1000,
    seed: int = 0,
    dimension: Literal["N", "L"] | None = None,
    space_dimension: float | None = None,
    time: float | None = None,
    output: OptionalOutput = None,
    figure: Annotated[Path | None, Parameter(name="--figure")] = None,
    json_: Json = False,
) -> None:
    """Mean, susceptibility and Binder cumulants of an order parameter, with errors.

    Parameters
    ----------
    file
        Samples: rows with the same size and control, or NetCDF with a dimension of replicas.
    size
        Column of the sizes: a name, or a number that counts from 1.
    control
        Column of the control parameter.
    observable
        Column of the order parameter.
    moment
        Which moment; give it again for more. By default all of them.
    rows
        Whether rows are independent replicas or steps of a series in equilibrium.
    cluster
        Column that labels replicas which share a graph.
    method
        Where errors come from.
    resamples
        Resamples of the bootstrap.
    seed
        Seed of the bootstrap.
    dimension
        Whether sizes are volumes (N) or linear sizes (L).
    space_dimension
        d in N = L^d; susceptibilities of linear sizes need it.
    time
        For datasets with a time: which one; by default the last.
    output
        Where to write the moments as a table (NetCDF).
    figure
        Where to draw the moments against the control, as .pdf and .png.
    json_
        Print one JSON object.
    """
    from physbatch.scaling.statistics.observables import sample_moments
    from physbatch.tables.read import read_table

    if cluster is not None and observable is None:
        raise AnalysisError("no order parameter", where="--observable", remedy="name its column")
    names = [name for name in (observable, cluster) if name is not None]
    table = read_table(
        file,
        size=size,
        control=control,
        observable=names or None,
        dimension=dimension,
        time=time,
        minimum_sizes=1,
        minimum_points=1,
    )
    result = sample_moments(
        table,
        None if observable is None else table.observables[0],
        moments=moment,
        rows=rows,
        cluster=None if cluster is None else table.observables[-1],
        method=method,
        resamples=resamples,
        seed=seed,
        space_dimension=space_dimension,
    )
    if output is not None:
        write_table(result, output)
    drawn: tuple[Path, ...] = ()
    if figure is not None:
        from physbatch.plots import plot_moments, save_figure
        from physbatch.plots.style import root_figure

        drawn = save_figure(root_figure(plot_moments(result)[0]), figure)
    if json_:
        print_json(_json(result))
        return
    print(_text(result))
    if output is not None:
        print(f"table    {output}")
    for path in drawn:
        print(f"figure   {path}")


def _json(table: ScalingTable) -> dict[str, Any]:
    """One object: for each moment its points; how many samples they rest on; flags."""
    from physbatch.scaling.statistics.observables import OBSERVABLES

    parameters = {}
    for name in table.observables:
        columns = (table.size, table.control, table.values[name], table.errors[name])
        points = [
            dict(zip(("size", "control", "value", "stderr"), row, strict=True))
            for row in zip(*(column.tolist() for column in columns), strict=True)
        ]
        parameters[name] = {"definition": OBSERVABLES[name], "points": points}
    units = [one.size for one in table.samples[table.observables[0]]]
    return {
        "parameters": parameters,
        "goodness": {
            "points": len(units),
            "independent_samples": {"least": min(units), "most": max(units)},
        },
        "flags": list(table.flags),
    }


def _text(table: ScalingTable) -> str:
    """A row for each point: value(error) of every moment."""
    from physbatch.results.estimate import Estimate

    header = [table.size_name, table.control_name, *table.observables]
    lines = [header]
    for row in range(table.size.size):
        estimates = [
            str(Estimate(table.values[n][row], table.errors[n][row])) for n in table.observables
        ]
        lines.append([f"{table.size[row]:g}", f"{table.control[row]:g}", *estimates])
    widths = [max(len(line[place]) for line in lines) for place in range(len(header))]
    text = [
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    ]
    return "\n".join([*text, *(f"flag     {one}" for one in table.flags)])
