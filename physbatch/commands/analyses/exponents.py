"""Exponents from peaks, or from one value per size, on the command line."""

from pathlib import Path

from physbatch.commands.look import FigureAndTable
from physbatch.commands.options import BootstrapSeed, Columns, require_named
from physbatch.commands.output import exit_code, finish, keep_other_results


def exponents_command(
    file: Path,
    *,
    columns: Columns = Columns(),
    minimum: bool = False,
    logarithm: bool = False,
    seed: BootstrapSeed = 0,
    outputs: FigureAndTable = FigureAndTable(),
) -> int:
    """Fit power laws in the size: heights and positions of peaks, or one value per size.

    If each size has one point, the values are fitted; if not, height and position of the peak at
    each size are. The figure shows the curves with their peaks and the laws, or the law of the
    values.

    Parameters
    ----------
    file
        CSV, TSV, columns separated by spaces, or NetCDF.
    minimum
        Look for the lowest point instead of the peak.
    logarithm
        Also admit a power of ln N.
    """
    from physbatch.scaling.curves.exponents import fit_exponents

    keep_other_results(outputs.output, "exponents")
    data = columns.read(file)
    if columns.observable is None:
        require_named(data, file, "exponents")
    result = fit_exponents(data, minimum=minimum, logarithm=logarithm, seed=seed)
    finish(result, outputs, [result], flags=result.flags)
    return exit_code(result)
