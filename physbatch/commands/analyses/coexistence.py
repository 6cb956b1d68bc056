"""Two phases in histograms of the energy, on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from physbatch.commands.look import FigureAndTable
from physbatch.commands.options import BootstrapSeed, RawSeries, Resamples, Words, read_grid
from physbatch.commands.output import (
    exit_code,
    keep_other_results,
    print_json,
    print_rest,
    save_pictures,
    save_record,
    write_estimates,
)


@Parameter(name="*")
@dataclass(frozen=True)
class Phases:
    """What the phases are."""

    ordered_states: Annotated[
        float,
        Parameter(
            help="Weight of the phase of low energy over that of high energy, q of a Potts model."
        ),
    ] = 1.0
    result: Annotated[
        Path | None,
        Parameter(help="Where to write the result (NetCDF), for figure, export and report."),
    ] = None


def coexistence_command(
    file: Path,
    *,
    columns: RawSeries = RawSeries(),
    at: Words = None,
    phases: Phases = Phases(),
    resamples: Resamples = 400,
    seed: BootstrapSeed = 0,
    outputs: FigureAndTable = FigureAndTable(),
) -> int:
    """Histograms of the energy at any control, and the two phases that they show.

    Of every size the controls of equal heights and of equal weights, the barrier, the tension of
    an interface and the latent heat.

    Parameters
    ----------
    file
        A row for each measurement, in the order of time: CSV, columns separated by spaces, NetCDF.
    at
        Controls of the histograms: numbers, or LOW:HIGH:COUNT. By default that of equal heights.
    """
    from physbatch.scaling.reweighting import find_coexistence

    controls = None if at is None else read_grid(at, "--at")
    keep_other_results(phases.result, "coexistence")
    named: dict[str, Any] = dict(columns.__dict__)
    energy = named.pop("energy")
    result = find_coexistence(
        file,
        energy,
        at=controls,
        ordered_states=phases.ordered_states,
        resamples=resamples,
        seed=seed,
        **named,
    )
    save_record(result, phases.result)
    figures = save_pictures(result, outputs.output, outputs)
    write_estimates(outputs.table, result)
    if outputs.json:
        print_json(result.to_json())
    else:
        print(result)
        print_rest(result.flags, results=phases.result, figures=figures, table=outputs.table)
    return exit_code(result)
