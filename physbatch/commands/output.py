"""What every command does with its output: replace only its own kind, print one JSON object."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physbatch.commands.look import FigureAndTable, Look, ResultAndFigure
from physbatch.errors import DatasetError, FileBusyError, OutputError

if TYPE_CHECKING:
    from physbatch.commands.options import Stored
    from physbatch.plots import Drawn
    from physbatch.results.estimate import Estimate
    from physbatch.results.export import Tabled
    from physbatch.results.record import Record
    from physbatch.scaling.laws.fits import ScalingFit
    from physbatch.typing import FloatArray

_JSON_MARK = '{\n  "kind": '
_PICTURES = (".pdf", ".png", ".svg", ".eps", ".ps", ".jpg", ".jpeg", ".tif", ".tiff", ".gif")


def keep_others(path: Path | None, attribute: str) -> None:
    """An OutputError unless a NetCDF output is new or replaces a file of its own kind.

    `attribute` is the global attribute that marks the kind, such as ``physbatch_schema``.
    """
    if path is None or not path.exists():
        return
    from physbatch.files.netcdf import open_netcdf

    try:
        ours = attribute in open_netcdf(path).attrs
    except FileBusyError:
        raise
    except DatasetError:
        ours = False
    if not ours:
        raise _occupied(path)


def keep_other_results(path: Path | None, *kinds: str) -> None:
    """An OutputError unless an output is new or replaces results of one of these kinds.

    By default of any kind but ``analysis`` and ``collapse``. A picture is no output of results.
    """
    if path is None:
        return
    refuse_picture(path)
    suffix = path.suffix.lower()
    if not path.exists():
        return
    from physbatch.files.netcdf import open_netcdf
    from physbatch.results import kind_of
    from physbatch.results.export import FIRST_WORDS

    if suffix in (".json", ".csv"):
        keep_other_text(path, FIRST_WORDS.get(suffix, _JSON_MARK))
        return

    try:
        kind = kind_of(open_netcdf(path))
    except FileBusyError:
        raise
    except DatasetError:
        kind = ""
    if not kind or (kind not in kinds if kinds else kind in ("analysis", "collapse")):
        raise _occupied(path)


def refuse_picture(path: Path) -> None:
    """An OutputError where results would be written under the name of a picture."""
    if path.suffix.lower() in _PICTURES:
        raise OutputError(
            "results are not written as a picture",
            where=str(path),
            remedy=f"write the picture with `--figure {path}`, results with `-o FILE.nc`",
        )


def keep_other_text(path: Path, mark: str) -> None:
    """The same for a text output, whose kind shows in its first characters."""
    if not path.exists():
        return
    try:
        with open(path, "rb") as stream:
            ours = stream.read(len(mark)).lower() == mark.lower().encode()
    except OSError:
        ours = False
    if not ours:
        raise _occupied(path)


def write_estimates(path: Path | None, *results: Tabled) -> None:
    """Write estimates as .csv, .tex or .html by the suffix; only a table of ours is replaced."""
    if path is None:
        return
    from physbatch.results.export import FIRST_WORDS, write_results

    keep_other_text(path, FIRST_WORDS.get(path.suffix.lower(), ""))
    write_results(path, *results)


def save_pictures(result: object, path: Path | None, look: Look) -> list[Path]:
    """Write all figures of a result, the first to `path`, others to PATH-NAME."""
    if path is None:
        return []
    from physbatch.plots import pictures_of, save_figure  # matplotlib takes a while to load
    from physbatch.plots.saving import bare_name, formats_of

    formats = look.formats or formats_of(path)
    first, *others = pictures_of(result)
    with look.taken(variables_of(result)):
        written = [*save_figure(first.draw(**look.options), path, formats)]
        for picture in others:
            name = f"{bare_name(path)}-{picture.name}"
            drawn = picture.draw(**look.options)
            written += save_figure(drawn, path.with_name(name), formats)
    return written


def write_figure(
    plot: Callable[..., Drawn], outputs: ResultAndFigure, variables: Sequence[str]
) -> list[Path]:
    """Write what a function draws; `variables` are those that may have a label."""
    if outputs.figure is None:
        return []
    from physbatch.plots import save_figure

    with outputs.taken(variables):
        return list(save_figure(plot(**outputs.options), outputs.figure, outputs.formats))


def variables_of(result: object) -> list[str]:
    """Names of the variables that a result or a table is about."""
    known = ("size_name", "control_name", "observable", "quantity", "dimension")
    names = [getattr(result, name, "") for name in known]
    return [name for name in (*names, *getattr(result, "observables", ())) if name]


def print_rest(
    flags: Sequence[str] = (),
    *,
    results: Path | None = None,
    figures: Sequence[Path] = (),
    table: Path | None = None,
) -> None:
    """Flags and the files that were written, at the end of what a command says."""
    for flag in flags:
        print(f"flag     {flag}")
    if results is not None:
        print(f"results  {results}")
    for path in figures:
        print(f"figure   {path}")
    if table is not None:
        print(f"table    {table}")


def finish(
    result: Record,
    outputs: Stored,
    lines: Iterable[object],
    more: Mapping[str, Any] | None = None,
    *,
    draw: Callable[[], list[Path]] | None = None,
    flags: Sequence[str] = (),
) -> None:
    """Write a result and its figures, and tell it: lines, flags and files, or one JSON object.

    `more` goes into the JSON beside what every result has there; `draw` writes the figures where
    they need more than the result; `flags` are those that the lines do not say.
    """
    document = result.to_json() | dict(more or {})
    save_record(result, outputs.output, document)
    figures: list[Path] = []
    if isinstance(outputs, ResultAndFigure):
        figures = draw() if draw else save_pictures(result, outputs.figure, outputs)
    table = outputs.table if isinstance(outputs, FigureAndTable) else None
    write_estimates(table, result)
    if outputs.json:
        print_json(document)
        return
    for line in lines:
        print(line)
    print_rest(flags, results=outputs.output, figures=figures, table=table)


def save_record(result: Record, output: Path | None, document: Mapping[str, Any]) -> None:
    """Write a result where one is wanted: NetCDF, or by the suffix as JSON or CSV."""
    if output is None:
        return
    if output.suffix.lower() == ".json":
        write_json(output, document)
    elif output.suffix.lower() == ".csv":
        write_estimates(output, result)
    else:
        result.save(output)


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write the JSON of a result; only one of ours is replaced."""
    from physbatch.files import write_atomic

    keep_other_text(path, _JSON_MARK)
    write_atomic(path, f"{_json_text(document)}\n".encode())


