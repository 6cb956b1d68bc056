"""Crossings of curves of different sizes on the command line."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from physbatch.commands.look import FigureAndTable
from physbatch.commands.options import (
    BootstrapSeed,
    Columns,
    ColumnsOfMany,
    Resamples,
    Words,
    require_named,
)
from physbatch.commands.output import exit_code, finish, keep_other_results, keep_other_text
from physbatch.errors import AnalysisError

if TYPE_CHECKING:
    from physbatch.tables.table import ScalingTable


@Parameter(name="*")
@dataclass(frozen=True)
class Quotients:
    """Observables whose exponents the crossings give."""

    quotient: Annotated[
        Words,
        Parameter(
            help="Column of an observable whose zeta/nu is wanted, from its ratios at the crossing "
            "(an order parameter gives -beta/nu); give it again for more."
        ),
    ] = None
    quotient_error: Annotated[
        Words, Parameter(help="Column of its standard error, in the same order.")
    ] = None

    def read(self, file: Path, columns: Columns) -> "ScalingTable":
        """The table of the observable and of these.

        Raises
        ------
        physbatch.errors.AnalysisError
            If the observable is not named, or errors are not those of the quotients.
        """
        names, errors = self.quotient or [], self.quotient_error or []
        if not names and not errors:
            return columns.read(file)
        if columns.observable is None:
            raise AnalysisError(
                "quotients of which crossings?",
                where="--quotient",
                remedy="name the observable that crosses with --observable",
            )
        if len(errors) != (len(names) if columns.error else 0):
            raise AnalysisError(
                f"{len(names)} quotients and {len(errors)} errors",
                where="--quotient-error",
                remedy="give one for each, if --error is given",
            )
        stated = {field.name: getattr(columns, field.name) for field in dataclasses.fields(columns)}
        stated["observable"] = [columns.observable, *names]
        stated["error"] = [columns.error, *errors] if columns.error else None
        return ColumnsOfMany(**stated).read(file)


@Parameter(name="*")
@dataclass(frozen=True)
class Which:
    """Which crossings are taken."""

    pairs: Annotated[
        Literal["all", "consecutive", "double"],
        Parameter(
            help="Neighbouring sizes and all with a ratio of 1.5 at least; neighbouring ones; or N "
            "and 2N."
        ),
    ] = "all"
    near: Annotated[
        float | None, Parameter(help="Of several crossings take the one nearest to this control.")
    ] = None


@Parameter(name="*")
@dataclass(frozen=True)
class Outputs(FigureAndTable):
    """What the command writes."""

    draws: Annotated[
        Path | None,
        Parameter(help="A file (.csv) to write with the draws of all crossings, a row each."),
    ] = None


def crossings_command(
    file: Path,
    *,
    columns: Columns = Columns(),
    quotients: Quotients = Quotients(),
    which: Which = Which(),
    resamples: Resamples = 1000,
    seed: BootstrapSeed = 0,
    outputs: Outputs = Outputs(),
) -> int:
    """Find where the curves of two sizes cross, and extrapolate to infinite size.

    Parameters
    ----------
    file
        CSV, TSV, columns separated by spaces, or NetCDF.
    """
    from physbatch.scaling.curves.crossings import find_crossings

    keep_other_results(outputs.output, "crossings")
    data = quotients.read(file, columns)
    if columns.observable is None and not quotients.quotient:
        require_named(data, file, "crossings")
    name, *others = data.observables if quotients.quotient else (None,)
    crossings = find_crossings(
        data,
        name or (columns.observable and data.observables[0]),
        quotients=others,
        pairs=which.pairs,
        near=which.near,
        resamples=resamples,
        seed=seed,
    )
    flags = list(dict.fromkeys([*data.flags, *crossings.flags]))
    if outputs.draws is not None:
        keep_other_text(outputs.draws, "draw,")
        crossings.write_draws(outputs.draws)
    finish(crossings, outputs, [crossings], {"flags": flags}, flags=flags)
    return exit_code(crossings)
