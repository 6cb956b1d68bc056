"""Reports on the command line: one page of a dataset, or of results alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physbatch.commands.options import Output
from physbatch.commands.output import keep_other_text
from physbatch.errors import DatasetError

if TYPE_CHECKING:
    import xarray as xr

    from physbatch.scaling import Analysis, TransitionOrder


def report(*files: Path, output: Output) -> None:
    """Write one self-contained HTML page: answer, figures, tables, study, provenance.

    Parameters
    ----------
    files
        A dataset, and optionally the results of `physbatch analyse` and `physbatch order`,
        which are made now if they are not given; or any results alone.
    output
        The page to write.
    """
    from physbatch.pipeline import order_or_reason
    from physbatch.report import write_page, write_report
    from physbatch.scaling import analyse

    keep_other_text(output, "<!doctype html")
    contents = {path: _read(path) for path in files}
    if len(files) == 1 and contents[files[0]][1] is not None:
        result = contents[files[0]][1]
        print(f"{result}\nreport   {write_page(result, output, files)}")
        return
    data, results, order = _sorted(contents)
    if results is None:
        results = analyse(data)
    elif results.study_hash != str(data.attrs.get("study_hash", "")):
        raise DatasetError(
            "the results belong to another study than the dataset",
            where="report",
            remedy="run `physbatch analyse` on this dataset",
        )
    if order is None:
        order = order_or_reason(data, results)
    write_report(results, data, output, files=[str(path) for path in files], order=order)
    print(results.headline())
    for path in files:
        print(f"data     {path}")
    print(f"report   {output}")


def _read(path: Path) -> tuple[xr.Dataset, Any]:
    """The content of a file, and the result that it holds, if it holds one."""
    from physbatch.files.netcdf import open_netcdf
    from physbatch.results import holds_results, open_results

    content = open_netcdf(path)
    return content, open_results(path) if holds_results(content) else None


def _sorted(
    contents: Mapping[Path, tuple[xr.Dataset, Any]],
) -> tuple[xr.Dataset, Analysis | None, TransitionOrder | str | None]:
    """The dataset among some files, and the results of each kind, if there are any."""
    from physbatch.dataset import validate
    from physbatch.scaling import Analysis, TransitionOrder

    data: xr.Dataset | None = None
    results: Analysis | None = None
    order: TransitionOrder | None = None
    for path, (content, result) in contents.items():
        if isinstance(result, Analysis):
            results = result
        elif isinstance(result, TransitionOrder):
            order = result
        elif result is not None:
            raise DatasetError(
                f"a report of a dataset has no place for {type(result).__name__}",
                where=str(path),
                remedy="give it alone, or write a table of it with `physbatch export`",
            )
        else:
            data = validate(content, where=str(path))
    if data is None:
        raise DatasetError(
            "no dataset among the files", where="report", remedy="give DATASET.nc [RESULTS.nc]"
        )
    return data, results, order
