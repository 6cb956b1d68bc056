"""Exponents from peaks, or from one value per size, on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from physbatch import plots
from physbatch.commands.look import FigureAndTable
from physbatch.commands.options import BootstrapSeed, Columns
from physbatch.commands.output import (
    exit_code,
    print_json,
    print_rest,
    variables_of,
    write_estimates,
    write_figure,
)
from physbatch.errors import AnalysisError
from physbatch.results.flag import Flag

if TYPE_CHECKING:
    from physbatch.results.estimate import Estimate
    from physbatch.scaling.curves.peaks import Peaks
    from physbatch.scaling.laws.fits import ScalingFit
    from physbatch.tables.table import ScalingTable


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
    data = columns.read(file)
    if len(data.observables) > 1:
        raise AnalysisError(
            "several observables",
            where=f"{file}",
            remedy=f"choose one of {', '.join(data.observables)} with --observable",
        )
    fits, peaks = _fits(data, minimum=minimum, logarithm=logarithm, seed=seed)
    flags = () if peaks is None else peaks.flags
    document = _document(fits, data.dimension, (*data.flags, *flags))
    figures = write_figure(
        lambda **options: (
            plots.plot_exponents(fits[0], **options)
            if peaks is None
            else plots.plot_peaks(data, peaks, fits[0], fits[1], **options)
        ),
        outputs.output,
        outputs,
        variables_of(data),
    )
    write_estimates(outputs.table, *fits)
    if outputs.json:
        print_json(document)
        return exit_code(*fits)
    for fit in fits:
        print(fit)
    print(document["universality"])
    print_rest(document["flags"], figures=figures, table=outputs.table)
    return exit_code(*fits)


def _fits(
    table: ScalingTable, *, minimum: bool, logarithm: bool, seed: int
) -> tuple[list[ScalingFit], Peaks | None]:
    """The fits, heights first, and the peaks if there is more than a point at a size."""
    from physbatch.scaling.curves.peaks import find_peaks
    from physbatch.scaling.laws.fits import fit_law
    from physbatch.scaling.laws.power_laws import law

    (name,) = table.observables
    laws = [law("power"), law("corrected"), *([law("logarithm")] if logarithm else [])]
    if table.size.size == table.sizes.size:
        columns = (table.size, table.values[name], table.errors[name])
        variables = (table.dimension,)
        return [fit_law(*columns, laws, quantity=name, variables=variables)], None
    peaks = find_peaks(table, name, minimum=minimum, seed=seed)
    return [peaks.fit_heights(laws), peaks.fit_positions()], peaks


def _document(
    fits: list[ScalingFit], dimension: Literal["N", "L"], flags: tuple[Flag, ...]
) -> dict[str, Any]:
    """The JSON object: exponents by their names in scaling, goodness of every fit."""
    from physbatch.results.record import RESULTS_VERSION, estimate_json, strict
    from physbatch.scaling.laws.local_exponents import inverse
    from physbatch.scaling.laws.universality import compatible

    parameters: dict[str, Estimate] = {"zeta_over_nu": fits[0]["b"]}
    universality = "universality classes need nu, which needs peaks at four sizes"
    if len(fits) > 1:
        nu = inverse(fits[1]["phi"])
        parameters |= {"c_c": fits[1]["c"], "nu": nu}
        if nu.total > 0.0:
            universality = f"nu per {dimension}: {compatible(nu, size=dimension)}"
    listed = [*flags, *(flag for fit in fits for flag in fit.flags)]
    first = fits[0]
    return {
        "kind": "exponents",
        "version": RESULTS_VERSION,
        "parameters": {name: estimate_json(estimate) for name, estimate in parameters.items()},
        "goodness": strict({"chi2": first.chi2, "dof": first.dof, "p_value": first.p_value}),
        "starts": {
            "tried": sum(fit.starts_tried for fit in fits),
            "agreed": sum(fit.starts_agreed for fit in fits),
        },
        "flags": list(dict.fromkeys(listed)),
        "fits": {fit.quantity: fit.to_json() for fit in fits},
        "universality": universality,
    }
