"""What the commands of batch noise share: their options, estimates in rows, files, last lines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from physbatch.commands.output import keep_others
from physbatch.results.flag import Flag
from physbatch.typing import FloatArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from physbatch.results.estimate import Estimate
    from physbatch.results.record import Record
    from physbatch.scaling.laws.fits import ScalingFit

__all__ = [
    "BootstrapSeed",
    "Json",
    "OptionalFigure",
    "OptionalOutput",
    "Resamples",
    "check_output",
    "estimates",
    "finite_number",
    "law_text",
    "number_of",
    "print_rest",
    "save_record",
    "write_figure",
]

OptionalOutput = Annotated[Path | None, Parameter(name=["--output", "-o"])]
OptionalFigure = Annotated[Path | None, Parameter(name="--figure")]
# Options that mean the same everywhere carry their help; it is in no docstring of a command.
Resamples = Annotated[int, Parameter(help="Resamples of the bootstrap.")]
BootstrapSeed = Annotated[int, Parameter(help="Seed of the bootstrap.")]
Json = Annotated[bool, Parameter(name="--json", negative=(), help="Print one JSON object.")]


def check_output(output: Path | None) -> None:
    """Make sure, before anything is computed, that an output replaces nothing but a record."""
    if output is not None:
        keep_others(output, "physbatch_record")


def save_record(found: Record, output: Path | None) -> None:
    """Write a result where one is wanted."""
    from physbatch.files.netcdf import save

    if output is not None:
        save(found.to_dataset(), output)


def write_figure(figure: Figure, path: Path) -> list[Path]:
    """Write a figure as PDF and PNG."""
    from physbatch.plots import save_figure

    return list(save_figure(figure, path))


def estimates(*columns: FloatArray) -> list[Estimate]:
    """Estimates from columns of values, standard errors and, where there are, systematic ones."""
    from physbatch.results.estimate import Estimate

    return [Estimate(*row) for row in zip(*columns, strict=True)]


def number_of(one: Estimate) -> dict[str, Any]:
    """An estimate as JSON holds it."""
    return {
        "value": finite_number(one.value),
        "stderr": finite_number(one.stderr),
        "systematic": finite_number(one.systematic),
    }


def finite_number(value: float) -> float | None:
    """A number, or None where there is none."""
    return float(value) if abs(value) < float("inf") else None


def law_text(fit: ScalingFit) -> str:
    """The law in its own variables, its parameters and how well it fits."""
    values = ", ".join(f"{name} = {one}" for name, one in fit.stated().items())
    return f"{fit.quantity} = {fit.form}: {values}; chi2/dof = {fit.chi2:.3g}/{fit.dof}"


def print_rest(flags: tuple[Flag, ...], output: Path | None, drawn: list[Path]) -> None:
    """Flags and files, at the end of what a command says."""
    for flag in flags:
        print(f"flag     {flag}")
    if output is not None:
        print(f"results  {output}")
    for path in drawn:
        print(f"figure   {path}")
