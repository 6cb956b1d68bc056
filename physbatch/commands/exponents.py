"""Exponents from peaks, or from one value per size, on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from physbatch.scaling.exponents import ScalingFit
    from physbatch.scaling.results import Estimate
    from physbatch.scaling.table import ScalingTable

from physbatch.commands.output import print_json

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
        A figure to write; both suffixes .pdf and .png.
    json_
        Print one JSON object.
    """
    from physbatch.scaling.reading import read_table

    table = read_table(
        file, size=size, control=control, observable=observable, error=error, dimension=dimension
    )
    fits, flags = _fits(table, observable, minimum=minimum, logarithm=logarithm, seed=seed)
    document = _document(fits, table.dimension, (*table.flags, *flags))
    written: tuple[Path, ...] = ()
    if output is not None:
        from physbatch.plots import save_figure
        from physbatch.plots.exponents import plot_exponents
        from physbatch.plots.style import root_figure

        written = save_figure(root_figure(plot_exponents(fits[0])[0]), output)
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


def _fits(
    table: ScalingTable, observable: str | None, *, minimum: bool, logarithm: bool, seed: int
) -> tuple[list[ScalingFit], tuple[str, ...]]:
    """The fits, heights first, and the flags of the peaks."""
    from physbatch.errors import AnalysisError
    from physbatch.scaling.exponents import fit_law
    from physbatch.scaling.peaks_of_curves import find_peaks
    from physbatch.scaling.power_laws import law

    name = observable or table.observables[0]
    if name not in table.observables:
        raise AnalysisError(f"no observable {name!r}", where=table.source)
    laws = [law("power"), law("corrected"), *([law("logarithm")] if logarithm else [])]
    if table.size.size == table.sizes.size:
        columns = (table.size, table.values[name], table.errors[name])
        variables = (table.dimension,)
        return [fit_law(*columns, laws, quantity=name, variables=variables)], ()
    peaks = find_peaks(table, name, minimum=minimum, seed=seed)
    return [peaks.fit_heights(laws), peaks.fit_positions()], peaks.flags


def _document(
    fits: list[ScalingFit], dimension: Literal["N", "L"], flags: tuple[str, ...]
) -> dict[str, Any]:
    """The JSON object: exponents by their names in scaling, goodness of every fit."""
    from physbatch.scaling.exponents import inverse
    from physbatch.scaling.records import strict_json
    from physbatch.scaling.universality import compatible

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
