"""Multi-histogram reweighting on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from physbatch.commands.options import BootstrapSeed, Json, RawSeries, Resamples, Words, read_grid
from physbatch.commands.output import keep_other_results, print_json, print_rest, save_record
from physbatch.commands.tables import describe, write_table


@Parameter(name="*")
@dataclass(frozen=True)
class Outputs:
    """What the command writes."""

    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="The table to write (NetCDF).")
    ] = None
    results: Annotated[
        Path | None,
        Parameter(help="Where to write runs, free energies and the table as a result (NetCDF)."),
    ] = None
    json: Json = False


def reweight_command(
    file: Path,
    *,
    columns: RawSeries = RawSeries(),
    at: Words = None,
    moment: Words = None,
    resamples: Resamples = 400,
    seed: BootstrapSeed = 0,
    outputs: Outputs = Outputs(),
) -> None:
    """Join raw series at a few controls into a table at many, with its covariance.

    The table goes into `crossings`, `collapse` and `exponents`.

    Parameters
    ----------
    file
        A row for each measurement, in the order of time: CSV, columns separated by spaces, NetCDF.
    at
        Controls of the table: numbers, or LOW:HIGH:COUNT. By default 31 between the ends.
    moment
        Which moment of the observables; give it again for more. By default the even ones.
    """
    from physbatch.scaling.reweighting import reweight

    controls = None if at is None else read_grid(at, "--at")
    keep_other_results(outputs.results, "reweighting")
    named: dict[str, Any] = dict(columns.__dict__)
    energy = named.pop("energy")
    result = reweight(
        file, energy, at=controls, moments=moment, resamples=resamples, seed=seed, **named
    )
    if outputs.output is not None:
        write_table(result.table, outputs.output)
    document = result.to_json()
    save_record(result, outputs.results, document)
    if outputs.json:
        print_json(document)
        return
    print(result)
    print(describe(result.table))
    print_rest(results=outputs.results, table=outputs.output)
