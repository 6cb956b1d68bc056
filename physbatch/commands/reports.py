"""Reports on the command line: one page of a dataset, or of a collapse."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from physbatch.commands.options import Output
from physbatch.commands.output import keep_other_text
from physbatch.errors import AnalysisError, DatasetError

if TYPE_CHECKING:
    import xarray as xr

    from physbatch.scaling import Analysis, TransitionOrder

__all__ = ["report"]


def report(*files: Path, output: Output) -> None:
    """Write one self-contained HTML page: answer, figures, tables, study, provenance.

    Parameters
    ----------
    files
        A dataset, and optionally the results of `physbatch analyse` and `physbatch order`,
        which are made now if they are not given; or the results of `physbatch collapse` alone.
    output
        The page to write.
    """
    from physbatch.commands.collapse import stored
    from physbatch.report import write_collapse, write_report

    keep_other_text(output, "<!doctype html")
    fit = stored(files[0]) if len(files) == 1 else None
    if fit is not None:
        print(f"{fit}\nreport   {write_collapse(fit, output, files)}")
        return
    data, results, order = _sorted(files)
    if results is None:
        results = _analysed(data)
    elif results.study_hash != str(data.attrs.get("study_hash", "")):
        raise DatasetError(
            "the results belong to another study than the dataset",
            where="report",
            remedy="run `physbatch analyse` on this dataset",
        )
    if order is None:
        order = _order(data, results.time)
    write_report(results, data, output, files=[str(path) for path in files], order=order)
    print(results.headline())
    for path in files:
        print(f"data     {path}")
    print(f"report   {output}")


def _sorted(
    files: Sequence[Path],
) -> tuple[xr.Dataset, Analysis | None, TransitionOrder | str | None]:
    """The dataset among some files, and the results of each kind, if there are any."""
    from physbatch.dataset import validate
    from physbatch.files.netcdf import open_netcdf
    from physbatch.results.export import read_result
    from physbatch.scaling import Analysis, TransitionOrder

    data: xr.Dataset | None = None
    results: Analysis | None = None
    order: TransitionOrder | None = None
    for path in files:
        content = open_netcdf(path)
        result = read_result(content, where=str(path))
        if isinstance(result, Analysis):
            results = result
        elif isinstance(result, TransitionOrder):
            order = result
        elif result is not None:
            raise DatasetError(
                f"a report has no place for {type(result).__name__}",
                where=str(path),
                remedy="write a table of it with `physbatch export`",
            )
        else:
            data = validate(content, where=str(path))
    if data is None:
        raise DatasetError(
            "no dataset among the files", where="report", remedy="give DATASET.nc [RESULTS.nc]"
        )
    return data, results, order


def _analysed(data: xr.Dataset) -> Analysis:
    from physbatch.scaling import analyse

    return analyse(data)


def _order(data: xr.Dataset, time: float) -> TransitionOrder | str:
    """The order of the transition, or why these data do not give it."""
    from physbatch.scaling import transition_order

    try:
        return transition_order(data, time=time)
    except AnalysisError as error:
        return error.what
