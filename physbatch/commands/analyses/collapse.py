"""Data collapse on the command line."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from physbatch.commands.look import ResultAndFigure
from physbatch.commands.options import ColumnsOfMany, Switch, Words, require_named
from physbatch.commands.output import exit_code, finish, keep_other_results
from physbatch.errors import AnalysisError

if TYPE_CHECKING:
    from physbatch.scaling.data_collapse import Collapse
    from physbatch.tables.table import ScalingTable


#: Observables that are fitted together without being named; `moments` writes eight.
_UNASKED = 3


@Parameter(name="*")
@dataclass(frozen=True)
class Powers:
    """What is fitted in powers of the size."""

    exponent: Annotated[
        Words,
        Parameter(
            help="What zeta is: beta (of an order parameter, zeta = -beta) or gamma (of a "
            "susceptibility, zeta = gamma); for several observables OBSERVABLE=beta, once for each."
        ),
    ] = None
    fix: Annotated[
        Words,
        Parameter(
            help="Hold an exponent, as in --fix zeta=0 or --fix beta=0.125; give it again for more."
        ),
    ] = None
    corrections: Annotated[
        Switch, Parameter(help="Fit corrections to scaling with their exponent omega.")
    ] = False
    drift: Annotated[Switch, Parameter(help="Let c_c move with the size as c_c + a N^(-phi).")] = (
        False
    )


@Parameter(name="*")
@dataclass(frozen=True)
class Form(Powers):
    """The scaling form."""

    form: Annotated[
        Literal[
            "power",
            "kt",
            "essential",
            "kt-helicity",
            "log",
            "log-additive",
            "activated",
            "background",
            "offset",
            "free-scale",
            "custom",
        ],
        Parameter(
            help="Power laws; Kosterlitz-Thouless, with x = (c - c_c) ln(L/L0)^2 or, essential, "
            "L exp(-b/|c - c_c|^(1/2)); logarithms that multiply or add; activated, where ln y "
            "scales; a background linear in c; an offset or, free-scale, a factor for each size "
            "in place of a power; or your own, by --x and --y."
        ),
    ] = "power"
    x: Annotated[
        str | None,
        Parameter(
            help='Scaling variable of a custom form, as in --x "(T - c_c)*log(L/L0)**2"; names '
            "that are no columns are parameters and are fitted."
        ),
    ] = None
    y: Annotated[
        Words,
        Parameter(
            help='What falls onto one curve, as in --y "m*L**(1/8)"; once for each observable.'
        ),
    ] = None


@Parameter(name="*")
@dataclass(frozen=True)
class Search:
    """How the best collapse is sought."""

    method: Annotated[
        Literal["gp", "spline", "polynomial", "local-linear"],
        Parameter(
            help="Gaussian process; least squares on a spline in the window that the former has "
            "chosen, or on the polynomials of Slevin and Ohtsuki at all points; or the smallest S "
            "of Houdayer and Hartmann (biased if points are far apart)."
        ),
    ] = "gp"
    order: Annotated[
        Words,
        Parameter(
            help="Hold an order of method polynomial, as in --order n1=3: n1 of the curve, n2 of "
            "the irrelevant field, m of the relevant one; the others are averaged. n3 adds a "
            "second irrelevant field."
        ),
    ] = None
    window: Annotated[
        Literal["scan", "all"],
        Parameter(help="Scan windows in size and distance from c_c, or take all points."),
    ] = "scan"
    errors: Annotated[
        Literal["likelihood", "profile", "bootstrap", "posterior", "quality"] | None,
        Parameter(
            help="Where statistical errors come from: by default the likelihood, for local-linear "
            'the bootstrap; "quality" is S_min + 1.'
        ),
    ] = None
    start: Annotated[
        Words,
        Parameter(
            help="One more start, as in --start nu=1; give it again for more. None is needed."
        ),
    ] = None
    seed: Annotated[int, Parameter(help="Seed of bootstrap and posterior.")] = 0


def collapse_command(
    file: Path,
    *,
    columns: ColumnsOfMany = ColumnsOfMany(),
    form: Form = Form(),
    search: Search = Search(),
    outputs: ResultAndFigure = ResultAndFigure(),
) -> int:
    """Find c_c and exponents from the demand that all sizes fall on one curve.

    Several observables share c_c and nu. Besides the figure of the collapse, the scan of windows
    goes to NAME-windows, the posterior or bootstrap to NAME-corner.

    Parameters
    ----------
    file
        CSV, TSV, columns separated by spaces, or NetCDF.
    """
    check_words(form, search)
    keep_other_results(outputs.output, "collapse")
    table = columns.read(file)
    if columns.observable is None and form.y is None:
        require_named(table, file, "collapse", most=_UNASKED)
    result = fitted(table, form, search, form=form.form, x=form.x, y=form.y)
    of_reading = [flag for flag in table.flags if flag not in result.flags]
    flags = [*of_reading, *result.flags]
    finish(result, outputs, [result], {"flags": flags}, flags=of_reading)
    return exit_code(result)


def check_words(powers: Powers, search: Search) -> None:
    """Refuse words that cannot be read, before a file is."""
    for words, option in (
        (powers.fix, "--fix"),
        (search.start, "--start"),
        (search.order, "--order"),
    ):
        _numbers(words or (), option)
    _exponent(powers.exponent or ())


def fitted(table: "ScalingTable", powers: Powers, search: Search, **more: Any) -> "Collapse":
    """The collapse of a table as the options ask for it."""
    from physbatch.scaling.data_collapse import collapse

    return collapse(
        table,
        exponent=_exponent(powers.exponent or ()),
        fixed=_numbers(powers.fix or (), "--fix"),
        corrections=powers.corrections,
        drift=powers.drift,
        method=search.method,
        window=search.window,
        errors=search.errors,
        start=_numbers(search.start or (), "--start") or None,
        seed=search.seed,
        orders=_numbers(search.order or (), "--order") or None,
        **more,
    )


def _numbers(words: Sequence[str], option: str) -> dict[str, float]:
    """Values of words like zeta=0."""
    values: dict[str, float] = {}
    for word in words:
        name, _, text = (part.strip() for part in word.rpartition("="))
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not name or not math.isfinite(value):
            raise AnalysisError(
                f"cannot read {word!r}", where=option, remedy="write NAME=VALUE, as in zeta=0"
            )
        if name in values:
            raise AnalysisError(f"{name} is given twice", where=option, remedy="give it once")
        values[name] = value
    return values


def _exponent(words: Sequence[str]) -> str | dict[str, str] | None:
    """The name of one exponent, or those of several observables."""
    if len(words) == 1 and "=" not in words[0]:
        return words[0].strip()
    named: dict[str, str] = {}
    for word in words:
        observable, _, name = (part.strip() for part in word.rpartition("="))
        if not observable or observable in named:
            raise AnalysisError(
                f"cannot read {' '.join(words)!r}",
                where="--exponent",
                remedy="write beta, or OBSERVABLE=beta once for each observable",
            )
        named[observable] = name
    return named or None
