"""Crossings of curves of different sizes on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from physbatch.commands.output import print_json, write_estimates

__all__ = ["crossings"]

OptionalOutput = Annotated[Path | None, Parameter(name=["--output", "-o"])]
Json = Annotated[bool, Parameter(name="--json", negative=())]


def crossings(
    file: Path,
    *,
    size: str | None = None,
    control: str | None = None,
    observable: str | None = None,
    error: str | None = None,
    dimension: Literal["N", "L"] | None = None,
    pairs: Literal["consecutive", "double"] = "consecutive",
    near: float | None = None,
    resamples: int = 1000,
    seed: int = 0,
    output: OptionalOutput = None,
    table: Annotated[Path | None, Parameter(name="--table")] = None,
    json_: Json = False,
) -> None:
    """Find where the curves of two sizes cross, and extrapolate to infinite size.

    Parameters
    ----------
    file
        CSV, TSV, columns separated by spaces, or NetCDF.
    size
        Column of the sizes: a name, or a number that counts from 1.
    control
        Column of the control parameter.
    observable
        Column of the observable.
    error
        Column of its standard error; without one, rows with the same size and control are
        replicas.
    dimension
        Whether sizes are volumes (N) or linear sizes (L).
    pairs
        Neighbouring sizes, or N and 2N.
    near
        Of several crossings take the one nearest to this control.
    resamples
        Resamples of the bootstrap.
    seed
        Seed of the bootstrap.
    output
        A figure to write; both suffixes .pdf and .png.
    table
        A table of the estimates to write: .csv, .tex or .html.
    json_
        Print one JSON object.
    """
    from physbatch.scaling.curves.crossings import find_crossings
    from physbatch.tables.read import read_table

    data = read_table(
        file, size=size, control=control, observable=observable, error=error, dimension=dimension
    )
    result = find_crossings(
        data,
        observable and data.observables[0],
        pairs=pairs,
        near=near,
        resamples=resamples,
        seed=seed,
    )
    document = result.to_json()
    document["flags"] = [*data.flags, *document["flags"]]
    if output is not None:
        from physbatch.plots import save_figure
        from physbatch.plots.scaling.crossings import plot_crossings
        from physbatch.plots.style import root_figure

        written = save_figure(root_figure(plot_crossings(result)[0]), output)
    if table is not None:
        write_estimates(table, result)
    if json_:
        print_json(document)
        return
    print(result)
    for flag in document["flags"]:
        print(f"flag     {flag}")
    if output is not None:
        for path in written:
            print(f"figure   {path}")
    if table is not None:
        print(f"table    {table}")
