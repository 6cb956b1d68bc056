"""Two phases in histograms of the energy, on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from physbatch.commands.look import FigureAndTable
from physbatch.commands.options import BootstrapSeed, RawSeries, Resamples, Words, read_grid
from physbatch.commands.output import exit_code, finish, keep_other_results


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
    keep_other_results(outputs.output, "coexistence")
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
    finish(result, outputs, [result], flags=result.flags)
    return exit_code(result)
