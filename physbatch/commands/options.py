"""Options that several commands share, each explained in one place.

A group of options is a frozen dataclass; on the command line its fields are options like any other.
"""

import math
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from physbatch.commands.ranges import Ranges
from physbatch.errors import AnalysisError

if TYPE_CHECKING:
    from physbatch.study.model import Study
    from physbatch.tables.table import ScalingTable


Output = Annotated[Path, Parameter(name=["--output", "-o"])]
Json = Annotated[bool, Parameter(name="--json", negative=(), help="Print one JSON object.")]
Switch = Annotated[bool, Parameter(negative=())]
Words = Annotated[list[str] | None, Parameter(negative=())]
Settings = Annotated[
    list[str] | None,
    Parameter(
        name="--set",
        negative=(),
        help="FIELD=VALUE: another value for a field of the study, as measurement.duration=1000 or "
        "grid.size=[50,100]; values are TOML. Give it again for more.",
    ),
]
Workers = Annotated[
    int | None,
    Parameter(name=["--workers", "-w"], help="Worker processes; by default one per core."),
]
Resamples = Annotated[int, Parameter(help="Resamples of the bootstrap.")]
BootstrapSeed = Annotated[int, Parameter(help="Seed of the bootstrap.")]
SizeFromName = Annotated[
    str | None,
    Parameter(
        help="For a pattern of files that hold a size each, as 'L*.dat': a regular expression "
        r"whose group is the size, as 'L(\d+)'."
    ),
]


@Parameter(name="*")
@dataclass(frozen=True)
class Stored:
    """Where a command writes its result, and how it tells it."""

    output: Annotated[
        Path | None,
        Parameter(
            name=["--output", "-o"],
            help="Where to write the result: NetCDF, or its numbers if the name ends in .json or "
            ".csv.",
        ),
    ] = None
    json: Json = False


@Parameter(name="*")
@dataclass(frozen=True)
class Code:
    """Whether the code of a task that a file names may be run, and where it is."""

    allow_code: Annotated[
        bool,
        Parameter(
            negative=(), help="Run the code of the task (system.task) that the file names: read it."
        ),
    ] = False
    task: Annotated[
        str | None,
        Parameter(
            help="FILE.py or FILE.py:Name, the task's code in the place of that which the file "
            "names; it is run."
        ),
    ] = None

    def permitted(self, study: "Study", where: str) -> "Study":
        """The study with the task that was named, if its code may be run.

        Raises
        ------
        physbatch.errors.StudyError
            If it may not.
        """
        from physbatch.engines.task_code import require_permission

        study = self.moved(study)
        return require_permission(study, self.may_run(study), where=where)

    def moved(self, study: "Study") -> "Study":
        """The study with the task that was named."""
        from physbatch.engines.task_code import with_task

        return with_task(study, self.task)

    def may_run(self, study: "Study") -> bool:
        """Whether code that the study names may be run."""
        from physbatch.engines.task_code import runs_own_code

        return self.allow_code or self.task is not None or not runs_own_code(study)


Dimension = Literal["N", "L"]


@Parameter(name="*")
@dataclass(frozen=True)
class Sizes:
    """Columns of sizes and controls."""

    size: Annotated[
        str | None, Parameter(help="Column of the sizes: a name, or a number that counts from 1.")
    ] = None
    control: Annotated[str | None, Parameter(help="Column of the control parameter.")] = None
    dimension: Annotated[
        Dimension | None,
        Parameter(help="Whether sizes are volumes (N) or linear sizes (L); nu refers to it."),
    ] = None


@Parameter(name="*")
@dataclass(frozen=True)
class Part(Ranges, Sizes):
    """Columns of sizes and controls, and the part of the points that is taken."""

    size_from_name: SizeFromName = None
    strict: Annotated[
        bool,
        Parameter(
            negative=(), help="Refuse rows without a value or with an error of 0; else left out."
        ),
    ] = False

    def read(self, file: Path, **more: Any) -> "ScalingTable":
        """The part of the table in a file that is taken."""
        from physbatch.tables.read import read_table

        ranges = {field.name for field in fields(Ranges)}
        columns = {name: value for name, value in vars(self).items() if name not in ranges}
        table = read_table(file, **columns, **more)
        _refuse_swapped(table, file)
        return self.of_table(table, file)


def _refuse_swapped(table: "ScalingTable", file: Path) -> None:
    """An AnalysisError where columns of sizes and controls have changed places."""
    from physbatch.tables.columns import look_swapped

    if look_swapped(table.size, table.control):
        sizes, controls = table.sizes, table.control
        words = ["--size", table.control_name, "--control", table.size_name]
        call = shlex.join(["physbatch", "collapse", str(file), *words])
        raise AnalysisError(
            f"{table.size_name} is {sizes[0]:g} to {sizes[-1]:g} and {table.control_name} is "
            f"{controls.min():g} to {controls.max():g}: size and control are swapped",
            where=str(file),
            remedy=f"give them as in `{call}`",
        )


