"""The live collapse page on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from physbatch.commands.output import keep_other_text
from physbatch.errors import AnalysisError

__all__ = ["explore"]


def explore(
    file: Path,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    size: str | None = None,
    control: str | None = None,
    observable: str | None = None,
    error: str | None = None,
    dimension: Literal["N", "L"] | None = None,
    fit: Annotated[bool, Parameter(negative="--no-fit")] = True,
) -> None:
    """Write a page on which sliders move the collapse live.

    Parameters
    ----------
    file
        CSV, TSV, columns separated by spaces, or NetCDF.
    output
        The page (HTML); it needs no network.
    size
        Column of the sizes: a name, or a number that counts from 1.
    control
        Column of the control parameter.
    observable
        Column of the observable; by default the first.
    error
        Column of its standard error.
    dimension
        Whether sizes are volumes (N) or linear sizes (L); nu refers to it.
    fit
        Fit first, so that the optimum is one click away.
    """
    from physbatch.report.explore_page import write_explore
    from physbatch.scaling.data_collapse.methods import collapse
    from physbatch.tables.read import read_table

    keep_other_text(output, "<!doctype html")
    table = read_table(
        file,
        size=size,
        control=control,
        observable=None if observable is None else [observable],
        error=None if error is None else [error],
        dimension=dimension,
    )
    name = table.observables[0]
    found = None
    if fit:
        try:
            found = collapse(table, name)
            print(found)
        except AnalysisError as problem:  # the page shows the data all the same
            print(f"no fit   {problem}")
    said = found.flags if found is not None else ()
    for flag in table.flags:
        if flag not in said:
            print(f"flag     {flag}")
    words = ["physbatch", "collapse", str(file)]
    for option, value in (
        ("--size", size),
        ("--control", control),
        ("--observable", observable),
        ("--error", error),
        ("--dimension", dimension),
    ):
        words += [option, value] if value is not None else []
    print(f"page     {write_explore(table, name, output, found, command=words)}")
