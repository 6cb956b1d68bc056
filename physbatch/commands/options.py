"""Options that several commands share, each explained in one place.

A group of options is a frozen dataclass; on the command line its fields are options like any other.
"""

import math
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

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


_Limit = Annotated[float | None, Parameter(negative=())]


@Parameter(name="*")
@dataclass(frozen=True)
class Part(Sizes):
    """Columns of sizes and controls, and the range of either that is taken."""

    size_min: Annotated[_Limit, Parameter(help="Leave out smaller sizes.")] = None
    size_max: Annotated[_Limit, Parameter(help="Leave out larger sizes.")] = None
    control_min: Annotated[_Limit, Parameter(help="Leave out smaller controls.")] = None
    control_max: Annotated[_Limit, Parameter(help="Leave out larger controls.")] = None
    size_from_name: SizeFromName = None
    strict: Annotated[
        bool,
        Parameter(
            negative=(), help="Refuse rows without a value or with an error of 0; else left out."
        ),
    ] = False

    @property
    def limits(self) -> dict[str, float]:
        """Ends of the ranges that are given.

        Raises
        ------
        physbatch.errors.AnalysisError
            If a range is empty.
        """
        names = ("size_min", "size_max", "control_min", "control_max")
        limits = {name: getattr(self, name) for name in names}
        given = {name: limit for name, limit in limits.items() if limit is not None}
        for role in ("size", "control"):
            low = given.get(f"{role}_min", -math.inf)
            high = given.get(f"{role}_max", math.inf)
            if not low <= high:
                raise AnalysisError(
                    f"no {role} is from {low:g} to {high:g}",
                    where=f"--{role}-min, --{role}-max",
                    remedy="give the smaller number first",
                )
        return given

    def read(self, file: Path, **more: Any) -> "ScalingTable":
        """The part of the table in a file that is within the ranges."""
        from physbatch.tables.read import read_table

        limits = self.limits
        columns = {n: v for n, v in self.__dict__.items() if not n.endswith(("_min", "_max"))}
        table = read_table(file, **columns, **more)
        _refuse_swapped(table, file)
        part = table.window(**limits)
        if part.size.size == 0:
            sizes, controls = table.sizes, table.control
            raise AnalysisError(
                "no point is within the range",
                where=str(file),
                remedy=f"{table.size_name} is {sizes[0]:g} to {sizes[-1]:g} and "
                f"{table.control_name} {controls.min():g} to {controls.max():g}",
            )
        say_cut(part.size.size, table.size.size, limits)
        return part


def _refuse_swapped(table: "ScalingTable", file: Path) -> None:
    """An AnalysisError where sizes look like controls and controls look like sizes.

    Sizes that are fractions within a factor of two and controls that are whole numbers over more
    than one are taken for columns that changed places.
    """
    sizes, controls = table.sizes, sorted(set(table.control.tolist()))
    fractions = sizes[-1] < 2 * sizes[0] and any(size % 1 for size in sizes)
    whole = controls[0] >= 1 and controls[-1] > 2 * controls[0] and not any(c % 1 for c in controls)
    if fractions and whole:
        raise AnalysisError(
            f"{table.size_name} is {sizes[0]:g} to {sizes[-1]:g} and {table.control_name} is "
            f"{controls[0]:g} to {controls[-1]:g}: size and control are swapped",
            where=str(file),
            remedy=f"give --size {table.control_name} --control {table.size_name}",
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


def say_cut(kept: int, total: int, limits: Mapping[str, float]) -> None:
    """Say on stderr what a range has left of the points."""
    if limits:
        words = ", ".join(f"{name.replace('_', '-')} {limit!r}" for name, limit in limits.items())
        print(f"range    {kept} of {total} points kept: {words}", file=sys.stderr)


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
class Samples(Sizes):
    """Where the samples are, and which of them are independent."""

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
