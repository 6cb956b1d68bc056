"""Exponents from peaks, or from one value per size, on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from physbatch.results.estimate import Estimate
    from physbatch.scaling.curves.peaks import Peaks
    from physbatch.scaling.laws.fits import ScalingFit
    from physbatch.tables.table import ScalingTable

from physbatch.commands.output import print_json, write_estimates
from physbatch.errors import AnalysisError
from physbatch.results.flag import Flag

__all__ = ["exponents"]

OptionalOutput = Annotated[Path | None, Parameter(name=["--output", "-o"])]
Json = Annotated[bool, Parameter(name="--json", negative=())]


def exponents(
    file: Path,
    *,
    size: str | None = None,
    control: str | None = None,
    observable: str | None = None,
    error: str | None = None,
    dimension: Literal["N", "L"] | None = None,
    minimum: bool = False,
    logarithm: bool = False,
    seed: int = 0,
    output: OptionalOutput = None,
    table: Annotated[Path | None, Parameter(name="--table")] = None,
    json_: Json = False,
) -> None:
    """Fit power laws in the size: heights and positions of peaks, or one value per size.

    Parameters
    ----------
    file
        CSV, TSV, columns separated by spaces, or NetCDF.
    size
        Column of the sizes: a name, or a number that counts from 1.
    control
        Column of the control parameter.
    observable
        Column of the observable. If each size has one point, the values are fitted; if not,
        height and position of the peak at each size are.
    error
        Column of its standard error; without one, rows with the same size and control are
        replicas.
    dimension
        Whether sizes are volumes (N) or linear sizes (L).
    minimum
        Look for the lowest point instead of the peak.
    logarithm
        Also admit a power of ln N.
    seed
        Seed of the bootstrap.
    output
        A figure to write; both suffixes .pdf and .png: the curves with their peaks, and the
        laws of heights and positions, or the law of the values.
    table
        A table of the estimates to write: .csv, .tex or .html.
    json_
        Print one JSON object.
    """
    from physbatch.tables.read import read_table

    data = read_table(
        file, size=size, control=control, observable=observable, error=error, dimension=dimension
    )
    if len(data.observables) > 1:
        raise AnalysisError(
            "several observables",
            where=f"{file}",
            remedy=f"choose one of {', '.join(data.observables)} with --observable",
        )
    fits, peaks = _fits(data, minimum=minimum, logarithm=logarithm, seed=seed)
    flags = () if peaks is None else peaks.flags
    document = _document(fits, data.dimension, (*data.flags, *flags))
    written: tuple[Path, ...] = ()
    if output is not None:
        from physbatch.plots import plot_exponents, plot_peaks, save_figure
        from physbatch.plots.style import root_figure

        if peaks is None:
            drawn = plot_exponents(fits[0])
        else:
            drawn = plot_peaks(data, peaks, fits[0], fits[1])
        written = save_figure(root_figure(drawn[0]), output)
    if table is not None:
        write_estimates(table, *fits)
    if json_:
        print_json(document)
        return
    for fit in fits:
        print(fit)
    print(document["universality"])
    for flag in document["flags"]:
        print(f"flag     {flag}")
    for path in written:
        print(f"figure   {path}")
    if table is not None:
        print(f"table    {table}")


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
    from physbatch.results.record import strict_json
    from physbatch.scaling.laws.fits import inverse
    from physbatch.scaling.laws.universality import compatible

    parameters: dict[str, Estimate] = {"zeta_over_nu": fits[0]["b"]}
    universality = "universality classes need nu, which needs peaks at four sizes"
    if len(fits) > 1:
        nu = inverse(fits[1]["phi"])
        parameters |= {"c_c": fits[1]["c"], "nu": nu}
        if nu.total > 0.0:
            universality = f"nu per {dimension}: {compatible(nu, size=dimension)}"
    listed = [*flags, *(flag for fit in fits for flag in fit.flags)]
    document = strict_json(
        parameters,
        {"chi2": fits[0].chi2, "dof": fits[0].dof, "p_value": fits[0].p_value},
        {
            "tried": sum(fit.starts_tried for fit in fits),
            "agreed": sum(fit.starts_agreed for fit in fits),
        },
        listed,
    )
    document["fits"] = {fit.quantity: fit.to_json() for fit in fits}
    document["universality"] = universality
    return document