def exit_code(*results: Record) -> int:
    """0, or 3 where not a single number of the results can be stated."""
    numbers = [number.value for result in results for number in result.stated().values()]
    return 0 if any(map(math.isfinite, numbers)) else 3


def estimates(*columns: FloatArray) -> list[Estimate]:
    """Estimates from columns of values, standard errors and, where there are, systematic ones."""
    from physbatch.results.estimate import Estimate

    return [Estimate(*row) for row in zip(*columns, strict=True)]


def number_of(estimate: Estimate) -> dict[str, Any]:
    """An estimate as every JSON of results holds it."""
    from physbatch.results.record import estimate_json

    return estimate_json(estimate)


def finite_number(value: float) -> float | None:
    """A number, or None where there is none."""
    return float(value) if abs(value) < float("inf") else None


def law_text(fit: ScalingFit) -> str:
    """The law in its own variables, its parameters and how well it fits."""
    values = ", ".join(f"{name} = {estimate}" for name, estimate in fit.stated().items())
    return f"{fit.quantity} = {fit.form}: {values}; chi2/dof = {fit.chi2:.3g}/{fit.dof}"


def _occupied(path: Path) -> OutputError:
    return OutputError(
        "exists and holds something else",
        where=str(path),
        remedy="choose another output with -o, or move the file away",
    )


def print_json(content: Any) -> None:
    """One strict JSON object on stdout."""
    print(_json_text(content))


def _json_text(content: Any) -> str:
    return json.dumps(content, indent=2, allow_nan=False)


def span(seconds: float) -> str:
    """A length of time in the unit in which it is read most easily.

    Examples
    --------
    >>> span(0.25), span(90), span(5000), span(100_000), span(3e6), span(1e9)
    ('250 ms', '90 s', '83 min', '27.8 h', '35 days', '31.7 years')
    """
    for limit, unit, form in (
        (1.0, 1e-3, "{:.3g} ms"),
        (120.0, 1.0, "{:.3g} s"),
        (7200.0, 60.0, "{:.0f} min"),
        (172_800.0, 3600.0, "{:.1f} h"),
        (63_115_200.0, 86_400.0, "{:.0f} days"),
    ):
        if seconds < limit:
            return form.format(seconds / unit)
    return f"{seconds / 31_557_600:.3g} years"
