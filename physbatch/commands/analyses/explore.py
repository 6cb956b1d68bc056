"""The live collapse page on the command line."""

import dataclasses
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from physbatch.commands.analyses.collapse import Powers, Search, check_words, fitted
from physbatch.commands.options import Columns, Output
from physbatch.commands.output import keep_other_text, print_rest
from physbatch.errors import AnalysisError


def explore_command(
    file: Path,
    *,
    output: Output,
    columns: Columns = Columns(),
    powers: Powers = Powers(),
    search: Search = Search(),
    fit: Annotated[bool, Parameter(negative="--no-fit")] = True,
) -> None:
    """Write a page on which sliders move the collapse live.

    It takes what `collapse` takes but for other forms than powers of the size, and fits the same.

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

    check_words(powers, search)
    keep_other_text(output, "<!doctype html")
    table = columns.read(file)
    name = table.observables[0]
    result = None
    if fit:
        try:
            result = fitted(table.only(name), powers, search)
            print(result)
        except AnalysisError as problem:  # the page shows the data all the same
            print(f"no fit   {problem}")
    said = result.flags if result is not None else ()
    print_rest([flag for flag in table.flags if flag not in said])
    # The window of the page is that of the control, and starts are those of its sliders.
    words = ["physbatch", "collapse", str(file), *_words(columns), *_words(powers), *_words(search)]
    limits = (columns.control_min, columns.control_max)
    page = write_explore(table, name, output, result, command=words, limits=limits)
    print(f"page     {page}")


def _words(options: Columns | Powers | Search) -> list[str]:
    """The words of options that are given, but for those that the page adds."""
    words = []
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if value == field.default or field.name in ("control_min", "control_max", "start"):
            continue
        option = f"--{field.name.replace('_', '-')}"
        if value is True:
            words.append(option)
        else:
            for part in value if isinstance(value, list) else [value]:
                words += [option, part if isinstance(part, str) else f"{part!r}"]
    return words
