"""Moments of an order parameter on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from physbatch import plots
from physbatch.commands.look import ResultAndFigure
from physbatch.commands.options import BootstrapSeed, Resamples, Samples, Words
from physbatch.commands.output import (
    print_json,
    print_rest,
    variables_of,
    write_figure,
    write_json,
)
from physbatch.commands.tables import write_table
from physbatch.errors import AnalysisError

if TYPE_CHECKING:
    from physbatch.results.estimate import Estimate
    from physbatch.tables.table import ScalingTable


def moments_command(
    file: Path,
    *,
    samples: Samples = Samples(),
    moment: Words = None,
    method: Literal["jackknife", "bootstrap"] = "jackknife",
    resamples: Resamples = 1000,
    seed: BootstrapSeed = 0,
    outputs: ResultAndFigure = ResultAndFigure(),
) -> None:
    """Mean, susceptibility and Binder cumulants of an order parameter, with errors.

    Parameters
    ----------
    file
        Samples: rows with the same size and control, or NetCDF with a dimension of replicas.
    moment
        Which moment; give it again for more. By default all of them.
    method
        Where errors come from.
    """
    from physbatch.scaling.statistics.observables import sample_moments
    from physbatch.tables.read import read_table

    observable, cluster = samples.observable, samples.cluster
    if cluster is not None and observable is None:
        raise AnalysisError("no order parameter", where="--observable", remedy="name its column")
    table = read_table(
        file,
        size=samples.size,
        control=samples.control,
        observable=[name for name in (observable, cluster) if name is not None] or None,
        dimension=samples.dimension,
        time=samples.time,
        minimum_sizes=1,
        minimum_points=1,
    )
    result = sample_moments(
        samples.of_table(table, file),
        None if observable is None else table.observables[0],
        moments=moment,
        rows=samples.rows,
        cluster=None if cluster is None else table.observables[-1],
        method=method,
        resamples=resamples,
        seed=seed,
        space_dimension=samples.space_dimension,
    )
    document = _json(result)
    if outputs.output is not None and outputs.output.suffix.lower() == ".json":
        write_json(outputs.output, document)
    elif outputs.output is not None:
        write_table(result, outputs.output)
    figures = write_figure(
        lambda **options: plots.plot_moments(result, **options), outputs, variables_of(result)
    )
    if outputs.json:
        print_json(document)
        return
    print(_text(result))
    print_rest(table=outputs.output)
    print_rest(figures=figures)


def _json(table: ScalingTable) -> dict[str, Any]:
    """The JSON of a result, and for each moment its points; how many samples they rest on."""
    from physbatch.results.record import result_json, strict
    from physbatch.scaling.statistics.observables import OBSERVABLES

    moments = {}
    for name in table.observables:
        columns = (table.size, table.control, table.values[name], table.errors[name])
        points = [
            dict(zip(("size", "control", "value", "stderr"), row, strict=True))
            for row in zip(*(column.tolist() for column in columns), strict=True)
        ]
        moments[name] = {"definition": OBSERVABLES[name], "points": points}
    stated = {
        f"{name} ({table.describe(row)})": estimate
        for row in range(table.size.size)
        for name, estimate in _estimates(table, row).items()
    }
    units = [values.size for values in table.samples[table.observables[0]]]
    goodness = {
        "points": len(units),
        "independent_samples": {"least": min(units), "most": max(units)},
    }
    return {**result_json("moments", stated, goodness, table.flags), "moments": strict(moments)}


def _estimates(table: ScalingTable, row: int) -> dict[str, Estimate]:
    """The moments at a point."""
    from physbatch.results.estimate import Estimate

    columns = zip(table.observables, table.values.values(), table.errors.values(), strict=True)
    return {name: Estimate(float(value[row]), float(error[row])) for name, value, error in columns}


def _text(table: ScalingTable) -> str:
    """A row for each point: value(error) of every moment."""
    header = [table.size_name, table.control_name, *table.observables]
    lines = [header]
    for row in range(table.size.size):
        point = [f"{table.size[row]:g}", f"{table.control[row]:g}"]
        lines.append([*point, *map(str, _estimates(table, row).values())])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    ]
    return "\n".join([*text, *(f"flag     {flag}" for flag in table.flags)])
