"""One self-contained HTML file of any result: its estimates, figures, warnings, every number."""

import math
import os
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

import physbatch
from physbatch.report.figures import result_figures
from physbatch.report.html import render, write_html
from physbatch.report.rows import file_rows
from physbatch.report.sentences import Remark
from physbatch.results.export import result_csv
from physbatch.results.flag import Flag
from physbatch.results.record import Record
from physbatch.scaling.data_collapse.result import Collapse

_SHOWN = 6  # estimates in the answer; all stand in the table below it


def render_page(result: Record, files: Sequence[str | os.PathLike[str]] = ()) -> str:
    """The page as a string of HTML; it needs no network and no script.

    Parameters
    ----------
    result : Record
        What `collapse`, `find_crossings`, `fit_law`, `transition_order` ... returned.
    files : sequence of path-like
        Files it belongs to; the page lists name, size and SHA-256 of each.

    Examples
    --------
    >>> from physbatch.report import render_page
    >>> from physbatch.scaling.laws.fits import fit_law
    >>> page = render_page(fit_law([8, 16, 32], [1.0, 2.0, 4.1], [0.1] * 3, quantity="chi"))
    >>> page.startswith("<!doctype html>"), "<h1>Scaling fit of chi</h1>" in page
    (True, True)
    """
    flags, answer = _flags(result), _answer(result)
    return render(
        "result.html.j2",
        title=_title(result),
        description=", ".join(answer),
        source=f"physbatch {physbatch.__version__}",
        found=answer,
        measured=_measured(result) if isinstance(result, Collapse) else "",
        certainty=_certainty(result, len(flags)),
        # Its texts are escaped where they are made.
        parameters=Markup(result._repr_html_()),
        figures=result_figures(result),
        remarks=[Remark(flag) for flag in flags],
        numbers=_numbers(result),
        latex=result.to_latex(),
        csv=result_csv(result),
        files=file_rows(files),
    )


def write_page(
    result: Record, path: str | os.PathLike[str], files: Sequence[str | os.PathLike[str]] = ()
) -> Path:
    """Write the page of `render_page`, whole or not at all.

    Raises
    ------
    physbatch.errors.OutputError
        If the file cannot be written, or one of `files` cannot be read.
    """
    return write_html(path, render_page(result, files))


def _title(result: Record) -> str:
    """What kind of result it is, and of what."""
    of = getattr(result, "quantity", "") or getattr(result, "observable", "")
    of = of or ", ".join(getattr(result, "observables", ()))
    return f"{result.kind.capitalize()} of {of}" if of else result.kind.capitalize()


def _answer(result: Record) -> list[str]:
    """The first estimates, each on a line of its own; without any the result in a line."""
    stated = {
        name.replace("_over_nu", "/nu"): str(estimate) for name, estimate in result.stated().items()
    }
    stated |= {
        name: f"{value:g} (fixed)" for name, value in dict(getattr(result, "fixed", ())).items()
    }
    listed = [f"{name} = {text}" for name, text in stated.items()][:_SHOWN]
    return listed or repr(result).splitlines()[:1]


def _flags(result: Record) -> list[Flag]:
    """The flags of the result and of its estimates, each once."""
    flags = list(getattr(result, "flags", ()))
    for estimate in result.stated().values():
        flags += estimate.flags
    return list(dict.fromkeys(flags))


def _measured(result: Collapse) -> str:
    """Observables, sizes, points and what the control is, in one line."""
    sizes = sorted({float(size) for points in result.points for size in points.size})
    count = sum(points.x.size for points in result.points)
    listed = ", ".join(f"{size:g}" for size in sizes)
    return (
        f"{', '.join(result.observables)} against {result.control_name}; {result.size_name} = "
        f"{listed or 'none'}; {count} points"
    )


def _certainty(result: Record, flags: int) -> str:
    """Goodness of fit, starts and windows that agree, and the number of warnings."""
    parts = []
    p_value = getattr(result, "p_value", math.nan)
    p_value = p_value if isinstance(p_value, float) else math.nan
    if math.isfinite(p_value):
        parts.append(f"p = {p_value:.2g}")
    elif isinstance(result, Collapse):
        parts.append(f"S = {result.quality:.3g}")
    if starts := result.to_json().get("starts"):
        parts.append(f"{starts['agreed']} of {starts['tried']} starts agree")
    if windows := getattr(result, "windows", ()):
        accepted = sum(fit.accepted for fit in windows)
        parts.append(f"{accepted} of {len(windows)} windows accepted")
    return ", ".join([*parts, "1 warning" if flags == 1 else f"{flags or 'no'} warnings"])


def _numbers(result: Record) -> str:
    """The report of the result, if it has one, else its columns of numbers."""
    if hasattr(result, "report"):
        return str(result.report())
    tables = [table for table in result.to_tables().values() if len(table.dims) == 1]
    return "\n\n".join([repr(result), *(table.to_dataframe().to_string() for table in tables)])
