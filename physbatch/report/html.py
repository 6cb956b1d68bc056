"""One self-contained HTML file: what was measured, how well, and how to do it again."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import xarray as xr

from physbatch.files.atomic import write_atomic
from physbatch.plots.labels import estimate_text
from physbatch.report.figures import order_figure, report_figures
from physbatch.report.rows import (
    bibtex,
    file_rows,
    form_rows,
    provenance_rows,
    references,
    size_rows,
    study_table,
)
from physbatch.report.sentences import ReportWords, flag_text, order_support, remarks
from physbatch.results.export import result_csv
from physbatch.scaling.order.result import TransitionOrder
from physbatch.scaling.transition.result import Analysis


def write_report(
    analysis: Analysis,
    dataset: xr.Dataset,
    path: str | os.PathLike[str],
    files: Sequence[str | os.PathLike[str]] = (),
    *,
    order: TransitionOrder | str | None = None,
    commands: Sequence[str] = (),
) -> Path:
    """Write the report of an analysis as one HTML file, whole or not at all.

    The file needs no network and no script; the same input gives the same bytes.

    Parameters
    ----------
    analysis : Analysis
        What `physbatch.scaling.analyse` returned.
    dataset : xarray.Dataset
        The dataset that was analysed; the report shows its global attributes.
    path : path-like
        The file to write.
    files : sequence of path-like
        The files it was made from, the data first, then results; the report lists name,
        size and SHA-256 of each.
    order : TransitionOrder or str, optional
        What `physbatch.scaling.transition_order` found in the dataset, or the reason why it
        could not say.
    commands : sequence of str
        The commands that make all of it again; by default the usual ones.

    Returns
    -------
    pathlib.Path
        `path`.

    Raises
    ------
    OutputError
        If the file cannot be written, or one of `files` cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from physbatch.exact.planted import first_order
    >>> from physbatch.report import write_report
    >>> from physbatch.scaling import analyse
    >>> dataset = first_order()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_report(analyse(dataset), dataset, Path(folder) / "report.html").name
    'report.html'
    """
    return write_html(path, render_report(analysis, dataset, files, order=order, commands=commands))


def render_report(
    analysis: Analysis,
    dataset: xr.Dataset,
    files: Sequence[str | os.PathLike[str]] = (),
    *,
    order: TransitionOrder | str | None = None,
    commands: Sequence[str] = (),
) -> str:
    """The report as a string of HTML; see `write_report`.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> from physbatch.report import render_report
    >>> from physbatch.scaling import analyse
    >>> dataset = first_order()
    >>> render_report(analyse(dataset), dataset).startswith("<!doctype html>")
    True
    """
    study, words = study_table(dataset), ReportWords(analysis)
    decided = order if isinstance(order, TransitionOrder) else None
    return render(
        "report.html.j2",
        title=str(dataset.attrs.get("title", "")) or "physbatch report",
        description=words.description,
        source=analysis.source or "physbatch",
        analysis=analysis,
        words=words,
        figures=[*report_figures(analysis), *order_figure(decided)],
        order=decided,
        order_support=order_support(decided) if decided else "",
        why_no_order=order if isinstance(order, str) else "not analysed",
        sizes=size_rows(analysis),
        forms=form_rows(analysis),
        remarks=remarks(analysis),
        study=study,
        provenance=provenance_rows(analysis, dataset),
        files=file_rows(files),
        commands=list(commands) or _usual_commands(files, with_study=study is not None),
        references=references(dataset),
        latex=analysis.to_latex(),
        csv=result_csv(analysis),
        bibtex=bibtex(dataset, analysis.source),
    )


def write_html(path: str | os.PathLike[str], page: str) -> Path:
    """Write a page, whole or not at all."""
    target = Path(path)
    write_atomic(target, page.encode("utf-8", "replace"))  # JSON knows half characters
    return target


def render(template: str, **content: Any) -> str:
    """A page; all is escaped, and a name that the template uses but nobody gave is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": estimate_text, "flag_text": flag_text}
    return environment.get_template(template).render(**content)


def _usual_commands(files: Sequence[str | os.PathLike[str]], *, with_study: bool) -> list[str]:
    """What to type, with the names of the files that were given."""
    data, *results = [Path(file).name for file in files] or ["data.nc"]
    commands = [f"physbatch run study.toml -o {data}"] if with_study else []
    commands += [f"physbatch analyse {data} -o {name}" for name in results[:1]]
    return [*commands, f"physbatch report {' '.join([data, *results])} -o report.html"]
