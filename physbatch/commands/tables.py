"""Tables of observables on the command line: bring data in, give them out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from physbatch.commands.options import ColumnsOfMany, Dimension, Output
from physbatch.commands.output import keep_other_text, keep_others, refuse_picture, write_estimates
from physbatch.errors import AnalysisError

if TYPE_CHECKING:
    from physbatch.tables.table import ScalingTable


#: The first words of a CSV that `export` wrote.
_CSV_MARK = "# physbatch table"


def import_(
    file: Path,
    *,
    output: Output,
    columns: ColumnsOfMany = ColumnsOfMany(),
    convert: Dimension | None = None,
    space_dimension: float | None = None,
    time: float | None = None,
) -> None:
    """Read a table of observables and write it as NetCDF.

    Parameters
    ----------
    file
        CSV, TSV, columns separated by spaces, or NetCDF.
    output
        The table to write (NetCDF).
    convert
        Write sizes as volumes or linear sizes instead; needs --space-dimension.
    space_dimension
        d in N = L^d.
    time
        For datasets with a time: which one; by default the last.
    """
    table = columns.read(file, time=time)
    if convert is not None and convert != table.dimension:
        if space_dimension is None:
            raise AnalysisError(
                f"sizes are {table.dimension}",
                where="--convert",
                remedy="state d in N = L^d with --space-dimension",
            )
        table = table.to_dimension(convert, space_dimension)
    write_table(table, output)
    print(f"{describe(table)}\ntable    {output}")


def export(file: Path, *, output: Output) -> None:
    """Write a table, a dataset or results as text for spreadsheets and papers.

    A table or a dataset becomes CSV: size, control, then each observable and its error. The
    estimates of results become .csv, .tex (a LaTeX table in the manner of booktabs) or .html,
    by the suffix of the output.

    Parameters
    ----------
    file
        A table that `physbatch import` or `physbatch moments` wrote, a dataset, or results.
    output
        The file to write.
    """
    from physbatch.files import open_netcdf, write_atomic
    from physbatch.results import holds_results, open_results
    from physbatch.tables.read import from_dataset

    content = open_netcdf(file)
    if holds_results(content):
        write_estimates(output, open_results(file))
        print(f"table    {output}")
        return
    table = from_dataset(content, source=str(file), minimum_sizes=1, minimum_points=1)
    keep_other_text(output, _CSV_MARK)
    write_atomic(output, table.to_csv().encode())
    print(f"{describe(table)}\ntable    {output}")


def write_table(table: ScalingTable, path: Path) -> None:
    """Write a table as NetCDF, or by the suffix as CSV; only a file that holds one is replaced."""
    from physbatch.files import save, write_atomic

    refuse_picture(path)
    if path.suffix.lower() == ".csv":
        keep_other_text(path, _CSV_MARK)
        write_atomic(path, table.to_csv().encode())
        return
    keep_others(path, "physbatch_table")
    save(table.to_dataset(), path)


def describe(table: ScalingTable) -> str:
    """Sizes, controls, observables and flags of a table, in lines."""
    sizes = ", ".join(f"{size:g}" for size in table.sizes[:12])
    more = ", ..." if table.sizes.size > 12 else ""
    lines = [
        f"{table.size.size} points, {table.sizes.size} sizes {table.size_name} = {sizes}{more} "
        f"({'volumes' if table.dimension == 'N' else 'linear sizes'})",
        f"control  {table.control_name} from {table.control.min():g} to {table.control.max():g}",
        f"observed {', '.join(table.observables)}",
    ]
    return "\n".join([*lines, *(f"flag     {flag}" for flag in table.flags)])
