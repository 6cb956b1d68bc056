"""The numbers of results as tables for papers and spreadsheets: LaTeX, CSV, HTML."""

import csv
import io
import math
import os
from pathlib import Path
from typing import Protocol

from physbatch.errors import AnalysisError
from physbatch.files.atomic import write_atomic
from physbatch.results.estimate import Estimate

_COLUMNS = ("name", "value", "stderr", "systematic", "total", "low68", "high68", "flags")
_FORMATS = (".csv", ".tex", ".html")
#: A page of tables: names may come from data, and nothing but style may act in it.
_HEAD = (
    '<!doctype html>\n<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'\">\n"
)
#: The first words of each format, by which a file of ours is known again.
FIRST_WORDS = {".csv": ",".join(_COLUMNS), ".tex": "% value(", ".html": "<!doctype html>"}


class Tabled(Protocol):
    """A result that knows its estimates: an analysis, a collapse, crossings, a power law ..."""

    def stated(self) -> dict[str, Estimate]:
        """The estimates by their names."""

    def to_latex(self) -> str:
        """The estimates as a LaTeX table."""

    def _repr_html_(self) -> str: ...


def result_csv(*results: Tabled) -> str:
    """The estimates of results as CSV: value, errors, 68 % interval, names of the flags.

    Numbers have all their digits; a number that is not known is an empty cell.

    Examples
    --------
    >>> from physbatch.scaling.laws.fits import fit_law
    >>> print(result_csv(fit_law([8, 16, 32], [1, 2, 4], [0.1] * 3)).splitlines()[0])
    name,value,stderr,systematic,total,low68,high68,flags
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for result in results:
        for name, estimate in (result.stated() or _numbers(result)).items():
            errors = (estimate.stderr, estimate.systematic, estimate.total)
            numbers = (estimate.value, *errors, *estimate.interval68)
            cells = [repr(float(x)) if math.isfinite(x) else "" for x in numbers]
            writer.writerow([plain_cell(name), *cells, plain_cell("; ".join(estimate.flags))])
    return stream.getvalue()


def plain_cell(text: str) -> str:
    """A name as a cell that no spreadsheet takes for a formula.

    >>> plain_cell("=HYPERLINK(1)"), plain_cell("m")
    ("'=HYPERLINK(1)", 'm')
    """
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _numbers(result: Tabled) -> dict[str, Estimate]:
    """The single numbers of a result that states no estimates; their errors are not known."""
    names = getattr(result, "__dataclass_fields__", {})
    values = {name: getattr(result, name) for name in names}
    return {
        name: Estimate(float(value))
        for name, value in values.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }


def write_results(path: str | os.PathLike[str], *results: Tabled) -> Path:
    """Write the estimates of results as .csv, .tex (booktabs) or .html, by the suffix.

    Parameters
    ----------
    path : path-like
        The table.
    *results : Tabled
        What `analyse`, `collapse`, `find_crossings`, `fit_law`, `transition_order` ... returned.

    Raises
    ------
    physbatch.errors.AnalysisError
        For another suffix.
    physbatch.errors.OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from physbatch.results.export import write_results
    >>> from physbatch.scaling.laws.fits import fit_law
    >>> fit = fit_law([8, 16, 32], [1, 2, 4], [0.1] * 3)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_results(Path(folder, "law.tex"), fit).read_text().splitlines()[1]
    '\\\\begin{tabular}{lll}'
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in _FORMATS:
        raise AnalysisError(
            f"a table of results cannot be written as {suffix or 'a file without a suffix'}",
            where=str(target),
            remedy=f"name it {', '.join(_FORMATS)}",
        )
    if suffix == ".csv":
        content = result_csv(*results)
    elif suffix == ".tex":
        content = "\n".join(result.to_latex() for result in results)
    else:
        tables = "\n".join(result._repr_html_() for result in results)
        content = f"{_HEAD}<title>results</title>\n{tables}\n"
    write_atomic(target, content.encode("utf-8"))
    return target
