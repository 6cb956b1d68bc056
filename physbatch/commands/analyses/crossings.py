"""Crossings of curves of different sizes on the command line."""

from pathlib import Path
from typing import Literal

from physbatch.commands.options import BootstrapSeed, Columns, FigureAndTable, Resamples
from physbatch.commands.output import (
    exit_code,
    print_json,
    print_rest,
    save_pictures,
    write_estimates,
)


def crossings_command(
    file: Path,
    *,
    columns: Columns = Columns(),
    pairs: Literal["consecutive", "double"] = "consecutive",
    near: float | None = None,
    resamples: Resamples = 1000,
    seed: BootstrapSeed = 0,
    outputs: FigureAndTable = FigureAndTable(),
) -> int:
    """Find where the curves of two sizes cross, and extrapolate to infinite size.

    Parameters
    ----------
    file
        CSV, TSV, columns separated by spaces, or NetCDF.
    pairs
        Neighbouring sizes, or N and 2N.
    near
        Of several crossings take the one nearest to this control.
    """
    from physbatch.scaling.curves.crossings import find_crossings

    data = columns.read(file)
    result = find_crossings(
        data,
        columns.observable and data.observables[0],
        pairs=pairs,
        near=near,
        resamples=resamples,
        seed=seed,
    )
    document = result.to_json()
    document["flags"] = list(dict.fromkeys([*data.flags, *document["flags"]]))
    figures = save_pictures(result, outputs.output)
    write_estimates(outputs.table, result)
    if outputs.json:
        print_json(document)
    else:
        print(result)
        print_rest(document["flags"], figures=figures, table=outputs.table)
    return exit_code(result)