def require_named(table: "ScalingTable", file: Path, command: str, most: int = 1) -> None:
    """Refuse a table of more observables than a command takes unasked.

    Raises
    ------
    physbatch.errors.AnalysisError
        With the whole command for one of them.
    """
    names = table.observables
    if len(names) > most:
        likely = next((name for name in names if "binder" in name.lower()), names[0])
        call = shlex.join(["physbatch", command, str(file), "--observable", likely])
        raise AnalysisError(
            f"several observables: {', '.join(names)}",
            where=str(file),
            remedy=f"name what is wanted, as in `{call}`",
        )


@Parameter(name="*")
@dataclass(frozen=True)
class Columns(Part):
    """Columns of one observable."""

    observable: Annotated[str | None, Parameter(help="Column of the observable.")] = None
    error: Annotated[
        str | None,
        Parameter(
            help="Column of its standard error; without one, rows with the same size and control "
            "are replicas."
        ),
    ] = None


@Parameter(name="*")
@dataclass(frozen=True)
class ColumnsOfMany(Part):
    """Columns of several observables."""

    observable: Annotated[
        list[str] | None,
        Parameter(help="Column of an observable; more with commas, or give it again.", negative=()),
    ] = None
    error: Annotated[
        list[str] | None,
        Parameter(
            help="Column of its standard error, in the same order; without one, rows with the "
            "same size and control are replicas.",
            negative=(),
        ),
    ] = None

    def read(self, file: Path, **more: Any) -> "ScalingTable":
        """The part of the table in a file that is within the ranges; m,U are two observables."""
        names = _apart(self.observable)
        if names != self.observable:
            return replace(self, observable=names, error=_apart(self.error)).read(file, **more)
        return super().read(file, **more)


def _apart(words: list[str] | None) -> list[str] | None:
    """Words that stand between commas; those in brackets belong to a name, as in ``U(L,T)``."""
    if words is None:
        return None
    return [part for word in words for part in re.split(r",(?![^(]*\))", word) if part]


@Parameter(name="*")
@dataclass(frozen=True)
class Samples(Ranges, Sizes):
    """Where the samples are, which of them are taken, and which are independent."""

    observable: Annotated[str | None, Parameter(help="Column of the order parameter.")] = None
    rows: Annotated[
        Literal["replicas", "series"],
        Parameter(
            help="Whether rows are independent replicas or steps of a series in equilibrium."
        ),
    ] = "replicas"
    cluster: Annotated[
        str | None, Parameter(help="Column that labels replicas which share a graph.")
    ] = None
    space_dimension: Annotated[
        float | None, Parameter(help="d in N = L^d; susceptibilities of linear sizes need it.")
    ] = None
    time: Annotated[
        float | None, Parameter(help="For datasets with a time: which one; by default the last.")
    ] = None


@Parameter(name="*")
@dataclass(frozen=True)
class RawSeries(Sizes):
    """Columns of raw series."""

    energy: Annotated[
        str, Parameter(help="Column of the energy, which the control multiplies.")
    ] = "E"
    observable: Annotated[
        Words, Parameter(help="Column of an observable; give it again for more.")
    ] = None
    chain: Annotated[
        str | None,
        Parameter(
            help='Column that numbers independent chains; by default "chain" if it is there.'
        ),
    ] = None
    time: Annotated[
        str | None,
        Parameter(help="Column by which chains are sorted; by default rows are in order."),
    ] = None
    size_from_name: SizeFromName = None
    weight: Annotated[
        Literal["beta", "temperature"] | None,
        Parameter(
            help="Whether the weight of a state is exp(-c E) or exp(-E/c) at the control c; by "
            "default the latter if the control is called T."
        ),
    ] = None
    per_site: Annotated[Switch, Parameter(help="The energies are those of a site.")] = False
    space_dimension: Annotated[
        float | None,
        Parameter(help="d in N = L^d; heat and susceptibility of linear sizes need it."),
    ] = None


def read_grid(words: Sequence[str], where: str) -> list[float]:
    """Numbers, and grids LOW:HIGH:COUNT; `where` is the name of the option.

    Raises
    ------
    physbatch.errors.AnalysisError
        For a word that is neither.
    """
    controls: list[float] = []
    for word in words:
        try:
            numbers = [float(part) for part in word.split(":")]
        except ValueError:
            numbers = []
        if len(numbers) == 3 and all(map(math.isfinite, numbers)):
            low, high, count = numbers
            if count >= 2 and count == int(count) and low < high:
                steps = int(count) - 1
                controls += [low + (high - low) * step / steps for step in range(steps)] + [high]
                continue
        if len(numbers) != 1 or not math.isfinite(numbers[0]):
            raise AnalysisError(
                f"cannot read {word!r}",
                where=where,
                remedy="write a number or LOW:HIGH:COUNT, as in 0.42:0.46:21",
            )
        controls.append(numbers[0])
    return controls
