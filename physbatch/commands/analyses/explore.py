"""The live collapse page on the command line."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from physbatch.commands.options import Columns, Output
from physbatch.commands.output import keep_other_text, print_rest
from physbatch.errors import AnalysisError


def explore_command(
    file: Path,
    *,
    output: Output,
    columns: Columns = Columns(),
    fit: Annotated[bool, Parameter(negative="--no-fit")] = True,
) -> None:
    """Write a page on which sliders move the collapse live.

    Parameters
    ----------
    file
        CSV, TSV, columns separated by spaces, or NetCDF.
    output
        The page (HTML); it needs no network.
    fit
        Fit first, so that the optimum is one click away.
    """
    from physbatch.report import write_explore
    from physbatch.scaling.data_collapse.methods import collapse

    keep_other_text(output, "<!doctype html")
    table = columns.read(file)
    name = table.observables[0]
    result = None
    if fit:
        try:
            result = collapse(table, name)
            print(result)
        except AnalysisError as problem:  # the page shows the data all the same
            print(f"no fit   {problem}")
    said = result.flags if result is not None else ()
    print_rest([flag for flag in table.flags if flag not in said])
    words = ["physbatch", "collapse", str(file)]
    for option in ("size", "control", "observable", "error", "dimension"):
        value = getattr(columns, option)
        words += [f"--{option}", value] if value is not None else []
    for option, limit in columns.limits.items():
        words += [f"--{option.replace('_', '-')}", f"{limit!r}"]
    print(f"page     {write_explore(table, name, output, result, command=words)}")
